package inbound

import (
	"context"
	"strings"

	"mox/deliver"
	"mox/dmarc"
	"mox/dns"
	"mox/dsn"
	"mox/msgauth"
	"mox/smtp"
	"mox/spf"
	"mox/submit"
)

// Notifier tells senders what became of their messages, such as a [submit.Submit].
type Notifier interface {
	// Notify returns once a notification is durable.
	Notify(ctx context.Context, n submit.Notification) error
}

// Returner passes notifications about forwarded messages back, such as a
// [submit.Forwarder].
type Returner interface {
	// Original returns the sender that a notification for an address of ours is for; false:
	// the address is not of that kind. An error is the reply that refuses it.
	Original(to smtp.Path) (smtp.Path, bool, error)
	// Return passes a notification on, with fields above it, and returns once that is
	// durable.
	Return(ctx context.Context, m *deliver.Message, prefix []byte, original smtp.Path) error
}

// notify returns what is to be said in the session about the results of recipients, after it
// has told the sender what it need not say.
func (tx *Transaction) notify(ctx context.Context, m *deliver.Message, j *judge, results []error) error {
	err := deliver.Merge(tx.rcpts, results)
	if tx.in.c.Notifier == nil || !j.knowsSender() {
		return err
	}
	var notices []dsn.Recipient
	delivered := false
	for i, r := range tx.rcpts {
		e := smtp.AsError(results[i])
		if e != nil && !e.Permanent() {
			// It will come again, for those who have it too.
			return err
		}
		delivered = delivered || e == nil
		if n, ok := submit.Notice(r, results[i], m.Received); ok {
			notices = append(notices, n)
		}
	}
	if !delivered {
		return err
	}
	if len(notices) > 0 {
		n := submit.Notification{To: tx.from, Params: tx.params, Received: m.Received, Recipients: notices, Original: m.Spool, Size: m.Spool.Size()}
		// The client may be gone by now, but the message is delivered.
		if nerr := tx.in.c.Notifier.Notify(context.WithoutCancel(ctx), n); nerr != nil {
			tx.in.c.Log.ErrorContext(ctx, "notification not queued", "to", tx.from.LogString(), "err", nerr)
			if f := tx.in.c.Metrics.Error; f != nil {
				f("queuedsn")
			}
			return err
		}
	}
	if err != nil {
		tx.in.c.Deliverer.Settle(m, tx.rcpts)
	}
	return nil
}

// knowsSender tells whether the reverse-path is certain: by SPF, or by DMARC if it is of the
// domain of From or at least of its organization.
func (j *judge) knowsSender() bool {
	from := j.m.From.IPDomain.Domain
	if j.res == nil || from.IsZero() {
		return false
	}
	if j.res.SPF.Status == spf.StatusPass {
		return true
	}
	org := j.res.OrgDomain
	return j.res.DMARC.Status == dmarc.StatusPass && !org.IsZero() && within(from, org)
}

func within(d, org dns.Domain) bool {
	return d.ASCII == org.ASCII || strings.HasSuffix(d.ASCII, "."+org.ASCII)
}

// authResults is the value of the Authentication-Results field.
func authResults(res *msgauth.Results, utf8 bool) string {
	_, value, _ := strings.Cut(res.AuthenticationResults(utf8).Field(), ":")
	return strings.TrimSpace(value)
}

// takeBack takes a recipient that stands for the sender of a forwarded message.
func (tx *Transaction) takeBack(to smtp.Path) (bool, error) {
	if tx.in.c.Returner == nil {
		return false, nil
	}
	original, ok, err := tx.in.c.Returner.Original(to)
	if ok && err == nil && !tx.from.IsZero() {
		err = smtp.Errorf(550, "5.7.1", "this address takes notifications only, which have the null reverse-path")
	}
	if err != nil {
		tx.refused(to, deliver.Target{}, err)
		return false, err
	}
	if ok {
		tx.original = original
		tx.rcpts = append(tx.rcpts, deliver.Recipient{To: to})
	}
	return ok, nil
}

// passBack queues a notification for the sender of a forwarded message.
func (tx *Transaction) passBack(ctx context.Context, m *deliver.Message) error {
	err := deliver.CheckLoop(m)
	if err == nil {
		if tx.check != nil {
			m.Reverse = tx.check.Reverse()
		}
		err = tx.in.c.Returner.Return(ctx, m, []byte(tx.in.c.Deliverer.Received(m, tx.rcpts[0].To)), tx.original)
	}
	tx.in.count(err, "")
	return err
}
