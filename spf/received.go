package spf

import (
	"strings"
	"unicode/utf8"
)

// comments say what a status means.
var comments = map[Status]string{
	StatusNone:      "domain does not say which hosts send its mail",
	StatusNeutral:   "domain neither permits nor denies the client",
	StatusPass:      "domain designates the client as permitted sender",
	StatusFail:      "domain does not designate the client as permitted sender",
	StatusSoftfail:  "domain probably does not designate the client as permitted sender",
	StatusTemperror: "temporary error while checking",
	StatusPermerror: "domain has invalid records",
}

// ReceivedSPF returns the Received-SPF header field (RFC 7208 9.1) about the result of a
// check of args, folded, with CRLF. It stays one field of bounded lines whatever the client and
// DNS said.
func (r Result) ReceivedSPF(args Args) string {
	pairs := []struct{ key, value string }{
		{"receiver", args.LocalHostname.ASCII},
		{"client-ip", ""},
		{"envelope-from", ""},
		{"helo", args.Hello.String()},
		{"identity", string(r.Identity)},
		{"mechanism", r.Mechanism},
		{"problem", ""},
	}
	if args.IP.IsValid() {
		pairs[1].value = args.IP.WithZone("").Unmap().String()
	}
	if r.Identity == IdentityMailFrom {
		from := args.MailFrom.XString(false)
		if from == "" {
			from = "postmaster@" + r.Domain.ASCII
		}
		pairs[2].value = from
	}
	if r.Err != nil {
		pairs[6].value = r.Err.Error()
	}

	var b strings.Builder
	b.WriteString("Received-SPF: " + string(r.Status) + " (" + comments[r.Status] + ")")
	sep := "\r\n\t"
	for _, p := range pairs {
		if p.value == "" {
			continue
		}
		b.WriteString(sep + p.key + "=" + headerValue(p.value))
		sep = ";\r\n\t"
	}
	b.WriteString("\r\n")
	return b.String()
}

// maxHeaderValue bounds a value: its line stays within the 998 octets of RFC 5322 2.1.1.
const maxHeaderValue = 400

// headerValue returns s as a dot-atom where it is one, else as a quoted-string (RFC 5322
// 3.2.3, 3.2.4; UTF-8 by RFC 6532). Control characters become question marks.
func headerValue(s string) string {
	if len(s) <= maxHeaderValue && isDotAtom(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case b.Len() > maxHeaderValue:
			return b.String() + `..."`
		case c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == utf8.RuneError:
			c = '?'
		case c == '"' || c == '\\':
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	b.WriteByte('"')
	return b.String()
}

func isDotAtom(s string) bool {
	dot := true
	for i := range len(s) {
		c := s[i]
		if c == '.' {
			if dot {
				return false
			}
			dot = true
			continue
		}
		if !isAlpha(c) && !isDigit(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
			return false
		}
		dot = false
	}
	return !dot
}
