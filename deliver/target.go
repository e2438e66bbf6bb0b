package deliver

import (
	"context"
	"errors"
	"io"

	"mox/config"
	"mox/directory"
	"mox/smtp"
	"mox/store"
)

// Target is where mail for an address goes: to an account, or to the members of an
// alias.
type Target struct {
	Account     string                  // name; empty for an alias
	Mailbox     string                  // where mail goes that no ruleset matches; empty: Inbox
	Base        smtp.Address            // the address as configured, without detail
	Destination *config.DestinationInfo // settings; may be nil
	Alias       *config.AliasInfo       // not nil for an alias
}

// Recipient is one recipient of a transaction.
type Recipient struct {
	To     smtp.Path // as in RCPT
	Target Target
	Params smtp.RcptParams // as far as they are passed on when it is forwarded
}

// Resolve finds where mail for an address goes. Its errors are replies to RCPT.
func Resolve(dir directory.View, to smtp.Path) (Target, error) {
	r, err := dir.ResolvePath(to)
	switch {
	case errors.Is(err, directory.ErrNotLocal):
		return Target{}, smtp.WrapErrorf(err, 550, "5.7.1", "no relaying, not an address of this server")
	case errors.Is(err, directory.ErrNoAddress):
		return Target{}, smtp.WrapErrorf(err, 550, "5.1.1", "no such address")
	case errors.Is(err, directory.ErrDomainDisabled):
		return Target{}, smtp.Errorf(450, "4.2.1", "domain is disabled for the time being")
	case err != nil:
		return Target{}, err
	case r.Alias != nil:
		return Target{Base: r.Base, Alias: r.Alias}, nil
	}
	if d := r.Destination; d != nil && d.SMTPErrorCode != 0 {
		return Target{}, refusal(d)
	}
	return Target{Account: r.Account.Name, Mailbox: r.Mailbox, Base: r.Base, Destination: r.Destination}, nil
}

// refusal is the reply that the configuration has for an address.
func refusal(d *config.DestinationInfo) error {
	enhanced, text := "5.1.1", d.SMTPErrorText
	if d.SMTPErrorCode < 500 {
		enhanced = "4.2.1"
	}
	if text == "" {
		text = "no mail to this address"
	}
	return smtp.Errorf(d.SMTPErrorCode, enhanced, "%s", text)
}

// members returns the targets of an alias.
func members(a *config.AliasInfo) []Target {
	l := make([]Target, len(a.Members))
	for i, m := range a.Members {
		l[i] = Target{Account: m.Account, Base: m.Address, Destination: m.Destination}
		if m.Destination != nil {
			l[i].Mailbox = m.Destination.Mailbox
		}
	}
	return l
}

// IsMember tells whether an account is one of an alias's members.
func IsMember(a *config.AliasInfo, account string) bool {
	for _, m := range a.Members {
		if m.Account == account {
			return true
		}
	}
	return false
}

// Room checks at RCPT whether an account can take a message of a size, 0 when not
// known: better to say so before the message than after.
func (d *Deliverer) Room(ctx context.Context, t Target, size int64) error {
	if t.Alias != nil || t.onlyForwards() {
		return nil
	}
	acc, err := d.c.Store.Account(ctx, t.Account)
	if err != nil {
		return Error(err)
	}
	defer acc.Release()
	return room(acc.Quota(), size)
}

func room(q store.Quota, size int64) error {
	if q.Limit > 0 && size > q.Limit {
		// It will never fit.
		return smtp.Errorf(552, "5.2.2", "message larger than the mailbox may get")
	}
	if q.Room(1, max(size, 1)) != nil {
		return smtp.Errorf(452, "4.2.2", "mailbox is full")
	}
	return nil
}

// SpoolWriter writes to a spool and gives its errors as replies.
func SpoolWriter(s *store.Spool) io.Writer { return spoolWriter{s} }

type spoolWriter struct{ *store.Spool }

func (w spoolWriter) Write(p []byte) (int, error) {
	n, err := w.Spool.Write(p)
	if err != nil {
		return n, Error(err)
	}
	return n, nil
}
