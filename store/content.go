package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrNowhere is returned for a change that would leave content in no mailbox, without saying so.
var ErrNowhere = errors.New("message would be in no mailbox")

// DuplicateError is returned where the account has a message with equal content.
type DuplicateError struct{ Body BodyID }

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("a message with that content exists, body %d", e.Body)
}

// ContentChange is what becomes of all messages that have one of some contents, wherever they are.
type ContentChange struct {
	Bodies []BodyID
	// Flags are changes one after the other; UnchangedSince is not looked at.
	Flags []FlagChange
	// Replace: the mailboxes afterwards are those of Add, and no others.
	Replace bool
	// Add and Remove are mailboxes that get a message with the content if they have none, or lose all they have.
	Add, Remove []MailboxID
	Destroy     bool // no mailbox has it any more
}

// boxes returns which mailboxes have content afterwards that are those of before; ErrNowhere for none.
func (c *ContentChange) boxes(before []MailboxID) ([]MailboxID, error) {
	if c.Destroy {
		return nil, nil
	}
	var after []MailboxID
	if !c.Replace {
		after = slices.DeleteFunc(slices.Clone(before), func(id MailboxID) bool { return slices.Contains(c.Remove, id) })
	}
	for _, id := range c.Add {
		if !slices.Contains(after, id) {
			after = append(after, id)
		}
	}
	if len(after) == 0 {
		return nil, ErrNowhere
	}
	return after, nil
}

// notOpenError says that an operation needs a mailbox in memory.
type notOpenError struct{ box MailboxID }

func (e *notOpenError) Error() string { return fmt.Sprintf("mailbox %d is not in memory", e.box) }

// ChangeContents makes changes in one durable operation: all of them, or none with an error. Each body may be in one
// change only. A body that no message has is ErrNoMessage. Messages flagged \Deleted are as if they were not there (RFC 8621
// 4.1.1), but for Destroy. What leaves a mailbox while another one gets it is moved; a message
// that comes into a mailbox gets the flags of Options.AutoFlags. The ModSeq is 0 when nothing changed.
func (a *Account) ChangeContents(ctx context.Context, changes []ContentChange) (ModSeq, error) {
	open := map[MailboxID]*Box{}
	defer func() {
		for _, b := range open {
			b.Close()
		}
	}()
	size := 0
	for i := range changes {
		c := &changes[i]
		size += 16 * len(c.Bodies)
		c.Flags = slices.Clone(c.Flags)
		for j := range c.Flags {
			var err error
			if c.Flags[j].Flags, c.Flags[j].Keywords, err = normalFlags(c.Flags[j].Flags, c.Flags[j].Keywords); err != nil {
				return 0, fmt.Errorf("changing messages: %w", err)
			}
		}
	}
	for {
		var seq ModSeq
		err := a.do(ctx, size, func(t *tx) error {
			p := &contentPlan{t: t, open: open, leaving: map[MailboxID]*leaving{}, edits: map[MailboxID][]edit{}, coming: map[MailboxID][]arrival{}}
			if err := p.make(changes); err != nil {
				return err
			}
			err := p.run()
			seq = t.seq
			return err
		})
		var missing *notOpenError
		if !errors.As(err, &missing) {
			if err != nil {
				return 0, fmt.Errorf("changing messages: %w", err)
			}
			return seq, nil
		}
		b, err := a.OpenBox(ctx, missing.box)
		if err != nil {
			return 0, fmt.Errorf("changing messages: %w", err)
		}
		open[missing.box] = b
	}
}

// contentPlan is what an operation does, gathered by mailbox: the logs have one entry of a kind for each in an operation.
type contentPlan struct {
	t       *tx
	open    map[MailboxID]*Box
	places  map[BodyID][]contentPlace
	edits   map[MailboxID][]edit // of messages that stay
	leaving map[MailboxID]*leaving
	coming  map[MailboxID][]arrival
}

// leaving is messages that a mailbox loses.
type leaving struct {
	msgs []indexed
	gone []Message // those of them that are not moved
}

type indexed struct {
	index int
	msg   Message
}

// arrival is a message that a mailbox gets.
type arrival struct {
	msg   Message
	from  MailboxID
	moved bool
}

// contentPlace is a message in a mailbox.
type contentPlace struct {
	box MailboxID
	indexed
}

func (p contentPlace) deleted() bool { return p.msg.Flags&FlagDeleted != 0 }

func (p *contentPlan) make(changes []ContentChange) error {
	if err := p.find(changes); err != nil {
		return err
	}
	for i := range changes {
		c := &changes[i]
		words := make([]func(KeywordSet) (KeywordSet, error), len(c.Flags))
		for j := range c.Flags {
			words[j] = p.t.keywordChange(&c.Flags[j])
		}
		change := func(m Message) (Message, error) {
			var err error
			for j := range c.Flags {
				m.Flags = c.Flags[j].apply(m.Flags)
				if m.Keywords, err = words[j](m.Keywords); err != nil {
					return m, err
				}
			}
			return m, nil
		}
		for _, body := range c.Bodies {
			if err := p.one(c, body, change); err != nil {
				return err
			}
		}
	}
	return nil
}

// one plans the change of one content.
func (p *contentPlan) one(c *ContentChange, body BodyID, change func(Message) (Message, error)) error {
	places := p.places[body]
	if !c.Destroy {
		places = slices.DeleteFunc(slices.Clone(places), contentPlace.deleted)
	}
	if !slices.ContainsFunc(places, func(pl contentPlace) bool { return !pl.deleted() }) {
		return ErrNoMessage
	}
	var before []MailboxID
	for _, pl := range places {
		if !slices.Contains(before, pl.box) {
			before = append(before, pl.box)
		}
	}
	after, err := c.boxes(before)
	if err != nil {
		return err
	}
	var out []contentPlace
	for _, pl := range places {
		if !slices.Contains(after, pl.box) {
			out = append(out, pl)
			continue
		}
		m, err := change(pl.msg)
		if err != nil {
			return err
		}
		if m != pl.msg {
			p.t.judged(m.Flags ^ pl.msg.Flags)
			p.edits[pl.box] = append(p.edits[pl.box], edit{pl.index, m})
		}
	}
	return p.arrange(places[0], out, slices.DeleteFunc(after, func(id MailboxID) bool { return slices.Contains(before, id) }), change)
}

// arrange moves what leaves to where content comes, copies what is missing, and removes the rest.
func (p *contentPlan) arrange(any contentPlace, out []contentPlace, in []MailboxID, change func(Message) (Message, error)) error {
	for i, id := range in {
		src, moved := any, i < len(out)
		if moved {
			src = out[i]
		}
		m, err := change(src.msg)
		if err != nil {
			return err
		}
		p.coming[id] = append(p.coming[id], arrival{m, src.box, moved})
	}
	for i, pl := range out {
		l := p.leaving[pl.box]
		if l == nil {
			l = &leaving{}
			p.leaving[pl.box] = l
		}
		l.msgs = append(l.msgs, pl.indexed)
		if i >= len(in) {
			l.gone = append(l.gone, pl.msg)
		}
	}
	return nil
}

// find looks for the messages of all bodies in one go over the mailboxes, which are in memory, as an index would cost
// every delivery. Some 5 ns a message.
func (p *contentPlan) find(changes []ContentChange) error {
	p.places = map[BodyID][]contentPlace{}
	first, last := BodyID(math.MaxInt64), BodyID(0)
	for i := range changes {
		for _, id := range changes[i].Bodies {
			p.places[id] = nil
			first, last = min(first, id), max(last, id)
		}
	}
	boxes := p.t.all()
	slices.SortFunc(boxes, func(x, y *mailbox) int { return cmp.Compare(x.ID, y.ID) })
	for _, b := range boxes {
		if b.Messages == 0 {
			continue
		}
		if p.open[b.ID] == nil {
			return &notOpenError{b.ID}
		}
		v, err := p.t.view(b.ID)
		if err != nil {
			return err
		}
		for i, m := range v.All() {
			if m.Body < first || m.Body > last {
				continue
			}
			if l, ok := p.places[m.Body]; ok {
				p.places[m.Body] = append(l, contentPlace{b.ID, indexed{i, *m}})
			}
		}
	}
	return nil
}

// run does what was planned, mailbox by mailbox.
func (p *contentPlan) run() error {
	for id, edits := range sortedBoxes(p.edits) {
		slices.SortFunc(edits, func(x, y edit) int { return x.index - y.index })
		b, err := p.t.box(id)
		if err != nil {
			return err
		}
		v, err := p.t.view(id)
		if err != nil {
			return err
		}
		if err := p.t.writeEdits(b, v, edits); err != nil {
			return err
		}
		if err := p.t.logEdits(id, edits); err != nil {
			return err
		}
	}
	for id, l := range sortedBoxes(p.leaving) {
		slices.SortFunc(l.msgs, func(x, y indexed) int { return x.index - y.index })
		b, err := p.t.box(id)
		if err != nil {
			return err
		}
		msgs, idx := make([]Message, len(l.msgs)), make([]int, len(l.msgs))
		for i := range l.msgs {
			msgs[i], idx[i] = l.msgs[i].msg, l.msgs[i].index
		}
		if err := p.t.takeOutSome(b, msgs, idx, l.gone); err != nil {
			return err
		}
	}
	for id, list := range sortedBoxes(p.coming) {
		if err := p.come(id, list); err != nil {
			return err
		}
	}
	return nil
}

// sortedBoxes goes through a map in the order of mailboxes.
func sortedBoxes[V any](m map[MailboxID]V) func(func(MailboxID, V) bool) {
	ids := make([]MailboxID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return func(yield func(MailboxID, V) bool) {
		for _, id := range ids {
			if !yield(id, m[id]) {
				return
			}
		}
	}
}

// come puts messages into a mailbox.
func (p *contentPlan) come(id MailboxID, list []arrival) error {
	t := p.t
	d, err := t.box(id)
	if err == nil {
		err = t.a.reserved(d, nil)
	}
	if err != nil {
		return err
	}
	msgs := make([]Message, len(list))
	var copies []int
	var bodies []BodyID
	var from []MessageID
	size := int64(0)
	for i, ar := range list {
		src, err := t.box(ar.from)
		if err != nil {
			return err
		}
		msgs[i] = ar.msg
		if !ar.moved {
			copies, bodies, from = append(copies, i), append(bodies, ar.msg.Body), append(from, ar.msg.ID)
			size += int64(ar.msg.Size)
			msgs[i].ID = t.nextMessage
			t.nextMessage++
		}
		t.setAutoFlags(src, d, msgs[i:i+1])
	}
	if len(copies) > 0 {
		if err := t.room(len(copies), size); err != nil {
			return err
		}
		if err := t.addRefs(bodies, 1); err != nil {
			return err
		}
	}
	if _, err := t.place(msgs, d); err != nil || len(copies) == 0 {
		return err
	}
	made := make([]Message, len(copies))
	for i, k := range copies {
		made[i] = msgs[k]
	}
	return t.copyAnnotations(from, made, FlagLimit{})
}

// AddContent adds a message to mailboxes, at least one, in one durable operation, and returns its body. Its flags are
// as given in all of them. A [*DuplicateError] when a message with equal content is there already.
func (a *Account) AddContent(ctx context.Context, boxes []MailboxID, m NewMessage) (BodyID, error) {
	ps, err := a.prepareAll(ctx, []NewMessage{m}, 0)
	if err != nil {
		return 0, fmt.Errorf("adding message: %w", err)
	}
	var r Added
	err = a.doPrepared(ctx, ps, func(t *tx) error {
		same, err := t.sameAsMessage(ps[0])
		if err != nil {
			return err
		}
		if same != 0 {
			return &DuplicateError{same}
		}
		for i, id := range boxes {
			b, err := t.box(id)
			if err == nil {
				err = t.a.reserved(b, nil)
			}
			if err == nil && i == 0 {
				r, err = t.add(b, ps)
			} else if err == nil {
				err = t.addAgain(b, ps[0], r.Bodies[0])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("adding message: %w", err)
	}
	return r.Bodies[0], nil
}

// sameAsMessage returns the body of a message that has the content; 0: there is none. Those with \Deleted do not count:
// they are about to go.
func (t *tx) sameAsMessage(p *prepared) (BodyID, error) {
	if p.thread.msgID == 0 {
		return 0, nil
	}
	var same []BodyID
	err := candidates(t.c, p.thread.msgID, maxSameID, func(c *candidate) bool {
		if c.refs > 0 && c.equal(p.size, p.hash[:]) {
			same = append(same, c.id)
		}
		return false
	})
	if err != nil {
		return 0, err
	}
	for _, id := range same {
		if _, ok, err := t.c.QueryInt64("SELECT 1 FROM message WHERE body_id=? AND flags&?=0 LIMIT 1", int64(id), int64(FlagDeleted)); err != nil || ok {
			return id, err
		}
	}
	return 0, nil
}

// addAgain puts a message into a further mailbox, with the body that it got in the first.
func (t *tx) addAgain(b *mailbox, p *prepared, body BodyID) error {
	if err := t.room(1, p.size); err != nil {
		return err
	}
	kw, err := t.intern(p.m.Keywords)
	if err != nil {
		return err
	}
	if err := t.addRefs([]BodyID{body}, 1); err != nil {
		return err
	}
	received := p.m.Received
	if received.IsZero() {
		received = t.now
	}
	m := Message{ID: t.nextMessage, Body: body, Size: size32(p.size), Received: unix32(received), Keywords: kw, Flags: p.m.Flags}
	t.nextMessage++
	_, err = t.place([]Message{m}, b)
	return err
}

// size32 is a size as messages have it.
func size32(n int64) uint32 { return uint32(min(n, 1<<32-1)) }
