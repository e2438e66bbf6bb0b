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
	Username   string   `sconf-doc:"User name."`
	Password   string   `sconf-doc:"Password, up to the end of the line."`
	Mechanisms []string `sconf:"optional" sconf-doc:"Authentication mechanisms allowed, of which the best that the server also has is used. Default: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, SCRAM-SHA-1-PLUS, SCRAM-SHA-1, CRAM-MD5. PLAIN and LOGIN, which give the password to the server, must be listed to be used."`
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
