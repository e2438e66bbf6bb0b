package submit

import (
	"context"
	"fmt"
	"io"

	"mox/deliver"
	"mox/dsn"
	"mox/message"
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
func (tx *Transaction) outcome(m *deliver.Message, results []error) outcome {
	o := outcome{told: !tx.from.IsZero()}
	for i, r := range tx.rcpts {
		notify := tx.notify[i].Notify
		notice := dsn.Recipient{Original: tx.notify[i].ORcpt, Final: dsn.Address(r.To), LastAttempt: m.Received}
		if e := smtp.AsError(results[i]); e != nil {
			o.failed++
			if notify != 0 && notify&smtp.NotifyFailure == 0 {
				o.told = false
				continue
			}
			notice.Action, notice.Status = dsn.Failed, e.Enhanced
			notice.Diagnostic = dsn.Diagnostic{Type: "smtp", Text: fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Text)}
			o.notices = append(o.notices, notice)
			continue
		}
		o.delivered++
		if notify&smtp.NotifySuccess == 0 {
			continue
		}
		notice.Action, notice.Status = dsn.Delivered, "2.0.0"
		if a := r.Target.Alias; a != nil && len(a.Members) > 1 {
			// RFC 3461 5.2.7.3 (c). Who the members are is not told.
			notice.Action = dsn.Expanded
		}
		o.notices = append(o.notices, notice)
	}
	return o
}

// report tells the sender what became of the message, by a notification as far as one is
// wanted, and returns what is to be said in the session: that all went well also when the
// rest is in a notification, which is then on disk.
func (tx *Transaction) report(ctx context.Context, m *deliver.Message, results []error) error {
	o := tx.outcome(m, results)
	err := deliver.Merge(tx.rcpts, results)
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
		return err
	}
	if answered || err == nil {
		return err
	}
	tx.s.c.Deliverer.Settle(m, tx.rcpts)
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

// sendDSN delivers a notification to the sender, and returns once it is on disk.
func (tx *Transaction) sendDSN(ctx context.Context, m *deliver.Message, notices []dsn.Recipient) error {
	spool := tx.s.c.Store.NewSpool()
	defer spool.Close()
	needs, err := tx.composeDSN(spool, m, notices)
	if err != nil {
		return fmt.Errorf("composing: %w", err)
	}
	if err := spool.Finish(); err != nil {
		return fmt.Errorf("composing: %w", err)
	}
	n := &deliver.Message{Spool: spool, SMTPUTF8: needs.SMTPUTF8, Received: m.Received, Peer: tx.peer, Generated: true}
	j := &judge{s: tx.s, m: n, id: tx.s.c.ID(tx.peer.CID)}
	j.facts.Trusted, j.facts.From = "dsn", tx.postmaster().Addr()
	n.Facts(&j.facts)
	n.Judge = j.judge
	return tx.s.c.Deliverer.Deliver(ctx, n, []deliver.Recipient{tx.self()})[0]
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

func (tx *Transaction) postmaster() message.Address {
	return message.Address{Name: "Mail server", Mailbox: "postmaster", Host: tx.s.c.Hostname.ASCII}
}

// composeDSN is RFC 3461 6.2.
func (tx *Transaction) composeDSN(w io.Writer, m *deliver.Message, notices []dsn.Recipient) (dsn.Needs, error) {
	id, err := message.NewMessageID(tx.s.c.Hostname.ASCII, tx.s.c.Random)
	if err != nil {
		return dsn.Needs{}, err
	}
	n := dsn.Message{
		From: tx.postmaster(), To: tx.from, Date: m.Received, MessageID: id,
		Status: dsn.Status{
			EnvID: tx.params.EnvID, ReportingMTA: dsn.DNS(tx.s.c.Hostname.ASCII), Arrival: m.Received, Recipients: notices,
		},
		UTF8: tx.params.SMTPUTF8, OriginalUTF8: tx.params.SMTPUTF8,
		Original: &prefixed{m.Add, m.Spool}, OriginalSize: int64(len(m.Add)) + m.Spool.Size(), Return: tx.params.Ret,
	}
	return n.Compose(w)
}

// prefixed is a message with header fields above it.
type prefixed struct {
	prefix []byte
	rest   io.ReaderAt
}

// ReadAt implements [io.ReaderAt].
func (r *prefixed) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < int64(len(r.prefix)) {
		n = copy(p, r.prefix[off:])
		if n == len(p) {
			return n, nil
		}
	}
	more, err := r.rest.ReadAt(p[n:], off+int64(n)-int64(len(r.prefix)))
	return n + more, err
}
