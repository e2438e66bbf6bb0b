package deliver

import (
	"bufio"
	"slices"
	"strings"
	"sync"

	"mox/config"
	"mox/dns"
	"mox/message"
	"mox/smtp"
)

// maxHeader is how much of a header rulesets see, in octets.
const maxHeader = 1 << 20

// seen is what rulesets look at, found when first asked for. Safe for concurrent use.
type seen struct {
	m         *Message
	delivered []string           // Delivered-To fields
	fields    func() [][2]string // names and values, in lower case
	author    func() []smtp.Address
}

func see(m *Message) *seen {
	s := &seen{m: m}
	s.fields = sync.OnceValue(s.readFields)
	s.author = sync.OnceValue(s.readAuthor)
	return s
}

func (s *seen) readFields() [][2]string {
	h, err := message.ReadHeader(bufio.NewReader(s.m.Spool.Part().Header(s.m.Spool)), maxHeader)
	if err != nil {
		return nil // too large: it has nothing that a rule is about
	}
	var l [][2]string
	for _, f := range h.Fields() {
		l = append(l, [2]string{strings.ToLower(f.Name()), strings.ToLower(strings.TrimSpace(f.Value()))})
	}
	return l
}

// readAuthor returns the addresses of the From field.
func (s *seen) readAuthor() []smtp.Address {
	e := s.m.Spool.Part().Envelope
	if e == nil {
		return nil
	}
	var l []smtp.Address
	for _, a := range e.From {
		if a.Kind != message.AddressMailbox {
			continue
		}
		addr, err := smtp.ParseAddressLax(smtp.Localpart(a.Mailbox).String() + "@" + a.Host)
		if err == nil {
			l = append(l, addr)
		}
	}
	return l
}

// rule returns the first ruleset that matches, and its index; nil for none.
func (s *seen) rule(t Target) (*config.RulesetInfo, int) {
	if t.Destination != nil {
		for i := range t.Destination.Rulesets {
			if r := &t.Destination.Rulesets[i]; s.matches(r) {
				return r, i
			}
		}
	}
	return nil, 0
}

// matches tells whether all that a ruleset asks for is so.
func (s *seen) matches(r *config.RulesetInfo) bool {
	if !r.VerifiedDomain.IsZero() && !slices.ContainsFunc(s.m.Verified, func(d dns.Domain) bool { return within(d, r.VerifiedDomain) }) {
		return false
	}
	if r.SMTPMailFrom != nil && !r.SMTPMailFrom.MatchString(s.m.From.XString(true)) {
		return false
	}
	if r.MsgFrom != nil {
		if l := s.author(); len(l) != 1 || !r.MsgFrom.MatchString(l[0].Pack(true)) {
			return false
		}
	}
	for _, h := range r.Headers {
		if !s.hasField(h) {
			return false
		}
	}
	return true
}

func (s *seen) hasField(h config.HeaderRegexp) bool {
	for _, f := range s.fields() {
		if h.Name.MatchString(f[0]) && h.Value.MatchString(f[1]) {
			return true
		}
	}
	return false
}

// within tells whether a domain is another one or below it.
func within(d, parent dns.Domain) bool {
	return d == parent || strings.HasSuffix(d.ASCII, "."+parent.ASCII)
}
