package config

import "time"

// Static is mox.conf: read once, when the server starts. Field documentation is in the
// tags, from where also the reference is made ([DescribeStatic]).
type Static struct {
	DataDir                         string               `sconf-doc:"Directory for everything mox stores: accounts, queue, certificates, caches. A relative path is relative to the directory of this file. Needs a local file system; network file systems are not safe for databases."`
	LogLevel                        string               `sconf-doc:"Default log level: error, info, debug, trace, traceauth or tracedata; warn, fatal and print are accepted too. From trace on, all protocol lines are logged, but for credentials (shown from traceauth on) and message data (shown at tracedata). Can be changed while running with \"mox loglevels\"."`
	PackageLogLevels                map[string]string    `sconf:"optional" sconf-doc:"Log levels for single packages, overriding LogLevel. Keys are the values of field \"pkg\" in log lines, such as smtpserver, imapserver, queue, dkim."`
	LogFormat                       string               `sconf:"optional" sconf-doc:"Format of log lines: logfmt, or json for an object a line with the same fields. Default: logfmt."`
	LogFileSize                     int64                `sconf:"optional" sconf-doc:"Most octets that the files in directory log below DataDir may have, in which the newest lines of the log are kept for \"mox logs\", besides what goes to standard error. Default: 33554432 (32 MiB). Negative: no files are written."`
	User                            string               `sconf:"optional" sconf-doc:"User to run as when started as root: privileged ports are bound and TLS keys opened as root, all else happens as this user. A name that does not exist must be a number and is used as both user and group id. Default: mox."`
	NoFixPermissions                bool                 `sconf:"optional" sconf-doc:"When started as root, do not repair owner and mode of files in the configuration and data directories. For setups in which something else looks after them. This file and the directories above it should nevertheless not be writable for User: whoever takes over the server could become root by them."`
	Hostname                        string               `sconf-doc:"Full name of this machine in DNS, such as mail.example.org. Used in the SMTP greeting and EHLO, in Received headers, as target of MX records, and for TLS certificates. Forward and reverse DNS should agree with it. Names with other than ASCII characters are written in Unicode, not with xn--."`
	CheckUpdates                    bool                 `sconf:"optional" sconf-doc:"Ask once a day (with a DNS lookup) whether there is a newer version of mox, and if so deliver the changelog to the postmaster mailbox, once for each version. Where to ask and whose signature to believe is part of a release, or set by Updates; without either nothing is asked, and the log says so at the start. \"mox checkupdate\" asks now."`
	Updates                         *Updates             `sconf:"optional" sconf-doc:"Where CheckUpdates, \"mox checkupdate\" and \"mox upgrade\" find releases, in place of what this program was built with. For programs built by yourself, and organisations that release to their own servers (\"mox updates serve\")."`
	Pedantic                        bool                 `sconf:"optional" sconf-doc:"Refuse protocol deviations that are common and normally tolerated. For testing other software; do not use it where mail has to arrive."`
	TLS                             GlobalTLS            `sconf:"optional" sconf-doc:"Settings for all TLS connections that mox makes."`
	ACME                            map[string]ACME      `sconf:"optional" sconf-doc:"Providers of TLS certificates by ACME, such as Let's Encrypt. Keys are names of your choice, to be used in TLS.ACME of listeners."`
	AdminPasswordFile               string               `sconf:"optional" sconf-doc:"File with the bcrypt hash of the password for the admin pages, relative to the directory of this file. Set the password with \"mox setadminpassword\". A changed file counts at once, and ends all sessions of the admin pages."`
	Listeners                       map[string]Listener  `sconf-doc:"Groups of IP addresses and the services on them. Keys are names of your choice, of which \"public\" is special: its addresses are what DNS records, certificate checks and blocklist monitoring are about, and its ports what users are told to connect to. A second listener, often called \"internal\", typically serves admin pages and metrics on a private address."`
	Postmaster                      Postmaster           `sconf-doc:"Where mail to postmaster goes, for the host name, for all domains without their own postmaster address, and for the address \"postmaster\" without domain."`
	HostTLSRPT                      *HostTLSRPT          `sconf:"optional" sconf-doc:"Where reports about TLS connections to this host are delivered (RFC 8460): its address is published in DNS below Hostname."`
	InitialMailboxes                InitialMailboxes     `sconf:"optional" sconf-doc:"Mailboxes made for new accounts besides Inbox. Default: Sent, Archive, Trash, Drafts and Junk, each with its special use."`
	DefaultMailboxes                []string             `sconf:"optional" sconf-doc:"Deprecated, use InitialMailboxes: mailboxes for new accounts, of which those called Archive, Drafts, Junk, Sent and Trash get that special use. Not together with InitialMailboxes."`
	Transports                      map[string]Transport `sconf:"optional" sconf-doc:"Ways for outgoing mail other than direct delivery to the destination. Keys are names of your choice, to be used in Routes in domains.conf and in queue commands."`
	Relay                           map[string]Relay     `sconf:"optional" sconf-doc:"Who may send with any address of certain domains, to anywhere, such as printers or other servers of yours. Keys are names of your choice, for the log. Without this only users may send, with their own addresses."`
	NoOutgoingDMARCReports          bool                 `sconf:"optional" sconf-doc:"Do not send DMARC aggregate reports to domains that ask for them."`
	NoOutgoingTLSReports            bool                 `sconf:"optional" sconf-doc:"Do not send TLS reports to domains that ask for them."`
	OutgoingTLSReportsForAllSuccess bool                 `sconf:"optional" sconf-doc:"Send TLS reports also for days on which there was no failure."`
	DNSResolvers                    []string             `sconf:"optional" sconf-doc:"Addresses (IP or IP:port) of DNS resolvers to ask in place of those of /etc/resolv.conf. They must validate DNSSEC and the path to them must be trusted: what they say about DNSSEC is believed. Default: the resolvers of /etc/resolv.conf, believed about DNSSEC when on a loopback address or when that file has \"options trust-ad\". A validating resolver on this machine is best; without one that is believed, DANE is not used."`
	DocumentText                    []DocumentText       `sconf:"optional" sconf-doc:"Programs that take the text out of documents in messages, such as PDF, so that searches find messages by it. Each runs apart from the server, without access to mail or the network, for at most 20 seconds and with at most 1 GiB of memory a document. Messages are looked into as they come; \"mox reindex\" does so with older ones. Default: only text and HTML are searched."`
	QuotaMessageSize                int64                `sconf:"optional" sconf-doc:"Total size in bytes of all messages an account may store, unless the account has its own setting. Delivery to a full account is refused with a temporary error. Databases and search index need about 15% more. Default: 0, no limit."`
	QuotaMessages                   int64                `sconf:"optional" sconf-doc:"Number of messages an account may store, unless the account has its own setting. What is refused above it is as for QuotaMessageSize. Default: 0, no limit."`
	QuotaMailboxes                  int64                `sconf:"optional" sconf-doc:"Number of mailboxes an account may have, Inbox included, unless the account has its own setting. Mail for a mailbox that would be one too many is refused with a temporary error. Default: 0, no limit."`
	KeepExpunged                    time.Duration        `sconf:"optional" sconf-doc:"How long messages are kept that users have deleted for good (expunged), so that \"mox undelete\" can bring them back, such as 168h for a week. Meanwhile they take space on disk that counts for no quota. Default: 0, they are removed within minutes."`
	IMAPMessageLimit                int                  `sconf:"optional" sconf-doc:"How many messages an IMAP command may fetch, change, copy or move, announced as MESSAGELIMIT. Mail programs that do not know this take the part that they get for all: set it only when all that are used know it. Default: 0, no limit."`
	IMAPSaveLimit                   int                  `sconf:"optional" sconf-doc:"How many messages an IMAP command may copy, move or append, announced as SAVELIMIT, or as much as IMAPMessageLimit where that is lower. Commands with more are refused as a whole. Default: 0, no limit."`
	NoSharing                       bool                 `sconf:"optional" sconf-doc:"Do not let users share mailboxes with each other, which they do with access control lists in IMAP (RFC 4314). What is shared already stays so until this is removed again, but cannot be seen."`
	SharingWithinDomain             bool                 `sconf:"optional" sconf-doc:"Let users share mailboxes only with accounts of the same default Domain. For servers with domains that have nothing to do with each other."`
	AutoBan                         AutoBan              `sconf:"optional" sconf-doc:"Networks that guess passwords, look for addresses or attack otherwise are refused for some time: an hour, a day, then a week. \"mox ban list\" has those that are, docs/ban.md the rules. On by default."`
	Tracing                         *Tracing             `sconf:"optional" sconf-doc:"Send what took how long, from the reception of a message to its delivery, to a collector of OpenTelemetry. Default: nothing is sent."`
	Backup                          *Backup              `sconf:"optional" sconf-doc:"Have the server make backups of itself, and prove that they can be restored. Without this, \"mox backup\" does when asked."`
}

// Tracing is Static.Tracing.
type Tracing struct {
	Endpoint  string            `sconf-doc:"URL of the collector, which takes OTLP by HTTP as JSON: http://127.0.0.1:4318. Without a path, /v1/traces is added. Spans have names of accounts, domains, addresses of clients and what servers answered, but no addresses of persons and nothing of messages."`
	Headers   map[string]string `sconf:"optional" sconf-doc:"Fields added to the header of requests, such as Authorization."`
	IMAPAfter time.Duration     `sconf:"optional" sconf-doc:"How long a command of IMAP has to take to be sent. Default: 1s."`
}

// AutoBan is Static.AutoBan.
type AutoBan struct {
	Disabled      bool            `sconf:"optional" sconf-doc:"Ban nobody but those whom \"mox ban add\" does."`
	Allow         []string        `sconf:"optional" sconf-doc:"Addresses or networks (as in 192.0.2.0/24) that are never banned, such as those of offices. Networks from which somebody has logged in within 30 days need not be here, nor, for port 25, those from which verified mail was accepted, nor private networks, addresses of this server, and those in ProxyProtocol and Relay."`
	BanPrivate    bool            `sconf:"optional" sconf-doc:"Ban addresses of private networks (such as 192.168.0.0/16) too, when they attack. Only for networks with many machines of others: a router, proxy or container network that hides the addresses of clients behind its own would be banned with all of them."`
	LoginFailures int             `sconf:"optional" sconf-doc:"With how many different wrong passwords within a day an address is banned from submission, IMAP and HTTP. For networks that are a step wider (/26, of IPv6 /48) it is five times as many. Default: 20."`
	Durations     []time.Duration `sconf:"optional" sconf-doc:"How long a network is banned for the first time, the second, and so on; the last is for all further times. From port 25 it is never longer than an hour, so that no mail is lost. Default: 1h, 24h, 168h (a week)."`
	ExportFile    string          `sconf:"optional" sconf-doc:"Name of a file in DataDir that always has the networks that are banned, for a packet filter: one that ends in .nft is for \"nft -f\", one in .ipset for \"ipset restore\". The server does not load it, as it has no right to: docs/ban.md tells how the system does."`
}

// Backup is Static.Backup.
type Backup struct {
	Repository    string        `sconf-doc:"Where backups are kept: a directory, relative to that of this file, better on another disk and made before the server starts; or s3://host/bucket/prefix for an object store with the API of S3 (s3+http:// for one without TLS). Made when there is none."`
	Region        string        `sconf:"optional" sconf-doc:"Region of the object store. Default: us-east-1, which stores other than that of AWS mostly take."`
	AccessKeyFile string        `sconf:"optional" sconf-doc:"File with the id of an access key of the object store and its secret, a line each, relative to the directory of this file."`
	KeyFile       string        `sconf:"optional" sconf-doc:"File with the key that backups are encrypted with, made by \"mox backup key\", relative to the directory of this file. Keep a copy of it elsewhere: without it, nothing can be restored. Default: not encrypted."`
	Interval      time.Duration `sconf:"optional" sconf-doc:"Time between backups. Default: 24h."`
	KeepDaily     int           `sconf:"optional" sconf-doc:"For how many days the last backup of the day is kept. Default, when none of the fields Keep is set: 7 daily, 5 weekly and 12 monthly ones. The last three backups are kept in any case."`
	KeepWeekly    int           `sconf:"optional" sconf-doc:"For how many weeks the last backup of the week is kept."`
	KeepMonthly   int           `sconf:"optional" sconf-doc:"For how many months the last backup of the month is kept."`
	KeepYearly    int           `sconf:"optional" sconf-doc:"For how many years the last backup of the year is kept."`
	DrillInterval time.Duration `sconf:"optional" sconf-doc:"Time between drills: the newest backup is restored into a scratch directory, one account after the other, checked, compared with the mail that is here, and removed. A failure is logged and mailed to postmaster. Default: 168h (a week)."`
	NoDrill       bool          `sconf:"optional" sconf-doc:"Do not do that."`
	Replicate     bool          `sconf:"optional" sconf-doc:"Between backups, send each commit of the databases of accounts and of the queue to the repository within a second or two, so that all can be restored as it was at any moment since the oldest backup."`
}

// Updates is Static.Updates.
type Updates struct {
	Domain     string   `sconf-doc:"Domain whose TXT record _updates.<domain> has the newest version."`
	URL        string   `sconf:"optional" sconf-doc:"Where the changelog is, beginning with https://. Programs are in the directory that it is in, or below. Default: https://updates.<domain>/changelog.json"`
	PublicKeys []string `sconf-doc:"Ed25519 public keys, in base64 as \"mox updates pubkey\" prints them: what one of them has signed is believed to be a release. Get them in another way than the changelog. \"mox upgrade\" as root does not believe a mox.conf that others than root can change: there, give the key as -pubkey."`
}

// GlobalTLS is Static.TLS.
type GlobalTLS struct {
	CA *CA `sconf:"optional" sconf-doc:"Certificate authorities to trust when verifying certificates of others. Default: those of the system."`
}

// CA is GlobalTLS.CA.
type CA struct {
	AdditionalToSystem bool     `sconf:"optional" sconf-doc:"Trust these in addition to the system's, not instead."`
	CertFiles          []string `sconf:"optional" sconf-doc:"PEM files with root certificates, relative to the directory of this file."`
}

// ACME is a provider of certificates.
type ACME struct {
	DirectoryURL           string                  `sconf-doc:"URL of the ACME directory. For Let's Encrypt: https://acme-v02.api.letsencrypt.org/directory"`
	RenewBefore            time.Duration           `sconf:"optional" sconf-doc:"How long before its end a certificate is renewed. Default: 720h (30 days)."`
	ContactEmail           string                  `sconf-doc:"Address given to the provider, for notices about the account."`
	Port                   int                     `sconf:"optional" sconf-doc:"Local TCP port for validation (tls-alpn-01), when connections to port 443 of the public address are forwarded to it. Default: 443."`
	IssuerDomainName       string                  `sconf:"optional" sconf-doc:"Domain of the issuer for suggested CAA records. Default: letsencrypt.org for a directory of Let's Encrypt, else none."`
	ExternalAccountBinding *ExternalAccountBinding `sconf:"optional" sconf-doc:"For providers that tie ACME to an account one already has with them (EAB)."`
	Challenges             []string                `sconf:"optional" sconf-doc:"Ways to show the provider that a name is ours, in order of preference: tls-alpn-01 (a connection to port 443), http-01 (a request to port 80, for which a listener needs an HTTP service there) and dns-01 (a DNS record; needs section DNS). Another one is tried when one has failed. Default: dns-01 with section DNS, else tls-alpn-01 and http-01."`
	DNS                    *ACMEDNS                `sconf:"optional" sconf-doc:"How records for dns-01 get into DNS. The provider then connects to nothing here, so this is also for servers that cannot be reached on ports 80 and 443. The record is _acme-challenge.<name>; if that is an alias (CNAME), the record that it is an alias for is changed."`
}

// ACMEDNS is ACME.DNS. Exactly one of its fields RFC2136 and Command is set.
type ACMEDNS struct {
	RFC2136 *ACMERFC2136  `sconf:"optional" sconf-doc:"Change records by dynamic updates (RFC 2136), signed with a shared key (TSIG, RFC 8945)."`
	Command []string      `sconf:"optional" sconf-doc:"Program, with its whole path, and arguments, that is run with three more: \"set\" or \"unset\", the name of the TXT record without final dot, and its value. It must end within two minutes, with status 0 once the record is set. It runs as the user of the server."`
	Wait    time.Duration `sconf:"optional" sconf-doc:"How long to wait after a record was set, until all name servers of the zone have it. Default: 0s for RFC2136, 30s for Command."`
}

// ACMERFC2136 is ACMEDNS.RFC2136.
type ACMERFC2136 struct {
	Server        string `sconf-doc:"Address and port of the primary name server, such as 192.0.2.53:53 or ns1.example.org:53."`
	Zone          string `sconf:"optional" sconf-doc:"Zone of the records. Default: the server is asked."`
	KeyName       string `sconf-doc:"Name of the key, as at the name server."`
	KeyAlgorithm  string `sconf:"optional" sconf-doc:"Algorithm of the key: hmac-sha256, hmac-sha224, hmac-sha384 or hmac-sha512. Default: hmac-sha256."`
	KeySecretFile string `sconf-doc:"File with the key in base64, relative to the directory of this file."`
}

// ExternalAccountBinding is ACME.ExternalAccountBinding (RFC 8555 7.3.4).
type ExternalAccountBinding struct {
	KeyID   string `sconf-doc:"Key identifier, from the provider."`
	KeyFile string `sconf-doc:"File with the key from the provider, in base64url as received, relative to the directory of this file. The key is only needed for the first registration."`
}

// Postmaster is Static.Postmaster.
type Postmaster struct {
	Account string `sconf-doc:"Account in domains.conf."`
	Mailbox string `sconf-doc:"Mailbox in that account, such as Postmaster. Made on first delivery."`
}

// HostTLSRPT is Static.HostTLSRPT.
type HostTLSRPT struct {
	Account   string `sconf-doc:"Account in domains.conf."`
	Mailbox   string `sconf-doc:"Mailbox in that account, such as TLSRPT."`
	Localpart string `sconf-doc:"Localpart of the report address; the domain is Hostname. Example: tlsreports"`
}

// InitialMailboxes is Static.InitialMailboxes.
type InitialMailboxes struct {
	SpecialUse SpecialUseMailboxes `sconf:"optional" sconf-doc:"Mailboxes with a special use (RFC 6154), by which mail programs find them whatever they are called."`
	Regular    []string            `sconf:"optional" sconf-doc:"Further mailboxes."`
}

// SpecialUseMailboxes are names of mailboxes by their special use; empty is none.
type SpecialUseMailboxes struct {
	Sent    string `sconf:"optional" sconf-doc:"For copies of messages sent."`
	Archive string `sconf:"optional" sconf-doc:"For messages kept out of the way."`
	Trash   string `sconf:"optional" sconf-doc:"For messages about to be removed."`
	Draft   string `sconf:"optional" sconf-doc:"For messages not sent yet."`
	Junk    string `sconf:"optional" sconf-doc:"For unwanted messages; those moved here train the junk filter."`
}

// Relay is an entry of Static.Relay.
type Relay struct {
	Networks       []string `sconf:"optional" sconf-doc:"Addresses or networks (as in 192.0.2.0/24) of clients that may send through listeners with SMTP, without authentication: whoever can connect from there. If connections come through a proxy that does not tell the address of clients, do not list the proxy: everybody could send. At least one of Networks and Accounts is needed."`
	Accounts       []string `sconf:"optional" sconf-doc:"Accounts that may, in submission, in addition to their own addresses. Their limits are those of the account."`
	FromDomains    []string `sconf-doc:"Domains of which any address may be used in MAIL FROM and in the From header: both must be of one. They need not be domains of this server; messages are signed with DKIM if they, or a domain above them, are and have keys."`
	MessagesPerDay int      `sconf:"optional" sconf-doc:"Recipients that clients of Networks, all together, may send to in 24 hours. Default: 1000."`
}

// DocumentText is an entry of Static.DocumentText.
type DocumentText struct {
	Types   []string `sconf-doc:"Media types of the documents, such as application/pdf."`
	Command []string `sconf-doc:"The program, with its whole path, and its arguments. It gets the document on standard input and writes text in UTF-8 to standard output. Example: /usr/bin/pdftotext, -q, -enc, UTF-8, -, -"`
}
