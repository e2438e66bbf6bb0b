package store

import (
	"context"
	"errors"
	"fmt"

	"mox/db"
)

// Where the chunks of a body are, as in the table body.
const (
	locationChunks     = 0
	locationQuarantine = 1 // in the table chunk, but other than they were: not to be read
)

// Repairs selects what [Account.Repair] looks at.
type Repairs uint8

// What can be repaired.
const (
	// RepairRows: rows that belong to nothing, messages without content, references of
	// content, chunks, keywords, mailboxes.
	RepairRows Repairs = 1 << iota
	// RepairUIDs: UIDNEXT, UIDVALIDITY, mod-sequences, ids.
	RepairUIDs
	// RepairSizes: the sizes of content, by reading all of it, and of messages.
	RepairSizes
	// RepairCounts: the totals of mailboxes.
	RepairCounts
	// RepairContent: content that is not what was stored, by reading all of it, is no longer
	// given out: reading it fails with ErrDamaged.
	RepairContent
	// RepairRendered: what FETCH, SORT and searches need of a message, where it is missing.
	RepairRendered
	// RepairAllRendered is RepairRendered of all messages.
	RepairAllRendered
	// RepairThreads finds the threads of all messages anew.
	RepairThreads

	// RepairEverything is all but RepairAllRendered and RepairThreads, which change what is
	// not wrong.
	RepairEverything = RepairRows | RepairUIDs | RepairSizes | RepairCounts | RepairContent | RepairRendered
)

// Repaired is what a repair has done.
type Repaired struct {
	Fixes []Problem // what was changed, at most some thousand
	Total int       // number of fixes
	// Reset tells that messages of mailboxes that are in use have changed in ways that sessions
	// cannot follow: their views say that the mailbox is deleted. They should be ended.
	Reset bool
}

// maxFixes bounds the texts about what was done.
const maxFixes = 2000

func (r *Repaired) fixed(area, format string, args ...any) {
	if r.Total++; len(r.Fixes) < maxFixes {
		r.Fixes = append(r.Fixes, Problem{area, fmt.Sprintf(format, args...)})
	}
}

// Repair looks for what is wrong and repairs it, while others use the account: what belongs
// together changes in one operation, which keeps the account's other changes waiting for as
// long as it takes, some seconds where there are 100,000 messages. A file that SQLite itself
// finds damaged cannot be repaired: ErrCorrupt.
func (a *Account) Repair(ctx context.Context, what Repairs) (Repaired, error) {
	var r Repaired
	if what&(RepairRows|RepairContent) != 0 {
		lines, err := a.db.IntegrityCheck(ctx, 1)
		if err == nil && len(lines) > 0 {
			err = fmt.Errorf("%w: %s: restore it from a backup", ErrCorrupt, lines[0])
		}
		if err != nil {
			return r, a.fail(fmt.Errorf("repairing account: %w", err))
		}
	}
	var content []contentFix
	if what&(RepairSizes|RepairContent) != 0 {
		var err error
		if content, err = a.inspectContent(ctx); err != nil {
			return r, fmt.Errorf("repairing account: reading content: %w", err)
		}
	}
	err := a.alone(ctx, &r, func(f *fixer) error { return f.run(what, content) })
	if err == nil && what&(RepairRendered|RepairAllRendered) != 0 {
		err = a.renderAgain(ctx, &r, what&RepairAllRendered != 0)
	}
	if err == nil && what&RepairThreads != 0 {
		err = a.rethread(ctx, &r)
	}
	if err != nil {
		return r, fmt.Errorf("repairing account: %w", err)
	}
	return r, nil
}

// fixer is a repair in its operation. It changes rows, without what is in memory, which is
// read anew at its end.
type fixer struct {
	t     *tx
	c     *db.Conn
	r     Repaired
	boxes []*mailbox // as in the file
	seq   ModSeq     // of the repair, 0 until next is called
	reset map[MailboxID]bool
	// renewed has the mailboxes that have a new UIDVALIDITY, as messages had to go.
	renewed map[MailboxID]bool
}

// errNotAlone: other operations are in the same commit.
var errNotAlone = errors.New("commit has other operations")

// aloneSize is a weight with which nothing else gets into the commit.
const aloneSize = 1 << 30

// alone runs a repair as the only operation of a commit.
func (a *Account) alone(ctx context.Context, r *Repaired, fn func(*fixer) error) error {
	for {
		var done Repaired
		err := a.do(ctx, aloneSize, func(t *tx) error {
			if a.batch != nil {
				return errNotAlone
			}
			f := &fixer{t: t, c: t.c, reset: map[MailboxID]bool{}, renewed: map[MailboxID]bool{}}
			if err := f.readBoxes(); err != nil {
				return err
			}
			if err := fn(f); err != nil {
				return err
			}
			done = f.r
			if f.r.Total == 0 {
				return nil
			}
			done.Reset = len(f.reset) > 0
			return f.finish()
		})
		if errors.Is(err, errNotAlone) {
			continue
		}
		if err == nil {
			r.Fixes, r.Total, r.Reset = append(r.Fixes, done.Fixes...), r.Total+done.Total, r.Reset || done.Reset
		}
		return err
	}
}

// finish reads all state anew, for the commit's end.
func (f *fixer) finish() error {
	fresh := newAccount(f.t.a.s, f.t.a.name, f.t.a.dir)
	if err := fresh.readState(f.c); err != nil {
		return err
	}
	f.t.fresh, f.t.reset, f.t.dirty, f.t.released = fresh, f.reset, true, true
	return nil
}

// settleRepair makes the state that a repair left that of the account. a.mu is held.
func (a *Account) settleRepair(o *overlay) {
	n := o.fresh
	a.repairs++
	a.counters, a.boxes, a.names, a.keywords, a.subs, a.used, a.count = n.counters, n.boxes, n.names, n.keywords, n.subs, n.used, n.count
	a.muting = muting{changes: o.muting.changes + 1}
	for id, e := range a.views {
		if !o.reset[id] && a.boxes[id] != nil {
			continue
		}
		if !e.live {
			e.stale = true
			continue
		}
		old := e.view.Load()
		e.replace(&View{Mailbox: id, UIDValidity: old.UIDValidity, UIDNext: old.UIDNext, ModSeq: a.modseq, Deleted: true, superseded: make(chan struct{})})
		a.drop(e) // who opens it now gets the new one
	}
	for w := range a.watches {
		w.wake(a.modseq)
	}
	a.scheduleReap()
}

// readBoxes reads the mailboxes as they are in the file.
func (f *fixer) readBoxes() error {
	fresh := newAccount(f.t.a.s, f.t.a.name, f.t.a.dir)
	if err := fresh.readMailboxes(f.c); err != nil {
		return err
	}
	f.boxes = f.boxes[:0]
	for _, b := range fresh.boxes {
		f.boxes = append(f.boxes, b)
	}
	return nil
}

// next gives the repair its modseq.
func (f *fixer) next() (ModSeq, error) {
	if f.seq != 0 {
		return f.seq, nil
	}
	f.seq = f.t.next()
	return f.seq, f.c.ExecInts("UPDATE account SET modseq=? WHERE id=1", int64(f.seq))
}

func (f *fixer) run(what Repairs, content []contentFix) error {
	steps := []struct {
		of  Repairs
		fix func() error
	}{
		// First, for what is made here gets ids too.
		{RepairRows | RepairUIDs, f.fixCounters},
		{RepairRows, f.fixMailboxes},
		{RepairRows, f.fixMessages},
		{RepairRows, f.fixKeywords},
		{RepairRows, f.fixHeld},
		{RepairRows, f.fixReferences},
		{RepairRows, f.fixOrphans},
		{RepairRows, f.fixAnnotations},
		{RepairRows, f.fixChunks},
		{RepairSizes | RepairContent, func() error { return f.fixContent(what, content) }},
		{RepairSizes, f.fixSizes},
		{RepairUIDs, f.fixUIDs},
		// What was done may have changed totals.
		{RepairCounts | RepairSizes | RepairRows | RepairUIDs, f.fixCounts},
		{RepairCounts | RepairRows, f.fixAnnotationTotals},
	}
	for _, s := range steps {
		if what&s.of == 0 {
			continue
		}
		if err := s.fix(); err != nil {
			return err
		}
	}
	return nil
}

// rows reads the rows of a query of some integers.
func (f *fixer) rows(sql string, args ...int64) ([][6]int64, error) {
	var list [][6]int64
	rows := f.c.QueryInts(sql, args...)
	for rows.Next() {
		var r [6]int64
		for i := range r {
			r[i] = rows.Int64(i) // columns that are not there are 0
		}
		list = append(list, r)
	}
	return list, rows.Close()
}

// fixMailboxes makes Inbox, and mailboxes that messages or other mailboxes need.
func (f *fixer) fixMailboxes() error {
	names := map[string]bool{}
	for _, b := range f.boxes {
		names[b.Name] = true
	}
	add := func(id int64, name string) error {
		if names[name] {
			return nil
		}
		names[name] = true
		seq, err := f.next()
		if err != nil {
			return err
		}
		if id == 0 {
			n, _, err := f.c.QueryInt64("SELECT max(coalesce((SELECT max(id) FROM mailbox), 0), (SELECT next_mailbox-1 FROM account))")
			if err != nil {
				return err
			}
			id = n + 1
		}
		f.t.uidvalidity = max(f.t.uidvalidity+1, unix32(f.t.now))
		err = f.c.Exec("INSERT INTO mailbox (id, name, uidvalidity, uidnext, special_use, created, modseq, expunge_floor, messages, unseen, deleted, size, deleted_size) VALUES (?,?,?,1,0,?,?,?,0,0,0,0,0)",
			id, name, int64(f.t.uidvalidity), int64(seq), int64(seq), int64(seq))
		if err == nil {
			err = f.c.ExecInts("UPDATE account SET uidvalidity=?, next_mailbox=max(next_mailbox, ?) WHERE id=1", int64(f.t.uidvalidity), id+1)
		}
		if err != nil {
			return err
		}
		err = f.c.ExecInts("UPDATE mailbox SET uidnext=1+coalesce((SELECT max(uid) FROM message WHERE mailbox_id=?1), 0), modseq=max(modseq, coalesce((SELECT max(modseq) FROM message WHERE mailbox_id=?1), 0)) WHERE id=?1", id)
		if err != nil {
			return err
		}
		f.r.fixed("mailbox", "%q was missing: made", name)
		return f.t.logMailbox(MailboxCreated, MailboxID(id), name, "")
	}
	lost, err := f.rows("SELECT DISTINCT mailbox_id FROM message WHERE mailbox_id NOT IN (SELECT id FROM mailbox)")
	if err != nil {
		return err
	}
	for _, l := range lost {
		if err := add(l[0], fmt.Sprintf("Recovered %d", l[0])); err != nil {
			return err
		}
	}
	if err := add(0, Inbox); err != nil {
		return err
	}
	for _, b := range f.boxes {
		for _, p := range parents(b.Name) {
			if err := add(0, p); err != nil {
				return err
			}
		}
	}
	return f.readBoxes()
}

// fixMessages takes messages out that have no content, and gives messages their own ids.
func (f *fixer) fixMessages() error {
	lost, err := f.rows("SELECT mailbox_id, uid, body_id FROM message WHERE body_id NOT IN (SELECT id FROM body)")
	if err != nil {
		return err
	}
	gone := map[MailboxID][]Message{}
	for _, l := range lost {
		box, uid := MailboxID(l[0]), UID(l[1])
		if err := f.expunge(box, uid); err != nil {
			return err
		}
		gone[box] = append(gone[box], Message{UID: uid, Body: BodyID(l[2])})
		f.r.fixed("messages", "mailbox %d, UID %d: its content %d does not exist: it is removed", l[0], l[1], l[2])
	}
	// Who follows the change log hears of it.
	for box, msgs := range gone {
		f.t.seq = f.seq
		if err := f.t.logMessages(MessagesExpunged, box, msgs); err != nil {
			return err
		}
	}
	double, err := f.rows("SELECT mailbox_id, uid, id FROM message WHERE id IN (SELECT id FROM message GROUP BY id HAVING count(*)>1) ORDER BY id, mailbox_id, uid")
	if err != nil {
		return err
	}
	next, _, err := f.c.QueryInt64("SELECT max(next_message, coalesce((SELECT max(id)+1 FROM message), 1)) FROM account")
	if err != nil {
		return err
	}
	for i, d := range double {
		if i == 0 || double[i-1][2] != d[2] {
			continue
		}
		if err := f.c.ExecInts("UPDATE message SET id=? WHERE mailbox_id=? AND uid=?", next, d[0], d[1]); err != nil {
			return err
		}
		f.reset[MailboxID(d[0])] = true
		f.r.fixed("ids", "mailbox %d, UID %d: message id %d was used twice: it is %d now", d[0], d[1], d[2], next)
		next++
	}
	if len(double) > 0 {
		return f.c.ExecInts("UPDATE account SET next_message=max(next_message, ?) WHERE id=1", next)
	}
	return nil
}

// expunge removes a message's row. References are counted later.
func (f *fixer) expunge(box MailboxID, uid UID) error {
	seq, err := f.next()
	if err != nil {
		return err
	}
	f.reset[box] = true
	if err := f.c.ExecInts("DELETE FROM message WHERE mailbox_id=? AND uid=?", int64(box), int64(uid)); err != nil {
		return err
	}
	// What is told of by QRESYNC begins anew. Where it means something to take a message away,
	// its user has not done so.
	for _, b := range f.boxes {
		if b.ID == box && f.t.a.reserved(b, nil) != nil && !f.renewed[box] {
			f.renewed[box] = true
			if err := f.newValidity(b); err != nil {
				return err
			}
		}
	}
	return f.forgetExpunged(box, seq)
}

// forgetExpunged makes the log of a mailbox's expunged messages begin now.
func (f *fixer) forgetExpunged(box MailboxID, seq ModSeq) error {
	if err := f.c.ExecInts("DELETE FROM expunge WHERE mailbox_id=?", int64(box)); err != nil {
		return err
	}
	return f.c.ExecInts("UPDATE mailbox SET expunge_floor=?, modseq=max(modseq, ?) WHERE id=?", int64(seq), int64(seq), int64(box))
}

func (f *fixer) fixKeywords() error {
	lost, err := f.rows("SELECT mailbox_id, uid, keywords FROM message WHERE keywords<>0 AND keywords NOT IN (SELECT id FROM keyword_set)")
	if err != nil {
		return err
	}
	for _, l := range lost {
		if err := f.c.ExecInts("UPDATE message SET keywords=0 WHERE mailbox_id=? AND uid=?", l[0], l[1]); err != nil {
			return err
		}
		f.reset[MailboxID(l[0])] = true
		f.r.fixed("keywords", "mailbox %d, UID %d: its keywords (set %d) are lost: it has none now", l[0], l[1], l[2])
	}
	return nil
}

// fixHeld forgets expunged messages without content.
func (f *fixer) fixHeld() error {
	rows := f.c.Query("SELECT id, messages FROM held")
	have := map[BodyID]bool{}
	changed := map[int64][]Message{}
	var err error
	for err == nil && rows.Next() {
		var msgs, keep []Message
		id := rows.Int64(0)
		if msgs, err = unpackMessages(rows.Bytes(1)); err != nil {
			// The row cannot be read: what it holds is released.
			changed[id], err = nil, nil
			continue
		}
		for _, m := range msgs {
			there, known := have[m.Body]
			if !known {
				_, there, err = f.c.QueryInt64("SELECT 1 FROM body WHERE id=?", int64(m.Body))
				have[m.Body] = there
			}
			if there {
				keep = append(keep, m)
			}
		}
		if len(keep) < len(msgs) {
			changed[id] = keep
		}
	}
	if e := rows.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	for id, keep := range changed {
		if len(keep) == 0 {
			err = f.c.ExecInts("DELETE FROM held WHERE id=?", id)
		} else {
			err = f.c.Exec("UPDATE held SET messages=? WHERE id=?", appendMessages(nil, keep), id)
		}
		if err != nil {
			return err
		}
		f.r.fixed("references", "expunged messages whose content does not exist can not be brought back any more (%d)", id)
	}
	return nil
}

// fixReferences counts the references of bodies.
func (f *fixer) fixReferences() error {
	k := &checker{c: f.c}
	if err := k.checkExpunged(); err != nil {
		return err
	}
	want := k.held
	users, err := f.rows("SELECT body_id, count(*) FROM message GROUP BY body_id")
	if err != nil {
		return err
	}
	for _, u := range users {
		want[BodyID(u[0])] += u[1]
	}
	// Bodies with refs=0 may be about to be used: those that are freed in the future are left.
	bodies, err := f.rows("SELECT id, refs FROM body")
	if err != nil {
		return err
	}
	for _, b := range bodies {
		n := want[BodyID(b[0])]
		if n == b[1] {
			continue
		}
		if err := f.c.ExecInts("UPDATE body SET refs=?, freed=? WHERE id=?", n, f.t.now.Unix(), b[0]); err != nil {
			return err
		}
		f.r.fixed("references", "content %d has %d references, %d were noted", b[0], n, b[1])
	}
	return nil
}

// fixOrphans deletes rows of bodies that do not exist.
func (f *fixer) fixOrphans() error {
	for _, o := range []struct{ table, column, text string }{
		{"body_env", "id", "rendered data"}, {"body_key", "id", "sort keys"}, {"lookup", "body_id", "thread keys"},
	} {
		if err := f.c.ExecInts("DELETE FROM " + o.table + " WHERE " + o.column + " NOT IN (SELECT id FROM body)"); err != nil {
			return err
		}
		if n := f.c.Changes(); n > 0 {
			f.r.fixed("rows", "%d rows of %s belonged to nothing: deleted", n, o.text)
		}
	}
	for _, o := range []struct{ table, rows string }{
		{"acl", ""},
		{"metadata", "mailbox_id<>0 AND "}, // 0: of the account
		{"url_key", "account='' AND "},     // others are mailboxes of other accounts
	} {
		if err := f.c.Exec("DELETE FROM " + o.table + " WHERE " + o.rows + "mailbox_id NOT IN (SELECT id FROM mailbox)"); err != nil {
			return err
		}
		if n := f.c.Changes(); n > 0 {
			f.r.fixed("rows", "%d rows of %s belonged to no mailbox: deleted", n, o.table)
		}
	}
	if err := f.c.ExecInts("DELETE FROM change WHERE modseq<=(SELECT change_floor FROM account)"); err != nil {
		return err
	}
	if n := f.c.Changes(); n > 0 {
		f.r.fixed("rows", "%d entries of the change log were out of range: deleted", n)
	}
	return nil
}

// fixChunks deletes chunks that belong to nothing, and puts content out of use that lacks some.
func (f *fixer) fixChunks() error {
	chunks, err := f.rows("SELECT c.id FROM chunk c LEFT JOIN body b ON b.id=c.id/? WHERE b.id IS NULL", chunksOf)
	if err != nil {
		return err
	}
	for _, ch := range chunks {
		if err := f.c.ExecInts("DELETE FROM chunk WHERE id=?", ch[0]); err != nil {
			return err
		}
	}
	if len(chunks) > 0 {
		f.r.fixed("chunks", "%d chunks belonged to no content: deleted", len(chunks))
	}
	bodies, err := f.rows("SELECT b.id, b.size, b.prefix, count(c.id), min(c.id), max(c.id) FROM body b LEFT JOIN chunk c ON c.id BETWEEN b.id*65536 AND b.id*65536+65535 WHERE b.location=0 AND b.refs>0 GROUP BY b.id")
	if err != nil {
		return err
	}
	for _, b := range bodies {
		first, last := int64(1), (b[1]-b[2]+chunkSize-1)/chunkSize
		if b[2] > 0 {
			first = 0
		}
		n := last - first + 1
		if b[3] == n && (n == 0 || b[4] == b[0]*chunksOf+first && b[5] == b[0]*chunksOf+last) {
			continue
		}
		if b[3] > n { // one too many, or the size is wrong: reading it tells
			continue
		}
		if err := f.quarantine(b[0], fmt.Sprintf("%d of %d chunks are missing", n-b[3], n)); err != nil {
			return err
		}
	}
	return nil
}

// quarantine puts content out of use.
func (f *fixer) quarantine(body int64, why string) error {
	if err := f.c.ExecInts("UPDATE body SET location=? WHERE id=?", locationQuarantine, body); err != nil {
		return err
	}
	where, err := f.rows("SELECT mailbox_id, uid FROM message WHERE body_id=? LIMIT 1", body)
	if err != nil {
		return err
	}
	text := ""
	if len(where) > 0 {
		text = fmt.Sprintf(", of mailbox %d, UID %d", where[0][0], where[0][1])
	}
	f.r.fixed("content", "content %d%s: %s: it is not given out any more", body, text, why)
	return nil
}
