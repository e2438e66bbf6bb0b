package config

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"mox/dkim"
	"mox/dns"
	"mox/mtasts"
	"mox/sconf"
	"mox/smtp"
	"mox/updates"
)

// Snapshot is a valid configuration. Nothing in it changes, and nobody may change what
// it refers to; it may be used concurrently.
type Snapshot struct {
	// Serial is higher for later Snapshots of one Manager.
	Serial uint64

	Path        string // Of mox.conf.
	DynamicPath string // Of domains.conf, in the same directory.

	Static  *Static  // As in the file, without defaults.
	Dynamic *Dynamic // Likewise.

	*StaticInfo

	Domains            map[string]*DomainInfo  // Keys are the names as of [dns.Domain.Name].
	Accounts           map[string]*AccountInfo // By name.
	Routes             []RouteInfo             // Global ones.
	WebHandlers        []*WebHandlerInfo
	WebDomainRedirects map[dns.Domain]dns.Domain
	MonitorDNSBLs      []dns.Domain
	TrustedARCSealers  []dns.Domain

	// Warnings are things that are allowed but probably not wanted.
	Warnings sconf.Errors

	addresses map[AddressKey]*DestinationInfo
	aliases   map[AddressKey]*AliasInfo
}

// StaticInfo is what mox.conf says, parsed and with defaults. All Snapshots of a Manager
// share it.
type StaticInfo struct {
	LogLevel         slog.Level
	PackageLogLevels map[string]slog.Level
	Hostname         dns.Domain
	RootCAs          *x509.CertPool // Nil for those of the system.
	Updates          updates.Feed   // Zero without Updates.
	Listeners        map[string]*ListenerInfo
	Hostnames        map[dns.Domain]bool  // The global one and those of listeners.
	OwnIPs           map[netip.Addr]bool  // Addresses and public addresses of listeners, without unspecified ones.
	HostTLSRPT       *ReportAddress       // Nil if not set.
	Relays           []*RelayInfo         // By name.
	TracesURL        string               // That spans are posted to; empty for none.
	ACME             map[string]*ACMEInfo // Providers by name.
	// ClientCertificates are those of transports, by name.
	ClientCertificates map[string]tls.Certificate

	initialMailboxes InitialMailboxes
}

// ListenerInfo is a listener. The embedded Listener has defaults: ports, paths, sizes.
type ListenerInfo struct {
	Name string
	Listener
	IPs           []netip.Addr
	NATIPs        []netip.Addr
	Proxies       []netip.Prefix // From ProxyProtocol; empty: none.
	Hostname      dns.Domain
	DNSBLs        []dns.Domain
	MinTLSVersion uint16
	Certificates  []tls.Certificate // From KeyCerts, in that order.
	HostRSAKey    crypto.Signer     // RSA-2048 from HostPrivateKeyFiles, may be nil.
	HostECDSAKey  crypto.Signer     // ECDSA P-256, may be nil.
	// NextHostRSAKey and NextHostECDSAKey, from NextHostPrivateKeyFiles, are to replace them; may
	// be nil.
	NextHostRSAKey, NextHostECDSAKey crypto.Signer
	// ACMEPort is where tls-alpn-01 is served; 0 without ACME, or when that is not used.
	ACMEPort int
}

// ACMEInfo is a provider of certificates.
type ACMEInfo struct {
	Name string
	ACME
	Challenges []string // With the default.
	EABKey     []byte   // Decoded; nil without ExternalAccountBinding.
	TSIGSecret []byte   // Decoded; nil without DNS.RFC2136.
}

// RelayInfo says who may send from addresses that are not an account's.
type RelayInfo struct {
	Name           string
	Networks       []netip.Prefix
	Accounts       map[string]bool
	FromDomains    []dns.Domain
	MessagesPerDay int // Recipients in 24 hours, for clients of Networks.
}

// ReportAddress is an address for reports of others.
type ReportAddress struct {
	Address smtp.Address
	Account string
	Mailbox string
}

// DomainInfo is a domain.
type DomainInfo struct {
	Domain      dns.Domain
	Config      *Domain
	ReportsOnly bool // Has no addresses, and its reports go to another domain; not for mail.

	ClientSettingsDomain dns.Domain // Hostname if not set.
	Separators           []string   // For localparts, longest first.
	FirstSeparator       string     // For making addresses, empty if there is none.
	Selectors            map[string]*SelectorInfo
	Sign                 []*SelectorInfo
	Signers              []dkim.Selector // Of Sign, those with keys.
	DMARC                *ReportAddress
	TLSRPT               *ReportAddress
	MTASTS               *mtasts.Policy // What others get from mta-sts.<domain>, nil for none.
	Routes               []RouteInfo
}

// SelectorInfo is a DKIM key, with defaults.
type SelectorInfo struct {
	Name          string
	Domain        dns.Domain // The selector as name.
	Hash          string     // "sha256" or "sha1".
	HeaderRelaxed bool
	BodyRelaxed   bool
	Headers       []string
	Seal          bool
	Expiration    time.Duration // 0 for none.
	Algorithm     string        // "rsa" or "ed25519"; empty if files were not read.
	Key           crypto.Signer // Nil if files were not read.
}

// AccountInfo is an account.
type AccountInfo struct {
	Name         string
	Config       *Account
	Domain       dns.Domain         // Default domain, may be zero.
	Destinations []*DestinationInfo // In order of their keys.
	Aliases      []*AliasInfo       // That it is a member of.
	Quota        int64              // Bytes, 0 for no limit, as of:

	QuotaMessages, QuotaMailboxes int64

	MaxOutgoingMessagesPerDay    int
	MaxFirstTimeRecipientsPerDay int

	// Classes of mailboxes by lower-case name, nil for none.
	JunkMailbox, NeutralMailbox, NotJunkMailbox *regexp.Regexp

	RejectsMailbox, Introbox string // Normalized, or empty.
	// Where messages of the queue are shown, normalized. See Config.NoQueueMailboxes.
	QueueMailbox, ScheduledMailbox string
	TrustedARCSealers              []dns.Domain
	FromIDLogins                   map[AddressKey]bool // Logins whose messages get a unique MAIL FROM.
	Routes                         []RouteInfo
}

// DestinationInfo is an address of an account, or an address for reports.
type DestinationInfo struct {
	Account  string
	Key      string       // In Account.Destinations; empty for an implicit address.
	Address  smtp.Address // Localpart is empty for a catchall.
	Config   Destination
	Mailbox  string // Where mail goes that no ruleset matches, normalized.
	Rulesets []RulesetInfo

	Forward       []smtp.Address // Addresses of Config.Forward.
	SMTPErrorCode int            // 0 for none, or 451 or 550.
	SMTPErrorText string         // Without code.

	// Domains whose DMARC or TLS reports come here, and whether those for the host do.
	DMARCReports   []dns.Domain
	TLSReports     []dns.Domain
	HostTLSReports bool
}

// RulesetInfo is a ruleset.
type RulesetInfo struct {
	Config          Ruleset
	SMTPMailFrom    *regexp.Regexp // Nil if any, as the following.
	MsgFrom         *regexp.Regexp
	Headers         []HeaderRegexp
	VerifiedDomain  dns.Domain
	ListAllowDomain dns.Domain

	Mailbox                string // Normalized.
	AcceptRejectsToMailbox string // Normalized, or empty.
}

// HeaderRegexp matches lower-case text of a header field.
type HeaderRegexp struct {
	Name, Value *regexp.Regexp
}

// AliasInfo is an alias.
type AliasInfo struct {
	Address smtp.Address
	Config  Alias
	Members []AliasMember
}

// AliasMember is an address that an alias delivers to.
type AliasMember struct {
	Address     smtp.Address
	Account     string
	Destination *DestinationInfo
}

// RouteInfo is a route. Patterns are names, those with a leading dot for all below and
// itself; ASCII.
type RouteInfo struct {
	Config     Route
	FromDomain []string
	ToDomain   []string
	Transport  *Transport
}

// Matches tells whether the route is for a message between these domains that was
// attempted that often. From is zero for the null reverse-path.
func (r *RouteInfo) Matches(from, to dns.Domain, attempts int) bool {
	return attempts >= r.Config.MinimumAttempts && matchDomain(r.FromDomain, from) && matchDomain(r.ToDomain, to)
}

func matchDomain(patterns []string, d dns.Domain) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if d.ASCII == p || strings.HasPrefix(p, ".") && (d.ASCII == p[1:] || strings.HasSuffix(d.ASCII, p)) {
			return true
		}
	}
	return false
}

// WebHandlerInfo is a handler of web requests.
type WebHandlerInfo struct {
	Name           string
	Config         WebHandler
	Domain         dns.Domain
	Path           *regexp.Regexp
	RedirectBase   *url.URL       // Of WebRedirect, may be nil.
	RedirectPath   *regexp.Regexp // Of WebRedirect, may be nil.
	RedirectStatus int
	ForwardURL     *url.URL // Of WebForward.
}

// AddressKey identifies an address of a configured domain: [Snapshot.Key] makes it.
type AddressKey struct {
	Localpart string // Lower-case if the domain does not care for case; empty for a catchall.
	Domain    string // As of [dns.Domain.Name].
}

// FoldLocalpart returns a localpart as it counts in this domain: normalized (NFC),
// and in lower case unless case matters.
func (d *DomainInfo) FoldLocalpart(lp smtp.Localpart) string {
	s := string(lp)
	if !d.Config.LocalpartCaseSensitive {
		s = strings.ToLower(s)
	}
	if !norm.NFC.IsNormalString(s) {
		s = norm.NFC.String(s)
	}
	return s
}

// SplitLocalpart splits a localpart at the first separator of the domain into what
// decides about delivery and what comes after the separator. Without separator, or
// with nothing before it, detail is empty and base the whole.
func (d *DomainInfo) SplitLocalpart(lp string) (base, detail string, ok bool) {
	at, n := len(lp), 0
	for _, sep := range d.Separators {
		// Of two at the same place the longer, which comes first, counts.
		if i := strings.Index(lp, sep); i > 0 && i < at {
			at, n = i, len(sep)
		}
	}
	if n == 0 {
		return lp, "", false
	}
	return lp[:at], lp[at+n:], true
}

// Destination returns the address with exactly this key: no separator is looked for,
// and only the empty localpart finds a catchall. Nil if there is none.
func (s *Snapshot) Destination(key AddressKey) *DestinationInfo {
	return s.addresses[key]
}

// Alias returns the alias with exactly this key, or nil.
func (s *Snapshot) Alias(key AddressKey) *AliasInfo {
	return s.aliases[key]
}

// Key returns the key of an address in the domain d, folded, with the separator and
// what follows kept.
func (d *DomainInfo) Key(lp smtp.Localpart) AddressKey {
	return AddressKey{d.FoldLocalpart(lp), d.Domain.Name()}
}

// BaseKey is Key without separator and what follows.
func (d *DomainInfo) BaseKey(lp smtp.Localpart) AddressKey {
	k := d.Key(lp)
	k.Localpart, _, _ = d.SplitLocalpart(k.Localpart)
	return k
}

// Domain returns a configured domain, or nil.
func (s *Snapshot) Domain(d dns.Domain) *DomainInfo {
	return s.Domains[d.Name()]
}

// MTASTSPolicy returns the MTA-STS policy that is served at a host, mta-sts.<domain> in lower
// case. Nil if there is none: domains without, disabled ones, and those that are not for mail.
func (s *Snapshot) MTASTSPolicy(host string) *mtasts.Policy {
	name, ok := strings.CutPrefix(host, "mta-sts.")
	if !ok {
		return nil
	}
	domain, err := dns.ParseDomain(name)
	if err != nil {
		return nil
	}
	d := s.Domain(domain)
	if d == nil || d.Config.Disabled || d.ReportsOnly {
		return nil
	}
	return d.MTASTS
}

// ConfigPath resolves a path relative to the directory of the configuration files.
func (s *Snapshot) ConfigPath(path string) string {
	return resolve(filepath.Dir(s.Path), path)
}

// DataPath resolves a path relative to the data directory, which is relative to that of
// the configuration files.
func (s *Snapshot) DataPath(path string) string {
	return resolve(s.ConfigPath(s.Static.DataDir), path)
}

func resolve(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// InitialMailboxes returns the mailboxes for new accounts besides Inbox, with names
// normalized and defaults applied.
func (s *Snapshot) InitialMailboxes() InitialMailboxes {
	m := s.initialMailboxes
	m.Regular = append([]string(nil), m.Regular...)
	return m
}

// HasMTASTS tells whether a listener serves MTA-STS policies.
func (s *Snapshot) HasMTASTS() bool {
	return s.anyListener(func(l *ListenerInfo) bool { return l.MTASTSHTTPS.Enabled })
}

// mayServePolicy tells whether a listener serves MTA-STS policies with a certificate for host,
// or leaves certificates to others.
func (s *StaticInfo) mayServePolicy(host string) bool {
	return s.anyListener(func(l *ListenerInfo) bool {
		if !l.MTASTSHTTPS.Enabled {
			return false
		}
		return l.MTASTSHTTPS.NonTLS || len(l.Certificates) == 0 || slices.ContainsFunc(l.Certificates, func(cert tls.Certificate) bool {
			return cert.Leaf.VerifyHostname(host) == nil
		})
	})
}

func (s *StaticInfo) anyListener(fn func(l *ListenerInfo) bool) bool {
	for _, l := range s.Listeners {
		if fn(l) {
			return true
		}
	}
	return false
}

// Transport returns a transport by name.
func (s *Snapshot) Transport(name string) (Transport, bool) {
	t, ok := s.Static.Transports[name]
	return t, ok
}

// TrustsSealer tells whether an account, which may be nil, is to believe what a server
// says about a message that it forwards with a seal of the domain (RFC 8617).
func (s *Snapshot) TrustsSealer(a *AccountInfo, sealer dns.Domain) bool {
	return slices.Contains(s.TrustedARCSealers, sealer) || a != nil && slices.Contains(a.TrustedARCSealers, sealer)
}
