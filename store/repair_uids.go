package store

import (
	"context"
	"fmt"
	"slices"
)

// fixUIDs repairs what a mailbox says of its UIDs and mod-sequences.
func (f *fixer) fixUIDs() error {
	if err := f.readBoxes(); err != nil {
		return err
	}
	slices.SortFunc(f.boxes, func(x, y *mailbox) int { return int(x.ID - y.ID) })
	k := &checker{c: f.c}
	if err := k.checkExpunged(); err != nil {
		return err
	}
	top, err := f.rows("SELECT mailbox_id, max(uid), max(modseq), min(uid) FROM message GROUP BY mailbox_id")
	if err != nil {
		return err
	}
	most := map[MailboxID][6]int64{}
	for _, r := range top {
		most[MailboxID(r[0])] = r
	}
	validity := map[uint32]bool{}
	for _, b := range f.boxes {
		m := most[b.ID]
		if m != ([6]int64{}) && (m[3] < 1 || m[1] >= 1<<32-1) {
			f.r.fixed("uids", "mailbox %q has UIDs that cannot be, from %d to %d", b.Name, m[3], m[1])
			if err := f.reassign(b); err != nil {
				return err
			}
			validity[f.t.uidvalidity] = true
			continue
		}
		if err := f.fixBox(b, UID(m[1]), ModSeq(m[2]), k.expunged[b.ID].Normal()); err != nil {
			return err
		}
		if b.UIDValidity == 0 || validity[b.UIDValidity] {
			old := b.UIDValidity
			if err := f.newValidity(b); err != nil {
				return err
			}
			f.r.fixed("uids", "mailbox %q: UIDVALIDITY %d is not its own: it is %d now", b.Name, old, f.t.uidvalidity)
			validity[f.t.uidvalidity] = true
			continue
		}
		validity[b.UIDValidity] = true
	}
	return nil
}

// fixBox repairs UIDNEXT, HIGHESTMODSEQ, and the log of expunged messages.
func (f *fixer) fixBox(b *mailbox, top UID, modseq ModSeq, expunged UIDSet) error {
	next := max(b.UIDNext, top+1)
	if n := len(expunged); n > 0 {
		next = max(next, expunged[n-1].End+1)
	}
	if next != b.UIDNext {
		f.r.fixed("uids", "mailbox %q: UIDNEXT was %d: it is %d now", b.Name, b.UIDNext, next)
		f.reset[b.ID] = true
		if err := f.c.ExecInts("UPDATE mailbox SET uidnext=? WHERE id=?", int64(next), int64(b.ID)); err != nil {
			return err
		}
	}
	if want := max(b.ModSeq, modseq, b.Created, b.expungeFloor); want != b.ModSeq {
		f.r.fixed("modseq", "mailbox %q: HIGHESTMODSEQ was %d: it is %d now", b.Name, b.ModSeq, want)
		f.reset[b.ID] = true
		if err := f.c.ExecInts("UPDATE mailbox SET modseq=? WHERE id=?", int64(want), int64(b.ID)); err != nil {
			return err
		}
		b.ModSeq = want
	}
	if len(expunged) == 0 {
		return nil
	}
	there, err := f.rows("SELECT uid FROM message WHERE mailbox_id=?", int64(b.ID))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(there, func(r [6]int64) bool { return expunged.Contains(UID(r[0])) }) {
		return nil
	}
	f.r.fixed("uids", "mailbox %q has messages that were noted as expunged: that log begins anew", b.Name)
	return f.forgetExpunged(b.ID, b.ModSeq)
}

// newValidity gives a mailbox a new UIDVALIDITY.
func (f *fixer) newValidity(b *mailbox) error {
	seq, err := f.next()
	if err != nil {
		return err
	}
	high, _, err := f.c.QueryInt64("SELECT max(max(uidvalidity), (SELECT uidvalidity FROM account)) FROM mailbox")
	if err != nil {
		return err
	}
	if high >= 1<<32-1 {
		return fmt.Errorf("%w: there is no higher UIDVALIDITY", ErrNotAllowed)
	}
	f.t.uidvalidity = max(uint32(high)+1, unix32(f.t.now))
	f.reset[b.ID] = true
	if err := f.c.ExecInts("UPDATE mailbox SET uidvalidity=?, modseq=max(modseq, ?) WHERE id=?", int64(f.t.uidvalidity), int64(seq), int64(b.ID)); err != nil {
		return err
	}
	if err := f.c.ExecInts("UPDATE account SET uidvalidity=? WHERE id=1", int64(f.t.uidvalidity)); err != nil {
		return err
	}
	f.t.seq = seq
	return f.t.logMailbox(MailboxChanged, b.ID, b.Name, "")
}

// reassign numbers the messages of a mailbox from 1, with a new UIDVALIDITY.
func (f *fixer) reassign(b *mailbox) error {
	if err := f.newValidity(b); err != nil {
		return err
	}
	seq, err := f.next()
	if err != nil {
		return err
	}
	rows, err := f.rows("SELECT uid, body_id FROM message WHERE mailbox_id=? ORDER BY uid", int64(b.ID))
	if err != nil {
		return err
	}
	// All are moved out of the way first. The change log tells of UIDs that went and of those
	// that came, for those who note something of messages by them.
	const away = 1 << 33
	if err := f.c.ExecInts("UPDATE message SET uid=uid+? WHERE mailbox_id=?", away, int64(b.ID)); err != nil {
		return err
	}
	gone, come := make([]Message, 0, len(rows)), make([]Message, len(rows))
	for i, r := range rows {
		come[i] = Message{UID: UID(i + 1), Body: BodyID(r[1])}
		if r[0] > 0 && r[0] < 1<<32 {
			gone = append(gone, Message{UID: UID(r[0]), Body: BodyID(r[1])})
		}
		if err := f.c.ExecInts("UPDATE message SET uid=?, modseq=? WHERE mailbox_id=? AND uid=?", int64(i+1), int64(seq), int64(b.ID), r[0]+away); err != nil {
			return err
		}
	}
	if err := f.c.ExecInts("UPDATE mailbox SET uidnext=?, modseq=? WHERE id=?", int64(len(rows)+1), int64(seq), int64(b.ID)); err != nil {
		return err
	}
	if err := f.forgetExpunged(b.ID, seq); err != nil || len(rows) == 0 {
		return err
	}
	if len(gone) > 0 {
		if err := f.t.logMessages(MessagesExpunged, b.ID, gone); err != nil {
			return err
		}
	}
	return f.t.logMessages(MessagesAdded, b.ID, come)
}

// fixCounters repairs what the account says of the ids that it gives next.
func (f *fixer) fixCounters() error {
	for _, c := range []struct{ column, sql string }{
		{"next_mailbox", "SELECT max(id)+1 FROM mailbox"},
		{"next_message", "SELECT max(coalesce((SELECT max(id) FROM message), 0), coalesce((SELECT max(message_id) FROM annotation), 0))+1"},
		{"next_body", "SELECT max(id)+1 FROM body"},
		{"uidvalidity", "SELECT max(uidvalidity) FROM mailbox"},
		{"modseq", "SELECT max(coalesce((SELECT max(modseq) FROM mailbox), 0), coalesce((SELECT max(modseq) FROM message), 0), coalesce((SELECT max(modseq) FROM change), 0), coalesce((SELECT max(modseq) FROM expunge), 0), coalesce((SELECT max(modseq) FROM metadata), 0), coalesce((SELECT max(modseq) FROM annotation), 0))"},
	} {
		want, _, err := f.c.QueryInt64(c.sql)
		if err != nil {
			return err
		}
		have, _, err := f.c.QueryInt64("SELECT " + c.column + " FROM account WHERE id=1")
		if err != nil {
			return err
		}
		if have >= want {
			continue
		}
		if err := f.c.ExecInts("UPDATE account SET "+c.column+"=? WHERE id=1", want); err != nil {
			return err
		}
		switch c.column {
		case "modseq":
			f.t.modseq = ModSeq(want)
		case "uidvalidity":
			f.t.uidvalidity = uint32(want)
		}
		f.r.fixed("ids", "the account's %s was %d: it is %d now", c.column, have, want)
	}
	return nil
}

// BumpUIDValidity gives a mailbox, or with an empty name all, a new UIDVALIDITY: clients
// forget what they know of it.
func (a *Account) BumpUIDValidity(ctx context.Context, name string) (Repaired, error) {
	return a.eachBox(ctx, name, 0, "bumping UIDVALIDITY", func(f *fixer, b *mailbox) error {
		old := b.UIDValidity
		if err := f.newValidity(b); err != nil {
			return err
		}
		f.r.fixed("uids", "mailbox %q: UIDVALIDITY was %d: it is %d now", b.Name, old, f.t.uidvalidity)
		return nil
	})
}

// ReassignUIDs numbers the messages of a mailbox, or of all when id is 0, from 1 in their
// order, with a new UIDVALIDITY.
func (a *Account) ReassignUIDs(ctx context.Context, id MailboxID) (Repaired, error) {
	return a.eachBox(ctx, "", id, "reassigning UIDs", func(f *fixer, b *mailbox) error {
		if err := f.reassign(b); err != nil {
			return err
		}
		f.r.fixed("uids", "mailbox %q: %d messages have new UIDs, UIDVALIDITY is %d now", b.Name, b.Messages, f.t.uidvalidity)
		return nil
	})
}

// eachBox runs a repair for the mailboxes selected.
func (a *Account) eachBox(ctx context.Context, name string, id MailboxID, doing string, fn func(*fixer, *mailbox) error) (Repaired, error) {
	var r Repaired
	if name != "" {
		m, ok := a.MailboxByName(name)
		if !ok {
			return r, fmt.Errorf("%s: %w", doing, ErrNoMailbox)
		}
		id = m.ID
	}
	err := a.alone(ctx, &r, func(f *fixer) error {
		slices.SortFunc(f.boxes, func(x, y *mailbox) int { return int(x.ID - y.ID) })
		some := false
		for _, b := range f.boxes {
			if id != 0 && b.ID != id {
				continue
			}
			some = true
			if err := fn(f, b); err != nil {
				return err
			}
		}
		if !some {
			return ErrNoMailbox
		}
		return nil
	})
	if err != nil {
		return Repaired{}, fmt.Errorf("%s: %w", doing, err)
	}
	return r, nil
}
