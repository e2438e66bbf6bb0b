package config

import "time"

// Listener is an entry of Static.Listeners.
type Listener struct {
	IPs                []string         `sconf-doc:"Addresses to listen on; 0.0.0.0 and :: for all. List the public addresses if you can: then outgoing connections use the same address as incoming mail, which others expect (for that, at most one of each family)."`
	NATIPs             []string         `sconf:"optional" sconf-doc:"Public addresses, when IPs are internal ones behind address translation. Used instead of IPs for checking and suggesting DNS records. No loopback or unspecified addresses."`
	IPsNATed           bool             `sconf:"optional" sconf-doc:"Deprecated, use NATIPs: IPs are behind address translation, so do not check that DNS points to them."`
	Hostname           string           `sconf:"optional" sconf-doc:"Name of this listener, if another than the global Hostname."`
	ProxyProtocol      []string         `sconf:"optional" sconf-doc:"Addresses or networks (as in 192.0.2.0/24) of proxies that connect with the PROXY protocol, version 1 or 2, such as HAProxy with send-proxy or send-proxy-v2. The addresses of clients are then those that the proxy says. Applies to all services of this listener but MetricsHTTP and PprofHTTP: connections from other addresses, and those without the header, are closed, so use another listener for clients that connect directly. HTTP services need no Forwarded then."`
	TLS                *TLS             `sconf:"optional" sconf-doc:"Certificates for the services of this listener. Needed for all services with TLS, which includes SMTP, Submission and IMAP unless STARTTLS is turned off for them."`
	SMTPMaxMessageSize int64            `sconf:"optional" sconf-doc:"Maximum size in bytes of a message, incoming and outgoing. Default: 104857600 (100 MiB)."`
	SMTP               SMTP             `sconf:"optional" sconf-doc:"SMTP for incoming mail from other servers."`
	LMTP               LMTP             `sconf:"optional" sconf-doc:"LMTP (RFC 2033), for other mail servers and programs of ours that hand over mail for local addresses. Its clients are trusted: there is no login, and senders are not checked. Only on listeners all of whose IPs are loopback or private addresses."`
	Submission         Submission       `sconf:"optional" sconf-doc:"SMTP for mail programs of users, with STARTTLS and authentication."`
	Submissions        Submissions      `sconf:"optional" sconf-doc:"SMTP for mail programs of users, with TLS from the start (RFC 8314 recommends it over STARTTLS)."`
	IMAP               IMAP             `sconf:"optional" sconf-doc:"IMAP with STARTTLS."`
	IMAPS              IMAPS            `sconf:"optional" sconf-doc:"IMAP with TLS from the start (RFC 8314 recommends it over STARTTLS)."`
	AccountHTTP        WebService       `sconf:"optional" sconf-doc:"Account pages, where users change their settings, without TLS: for private networks and behind a reverse proxy. At the host name and addresses of the listener, at localhost, and at client settings domains. Default path: /"`
	AccountHTTPS       WebService       `sconf:"optional" sconf-doc:"Account pages with TLS. Default path: /"`
	AdminHTTP          WebService       `sconf:"optional" sconf-doc:"Admin pages without TLS: for loopback and private networks. At the host name and addresses of the listener and at localhost, with the password of \"mox setadminpassword\". Default path: /admin/"`
	AdminHTTPS         WebService       `sconf:"optional" sconf-doc:"Admin pages with TLS. Better on a listener with loopback or private addresses, too. Default path: /admin/"`
	WebmailHTTP        WebService       `sconf:"optional" sconf-doc:"Webmail without TLS: for private networks and behind a reverse proxy. Default path: /webmail/"`
	WebmailHTTPS       WebService       `sconf:"optional" sconf-doc:"Webmail with TLS. Default path: /webmail/"`
	WebAPIHTTP         WebService       `sconf:"optional" sconf-doc:"HTTP API for programs to send and process mail, without TLS. Default path: /webapi/"`
	WebAPIHTTPS        WebService       `sconf:"optional" sconf-doc:"HTTP API with TLS. Default path: /webapi/"`
	JMAPHTTP           WebService       `sconf:"optional" sconf-doc:"JMAP for mail programs, without TLS: for private networks and behind a reverse proxy. The webmail has its own. Default path: /jmap/"`
	JMAPHTTPS          WebService       `sconf:"optional" sconf-doc:"JMAP with TLS; programs find it at /.well-known/jmap on the same port. Default path: /jmap/"`
	MetricsHTTP        PlainService     `sconf:"optional" sconf-doc:"Prometheus metrics at path /metrics, health at /health/live and /health/ready, without TLS and authentication: for loopback and private networks. Default port: 8010."`
	PprofHTTP          PlainService     `sconf:"optional" sconf-doc:"Profiles of the Go runtime at path /debug/pprof/, without TLS and authentication: for loopback only. Cannot share its port. Default port: 8011."`
	AutoconfigHTTPS    DiscoveryService `sconf:"optional" sconf-doc:"Automatic configuration of mail programs, at names autoconfig.<domain> and by SRV records."`
	MTASTSHTTPS        DiscoveryService `sconf:"optional" sconf-doc:"MTA-STS policies of domains (RFC 8461), at names mta-sts.<domain>: other servers then insist on verified TLS when they deliver to us."`
	WebserverHTTP      WebserverService `sconf:"optional" sconf-doc:"Web sites (WebHandlers and WebDomainRedirects in domains.conf) without TLS. Default port: 80."`
	WebserverHTTPS     WebserverService `sconf:"optional" sconf-doc:"Web sites with TLS. Default port: 443."`
}

// TLS is Listener.TLS.
type TLS struct {
	ACME                    string    `sconf:"optional" sconf-doc:"Name of a provider in ACME from which to get certificates. One of this and KeyCerts is needed."`
	KeyCerts                []KeyCert `sconf:"optional" sconf-doc:"Certificates from files, in order of preference; clients get the first that fits the name they ask for. Files are read at start, as root if started so."`
	MinVersion              string    `sconf:"optional" sconf-doc:"Lowest TLS version: TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3. Versions before 1.2 are broken (RFC 8996). Default: TLSv1.2."`
	HostPrivateKeyFiles     []string  `sconf:"optional" sconf-doc:"Private keys (PKCS8 in PEM) to use for certificates of the host name gotten by ACME, so that the key and with it the TLSA record for DANE stays the same when certificates are renewed. Relative to the directory of this file. The first RSA key of 2048 bits and the first ECDSA P-256 key are used. Make them with \"mox config ensureacmehostprivatekeys\"."`
	NextHostPrivateKeyFiles []string  `sconf:"optional" sconf-doc:"Keys that are to replace those of HostPrivateKeyFiles, one of each type at most. Suggested DNS records have TLSA records for them as well. A next key is used, when a certificate is gotten anew, not before DNS has had its TLSA record for two days and twice its time to live, so that no other server sees a certificate without its record; unless the host has no TLSA records. \"mox certificates list\" tells. Once it is used, move it to HostPrivateKeyFiles, in place of the old one, and remove the old TLSA record."`
	ClientAuthDisabled      bool      `sconf:"optional" sconf-doc:"Do not ask clients for TLS certificates. For clients that cannot cope with being asked; login by certificate is then not possible."`
}

// KeyCert is a certificate with its key.
type KeyCert struct {
	CertFile string `sconf-doc:"PEM file with the certificate and its intermediate certificates, leaf first. Relative to the directory of this file."`
	KeyFile  string `sconf-doc:"PEM file with the private key. May be readable for root only, if mox is started as root."`
}

// SMTP is Listener.SMTP.
type SMTP struct {
	Enabled                   bool           `sconf-doc:"Whether to offer this service."`
	Port                      int            `sconf:"optional" sconf-doc:"Default: 25."`
	NoSTARTTLS                bool           `sconf:"optional" sconf-doc:"Do not offer STARTTLS, so that all mail comes in plaintext. Not on the internet."`
	RequireSTARTTLS           bool           `sconf:"optional" sconf-doc:"Refuse mail without TLS, but for reports about TLS. Standards forbid this on the internet (RFC 3207 4), some mail will not arrive."`
	NoRequireTLS              bool           `sconf:"optional" sconf-doc:"Do not offer REQUIRETLS (RFC 8689), by which senders ask that a message only travels over verified TLS."`
	DNSBLs                    []string       `sconf:"optional" sconf-doc:"DNS blocklists to ask about senders without reputation, e.g. zen.spamhaus.org. Mind their terms of use. A listed sender is refused with a temporary error."`
	FirstTimeSenderDelay      *time.Duration `sconf:"optional" sconf-doc:"How long to wait before accepting a message from a first-time sender. Junk that is about to be recognized is often sent in bulk and impatient. 0s turns it off. Default: 15s."`
	TLSSessionTicketsDisabled *bool          `sconf:"optional" sconf-doc:"Whether to disable TLS session tickets. Default: disabled for port 25, since some clients mix up sessions of several servers, enabled on other ports."`
}

// LMTP is Listener.LMTP.
type LMTP struct {
	Enabled bool `sconf-doc:"Whether to offer this service."`
	Port    int  `sconf:"optional" sconf-doc:"Default: 24. Not 25 (RFC 2033 5)."`
}

// Submission is Listener.Submission.
type Submission struct {
	Enabled           bool `sconf-doc:"Whether to offer this service."`
	Port              int  `sconf:"optional" sconf-doc:"Default: 587."`
	NoRequireSTARTTLS bool `sconf:"optional" sconf-doc:"Allow authentication and mail without TLS. Passwords can then be read on the network."`
}

// Submissions is Listener.Submissions.
type Submissions struct {
	Enabled        bool `sconf-doc:"Whether to offer this service."`
	Port           int  `sconf:"optional" sconf-doc:"Default: 465."`
	EnabledOnHTTPS bool `sconf:"optional" sconf-doc:"With Enabled, also serve on the ports of HTTPS of this listener, usually 443, to clients that ask for it in TLS (ALPN \"smtp\"). For networks that let only HTTPS through; needs a service with HTTPS on this listener."`
}

// IMAP is Listener.IMAP.
type IMAP struct {
	Enabled           bool `sconf-doc:"Whether to offer this service."`
	Port              int  `sconf:"optional" sconf-doc:"Default: 143."`
	NoRequireSTARTTLS bool `sconf:"optional" sconf-doc:"Allow login without TLS. Passwords and mail can then be read on the network."`
}

// IMAPS is Listener.IMAPS.
type IMAPS struct {
	Enabled        bool `sconf-doc:"Whether to offer this service."`
	Port           int  `sconf:"optional" sconf-doc:"Default: 993."`
	EnabledOnHTTPS bool `sconf:"optional" sconf-doc:"With Enabled, also serve on the ports of HTTPS of this listener, usually 443, to clients that ask for it in TLS (ALPN \"imap\"). For networks that let only HTTPS through; needs a service with HTTPS on this listener."`
}

// WebService is one of the web applications on a listener.
type WebService struct {
	Enabled   bool   `sconf-doc:"Whether to offer this service."`
	Port      int    `sconf:"optional" sconf-doc:"Default: 80 without, 443 with TLS."`
	Path      string `sconf:"optional" sconf-doc:"Path at which to serve, starting and ending with a slash. Services may share a port; the longest path that fits wins."`
	Forwarded bool   `sconf:"optional" sconf-doc:"Requests come through a reverse proxy: take the client's address from header X-Forwarded-For and whether it uses TLS from X-Forwarded-Proto. The proxy must overwrite these headers, and nobody else may reach the port. Applies to all services on the same port."`
}

// PlainService is an HTTP service for operators.
type PlainService struct {
	Enabled bool `sconf-doc:"Whether to offer this service."`
	Port    int  `sconf:"optional" sconf-doc:"TCP port."`
}

// DiscoveryService is a service that other software asks over HTTPS at a name below
// each domain.
type DiscoveryService struct {
	Enabled   bool `sconf-doc:"Whether to offer this service."`
	Port      int  `sconf:"optional" sconf-doc:"Default: 443, or 80 with NonTLS. Clients always use 443; another port is for forwarding."`
	NonTLS    bool `sconf:"optional" sconf-doc:"Serve without TLS, behind a reverse proxy that does TLS."`
	Forwarded bool `sconf:"optional" sconf-doc:"Requests come through a reverse proxy: take the client's address from header X-Forwarded-For. The proxy must overwrite it, and nobody else may reach the port. Applies to all services on the same port."`
}

// WebserverService is the serving of web sites.
type WebserverService struct {
	Enabled           bool `sconf-doc:"Whether to offer this service."`
	Port              int  `sconf:"optional" sconf-doc:"TCP port."`
	RateLimitDisabled bool `sconf:"optional" sconf-doc:"Do not limit the number of requests by address. Applies to all services on the same port."`
	Forwarded         bool `sconf:"optional" sconf-doc:"Requests come through a reverse proxy: take the client's address from header X-Forwarded-For and whether it uses TLS from X-Forwarded-Proto. The proxy must overwrite these headers, and nobody else may reach the port. Applies to all services on the same port."`
}
