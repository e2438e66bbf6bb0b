package clientconf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mox/config"
	"mox/dns"
	"mox/dnsrecords"
	"mox/smtp"
)

// Protocol is what an entry is for.
type Protocol string

// Protocols.
const (
	IMAP       Protocol = "IMAP"
	Submission Protocol = "Submission"
)

// TLSMode is how TLS begins.
type TLSMode string

// Modes of TLS.
const (
	ImplicitTLS TLSMode = "TLS"      // from the start
	STARTTLS    TLSMode = "STARTTLS" // and nothing before it
	OptionalTLS TLSMode = "optional" // STARTTLS, but the server works without
	NoTLS       TLSMode = "none"     // the listener has no certificates
)

// Entry is a way to connect.
type Entry struct {
	Protocol Protocol
	Host     dns.Domain
	Port     int
	TLS      TLSMode
	// ALPN is what the client has to ask for in TLS (RFC 7301), on a port that is shared with
	// HTTPS; otherwise empty.
	ALPN string
	// Listener is its name in the configuration.
	Listener string
	// Public: it is for users. The others are for loopback and internal networks.
	Public bool
	// Note says in a few words how to connect.
	Note string
}

// Settings are the ways to connect for a domain or an address.
type Settings struct {
	Domain dns.Domain
	// Username is what to log in with, an address; empty for a domain, where it is the
	// address of the user.
	Username string
	// Name is what to call the account in a mail program: address or domain.
	Name string
	// Mechanisms are the SASL mechanisms for passwords, best first. PLAIN is only offered with
	// TLS, unless the listener does without.
	Mechanisms []string
	// Entries are the best first: public ones, IMAP before submission, TLS from the start
	// before STARTTLS.
	Entries []Entry
}

// Errors of For.
var (
	// ErrNoDomain: the domain is not configured, or not for mail.
	ErrNoDomain = errors.New("domain is not configured for mail")
	// ErrAddress: neither an address nor a domain.
	ErrAddress = errors.New("not an address or domain")
)

// Mechanisms returns the SASL mechanisms for passwords, best first.
func Mechanisms() []string {
	return []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN"}
}

// For returns the settings for an address, or for a domain. An address need not exist. An
// error wraps [ErrNoDomain] or [ErrAddress].
func For(snap *config.Snapshot, addressOrDomain string) (*Settings, error) {
	s := &Settings{Mechanisms: Mechanisms()}
	if strings.Contains(addressOrDomain, "@") {
		a, err := smtp.ParseAddress(addressOrDomain)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAddress, err)
		}
		s.Domain = a.Domain
		// Programs that cannot do Unicode should be able to use it.
		s.Username = a.Pack(a.Localpart.IsInternational())
		s.Name = a.String()
	} else {
		d, err := dns.ParseDomain(strings.TrimSuffix(addressOrDomain, "."))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAddress, err)
		}
		s.Domain, s.Name = d, d.Name()
	}
	d := snap.Domain(s.Domain)
	if d == nil || d.ReportsOnly {
		return nil, fmt.Errorf("%w: %s", ErrNoDomain, s.Domain)
	}
	s.Entries = entries(snap, d)
	return s, nil
}

// Best returns the entries of a protocol for users, the best first: those of ports of their
// own before those shared with HTTPS. Without public ones, those of other listeners.
func (s *Settings) Best(p Protocol) []Entry {
	var public, others []Entry
	for _, e := range s.Entries {
		switch {
		case e.Protocol != p:
		case e.Public:
			public = append(public, e)
		default:
			others = append(others, e)
		}
	}
	if len(public) == 0 {
		return others
	}
	return public
}

// entries returns those of all listeners.
func entries(snap *config.Snapshot, d *config.DomainInfo) []Entry {
	var all []Entry
	pub := dnsrecords.PublicListener(snap)
	for _, l := range snap.Listeners {
		all = append(all, ofListener(d, l, l == pub || pub == nil && !internal(l))...)
	}
	slices.SortStableFunc(all, func(a, b Entry) int {
		switch {
		case a.Public != b.Public:
			return first(a.Public)
		case a.Protocol != b.Protocol:
			return first(a.Protocol == IMAP)
		case (a.ALPN == "") != (b.ALPN == ""):
			return first(a.ALPN == "")
		case (a.TLS == ImplicitTLS) != (b.TLS == ImplicitTLS):
			return first(a.TLS == ImplicitTLS)
		}
		return strings.Compare(a.Listener, b.Listener)
	})
	return all
}

func first(is bool) int {
	if is {
		return -1
	}
	return 1
}

// internal tells whether a listener is only for this machine or a private network.
func internal(l *config.ListenerInfo) bool {
	return len(l.NATIPs) == 0 && !slices.ContainsFunc(l.IPs, func(ip netip.Addr) bool {
		return ip.IsUnspecified() || ip.IsGlobalUnicast() && !ip.IsPrivate()
	})
}

// ofListener returns the entries of a listener.
func ofListener(d *config.DomainInfo, l *config.ListenerInfo, public bool) []Entry {
	host := l.Hostname
	if public && d.Config.ClientSettingsDomain != "" {
		host = d.ClientSettingsDomain
	}
	var all []Entry
	add := func(p Protocol, port int, mode TLSMode, alpn, note string) {
		all = append(all, Entry{Protocol: p, Host: host, Port: port, TLS: mode, ALPN: alpn, Listener: l.Name, Public: public, Note: note})
	}
	starttls := func(optional bool) (TLSMode, string) {
		switch {
		case l.TLS == nil:
			return NoTLS, "without TLS"
		case optional:
			return OptionalTLS, "STARTTLS, which is not required"
		}
		return STARTTLS, "STARTTLS, required"
	}
	if l.IMAPS.Enabled {
		add(IMAP, l.IMAPS.Port, ImplicitTLS, "", "TLS from the start")
	}
	if l.IMAP.Enabled {
		mode, note := starttls(l.IMAP.NoRequireSTARTTLS)
		add(IMAP, l.IMAP.Port, mode, "", note)
	}
	if l.Submissions.Enabled {
		add(Submission, l.Submissions.Port, ImplicitTLS, "", "TLS from the start")
	}
	if l.Submission.Enabled {
		mode, note := starttls(l.Submission.NoRequireSTARTTLS)
		add(Submission, l.Submission.Port, mode, "", note)
	}
	for _, port := range httpsPorts(l) {
		if l.IMAPS.Enabled && l.IMAPS.EnabledOnHTTPS {
			add(IMAP, port, ImplicitTLS, "imap", "TLS from the start with ALPN imap, for networks that let only HTTPS through")
		}
		if l.Submissions.Enabled && l.Submissions.EnabledOnHTTPS {
			add(Submission, port, ImplicitTLS, "smtp", "TLS from the start with ALPN smtp, for networks that let only HTTPS through")
		}
	}
	return all
}

// httpsPorts returns the ports of services with HTTPS.
func httpsPorts(l *config.ListenerInfo) []int {
	var ports []int
	add := func(on bool, port int) {
		if on && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	for _, w := range []config.WebService{l.AccountHTTPS, l.AdminHTTPS, l.WebmailHTTPS, l.WebAPIHTTPS, l.JMAPHTTPS} {
		add(w.Enabled, w.Port)
	}
	for _, w := range []config.DiscoveryService{l.AutoconfigHTTPS, l.MTASTSHTTPS} {
		add(w.Enabled && !w.NonTLS, w.Port)
	}
	add(l.WebserverHTTPS.Enabled, l.WebserverHTTPS.Port)
	slices.Sort(ports)
	return ports
}
