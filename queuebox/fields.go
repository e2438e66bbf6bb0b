package queuebox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"mox/message"
	"mox/queue"
)

// fieldPrefix begins the names of all fields that are added.
const fieldPrefix = "X-Mox-Queue-"

// idField is the first of them: it says which submission a message shows.
func idField(base int64) string { return fmt.Sprintf(fieldPrefix+"ID: %d\r\n", base) }

// fields are the fields above a message that is shown in a mailbox:
//
//	X-Mox-Queue-ID: the id of the submission, as "mox queue list" has it for its first recipient
//	X-Mox-Queue-Status: in words
//	X-Mox-Queue-Submitted: when
//	X-Mox-Queue-Next-Attempt: the earliest, unless all are on hold
//	X-Mox-Queue-Attempts: the most for a recipient
//	X-Mox-Queue-From: the reverse-path
//	X-Mox-Queue-Recipient: one for each that has not got it, with its last error
func (s *visit) fields(g *group, box string) string {
	var b strings.Builder
	b.WriteString(idField(g.base))
	field := func(name, value string) { fmt.Fprintf(&b, "%s%s: %s\r\n", fieldPrefix, name, fold(value)) }
	attempts, held := 0, 0
	var next time.Time
	for i := range g.msgs {
		m := &g.msgs[i]
		attempts = max(attempts, m.Attempts)
		if m.Hold {
			held++
		} else if next.IsZero() || m.NextAttempt.Before(next) {
			next = m.NextAttempt
		}
	}
	switch {
	case held == len(g.msgs):
		field("Status", "on hold")
	case attempts > 0:
		field("Status", "not delivered yet, will be tried again")
	case box == s.info.ScheduledMailbox:
		field("Status", "to be sent later")
	default:
		field("Status", "waiting for the first attempt")
	}
	field("Submitted", message.FormatDate(g.msgs[0].Queued))
	if !next.IsZero() {
		field("Next-Attempt", message.FormatDate(next))
	}
	field("Attempts", fmt.Sprint(attempts))
	field("From", "<"+g.msgs[0].Sender.XString(g.msgs[0].SMTPUTF8)+">")
	for i := range g.msgs {
		if i == s.c.Limits.Recipients {
			field("Recipient", fmt.Sprintf("and %d more", len(g.msgs)-i))
			break
		}
		field("Recipient", recipient(&g.msgs[i]))
	}
	return b.String()
}

// recipient says how it is with one.
func recipient(m *queue.Message) string {
	s := "<" + m.Recipient.XString(m.SMTPUTF8) + ">"
	if m.Hold {
		s += "; on hold"
	}
	if m.Attempts > 0 {
		s += fmt.Sprintf("; attempts %d, last %s", m.Attempts, message.FormatDate(m.LastAttempt))
	}
	r := m.LastResult()
	if m.Attempts == 0 || r.Error == "" {
		return s
	}
	code := ""
	if r.Code != 0 {
		code = strings.TrimSpace(fmt.Sprintf("%d %s", r.Code, r.Enhanced)) + " "
	}
	return s + "; " + code + r.Error
}

// maxValue is the most octets of the value of a field.
const maxValue = 900

// fold makes printable ASCII, and what UTF-8 addresses need, of a value, on lines that are not
// too long (RFC 5322 2.1.1).
func fold(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxValue {
		s = strings.ToValidUTF8(s[:maxValue], "") + "..."
	}
	var b strings.Builder
	n := 30 // the name
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
		case n+1+len(word) > 78:
			b.WriteString("\r\n ")
			n = 0
		default:
			b.WriteByte(' ')
		}
		b.WriteString(word)
		n += 1 + len(word)
	}
	return b.String()
}

// sum is a hash of what is shown. A large message is not written again for each attempt.
func (s *visit) sum(g *group, box string) string {
	text := box + "\n" + s.fields(g, box)
	if g.msgs[0].Size > s.c.Limits.Large {
		text = fmt.Sprintln(box, g.ids(), g.msgs[0].Hold)
	}
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:12])
}
