package mtasts

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mox/dns"
)

// MaxPolicySize is the most octets of a policy (RFC 8461 3.3).
const MaxPolicySize = 64 << 10

// MaxAge is the longest time for which a policy can ask to be kept (RFC 8461 3.2).
const MaxAge = 31557600 * time.Second

// Mode is what to do with a host that the policy is not content with (RFC 8461 5).
type Mode string

// Modes.
const (
	ModeEnforce Mode = "enforce" // no mail must go there
	ModeTesting Mode = "testing" // that is reported only
	ModeNone    Mode = "none"    // there is no policy any more
)

// MX is a pattern of names of hosts.
type MX struct {
	// Wildcard: any name with one label before Domain, not Domain itself.
	Wildcard bool
	Domain   dns.Domain
}

// String returns the pattern as policies have it, with A-labels.
func (m MX) String() string {
	if m.Wildcard {
		return "*." + m.Domain.ASCII
	}
	return m.Domain.ASCII
}

// Matches tells whether a host has a name that the pattern is about.
func (m MX) Matches(host dns.Domain) bool {
	if !m.Wildcard {
		return host == m.Domain
	}
	// RFC 8461 4.1: a wildcard is for one label.
	label, above, _ := strings.Cut(host.ASCII, ".")
	return label != "" && above == m.Domain.ASCII
}

// ParseMX parses a pattern: a name with A-labels, with or without "*." before it.
func ParseMX(s string) (MX, error) {
	name, wild := strings.CutPrefix(s, "*.")
	// RFC 8461 3.2: A-labels, not U-labels.
	if strings.IndexFunc(name, func(c rune) bool { return c >= utf8.RuneSelf }) >= 0 {
		return MX{}, fmt.Errorf("mx pattern %q is not in ASCII", s)
	}
	d, err := dns.ParseDomainLax(name)
	if err != nil {
		return MX{}, fmt.Errorf("mx pattern %q: %w", s, err)
	}
	return MX{wild, d}, nil
}

// Policy is what a domain demands of the hosts that receive its mail (RFC 8461 3.2).
type Policy struct {
	Mode Mode
	// MX are the hosts that can be; not empty but with mode none.
	MX []MX
	// MaxAge is for how long the policy is kept, in full seconds.
	MaxAge time.Duration
	// Extensions are the other fields, in their order.
	Extensions []Pair
}

// Matches tells whether the policy allows a host, by its name in the MX record. What a
// failure means depends on the mode.
func (p Policy) Matches(host dns.Domain) bool {
	return slices.ContainsFunc(p.MX, func(m MX) bool { return m.Matches(host) })
}

// String returns the text of the policy.
func (p Policy) String() string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	line("version", version)
	line("mode", string(p.Mode))
	for _, m := range p.MX {
		line("mx", m.String())
	}
	line("max_age", strconv.FormatInt(int64(p.MaxAge/time.Second), 10))
	for _, x := range p.Extensions {
		line(x.Name, x.Value)
	}
	return b.String()
}

// ParsePolicy parses the text of a policy. Errors wrap ErrPolicy.
func ParsePolicy(s string) (Policy, error) {
	if len(s) > MaxPolicySize {
		return Policy{}, fmt.Errorf("%w: longer than %d octets", ErrPolicy, MaxPolicySize)
	}
	if !utf8.ValidString(s) {
		return Policy{}, fmt.Errorf("%w: not in UTF-8", ErrPolicy)
	}
	var p Policy
	seen := map[string]bool{}
	for line := range strings.SplitSeq(s, "\n") {
		line = strings.TrimRight(strings.TrimSuffix(line, "\r"), " \t")
		if line == "" {
			continue
		}
		if err := p.field(line, seen); err != nil {
			return Policy{}, fmt.Errorf("%w: %w", ErrPolicy, err)
		}
	}
	for _, name := range []string{"version", "mode", "max_age"} {
		if !seen[name] {
			return Policy{}, fmt.Errorf("%w: no %s", ErrPolicy, name)
		}
	}
	if len(p.MX) == 0 && p.Mode != ModeNone {
		return Policy{}, fmt.Errorf("%w: no mx", ErrPolicy)
	}
	return p, nil
}

// field takes a field in. seen has the names of those before.
func (p *Policy) field(line string, seen map[string]bool) error {
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimLeft(value, " \t")
	if !ok || !isName(name) || !isPolicyValue(value) {
		return fmt.Errorf("line %q is no field", shorten(line))
	}
	// RFC 8461 3.2: all but mx are there once; of more, the first counts.
	if seen[name] && name != "mx" {
		return nil
	}
	seen[name] = true
	switch name {
	case "version":
		if value != version {
			return fmt.Errorf("version %q", shorten(value))
		}
	case "mode":
		p.Mode = Mode(value)
		if !slices.Contains([]Mode{ModeEnforce, ModeTesting, ModeNone}, p.Mode) {
			return fmt.Errorf("mode %q", shorten(value))
		}
	case "max_age":
		return p.setMaxAge(value)
	case "mx":
		m, err := ParseMX(value)
		if err != nil {
			return err
		}
		if !slices.Contains(p.MX, m) {
			p.MX = append(p.MX, m)
		}
	default:
		p.Extensions = append(p.Extensions, Pair{name, value})
	}
	return nil
}

// setMaxAge parses max_age: one to ten digits (RFC 8461 3.2).
func (p *Policy) setMaxAge(s string) error {
	if len(s) > 10 || strings.Trim(s, "0123456789") != "" {
		return fmt.Errorf("max_age %q", shorten(s))
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("max_age %q", shorten(s))
	}
	if n > int64(MaxAge/time.Second) {
		return fmt.Errorf("max_age %s is more than %d", s, MaxAge/time.Second)
	}
	p.MaxAge = time.Duration(n) * time.Second
	return nil
}

// isPolicyValue: sts-policy-ext-value of RFC 8461 3.2, which the others are too.
func isPolicyValue(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}

// shorten keeps what others wrote out of errors when it is much.
func shorten(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
