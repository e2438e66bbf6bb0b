package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"mox/db"
)

// maxProblems bounds what a check reports.
const maxProblems = 100

// checker gathers what is wrong.
type checker struct {
	c        *db.Conn
	found    []Problem
	boxes    map[MailboxID]*mailbox
	counters counters
	expunged map[MailboxID]UIDSet
	held     map[BodyID]int64 // references of expunged messages
	heldIDs  map[MessageID]bool
	keywords map[KeywordSet]bool
}

func (k *checker) problem(area, format string, args ...any) {
	if len(k.found) < maxProblems {
		k.found = append(k.found, Problem{area, fmt.Sprintf(format, args...)})
	}
}

// Check looks for anything that is wrong with the account: the file's structure, the
// totals, references to bodies, the order of UIDs and ModSeqs, missing chunks, and
// whether what is in memory is what is stored. Others go on working meanwhile. Nothing
// found is nil.
func (a *Account) Check(ctx context.Context) ([]Problem, error) { return a.check(ctx, false) }

// CheckDeep is Check, and also reads all content and compares its hashes.
func (a *Account) CheckDeep(ctx context.Context) ([]Problem, error) { return a.check(ctx, true) }

func (a *Account) check(ctx context.Context, deep bool) ([]Problem, error) {
	lines, err := a.db.IntegrityCheck(ctx, maxProblems)
	if err != nil {
		return nil, a.fail(fmt.Errorf("checking account: %w", err))
	}
	k := &checker{}
	for _, l := range lines {
		k.problem("database", "%s", l)
	}
	if len(lines) > 0 {
		return k.found, nil // what follows would only fail
	}
	steps := []func() error{k.readBoxes, k.checkCounts, k.checkExpunged, k.checkMessages, k.checkReferences, k.checkChunks, k.checkRows, k.checkAnnotations}
	if deep {
		steps = append(steps, func() error { return k.checkContent(a.s.codec) })
	}
	err = a.db.ReadLong(ctx, func(c *db.Conn) error {
		k.c = c
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = a.checkMemory(ctx, k)
	}
	if errors.Is(err, ErrCorrupt) || errors.Is(err, db.ErrCorrupt) {
		k.problem("database", "%v", err)
		err = nil
	}
	if err != nil {
		return k.found, a.fail(fmt.Errorf("checking account: %w", err))
	}
	return k.found, nil
}

// each calls f for each row.
func (k *checker) each(sql string, f func(*db.Stmt) error) error {
	rows := k.c.Query(sql)
	var err error
	for err == nil && rows.Next() {
		err = f(rows)
	}
	return cmp.Or(err, rows.Close())
}

func (k *checker) readBoxes() error {
	a := &Account{boxes: map[MailboxID]*mailbox{}, names: map[string]MailboxID{}, keywords: newKeywords(), subs: map[string]bool{}}
	if err := a.readState(k.c); err != nil {
		return err
	}
	k.boxes, k.counters = a.boxes, a.counters
	k.keywords = map[KeywordSet]bool{0: true}
	for id := range a.keywords.byID {
		k.keywords[id] = true
	}
	validity := map[uint32]MailboxID{}
	for _, b := range k.boxes {
		if _, err := NormalName(b.Name); err != nil {
			k.problem("mailbox", "%d: name: %v", b.ID, err)
		}
		for _, p := range parents(b.Name) {
			if a.names[p] == 0 {
				k.problem("mailbox", "%d: %q has no parent %q", b.ID, b.Name, p)
			}
		}
		if other, ok := validity[b.UIDValidity]; ok {
			k.problem("uids", "mailbox %d: UIDVALIDITY %d is that of mailbox %d too", b.ID, b.UIDValidity, other)
		} else if b.UIDValidity == 0 {
			k.problem("uids", "mailbox %d: UIDVALIDITY is 0", b.ID)
		} else if b.UIDValidity > k.counters.uidvalidity {
			k.problem("uids", "mailbox %d: UIDVALIDITY %d is ahead of the account's, %d", b.ID, b.UIDValidity, k.counters.uidvalidity)
		}
		validity[b.UIDValidity] = b.ID
		if b.ID >= k.counters.nextMailbox || b.ModSeq > k.counters.modseq || b.Created > b.ModSeq {
			k.problem("modseq", "mailbox %d: id or modseq is ahead of the account's", b.ID)
		}
	}
	if a.names[Inbox] == 0 {
		k.problem("mailbox", "there is no Inbox")
	}
	return k.each("SELECT DISTINCT mailbox_id FROM acl", func(r *db.Stmt) error {
		if id := MailboxID(r.Int64(0)); k.boxes[id] == nil {
			k.problem("acl", "access control list of mailbox %d, which does not exist", id)
		}
		return nil
	})
}

func (k *checker) checkCounts() error {
	seen := map[MailboxID]bool{}
	err := k.each("SELECT mailbox_id, count(*), sum(flags&1=0), sum(flags&8<>0), sum(size), sum(CASE WHEN flags&8<>0 THEN size ELSE 0 END), max(uid), max(modseq), min(uid) FROM message GROUP BY mailbox_id", func(r *db.Stmt) error {
		id := MailboxID(r.Int64(0))
		b := k.boxes[id]
		if b == nil {
			k.problem("mailbox", "%d messages are in mailbox %d, which does not exist", r.Int64(1), id)
			return nil
		}
		seen[id] = true
		got := Counts{Messages: uint32(r.Int64(1)), Unseen: uint32(r.Int64(2)), Deleted: uint32(r.Int64(3)), Size: r.Int64(4), DeletedSize: r.Int64(5)}
		if got != b.Counts {
			k.problem("counts", "mailbox %d: it has %s, noted are %s", id, got.text(), b.Counts.text())
		}
		if UID(r.Int64(6)) >= b.UIDNext {
			k.problem("uids", "mailbox %d: UID %d is not below UIDNEXT %d", id, r.Int64(6), b.UIDNext)
		}
		if r.Int64(8) < 1 || r.Int64(6) >= 1<<32 {
			k.problem("uids", "mailbox %d: UIDs from %d to %d cannot be", id, r.Int64(8), r.Int64(6))
		}
		if ModSeq(r.Int64(7)) > b.ModSeq {
			k.problem("modseq", "mailbox %d: message of %d is ahead of HIGHESTMODSEQ %d", id, r.Int64(7), b.ModSeq)
		}
		return nil
	})
	for id, b := range k.boxes {
		if !seen[id] && b.Counts != (Counts{}) {
			k.problem("counts", "mailbox %d: it is empty, noted are %s", id, b.Counts.text())
		}
	}
	return err
}

func (k *checker) checkExpunged() error {
	k.expunged, k.held = map[MailboxID]UIDSet{}, map[BodyID]int64{}
	err := k.each("SELECT mailbox_id, modseq, uids FROM expunge", func(r *db.Stmt) error {
		id := MailboxID(r.Int64(0))
		set, err := unpackUIDs(nil, r.Bytes(2))
		if err != nil {
			return err
		}
		k.expunged[id] = append(k.expunged[id], set...)
		if ModSeq(r.Int64(1)) > k.counters.modseq {
			k.problem("modseq", "expunge log: %d is ahead of the account", r.Int64(1))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return k.each("SELECT messages FROM held", func(r *db.Stmt) error {
		msgs, err := unpackMessages(r.Bytes(0))
		for _, m := range msgs {
			k.held[m.Body]++
		}
		return err
	})
}

func (k *checker) checkMessages() error {
	for id, set := range k.expunged {
		k.expunged[id] = set.Normal()
	}
	err := k.each("SELECT mailbox_id, uid, id, body_id, keywords FROM message", func(r *db.Stmt) error {
		box, uid := MailboxID(r.Int64(0)), UID(r.Int64(1))
		if k.expunged[box].Contains(uid) {
			k.problem("uids", "mailbox %d: UID %d is there and expunged", box, uid)
		}
		if MessageID(r.Int64(2)) >= k.counters.nextMessage || BodyID(r.Int64(3)) >= k.counters.nextBody {
			k.problem("ids", "mailbox %d: UID %d has an id that was not given yet", box, uid)
		}
		if !k.keywords[KeywordSet(r.Int64(4))] {
			k.problem("keywords", "mailbox %d: UID %d has keyword set %d, which does not exist", box, uid, r.Int64(4))
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = k.each("SELECT m.mailbox_id, m.uid, m.size, b.size FROM message m JOIN body b ON b.id=m.body_id WHERE m.size<>b.size", func(r *db.Stmt) error {
		k.problem("sizes", "mailbox %d: UID %d has %d bytes, noted are %d", r.Int64(0), r.Int64(1), r.Int64(3), r.Int64(2))
		return nil
	})
	if err != nil {
		return err
	}
	return k.each("SELECT id FROM message GROUP BY id HAVING count(*)>1", func(r *db.Stmt) error {
		k.problem("ids", "message id %d is used more than once", r.Int64(0))
		return nil
	})
}

// checkReferences compares the references of bodies with the messages there are.
func (k *checker) checkReferences() error {
	users := k.c.Query("SELECT body_id, count(*) FROM message GROUP BY body_id ORDER BY body_id")
	defer users.Close()
	more := users.Next()
	err := k.each("SELECT id, refs FROM body ORDER BY id", func(r *db.Stmt) error {
		id := BodyID(r.Int64(0))
		for more && BodyID(users.Int64(0)) < id {
			k.problem("references", "body %d of %d messages does not exist", users.Int64(0), users.Int64(1))
			more = users.Next()
		}
		want := k.held[id]
		delete(k.held, id)
		if more && BodyID(users.Int64(0)) == id {
			want += users.Int64(1)
			more = users.Next()
		}
		if want != r.Int64(1) {
			k.problem("references", "body %d has %d references, stored are %d", id, want, r.Int64(1))
		}
		return nil
	})
	for ; more; more = users.Next() {
		k.problem("references", "body %d of %d messages does not exist", users.Int64(0), users.Int64(1))
	}
	for id := range k.held {
		k.problem("references", "body %d of an expunged message does not exist", id)
	}
	return err
}

// checkChunks compares the chunks there are with those that bodies should have.
func (k *checker) checkChunks() error {
	chunks := k.c.Query("SELECT id FROM chunk ORDER BY id")
	defer chunks.Close()
	more := chunks.Next()
	err := k.each("SELECT id, refs, size, prefix, location FROM body ORDER BY id", func(r *db.Stmt) error {
		id, size, prefix := BodyID(r.Int64(0)), r.Int64(2), r.Int64(3)
		for more && chunks.Int64(0) < chunkID(id, 0) {
			k.problem("chunks", "chunk %d belongs to no body", chunks.Int64(0))
			more = chunks.Next()
		}
		if r.Int64(4) != locationChunks { // damaged, there may be any
			for more && chunks.Int64(0) < chunkID(id+1, 0) {
				more = chunks.Next()
			}
			return nil
		}
		n := 0
		if prefix == 0 {
			n = 1
		}
		last := int((size - prefix + chunkSize - 1) / chunkSize)
		for ; n <= last; n++ {
			if more && chunks.Int64(0) == chunkID(id, n) {
				more = chunks.Next()
			} else if r.Int64(1) > 0 { // one that is being staged is not complete
				k.problem("chunks", "body %d lacks chunk %d of %d", id, n, last)
				break
			}
		}
		for more && chunks.Int64(0) < chunkID(id+1, 0) {
			k.problem("chunks", "body %d has a chunk too many: %d", id, chunks.Int64(0)%chunksOf)
			more = chunks.Next()
		}
		return nil
	})
	if err == nil && more {
		k.problem("chunks", "chunk %d belongs to no body", chunks.Int64(0))
	}
	return err
}

// checkRows looks for rows without partner.
func (k *checker) checkRows() error {
	for _, q := range []struct{ sql, text string }{
		{"SELECT b.id FROM body b LEFT JOIN body_env e ON e.id=b.id WHERE b.refs>0 AND b.location=0 AND e.id IS NULL", "body %d has no rendered data"},
		{"SELECT b.id FROM body b LEFT JOIN body_key e ON e.id=b.id WHERE b.refs>0 AND b.location=0 AND e.id IS NULL", "body %d has no sort keys"},
		{"SELECT e.id FROM body_env e LEFT JOIN body b ON e.id=b.id WHERE b.id IS NULL", "rendered data of body %d, which does not exist"},
		{"SELECT e.id FROM body_key e LEFT JOIN body b ON e.id=b.id WHERE b.id IS NULL", "sort keys of body %d, which does not exist"},
		{"SELECT l.body_id FROM lookup l LEFT JOIN body b ON l.body_id=b.id WHERE b.id IS NULL", "thread key of body %d, which does not exist"},
		{"SELECT u.mailbox_id FROM url_key u LEFT JOIN mailbox m ON m.id=u.mailbox_id WHERE u.account='' AND m.id IS NULL", "access key of mailbox %d, which does not exist"},
		{"SELECT e.mailbox_id FROM metadata e LEFT JOIN mailbox b ON e.mailbox_id=b.id WHERE e.mailbox_id<>0 AND b.id IS NULL", "metadata of mailbox %d, which does not exist"},
		{"SELECT e.modseq FROM metadata e JOIN account a WHERE e.modseq>a.modseq", "metadata of %d is ahead of the account"},
		{"SELECT DISTINCT c.id/" + strconv.Itoa(chunksOf) + " FROM upload_chunk c WHERE NOT EXISTS (SELECT 1 FROM upload u WHERE u.id=c.id/" + strconv.Itoa(chunksOf) + ")", "content of upload %d, which does not exist"},
		{"SELECT u.id FROM upload u JOIN account a WHERE u.id>=a.next_body", "the number of upload %d was not given yet"},
		{"SELECT c.modseq FROM change c JOIN account a WHERE c.modseq>a.modseq OR c.modseq<=a.change_floor", "change log entry %d is out of range"},
	} {
		err := k.each(q.sql, func(r *db.Stmt) error {
			k.problem("rows", q.text, r.Int64(0))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkAnnotations looks for annotations of messages that are nowhere, and compares the totals.
func (k *checker) checkAnnotations() error {
	if err := k.readHeldIDs(); err != nil {
		return err
	}
	err := k.each("SELECT DISTINCT message_id FROM annotation WHERE message_id NOT IN (SELECT id FROM message)", func(r *db.Stmt) error {
		if id := MessageID(r.Int64(0)); !k.heldIDs[id] {
			k.problem("rows", "annotations of message %d, which does not exist", id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return k.each("SELECT count(*), coalesce(sum(length(name)+coalesce(length(value), 0)), 0), coalesce(max(modseq), 0) FROM annotation", func(r *db.Stmt) error {
		if r.Int64(0) != k.counters.annotations || r.Int64(1) != k.counters.annotationSize {
			k.problem("counts", "there are %d annotations of %d bytes, noted are %d of %d bytes", r.Int64(0), r.Int64(1), k.counters.annotations, k.counters.annotationSize)
		}
		if ModSeq(r.Int64(2)) > k.counters.modseq {
			k.problem("modseq", "annotation of %d is ahead of the account", r.Int64(2))
		}
		return nil
	})
}

// readHeldIDs reads the ids of the messages that can be brought back.
func (k *checker) readHeldIDs() error {
	k.heldIDs = map[MessageID]bool{}
	return k.each("SELECT messages FROM held", func(r *db.Stmt) error {
		msgs, err := unpackMessages(r.Bytes(0))
		for _, m := range msgs {
			k.heldIDs[m.ID] = true
		}
		return err
	})
}

// checkContent reads every body and compares its hash.
func (k *checker) checkContent(codec *codec) error {
	err := k.each("SELECT id FROM body WHERE refs>0 AND location<>0", func(r *db.Stmt) error {
		k.problem(AreaQuarantine, "content %d was found damaged: it is not given out", r.Int64(0))
		return nil
	})
	if err != nil {
		return err
	}
	var raw []byte
	return k.each("SELECT id, size, prefix, hash FROM body WHERE refs>0 AND location=0", func(b *db.Stmt) error {
		id := b.Int64(0)
		content := sha256.New()
		var prefix []byte
		total := int64(0)
		rows := k.c.QueryInts("SELECT id, data FROM chunk WHERE id BETWEEN ? AND ? ORDER BY id", id*chunksOf, id*chunksOf+chunksOf-1)
		for rows.Next() {
			var err error
			if raw, err = codec.decode(raw[:0], rows.Bytes(1)); err != nil {
				k.problem("content", "body %d: %v", id, err)
			}
			total += int64(len(raw))
			if rows.Int64(0)%chunksOf == 0 {
				prefix = append(prefix, raw...)
			} else {
				content.Write(raw)
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		sum := sha256.Sum256(append(content.Sum(nil), prefix...))
		if total != b.Int64(1) || int64(len(prefix)) != b.Int64(2) || string(sum[:]) != string(b.Bytes(3)) {
			k.problem("content", "body %d is not what was stored: %d bytes of %d", id, total, b.Int64(1))
		}
		return nil
	})
}

// checkMemory compares what is in memory with the file, mailbox by mailbox, each at a
// moment between commits.
func (a *Account) checkMemory(ctx context.Context, k *checker) error {
	a.mu.RLock()
	var ids []MailboxID
	for id, e := range a.views {
		if e.live {
			ids = append(ids, id)
		}
	}
	a.mu.RUnlock()
	err := a.do(ctx, 0, func(t *tx) error {
		k.c = t.c
		return k.compareState(a)
	})
	for _, id := range ids {
		if err != nil {
			return err
		}
		err = a.do(ctx, 0, func(t *tx) error { return k.compareView(a, t, id) })
	}
	return err
}

// compareState runs when no other operation of the same commit has changed anything
// that is not yet in the file: operations write their rows at once, totals are compared
// as published.
func (k *checker) compareState(a *Account) error {
	if a.batch != nil && a.batch.dirty {
		return nil // totals are written at the end of the commit; another check will find them
	}
	f := &Account{boxes: map[MailboxID]*mailbox{}, names: map[string]MailboxID{}, keywords: newKeywords(), subs: map[string]bool{}}
	if err := f.readState(k.c); err != nil {
		return err
	}
	if f.counters != a.counters || f.used != a.used || f.count != a.count {
		k.problem("memory", "totals: %+v %d %d in the file, %+v %d %d in memory", f.counters, f.used, f.count, a.counters, a.used, a.count)
	}
	for id, b := range f.boxes {
		if m := a.boxes[id]; m == nil || !m.equal(b) {
			k.problem("memory", "mailbox %d: %+v in the file, %+v in memory", id, b, m)
		}
	}
	if len(f.boxes) != len(a.boxes) || len(f.names) != len(a.names) || len(f.subs) != len(a.subs) || len(f.keywords.byID) != len(a.keywords.byID) {
		k.problem("memory", "numbers of mailboxes, names, subscriptions or keyword sets differ")
	}
	return nil
}

func (k *checker) compareView(a *Account, t *tx, id MailboxID) error {
	if a.published(id) == nil || t.heads[id] != nil && t.heads[id].Deleted {
		return nil
	}
	if _, err := t.box(id); err != nil {
		return nil // deleted meanwhile
	}
	v, err := t.view(id)
	if err != nil {
		return nil // closed meanwhile
	}
	w := &View{Mailbox: id}
	if err := w.read(t.c, v.n); err != nil {
		return err
	}
	if w.n != v.n || w.counts != v.counts {
		k.problem("views", "mailbox %d: %d messages %+v in the file, %d %+v in memory", id, w.n, w.counts, v.n, v.counts)
		return nil
	}
	for i, m := range w.All() {
		if *v.At(i) != *m {
			k.problem("views", "mailbox %d: %+v in the file, %+v in memory", id, *m, *v.At(i))
		}
		if j, ok := v.Find(m.UID); !ok || j != i {
			k.problem("views", "mailbox %d: UID %d is not found at its place", id, m.UID)
		}
	}
	return nil
}
