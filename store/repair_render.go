package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"mox/db"
	"mox/message"
)

// renderSome is how many bodies are rendered again in one operation.
const renderSome = 64

// renderAgain renders bodies: all, or those that lack something of it.
func (a *Account) renderAgain(ctx context.Context, r *Repaired, all bool) error {
	sql := "SELECT b.id FROM body b LEFT JOIN body_env e ON e.id=b.id LEFT JOIN body_key k ON k.id=b.id WHERE b.refs>0 AND b.location=0 AND (e.id IS NULL OR k.id IS NULL)"
	if all {
		sql = "SELECT id FROM body WHERE refs>0 AND location=0"
	}
	var ids []BodyID
	err := a.db.ReadLong(ctx, func(c *db.Conn) error {
		rows := c.Query(sql)
		for rows.Next() {
			ids = append(ids, BodyID(rows.Int64(0)))
		}
		return rows.Close()
	})
	if err != nil {
		return a.fail(err)
	}
	done := 0
	for some := range slices.Chunk(ids, renderSome) {
		if err := a.renderBodies(ctx, r, some, all, &done); err != nil {
			return err
		}
	}
	if all && done > 0 {
		r.fixed("rendered", "%d messages were parsed again", done)
	}
	return nil
}

// renderBodies renders some bodies in one operation.
func (a *Account) renderBodies(ctx context.Context, r *Repaired, ids []BodyID, all bool, done *int) error {
	ready := map[BodyID]*prepared{}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := a.readAgain(ctx, id)
		switch {
		case errors.Is(err, ErrNoBody): // gone, or damaged
		case err != nil:
			r.fixed("rendered", "content %d cannot be read: it was left as it is: %v", id, err)
		default:
			ready[id] = p
		}
	}
	var fixed []BodyID
	err := a.do(ctx, 0, func(t *tx) error {
		fixed = fixed[:0]
		for _, id := range ids {
			p := ready[id]
			if p == nil {
				continue
			}
			ok, err := t.renderBody(id, p)
			if err != nil {
				return err
			}
			if ok {
				fixed = append(fixed, id)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	*done += len(fixed)
	if !all {
		for _, id := range fixed {
			r.fixed("rendered", "content %d had no rendered data or sort keys: made anew", id)
		}
	}
	return nil
}

// readAgain prepares the content of a body as if it were to be added.
func (a *Account) readAgain(ctx context.Context, id BodyID) (*prepared, error) {
	prefix := int64(0)
	err := a.read(ctx, func(c *db.Conn) (err error) {
		prefix, _, err = c.QueryInt64("SELECT prefix FROM body WHERE id=?", int64(id))
		return err
	})
	if err != nil {
		return nil, err
	}
	b, err := a.OpenBody(ctx, id)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	m := &NewMessage{Prefix: make([]byte, prefix), Spool: a.NewSpool()}
	defer m.Spool.Close() // what was prepared stays
	if _, err := b.ReadAt(m.Prefix, 0); err != nil && err != io.EOF {
		return nil, err
	}
	if _, err := b.CopyRange(m.Spool, prefix, b.Size()-prefix); err != nil {
		return nil, err
	}
	if err := m.Spool.Finish(); err != nil {
		return nil, err
	}
	p, err := a.prepareMessage(m)
	if err != nil {
		return nil, err
	}
	return p, p.render()
}

// renderBody replaces what is rendered of a body. ok is false when it is gone.
func (t *tx) renderBody(id BodyID, p *prepared) (ok bool, err error) {
	rows := t.c.QueryInts("SELECT b.received, b.subject, e.trace, k.message_id, b.thread, e.headers FROM body b LEFT JOIN body_env e ON e.id=b.id LEFT JOIN body_key k ON k.id=b.id WHERE b.id=? AND b.refs>0", int64(id))
	var received, subject int64
	var thread ThreadID
	var msgID string
	var old threadKeys // as freeBody would find them
	if ok = rows.Next(); ok {
		received, subject, msgID, thread = rows.Int64(0), rows.Int64(1), rows.Text(3), ThreadID(rows.Int64(4))
		old.refs = referencesOf(rows.Bytes(5))
		if !rows.Null(2) {
			p.m.Trace = bytes.Clone(rows.Bytes(2))
		}
	}
	if err := rows.Close(); err != nil || !ok {
		return false, err
	}
	wanted := p.thread.wanted()
	keys := append([]int64{subject, p.thread.subject, p.thread.msgID}, append(old.wanted(), wanted...)...)
	if msgID != "" {
		keys = append(keys, hashKey("id", msgID))
	}
	waits := thread == ThreadID(id) // it is found by what it refers to
	for _, h := range keys {
		if err := t.c.ExecInts("DELETE FROM lookup WHERE hash=? AND body_id=?", h, int64(id)); err != nil {
			return false, err
		}
		waits = waits || t.c.Changes() > 0 && slices.Contains(old.wanted(), h)
	}
	for _, sql := range []string{"DELETE FROM body_env WHERE id=?", "DELETE FROM body_key WHERE id=?"} {
		if err := t.c.ExecInts(sql, int64(id)); err != nil {
			return false, err
		}
	}
	if err := t.c.ExecInts("UPDATE body SET subject=? WHERE id=?", p.thread.subject, int64(id)); err != nil {
		return false, err
	}
	if err := t.insertRendered(id, p, time.Unix(received, 0)); err != nil || !waits || p.c.tooLong {
		return true, err
	}
	return true, t.insertKeys(id, wanted)
}

// threadBody is what threads are found by, of one body.
type threadBody struct {
	id             BodyID
	thread         ThreadID
	box            MailboxID
	received       int64
	subject, msgID int64
	refs           []int64
	reply, report  bool
	begins         bool // it is the first of its thread
	long           bool // its header is not kept, so that nothing may wait for its refs
}

// wanted are the keys under which it waits for what it refers to, if it begins a thread.
func (b *threadBody) wanted() []int64 {
	if b.long {
		return nil
	}
	return (&threadKeys{refs: b.refs}).wanted()
}

// rethread finds the threads of all bodies anew, as if they were delivered in their order. Those
// that are as before keep their ids, see keepThreads. Messages that come meanwhile find theirs by what there was.
func (a *Account) rethread(ctx context.Context, r *Repaired) error {
	var bodies []threadBody
	err := a.db.ReadLong(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT b.id, b.thread, b.mailbox_id, b.received, b.subject, k.message_id, k.reply, e.headers FROM body b JOIN body_key k ON k.id=b.id JOIN body_env e ON e.id=b.id WHERE b.refs>0 ORDER BY b.id")
		for rows.Next() {
			b := threadBody{id: BodyID(rows.Int64(0)), thread: ThreadID(rows.Int64(1)), box: MailboxID(rows.Int64(2)), received: rows.Int64(3), subject: rows.Int64(4), reply: rows.Int64(6) != 0}
			if id := rows.Text(5); id != "" {
				b.msgID = hashKey("id", id)
			}
			if b.long = rows.Null(7); !b.long {
				b.readHeader(rows.Bytes(7))
			}
			bodies = append(bodies, b)
		}
		return rows.Close()
	})
	if err != nil {
		return a.fail(err)
	}
	if err := a.readLong(ctx, bodies); err != nil {
		return err
	}
	changes, changed := findThreads(bodies)
	for some := range slices.Chunk(changes, 1000) {
		err := a.do(ctx, 0, func(t *tx) error {
			for _, b := range some {
				if err := t.setThread(b); err != nil {
					return err
				}
			}
			t.forgetMuted()
			return nil
		})
		if err != nil {
			return err
		}
	}
	if changed == 0 {
		return nil
	}
	r.fixed("threads", "%d of %d messages are in another thread now", changed, len(bodies))
	return a.do(ctx, 0, func(t *tx) error {
		t.next()
		t.rethreaded = true
		return t.log(SettingChanged, 0, nil, nil, ThreadsFound, nil)
	})
}

// ThreadsFound is the name in an entry of the change log, as of a setting, that says that a repair has found the threads of all
// messages anew.
const ThreadsFound = "store/threads"

// findThreads sets the threads of bodies. It returns those to be written: the ones that are in another
// thread now, whose number is changed, and those that begin a thread named by another.
func findThreads(bodies []threadBody) (write []*threadBody, changed int) {
	t := threader{ids: map[int64][]int{}, subjects: map[int64][]int{}, wanted: map[int64][]int{}}
	old := make([]ThreadID, len(bodies))
	for i := range bodies {
		old[i] = bodies[i].thread
		bodies[i].thread = t.place(bodies, i)
		bodies[i].begins = bodies[i].thread == ThreadID(bodies[i].id)
	}
	first := keepThreads(bodies, old)
	for i := range bodies {
		moved := bodies[i].thread != old[i]
		if moved {
			changed++
		}
		if _, named := slices.BinarySearch(first, i); moved || named {
			write = append(write, &bodies[i])
		}
	}
	return write, changed
}

// readLong reads what messages refer to whose header is not kept.
func (a *Account) readLong(ctx context.Context, bodies []threadBody) error {
	for i := range bodies {
		b := &bodies[i]
		if !b.long {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := a.readAgain(ctx, b.id)
		if errors.Is(err, ErrNoBody) {
			continue // gone, or damaged
		} else if err != nil {
			return err
		}
		b.refs, b.report = p.thread.refs, p.thread.report
	}
	return nil
}

// setThread gives a body another thread. What begins one, and only that, is found by what it
// refers to. It may be named by one that is gone (keepThreads): freeBody knows.
func (t *tx) setThread(b *threadBody) error {
	// Gone meanwhile: then freeBody has deleted its keys.
	if err := t.c.ExecInts("UPDATE body SET thread=? WHERE id=?", int64(b.thread), int64(b.id)); err != nil || t.c.Changes() == 0 {
		return err
	}
	for _, h := range b.wanted() {
		if err := t.c.ExecInts("DELETE FROM lookup WHERE hash=? AND body_id=?", h, int64(b.id)); err != nil {
			return err
		}
	}
	if !b.begins {
		return nil
	}
	if b.thread != ThreadID(b.id) {
		// As long as the one it is named by is not freed, that is found.
		_, there, err := t.c.QueryInt64("SELECT 1 FROM body WHERE id=?", int64(b.thread))
		if err != nil || there {
			return err
		}
	}
	return t.insertKeys(b.id, b.wanted())
}

// readHeader takes from the common fields what a message refers to.
func (b *threadBody) readHeader(headers []byte) {
	p, err := message.Parse(io.MultiReader(bytes.NewReader(headers), bytes.NewReader([]byte("\r\n\r\n"))), message.Limits{})
	if err != nil || p.Envelope == nil {
		return
	}
	b.refs = references(p.Envelope.References, p.Envelope.InReplyTo)
	b.report = p.Type == "multipart" && p.Subtype == "report"
}

// threader is findThread over what is in memory; its maps have indexes of bodies.
type threader struct{ ids, subjects, wanted map[int64][]int }

// place finds the thread of body i, of which those before have theirs.
func (t *threader) place(bodies []threadBody, i int) ThreadID {
	b := &bodies[i]
	defer func() {
		if b.msgID != 0 {
			t.ids[b.msgID] = append(t.ids[b.msgID], i)
		}
		if b.subject != 0 {
			t.subjects[b.subject] = append(t.subjects[b.subject], i)
		}
	}()
	last := func(list []int, n int, want func(*threadBody) bool) ThreadID {
		for k := len(list) - 1; k >= 0 && k >= len(list)-n; k-- {
			if c := &bodies[list[k]]; want(c) {
				return c.thread
			}
		}
		return 0
	}
	if b.msgID != 0 {
		if th := last(t.ids[b.msgID], maxSameID, func(*threadBody) bool { return true }); th != 0 {
			return th
		}
	}
	for _, ref := range b.refs {
		if th := last(t.ids[ref], maxSameID, func(c *threadBody) bool { return c.subject == b.subject || b.report }); th != 0 {
			return th
		}
	}
	wanted := (&threadKeys{refs: b.refs}).wanted()
	for _, h := range append(wanted, b.ownWanted()...) {
		if th := last(t.wanted[h], maxSameID, func(c *threadBody) bool { return c.subject == b.subject }); th != 0 {
			return th
		}
	}
	if len(b.refs) == 0 && b.reply && b.subject != 0 {
		th := last(t.subjects[b.subject], maxSameSubject, func(c *threadBody) bool {
			return c.box == b.box && c.received >= b.received-28*day && c.received <= b.received+day
		})
		if th != 0 {
			return th
		}
	}
	for _, h := range b.wanted() {
		t.wanted[h] = append(t.wanted[h], i)
	}
	return ThreadID(b.id)
}

// ownWanted is the key under which those wait that came before this body.
func (b *threadBody) ownWanted() []int64 {
	if b.msgID == 0 {
		return nil
	}
	return []int64{wantedKey(b.msgID)}
}
