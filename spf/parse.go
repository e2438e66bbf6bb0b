package spf

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// SyntaxError is what is wrong with a record.
type SyntaxError struct {
	Offset int    // octets from the start of the record
	Term   string // the term that is wrong, as written
	Text   string // what is wrong with it
}

func (e *SyntaxError) Error() string {
	if e.Term == "" {
		return fmt.Sprintf("SPF record, at %d: %s", e.Offset, e.Text)
	}
	return fmt.Sprintf("SPF record, at %d, %+q: %s", e.Offset, bound(e.Term, 80), e.Text)
}

// bound returns at most n octets of s.
func bound(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// isSPF tells whether txt is an SPF record (RFC 7208 4.5): it begins with the version,
// which a space or the end follows.
func isSPF(txt string) bool {
	const version = "v=spf1"
	return len(txt) >= len(version) && strings.EqualFold(txt[:len(version)], version) &&
		(len(txt) == len(version) || txt[len(version)] == ' ')
}

// Parse parses the text of a TXT record. If it is no SPF record, isSPF is false and there
// is no error; errors are of type *SyntaxError.
func Parse(txt string) (r *Record, isSPFRecord bool, err error) {
	if !isSPF(txt) {
		return nil, false, nil
	}
	if len(txt) > MaxRecord {
		return nil, true, &SyntaxError{Offset: MaxRecord, Text: fmt.Sprintf("longer than %d octets", MaxRecord)}
	}
	r = &Record{Directives: make([]Directive, 0, min(strings.Count(txt, " "), 32))}
	// RFC 7208 4.6.1: terms are separated by spaces only. 4.6: errors anywhere are
	// found, whether or not evaluation would come to them.
	for pos := len("v=spf1"); pos < len(txt); {
		if txt[pos] == ' ' {
			pos++
			continue
		}
		term := txt[pos:]
		if i := strings.IndexByte(term, ' '); i >= 0 {
			term = term[:i]
		}
		if at, text := r.parseTerm(term); text != "" {
			return nil, true, &SyntaxError{pos + at, term, text}
		}
		pos += len(term)
	}
	return r, true, nil
}

// parseTerm parses a term and adds it. What is wrong is returned as the offset in the
// term and a text.
func (r *Record) parseTerm(term string) (int, string) {
	for i := range len(term) {
		if term[i] <= ' ' || term[i] > '~' {
			return i, fmt.Sprintf("character 0x%02x, only visible ASCII is allowed", term[i])
		}
	}
	if n := nameLen(term); n > 0 && n < len(term) && term[n] == '=' {
		at, text := r.parseModifier(strings.ToLower(term[:n]), term[n+1:])
		return n + 1 + at, text
	}
	r.Directives = append(r.Directives, Directive{Qualifier: QualifierPass})
	d := &r.Directives[len(r.Directives)-1]
	at := 0
	switch Qualifier(term[0]) {
	case QualifierPass, QualifierFail, QualifierSoftfail, QualifierNeutral:
		d.Qualifier = Qualifier(term[0])
		at = 1
	}
	name, arg := term[at:], ""
	if i := strings.IndexAny(name, ":/"); i >= 0 {
		name, arg = name[:i], name[i:]
	}
	parse, ok := mechanismParsers(name)
	if !ok {
		return at, unknownMechanism(strings.ToLower(name))
	}
	d.Mechanism = Mechanism(strings.ToLower(name))
	argAt, text := parse(d, arg)
	return at + len(name) + argAt, text
}

// nameLen returns the length of the name of a modifier that s begins with (RFC 7208 4.6.1).
func nameLen(s string) int {
	for i := range len(s) {
		c := s[i]
		if isAlpha(c) || i > 0 && (isDigit(c) || c == '-' || c == '_' || c == '.') {
			continue
		}
		return i
	}
	return len(s)
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// unknownMechanism says what may have been meant.
func unknownMechanism(name string) string {
	switch {
	case name == "redirect" || name == "exp":
		return name + " is a modifier: " + name + "=domain"
	case name == "ipv4" || name == "ip":
		return "unknown mechanism, ip4 may be meant"
	case name == "ipv6":
		return "unknown mechanism, ip6 may be meant"
	case strings.Contains(name, "="):
		return "invalid name of a modifier"
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "unknown mechanism, ip4: may be missing"
	}
	return "unknown mechanism"
}

// parseModifier adds a modifier. The offset is from the start of value.
func (r *Record) parseModifier(name, value string) (int, string) {
	var known *string
	switch name {
	case "redirect":
		known = &r.Redirect
	case "exp":
		known = &r.Exp
	default:
		// RFC 7208 12: the value of an unknown modifier is a macro-string.
		if at, text := checkMacros(value, lettersExp); text != "" {
			return at, text
		}
		r.Other = append(r.Other, Modifier{name, value})
		return 0, ""
	}
	// RFC 7208 6: each may be there once.
	if *known != "" {
		return 0, name + " is there twice"
	}
	*known = value
	return checkDomainSpec(value)
}

// argParser parses what follows the name of a mechanism, with the ":" or "/".
type argParser func(d *Directive, arg string) (int, string)

func mechanismParsers(name string) (argParser, bool) {
	switch {
	case strings.EqualFold(name, "all"):
		return parseAll, true
	case strings.EqualFold(name, "include"), strings.EqualFold(name, "exists"):
		return parseDomainArg, true
	case strings.EqualFold(name, "ptr"):
		return parsePTR, true
	case strings.EqualFold(name, "a"), strings.EqualFold(name, "mx"):
		return parseDualCIDR, true
	case strings.EqualFold(name, "ip4"):
		return parseIP4, true
	case strings.EqualFold(name, "ip6"):
		return parseIP6, true
	}
	return nil, false
}

func parseAll(_ *Directive, arg string) (int, string) {
	if arg != "" {
		return 0, "all has no argument"
	}
	return 0, ""
}

// parseDomainArg is for the mechanisms that must have a domain.
func parseDomainArg(d *Directive, arg string) (int, string) {
	if arg == "" || arg[0] != ':' {
		return 0, string(d.Mechanism) + " needs a domain"
	}
	d.DomainSpec = arg[1:]
	at, text := checkDomainSpec(d.DomainSpec)
	return 1 + at, text
}

func parsePTR(d *Directive, arg string) (int, string) {
	if arg == "" {
		return 0, ""
	}
	return parseDomainArg(d, arg)
}

// parseDualCIDR parses the argument of a and mx. A domain may have slashes itself: the
// prefix lengths are what the end of the argument has.
func parseDualCIDR(d *Directive, arg string) (int, string) {
	d.IP4Bits, d.IP6Bits = 32, 128
	rest := arg
	if i := digitsAtEnd(rest, "//"); i >= 0 {
		bits, text := prefixBits(rest[i+2:], 128)
		if text != "" {
			return i + 2, text
		}
		d.IP6Bits, rest = bits, rest[:i]
	}
	if i := digitsAtEnd(rest, "/"); i >= 0 {
		bits, text := prefixBits(rest[i+1:], 32)
		if text != "" {
			return i + 1, text
		}
		d.IP4Bits, rest = bits, rest[:i]
	}
	if rest == "" {
		return 0, ""
	}
	return parseDomainArg(d, rest)
}

// digitsAtEnd returns where sep with at least one digit to the end begins, or -1.
func digitsAtEnd(s, sep string) int {
	head := strings.TrimRight(s, "0123456789")
	if len(head) == len(s) || !strings.HasSuffix(head, sep) {
		return -1
	}
	return len(head) - len(sep)
}

// prefixBits parses a prefix length: no leading zeros (RFC 7208 12).
func prefixBits(s string, most int) (int, string) {
	bits, err := strconv.Atoi(s)
	switch {
	case s == "" || !isDigit(s[0]) || err != nil || bits > most:
		return 0, fmt.Sprintf("prefix length must be 0 to %d", most)
	case len(s) > 1 && s[0] == '0':
		return 0, "prefix length with leading zero"
	}
	return bits, ""
}

func parseIP4(d *Directive, arg string) (int, string) { return parseNetwork(d, arg, 32) }
func parseIP6(d *Directive, arg string) (int, string) { return parseNetwork(d, arg, 128) }

func parseNetwork(d *Directive, arg string, bits int) (int, string) {
	if arg == "" || arg[0] != ':' {
		return 0, string(d.Mechanism) + " needs an address"
	}
	s, length, hasLength := strings.Cut(arg[1:], "/")
	// An IPv6 address with a zone is not one of RFC 4291 2.2.
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.BitLen() != bits || ip.Zone() != "" {
		return 1, "invalid address for " + string(d.Mechanism)
	}
	if hasLength {
		n, text := prefixBits(length, bits)
		if text != "" {
			return 1 + len(s) + 1, text
		}
		bits = n
	}
	d.Prefix = netip.PrefixFrom(ip, bits)
	return 0, ""
}

// checkDomainSpec checks a domain-spec (RFC 7208 7.1): macro-string, then a top label or
// a macro.
func checkDomainSpec(s string) (int, string) {
	if s == "" {
		return 0, "domain is empty"
	}
	if at, text := checkMacros(s, lettersDomain); text != "" {
		return at, text
	}
	end := lastMacroEnd(s)
	if end == len(s) {
		return 0, ""
	}
	tail := strings.TrimSuffix(s[end:], ".")
	i := strings.LastIndexByte(tail, '.')
	if i < 0 {
		return end, "domain must have at least two labels, or end in a macro"
	}
	if isTopLabel(tail[i+1:]) {
		return 0, ""
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Is4() {
		return 0, "domain is an address, ip4: may be meant"
	}
	return end + i + 1, "last label is no top-level domain"
}

// isTopLabel is toplabel of RFC 7208 7.1: letters, digits and hyphens inside, not only
// digits.
func isTopLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	digits := true
	for i := range len(s) {
		if !isAlpha(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return false
		}
		digits = digits && isDigit(s[i])
	}
	return !digits
}
