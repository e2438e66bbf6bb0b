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
		var r Recipient
		var other []Field
		ofMessage := false // the group has a field of the message
		seenHere := map[string]bool{}
		for _, f := range message.ParseHeader(group).Fields() {
			name, value := strings.ToLower(f.Name()), clean(f.Value())
			if !isFieldName(name) || value == "" {
				continue
			}
			// A field that is there twice counts as it was first (RFC 3464 2.2, 2.3: once).
			// Some do not separate the fields of the message from those of a recipient.
			if set := known[name]; set != nil {
				if !seen[name] {
					set(s, value)
				}
				seen[name], ofMessage = true, true
			} else if set := knownRecipient[name]; set != nil {
				if !seenHere[name] {
					set(&r, value)
				}
				seenHere[name] = true
			} else if len(other) < maxOther {
				other = append(other, Field{f.Name(), value})
			}
		}
		if r.Final.Address == "" {
			r.Final = r.Original
		}
		if i == 0 && (ofMessage || r.Final.Address == "") {
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
	if len(s.Recipients) == 0 {
		return nil, fmt.Errorf("%w: no recipient", ErrStatus)
	}
	return s, nil
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

// parseAddress takes an address, also in angle brackets, as some write it.
func parseAddress(v string) smtp.ORcpt {
	typ, a := typed(v, "rfc822")
	for k := len(a); k > 2 && a[0] == '<' && a[k-1] == '>'; k = len(a) {
		a = strings.TrimSpace(a[1 : k-1])
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

func parseAction(v string) Action {
	word, _, _ := strings.Cut(v, " ")
	switch a := Action(strings.ToLower(word)); a {
	case Failed, Delayed, Delivered, Relayed, Expanded:
		return a
	}
	return ""
}

// parseCode takes a status code, which may have a comment behind it.
func parseCode(v string) string {
	code, _, _ := strings.Cut(v, " ")
	code, _, _ = strings.Cut(code, "(")
	if !smtp.IsEnhanced(code) {
		return ""
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
