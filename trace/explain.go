package trace

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Explain writes the trace in plain words, a line each.
func (t *Trace) Explain(w io.Writer) error {
	var p printer
	t.explainVerdict(&p)
	t.Facts.explain(&p)
	_, err := io.WriteString(w, p.b.String())
	return err
}

// printer collects lines.
type printer struct{ b strings.Builder }

// line writes one line; what strangers chose cannot begin another.
func (p *printer) line(format string, args ...any) {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, fmt.Sprintf(format, args...))
	p.b.WriteString(s + "\n")
}

func (t *Trace) explainVerdict(p *printer) {
	v := &t.Verdict
	p.line("%s: %s", t.Time.Format(time.RFC3339), v.sentence())
	if t.Account != "" {
		p.line("  account %s, log id %s", t.Account, orDash(t.ID))
	}
	if v.Action == Reject {
		p.line("  reply: %d %s %s", v.Code, v.Enhanced, v.Text)
	}
	p.line("Why:")
	for _, s := range v.Steps {
		sign := " "
		if s.Effect != "" {
			sign = s.Effect
		}
		p.line("  %s %s: %s", sign, s.Check, s.Text)
	}
}

// sentence says what became of the message.
func (v *Verdict) sentence() string {
	switch v.Action {
	case Accept:
		s := "accepted into " + orDash(v.Mailbox)
		if v.Delay > 0 {
			s += fmt.Sprintf(", after %s", v.Delay)
		}
		return s + " (" + v.Reason + ")"
	case AcceptJunk:
		return "accepted as unwanted into " + orDash(v.Mailbox) + " (" + v.Reason + ")"
	}
	return "refused (" + v.Reason + ")"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (f *Facts) explain(p *printer) {
	p.line("Message:")
	p.line("  from <%s> (envelope) %s (header), to <%s>", f.MailFrom, orDash(f.From), f.RcptTo)
	if f.FromProblem != "" {
		p.line("  From: %s", f.FromProblem)
	}
	p.line("  message-id %s, subject %q, %d octets", orDash(f.MessageID), f.Subject, f.Size)
	p.line("  client %s, EHLO %s, TLS %s", f.Remote, orDash(f.Hello), orDash(f.TLS))
	if f.Trusted != "" {
		p.line("  sender not checked: %s", f.Trusted)
	}
	p.line("Checks:")
	f.explainSender(p)
	f.explainRecipient(p)
}

func (f *Facts) explainSender(p *printer) {
	if r := f.IPRev; r != nil {
		p.line("  iprev %s %s%s", r.Status, r.Name, problem(r.Authentic, r.Problem))
	}
	for _, s := range f.SPF {
		p.line("  spf %s of %s %s %s%s", s.Identity, orDash(s.Domain), s.Status, s.Mechanism, problem(s.Authentic, s.Problem))
	}
	for _, s := range f.DKIM {
		p.line("  dkim %s selector %s %s%s", orDash(s.Domain), orDash(s.Selector), s.Status, problem(s.Authentic, s.Problem))
	}
	if d := f.DMARC; d != nil {
		testing := ""
		if d.Testing {
			testing = " (testing)"
		}
		p.line("  dmarc %s, policy %s of %s%s%s", d.Status, orDash(d.Policy), orDash(d.Domain), testing, problem(d.Authentic, d.Problem))
	}
	if a := f.ARC; a != nil && a.Status != "none" {
		trusted := "not trusted"
		if a.Trusted {
			trusted = "trusted"
		}
		p.line("  arc %s, sealed by %s (%s)%s", a.Status, orDash(a.Sealer), trusted, problem(false, a.Problem))
	}
	if f.DNSBL != nil {
		for _, l := range *f.DNSBL {
			p.line("  dnsbl %s %s%s", l.Zone, map[string]string{"pass": "not listed", "fail": "listed"}[l.Status], problem(false, l.Problem))
		}
	}
}

func problem(authentic bool, text string) string {
	s := ""
	if authentic {
		s = " (with dnssec)"
	}
	if text != "" {
		s += ": " + text
	}
	return s
}

func (f *Facts) explainRecipient(p *printer) {
	switch {
	case f.Report:
		p.line("  report: valid")
	case f.ReportProblem != "":
		p.line("  report: not valid: %s", f.ReportProblem)
	}
	if r := f.Reputation; r != nil {
		p.line("  reputation by %s %s: %s, %d not junk, %d junk", r.Method, r.Key, orDash(r.Judgment), r.Ham, r.Junk)
	}
	w := f.Words
	if w == nil {
		return
	}
	learned := ""
	if !w.Significant {
		learned = " (not enough learned yet)"
	}
	p.line("  words: %.2f%% junk%s%s", 100*w.Probability, learned, problem(false, w.Problem))
	for _, word := range w.Top {
		p.line("    %5.1f%% %q, in %d messages not junk and %d junk", 100*word.Probability, word.Text, word.Ham, word.Junk)
	}
}
