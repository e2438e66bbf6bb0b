package authres

import (
	"strings"

	"mox/dns"
)

// AuthservID returns the authserv-id of the value of an Authentication-Results field, decoded
// from quotes and comments, in lower case without final dot, and whether there is one.
func AuthservID(value string) (string, bool) {
	l := &lexer{s: value[:min(len(value), maxValue)]}
	l.cfws()
	quoted := l.peek() == '"'
	id := l.value()
	if l.err != nil || id == "" && !quoted {
		return "", false
	}
	return strings.ToLower(strings.TrimSuffix(id, ".")), true
}

// Claims tells whether the value of an Authentication-Results field claims to be of the server
// with one of the names: it must be removed from what others send (RFC 8601 5). Names are compared
// without case, as U-labels or A-labels, with or without final dot. Where the value is written so
// that readers may disagree about its authserv-id, it claims to be of any name that it may be
// read as.
func Claims(value string, own ...dns.Domain) bool {
	id, ok := AuthservID(value)
	var domain dns.Domain
	if ok {
		// Not an error: an authserv-id may be anything.
		domain, _ = dns.ParseDomainLax(id)
	}
	plain, loose := firstSegment(value)
	for _, d := range own {
		if d.IsZero() {
			continue
		}
		if domain == d || id == d.ASCII || d.Unicode != "" && id == d.Unicode {
			return true
		}
		for _, name := range []string{d.ASCII, d.Unicode} {
			if name != "" && (startsWithName(plain, name) || !ok && strings.Contains(loose, name)) {
				return true
			}
		}
	}
	return false
}

// firstSegment returns what is before the first semicolon in lower case: without comments,
// quotes and white space, and as it is.
func firstSegment(value string) (plain, loose string) {
	value = value[:min(len(value), maxValue)]
	l := &lexer{s: value}
	var b strings.Builder
	for l.cfws(); l.err == nil && !l.end() && l.peek() != ';'; l.cfws() {
		switch c := l.peek(); c {
		case '"':
			b.WriteString(l.quoted())
		case '\\':
			l.pos++
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
	return strings.ToLower(b.String()), strings.ToLower(value)
}

// startsWithName tells whether s begins with the name, and not with a longer one.
func startsWithName(s, name string) bool {
	rest, ok := strings.CutPrefix(s, name)
	if !ok {
		return false
	}
	rest = strings.TrimPrefix(rest, ".")
	return rest == "" || !isAlnum(rest[0]) && rest[0] != '-' && rest[0] != '_' && rest[0] < 0x80
}
