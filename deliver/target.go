package deliver

import (
	"context"
	"errors"

	"mox/smtp"
)

// Errors of a Directory.
var (
	// ErrNotLocal: the domain is not one of this server.
	ErrNotLocal = errors.New("not a domain of this server")
	// ErrNoAddress: the domain is, and has no such address.
	ErrNoAddress = errors.New("no such address")
	// ErrDisabled: the domain takes no mail for the time being.
	ErrDisabled = errors.New("domain is disabled")
)

// Directory finds what an address is, in the configuration of one moment.
type Directory interface {
	// Resolve returns where mail for an address goes. It fails with ErrNotLocal,
	// ErrNoAddress, ErrDisabled, or an [*smtp.Error] where the configuration has mail
	// for the address refused with one.
	Resolve(ctx context.Context, to smtp.Path) (Target, error)
	// MayUse tells whether an account may send as an address.
	MayUse(ctx context.Context, account string, from smtp.Address) (bool, error)
}

// IsMember tells whether an account is one of the alias's members.
func (a *Alias) IsMember(account string) bool {
	for _, t := range a.Members {
		if t.Account == account {
			return true
		}
	}
	return false
}

// Refusal returns an error of a Directory as the reply to RCPT.
func Refusal(err error) error {
	switch {
	case errors.Is(err, ErrNotLocal):
		return smtp.WrapErrorf(err, 550, "5.7.1", "no relaying, not a domain of this server")
	case errors.Is(err, ErrNoAddress):
		return smtp.WrapErrorf(err, 550, "5.1.1", "no such address")
	case errors.Is(err, ErrDisabled):
		return smtp.WrapErrorf(err, 450, "4.2.1", "domain is disabled for the time being")
	}
	return err
}

// Room checks at RCPT whether an account can take a message of a size, 0 when not
// known: better to say so before the message than after.
func (d *Deliverer) Room(ctx context.Context, t Target, size int64) error {
	if t.Alias != nil {
		return nil
	}
	acc, err := d.c.Store.Account(ctx, t.Account)
	if err != nil {
		return Error(err)
	}
	defer acc.Release()
	q := acc.Quota()
	switch {
	case q.Limit <= 0:
		return nil
	case size > q.Limit:
		// It will never fit.
		return smtp.Errorf(552, "5.2.2", "message larger than the mailbox may get")
	case q.Used+max(size, 1) > q.Limit:
		return smtp.Errorf(452, "4.2.2", "mailbox is full")
	}
	return nil
}
