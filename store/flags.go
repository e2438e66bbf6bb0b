package store

import (
	"context"
	"fmt"
)

// withBox runs an operation that needs the messages of a mailbox in memory.
func (a *Account) withBox(ctx context.Context, id MailboxID, fn func() error) error {
	b, err := a.OpenBox(ctx, id)
	if err != nil {
		return err
	}
	defer b.Close()
	return fn()
}

// messages calls f for each message of v in set.
func (v *View) messages(set UIDSet, f func(i int, m *Message)) {
	for _, r := range set {
		from, _ := v.Find(r.Start)
		for i, m := range v.Range(from, v.n) {
			if m.UID > r.End {
				break
			}
			f(i, m)
		}
	}
}

// SetFlags changes flags and keywords of the messages in set; UIDs that do not exist
// are passed over. Messages that it would not change keep their ModSeq.
func (a *Account) SetFlags(ctx context.Context, box MailboxID, set UIDSet, c FlagChange) (FlagResult, error) {
	var r FlagResult
	var err error
	if c.Flags, c.Keywords, err = normalFlags(c.Flags, c.Keywords); err != nil {
		return r, fmt.Errorf("setting flags: %w", err)
	}
	err = a.withBox(ctx, box, func() error {
		return a.do(ctx, 64*set.Len()/8, func(t *tx) (err error) {
			r, err = t.setFlags(box, set.Normal(), &c)
			return err
		})
	})
	if err != nil {
		return FlagResult{}, fmt.Errorf("setting flags: %w", err)
	}
	return r, nil
}

func (t *tx) setFlags(box MailboxID, set UIDSet, c *FlagChange) (FlagResult, error) {
	var r FlagResult
	b, err := t.box(box)
	if err != nil {
		return r, err
	}
	v, err := t.view(box)
	if err != nil {
		return r, err
	}
	var edits []edit
	change := t.keywordChange(c)
	v.messages(set, func(i int, m *Message) {
		if err != nil {
			return
		}
		if c.UnchangedSince != nil && m.ModSeq > *c.UnchangedSince {
			r.Modified.Add(m.UID)
			return
		}
		n := *m
		n.Flags = c.apply(m.Flags)
		if n.Keywords, err = change(m.Keywords); err == nil && (n.Flags != m.Flags || n.Keywords != m.Keywords) {
			edits = append(edits, edit{i, n})
			t.judged(m.Flags ^ n.Flags)
		}
	})
	if err != nil || len(edits) == 0 {
		return r, err
	}
	r.ModSeq, r.Changed = t.next(), len(edits)
	if err := t.writeEdits(b, v, edits); err != nil {
		return r, err
	}
	return r, t.logEdits(b.ID, edits)
}

// writeEdits gives changed messages of a mailbox, whose view is v, the operation's ModSeq and
// writes them.
func (t *tx) writeEdits(b *mailbox, v *View, edits []edit) error {
	for i := range edits {
		edits[i].msg.ModSeq = t.next()
	}
	t.mutedEdited(v, edits)
	if err := t.updateFlags(b, edits); err != nil {
		return err
	}
	t.replaced(*b, func(b *mailbox) *View { return v.withChanged(b, edits) })
	return nil
}

func (c *FlagChange) apply(f Flags) Flags {
	n := c.Flags
	switch c.Op {
	case FlagsAdd:
		n |= f
	case FlagsRemove:
		n = f &^ c.Flags
	}
	return n&^c.Limit.Flags | f&c.Limit.Flags
}

// updateFlags writes runs of messages that get the same flags, a statement for each run.
func (t *tx) updateFlags(b *mailbox, edits []edit) error {
	for i := 0; i < len(edits); {
		first, j := &edits[i], i+1
		for j < len(edits) && edits[j].index == first.index+j-i && edits[j].msg.Flags == first.msg.Flags && edits[j].msg.Keywords == first.msg.Keywords {
			j++
		}
		err := t.c.ExecInts("UPDATE message SET modseq=?, flags=?, keywords=? WHERE mailbox_id=? AND uid BETWEEN ? AND ?",
			int64(t.seq), int64(first.msg.Flags), int64(first.msg.Keywords), int64(b.ID), int64(first.msg.UID), int64(edits[j-1].msg.UID))
		if err != nil {
			return err
		}
		if err := t.expect(j-i, "flags"); err != nil {
			return err
		}
		i = j
	}
	return nil
}

// expect checks that a statement touched as many rows as the view has messages.
func (t *tx) expect(n int, what string) error {
	if got := t.c.Changes(); got != int64(n) {
		return fmt.Errorf("%w: changing %s: %d rows where the mailbox has %d messages", ErrCorrupt, what, got, n)
	}
	return nil
}

// keywordChange returns a function from the old to the new keyword set, computed once
// for each old one.
func (t *tx) keywordChange(c *FlagChange) func(KeywordSet) (KeywordSet, error) {
	known := map[KeywordSet]KeywordSet{}
	return func(old KeywordSet) (KeywordSet, error) {
		if c.Limit.Keywords || len(c.Keywords) == 0 && c.Op != FlagsReplace {
			return old, nil
		}
		if n, ok := known[old]; ok {
			return n, nil
		}
		n, err := t.intern(changeWords(c.Op, t.words(old), c.Keywords))
		if err == nil {
			known[old] = n
		}
		return n, err
	}
}
