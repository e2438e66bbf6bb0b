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
	delivered []string              // Delivered-To fields
	fields    func() [][2]string    // names and values, in lower case
	author    func() []smtp.Address // those that some reader may take for it, see message.Authors
}

func see(m *Message) *seen {
	s := &seen{m: m}
	header := sync.OnceValue(s.readHeader)
	s.fields = sync.OnceValue(func() [][2]string { return lower(header()) })
	s.author = sync.OnceValue(func() []smtp.Address { l, _ := message.Authors(header()); return l })
	return s
}

// readHeader returns the header, an empty one if it is too large: it has nothing that a
// rule is about.
func (s *seen) readHeader() *message.Header {
	h, err := message.ReadHeader(bufio.NewReader(s.m.Spool.Part().Header(s.m.Spool)), maxHeader)
	if err != nil {
		return &message.Header{}
	}
	return h
}

func lower(h *message.Header) [][2]string {
	var l [][2]string
	for _, f := range h.Fields() {
		l = append(l, [2]string{strings.ToLower(f.Name()), strings.ToLower(strings.TrimSpace(f.Value()))})
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
