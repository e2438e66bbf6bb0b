package dnsrecords

import (
	"slices"

	"mox/config"
)

// Service is a record by which mail programs find a service, or learn that it is not offered
// (RFC 6186 3, RFC 8314 5.1).
type Service struct {
	Label string // such as "_imaps._tcp"
	// Offered is false for a service that is not; its target is then the root.
	Offered bool
	Port    int
}

// Services returns those of mail programs in the order of their records: those that are
// offered first. The ports are those of the public listener, or of another if that does not
// have the service. STARTTLS is offered only in place of TLS from the start, which RFC 8314
// prefers.
func Services(snap *config.Snapshot) []Service {
	all := listeners(snap)
	if pub := PublicListener(snap); pub != nil {
		all = append([]*config.ListenerInfo{pub}, all...)
	}
	port := func(label string, of func(l *config.ListenerInfo) (bool, int)) Service {
		for _, l := range all {
			if on, port := of(l); on {
				return Service{label, true, port}
			}
		}
		return Service{Label: label}
	}
	imaps := port("_imaps._tcp", func(l *config.ListenerInfo) (bool, int) { return l.IMAPS.Enabled, l.IMAPS.Port })
	submissions := port("_submissions._tcp", func(l *config.ListenerInfo) (bool, int) { return l.Submissions.Enabled, l.Submissions.Port })
	imap, submission := Service{Label: "_imap._tcp"}, Service{Label: "_submission._tcp"}
	if !imaps.Offered {
		imap = port(imap.Label, func(l *config.ListenerInfo) (bool, int) { return l.IMAP.Enabled, l.IMAP.Port })
	}
	if !submissions.Offered {
		submission = port(submission.Label, func(l *config.ListenerInfo) (bool, int) { return l.Submission.Enabled, l.Submission.Port })
	}
	services := []Service{imaps, submissions, imap, submission, {Label: "_pop3._tcp"}, {Label: "_pop3s._tcp"}}
	slices.SortStableFunc(services, func(a, b Service) int { return rank(a) - rank(b) })
	return services
}

func rank(s Service) int {
	if s.Offered {
		return 0
	}
	return 1
}

// HasAutoconfig tells whether a listener serves the configuration of mail programs.
func HasAutoconfig(snap *config.Snapshot) bool {
	for _, l := range snap.Listeners {
		if l.AutoconfigHTTPS.Enabled {
			return true
		}
	}
	return false
}

// clients adds what mail programs look for.
func (b *builder) clients() {
	c := b.d.ClientSettingsDomain
	if c != b.snap.Hostname {
		b.about(SectionClients, "The name that users are told to connect to. With a name of its own, the domain can move to another server without changes in mail programs.")
		b.alias(c.ASCII)
	}
	b.about(SectionClients, "Mail programs such as Thunderbird get their settings from this name.")
	if !HasAutoconfig(b.snap) {
		b.when("Only when a listener has AutoconfigHTTPS.")
	}
	b.alias(b.below("autoconfig"))
	autoconfig := b.precondition
	b.about(SectionClients, "Outlook gets its settings from this server.").when(autoconfig)
	b.add(b.below("_autodiscover._tcp"), "SRV", "0 1 443 %s.", b.snap.Hostname.ASCII)

	for _, s := range Services(b.snap) {
		if s.Offered {
			b.about(SectionClients, "Where mail programs read and send mail, with TLS.")
			b.add(b.below(s.Label), "SRV", "0 1 %d %s.", s.Port, c.ASCII)
		} else {
			b.about(SectionClients, "Tells mail programs that these services are not offered, so that they do not try them.")
			b.add(b.below(s.Label), "SRV", "0 0 0 .")
		}
	}
}

// Provider returns the name in ACME of the provider of certificates of the public listener, or
// of another with one; empty if there is none.
func Provider(snap *config.Snapshot) string {
	for _, l := range listeners(snap) {
		if l.TLS != nil && l.TLS.ACME != "" {
			return l.TLS.ACME
		}
	}
	return ""
}

// Issuer returns the name of that provider in CAA records; empty if it is not known.
func Issuer(snap *config.Snapshot) string {
	return snap.Static.ACME[Provider(snap)].Issuer()
}

// issuance adds who may issue certificates (RFC 8659).
func (b *builder) issuance() {
	issuer := Issuer(b.snap)
	if issuer == "" {
		return
	}
	b.about(SectionIssuance, "CAA: only this authority may issue certificates for names of the domain.")
	b.add(b.d.Domain.ASCII, "CAA", `0 issue "%s"`, issuer)

	names := []string{b.d.Domain.ASCII, b.snap.Hostname.ASCII}
	aliases := []string{b.below("autoconfig")}
	if b.d.MTASTS != nil {
		aliases = append(aliases, b.below("mta-sts"))
	}
	if c := b.d.ClientSettingsDomain; c != b.snap.Hostname {
		aliases = append(aliases, c.ASCII)
	}
	for _, uri := range b.o.AccountURIs {
		value := func() string {
			return `0 issue "` + issuer + "; accounturi=" + uri + `; validationmethods=tls-alpn-01,http-01"`
		}
		// RFC 8657 3, 4.
		b.about(SectionIssuance, "CAA: only with this account at the authority, and only by validation that needs this machine.").
			when("Only when no other server gets certificates for these names. It takes the place of the CAA record without account.")
		for _, name := range names {
			b.add(name, "CAA", "%s", value())
		}
		// RFC 8659 3: for an alias, authorities look at the records of its target.
		b.when("Only for names that are no alias (CNAME): beside one there can be no other record, and the records of the host count.")
		for _, name := range aliases {
			b.add(name, "CAA", "%s", value())
		}
	}
}
