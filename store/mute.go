package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mox/db"
)

// KeywordMuted is the keyword, in whatever case, by which a user mutes a thread: while a message of it has the
// keyword, what is delivered into the thread gets it too, and \Seen. It counts in all mailboxes, Trash too, until
// the message is expunged. As in draft-ietf-mailmaint-messageflag-mailboxattribute.
const KeywordMuted = "$Muted"

// muting is which threads are muted. It is found out by one look at all messages when a message is delivered into
// an account that has a keyword set with KeywordMuted, and again after a change that may have made it another.
type muting struct {
	threads map[ThreadID]bool // of messages with KeywordMuted; nil: not known. Never written to.
	changes int               // counts what made it unknown
}

func hasMuted(words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, KeywordMuted) })
}

// readMuted reads which threads have a message with KeywordMuted. It goes through all messages.
func readMuted(c *db.Conn) (map[ThreadID]bool, error) {
	threads := map[ThreadID]bool{}
	rows := c.Query("SELECT DISTINCT thread FROM body WHERE id IN (SELECT body_id FROM message WHERE keywords IN (SELECT id FROM keyword_set WHERE ' '||lower(words)||' ' LIKE '% '||?||' %'))", strings.ToLower(KeywordMuted))
	for rows.Next() {
		threads[ThreadID(rows.Int64(0))] = true
	}
	return threads, rows.Close()
}

// lookMuted finds out which threads are muted, where that is needed and not known, for an operation to know it by
// [tx.knowMuted]: it would otherwise keep others waiting. ok is false where there is nothing to tell.
func (a *Account) lookMuted(ctx context.Context) (m muting, ok bool) {
	a.mu.RLock()
	m, ok = a.muting, len(a.keywords.muted) > 0 && a.muting.threads == nil
	a.mu.RUnlock()
	if !ok {
		return m, false
	}
	err := a.read(ctx, func(c *db.Conn) (err error) {
		m.threads, err = readMuted(c)
		return err
	})
	// After an error, the operation looks itself, and says what is wrong.
	return m, err == nil
}

// knowMuted takes what lookMuted found, unless something has changed since.
func (t *tx) knowMuted(m muting) {
	if t.muting.threads == nil && t.muting.changes == m.changes {
		t.muting.threads = m.threads
	}
}

// mutes tells whether any keyword set has KeywordMuted: else nothing is muted.
func (t *tx) mutes() bool {
	if len(t.a.keywords.muted) > 0 {
		return true
	}
	for words := range t.overlay.keywords {
		if hasMuted(strings.Fields(words)) {
			return true
		}
	}
	return false
}

// mutedSet tells whether a keyword set has KeywordMuted.
func (t *tx) mutedSet(set KeywordSet) bool {
	if set == 0 {
		return false
	}
	if _, ok := t.a.keywords.byID[set]; ok {
		return t.a.keywords.muted[set]
	}
	return hasMuted(t.words(set))
}

// mutedThread tells whether a message of a thread has KeywordMuted.
func (t *tx) mutedThread(thread ThreadID) (bool, error) {
	if !t.mutes() {
		return false, nil
	}
	if t.muting.threads == nil {
		threads, err := readMuted(t.c)
		if err != nil {
			return false, err
		}
		t.muting.threads = threads
	}
	return t.muting.threads[thread], nil
}

// forgetMuted makes unknown which threads are muted.
func (t *tx) forgetMuted() {
	t.muting.threads = nil
	t.muting.changes++
	t.dirty = true
}

// mutedMoved notes messages that came, otherwise than by addOne, or went.
func (t *tx) mutedMoved(msgs []Message) {
	if t.mutes() && slices.ContainsFunc(msgs, func(m Message) bool { return t.mutedSet(m.Keywords) }) {
		t.forgetMuted()
	}
}

// mutedEdited notes messages of a view that change.
func (t *tx) mutedEdited(v *View, edits []edit) {
	if t.mutes() && slices.ContainsFunc(edits, func(e edit) bool {
		old := v.At(e.index).Keywords
		return old != e.msg.Keywords && t.mutedSet(old) != t.mutedSet(e.msg.Keywords)
	}) {
		t.forgetMuted()
	}
}

// flagsIn returns flags and keywords of a message that is added to a thread.
func (t *tx) flagsIn(thread ThreadID, m *NewMessage) (Flags, KeywordSet, error) {
	muted := false
	if m.delivered {
		var err error
		if muted, err = t.mutedThread(thread); err != nil {
			return 0, 0, err
		}
	}
	if muted {
		kw, err := t.intern(append(slices.Clip(m.Keywords), KeywordMuted))
		if err == nil || !errors.Is(err, ErrLimit) && !errors.Is(err, ErrBadName) {
			return m.Flags | FlagSeen, kw, err
		}
		// There is no room for one more keyword, which is no reason to refuse mail.
		m = &NewMessage{Flags: m.Flags | FlagSeen, Keywords: m.Keywords}
	}
	kw, err := t.intern(m.Keywords)
	if err == nil && t.mutedSet(kw) && !t.muting.threads[thread] {
		t.forgetMuted()
	}
	return m.Flags, kw, err
}
