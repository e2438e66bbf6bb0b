package transfer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"mox/store"
)

// Selection says what of an account is exported. The zero value is all of it.
type Selection struct {
	Mailbox string       // this one and those below it; empty: all
	Single  bool         // not those below it
	UIDs    store.UIDSet // only these messages, of each mailbox; nil: all
}

// FromAccount returns a Source of an account's mail. Folders have the names of mailboxes;
// subscriptions are sent with them, those of names without mailbox too when all is asked for.
// The mailboxes are as they are when each is begun. Content that cannot be read is a problem.
func FromAccount(acc *store.Account, s Selection) Source { return &accountSource{acc, s} }

type accountSource struct {
	acc *store.Account
	sel Selection
}

// mailboxes returns those selected.
func (s *accountSource) mailboxes() ([]store.Mailbox, error) {
	all := s.acc.Mailboxes()
	if s.sel.Mailbox == "" {
		return all, nil
	}
	name, err := store.NormalName(s.sel.Mailbox)
	if err != nil {
		return nil, fmt.Errorf("mailbox %q: %w", s.sel.Mailbox, err)
	}
	l := slices.DeleteFunc(all, func(m store.Mailbox) bool {
		return m.Name != name && (s.sel.Single || !strings.HasPrefix(m.Name, name+"/"))
	})
	if len(l) == 0 {
		return nil, fmt.Errorf("mailbox %q: %w", name, store.ErrNoMailbox)
	}
	return l, nil
}

// Send implements [Source].
func (s *accountSource) Send(ctx context.Context, r Receiver) error {
	boxes, err := s.mailboxes()
	if err != nil {
		return err
	}
	for _, m := range boxes {
		f := Folder{Name: m.Name, Subscription: Unsubscribed}
		if m.Subscribed {
			f.Subscription = Subscribed
		}
		if err := r.Folder(f); err != nil {
			return err
		}
		if err := s.mailbox(ctx, r, m); err != nil {
			return err
		}
	}
	if s.sel.Mailbox != "" {
		return nil
	}
	for _, name := range s.acc.Subscriptions() {
		if _, ok := s.acc.MailboxByName(name); ok {
			continue
		}
		if err := r.Folder(Folder{Name: name, Subscription: Subscribed, NameOnly: true}); err != nil {
			return err
		}
	}
	return nil
}

func (s *accountSource) mailbox(ctx context.Context, r Receiver, m store.Mailbox) error {
	box, err := s.acc.OpenBox(ctx, m.ID)
	if err != nil {
		return fmt.Errorf("opening mailbox %q: %w", m.Name, err)
	}
	defer box.Close()
	for _, msg := range box.View().All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.sel.UIDs != nil && !s.sel.UIDs.Contains(msg.UID) {
			continue
		}
		if err := s.message(ctx, r, m.Name, msg); err != nil {
			return err
		}
	}
	return nil
}

func (s *accountSource) message(ctx context.Context, r Receiver, folder string, m *store.Message) error {
	where := fmt.Sprintf("mailbox %q, UID %d", folder, m.UID)
	body, err := s.acc.OpenBody(ctx, m.Body)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.Problem(fmt.Sprintf("%s: %v", where, err))
		return nil
	}
	defer body.Close()
	return r.Message(&Message{
		Folder: folder, Flags: append(m.Flags.Names(), s.acc.Keywords(m.Keywords)...), Received: m.ReceivedTime(), Where: where,
		Body: io.NewSectionReader(body, 0, body.Size()),
	})
}
