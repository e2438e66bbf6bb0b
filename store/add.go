package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Add adds messages to a mailbox in one durable operation: all of them or none
// (APPEND, MULTIAPPEND). Content of more than 2 MiB is written before, in slices, so
// that others never wait long.
func (a *Account) Add(ctx context.Context, box MailboxID, msgs []NewMessage) (Added, error) {
	return a.add(ctx, msgs, false, func(t *tx) (*mailbox, error) {
		b, err := t.box(box)
		if err == nil {
			err = a.reserved(b, msgs)
		}
		return b, err
	})
}

// Deliver adds a message to the mailbox of that name, making it when missing. Unlike by
// Add, the message gets the flags of Options.AutoFlags, and in a thread that is muted those
// of [KeywordMuted].
func (a *Account) Deliver(ctx context.Context, name string, m NewMessage) (Added, error) {
	name, err := NormalName(name)
	if err != nil {
		return Added{}, fmt.Errorf("delivering: %w", err)
	}
	m.delivered = true
	muted, known := a.lookMuted(ctx)
	return a.add(ctx, []NewMessage{m}, true, func(t *tx) (*mailbox, error) {
		if known {
			t.knowMuted(muted)
		}
		if b := t.byName(name); b != nil {
			return b, nil
		}
		b, err := t.create(name, 0)
		return b, err
	})
}

func (a *Account) add(ctx context.Context, msgs []NewMessage, auto bool, target func(*tx) (*mailbox, error)) (Added, error) {
	var r Added
	if len(msgs) == 0 {
		return r, nil
	}
	ps, err := a.prepareAll(ctx, msgs, 0)
	if err != nil {
		return r, fmt.Errorf("adding message: %w", err)
	}
	err = a.doPrepared(ctx, ps, func(t *tx) error {
		b, err := target(t)
		if err != nil {
			return err
		}
		if auto {
			for _, p := range ps {
				p.m.Flags = t.a.autoFlags(b, p.m.Flags)
			}
		}
		r, err = t.add(b, ps)
		return err
	})
	if err != nil {
		return Added{}, fmt.Errorf("adding message: %w", err)
	}
	return r, nil
}

// prepareAll prepares messages and stages large ones, once it is known that they are
// within the quota when a message of freed bytes goes at the same time.
func (a *Account) prepareAll(ctx context.Context, msgs []NewMessage, freed int64) ([]*prepared, error) {
	ps := make([]*prepared, len(msgs))
	total := int64(0)
	for i := range msgs {
		m := &msgs[i]
		var err error
		if m.Flags, m.Keywords, err = normalFlags(m.Flags, m.Keywords); err != nil {
			return nil, err
		}
		if err := a.checkAnnotations(m.Annotations); err != nil {
			return nil, err
		}
		if ps[i], err = a.prepareMessage(m); err != nil {
			return nil, err
		}
		total += ps[i].size
	}
	q := a.Quota()
	if freed > 0 {
		q.Used, q.Count = q.Used-freed, q.Count-1
	}
	if err := q.Room(len(msgs), total); err != nil {
		return nil, err
	}
	for _, p := range ps {
		p.held = a.holds(ctx, p)
	}
	return ps, a.compress(ctx, ps)
}

// stageTime is how long a body that is written in advance is left alone. When its
// message never comes, because the process ended, it is freed after that.
const stageTime = time.Hour

// stageAll writes in advance what is too much for one commit: large bodies, and of many
// small ones all but the last few megabytes. No message refers to them yet.
func (a *Account) stageAll(ctx context.Context, ps []*prepared) error {
	var group []*prepared
	weight := 0
	for _, p := range ps {
		if p.held || p.staged != 0 {
			continue
		}
		if p.m.Spool.size > stageSize {
			if err := a.stageLarge(ctx, p); err != nil {
				return err
			}
			continue
		}
		w := p.weight()
		if weight+w > stageSlice {
			if err := a.stageGroup(ctx, group, weight); err != nil {
				return err
			}
			group, weight = nil, 0
		}
		group, weight = append(group, p), weight+w
	}
	return nil
}

// stageGroup writes several small bodies.
func (a *Account) stageGroup(ctx context.Context, group []*prepared, weight int) error {
	return a.do(ctx, weight, func(t *tx) error {
		t.released = true
		for _, p := range group {
			id := t.newBody()
			if err := t.insertBody(id, p, 0, 0, 0, t.now); err != nil {
				return err
			}
			if err := t.insertChunks(id, 1, p.chunks); err != nil {
				return err
			}
			p.staged = id
		}
		return nil
	})
}

// stageLarge writes a large body in slices.
func (a *Account) stageLarge(ctx context.Context, p *prepared) error {
	r := p.m.Spool.reader()
	for n := 1; ; {
		chunks, _, err := a.s.codec.EncodeFrom(r, stageSlice)
		if err != nil {
			return fmt.Errorf("reading message: %w", err)
		}
		weight := 0
		for _, ch := range chunks {
			weight += len(ch)
		}
		err = a.do(ctx, weight, func(t *tx) error {
			if p.staged == 0 {
				id := t.newBody()
				if err := t.insertBody(id, p, 0, 0, 0, t.now); err != nil {
					return err
				}
				p.staged = id
			} else if err := t.c.ExecInts("UPDATE body SET freed=? WHERE id=?", t.now.Add(stageTime).Unix(), int64(p.staged)); err != nil {
				return err
			}
			t.released = true
			return t.insertChunks(p.staged, n, chunks)
		})
		if err != nil {
			return err
		}
		if n += len(chunks); len(chunks) < stageSlice/chunkSize {
			return nil
		}
	}
}

func (t *tx) newBody() BodyID {
	id := t.nextBody
	t.nextBody++
	t.dirty = true
	return id
}

// add adds messages to b.
func (t *tx) add(b *mailbox, ps []*prepared) (Added, error) {
	total := int64(0)
	for _, p := range ps {
		total += p.size
	}
	if err := t.room(len(ps), total); err != nil {
		return Added{}, err
	}
	if uint64(b.UIDNext)+uint64(len(ps)) > math.MaxUint32 {
		return Added{}, fmt.Errorf("%w: mailbox has no UIDs left", ErrNotAllowed)
	}
	r := Added{Mailbox: b.ID, UIDValidity: b.UIDValidity, ModSeq: t.next()}
	nb := *b
	msgs := make([]Message, len(ps))
	for i, p := range ps {
		m, err := t.addOne(&nb, p)
		if err != nil {
			return Added{}, err
		}
		msgs[i] = m
		r.UIDs, r.IDs, r.Bodies = append(r.UIDs, m.UID), append(r.IDs, m.ID), append(r.Bodies, m.Body)
	}
	t.added(nb, msgs)
	return r, t.logMessages(MessagesAdded, b.ID, msgs)
}

// addOne writes the rows of one message.
func (t *tx) addOne(b *mailbox, p *prepared) (Message, error) {
	received, saved := p.m.Received, p.m.Saved
	if received.IsZero() {
		received = t.now
	}
	if saved.IsZero() {
		saved = t.now
	}
	body, thread, err := t.addBody(b.ID, p, received)
	if err != nil {
		return Message{}, err
	}
	flags, kw, err := t.flagsIn(thread, p.m)
	if err != nil {
		return Message{}, err
	}
	m := Message{
		ID: t.nextMessage, Body: body, ModSeq: t.seq, UID: b.UIDNext, Size: size32(p.size),
		Received: unix32(received), Saved: unix32(saved), Keywords: kw, Flags: flags,
	}
	t.nextMessage++
	b.UIDNext++
	if _, err := t.annotate(m.ID, p.m.Annotations); err != nil {
		return Message{}, err
	}
	return m, t.insertMessage(b.ID, &m)
}

// unix32 is a time as stored: unix seconds of 1970 to 2106.
func unix32(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), math.MaxUint32)) }

func (t *tx) insertMessage(box MailboxID, m *Message) error {
	return t.c.ExecInts("INSERT INTO message (mailbox_id, uid, id, body_id, modseq, flags, keywords, received, saved, size) VALUES (?,?,?,?,?,?,?,?,?,?)",
		int64(box), int64(m.UID), int64(m.ID), int64(m.Body), int64(m.ModSeq), int64(m.Flags), int64(m.Keywords), int64(m.Received), int64(m.Saved), int64(m.Size))
}

// addBody returns a body with the message's content, and its thread: an equal one that is
// there already, the one that was staged, or a new one.
func (t *tx) addBody(box MailboxID, p *prepared, received time.Time) (BodyID, ThreadID, error) {
	same, thread, err := t.findThread(box, p, received)
	if err != nil {
		return 0, 0, err
	}
	if same != 0 {
		return same, thread, t.c.ExecInts("UPDATE body SET refs=refs+1 WHERE id=?", int64(same))
	}
	if p.held {
		return 0, 0, errNotHeld
	}
	id := p.staged
	if id == 0 {
		id = t.newBody()
	}
	if thread == 0 {
		thread = ThreadID(id)
	}
	if p.staged != 0 {
		err = t.c.ExecInts("UPDATE body SET refs=1, thread=?, mailbox_id=?, received=? WHERE id=?", int64(thread), int64(box), received.Unix(), int64(id))
		if err == nil && t.c.Changes() != 1 {
			err = errors.New("staged content is gone")
		}
		p.staged = 0 // taken, also when the operation fails: then it is freed
	} else if err = t.insertBody(id, p, 1, thread, box, received); err == nil {
		err = t.insertChunks(id, 1, p.chunks)
	}
	if err != nil {
		return 0, 0, err
	}
	if err := t.insertRendered(id, p, received); err != nil || thread != ThreadID(id) || p.c.tooLong {
		return id, thread, err
	}
	// What it refers to may come later. freeBody finds these keys in the header.
	return id, thread, t.insertKeys(id, p.thread.wanted())
}

func (t *tx) insertBody(id BodyID, p *prepared, refs int, thread ThreadID, box MailboxID, received time.Time) error {
	freed := int64(0)
	if refs == 0 {
		freed = t.now.Add(stageTime).Unix()
	}
	err := t.c.Exec("INSERT INTO body (id, refs, freed, size, prefix, location, thread, subject, mailbox_id, received, hash) VALUES (?,?,?,?,?,0,?,?,?,?,?)",
		int64(id), refs, freed, p.size, len(p.m.Prefix), int64(thread), p.thread.subject, int64(box), received.Unix(), p.hash[:])
	if err != nil || p.prefix == nil {
		return err
	}
	return t.insertChunks(id, 0, [][]byte{p.prefix})
}

func (t *tx) insertChunks(id BodyID, n int, chunks [][]byte) error {
	for i, ch := range chunks {
		if err := t.c.Exec("INSERT INTO chunk (id, data) VALUES (?,?)", chunkID(id, n+i), ch); err != nil {
			return err
		}
	}
	return nil
}

// insertRendered writes what FETCH, SORT and threads need of a body.
func (t *tx) insertRendered(id BodyID, p *prepared, received time.Time) error {
	c := p.c
	var headers any // NULL when too large
	if !c.tooLong {
		headers = append(p.headers, 0)[:len(p.headers)] // not nil, which would be NULL
	}
	err := t.c.Exec("INSERT INTO body_env (id, envelope, structure, preview, headers, parts, envelope_utf8, structure_utf8, plain, plain_utf8, trace) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
		int64(id), c.envelope, c.structure, c.preview, headers, p.parts, c.envelopeUTF8, c.structureUTF8, c.plain, c.plainUTF8, p.m.Trace)
	if err != nil {
		return err
	}
	k := &c.keys
	sent := k.sent
	if !k.hasDate {
		sent = received.Unix()
	}
	err = t.c.Exec("INSERT INTO body_key (id, sent, reply, base_subject, sort_from, sort_to, sort_cc, display_from, display_to, text_from, text_to, text_cc, text_bcc, text_subject, message_id) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
		int64(id), sent, k.reply, k.baseSubject, k.from, k.to, k.cc, k.displayFrom, k.displayTo, k.textFrom, k.textTo, k.textCc, k.textBcc, k.textSubject, k.msgID)
	if err != nil {
		return err
	}
	return t.insertKeys(id, []int64{p.thread.msgID, p.thread.subject})
}

// insertKeys makes a body found by keys; 0 is none.
func (t *tx) insertKeys(id BodyID, keys []int64) error {
	for _, h := range keys {
		if h == 0 {
			continue
		}
		if err := t.c.ExecInts("INSERT INTO lookup (hash, body_id) VALUES (?,?)", h, int64(id)); err != nil {
			return err
		}
	}
	return nil
}
