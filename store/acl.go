package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mox/db"
	"mox/imap"
)

// Anyone is the identifier of an access control list that stands for all users.
const Anyone = "anyone"

// Bounds of access control lists: all are in memory while an account is open.
const (
	maxACLEntries    = 200 // of a mailbox
	maxACLIdentifier = 300 // bytes
)

// ACLEntry is what one identifier of an access control list may do, or for one that
// begins with "-", must not although others allow it (RFC 4314 2).
type ACLEntry struct {
	Identifier string // see [Account.SetACL]
	Rights     imap.Rights
}

// acl is the list of a mailbox, sorted by identifier. Immutable.
type acl []ACLEntry

func (l acl) find(identifier string) (int, bool) {
	return slices.BinarySearchFunc(l, identifier, func(e ACLEntry, id string) int { return strings.Compare(e.Identifier, id) })
}

// of returns the rights of the entry of an identifier.
func (l acl) of(identifier string) imap.Rights {
	if i, ok := l.find(identifier); ok {
		return l[i].Rights
	}
	return 0
}

// with returns a list in which an identifier has rights; without any it has no entry.
func (l acl) with(identifier string, r imap.Rights) acl {
	i, ok := l.find(identifier)
	n := slices.Clone(l)
	switch {
	case ok && r == 0:
		return slices.Delete(n, i, i+1)
	case ok:
		n[i].Rights = r
		return n
	case r == 0:
		return n
	}
	return slices.Insert(n, i, ACLEntry{identifier, r})
}

// granted returns what someone may do to whom all identifiers apply: the union of what
// they give, less all that negative rights take away (RFC 4314 2).
func (l acl) granted(identifiers []string) imap.Rights {
	if len(l) == 0 {
		return 0
	}
	plus, minus := l.of(Anyone), l.of("-"+Anyone)
	for _, id := range identifiers {
		if isNegative(id) {
			continue // nobody's: its entry takes rights away
		}
		plus |= l.of(id)
		minus |= l.of("-" + id)
	}
	return plus &^ minus
}

// ACL returns the access control list of a mailbox, sorted by identifier. The account's
// own user, who may do everything, is not in it.
func (a *Account) ACL(box MailboxID) []ACLEntry {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if b := a.boxes[box]; b != nil {
		return slices.Clone(b.acl)
	}
	return nil
}

// Rights returns what the list of a mailbox allows a user to whom the identifiers apply,
// and whom "anyone" is always one of. None for a mailbox that does not exist.
func (a *Account) Rights(box MailboxID, identifiers []string) imap.Rights {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if b := a.boxes[box]; b != nil {
		return b.acl.granted(identifiers)
	}
	return 0
}

// SharedMailbox is a mailbox with what a user may do with it.
type SharedMailbox struct {
	Mailbox
	Rights imap.Rights
}

// Shared returns the mailboxes on which a user to whom the identifiers apply has rights,
// in the order of [Account.Mailboxes].
func (a *Account) Shared(identifiers []string) []SharedMailbox {
	var list []SharedMailbox
	for _, mb := range a.Mailboxes() {
		if r := a.Rights(mb.ID, identifiers); r != 0 {
			list = append(list, SharedMailbox{mb, r})
		}
	}
	return list
}

// SetACL changes the rights of an identifier on a mailbox: those of a user, whose
// identifier is the name of the account, of a group that the caller knows, or of
// [Anyone]; after a "-", rights that they do not have whatever else gives them. Without
// any rights left the entry is gone.
//
// Mailboxes that are made below one get its list; renaming one changes none.
func (a *Account) SetACL(ctx context.Context, box MailboxID, identifier string, op imap.RightsOp, r imap.Rights) error {
	if err := checkIdentifier(identifier); err != nil {
		return fmt.Errorf("changing access control list: %w", err)
	}
	a.sharing.Lock()
	defer a.sharing.Unlock()
	if op != imap.RightsRemove && r != 0 && !isNegative(identifier) {
		// First: what the index knows too much is found out, what it lacks is not.
		if err := a.s.shares.add(a.name, identifier); err != nil {
			return fmt.Errorf("changing access control list: %w", err)
		}
	}
	err := a.do(ctx, 0, func(t *tx) error { return t.setACL(box, identifier, op, r) })
	a.unshare(ctx, identifier)
	if err != nil {
		return fmt.Errorf("changing access control list: %w", err)
	}
	a.s.shares.changed()
	return nil
}

func isNegative(identifier string) bool { return strings.HasPrefix(identifier, "-") }

func checkIdentifier(id string) error {
	if rest := strings.TrimPrefix(id, "-"); rest == "" || isNegative(rest) || len(id) > maxACLIdentifier || strings.ContainsFunc(id, badNameRune) {
		return fmt.Errorf("%w: identifier %q", ErrBadName, id)
	}
	return nil
}

// unshare removes an identifier from the index when no mailbox has it any more. a.sharing
// is held.
func (a *Account) unshare(ctx context.Context, identifier string) {
	if isNegative(identifier) {
		return
	}
	// As an operation, so that no other one can pass the identifier on to a new mailbox
	// meanwhile: those that are not durable yet count as they are, and as they were.
	err := a.do(context.WithoutCancel(ctx), 0, func(t *tx) error {
		if t.hasIdentifier(identifier) {
			return nil
		}
		return a.s.shares.remove(a.name, identifier)
	})
	if err != nil {
		a.log.Warn("index of shared mailboxes keeps an entry that is not needed", "account", a.name, "err", err)
	}
}

func (t *tx) hasIdentifier(identifier string) bool {
	for _, boxes := range []map[MailboxID]*mailbox{t.a.boxes, t.boxes} {
		for _, b := range boxes {
			if b != nil && b.acl.of(identifier) != 0 {
				return true
			}
		}
	}
	return false
}

func (t *tx) setACL(id MailboxID, identifier string, op imap.RightsOp, r imap.Rights) error {
	b, err := t.box(id)
	if err != nil {
		return err
	}
	old := b.acl.of(identifier)
	r = op.Apply(old, r)
	if r == old {
		return nil
	}
	nb := *b
	nb.acl = b.acl.with(identifier, r)
	if len(nb.acl) > maxACLEntries {
		return fmt.Errorf("%w entries in the access control list", ErrLimit)
	}
	if err := t.writeACL(id, identifier, r); err != nil {
		return err
	}
	nb.ModSeq = t.next()
	u := t.update(nb)
	// Sessions that have the mailbox open look at their rights when there is a new view.
	if v, err := t.view(id); err == nil {
		put(&t.heads, id, v.successor(u))
	}
	return t.logMailbox(ACLChanged, id, nb.Name, "")
}

func (t *tx) writeACL(id MailboxID, identifier string, r imap.Rights) error {
	if r == 0 {
		return t.c.Exec("DELETE FROM acl WHERE mailbox_id=? AND identifier=?", int64(id), identifier)
	}
	return t.c.Exec("INSERT INTO acl (mailbox_id, identifier, rights) VALUES (?,?,?) ON CONFLICT (mailbox_id, identifier) DO UPDATE SET rights=excluded.rights",
		int64(id), identifier, r.Letters())
}

// inheritACL gives a new mailbox the list of the one above it, RFC 4314 4.
func (t *tx) inheritACL(b *mailbox) error {
	i := strings.LastIndexByte(b.Name, '/')
	if i < 0 {
		return nil
	}
	parent := t.byName(b.Name[:i])
	if parent == nil {
		return nil
	}
	b.acl = parent.acl
	for _, e := range b.acl {
		if err := t.writeACL(b.ID, e.Identifier, e.Rights); err != nil {
			return err
		}
	}
	return nil
}

// dropIdentifier removes an identifier from all lists, with its negative rights.
func (a *Account) dropIdentifier(ctx context.Context, identifier string) error {
	a.sharing.Lock()
	defer a.sharing.Unlock()
	err := a.do(ctx, 0, func(t *tx) error {
		for _, b := range t.all() {
			for _, id := range [...]string{identifier, "-" + identifier} {
				if err := t.setACL(b.ID, id, imap.RightsReplace, 0); err != nil {
					return err
				}
			}
		}
		return t.dropAnnotator(identifier)
	})
	if err == nil {
		a.unshare(ctx, identifier)
	}
	return err
}

// grantees returns the identifiers that have rights on any mailbox.
func (a *Account) grantees() []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	seen := map[string]bool{}
	for _, b := range a.boxes {
		for _, e := range b.acl {
			if !isNegative(e.Identifier) {
				seen[e.Identifier] = true
			}
		}
	}
	list := make([]string, 0, len(seen))
	for id := range seen {
		list = append(list, id)
	}
	return list
}

// readACL reads the lists of all mailboxes, which have been read. Many are equal, being
// inherited, and are in memory once.
func (a *Account) readACL(c *db.Conn) error {
	defer a.joinACLs()
	rows := c.Query("SELECT mailbox_id, identifier, rights FROM acl ORDER BY mailbox_id, identifier")
	var err error
	for err == nil && rows.Next() {
		id, e := MailboxID(rows.Int64(0)), ACLEntry{Identifier: rows.Text(1)}
		if e.Rights, err = imap.ParseRights(rows.Text(2)); err != nil {
			err = fmt.Errorf("%w: access control list of mailbox %d: %w", ErrCorrupt, id, err)
		} else if b := a.boxes[id]; b != nil {
			b.acl = append(b.acl, e)
		}
	}
	if e := rows.Close(); err == nil {
		err = e
	}
	return err
}

// joinACLs lets mailboxes with equal lists share one.
func (a *Account) joinACLs() {
	known := map[string]acl{}
	var key []byte
	for _, b := range a.boxes {
		if len(b.acl) == 0 {
			continue
		}
		key = key[:0]
		for _, e := range b.acl {
			key = append(append(append(append(key, e.Identifier...), 0), e.Rights.Letters()...), 0)
		}
		if l, ok := known[string(key)]; ok {
			b.acl = l
		} else {
			b.acl = slices.Clip(b.acl)
			known[string(key)] = b.acl
		}
	}
}
