package config

import "time"

// Transport is an entry of Static.Transports: a way for outgoing mail. At most one
// field is set; without one it is ordinary direct delivery.
type Transport struct {
	Submissions *TransportSMTP   `sconf:"optional" sconf-doc:"Hand mail to another server (smarthost) over SMTP with TLS from the start. Default port: 465."`
	Submission  *TransportSMTP   `sconf:"optional" sconf-doc:"Hand mail to another server by submission with STARTTLS. Default port: 587."`
	SMTP        *TransportSMTP   `sconf:"optional" sconf-doc:"Hand mail to another server over SMTP with STARTTLS. Default port: 25."`
	Socks       *TransportSocks  `sconf:"optional" sconf-doc:"Deliver directly, but through a SOCKS5 proxy, so from another address."`
	Direct      *TransportDirect `sconf:"optional" sconf-doc:"Deliver directly, with restrictions."`
	Fail        *TransportFail   `sconf:"optional" sconf-doc:"Do not deliver: fail at once."`

	Retry          []time.Duration `sconf:"optional" sconf-doc:"How long to wait after each attempt that failed for the time being, e.g. 5m, 15m, 1h. After one attempt more than there are times the message fails. Default: 7m30s, doubled each time up to 8h, so 8 attempts in almost 16 hours."`
	MaxConnections int             `sconf:"optional" sconf-doc:"How many connections to make at a time, at most: to the server that mail is handed to, or with direct delivery to each domain. Default: 4."`
}

// TransportSMTP is a smarthost.
type TransportSMTP struct {
	Host                       string    `sconf-doc:"Name of the server. Its certificate must be for this name."`
	Port                       int       `sconf:"optional" sconf-doc:"TCP port."`
	STARTTLSInsecureSkipVerify bool      `sconf:"optional" sconf-doc:"Accept certificates that do not verify. Only with STARTTLS."`
	NoSTARTTLS                 bool      `sconf:"optional" sconf-doc:"Do not use STARTTLS, but plaintext."`
	Auth                       *SMTPAuth `sconf:"optional" sconf-doc:"Credentials to log in with."`
}

// SMTPAuth is TransportSMTP.Auth.
type SMTPAuth struct {
	Username          string             `sconf:"optional" sconf-doc:"User name. Needed but with ClientCertificate, where it is the identity that is asked for, if any."`
	Password          string             `sconf:"optional" sconf-doc:"Password, up to the end of the line. Exactly one of Password, ClientCertificate and OAuth is needed."`
	ClientCertificate *ClientCertificate `sconf:"optional" sconf-doc:"Certificate that shows in TLS who this server is. If the server offers EXTERNAL, it is used; otherwise the certificate has to be enough for it."`
	OAuth             *SMTPOAuth         `sconf:"optional" sconf-doc:"Log in with a token of OAuth 2, by OAUTHBEARER or XOAUTH2."`
	Mechanisms        []string           `sconf:"optional" sconf-doc:"Authentication mechanisms allowed, of which the first that the server also has is used. Default with a password: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, SCRAM-SHA-1, CRAM-MD5. PLAIN and LOGIN, which give the password to the server, must be listed to be used. With OAuth: OAUTHBEARER, XOAUTH2."`
}

// ClientCertificate is SMTPAuth.ClientCertificate.
type ClientCertificate struct {
	CertFile string `sconf-doc:"PEM file with the certificate, and intermediate certificates if the server needs them. Relative to the directory of this file."`
	KeyFile  string `sconf-doc:"PEM file with the private key. May be readable for root only, if mox is started as root."`
}

// SMTPOAuth is SMTPAuth.OAuth.
type SMTPOAuth struct {
	TokenFile        string `sconf:"optional" sconf-doc:"File with an access token, which another program keeps valid; it is read for each login. Relative to the directory of this file; the user that mox runs as must be able to read it, so it should be there or in the data directory. Either this or TokenURL."`
	TokenURL         string `sconf:"optional" sconf-doc:"Where access tokens are had for a refresh token, e.g. https://oauth2.googleapis.com/token. They are renewed before they expire."`
	ClientID         string `sconf:"optional" sconf-doc:"Name of this program at TokenURL. Needed with TokenURL."`
	ClientSecretFile string `sconf:"optional" sconf-doc:"File with the secret of ClientID, for servers that want one."`
	RefreshTokenFile string `sconf:"optional" sconf-doc:"File with the refresh token. Needed with TokenURL. If the server gives out a new one, it is written to the file."`
	Scope            string `sconf:"optional" sconf-doc:"Scope to ask for, for servers that want it named."`
}

// TransportSocks is Transport.Socks.
type TransportSocks struct {
	Address        string   `sconf-doc:"Address of the proxy as host:port."`
	RemoteIPs      []string `sconf-doc:"Addresses from which connections through the proxy come to their destination. Used in suggested SPF records."`
	RemoteHostname string   `sconf-doc:"Name for EHLO. It should be the reverse name of RemoteIPs and resolve to them."`
}

// TransportDirect is Transport.Direct.
type TransportDirect struct {
	DisableIPv4 bool `sconf:"optional" sconf-doc:"Do not connect over IPv4."`
	DisableIPv6 bool `sconf:"optional" sconf-doc:"Do not connect over IPv6, e.g. because its reverse DNS is not right."`
}

// TransportFail is Transport.Fail.
type TransportFail struct {
	SMTPCode    int    `sconf:"optional" sconf-doc:"SMTP code to fail with: 400-499 for temporary failures, which are tried again, 500-599 for permanent ones. Default: 554."`
	SMTPMessage string `sconf:"optional" sconf-doc:"Text for the sender, at most 256 printable ASCII characters. Default: a general one."`
}
