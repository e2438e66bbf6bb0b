package publicsuffix

import (
	"strings"

	"mox/dns"
)

// Result is what the list says about a name.
type Result struct {
	// Suffix is the public suffix of the name. For names that the list says nothing about
	// it is the top-level domain.
	Suffix dns.Domain
	// Organizational is the name that was registered: the public suffix and one label more.
	// It is zero for a name that is a public suffix itself.
	Organizational dns.Domain
	// Listed: a rule of the list applies.
	Listed bool
	// ICANN: that rule is one of a registry, not a private one.
	ICANN bool
}

// Lookup returns what the list says about a name. The zero Domain gives the zero Result.
func Lookup(d dns.Domain) Result {
	if d.IsZero() {
		return Result{}
	}
	n, r := load().find(d.ASCII)
	r.Suffix = last(d, n)
	if labels(d.ASCII) > n {
		r.Organizational = last(d, n+1)
	}
	return r
}

// OrganizationalDomain returns the name that was registered of which d is part, and d
// itself if it is a public suffix.
func OrganizationalDomain(d dns.Domain) dns.Domain {
	if r := Lookup(d); !r.Organizational.IsZero() {
		return r.Organizational
	}
	return d
}

// Version tells which list this is, as the list has it: usually the time of its making.
func Version() string { return load().version }

// find returns the number of labels of the public suffix, and which rule says so.
//
// The rule with most labels counts, but an exception before all others. It makes the
// suffix one label shorter than itself. Without a rule, it is "*".
func (l *list) find(name string) (n int, r Result) {
	n = 1
	all := labels(name)
	for i, end := 1, len(name); end >= 0; i++ {
		end = strings.LastIndexByte(name[:end], '.')
		bits := l.rules(name[end+1:])
		switch {
		case bits&exception != 0:
			return i - 1, Result{Listed: true, ICANN: bits&exceptionICANN != 0}
		case bits&wildcard != 0 && all > i:
			n, r = i+1, Result{Listed: true, ICANN: bits&wildcardICANN != 0}
		case bits&rule != 0 && i >= n:
			n, r = i, Result{Listed: true, ICANN: bits&ruleICANN != 0}
		}
	}
	return n, r
}

func labels(name string) int { return strings.Count(name, ".") + 1 }

// last returns the last n labels of a name. Both of its forms have the same number.
func last(d dns.Domain, n int) dns.Domain {
	d.ASCII = lastLabels(d.ASCII, n)
	if d.Unicode != "" {
		if d.Unicode = lastLabels(d.Unicode, n); d.Unicode == d.ASCII {
			d.Unicode = ""
		}
	}
	return d
}

func lastLabels(s string, n int) string {
	end := len(s)
	for range n {
		if end = strings.LastIndexByte(s[:end], '.'); end < 0 {
			return s
		}
	}
	return s[end+1:]
}
