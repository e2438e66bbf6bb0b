package deliver

import (
	"context"
	"errors"
	"fmt"

	"mox/config"
	"mox/directory"
	"mox/smtp"
)

// View is the [Directory] of one configuration.
type View struct{ directory.View }

// Resolve implements [Directory]. Rulesets of a destination need facts about the sender
// and play no part yet.
func (v View) Resolve(_ context.Context, to smtp.Path) (Target, error) {
	r, err := v.ResolvePath(to)
	switch {
	case errors.Is(err, directory.ErrNotLocal):
		return Target{}, fmt.Errorf("%w: %w", ErrNotLocal, err)
	case errors.Is(err, directory.ErrNoAddress):
		return Target{}, fmt.Errorf("%w: %w", ErrNoAddress, err)
	case errors.Is(err, directory.ErrDomainDisabled):
		return Target{}, fmt.Errorf("%w: %w", ErrDisabled, err)
	case err != nil:
		return Target{}, err
	}
	if r.Alias != nil {
		alias := &Alias{PostPublic: r.Alias.Config.PostPublic}
		for _, m := range r.Alias.Members {
			alias.Members = append(alias.Members, Target{Account: m.Account, Mailbox: m.Destination.Mailbox, Address: m.Address})
		}
		return Target{Address: r.Base, Alias: alias}, nil
	}
	if err := refused(r.Destination); err != nil {
		return Target{}, err
	}
	return Target{Account: r.Account.Name, Mailbox: r.Mailbox, Address: r.Base}, nil
}

// refused is the error with which a destination refuses all mail, if it does.
func refused(d *config.DestinationInfo) error {
	if d == nil || d.SMTPErrorCode == 0 {
		return nil
	}
	text := d.SMTPErrorText
	if d.SMTPErrorCode/100 == 4 {
		if text == "" {
			text = "mailbox is not available for the time being"
		}
		return smtp.Errorf(d.SMTPErrorCode, "4.2.1", "%s", text)
	}
	if text == "" {
		text = "no such address"
	}
	return smtp.Errorf(d.SMTPErrorCode, "5.1.1", "%s", text)
}

// MayUse implements [Directory].
func (v View) MayUse(_ context.Context, account string, from smtp.Address) (bool, error) {
	return v.View.MayUse(account, from), nil
}
