package spf

import (
	"fmt"
)

// Warnings returns what is probably not meant in a valid record, or does harm, as sentences for
// its author without full stop. txt is the text that the record was parsed from.
func (r *Record) Warnings(txt string) []string {
	var l []string
	add := func(format string, args ...any) { l = append(l, fmt.Sprintf(format, args...)) }

	lookups, all := 0, -1
	for i := range r.Directives {
		d := &r.Directives[i]
		if d.Mechanism.Lookup() {
			lookups++
		}
		if d.Mechanism == MechanismAll && all < 0 {
			all = i
		}
		r.warnDirective(d, add)
	}
	switch {
	case all >= 0 && all < len(r.Directives)-1:
		add("the %d mechanisms after all have no effect", len(r.Directives)-1-all)
	case all < 0 && r.Redirect == "":
		add("neither all nor redirect at the end: other hosts get the result neutral")
	}
	if r.Redirect != "" {
		if lookups++; all >= 0 {
			add("redirect has no effect because of all")
			lookups--
		}
	}
	if lookups > maxLookups {
		add("%d terms look up DNS, more than %d: a permerror", lookups, maxLookups)
	}
	for _, m := range r.Other {
		if _, ok := mechanismParsers(m.Name); ok {
			add("%s= is an unknown modifier without effect, %s: may be meant", m.Name, m.Name)
		} else {
			add("unknown modifier %s has no effect", m.Name)
		}
	}
	// RFC 7208 3.4.
	if len(txt) > 450 {
		add("%d octets: answers over UDP may not hold more than 450", len(txt))
	}
	return l
}

// warnDirective adds what is to be said of one directive.
func (r *Record) warnDirective(d *Directive, add func(string, ...any)) {
	pass := d.Qualifier == QualifierPass
	switch d.Mechanism {
	case MechanismAll:
		if pass {
			add("+all lets every host in the world send for the domain")
		}
	case MechanismPTR:
		add("ptr is slow and unreliable, and should not be published (RFC 7208 5.5)")
	case MechanismA, MechanismMX:
		if pass && (d.IP4Bits < 8 || d.IP6Bits < 16) {
			add("%s matches a very large network", d)
		}
	case MechanismIP4, MechanismIP6:
		if d.Prefix.Addr() != d.Prefix.Masked().Addr() {
			add("%s has bits beyond the prefix length, the network is %s", d, d.Prefix.Masked())
		}
		least := 8
		if d.Mechanism == MechanismIP6 {
			least = 16
		}
		if pass && d.Prefix.Bits() < least {
			add("%s matches a very large network", d)
		}
		if d.Prefix.Addr().Is4In6() {
			add("%s never matches: such addresses are IPv4", d)
		}
	}
}
