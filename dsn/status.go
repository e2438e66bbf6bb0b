package dsn

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mox/message"
	"mox/smtp"
)

// ascii tells whether a status needs no UTF-8.
func (s *Status) ascii() bool {
	for _, c := range s.Append(nil, true) {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// Append appends the status as the content of message/delivery-status or, with utf8, of
// message/global-delivery-status. Without it, what is not ASCII is escaped as in RFC 6533
// 3. Whatever the strings are, each is one field.
func (s *Status) Append(dst []byte, utf8 bool) []byte {
	w := fields{utf8: utf8}
	w.text("Original-Envelope-Id", s.EnvID)
	w.mta("Reporting-MTA", s.ReportingMTA)
	w.mta("DSN-Gateway", s.Gateway)
	w.mta("Received-From-MTA", s.ReceivedFrom)
	w.time("Arrival-Date", s.Arrival)
	w.other(s.Other)
	dst = w.h.Append(dst)
	for _, r := range s.Recipients {
		// RFC 3464 2.1: groups have an empty line between them, with which each ends.
		dst = r.append(dst, utf8)
	}
	return dst
}

func (r *Recipient) append(dst []byte, utf8 bool) []byte {
	w := fields{utf8: utf8}
	w.address("Original-Recipient", r.Original)
	w.address("Final-Recipient", r.Final)
	w.text("Action", string(r.Action))
	w.text("Status", r.Status)
	w.mta("Remote-MTA", r.RemoteMTA)
	if r.Diagnostic.Text != "" {
		w.typed("Diagnostic-Code", r.Diagnostic.Type, "smtp", r.Diagnostic.Text)
	}
	w.time("Last-Attempt-Date", r.LastAttempt)
	w.text("Final-Log-ID", r.LogID)
	w.time("Will-Retry-Until", r.RetryUntil)
	w.other(r.Other)
	return w.h.Append(dst)
}

// fields is a group of fields.
type fields struct {
	h    message.Header
	utf8 bool
}

func (w *fields) text(name, value string) {
	if value = clean(value); value == "" {
		return
	}
	if !w.utf8 {
		value = escape(value)
	}
	w.h.Add(name, value)
}

func (w *fields) typed(name, typ, fallback, value string) {
	if typ = cleanType(typ); typ == "" {
		typ = fallback
	}
	w.text(name, typ+"; "+clean(value))
}

func (w *fields) mta(name string, m MTA) {
	if m.Name != "" {
		w.typed(name, m.Type, "dns", m.Name)
	}
}

func (w *fields) address(name string, a smtp.ORcpt) {
	if a.Address == "" {
		return
	}
	value := clean(a.Address)
	switch utf8Type := cleanType(a.Type) == "utf-8"; {
	case utf8Type && !w.utf8:
		// RFC 6533 3: utf-8-addr-xtext.
		value = smtp.EncodeUTF8Xtext(value)
	case utf8Type:
		value = strings.ReplaceAll(value, `\`, `\x{5C}`)
	}
	w.typed(name, a.Type, "rfc822", value)
}

func (w *fields) time(name string, t time.Time) {
	if !t.IsZero() {
		w.text(name, message.FormatDate(t))
	}
}

func (w *fields) other(l []Field) {
	for _, f := range l {
		if isFieldName(f.Name) && known[strings.ToLower(f.Name)] == nil && knownRecipient[strings.ToLower(f.Name)] == nil {
			w.text(f.Name, f.Value)
		}
	}
}

// isFieldName tells whether a line may begin with it: fewer than RFC 5322 2.2 allows, as text
// that goes on from the line before has colons too.
func isFieldName(s string) bool {
	if s == "" || len(s) > maxName || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// Bounds of what is kept of a field, in octets.
const (
	maxName  = 100
	maxValue = 4000
)

// clean makes text that is one line: white space is single spaces, control characters
// and invalid UTF-8 are "?".
func clean(s string) string {
	if len(s) > maxValue {
		s = s[:maxValue]
	}
	s = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\r' || r == '\n' {
			return ' '
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffd {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.Join(strings.Fields(s), " ")
}

// cleanType returns the type of an address, server or diagnostic, empty if it is none.
func cleanType(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) > maxName || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>[]:;@\,."`, r)
	}) {
		return ""
	}
	return s
}

// escape puts what is not ASCII as \x{hex}.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		}
	}
	return b.String()
}

// unescape undoes escape.
func unescape(s string) string {
	var b strings.Builder
	for s != "" {
		before, rest, ok := strings.Cut(s, `\x{`)
		b.WriteString(before)
		if !ok {
			break
		}
		hex, after, ok := strings.Cut(rest, "}")
		n, err := strconv.ParseUint(hex, 16, 32)
		if !ok || err != nil || len(hex) < 2 || len(hex) > 6 || !utf8.ValidRune(rune(n)) {
			b.WriteString(`\x{`)
			s = rest
			continue
		}
		b.WriteRune(rune(n))
		s = after
	}
	return b.String()
}
