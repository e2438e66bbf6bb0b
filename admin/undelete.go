package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mox/message"
	"mox/store"
)

// Deleted is messages that one operation removed from a mailbox for good (EXPUNGE, or the
// mailbox was deleted), and that can still be brought back.
type Deleted struct {
	ID       store.ModSeq // of the operation
	Time     time.Time
	Mailbox  string `json:",omitempty"` // by its name now; empty: it does not exist any more
	Reserved bool   `json:",omitempty"` // the mailbox is one that only the server fills: they cannot be brought back
	Messages int
	Size     int64
	Subjects []string `json:",omitempty"` // of the first few
}

// UndeleteMailbox is where messages come whose mailbox does not exist any more.
const UndeleteMailbox = "Undeleted"

const (
	maxDeletions     = 10_000 // that are looked at
	deletionSubjects = 3
)

// Deleted returns what can be brought back in an account, the newest first: at most max, and
// what was deleted since then, both without limit when zero.
func (a *Admin) Deleted(ctx context.Context, account string, since time.Time, max int) ([]Deleted, error) {
	var list []Deleted
	err := a.withAccount(ctx, account, func(acc *store.Account) error {
		deletions, err := acc.Deletions(ctx, maxDeletions)
		if err != nil {
			return err
		}
		for _, d := range deletions {
			if d.Time.Before(since) || max > 0 && len(list) == max {
				break
			}
			one := Deleted{ID: d.ModSeq, Time: d.Time, Messages: len(d.Messages)}
			if mb, ok := acc.MailboxByID(d.Mailbox); ok {
				one.Mailbox, one.Reserved = mb.Name, acc.Reserved(mb.Name)
			}
			for _, m := range d.Messages {
				one.Size += int64(m.Size)
			}
			if one.Subjects, err = subjects(ctx, acc, d.Messages); err != nil {
				return err
			}
			list = append(list, one)
		}
		return nil
	})
	return list, err
}

// subjects returns those of the first messages.
func subjects(ctx context.Context, acc *store.Account, msgs []store.Message) ([]string, error) {
	var first []*store.Message
	for i := range msgs[:min(len(msgs), deletionSubjects)] {
		first = append(first, &msgs[i])
	}
	var list []string
	for r, err := range acc.Rendered(ctx, first, store.FieldHeaders, false) {
		if err != nil {
			return nil, err
		}
		if r.HasHeaders {
			list = append(list, message.ParseHeader(r.Headers).Text("Subject"))
		}
	}
	return list, nil
}

// Undelete says what is to be brought back.
type Undelete struct {
	IDs   []store.ModSeq // these; none: what was deleted since Since
	Since time.Time
	To    string // mailbox, made when it is not there; empty: where they were, or UndeleteMailbox
}

// Undeleted is what was brought back of one deletion.
type Undeleted struct {
	ID       store.ModSeq
	Mailbox  string
	Messages int
}

// Undelete brings back messages that were deleted for good: they get new UIDs. Mailboxes that only
// the server fills are left out, and refused when asked for. done is called for each deletion.
func (a *Admin) Undelete(ctx context.Context, actor Actor, account string, u Undelete, done func(Undeleted)) (rerr error) {
	n := 0
	defer func() {
		a.audit(ctx, actor, "undelete messages", rerr, "account", account, "messages", n, "mailbox", u.To)
	}()
	return a.withAccount(ctx, account, func(acc *store.Account) error {
		if u.To != "" && acc.Reserved(u.To) {
			return fmt.Errorf("mailbox %q: %w", u.To, store.ErrReserved)
		}
		deletions, err := acc.Deletions(ctx, maxDeletions)
		if err != nil {
			return err
		}
		found := map[store.ModSeq]bool{}
		// The oldest first, for the order in mailboxes.
		for _, d := range slices.Backward(deletions) {
			if len(u.IDs) > 0 && !slices.Contains(u.IDs, d.ModSeq) || len(u.IDs) == 0 && d.Time.Before(u.Since) {
				continue
			}
			found[d.ModSeq] = true
			one, err := undelete(ctx, acc, d, u.To, len(u.IDs) > 0)
			if err != nil {
				return fmt.Errorf("deletion %d: %w", d.ModSeq, err)
			}
			if n += one.Messages; one.Messages > 0 {
				done(one)
			}
		}
		for _, id := range u.IDs {
			if !found[id] {
				return fmt.Errorf("deletion %d: %w", id, ErrNotFound)
			}
		}
		return nil
	})
}

// undelete brings back one deletion. One of a reserved mailbox is an error when it was asked for.
func undelete(ctx context.Context, acc *store.Account, d store.Deletion, to string, asked bool) (Undeleted, error) {
	from, ok := acc.MailboxByID(d.Mailbox)
	if ok && acc.Reserved(from.Name) {
		if asked {
			return Undeleted{}, fmt.Errorf("mailbox %q: %w, what is deleted there is canceled", from.Name, store.ErrReserved)
		}
		return Undeleted{}, nil
	}
	dst := from
	if to != "" || !ok {
		if to == "" {
			to = UndeleteMailbox
		}
		var err error
		if dst, ok = acc.MailboxByName(to); !ok {
			if dst, err = acc.CreateMailbox(ctx, to, 0); err != nil {
				return Undeleted{}, fmt.Errorf("making mailbox %q: %w", to, err)
			}
		}
	}
	var set store.UIDSet
	for _, m := range d.Messages {
		set.Add(m.UID)
	}
	c, err := acc.Undelete(ctx, d.Mailbox, d.ModSeq, set, dst.ID)
	return Undeleted{d.ModSeq, dst.Name, c.Dest.Len()}, err
}

// withAccount calls fn with an account open.
func (a *Admin) withAccount(ctx context.Context, account string, fn func(acc *store.Account) error) error {
	if _, ok := a.Config.Snapshot().Dynamic.Accounts[account]; !ok {
		return fmt.Errorf("account %q: %w", account, ErrNotFound)
	}
	acc, err := a.Store.Account(ctx, account)
	if err != nil {
		return fmt.Errorf("account %q: %w", account, err)
	}
	defer acc.Release()
	return fn(acc)
}
