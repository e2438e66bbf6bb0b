package store

import (
	"context"
	"fmt"
	"strings"
)

// Bounds of an account: all mailboxes and subscriptions are in memory while it is open.
const (
	maxMailboxes     = 20_000
	maxSubscriptions = 2 * maxMailboxes
)

// createInitial makes the mailboxes of a new account.
func (a *Account) createInitial(ctx context.Context, boxes InitialMailboxes) error {
	special := []struct {
		name string
		use  SpecialUse
	}{{boxes.Sent, UseSent}, {boxes.Archive, UseArchive}, {boxes.Trash, UseTrash}, {boxes.Drafts, UseDrafts}, {boxes.Junk, UseJunk}}
	none := len(boxes.Regular) == 0
	for _, sp := range special {
		none = none && sp.name == ""
	}
	if none {
		for i, name := range []string{"Sent", "Archive", "Trash", "Drafts", "Junk"} {
			special[i].name = name
		}
	}
	return a.do(ctx, 0, func(t *tx) error {
		if _, err := t.create(Inbox, 0); err != nil {
			return err
		}
		for _, sp := range special {
			if sp.name == "" {
				continue
			}
			if _, err := t.createNamed(sp.name, sp.use); err != nil {
				return fmt.Errorf("mailbox %q: %w", sp.name, err)
			}
		}
		for _, name := range boxes.Regular {
			if _, err := t.createNamed(name, 0); err != nil {
				return fmt.Errorf("mailbox %q: %w", name, err)
			}
		}
		return nil
	})
}

func (t *tx) createNamed(name string, use SpecialUse) (*mailbox, error) {
	name, err := NormalName(name)
	if err != nil {
		return nil, err
	}
	return t.create(name, use)
}

// CreateMailbox makes a mailbox, and those above it that are missing, and subscribes to
// them (RFC 9051 6.3.4). Another mailbox that has one of the special uses loses it.
func (a *Account) CreateMailbox(ctx context.Context, name string, use SpecialUse) (Mailbox, error) {
	var m Mailbox
	err := a.do(ctx, 0, func(t *tx) error {
		b, err := t.createNamed(name, use)
		if err == nil {
			m = b.Mailbox
			m.Subscribed = true
		}
		return err
	})
	if err != nil {
		return Mailbox{}, fmt.Errorf("creating mailbox: %w", err)
	}
	return m, nil
}

// create makes a mailbox of a normal name, and its parents.
func (t *tx) create(name string, use SpecialUse) (*mailbox, error) {
	if t.byName(name) != nil {
		return nil, ErrExists
	}
	for _, p := range parents(name) {
		if t.byName(p) == nil {
			if _, err := t.createOne(p, 0); err != nil {
				return nil, err
			}
		}
	}
	return t.createOne(name, use)
}

func (t *tx) createOne(name string, use SpecialUse) (*mailbox, error) {
	if err := t.roomForMailbox(); err != nil {
		return nil, err
	}
	seq := t.next()
	// RFC 9051 2.3.1.1: a UIDVALIDITY is never used again, also not for a mailbox that is
	// made anew under its old name. Unix time makes it higher than before, also in an
	// account that was itself made anew.
	t.uidvalidity = max(t.uidvalidity+1, unix32(t.now))
	b := mailbox{Mailbox: Mailbox{ID: t.nextMailbox, Name: name, UIDValidity: t.uidvalidity, UIDNext: 1, SpecialUse: use, Created: seq, ModSeq: seq}, expungeFloor: seq}
	t.nextMailbox++
	t.made++
	err := t.c.Exec("INSERT INTO mailbox (id, name, uidvalidity, uidnext, special_use, created, modseq, expunge_floor, messages, unseen, deleted, size, deleted_size) VALUES (?,?,?,1,?,?,?,?,0,0,0,0,0)",
		int64(b.ID), name, int64(b.UIDValidity), int64(use), int64(seq), int64(seq), int64(seq))
	if err != nil {
		return nil, err
	}
	put(&t.names, name, b.ID)
	if err := t.takeUse(b.ID, use); err != nil {
		return nil, err
	}
	if err := t.subscribe(name, true); err != nil {
		return nil, err
	}
	if err := t.inheritACL(&b); err != nil {
		return nil, err
	}
	return t.update(b), t.logMailbox(MailboxCreated, b.ID, name, "")
}

// DeleteMailbox deletes a mailbox with its messages. Its subscription stays, as RFC
// 9051 6.3.7 asks. ErrHasChildren when there are mailboxes below it; ErrNotAllowed for
// Inbox.
func (a *Account) DeleteMailbox(ctx context.Context, name string) error {
	m, ok := a.MailboxByName(name)
	if !ok {
		return fmt.Errorf("deleting mailbox: %w", ErrNoMailbox)
	}
	if m.Name == Inbox {
		return fmt.Errorf("deleting mailbox: %w", ErrNotAllowed)
	}
	err := a.withBox(ctx, m.ID, func() error {
		return a.do(ctx, 0, func(t *tx) error { return t.delete(m.ID) })
	})
	if err != nil {
		return fmt.Errorf("deleting mailbox: %w", err)
	}
	return nil
}

func (t *tx) delete(id MailboxID) error {
	b, err := t.box(id)
	if err != nil {
		return err
	}
	if len(t.below(b.Name)) > 0 {
		return ErrHasChildren
	}
	v, err := t.view(id)
	if err != nil {
		return err
	}
	seq := t.next()
	if msgs, idx := v.selected(AllUIDs()); len(msgs) > 0 {
		if err := t.takeOut(b, msgs, idx, true); err != nil {
			return err
		}
	}
	if err := t.c.ExecInts("DELETE FROM mailbox WHERE id=?", int64(id)); err != nil {
		return err
	}
	for _, sql := range [...]string{"DELETE FROM expunge WHERE mailbox_id=?", "DELETE FROM acl WHERE mailbox_id=?"} {
		if err := t.c.ExecInts(sql, int64(id)); err != nil {
			return err
		}
	}
	if err := t.deleteMetadata(id); err != nil {
		return err
	}
	if err := t.c.Exec("DELETE FROM url_key WHERE account='' AND mailbox_id=?", int64(id)); err != nil {
		return err
	}
	put(&t.names, b.Name, 0)
	put(&t.boxes, id, nil)
	t.made--
	delete(t.heads, id)
	t.seq = seq
	return t.logMailbox(MailboxDeleted, id, b.Name, "")
}

// below returns the mailboxes under a name.
func (t *tx) below(name string) []*mailbox {
	var list []*mailbox
	prefix := name + "/"
	visit := func(n string) {
		if strings.HasPrefix(n, prefix) {
			if b := t.byName(n); b != nil {
				list = append(list, b)
			}
		}
	}
	for n := range t.a.names {
		if _, changed := t.names[n]; !changed {
			visit(n)
		}
	}
	for n := range t.names {
		visit(n)
	}
	return list
}

// RenameMailbox renames a mailbox and those below it; mailboxes above the new name are
// made where missing. Subscriptions move along. Renaming Inbox moves its messages to a
// new mailbox instead, and leaves those below it alone (RFC 9051 6.3.6).
func (a *Account) RenameMailbox(ctx context.Context, old, new string) error {
	m, ok := a.MailboxByName(old)
	if !ok {
		return fmt.Errorf("renaming mailbox: %w", ErrNoMailbox)
	}
	name, err := NormalName(new)
	if err != nil {
		return fmt.Errorf("renaming mailbox: %w", err)
	}
	if m.Name == Inbox {
		err = a.withBox(ctx, m.ID, func() error {
			return a.do(ctx, 0, func(t *tx) error { return t.renameInbox(m.ID, name) })
		})
	} else {
		err = a.do(ctx, 0, func(t *tx) error { return t.rename(m.ID, name) })
	}
	if err != nil {
		return fmt.Errorf("renaming mailbox: %w", err)
	}
	return nil
}

func (t *tx) renameInbox(id MailboxID, name string) error {
	d, err := t.create(name, 0)
	if err != nil {
		return err
	}
	if err := t.copyMetadata(id, d.ID); err != nil {
		return err
	}
	b, err := t.box(id)
	if err != nil {
		return err
	}
	v, err := t.view(id)
	if err != nil {
		return err
	}
	msgs, idx := v.selected(AllUIDs())
	_, err = t.move(b, msgs, idx, d, nil)
	return err
}

func (t *tx) rename(id MailboxID, name string) error {
	b, err := t.box(id)
	if err != nil {
		return err
	}
	moved := append(t.below(b.Name), b)
	target := func(m *mailbox) string { return name + strings.TrimPrefix(m.Name, b.Name) }
	going := map[MailboxID]bool{}
	for _, m := range moved {
		going[m.ID] = true
		if _, err := NormalName(target(m)); err != nil {
			return err
		}
	}
	for _, m := range moved {
		if other := t.byName(target(m)); other != nil && !going[other.ID] || target(m) == m.Name {
			return ErrExists
		}
	}
	t.next()
	// Names are unique in the table too: all old ones go before the new ones come.
	for _, m := range moved {
		if err := t.c.Exec("UPDATE mailbox SET name=? WHERE id=?", fmt.Sprintf("\x00%d", m.ID), int64(m.ID)); err != nil {
			return err
		}
		put(&t.names, m.Name, 0)
	}
	for _, m := range moved {
		if err := t.renameOne(*m, target(m)); err != nil {
			return err
		}
	}
	for _, p := range parents(name) {
		if t.byName(p) == nil {
			if _, err := t.createOne(p, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) renameOne(b mailbox, name string) error {
	old := b.Name
	if err := t.c.Exec("UPDATE mailbox SET name=? WHERE id=?", name, int64(b.ID)); err != nil {
		return err
	}
	b.Name = name
	put(&t.names, name, b.ID)
	t.update(b)
	if t.subscribed(old) {
		if err := t.subscribe(old, false); err != nil {
			return err
		}
		if err := t.subscribe(name, true); err != nil {
			return err
		}
	}
	return t.logMailbox(MailboxRenamed, b.ID, name, old)
}

// SetSpecialUse sets the special uses of a mailbox. Another mailbox that has one of
// them loses it.
func (a *Account) SetSpecialUse(ctx context.Context, box MailboxID, use SpecialUse) error {
	if err := a.do(ctx, 0, func(t *tx) error { return t.setSpecialUse(box, use) }); err != nil {
		return fmt.Errorf("setting special use: %w", err)
	}
	return nil
}

func (t *tx) setSpecialUse(box MailboxID, use SpecialUse) error {
	b, err := t.box(box)
	if err != nil || b.SpecialUse == use {
		return err
	}
	t.next()
	if err := t.takeUse(box, use); err != nil {
		return err
	}
	return t.changeUse(*b, use)
}

// takeUse takes special uses from all mailboxes but the one that gets them: RFC 6154 3 and 4:
// the same for those that are created and those that are changed.
func (t *tx) takeUse(box MailboxID, use SpecialUse) error {
	if use == 0 {
		return nil // most that are created: not a look at all others for each
	}
	for _, m := range t.all() {
		if m.ID == box || m.SpecialUse&use == 0 {
			continue
		}
		if err := t.changeUse(*m, m.SpecialUse&^use); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) changeUse(m mailbox, use SpecialUse) error {
	m.SpecialUse = use
	t.update(m)
	return t.logMailbox(MailboxChanged, m.ID, m.Name, "")
}

// all returns all mailboxes as the operation sees them, in no order.
func (t *tx) all() []*mailbox {
	var list []*mailbox
	for id, b := range t.a.boxes {
		if _, changed := t.boxes[id]; !changed {
			list = append(list, b)
		}
	}
	for _, b := range t.boxes {
		if b != nil {
			list = append(list, b)
		}
	}
	return list
}

// Subscribe adds a name to the subscriptions or removes it. There need not be a mailbox
// of that name.
func (a *Account) Subscribe(ctx context.Context, name string, on bool) error {
	name, err := NormalName(name)
	if err == nil {
		err = a.do(ctx, 0, func(t *tx) error {
			if t.subscribed(name) == on {
				return nil
			}
			t.next()
			if err := t.subscribe(name, on); err != nil {
				return err
			}
			id := MailboxID(0)
			if b := t.byName(name); b != nil {
				id = b.ID
			}
			return t.logMailbox(SubscriptionChanged, id, name, "")
		})
	}
	if err != nil {
		return fmt.Errorf("changing subscription: %w", err)
	}
	return nil
}

func (t *tx) subscribed(name string) bool {
	if on, ok := t.subs[name]; ok {
		return on
	}
	return t.a.subs[name]
}

func (t *tx) subscribe(name string, on bool) error {
	if t.subscribed(name) == on {
		return nil
	}
	if on && len(t.a.subs)+len(t.subs) >= maxSubscriptions {
		return fmt.Errorf("%w subscriptions", ErrLimit)
	}
	put(&t.subs, name, on)
	t.dirty = true
	if on {
		return t.c.Exec("INSERT INTO subscription (name) VALUES (?)", name)
	}
	return t.c.Exec("DELETE FROM subscription WHERE name=?", name)
}
