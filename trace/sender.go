package trace

import (
	"net/netip"
	"slices"
	"strings"
)

// Sender is who a message is from, as far as it was verified: what reputation is kept
// by. Empty fields are unknown or not to be used.
type Sender struct {
	From       string // address
	FromDomain string
	OrgDomain  string
	Validation Validation
	// DKIM are the domains of signatures that passed.
	DKIM []string
	// MailFrom, its domain, and Hello passed SPF.
	MailFrom, MailFromDomain, Hello string
	IP                              netip.Addr
}

// Validated tells whether From is who it says.
func (s Sender) Validated() bool { return s.Validation != ValidationNone }

// Verified tells whether SPF, DKIM or DMARC passed, for any domain: somebody stands for the message.
func (f *Facts) Verified() bool {
	return f.DMARC != nil && f.DMARC.Status == "pass" ||
		slices.ContainsFunc(f.SPF, func(s SPF) bool { return s.Status == "pass" }) ||
		slices.ContainsFunc(f.DKIM, func(d DKIM) bool { return d.Status == "pass" })
}

// Sender returns who the message is from. Of a message that was forwarded, nothing of
// the forwarder is in it.
func (f *Facts) Sender() Sender {
	s := Sender{From: f.From, FromDomain: domainOf(f.From), OrgDomain: f.OrgDomain, Validation: f.Validation}
	forward := f.Ruleset != nil && f.Ruleset.Forward
	for _, d := range f.DKIM {
		if d.Status != "pass" || d.Domain == "" || slices.Contains(s.DKIM, d.Domain) {
			continue
		}
		if forward && d.Domain == f.Ruleset.VerifiedDomain {
			continue
		}
		s.DKIM = append(s.DKIM, d.Domain)
	}
	if forward {
		return s
	}
	for _, p := range f.SPF {
		switch {
		case p.Status != "pass":
		case p.Identity == "mailfrom" && f.MailFrom != "":
			s.MailFrom, s.MailFromDomain = f.MailFrom, p.Domain
		case p.Identity == "helo":
			s.Hello = p.Domain
		}
	}
	s.IP = f.Remote
	return s
}

// VerifiedDomains returns the domains that someone has shown to act for: those of DKIM
// signatures, MAIL FROM and EHLO.
func (f *Facts) VerifiedDomains() []string {
	var l []string
	for _, d := range f.DKIM {
		if d.Status == "pass" {
			l = append(l, d.Domain)
		}
	}
	for _, p := range f.SPF {
		if p.Status == "pass" {
			l = append(l, p.Domain)
		}
	}
	return l
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
