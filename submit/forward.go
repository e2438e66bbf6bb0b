package submit

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"mox/arc"
	"mox/config"
	"mox/deliver"
	"mox/directory"
	"mox/message"
	"mox/mlog"
	"mox/queue"
	"mox/smtp"
	"mox/srs"
)

// ForwarderConfig is what a Forwarder needs. It must not change once in use.
type ForwarderConfig struct {
	Directory *directory.Directory
	Queue     Queue
	Rewriter  *srs.Rewriter
	Log       *slog.Logger     // nil: none
	Now       func() time.Time // nil: time.Now
	// Forwarded is called for each message to each address that it is passed on to, and
	// Returned for each notification that is passed back, when set.
	Forwarded, Returned func()
}

// Forwarder passes messages on from addresses of this server to others, and notifications
// about them back. It is safe for concurrent use.
//
// Messages of other servers get a reverse-path at the domain of the address that forwards
// (package srs). Where that is not possible, being too long or from an address literal, it
// is the address that forwards: its user hears of failures. Messages of users of this server
// keep theirs; those of others who say that they are do not, as SPF would then vouch for them.
//
// What is forwarded does not count against the limits of the account: others decide how much
// it is. What an account gets is limited (package inbound).
type Forwarder struct{ c ForwarderConfig }

// NewForwarder returns a Forwarder.
func NewForwarder(c ForwarderConfig) *Forwarder {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Log = mlog.New("submit", c.Log)
	return &Forwarder{c}
}

// Forward implements [deliver.Forwarder]: the message is in the queue for all addresses, below
// added fields as it came.
func (f *Forwarder) Forward(ctx context.Context, fw deliver.Forward) error {
	dir := f.c.Directory.View()
	m := fw.Message
	c := queue.Content{Prefix: append(forwardFields(fw), fw.Prefix...), Body: m.Spool, Size: m.Spool.Size()}
	if fw.Destination.Config.Forward.SealARC {
		seal, err := f.seal(ctx, dir.Snapshot, fw, c)
		if err != nil {
			// It is as good as without: few look at it.
			f.c.Log.WarnContext(ctx, "forwarded message not sealed", "account", fw.Account, "err", err)
		}
		c.Prefix = append([]byte(seal), c.Prefix...)
	}
	eight, err := eightBit(c)
	if err != nil {
		return err
	}
	base := f.message(dir, fw)
	base.EightBit = eight
	var msgs []queue.Message
	for _, to := range fw.Destination.Forward {
		q := base
		q.Recipient, q.Local = to.Path(), local(dir, to.Path())
		q.SMTPUTF8 = m.SMTPUTF8 && (eight || q.Sender.IsInternational() || to.Localpart.IsInternational())
		msgs = append(msgs, q)
	}
	if _, err := f.c.Queue.Add(ctx, c, msgs); err != nil {
		return queueError(err)
	}
	if f.c.Forwarded != nil {
		for range msgs {
			f.c.Forwarded()
		}
	}
	f.c.Log.InfoContext(ctx, "forwarded", "account", fw.Account, "from", m.From.LogString(), "to", fw.From.LogString(), "recipients", len(msgs))
	return nil
}

// message is what is queued for each address.
func (f *Forwarder) message(dir directory.View, fw deliver.Forward) queue.Message {
	m := fw.Message
	q := queue.Message{
		Kind: queue.Forward, Account: fw.Account, Queued: m.Received, Sender: f.sender(dir, fw), Subject: subject(m.Spool),
		BinaryMIME: m.Params.Body == smtp.BodyBinaryMIME, EnvID: m.Params.EnvID, Ret: m.Params.Ret,
		Notify: withoutSuccess(fw.Params.Notify), ORcpt: fw.Params.ORcpt,
	}
	if e := m.Spool.Part().Envelope; e != nil {
		q.MessageID = strings.Trim(e.MessageID, "<>")
	}
	if q.ORcpt == (smtp.ORcpt{}) && !fw.To.IsInternational() {
		// RFC 3461 5.2.7: the sender knows this address.
		q.ORcpt = smtp.ORcpt{Type: "rfc822", Address: fw.To.String()}
	}
	q.RequireTLS = requireTLS(m)
	return q
}

// requireTLS is what the message wants of the next servers too (RFC 8689 3, 4.1).
func requireTLS(m *deliver.Message) *bool {
	yes, no := true, false
	if m.Params.RequireTLS {
		return &yes
	}
	h, err := message.ReadHeader(bufio.NewReader(m.Spool.Part().Header(m.Spool)), maxHeader)
	if err != nil {
		return nil
	}
	if l := h.Values("TLS-Required"); len(l) == 1 && strings.EqualFold(strings.TrimSpace(l[0]), "No") {
		return &no
	}
	return nil
}

// withoutSuccess is RFC 3461 5.2.7.3 (c): that the message arrived here is what a sender is
// told who wants to know.
func withoutSuccess(n smtp.Notify) smtp.Notify {
	if n == smtp.NotifySuccess {
		return smtp.NotifyNever
	}
	return n &^ smtp.NotifySuccess
}

// sender is the reverse-path of a forwarded message.
func (f *Forwarder) sender(dir directory.View, fw deliver.Forward) smtp.Path {
	from := fw.Message.From
	ours := fw.Message.Peer.Auth || fw.Message.Generated
	if from.IsZero() || ours && dir.IsLocal(from.IPDomain.Domain) {
		return from
	}
	if p, err := f.c.Rewriter.Forward(from, fw.From.Domain); err == nil {
		return p
	}
	if fw.From.Localpart == "" {
		return fw.To // of a catchall
	}
	return fw.From.Path()
}

// forwardFields are those by which people see that the message was forwarded. One address
// does not hear of others.
func forwardFields(fw deliver.Forward) []byte {
	var b strings.Builder
	utf8 := fw.Message.SMTPUTF8
	if l := fw.Destination.Forward; len(l) == 1 && (utf8 || !l[0].Localpart.IsInternational()) {
		b.WriteString("X-Forwarded-To: " + l[0].Pack(utf8) + "\r\n")
	}
	if utf8 || !fw.To.IsInternational() {
		b.WriteString("X-Forwarded-For: " + fw.To.XString(utf8) + "\r\n")
	}
	return []byte(b.String())
}

// seal returns the fields of a seal, "" without results to seal or a key.
func (f *Forwarder) seal(ctx context.Context, snap *config.Snapshot, fw deliver.Forward, c queue.Content) (string, error) {
	d := snap.Signer(fw.From.Domain)
	if d == nil || fw.Message.AuthResults == "" {
		return "", nil
	}
	o := arc.SealOptions{Domain: d.Domain, Selector: d.Signers[0], AuthResults: fw.Message.AuthResults, UTF8: fw.Message.SMTPUTF8, Now: f.c.Now}
	o.Selector.Headers = nil // of a chain
	return arc.Seal(ctx, f.c.Log, o, fw.Message.Chain, message.Prefixed(c.Prefix, c.Body))
}

// Original returns the sender to whom a notification for an address of ours is to be passed
// back; false: it is no address for that. Errors are replies that refuse it.
func (f *Forwarder) Original(to smtp.Path) (_ smtp.Path, ok bool, _ error) {
	dir := f.c.Directory.View()
	if !srs.Is(to.Localpart) || dir.Snapshot.Domain(to.IPDomain.Domain) == nil || !dir.IsLocal(to.IPDomain.Domain) {
		return smtp.Path{}, false, nil
	}
	p, err := f.c.Rewriter.Reverse(to.Localpart)
	if errors.Is(err, srs.ErrExpired) {
		return p, true, smtp.WrapErrorf(err, 550, "5.1.6", "address for notifications has expired")
	} else if err != nil {
		return p, true, smtp.WrapErrorf(err, 550, "5.1.1", "no such address")
	}
	return p, true, nil
}

// Return queues a notification for the original sender of what was forwarded. prefix are
// fields to put above it.
func (f *Forwarder) Return(ctx context.Context, m *deliver.Message, prefix []byte, original smtp.Path) error {
	c := queue.Content{Prefix: prefix, Body: m.Spool, Size: m.Spool.Size()}
	eight, err := eightBit(c)
	if err != nil {
		return err
	}
	return f.giveBack(ctx, c, queue.Message{
		Queued: m.Received, Subject: subject(m.Spool), EightBit: eight, SMTPUTF8: m.SMTPUTF8 && (eight || original.IsInternational()),
		BinaryMIME: m.Params.Body == smtp.BodyBinaryMIME, RequireTLS: requireTLS(m),
	}, original)
}

func (f *Forwarder) giveBack(ctx context.Context, c queue.Content, q queue.Message, original smtp.Path) error {
	dir := f.c.Directory.View()
	q.Kind, q.Sender, q.Account, q.Notify = queue.DSN, smtp.Path{}, "", smtp.NotifyNever
	q.Recipient, q.Local = original, local(dir, original)
	if _, err := f.c.Queue.Add(ctx, c, []queue.Message{q}); err != nil {
		return queueError(err)
	}
	if f.c.Returned != nil {
		f.c.Returned()
	}
	f.c.Log.InfoContext(ctx, "notification passed back", "to", original.LogString(), "size", c.Size)
	return nil
}

// DeliverLocal delivers a message of the queue whose recipient is of this server, and returns
// once that is durable. An [*smtp.Error] with code 5xx is for good; after other errors it is
// to be tried again.
func (s *Submit) DeliverLocal(ctx context.Context, q queue.Message, content io.ReaderAt) error {
	if s.c.Forwarder != nil && q.Sender.IsZero() {
		original, ok, err := s.c.Forwarder.Original(q.Recipient)
		if err != nil {
			return err
		}
		if ok {
			return s.c.Forwarder.giveBack(ctx, queue.Content{Body: content, Size: q.Size}, q, original)
		}
	}
	target, err := deliver.Resolve(s.c.Directory.View(), q.Recipient)
	if err != nil {
		return err
	}
	spool := s.c.Store.NewSpool()
	defer spool.Close()
	if _, err := io.Copy(spool, io.NewSectionReader(content, 0, q.Size)); err != nil {
		return deliver.Error(err)
	}
	if err := spool.Finish(); err != nil {
		return deliver.Error(err)
	}
	m := &deliver.Message{
		Spool: spool, From: q.Sender, SMTPUTF8: q.SMTPUTF8, Received: s.c.Now(), Generated: true,
		Params: smtp.MailParams{EnvID: q.EnvID, Ret: q.Ret, RequireTLS: q.RequireTLS != nil && *q.RequireTLS, SMTPUTF8: q.SMTPUTF8},
	}
	if q.BinaryMIME {
		m.Params.Body = smtp.BodyBinaryMIME
	}
	s.judgeLocal(m, q)
	return s.c.Deliverer.Deliver(ctx, m, []deliver.Recipient{{To: q.Recipient, Target: target, Params: smtp.RcptParams{Notify: q.Notify, ORcpt: q.ORcpt}}})[0]
}

// judgeLocal accepts a message of the queue, as it was when it came in, and says whose it is.
func (s *Submit) judgeLocal(m *deliver.Message, q queue.Message) {
	j := &judge{s: s, m: m}
	j.facts.Trusted = "dsn"
	if q.Kind != queue.DSN {
		j.facts.Trusted = "submission"
	}
	if !q.Sender.IsZero() {
		j.facts.MailFrom = q.Sender.XString(true)
	}
	m.Facts(&j.facts)
	m.Judge = j.judge
}
