package spf

import (
	"net/netip"
	"strconv"
	"strings"
)

// MaxRecord is the most octets of a record that is evaluated. RFC 7208 3.4 advises less
// than 450; lists of networks of several thousand exist.
const MaxRecord = 16 * 1024

// Qualifier is what a directive that matches stands for (RFC 7208 4.6.2).
type Qualifier byte

// The qualifiers. Records leave out "+".
const (
	QualifierPass     Qualifier = '+'
	QualifierFail     Qualifier = '-'
	QualifierSoftfail Qualifier = '~'
	QualifierNeutral  Qualifier = '?'
)

// Status returns the result of a directive with the qualifier.
func (q Qualifier) Status() Status {
	switch q {
	case QualifierFail:
		return StatusFail
	case QualifierSoftfail:
		return StatusSoftfail
	case QualifierNeutral:
		return StatusNeutral
	}
	return StatusPass
}

// Mechanism is the name of a mechanism (RFC 7208 5), in lower case.
type Mechanism string

// The mechanisms.
const (
	MechanismAll     Mechanism = "all"
	MechanismInclude Mechanism = "include"
	MechanismA       Mechanism = "a"
	MechanismMX      Mechanism = "mx"
	MechanismPTR     Mechanism = "ptr"
	MechanismIP4     Mechanism = "ip4"
	MechanismIP6     Mechanism = "ip6"
	MechanismExists  Mechanism = "exists"
)

// Lookup tells whether the mechanism is one of those that are limited to ten (RFC 7208
// 4.6.4).
func (m Mechanism) Lookup() bool {
	return m != MechanismAll && m != MechanismIP4 && m != MechanismIP6
}

// Directive is a mechanism with its qualifier.
type Directive struct {
	Qualifier Qualifier
	Mechanism Mechanism
	// DomainSpec is the domain of the mechanism with macros, as written; empty: the
	// domain of the record.
	DomainSpec string
	// Prefix is the network of ip4 and ip6.
	Prefix netip.Prefix
	// IP4Bits and IP6Bits are the prefix lengths of a and mx, 32 and 128 if none is
	// written; 0 otherwise.
	IP4Bits, IP6Bits int
}

// String returns the directive as it is written in a record, in canonical form.
func (d Directive) String() string {
	return string(d.append(make([]byte, 0, 64)))
}

func (d Directive) append(b []byte) []byte {
	if d.Qualifier != QualifierPass && d.Qualifier != 0 {
		b = append(b, byte(d.Qualifier))
	}
	b = append(b, d.Mechanism...)
	if d.Prefix.IsValid() {
		b = append(b, ':')
		b = d.Prefix.Addr().AppendTo(b)
		if bits := d.Prefix.Bits(); bits != d.Prefix.Addr().BitLen() {
			b = append(b, '/')
			b = strconv.AppendInt(b, int64(bits), 10)
		}
		return b
	}
	if d.DomainSpec != "" {
		b = append(b, ':')
		b = append(b, d.DomainSpec...)
	}
	if d.Mechanism != MechanismA && d.Mechanism != MechanismMX {
		return b
	}
	if d.IP4Bits != 32 {
		b = append(b, '/')
		b = strconv.AppendInt(b, int64(d.IP4Bits), 10)
	}
	if d.IP6Bits != 128 {
		b = append(b, "//"...)
		b = strconv.AppendInt(b, int64(d.IP6Bits), 10)
	}
	return b
}

// Modifier is a modifier that this package does not know: it has no effect (RFC 7208 6).
type Modifier struct {
	Name  string // lower case
	Value string // with macros, as written
}

// Record is an SPF record. The zero value is the empty record, "v=spf1".
type Record struct {
	Directives []Directive
	Redirect   string // domain-spec, empty if there is none
	Exp        string // domain-spec, empty if there is none
	Other      []Modifier
}

// String returns the record in canonical form: names in lower case, one space between
// terms, no "+", directives first. It parses back to the same value.
func (r *Record) String() string {
	var b strings.Builder
	b.WriteString("v=spf1")
	for _, d := range r.Directives {
		b.WriteByte(' ')
		b.Write(d.append(nil))
	}
	for _, m := range r.Other {
		b.WriteString(" " + m.Name + "=" + m.Value)
	}
	if r.Redirect != "" {
		b.WriteString(" redirect=" + r.Redirect)
	}
	if r.Exp != "" {
		b.WriteString(" exp=" + r.Exp)
	}
	return b.String()
}

// hasAll tells whether there is an all mechanism, which makes redirect void (RFC 7208 5.1).
func (r *Record) hasAll() bool {
	for i := range r.Directives {
		if r.Directives[i].Mechanism == MechanismAll {
			return true
		}
	}
	return false
}
