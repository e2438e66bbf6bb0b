package inbound

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"mox/config"
	"mox/deliver"
	"mox/directory"
	"mox/dns"
	"mox/junk"
	"mox/message"
	"mox/msgauth"
	"mox/otlp"
	"mox/policy"
	"mox/smtp"
	"mox/store"
	"mox/trace"
)

// judge decides about one message for each of its accounts. It is safe for concurrent
// use.
type judge struct {
	in    *Inbound
	dir   directory.View
	door  Door
	m     *deliver.Message
	check *msgauth.Check   // nil: the sender is not checked
	res   *msgauth.Results // nil likewise
	facts trace.Facts      // that are the same for all accounts
	root  *otlp.Root       // nil: nobody wants to know

	subject    string         // decoded
	recipients []smtp.Address // in To and Cc
	suspicious atomic.Bool
	outcome    outcome

	dry      bool // nothing is to be changed
	wordless bool // the words are not those of the message to come
}

// judge finds out all about the message that does not depend on the account, and fills
// in what is delivered with it.
func (tx *Transaction) judge(ctx context.Context, m *deliver.Message) *judge {
	j := &judge{in: tx.in, dir: tx.dir, door: tx.door, m: m, check: tx.check, root: tx.root}
	j.facts = tx.newTrace().Facts
	j.messageFacts()
	switch {
	case tx.peer.LMTP:
		j.facts.Trusted = "lmtp"
	case tx.check == nil:
		j.facts.Trusted = "local"
	default:
		part := otlp.Start(ctx, "checks")
		j.res = tx.check.Message(ctx, m.Spool.Part(), m.Spool)
		part.End("")
		j.res.Facts(&j.facts)
		m.Reverse, m.Verified = j.res.ReverseName, j.res.Verified()
		m.Fields = j.res.Fields(m.SMTPUTF8)
		m.AuthResults, m.Chain = authResults(j.res, m.SMTPUTF8), j.res.ARC
	}
	return j
}

func (j *judge) messageFacts() {
	j.subject = j.m.Facts(&j.facts)
	e := j.m.Spool.Part().Envelope
	if e == nil {
		return
	}
	for _, l := range [][]message.Address{e.To, e.Cc} {
		for _, a := range l {
			if addr, err := smtp.ParseAddressLax(smtp.Localpart(a.Mailbox).String() + "@" + a.Host); err == nil && a.Kind == message.AddressMailbox {
				j.recipients = append(j.recipients, addr)
			}
		}
	}
}

// mayPost refuses what is for an alias whose members alone may write to it, unless it is
// verified to be of one.
func (j *judge) mayPost(r deliver.Recipient) error {
	a := r.Target.Alias
	if a == nil || a.Config.PostPublic || j.facts.Trusted != "" {
		return nil
	}
	var err error
	switch {
	case j.facts.Validation == trace.ValidationNone && j.temporary():
		err = smtp.Errorf(451, "4.7.26", "only members may write to this address, and From could not be verified for now, try again later")
	case j.facts.Validation == trace.ValidationNone:
		err = smtp.Errorf(550, "5.7.26", "only members may write to this address, with a From address that SPF or DKIM verifies")
	case !j.dir.MayPost(a, j.res.From[0]):
		err = smtp.Errorf(550, "5.7.2", "only members may write to this address")
	default:
		return nil
	}
	e := smtp.AsError(err)
	t := j.newTrace(r.To, "")
	t.Verdict = trace.Verdict{
		Action: trace.Reject, Reason: "alias-members", Code: e.Code, Enhanced: e.Enhanced, Text: e.Text, Unkept: true,
		Steps: []trace.Step{{Check: "alias-members", Effect: "-", Text: "the alias is for verified mail of its members"}},
	}
	j.report(t, err)
	return err
}

// temporary tells whether verification may work at another time.
func (j *judge) temporary() bool {
	return j.facts.DMARC != nil && j.facts.DMARC.Status == "temperror" ||
		slices.ContainsFunc(j.facts.SPF, func(s trace.SPF) bool { return s.Status == "temperror" }) ||
		slices.ContainsFunc(j.facts.DKIM, func(d trace.DKIM) bool { return d.Status == "temperror" })
}

func (j *judge) newTrace(to smtp.Path, account string) *trace.Trace {
	t := &trace.Trace{Time: j.m.Received, ID: j.in.c.ID(j.m.Peer.CID), Account: account, Facts: j.facts}
	t.Facts.RcptTo = to.XString(true)
	return t
}

// report tells whoever listens of a decision whose outcome is err.
func (j *judge) report(t *trace.Trace, err error) {
	t, failed := deliver.Outcome(t, err)
	j.outcome.add(t)
	reason := t.Verdict.Reason
	if failed {
		reason = ""
	}
	j.in.count(err, reason)
	if j.root != nil {
		j.root.Event("decision", t.Attrs()...)
	}
	if j.in.c.Trace != nil {
		j.in.c.Trace(t)
	}
}

// unjudged reports what failed before there was anything to decide.
func (j *judge) unjudged(account string, to smtp.Path, err error) {
	j.report(j.newTrace(to, account), err)
}

// judge decides for one account.
func (j *judge) judge(ctx context.Context, c deliver.Case) deliver.Judgment {
	account := c.Account.Name()
	info := j.dir.Snapshot.Accounts[account]
	t := j.newTrace(c.To, account)
	j.recipientFacts(&t.Facts, info, c)
	rec := j.received(ctx, c)
	t.Facts.Report, t.Facts.ReportProblem = rec.Valid(), rec.Problem()
	filter, err := j.filter(ctx, c.Account)
	if err != nil {
		j.in.c.Log.ErrorContext(ctx, "opening junk filter", "account", account, "err", err)
	}
	if filter != nil {
		defer filter.Release()
	}
	part := otlp.Start(ctx, "judge")
	d := j.decide(ctx, &t.Facts, j.settings(info, c), &recipient{c.Account, filter, info, c.Target.Base})
	part.End("", slog.String("account", account), slog.String("verdict.reason", d.Verdict.Reason))
	t.Verdict = d.Verdict
	out := j.judgment(ctx, t, d, c, info)
	out.Fields = append(out.Fields, rec.Fields()...)
	out.Done = func(err error) {
		j.report(t, err)
		if err == nil && !j.dry && j.in.c.Reports != nil {
			j.in.c.Reports.Store(context.WithoutCancel(ctx), rec) // the client may go now
		}
	}
	return out
}

func (j *judge) filter(ctx context.Context, acc *store.Account) (*junk.Filter, error) {
	if j.in.c.Junk == nil || j.facts.Trusted != "" {
		return nil, nil
	}
	return j.in.c.Junk.Account(ctx, acc)
}

// recipientFacts are those that depend on the account, and cost nothing.
func (j *judge) recipientFacts(f *trace.Facts, info *config.AccountInfo, c deliver.Case) {
	c.Facts(f, j.m)
	if f.Trusted != "" {
		return
	}
	f.NotToMe = !j.addressed(info, c)
	if trust := j.dir.Snapshot.TrustsSealer; j.res != nil && j.res.Vouched(func(d dns.Domain) bool { return trust(info, d) }) {
		arc := *f.ARC
		arc.Trusted = true
		f.ARC = &arc
		if f.Validation == trace.ValidationNone {
			f.Validation = trace.ValidationARC
		}
	}
	if j.in.rates != nil && !j.in.c.Local {
		f.HighRate = j.in.rates.add(c.Account.Name(), f.Remote, j.m.Received, f.Size)
	}
}

// addressed tells whether the recipient, or another address of the account or the alias,
// is in To or Cc.
func (j *judge) addressed(info *config.AccountInfo, c deliver.Case) bool {
	for _, a := range j.recipients {
		if a == c.To.Address() || a == c.Target.Base {
			return true
		}
		r, err := j.dir.Resolve(a.Localpart, a.Domain)
		if err != nil {
			continue
		}
		if r.Account != nil && info != nil && r.Account.Name == info.Name || r.Alias != nil && deliver.IsMember(r.Alias, c.Account.Name()) {
			return true
		}
	}
	return false
}

// settings are those of the account and the listener.
func (j *judge) settings(info *config.AccountInfo, c deliver.Case) policy.Settings {
	s := policy.Settings{DNSBLs: len(j.door.DNSBLs) > 0, Delay: j.door.Delay, Unchecked: j.in.c.Local}
	if c.Target.Destination != nil {
		s.AuthRequired = c.Target.Destination.Config.MessageAuthRequiredSMTPError
	}
	if info == nil {
		return s
	}
	if f := info.Config.JunkFilter; f != nil {
		s.Threshold = f.Threshold
	}
	s.SubjectPass = info.Config.SubjectPass.Period > 0
	s.Introbox = info.Introbox
	if info.Config.NoFirstTimeSenderDelay {
		s.Delay = 0
	}
	return s
}

// recipient is what facts about an account are found with.
type recipient struct {
	acc    *store.Account
	filter *junk.Filter // nil: nothing is known
	info   *config.AccountInfo
	to     smtp.Address
}

// decide asks policy, and finds the facts that it needs.
func (j *judge) decide(ctx context.Context, f *trace.Facts, s policy.Settings, a *recipient) policy.Decision {
	if s.SubjectPass && f.Trusted == "" {
		f.SubjectPass = j.subjectPass(ctx, a, f)
	}
	for {
		d := policy.Decide(f, s)
		switch d.Need {
		case policy.Nothing:
			return d
		case policy.NeedReputation:
			f.Reputation = j.reputation(ctx, f, a)
		case policy.NeedWords:
			f.Words = j.words(ctx, a)
		case policy.NeedDNSBL:
			l := j.check.DNSBL(ctx, j.door.DNSBLs)
			f.DNSBL = &l
		}
	}
}

func (j *judge) reputation(ctx context.Context, f *trace.Facts, a *recipient) *trace.Reputation {
	if a.filter == nil {
		return &trace.Reputation{Method: "none"}
	}
	r, err := a.filter.Reputation(ctx, f.Mailbox, f.Sender())
	if err != nil {
		j.in.c.Log.ErrorContext(ctx, "looking up reputation", "account", a.acc.Name(), "err", err)
		return &trace.Reputation{Method: "none"}
	}
	return &r
}

func (j *judge) words(ctx context.Context, a *recipient) *trace.Words {
	if a.filter == nil {
		return &trace.Words{Problem: "no filter"}
	}
	if j.wordless {
		return &trace.Words{Problem: "no message"}
	}
	w, err := a.filter.Words(ctx, j.m.Spool.Part(), j.m.Spool)
	if err != nil {
		j.in.c.Log.ErrorContext(ctx, "judging words", "account", a.acc.Name(), "err", err)
		return &trace.Words{Problem: "error of the filter"}
	}
	if w == nil {
		return &trace.Words{Problem: "no filter"}
	}
	return w
}

// judgment is what deliver does about a decision.
func (j *judge) judgment(ctx context.Context, t *trace.Trace, d policy.Decision, c deliver.Case, info *config.AccountInfo) deliver.Judgment {
	out := deliver.Judgment{Mailbox: d.Mailbox, Delay: d.Delay}
	if info != nil && info.RejectsMailbox != "" && !d.Unkept {
		out.Rejects = deliver.Rejects{Mailbox: info.RejectsMailbox, Keep: info.Config.KeepRejects}
	}
	switch d.Action {
	case trace.Reject:
		if !honest[d.Reason] {
			j.suspicious.Store(true)
		}
		if d.Token && !j.dry {
			t.Verdict.Text += j.token(ctx, c.Account, c.Target.Base, t.Facts.From)
		}
		out.Refusal = smtp.Errorf(d.Code, d.Enhanced, "%s", t.Verdict.Text)
	case trace.AcceptJunk:
		out.Flags |= store.FlagSeen
		out.NoForward = true
	default:
		out.NoForward = j.pretends(&t.Facts)
	}
	b, err := t.Encode()
	if err != nil {
		j.in.c.Log.ErrorContext(ctx, "encoding trace", "err", err)
	}
	out.Trace = b
	if t.Facts.Trusted == "" {
		out.Fields = reasonField(t)
	}
	return out
}

// pretends tells whether a message says that it is of one of our domains, and it is not
// certain. Passed on by us, others would be certain.
func (j *judge) pretends(f *trace.Facts) bool {
	if f.Trusted != "" || f.Validation != trace.ValidationNone {
		return false
	}
	return slices.ContainsFunc(j.res.From, func(a smtp.Address) bool { return j.dir.IsLocal(a.Domain) || j.dir.Snapshot.Signer(a.Domain) != nil })
}

// honest are the reasons of refusals that forwarders and misconfigured servers meet too:
// they do not make a client suspicious.
var honest = map[string]bool{"dmarc-policy": true, "spf-policy": true, "msg-auth-required": true, "from": true}

// reasonField is the header field that tells users why a message is where it is.
func reasonField(t *trace.Trace) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "X-Mox-Reason: %s", t.Verdict.Reason)
	if n := len(t.Verdict.Steps); n > 0 {
		text := strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return '?'
			}
			return r
		}, t.Verdict.Steps[n-1].Text)
		const max = 500
		fmt.Fprintf(&b, ";\r\n\t%s", text[:min(len(text), max)])
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
