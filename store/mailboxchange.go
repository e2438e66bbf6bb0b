package store

import (
	"context"
	"errors"
	"fmt"
)

// ErrMailboxNotEmpty is returned for a mailbox that has messages, which it should not.
var ErrMailboxNotEmpty = errors.New("mailbox has messages")

// MailboxChange is what becomes of a mailbox. Nil fields leave it as it is.
type MailboxChange struct {
	Name       *string
	SpecialUse *SpecialUse
	Subscribed *bool
	// Setting makes the value of a setting anew, which goes with the mailbox; nil: none. It is called in the operation.
	Setting     func(old []byte) ([]byte, error)
	SettingName string
}

// changeSetting changes the setting of a MailboxChange.
func (t *tx) changeSetting(c *MailboxChange) error {
	if c.Setting == nil {
		return nil
	}
	var old []byte
	rows := t.c.Query("SELECT value FROM setting WHERE name=?", c.SettingName)
	if rows.Next() {
		old = append(old, rows.Bytes(0)...)
	}
	if err := rows.Close(); err != nil {
		return err
	}
	v, err := c.Setting(old)
	if err != nil {
		return err
	}
	return t.setSetting(c.SettingName, v)
}

// MakeMailbox is CreateMailbox below another mailbox (0: none; ErrNoMailbox when it is missing), not subscribed to unless
// wanted. name is one level.
func (a *Account) MakeMailbox(ctx context.Context, parent MailboxID, name string, use SpecialUse, subscribed bool) (Mailbox, error) {
	var m Mailbox
	err := a.do(ctx, 0, func(t *tx) error {
		whole := name
		if parent != 0 {
			p, err := t.box(parent)
			if err != nil {
				return err
			}
			whole = p.Name + "/" + name
		}
		b, err := t.createNamed(whole, use)
		if err != nil {
			return err
		}
		m = b.Mailbox
		m.Subscribed = subscribed
		return t.subscribe(b.Name, subscribed)
	})
	if err != nil {
		return Mailbox{}, fmt.Errorf("creating mailbox: %w", err)
	}
	return m, nil
}

// ChangeMailbox makes a change in one durable operation. A new name may not be below the mailbox itself
// (ErrBadName), and Inbox keeps its own (ErrNotAllowed).
func (a *Account) ChangeMailbox(ctx context.Context, id MailboxID, c MailboxChange) error {
	err := a.do(ctx, 0, func(t *tx) error {
		b, err := t.box(id)
		if err != nil {
			return err
		}
		if c.Name != nil {
			if err := t.renameTo(b, *c.Name); err != nil {
				return err
			}
		}
		if c.SpecialUse != nil {
			if err := t.setSpecialUse(id, *c.SpecialUse); err != nil {
				return err
			}
		}
		if err := t.changeSetting(&c); err != nil {
			return err
		}
		if b, err = t.box(id); err != nil || c.Subscribed == nil || t.subscribed(b.Name) == *c.Subscribed {
			return err
		}
		t.next()
		if err := t.subscribe(b.Name, *c.Subscribed); err != nil {
			return err
		}
		return t.logMailbox(SubscriptionChanged, id, b.Name, "")
	})
	if err != nil {
		return fmt.Errorf("changing mailbox: %w", err)
	}
	return nil
}

// renameTo is rename without an error where nothing changes.
func (t *tx) renameTo(b *mailbox, name string) error {
	name, err := NormalName(name)
	switch {
	case err != nil || name == b.Name:
		return err
	case b.Name == Inbox:
		return ErrNotAllowed
	case len(name) > len(b.Name) && name[:len(b.Name)+1] == b.Name+"/":
		return fmt.Errorf("%w: it would be below itself", ErrBadName)
	}
	return t.rename(b.ID, name)
}

// RemoveMailbox is DeleteMailbox by id, which fails with ErrMailboxNotEmpty for a mailbox with messages unless
// they are to go too, and ends the subscription. Messages with \Deleted go with it in any case.
func (a *Account) RemoveMailbox(ctx context.Context, id MailboxID, messages bool) error {
	err := a.withBox(ctx, id, func() error {
		return a.do(ctx, 0, func(t *tx) error {
			b, err := t.box(id)
			switch {
			case err != nil:
				return err
			case b.Name == Inbox:
				return ErrNotAllowed
			case len(t.below(b.Name)) > 0:
				return ErrHasChildren
			case b.Messages > b.Deleted && !messages:
				return ErrMailboxNotEmpty
			}
			if err := t.delete(id); err != nil {
				return err
			}
			return t.subscribe(b.Name, false)
		})
	})
	if err != nil {
		return fmt.Errorf("deleting mailbox: %w", err)
	}
	return nil
}
