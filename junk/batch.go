package junk

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"mox/classifier"
	"mox/db"
	"mox/message"
	"mox/store"
	"mox/trace"
)

// facts are what an example has of its message.
type facts struct {
	signals []signal
	words   []uint64 // keys, ascending
	counted bool     // words were taken
}

// delta is a change of counters.
type delta struct{ ham, junk int32 }

func (d *delta) add(c class, n int32) {
	if c == spam {
		d.junk += n
	} else {
		d.ham += n
	}
}

// batch gathers changes of examples and makes them in one transaction.
type batch struct {
	a      *account
	ops    []func(*db.Conn) error
	remade *remake
	taken  map[int64]bool // examples that are moved or removed

	// Of the transaction.
	words                         map[uint64]delta
	total                         delta
	added, removed, changed, anew int
}

// add makes an example of a message.
func (b *batch) add(ctx context.Context, box store.MailboxID, m *store.Message, c class) error {
	twin, gone, err := b.twin(ctx, m)
	if err != nil {
		return err
	}
	msg := *m
	switch {
	case gone:
		// The message was moved: its example goes with it.
		b.take(twin.id)
		b.ops = append(b.ops, func(conn *db.Conn) error {
			return conn.ExecInts("UPDATE example SET mailbox_id=?, uid=? WHERE id=?", int64(box), int64(msg.UID), twin.id)
		})
		if twin.class() != c {
			b.flip(twin.id, c)
		}
		return nil
	case twin.id != 0 && !b.a.remake.awaits(twin.id):
		b.ops = append(b.ops, func(conn *db.Conn) error {
			_, f, _, err := readExample(conn, twin.id)
			if err != nil {
				return err
			}
			return b.insert(conn, box, &msg, c, f)
		})
		return nil
	}
	f, err := b.a.facts(ctx, m.Body)
	if errors.Is(err, store.ErrNoBody) {
		return nil // the message goes
	} else if err != nil {
		return err
	}
	b.ops = append(b.ops, func(conn *db.Conn) error { return b.insert(conn, box, &msg, c, f) })
	return nil
}

// twin looks for an example of the same content; gone says that its message is not there
// any more. Its id is 0 when there is none.
func (b *batch) twin(ctx context.Context, m *store.Message) (twin existing, gone bool, err error) {
	var list []existing
	err = b.a.read(ctx, func(c *db.Conn) error {
		rows := c.QueryInts("SELECT id, mailbox_id, uid, junk FROM example WHERE body_id=? AND received=? LIMIT 8", int64(m.Body), int64(m.Received))
		list = scanExamples(nil, rows)
		return rows.Close()
	})
	if err != nil {
		return twin, false, err
	}
	for _, e := range list {
		if b.taken[e.id] {
			continue
		}
		msgs, err := b.a.acc.MessagesAt(ctx, e.box, store.NewUIDSet(e.uid))
		if err != nil && !errors.Is(err, store.ErrNoMailbox) {
			return twin, false, err
		}
		if len(msgs) == 0 {
			return e, true, nil
		}
		twin = e
	}
	return twin, false, nil
}

// take notes that the batch moves or removes an example: nothing else may then be done to it
// for its old place.
func (b *batch) take(id int64) {
	if b.taken == nil {
		b.taken = map[int64]bool{}
	}
	b.taken[id] = true
}

// remove takes an example back.
func (b *batch) remove(id int64) {
	if b.taken[id] {
		return // it went with its message
	}
	b.take(id)
	b.ops = append(b.ops, func(c *db.Conn) error {
		cl, f, received, err := readExample(c, id)
		if err != nil {
			return err
		}
		b.count(cl, f, -1)
		b.removed++
		for _, s := range f.signals {
			if err := c.ExecInts("DELETE FROM signal WHERE key=? AND time=? AND example=?", s.key, received, id); err != nil {
				return err
			}
		}
		return c.ExecInts("DELETE FROM example WHERE id=?", id)
	})
}

// flip makes an example one of the other class.
func (b *batch) flip(id int64, to class) {
	b.ops = append(b.ops, func(c *db.Conn) error {
		cl, f, received, err := readExample(c, id)
		if err != nil {
			return err
		}
		if cl == to {
			return nil
		}
		b.count(cl, f, -1)
		b.count(to, f, 1)
		b.changed++
		junk := int64(to - ham)
		for _, s := range f.signals {
			if err := c.ExecInts("UPDATE signal SET junk=? WHERE key=? AND time=? AND example=?", junk, s.key, received, id); err != nil {
				return err
			}
		}
		return c.ExecInts("UPDATE example SET junk=? WHERE id=?", junk, id)
	})
}

// remake makes an example anew of its content, where that is still there.
func (b *batch) remake(ctx context.Context, id int64, body store.BodyID) error {
	f, err := b.a.facts(ctx, body)
	if errors.Is(err, store.ErrNoBody) {
		return nil
	} else if err != nil {
		return err
	}
	b.ops = append(b.ops, func(c *db.Conn) error {
		cl, old, received, err := readExample(c, id)
		if err != nil {
			return err
		}
		b.count(cl, old, -1)
		b.count(cl, f, 1)
		b.anew++
		for _, s := range old.signals {
			if err := c.ExecInts("DELETE FROM signal WHERE key=? AND time=? AND example=?", s.key, received, id); err != nil {
				return err
			}
		}
		if err := insertSignals(c, id, received, cl, f.signals); err != nil {
			return err
		}
		return c.Exec("UPDATE example SET signals=?, words=? WHERE id=?", packSignals(f.signals), f.packWords(), id)
	})
	return nil
}

func (b *batch) insert(c *db.Conn, box store.MailboxID, m *store.Message, cl class, f facts) error {
	err := c.Exec("INSERT INTO example (mailbox_id, uid, body_id, junk, received, signals, words) VALUES (?,?,?,?,?,?,?)",
		int64(box), int64(m.UID), int64(m.Body), int64(cl-ham), int64(m.Received), packSignals(f.signals), f.packWords())
	if err != nil {
		return err
	}
	b.count(cl, f, 1)
	b.added++
	return insertSignals(c, c.LastRowID(), int64(m.Received), cl, f.signals)
}

func insertSignals(c *db.Conn, id, received int64, cl class, list []signal) error {
	for _, s := range list {
		if err := c.ExecInts("INSERT OR REPLACE INTO signal (key, time, example, junk, who) VALUES (?,?,?,?,?)", s.key, received, id, int64(cl-ham), s.who); err != nil {
			return err
		}
	}
	return nil
}

// packWords is for the column: nil, which is NULL, when words were not taken.
func (f *facts) packWords() any {
	if !f.counted {
		return nil
	}
	return packHashes(f.words)
}

// count adds the words of an example to the changes of the transaction, or takes them off.
func (b *batch) count(cl class, f facts, n int32) {
	if !f.counted {
		return
	}
	b.total.add(cl, n)
	for _, w := range f.words {
		d := b.words[w]
		d.add(cl, n)
		b.words[w] = d
	}
}

var errNoExample = errors.New("no such example")

func readExample(c *db.Conn, id int64) (cl class, f facts, received int64, err error) {
	rows := c.QueryInts("SELECT junk, received, signals, words FROM example WHERE id=?", id)
	ok := rows.Next()
	if ok {
		cl, received = ham+class(rows.Int64(0)&1), rows.Int64(1)
		f.signals, err = unpackSignals(rows.Bytes(2))
		if f.counted = !rows.Null(3); f.counted && err == nil {
			f.words, err = unpackHashes(rows.Bytes(3))
		}
	}
	if e := rows.Close(); e != nil {
		err = e
	}
	if err == nil && !ok {
		err = errNoExample
	}
	return cl, f, received, err
}

// apply makes the changes, with how far the change log was followed, and then in memory.
func (b *batch) apply(ctx context.Context) error {
	if len(b.ops) == 0 && b.remade == nil {
		return nil
	}
	a := b.a
	seq := a.seq.Load()
	a.words.writing.Lock()
	defer a.words.writing.Unlock()
	err := a.write(ctx, func(c *db.Conn) error {
		b.words, b.total = map[uint64]delta{}, delta{}
		b.added, b.removed, b.changed, b.anew = 0, 0, 0, 0
		for _, op := range b.ops {
			if err := op(c); err != nil {
				return err
			}
		}
		maps.DeleteFunc(b.words, func(_ uint64, d delta) bool { return d == delta{} })
		if err := b.writeWords(c); err != nil {
			return err
		}
		if r := b.remade; r != nil {
			if err := c.ExecInts("UPDATE state SET remake_next=? WHERE id=1", r.next); err != nil {
				return err
			}
		}
		return c.ExecInts("UPDATE state SET modseq=?, ham=ham+?, junk=junk+? WHERE id=1", seq, int64(b.total.ham), int64(b.total.junk))
	})
	if err != nil {
		return err
	}
	a.saved = store.ModSeq(seq)
	if b.remade != nil {
		a.remake = *b.remade
	}
	a.words.apply(&a.m.memory, b.words, b.total)
	b.report()
	return nil
}

func (b *batch) report() {
	for what, n := range map[string]int{"added": b.added, "removed": b.removed, "changed": b.changed, "remade": b.anew} {
		if n > 0 {
			b.a.m.c.Metrics.Trained(what, n)
		}
	}
	b.a.m.c.Log.Debug("learned from messages", "account", b.a.name, "added", b.added, "removed", b.removed, "changed", b.changed, "remade", b.anew)
}

// writeWords writes the changed counters, in the order of the table.
func (b *batch) writeWords(c *db.Conn) error {
	for _, w := range slices.Sorted(maps.Keys(b.words)) {
		d := b.words[w]
		var err error
		if d.ham >= 0 && d.junk >= 0 {
			err = c.ExecInts("INSERT INTO word (hash, ham, junk) VALUES (?,?,?) ON CONFLICT (hash) DO UPDATE SET ham=ham+excluded.ham, junk=junk+excluded.junk", int64(w), int64(d.ham), int64(d.junk))
		} else {
			err = c.ExecInts("UPDATE word SET ham=max(0, ham+?), junk=max(0, junk+?) WHERE hash=?", int64(d.ham), int64(d.junk), int64(w))
			if err == nil {
				err = c.ExecInts("DELETE FROM word WHERE hash=? AND ham=0 AND junk=0", int64(w))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// facts reads what an example has of its content. ErrNoBody when that is gone; of content
// that is damaged there is less.
func (a *account) facts(ctx context.Context, body store.BodyID) (facts, error) {
	var f facts
	for r, err := range a.acc.Rendered(ctx, []*store.Message{{Body: body}}, store.FieldTrace, false) {
		if errors.Is(err, store.ErrCorrupt) {
			return f, nil
		} else if err != nil {
			return f, err
		}
		if r.Gone {
			return f, store.ErrNoBody
		}
		// A message without trace has no sender: a client appended it, or it was imported.
		if t, err := trace.Decode(r.Trace); err == nil {
			f.signals = signalsOf(t.Facts.Mailbox, t.Facts.Sender())
		}
	}
	params := a.m.c.Params(a.name)
	if params == nil {
		return f, nil
	}
	br, err := a.acc.OpenBody(ctx, body)
	if errors.Is(err, store.ErrCorrupt) {
		return f, nil
	} else if err != nil {
		return f, err
	}
	defer br.Close()
	// Parsed as for judging: the stored tree of parts has no envelopes, which tell something too.
	part, err := message.Parse(io.NewSectionReader(br, 0, br.Size()), message.Limits{})
	z := a.m.tokenizer()
	defer a.m.tokenizers.Put(z)
	var tokens []classifier.Token
	if err == nil {
		tokens, err = z.Tokens(ctx, part, br, options(&params.Params))
	}
	switch {
	case ctx.Err() != nil:
		return f, ctx.Err()
	case errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrNoBody):
		return f, err
	case err != nil:
		a.m.c.Log.Warn("learning from a message without its words", "account", a.name, "err", err)
		return f, nil
	}
	hashes := make([]uint64, len(tokens))
	for i := range tokens {
		hashes[i] = tokens[i].Hash
	}
	f.words, f.counted = sortedKeys(hashes), true
	return f, nil
}
