package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"mox/config"
	"mox/dns"
	"mox/dsn"
	"mox/message"
	"mox/queue"
	"mox/smtp"
)

// notified is a recipient whose sender may want to be told something.
type notified struct {
	i     int // index in the transaction
	out   queue.Outcome
	until time.Time // of what is delayed
}

// wants tells whether a sender wants a notification (RFC 3461 4.1, 5.2), and with which
// action.
func wants(m *queue.Message, v verdict, out *queue.Outcome) (dsn.Action, bool) {
	if m.Sender.IsZero() || isReport(m) {
		return "", false // RFC 3461 6.1: never about what has no reverse-path
	}
	asked := m.Notify
	switch out.Action {
	case queue.Failed:
		return dsn.Failed, asked == 0 || asked&smtp.NotifyFailure != 0
	case queue.Delayed:
		return dsn.Delayed, out.NotifyDelayed && (asked == 0 || asked&smtp.NotifyDelay != 0)
	}
	if v.final {
		return dsn.Delivered, asked&smtp.NotifySuccess != 0 // RFC 3461 5.2.3
	}
	// RFC 3461 5.2.2 (b): a server that knows DSN tells the sender itself, later.
	return dsn.Relayed, v.relayed && asked&smtp.NotifySuccess != 0
}

// notices composes what the sender is to be told: one notification for all recipients of
// the transaction.
func (o *Outbound) notices(ctx context.Context, t *transaction, told []notified, now time.Time) []queue.NewMessage {
	n := notice{snapshot: t.snapshot, m: &t.msgs[0], now: now, limits: &o.c.Limits, random: o.c.Random, sign: o.c.Sign}
	if t.content != nil {
		n.original, n.size = t.content, t.content.Size()
	}
	for _, x := range told {
		m, v := &t.msgs[x.i], t.verdicts[x.i]
		action, ok := wants(m, v, &x.out)
		if !ok {
			if action == dsn.Failed {
				o.log.InfoContext(ctx, "failed without notification", "queueid", m.ID, "kind", string(m.Kind), "recipient", m.Recipient.LogString())
			}
			continue
		}
		n.add(m, action, x.out.Result, v.fail, x.until)
	}
	if len(n.recipients) == 0 {
		return nil
	}
	nm, err := n.safely(ctx)
	if err != nil {
		// The outcome counts all the same.
		o.log.ErrorContext(ctx, "composing notification", "queueid", t.msgs[0].ID, "err", err)
		return nil
	}
	return []queue.NewMessage{*nm}
}

// Notices composes notifications about messages that fail without an attempt: those for
// [queue.Options.Notice]. It is safe for concurrent use.
type Notices struct {
	Config func() *config.Snapshot
	Sign   func(ctx context.Context, from dns.Domain, smtputf8 bool, content io.ReaderAt) (string, error) // as in [Config]
	Limits Limits
	Now    func() time.Time // nil: time.Now
	Random io.Reader        // nil: crypto/rand
}

// Notice is [queue.Options.Notice].
func (c Notices) Notice(ctx context.Context, r queue.Reported) (*queue.NewMessage, error) {
	c.Limits.defaults()
	if c.Now == nil {
		c.Now = time.Now
	}
	action, ok := wants(&r.Message, verdict{}, &queue.Outcome{Action: queue.Failed})
	if !ok {
		return nil, nil
	}
	n := notice{snapshot: c.Config(), m: &r.Message, now: c.Now(), limits: &c.Limits, random: c.Random, sign: c.Sign, original: r.Original, size: r.Size}
	n.add(&r.Message, action, r.Result, nil, time.Time{})
	return n.compose(ctx)
}

// notice is a notification in the making.
type notice struct {
	snapshot   *config.Snapshot
	m          *queue.Message // one of those that it is about
	now        time.Time
	limits     *Limits
	random     io.Reader
	sign       func(ctx context.Context, from dns.Domain, smtputf8 bool, content io.ReaderAt) (string, error)
	original   io.ReaderAt // nil: nothing is returned
	size       int64
	recipients []dsn.Recipient
	about      []int64
	givenUp    bool // for a recipient
}

// add adds a recipient.
func (n *notice) add(m *queue.Message, action dsn.Action, r queue.Result, f *failure, until time.Time) {
	d := dsn.Recipient{
		Original: m.ORcpt, Final: dsn.Address(m.Recipient), Action: action, Status: r.Enhanced,
		RemoteMTA: dsn.DNS(r.RemoteMTA), LastAttempt: n.now, RetryUntil: until, LogID: fmt.Sprint(m.ID),
	}
	switch {
	case r.Success:
		d.Status = "2.0.0"
	case f != nil && f.diagnostic:
		// RFC 3464 2.3.6: the reply as it was.
		d.Diagnostic = dsn.Diagnostic{Type: "smtp", Text: fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Error)}
	default:
		d.Diagnostic = dsn.Diagnostic{Type: "x-mox", Text: r.Error}
		d.RemoteMTA = dsn.MTA{} // it did not say that
	}
	if d.Status == "" {
		d.Status = "5.0.0"
	}
	// The status of what was given up is what the last attempt gave: 4.4.7 would say less.
	n.givenUp = n.givenUp || action == dsn.Failed && d.Status[0] == '4'
	n.recipients = append(n.recipients, d)
	if m.ID != 0 {
		n.about = append(n.about, m.ID)
	}
}

// safely is compose without panics: a message that has our own mistake happen has been
// dealt with all the same.
func (n *notice) safely(ctx context.Context) (_ *queue.NewMessage, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v\n%s", x, debug.Stack())
		}
	}()
	return n.compose(ctx)
}

// compose makes the message for the queue.
func (n *notice) compose(ctx context.Context) (*queue.NewMessage, error) {
	m := n.m
	id, err := message.NewMessageID(n.snapshot.Hostname.ASCII, n.random)
	if err != nil {
		return nil, err
	}
	d := dsn.Message{
		From: message.Address{Name: "Mail server", Mailbox: "postmaster", Host: n.snapshot.Hostname.ASCII},
		To:   m.Sender, Date: n.now, MessageID: id,
		Status: dsn.Status{EnvID: m.EnvID, ReportingMTA: dsn.DNS(n.snapshot.Hostname.ASCII), Arrival: m.Queued, Recipients: n.recipients},
		// Only a sender that sent with SMTPUTF8 is known to understand it (RFC 6533 6).
		UTF8: m.SMTPUTF8 || m.Sender.IsInternational(), OriginalUTF8: m.SMTPUTF8,
		Original: n.original, OriginalSize: n.size, Return: m.Ret, MaxReturn: n.limits.Return,
	}
	requireTLS := m.RequireTLS != nil && *m.RequireTLS
	if requireTLS {
		d.Return = smtp.RetHdrs // RFC 8689 5
	}
	d.Subject = subject(&d.Status, m.Subject)
	d.Text = d.Status.Explain(m.Subject)
	if n.givenUp {
		d.Text += "\nIt was tried several times, and each time put off; the reason is that of the last\nattempt.\n"
	}
	var buf bytes.Buffer
	needs, err := d.Compose(&buf)
	if err != nil {
		return nil, err
	}
	local := n.isLocal(m.Sender)
	q := queue.Message{
		Kind: queue.DSN, Recipient: m.Sender, MessageID: id, Subject: d.Subject,
		EightBit: needs.EightBit, SMTPUTF8: needs.SMTPUTF8, Local: local,
	}
	if requireTLS {
		q.RequireTLS = m.RequireTLS // RFC 8689 5
	}
	c := queue.Content{Body: bytes.NewReader(buf.Bytes()), Size: int64(buf.Len())}
	if n.sign != nil {
		prefix, err := n.sign(ctx, n.snapshot.Hostname, needs.SMTPUTF8, bytes.NewReader(buf.Bytes()))
		if err != nil {
			return nil, errors.Join(errSign, err)
		}
		c.Prefix = []byte(prefix)
	}
	return &queue.NewMessage{Content: c, Messages: []queue.Message{q}, For: n.about}, nil
}

var errSign = errors.New("signing notification")

// isLocal tells whether an address is of this server.
func (n *notice) isLocal(p smtp.Path) bool {
	d := p.IPDomain.Domain
	if p.IPDomain.IsIP() {
		return n.snapshot.IsOwnIP(p.IPDomain.IP)
	}
	return n.snapshot.Domain(d) != nil || n.snapshot.IsHostname(d)
}

// subject returns the subject of a notification, with that of the message for whom sent
// several.
func subject(s *dsn.Status, original string) string {
	const most = 100
	r := []rune(original)
	if len(r) > most {
		r = append(r[:most], '…')
	}
	if len(r) == 0 {
		return s.Subject()
	}
	return s.Subject() + ": " + string(r)
}
