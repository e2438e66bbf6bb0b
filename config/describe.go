package config

import (
	"fmt"
	"io"
	"time"

	"mox/sconf"
)

const describeHeader = `# Every field of %s, with its documentation and an example value.
#
# Indentation is by tabs. A comment is a line of its own; values go up to the end of the
# line and are not quoted. Fields with a "#" directly before them are optional, or belong
# to something optional: remove the "#" to use them, not of course those that exclude
# each other. %s

`

// DescribeStatic writes a documented example of mox.conf with every field.
func DescribeStatic(w io.Writer) error {
	return describe(w, "mox.conf", "Changes count after a restart.", exampleStatic())
}

// DescribeDynamic writes a documented example of domains.conf with every field.
func DescribeDynamic(w io.Writer) error {
	return describe(w, "domains.conf", "Changes count within seconds, if valid.", exampleDynamic())
}

func describe(w io.Writer, name, when string, example any) error {
	if _, err := fmt.Fprintf(w, describeHeader, name, when); err != nil {
		return fmt.Errorf("writing description: %w", err)
	}
	return sconf.Describe(w, example)
}

func exampleStatic() *Static {
	acme := map[string]ACME{"letsencrypt": {
		DirectoryURL: "https://acme-v02.api.letsencrypt.org/directory", RenewBefore: 720 * time.Hour,
		ContactEmail: "postmaster@example.org", Port: 443, IssuerDomainName: "letsencrypt.org",
		ExternalAccountBinding: &ExternalAccountBinding{"key-1", "eab.key"}, Challenges: []string{ChallengeTLSALPN, ChallengeHTTP},
		DNS: &ACMEDNS{
			&ACMERFC2136{"192.0.2.53:53", "example.org", "mox-acme", "hmac-sha256", "tsig.key"},
			[]string{"/usr/local/bin/acme-dns", "example.org"}, 30 * time.Second,
		},
	}}
	smarthost := func(port int) *TransportSMTP {
		return &TransportSMTP{Host: "relay.example.net", Port: port, Auth: &SMTPAuth{
			"user", "password of user", &ClientCertificate{CertFile: "client.pem", KeyFile: "client.key"},
			&SMTPOAuth{"relay.token", "https://oauth2.example.net/token", "client-1", "relay.secret", "relay.refresh", "https://mail.example.net/"},
			[]string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"},
		}}
	}
	return &Static{
		DataDir: "../data", LogLevel: "info", PackageLogLevels: map[string]string{"smtpserver": "debug"}, User: "mox",
		Hostname: "mail.example.org", TLS: GlobalTLS{&CA{AdditionalToSystem: true, CertFiles: []string{"extra-ca.pem"}}}, ACME: acme,
		AutoBan:           AutoBan{Allow: []string{"198.51.100.0/24", "2001:db8:2::/48"}, LoginFailures: 20, Durations: []time.Duration{time.Hour, 24 * time.Hour, 168 * time.Hour}, ExportFile: "bans.nft"},
		Backup:            &Backup{Repository: "/var/backups/mox", KeyFile: "backup.key", KeepDaily: 7, KeepWeekly: 5, KeepMonthly: 12},
		AdminPasswordFile: "adminpasswd", Listeners: map[string]Listener{"public": exampleListener()},
		Postmaster: Postmaster{"mjl", "Postmaster"}, HostTLSRPT: &HostTLSRPT{"mjl", "TLSRPT", "tlsreports"},
		InitialMailboxes: InitialMailboxes{SpecialUseMailboxes{"Sent", "Archive", "Trash", "Drafts", "Junk"}, []string{"Lists"}},
		DefaultMailboxes: []string{"Sent", "Archive", "Trash", "Drafts", "Junk"},
		Transports: map[string]Transport{"relay": {
			Submissions: smarthost(465), Submission: smarthost(587), SMTP: smarthost(25),
			Socks:  &TransportSocks{"127.0.0.1:1080", []string{"192.0.2.20"}, "mail2.example.org"},
			Direct: &TransportDirect{DisableIPv6: true}, Fail: &TransportFail{554, "not from here"},
			Retry: []time.Duration{5 * time.Minute, time.Hour}, MaxConnections: 4,
		}},
		Relay:            map[string]Relay{"printers": {[]string{"192.0.2.64/28"}, []string{"mjl"}, []string{"example.org"}, 100}},
		QuotaMessageSize: 10 << 30, QuotaMessages: 1_000_000, QuotaMailboxes: 1000, KeepExpunged: 168 * time.Hour, IMAPMessageLimit: 100_000, IMAPSaveLimit: 50_000,
	}
}

func exampleListener() Listener {
	delay, off := 15*time.Second, true
	web := func(port int, path string) WebService { return WebService{Enabled: true, Port: port, Path: path} }
	return Listener{
		IPs: []string{"192.0.2.10", "2001:db8::10"}, NATIPs: []string{"198.51.100.10"}, Hostname: "mail.example.org", ProxyProtocol: []string{"10.0.0.0/24", "2001:db8:1::1"},
		TLS: &TLS{
			ACME: "letsencrypt", KeyCerts: []KeyCert{{"mail.example.org-chain.pem", "mail.example.org-key.pem"}}, MinVersion: "TLSv1.2",
			HostPrivateKeyFiles:     []string{"hostkeys/mail.example.org.rsa2048.privatekey.pkcs8.pem", "hostkeys/mail.example.org.ecdsap256.privatekey.pkcs8.pem"},
			NextHostPrivateKeyFiles: []string{"hostkeys/mail.example.org.next.rsa2048.privatekey.pkcs8.pem", "hostkeys/mail.example.org.next.ecdsap256.privatekey.pkcs8.pem"},
		},
		SMTPMaxMessageSize: DefaultMaxMessageSize,
		SMTP:               SMTP{Enabled: true, Port: 25, DNSBLs: []string{"sbl.example.net"}, FirstTimeSenderDelay: &delay, TLSSessionTicketsDisabled: &off},
		LMTP:               LMTP{Port: 24},
		Submission:         Submission{Enabled: true, Port: 587}, Submissions: Submissions{Enabled: true, Port: 465},
		IMAP: IMAP{Enabled: true, Port: 143}, IMAPS: IMAPS{Enabled: true, Port: 993},
		AccountHTTP: web(80, "/"), AccountHTTPS: web(443, "/"), AdminHTTP: web(80, "/admin/"), AdminHTTPS: web(443, "/admin/"),
		WebmailHTTP: web(80, "/webmail/"), WebmailHTTPS: web(443, "/webmail/"), WebAPIHTTP: web(80, "/webapi/"), WebAPIHTTPS: web(443, "/webapi/"),
		JMAPHTTP: web(80, "/jmap/"), JMAPHTTPS: web(443, "/jmap/"),
		MetricsHTTP: PlainService{true, 8010}, PprofHTTP: PlainService{true, 8011},
		AutoconfigHTTPS: DiscoveryService{Enabled: true, Port: 443}, MTASTSHTTPS: DiscoveryService{Enabled: true, Port: 443},
		WebserverHTTP: WebserverService{Enabled: true, Port: 80}, WebserverHTTPS: WebserverService{Enabled: true, Port: 443},
	}
}

func exampleDynamic() *Dynamic {
	handler := WebHandler{
		LogName: "site", Domain: "www.example.org", PathRegexp: "^/site/", Compress: true,
		WebStatic:   &WebStatic{StripPrefix: "/site/", Root: "web/site", ListFiles: true, ResponseHeaders: map[string]string{"Cache-Control": "max-age=3600"}},
		WebRedirect: &WebRedirect{BaseURL: "https://www.example.net", OrigPathRegexp: "^/site/(.*)$", ReplacePath: "/$1", StatusCode: 308},
		WebForward:  &WebForward{StripPath: true, URL: "http://127.0.0.1:8888", ResponseHeaders: map[string]string{"X-Frame-Options": "deny"}},
		WebInternal: &WebInternal{BasePath: "/webmail/", Service: "webmail"},
	}
	return &Dynamic{
		Domains: map[string]Domain{"example.org": exampleDomain()}, Accounts: map[string]Account{"mjl": exampleAccount()},
		WebDomainRedirects: map[string]string{"old.example.org": "www.example.org"}, WebHandlers: []WebHandler{handler},
		Routes: []Route{exampleRoute()}, MonitorDNSBLs: []string{"sbl.example.net"}, TrustedARCSealers: []string{"lists.example.net"},
	}
}

func exampleRoute() Route {
	return Route{[]string{"example.org"}, []string{"example.net", ".example.com"}, 3, "relay", []time.Duration{time.Minute, 10 * time.Minute}, 2}
}

func exampleDomain() Domain {
	return Domain{
		Description: "Main domain", ClientSettingsDomain: "mail.example.org", LocalpartCatchallSeparator: "+",
		LocalpartCatchallSeparators: []string{"+", "-"},
		DKIM: DKIM{
			Selectors: map[string]Selector{"2026a": {
				Hash: "sha256", Canonicalization: &Canonicalization{true, true}, Headers: DefaultDKIMHeaders(), Expiration: "72h",
				PrivateKeyFile: "dkim/2026a._domainkey.example.org.privatekey.pkcs8.pem",
			}},
			Sign: []string{"2026a"},
		},
		DMARC:  &DMARC{"dmarcreports", "example.org", "mjl", "DMARC"},
		MTASTS: &MTASTS{"20260101T120000", "enforce", 168 * time.Hour, []string{"mail.example.org"}},
		TLSRPT: &TLSRPT{"tlsreports", "example.org", "mjl", "TLSRPT"},
		Routes: []Route{exampleRoute()}, Aliases: map[string]Alias{"team": {Addresses: []string{"mjl@example.org"}, ListMembers: true}},
	}
}

func exampleAccount() Account {
	a := NewAccount("example.org", "")
	a.OutgoingWebhook = &OutgoingWebhook{"https://hooks.example.org/out", "Basic dXNlcjpwYXNzd29yZA==", []string{"delivered", "failed"}}
	a.IncomingWebhook = &IncomingWebhook{"https://hooks.example.org/in", "Basic dXNlcjpwYXNzd29yZA=="}
	a.FromIDLoginAddresses = []string{"mjl+api@example.org"}
	a.KeepRetiredMessagePeriod = 168 * time.Hour
	a.KeepRetiredWebhookPeriod = 168 * time.Hour
	a.LoginDisabled = "account is moving"
	a.Description = "First account"
	a.FullName = "M. J. L."
	a.TrustedARCSealers = []string{"forward.example.net"}
	a.QuotaMessageSize, a.QuotaMessages, a.QuotaMailboxes = 1<<30, 100_000, 500
	a.QueueMailbox, a.ScheduledMailbox = DefaultQueueMailbox, DefaultScheduledMailbox
	a.Introbox = "Introbox"
	a.AutomaticJunkFlags.NotJunkMailboxRegexp = "^archive"
	a.MaxOutgoingMessagesPerDay = DefaultMaxOutgoingMessagesPerDay
	a.MaxFirstTimeRecipientsPerDay = DefaultMaxFirstTimeRecipientsPerDay
	a.IMAPCapabilitiesDisabled = []string{"COMPRESS=DEFLATE"}
	a.Routes = []Route{exampleRoute()}
	a.Destinations = map[string]Destination{
		"@example.org": {},
		"mjl@example.org": {
			Mailbox: Inbox, FullName: "Maker", SMTPError: "550 no more mail here", MessageAuthRequiredSMTPError: "mail must be authenticated",
			Rulesets: []Ruleset{{
				SMTPMailFromRegexp: `bounce.*@lists\.example\.net$`, MsgFromRegexp: `@example\.net$`, VerifiedDomain: "example.net",
				HeadersRegexp: map[string]string{"^list-id$": `<announce\.lists\.example\.net>`}, ListAllowDomain: "lists.example.net",
				AcceptRejectsToMailbox: "Rejects", Mailbox: "Lists", Comment: "Announcements",
			}},
			Forward: &Forward{[]string{"mjl@example.net"}, true, true},
		},
	}
	return a
}
