package dsn

import (
	"fmt"
	"strings"
	"time"
)

// outcomes says for people what an action means, in the order of importance.
var outcomes = []struct {
	action         Action
	subject, intro string
}{
	{Failed, "Your message could not be delivered", "Your message could not be delivered to:"},
	{Delayed, "Your message is delayed", "Your message could not be delivered yet, and will be tried again, to:"},
	{Delivered, "Your message was delivered", "Your message was delivered to:"},
	{Expanded, "Your message was delivered", "Your message was delivered to the members of:"},
	{Relayed, "Your message was passed on", "Your message was passed on to a server that will not tell more about it, for:"},
}

// Subject returns a subject for a notification, after the worst of its actions.
func (s *Status) Subject() string {
	for _, o := range outcomes {
		for i := range s.Recipients {
			if s.Recipients[i].Action == o.action {
				return o.subject
			}
		}
	}
	return "About your message"
}

// Explain returns the text for people. subject is that of the original message, which
// may be empty. Times are in the zone that they have.
func (s *Status) Explain(subject string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail server %s, about your message\n\n", clean(s.ReportingMTA.Name))
	if subject = clean(subject); subject != "" {
		fmt.Fprintf(&b, "    Subject: %s\n", subject)
	}
	if !s.Arrival.IsZero() {
		fmt.Fprintf(&b, "    Received: %s\n", when(s.Arrival))
	}
	if id := clean(s.EnvID); id != "" {
		fmt.Fprintf(&b, "    Your identifier: %s\n", id)
	}
	for _, o := range outcomes {
		first := true
		for i := range s.Recipients {
			r := &s.Recipients[i]
			if r.Action != o.action {
				continue
			}
			if first {
				fmt.Fprintf(&b, "\n%s\n", o.intro)
				first = false
			}
			r.explain(&b)
		}
		if o.action == Failed && !first {
			b.WriteString(advice(s.Recipients))
		}
	}
	return b.String()
}

// advice is what to do about recipients that failed. Where no server has said anything, and
// the address is not the reason, the postmaster here can help.
func advice(l []Recipient) string {
	for i := range l {
		r := &l[i]
		_, detail, _ := strings.Cut(r.Status, ".")
		if r.Action == Failed && (r.RemoteMTA.Name != "" || r.Diagnostic.Text == "" || strings.HasPrefix(detail, "1.") || strings.HasPrefix(detail, "2.")) {
			return "\nIt will not be tried again. Check the address, or ask the recipient by other\nmeans; what the other server said, if anything, may help its postmaster.\n"
		}
	}
	return "\nIt will not be tried again. Reach the recipient by other means, or ask the\npostmaster of this server, by a reply to this message.\n"
}

func (r *Recipient) explain(b *strings.Builder) {
	fmt.Fprintf(b, "\n    %s\n", clean(r.Final.Address))
	if o := clean(r.Original.Address); o != "" && !strings.EqualFold(o, clean(r.Final.Address)) {
		fmt.Fprintf(b, "        You wrote to: %s\n", o)
	}
	if text := clean(r.Diagnostic.Text); text != "" {
		who := "Reason"
		if name := clean(r.RemoteMTA.Name); name != "" {
			who = "The server " + name + " said"
		}
		fmt.Fprintf(b, "        %s: %s\n", who, text)
	} else if r.Status != "" && r.Action != Delivered {
		fmt.Fprintf(b, "        Status: %s\n", clean(r.Status))
	}
	if r.Action == Delayed && !r.RetryUntil.IsZero() {
		fmt.Fprintf(b, "        Will be tried until: %s\n", when(r.RetryUntil))
	}
}

func when(t time.Time) string { return t.Format("Mon, 2 Jan 2006 15:04:05 -0700") }
