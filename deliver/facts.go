package deliver

import (
	"crypto/tls"
	"slices"
	"strings"

	"mox/message"
	"mox/smtp"
	"mox/trace"
)

// ClientFacts are those of client and reverse-path.
func ClientFacts(f *trace.Facts, peer smtp.Peer, from smtp.Path) {
	f.Remote = peer.Remote.Addr().Unmap().WithZone("")
	f.Hello = peer.Hello.Raw
	if f.Hello == "" {
		f.Hello = peer.Hello.IPDomain.XString(true)
	}
	if peer.TLS != nil {
		f.TLS = strings.ReplaceAll(tls.VersionName(peer.TLS.Version), " ", "")
	}
	if !from.IsZero() {
		f.MailFrom = from.XString(true)
	}
}

// maxSubject is how much of a subject is in a trace, in octets.
const maxSubject = 200

// Facts are those of the message itself. subject is the whole of it, decoded.
func (m *Message) Facts(f *trace.Facts) (subject string) {
	f.Size = m.Spool.Size()
	e := m.Spool.Part().Envelope
	if e == nil {
		return ""
	}
	f.MessageID = e.MessageID
	subject = message.DecodeWords(e.Subject)
	f.Subject = subject
	if len(subject) > maxSubject {
		f.Subject = strings.ToValidUTF8(subject[:maxSubject], "")
	}
	return subject
}

// Facts are those of where the message is to go.
func (c *Case) Facts(f *trace.Facts, m *Message) {
	f.RcptTo, f.Mailbox = c.To.XString(true), c.Mailbox
	r := c.Rule
	if r == nil {
		return
	}
	f.Ruleset = &trace.Ruleset{
		Index: c.RuleIndex, Comment: r.Config.Comment, Forward: r.Config.IsForward, VerifiedDomain: r.VerifiedDomain.ASCII,
		ListAllowDomain: r.ListAllowDomain.ASCII, RejectsMailbox: r.AcceptRejectsToMailbox,
	}
	if !r.ListAllowDomain.IsZero() && slices.Contains(m.Verified, r.ListAllowDomain) {
		f.Ruleset.ListAllow = r.ListAllowDomain.ASCII
	}
}

// Outcome returns a trace for whom it is shown to once the result is known: t itself, or
// one that says that what was to be accepted could not be, with failed set.
func Outcome(t *trace.Trace, err error) (_ *trace.Trace, failed bool) {
	if err == nil || t.Verdict.Action == trace.Reject {
		return t, false
	}
	e := smtp.AsError(err)
	c := *t
	c.Verdict.Action, c.Verdict.Code, c.Verdict.Enhanced, c.Verdict.Text = trace.Reject, e.Code, e.Enhanced, e.Text
	c.Verdict.Reason = "delivery-error"
	c.Verdict.Steps = append(slices.Clone(t.Verdict.Steps), trace.Step{Check: "delivery-error", Effect: "-", Text: e.Text})
	return &c, true
}
