package mailops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mox/store"
)

// ErrFlag: a flag or keyword that cannot be.
var ErrFlag = errors.New("invalid flag")

// Found is a message and the mailbox that it was in when it was looked up.
type Found struct {
	Mailbox store.Mailbox
	Message store.Message
}

// Find looks a message up; [store.ErrNoMessage] if there is none.
func Find(ctx context.Context, acc *store.Account, id store.MessageID) (Found, error) {
	box, m, err := acc.FindMessage(ctx, id)
	if err != nil {
		return Found{}, err
	}
	mailbox, ok := acc.MailboxByID(box)
	if !ok {
		return Found{}, store.ErrNoMessage // deleted at this moment
	}
	return Found{mailbox, m}, nil
}

// retries is how often a message is looked up again that another session moves meanwhile.
const retries = 100

// each calls do with where the message is until it has done something.
func each(ctx context.Context, acc *store.Account, id store.MessageID, do func(box store.MailboxID, set store.UIDSet) (done bool, err error)) error {
	for range retries {
		f, err := Find(ctx, acc, id)
		if err != nil {
			return err
		}
		done, err := do(f.Mailbox.ID, store.NewUIDSet(f.Message.UID))
		if err != nil && !errors.Is(err, store.ErrNoMailbox) {
			return err
		}
		if done && err == nil {
			return nil
		}
	}
	return fmt.Errorf("message is moved all the time: %w", store.ErrNoMessage)
}

// Delete removes a message for good; its content goes as the store sees fit.
func Delete(ctx context.Context, acc *store.Account, id store.MessageID) error {
	return each(ctx, acc, id, func(box store.MailboxID, set store.UIDSet) (bool, error) {
		removed, _, err := acc.Remove(ctx, box, set)
		return len(removed) > 0, err
	})
}

// Move moves a message to the mailbox of that name, [store.ErrNoMailbox] if there is none.
// A message that is there already stays as it is.
func Move(ctx context.Context, acc *store.Account, id store.MessageID, name string) error {
	dst, ok := acc.MailboxByName(name)
	if !ok {
		if _, err := Find(ctx, acc, id); err != nil {
			return err
		}
		return store.ErrNoMailbox
	}
	err := each(ctx, acc, id, func(box store.MailboxID, set store.UIDSet) (bool, error) {
		if box == dst.ID {
			return true, nil
		}
		moved, err := acc.Move(ctx, box, set, dst.ID)
		return moved.Source.Len() > 0, err
	})
	return err
}

// SetFlags sets or clears flags and keywords, given by their names in IMAP. The error may
// be [ErrFlag].
func SetFlags(ctx context.Context, acc *store.Account, id store.MessageID, op store.FlagOp, names []string) error {
	change, err := ParseFlags(names)
	if err != nil {
		return err
	}
	change.Op = op
	return each(ctx, acc, id, func(box store.MailboxID, set store.UIDSet) (bool, error) {
		r, err := acc.SetFlags(ctx, box, set, change)
		if err != nil || r.Changed > 0 {
			return true, err
		}
		// It had those flags already, or it is gone.
		l, err := acc.MessagesAt(ctx, box, set)
		return len(l) > 0, err
	})
}

// maxKeyword is the most octets of a keyword.
const maxKeyword = 100

// ParseFlags makes of names what [store.Account.SetFlags] wants.
func ParseFlags(names []string) (store.FlagChange, error) {
	var c store.FlagChange
	for _, name := range names {
		if f, ok := store.ParseFlag(name); ok {
			c.Flags |= f
			continue
		}
		// RFC 9051 9: flag-keyword is an atom; names with a backslash are the RFCs'.
		bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r) }
		if name == "" || len(name) > maxKeyword || strings.ContainsFunc(name, bad) {
			return c, fmt.Errorf("%w %.100q", ErrFlag, name)
		}
		c.Keywords = append(c.Keywords, name)
	}
	return c, nil
}

// FlagNames are the names of a message's flags and keywords.
func FlagNames(acc *store.Account, m store.Message) []string {
	return append(m.Flags.Names(), acc.Keywords(m.Keywords)...)
}
