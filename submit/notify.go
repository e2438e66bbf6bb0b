package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"mox/deliver"
	"mox/dsn"
	"mox/message"
	"mox/queue"
	"mox/smtp"
	"mox/store"
)

// outcome is what became of the message for all recipients.
type outcome struct {
	delivered, failed int
	// told: the sender wants, or at least allows, to be told of all failures.
	told bool
	// notices are what the sender wants to be told (RFC 3461 5.2.8: of no other
	// recipient).
	notices []dsn.Recipient
}

// outcome sums up results. RFC 3461 4.1: without NOTIFY, a sender wants to be told of
// failures.
func (tx *Transaction) outcome(m *deliver.Message, d *dispatch) outcome {
	o := outcome{told: !tx.from.IsZero()}
	for i, r := range tx.rcpts {
		err := d.results[i]
		if err != nil {
			o.failed++
			o.told = o.told && wantsFailure(r.Params.Notify)
		} else {
			o.delivered++
		}
		if d.queued[i] && err == nil {
			continue // outbound will tell
		}
		if n, ok := Notice(r, err, m.Received); ok {
			o.notices = append(o.notices, n)
		}
	}
	return o
}

func wantsFailure(n smtp.Notify) bool { return n == 0 || n&smtp.NotifyFailure != 0 }

// Notice returns what a sender wants to hear of a recipient who has the message, or who
// could not have it because of err; false: nothing.
func Notice(r deliver.Recipient, err error, at time.Time) (_ dsn.Recipient, wanted bool) {
	notify := r.Params.Notify
	n := dsn.Recipient{Original: r.Params.ORcpt, Final: dsn.Address(r.To), LastAttempt: at}
	if e := smtp.AsError(err); e != nil {
		n.Action, n.Status = dsn.Failed, e.Enhanced
		n.Diagnostic = dsn.Diagnostic{Type: "smtp", Text: fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Text)}
		return n, wantsFailure(notify)
	}
	n.Action, n.Status = dsn.Delivered, "2.0.0"
	if a := r.Target.Alias; a != nil && len(a.Members) > 1 || r.Target.Forwards() {
		// RFC 3461 5.2.7.3 (c). Who the members are is not told.
		n.Action = dsn.Expanded
	}
	return n, notify&smtp.NotifySuccess != 0
}

// report tells the sender what became of the message, by a notification as far as one is
// wanted, and returns what is to be said in the session: that all went well also when the
// rest is in a notification, which is then on disk.
func (tx *Transaction) report(ctx context.Context, m *deliver.Message, d *dispatch) error {
	if d.any() {
		return nil // it is queued, with what is to be told
	}
	o := tx.outcome(m, d)
	err := deliver.Merge(tx.rcpts, d.results)
	// What failed for all, or nobody may be told of, is answered in the session.
	answered := o.delivered == 0 || o.failed > 0 && !o.told
	if answered && err != nil && (o.delivered == 0 || !smtp.AsError(err).Permanent()) {
		return err // the client is to try again, or to give up
	}
	if answered {
		o.notices = successes(o.notices)
	}
	if tx.from.IsZero() || len(o.notices) == 0 {
		// RFC 3461 6.1: never about a message that has no reverse-path.
		return err
	}
	// The client may be gone by now, but the message is delivered.
	ctx = context.WithoutCancel(ctx)
	if nerr := tx.sendDSN(ctx, m, o.notices); nerr != nil {
		tx.s.c.Log.ErrorContext(ctx, "notification not delivered", "account", tx.sender.Account, "err", nerr)
		if f := tx.s.c.Metrics.Error; f != nil {
			f("queuedsn")
		}
		return err
	}
	if answered || err == nil {
		return err
	}
	tx.s.c.Deliverer.Settle(m, tx.here())
	return nil
}

// successes returns the notices that are not about failures.
func successes(l []dsn.Recipient) []dsn.Recipient {
	var ok []dsn.Recipient
	for _, n := range l {
		if n.Action != dsn.Failed {
			ok = append(ok, n)
		}
	}
	return ok
}

// sendDSN brings a notification to the sender, and returns once that is durable. A user has
// it at once.
func (tx *Transaction) sendDSN(ctx context.Context, m *deliver.Message, notices []dsn.Recipient) error {
	n := tx.notification(m, notices)
	if tx.sender.Account == "" {
		return tx.s.Notify(ctx, n)
	}
	spool := tx.s.c.Store.NewSpool()
	defer spool.Close()
	needs, err := tx.s.compose(spool, n)
	if err != nil {
		return err
	}
	dm := &deliver.Message{Spool: spool, SMTPUTF8: needs.SMTPUTF8, Received: m.Received, Peer: tx.peer, Generated: true}
	return tx.s.c.Deliverer.Deliver(ctx, tx.s.generated(dm), []deliver.Recipient{tx.self()})[0]
}

// generated has the decision about a message of this server told like others.
func (s *Submit) generated(m *deliver.Message) *deliver.Message {
	j := &judge{s: s, m: m, id: s.c.ID(m.Peer.CID)}
	j.facts.Trusted, j.facts.From = "dsn", s.postmaster().Addr()
	m.Facts(&j.facts)
	m.Judge = j.judge
	return m
}

// self is the sender as recipient: whatever address was used, it is the user who hears of
// it, where the user's rules for that address say.
func (tx *Transaction) self() deliver.Recipient {
	t := deliver.Target{Account: tx.sender.Account, Mailbox: store.Inbox, Base: tx.from.Address()}
	if r, err := tx.dir.ResolvePath(tx.from); err == nil && r.Account != nil && r.Account.Name == t.Account {
		t.Base, t.Destination = r.Base, r.Destination
	}
	return deliver.Recipient{To: tx.from, Target: t}
}

// notification is RFC 3461 6.2.
func (tx *Transaction) notification(m *deliver.Message, notices []dsn.Recipient) Notification {
	return Notification{
		Account: tx.sender.Account, To: tx.from, Params: tx.params, Received: m.Received, Recipients: notices,
		Prefix: m.Add, Original: m.Spool, Size: m.Spool.Size(),
	}
}

// Notification is what the sender of a message is told (RFC 3461, RFC 3464).
type Notification struct {
	Account    string    // of the sender; "": not known
	To         smtp.Path // reverse-path of the message; not null
	Params     smtp.MailParams
	Received   time.Time // when the message came
	Recipients []dsn.Recipient
	// The message: Prefix and Size octets of Original.
	Prefix   []byte
	Original io.ReaderAt
	Size     int64
}

func (s *Submit) postmaster() message.Address {
	return message.Address{Name: "Mail server", Mailbox: "postmaster", Host: s.c.Hostname.ASCII}
}

// compose writes a notification and finishes the spool.
func (s *Submit) compose(spool *store.Spool, n Notification) (dsn.Needs, error) {
	id, err := message.NewMessageID(s.c.Hostname.ASCII, s.c.Random)
	if err != nil {
		return dsn.Needs{}, err
	}
	m := dsn.Message{
		From: s.postmaster(), To: n.To, Date: n.Received, MessageID: id,
		Status: dsn.Status{
			EnvID: n.Params.EnvID, ReportingMTA: dsn.DNS(s.c.Hostname.ASCII), Arrival: n.Received, Recipients: n.Recipients,
		},
		UTF8: n.Params.SMTPUTF8, OriginalUTF8: n.Params.SMTPUTF8,
		Original: message.Prefixed(n.Prefix, n.Original), OriginalSize: int64(len(n.Prefix)) + n.Size, Return: n.Params.Ret,
	}
	if n.Params.RequireTLS {
		m.Return = smtp.RetHdrs // RFC 8689 5
	}
	needs, err := m.Compose(spool)
	if err == nil {
		err = spool.Finish()
	}
	if err != nil {
		return needs, fmt.Errorf("composing notification: %w", err)
	}
	return needs, nil
}

// Notify queues a notification, and returns once it is durable. It is signed as other mail
// of this server.
func (s *Submit) Notify(ctx context.Context, n Notification) error {
	if s.c.Queue == nil {
		return errors.New("no queue for notifications")
	}
	spool := s.c.Store.NewSpool()
	defer spool.Close()
	notice, err := s.newNotice(ctx, spool, n)
	if err != nil {
		return err
	}
	if _, err := s.c.Queue.Add(ctx, notice.Content, notice.Messages); err != nil {
		return fmt.Errorf("queueing notification: %w", err)
	}
	return nil
}

// newNotice makes a notification for the queue, with its content in the spool.
func (s *Submit) newNotice(ctx context.Context, spool *store.Spool, n Notification) (queue.NewMessage, error) {
	needs, err := s.compose(spool, n)
	if err != nil {
		return queue.NewMessage{}, err
	}
	dir := s.c.Directory.View()
	from := smtp.Address{Localpart: "postmaster", Domain: s.c.Hostname}
	prefix, err := s.Sign(ctx, dir.Snapshot, []smtp.Address{from}, needs.SMTPUTF8, spool)
	if err != nil {
		return queue.NewMessage{}, fmt.Errorf("signing notification: %w", err)
	}
	q := queue.Message{
		Kind: queue.DSN, Recipient: n.To, Local: local(dir, n.To), MessageID: strings.Trim(spool.Part().Envelope.MessageID, "<>"), Subject: subject(spool),
		EightBit: needs.EightBit, SMTPUTF8: needs.SMTPUTF8, Notify: smtp.NotifyNever,
	}
	if n.Params.RequireTLS {
		// RFC 8689 5: what is returned is as confidential as the message.
		q.RequireTLS = &n.Params.RequireTLS
	}
	return queue.NewMessage{
		Content:  queue.Content{Prefix: []byte(prefix), Body: spool, Size: spool.Size()},
		Messages: []queue.Message{q},
	}, nil
}
