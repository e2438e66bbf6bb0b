package config

import "time"

// Dynamic is domains.conf: changes count while the server runs. Field documentation is
// in the tags, from where also the reference is made ([DescribeDynamic]).
type Dynamic struct {
	Domains            map[string]Domain  `sconf-doc:"Domains for which mail is accepted. Keys are domain names, with other than ASCII characters in Unicode."`
	Accounts           map[string]Account `sconf-doc:"Accounts: each has mailboxes, a password and any number of addresses. Keys are names of accounts, which are also names of directories; users log in with their addresses."`
	WebDomainRedirects map[string]string  `sconf:"optional" sconf-doc:"Web sites redirected to other domains: from the domain that is the key to the domain that is the value, permanently (308), to HTTPS, keeping path and query. Come before WebHandlers."`
	WebHandlers        []WebHandler       `sconf:"optional" sconf-doc:"Web sites, served by listeners with WebserverHTTP or WebserverHTTPS. The first handler whose Domain and PathRegexp match a request gets it. They come before the account pages, webmail and so on, and so can override them."`
	Routes             []Route            `sconf:"optional" sconf-doc:"Routes for outgoing mail, tried after those of the account and the domain of the sender. The first that matches decides. Without a match mail is delivered directly."`
	TrustedARCSealers  []string           `sconf:"optional" sconf-doc:"Domains of servers that forward to accounts here and can be trusted to say (with ARC, RFC 8617) that a message passed DMARC before they changed it, e.g. those of mailing lists. Failures of DMARC are then not held against it."`
	MonitorDNSBLs      []string           `sconf:"optional" sconf-doc:"DNS blocklists to watch for the own public addresses, in addition to those used for incoming mail. Results are in the metrics."`
}

// Domain is an entry of Dynamic.Domains.
type Domain struct {
	Disabled                    bool             `sconf:"optional" sconf-doc:"Mail to and from this domain is answered with temporary errors, and no TLS certificates are requested for its names. For moving a domain, and while DNS is not set up."`
	Description                 string           `sconf:"optional" sconf-doc:"Free text."`
	ClientSettingsDomain        string           `sconf:"optional" sconf-doc:"Name that users of this domain are told to connect to for IMAP and submission, such as mail.example.org, so that the domain can move to another host without changes in mail programs. Default: Hostname."`
	LocalpartCatchallSeparator  string           `sconf:"optional" sconf-doc:"If \"+\", mail to you+anything is delivered to you. Not together with LocalpartCatchallSeparators."`
	LocalpartCatchallSeparators []string         `sconf:"optional" sconf-doc:"Several separators, such as \"+\" and \"-\". The first is used where mox itself makes addresses."`
	LocalpartCaseSensitive      bool             `sconf:"optional" sconf-doc:"Take you and You for different addresses."`
	DKIM                        DKIM             `sconf:"optional" sconf-doc:"Signing of outgoing mail (RFC 6376)."`
	DMARC                       *DMARC           `sconf:"optional" sconf-doc:"Address for aggregate reports of others about mail from this domain (RFC 9990). To be published in the DMARC record."`
	MTASTS                      *MTASTS          `sconf:"optional" sconf-doc:"MTA-STS policy (RFC 8461): other servers then insist on verified TLS when they deliver to this domain. Needs a listener with MTASTSHTTPS."`
	TLSRPT                      *TLSRPT          `sconf:"optional" sconf-doc:"Address for reports of others about TLS with this domain's servers (RFC 8460). To be published in the TLSRPT record."`
	Routes                      []Route          `sconf:"optional" sconf-doc:"Routes for mail sent from this domain, tried after those of the account, before the global ones."`
	Aliases                     map[string]Alias `sconf:"optional" sconf-doc:"Addresses that deliver to several accounts. Keys are localparts."`
}

// DKIM is Domain.DKIM.
type DKIM struct {
	Selectors map[string]Selector `sconf:"optional" sconf-doc:"Keys by their selector: the public key is in DNS at <selector>._domainkey.<domain>. Keep selectors that are not in Sign for as long as mail signed with them may be on its way."`
	Sign      []string            `sconf:"optional" sconf-doc:"Selectors to sign with; each adds a signature."`
}

// Selector is an entry of DKIM.Selectors.
type Selector struct {
	Hash             string            `sconf:"optional" sconf-doc:"sha256. The value sha1 is still accepted for RSA keys, with a warning, and ignored: signatures are made with sha256 (RFC 8301). Default: sha256."`
	Canonicalization *Canonicalization `sconf:"optional" sconf-doc:"How changes on the way are tolerated. Default: both relaxed."`
	Headers          []string          `sconf:"optional" sconf-doc:"Header fields to sign if present; From must be one. Default: From, To, Cc, Bcc, Reply-To, References, In-Reply-To, Subject, Date, Message-Id, Content-Type."`
	DontSealHeaders  bool              `sconf:"optional" sconf-doc:"Do not sign that there are no more header fields of these names than the message has. By default they are sealed, so that nobody can add e.g. a second Subject."`
	Expiration       string            `sconf:"optional" sconf-doc:"How long a signature is valid, such as 72h. Default: without end."`
	PrivateKeyFile   string            `sconf-doc:"PEM file (PKCS8) with the private key, RSA of at least 1024 bits or ed25519, relative to the directory of this file."`
}

// Canonicalization is Selector.Canonicalization (RFC 6376 3.4).
type Canonicalization struct {
	HeaderRelaxed bool `sconf-doc:"Tolerate changes of case and whitespace in header fields."`
	BodyRelaxed   bool `sconf-doc:"Tolerate changes of whitespace in the body."`
}

// DMARC is Domain.DMARC.
type DMARC struct {
	Localpart string `sconf-doc:"Localpart of the report address. Example: dmarcreports"`
	Domain    string `sconf:"optional" sconf-doc:"Domain of the report address, if another domain of this file. Then that one needs a DNS record that allows it. Default: this domain."`
	Account   string `sconf-doc:"Account that gets the reports."`
	Mailbox   string `sconf-doc:"Mailbox in that account, such as DMARC."`
}

// MTASTS is Domain.MTASTS.
type MTASTS struct {
	PolicyID string        `sconf-doc:"Version of the policy, letters and digits, e.g. a time. Change it, here and in DNS, with each change of the policy."`
	Mode     string        `sconf-doc:"testing, enforce, or none. With enforce, mail that cannot be delivered over verified TLS stays with the sender. With testing, failures are only reported. Use none for at least MaxAge before removing a policy."`
	MaxAge   time.Duration `sconf-doc:"How long other servers may keep the policy, such as 168h, at most a year."`
	MX       []string      `sconf:"optional" sconf-doc:"Names of the mail servers of the domain; *.example.org stands for all names directly below. Default: Hostname."`
}

// TLSRPT is Domain.TLSRPT.
type TLSRPT struct {
	Localpart string `sconf-doc:"Localpart of the report address. Example: tlsreports"`
	Domain    string `sconf:"optional" sconf-doc:"Domain of the report address, if another domain of this file. Default: this domain."`
	Account   string `sconf-doc:"Account that gets the reports."`
	Mailbox   string `sconf-doc:"Mailbox in that account, such as TLSRPT."`
}

// Alias is an entry of Domain.Aliases.
type Alias struct {
	Addresses    []string `sconf-doc:"Members: addresses of accounts of this server."`
	PostPublic   bool     `sconf:"optional" sconf-doc:"Anyone may write to the alias. Otherwise only members may, with a verified From address."`
	ListMembers  bool     `sconf:"optional" sconf-doc:"Members may see who the members are."`
	AllowMsgFrom bool     `sconf:"optional" sconf-doc:"Members may send with the alias as From address."`
}

// Route decides about a transport. A route matches if all that is set in it matches.
type Route struct {
	FromDomain      []string `sconf:"optional" sconf-doc:"Domains of the sender; .example.org stands for the domain and all below it. Empty: any."`
	ToDomain        []string `sconf:"optional" sconf-doc:"Domains of the recipient, likewise."`
	MinimumAttempts int      `sconf:"optional" sconf-doc:"Only after this many attempts to deliver. E.g. for a fallback after direct delivery failed."`
	Transport       string   `sconf-doc:"Name of a transport in mox.conf."`

	Retry          []time.Duration `sconf:"optional" sconf-doc:"How long to wait after each attempt that failed for the time being, in place of what the transport says. After one attempt more than there are times the message fails."`
	MaxConnections int             `sconf:"optional" sconf-doc:"How many connections to make at a time, at most, in place of what the transport says. 0 for what that says."`
}
