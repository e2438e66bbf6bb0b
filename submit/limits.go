package submit

import (
	"context"
	"errors"

	"mox/db"
	"mox/junk"
	"mox/smtp"
	"mox/store"
)

// filter returns what counts for the account, nil when nothing does. It must be released.
func (tx *Transaction) filter(ctx context.Context) (*junk.Filter, error) {
	if tx.s.c.Junk == nil || tx.sender.Account == "" {
		return nil, nil
	}
	acc, err := tx.s.c.Store.Account(ctx, tx.sender.Account)
	if err != nil {
		return nil, noSpace(err)
	}
	defer acc.Release()
	f, err := tx.s.c.Junk.Account(ctx, acc)
	return f, noSpace(err)
}

// noSpace makes an error about space on the disk a reply that says so.
func noSpace(err error) error {
	if errors.Is(err, db.ErrFull) || errors.Is(err, store.ErrDiskFull) {
		return smtp.WrapErrorf(err, 452, "4.3.1", "insufficient storage")
	}
	return err
}

// limits are those of the account.
func (tx *Transaction) limits() junk.Limits {
	info := tx.dir.Snapshot.Accounts[tx.sender.Account]
	if info == nil || tx.s.c.Local {
		return junk.Limits{}
	}
	return junk.Limits{Recipients: info.MaxOutgoingMessagesPerDay, FirstTime: info.MaxFirstTimeRecipientsPerDay}
}

// mayAdd tells at RCPT what maySend would say after the message, and does not count.
func (tx *Transaction) mayAdd(ctx context.Context, to smtp.Path) error {
	if r := tx.sender.Relay; r != nil && !tx.s.relays.allowed(r, len(tx.rcpts)+1, tx.s.c.Now()) {
		return tx.relayLimited(r)
	}
	limits := tx.limits()
	if limits == (junk.Limits{}) {
		return nil
	}
	f, err := tx.filter(ctx)
	if f == nil {
		return err
	}
	defer f.Release()
	err = f.MayAdd(ctx, &tx.plan, to.String(), limits, tx.s.c.Now())
	if len(tx.rcpts) == 0 {
		return tx.limited(err, 451, "4.7.1")
	}
	// RFC 5321 4.5.3.1.10: the client may send to those before, and later to this one.
	return tx.limited(err, 452, "4.5.3")
}

// maySend counts the recipients against the limits of the account.
func (tx *Transaction) maySend(ctx context.Context) error {
	if r := tx.sender.Relay; r != nil && !tx.s.relays.take(r, len(tx.rcpts), tx.s.c.Now()) {
		return tx.relayLimited(r)
	}
	f, err := tx.filter(ctx)
	if f == nil {
		return err
	}
	defer f.Release()
	return tx.limited(f.MaySend(ctx, addressesOf(tx, nil), tx.limits(), tx.s.c.Now()), 451, "4.7.1")
}

// limited makes the error of a limit a reply.
func (tx *Transaction) limited(err error, code int, enhanced string) error {
	var e *junk.LimitError
	if !errors.As(err, &e) {
		return noSpace(err)
	}
	result := "messagelimiterror"
	if e.FirstTime {
		result = "recipientlimiterror"
	}
	return tx.refuse(result, smtp.Errorf(code, enhanced, "limit of your account: %s", e))
}

// sent notes that the user has written to those who have the message now.
func (tx *Transaction) sent(ctx context.Context, results []error) {
	f, err := tx.filter(ctx)
	if err == nil && f != nil {
		defer f.Release()
		// The client may be gone by now.
		err = f.Sent(context.WithoutCancel(ctx), addressesOf(tx, results), tx.s.c.Now())
	}
	if err != nil {
		tx.s.c.Log.ErrorContext(ctx, "noting recipients", "account", tx.sender.Account, "err", err)
	}
}

// addressesOf returns the addresses of recipients, except those with an error.
func addressesOf(tx *Transaction, results []error) []string {
	var l []string
	for i, r := range tx.rcpts {
		if results == nil || results[i] == nil {
			l = append(l, r.To.String())
		}
	}
	return l
}
