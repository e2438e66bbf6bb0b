package dsn

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"mox/message"
	"mox/smtp"
)

// ErrStatus: the text is not a delivery status.
var ErrStatus = errors.New("not a delivery status")

// Bounds of a status that is parsed.
const (
	maxStatus     = 4 << 20 // octets
	maxRecipients = 10_000
	maxOther      = 100 // unknown fields of a group
)

// known has the fields of a message, by name in lower case.
var known = map[string]func(s *Status, v string){
	"original-envelope-id": func(s *Status, v string) { s.EnvID = v },
	"reporting-mta":        func(s *Status, v string) { s.ReportingMTA = parseMTA(v) },
	"dsn-gateway":          func(s *Status, v string) { s.Gateway = parseMTA(v) },
	"received-from-mta":    func(s *Status, v string) { s.ReceivedFrom = parseMTA(v) },
	"arrival-date": func(s *Status, v string) {
		if t, err := message.ParseDate(v); err == nil {
			s.Arrival = t.UTC()
		}
	},
}

// knownRecipient has the fields of a recipient.
var knownRecipient = map[string]func(r *Recipient, v string){
	"original-recipient": func(r *Recipient, v string) { r.Original = parseAddress(v) },
	"final-recipient":    func(r *Recipient, v string) { r.Final = parseAddress(v) },
	"action":             func(r *Recipient, v string) { r.Action = parseAction(v) },
	"status":             func(r *Recipient, v string) { r.Status = parseCode(v) },
	"remote-mta":         func(r *Recipient, v string) { r.RemoteMTA = parseMTA(v) },
	"diagnostic-code":    func(r *Recipient, v string) { r.Diagnostic = parseDiagnostic(v) },
	"final-log-id":       func(r *Recipient, v string) { r.LogID = v },
	"last-attempt-date": func(r *Recipient, v string) {
		if t, err := message.ParseDate(v); err == nil {
			r.LastAttempt = t.UTC()
		}
	},
	"will-retry-until": func(r *Recipient, v string) {
		if t, err := message.ParseDate(v); err == nil {
			r.RetryUntil = t.UTC()
		}
	},
}

// ParseStatus parses the content of message/delivery-status or
// message/global-delivery-status. It is lenient: what cannot be understood is left out,
// as long as there is a recipient with an address. The error is ErrStatus.
func ParseStatus(b []byte) (*Status, error) {
	if len(b) > maxStatus {
		return nil, fmt.Errorf("%w: more than %d octets", ErrStatus, maxStatus)
	}
	s := &Status{}
	seen := map[string]bool{}
	for i, group := range groups(b) {
		for k, fields := range recipientGroups(groupFields(group)) {
			r, other, ofMessage := s.group(fields, seen)
			if i == 0 && k == 0 && (ofMessage || r.Final.Address == "") {
				s.Other = other
			} else {
				r.Other = other
			}
			if r.Final.Address == "" {
				continue
			}
			if len(s.Recipients) >= maxRecipients {
				return nil, fmt.Errorf("%w: more than %d recipients", ErrStatus, maxRecipients)
			}
			s.Recipients = append(s.Recipients, r)
		}
	}
	if len(s.Recipients) == 0 {
		return nil, fmt.Errorf("%w: no recipient", ErrStatus)
	}
	return s, nil
}

// group takes the fields of a group: those of the message into s, where seen has the
// ones that were there already, the others are returned.
func (s *Status) group(fields []Field, seen map[string]bool) (r Recipient, other []Field, ofMessage bool) {
	seenHere := map[string]bool{}
	for _, f := range fields {
		name := strings.ToLower(f.Name)
		// A field that is there twice counts as it was first (RFC 3464 2.2, 2.3: once).
		// Some do not separate the fields of the message from those of a recipient.
		if set := known[name]; set != nil {
			if !seen[name] {
				set(s, f.Value)
			}
			seen[name], ofMessage = true, true
		} else if set := knownRecipient[name]; set != nil {
			if !seenHere[name] {
				set(&r, f.Value)
			}
			seenHere[name] = true
		} else if len(other) < maxOther {
			other = append(other, f)
		}
	}
	if r.Final.Address == "" {
		r.Final = r.Original
	}
	return r, other, ofMessage
}

// groupFields returns the fields of a group. A line that is no field goes on with the one
// before: long replies are folded without the white space that marks that.
func groupFields(group []byte) []Field {
	var folded []byte
	for line := range bytes.Lines(group) {
		if line[0] != ' ' && line[0] != '\t' {
			if name, _, ok := bytes.Cut(line, []byte(":")); !ok || !isFieldName(string(bytes.TrimRight(name, " \t"))) {
				folded = append(folded, ' ')
			}
		}
		folded = append(folded, line...)
	}
	var l []Field
	for _, f := range message.ParseHeader(folded).Fields() {
		if name, value := strings.TrimRight(f.Name(), " \t"), clean(f.Value()); isFieldName(name) && value != "" {
			l = append(l, Field{name, value})
		}
	}
	return l
}

// recipientGroups splits fields where another recipient begins: some put no empty line there.
func recipientGroups(l []Field) [][]Field {
	var all [][]Field
	start := 0
	first := map[string]string{} // of the group, by name
	for i, f := range l {
		name := strings.ToLower(f.Name)
		value, there := first[name]
		begins := false
		switch name {
		case "final-recipient":
			begins = there && value != f.Value
		case "original-recipient":
			_, final := first["final-recipient"]
			_, done := first["action"]
			begins = there && value != f.Value && done || final && i+1 < len(l) && strings.EqualFold(l[i+1].Name, "final-recipient") && l[i+1].Value != first["final-recipient"]
		}
		if begins {
			all = append(all, l[start:i])
			start = i
			clear(first)
			there = false
		}
		if !there {
			first[name] = f.Value
		}
	}
	return append(all, l[start:])
}

// groups splits at empty lines.
func groups(b []byte) [][]byte {
	var all [][]byte
	start, at := 0, 0
	for at < len(b) {
		n := bytes.IndexByte(b[at:], '\n') + 1
		if n == 0 {
			n = len(b) - at
		}
		if len(bytes.TrimSpace(b[at:at+n])) == 0 {
			if at > start {
				all = append(all, b[start:at])
			}
			start = at + n
		}
		at += n
	}
	if at > start {
		all = append(all, b[start:])
	}
	return all
}

// typed splits "type; value". Without a type, it is the fallback.
func typed(v, fallback string) (string, string) {
	typ, rest, ok := strings.Cut(v, ";")
	if typ = cleanType(typ); !ok || typ == "" {
		return fallback, v
	}
	return typ, strings.TrimSpace(rest)
}

func parseMTA(v string) MTA {
	typ, name := typed(v, "dns")
	if name == "" {
		return MTA{}
	}
	return MTA{typ, name}
}

// parseAddress takes an address, also in angle brackets, with a name or a comment, as some
// write it.
func parseAddress(v string) smtp.ORcpt {
	typ, a := typed(v, "rfc822")
	if typ == "rfc822" && a == v && len(a) > 7 && strings.EqualFold(a[:7], "rfc822:") {
		a = strings.TrimSpace(a[7:])
	}
	for {
		k := len(a)
		if strings.HasSuffix(a, ">") {
			if i := strings.LastIndexByte(a, '<'); i >= 0 && i < k-2 {
				a = strings.TrimSpace(a[i+1 : k-1])
			}
		} else if i := strings.LastIndex(a, " ("); i > 0 && strings.HasSuffix(a, ")") {
			a = strings.TrimSpace(a[:i])
		}
		if len(a) == k {
			break
		}
	}
	if typ == "utf-8" {
		// RFC 6533 3: any of the three forms.
		a = clean(unescape(a))
	}
	if a == "" {
		return smtp.ORcpt{}
	}
	return smtp.ORcpt{Type: typ, Address: a}
}

// actionWords has what is written for actions, in lower case.
var actionWords = map[string]Action{
	"failed": Failed, "failure": Failed, "fail": Failed, "undeliverable": Failed, "undelivered": Failed, "bounced": Failed, "expired": Failed, "rejected": Failed, "error": Failed,
	"delayed": Delayed, "delay": Delayed, "deferred": Delayed, "warning": Delayed,
	"delivered": Delivered, "success": Delivered, "delivery": Delivered,
	"relayed": Relayed, "relay": Relayed, "expanded": Expanded,
}

func parseAction(v string) Action {
	word := strings.ToLower(v)
	if i := strings.IndexFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }); i >= 0 {
		word = word[:i]
	}
	return actionWords[word]
}

// parseCode takes a status code, which may have a comment behind it, or a reply.
func parseCode(v string) string {
	code, _, _ := strings.Cut(v, " ")
	code, _, _ = strings.Cut(code, "(")
	if !smtp.IsEnhanced(code) {
		_, code = findCodes(v)
	}
	return code
}

func parseDiagnostic(v string) Diagnostic {
	typ, text := typed(v, "")
	if text == "" {
		return Diagnostic{}
	}
	if typ == "" {
		typ = "smtp"
	}
	return Diagnostic{typ, text}
}

// complete fills in what a recipient lacks and other fields tell.
func (r *Recipient) complete() {
	if r.Status == "" {
		code, enhanced := findCodes(r.Diagnostic.Text)
		switch {
		case enhanced != "":
			r.Status = enhanced
		case code != 0:
			// RFC 3463 3.1: undefined.
			r.Status = string(rune('0'+code/100)) + ".0.0"
		}
	}
	if r.Action != "" || r.Status == "" {
		return
	}
	switch r.Status[0] {
	case '5':
		r.Action = Failed
	case '4':
		r.Action = Delayed
	case '2':
		r.Action = Delivered
	}
}
