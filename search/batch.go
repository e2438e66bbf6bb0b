package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"mox/message"
	"mox/store"
)

// batchLimits bounds what is taken into the index in one transaction.
type batchLimits struct {
	messages int
	text     int64 // bytes
	each     textLimits
}

// batch is what is written to the index of some messages.
type batch struct {
	packer
	chunks    [][]byte // of the filter
	documents []documentText
	prints    []byte       // of its last bodies
	upto      store.BodyID // all bodies up to this one were looked at, from those before it on
	text      int64        // bytes that were taken
	partial   int          // messages that are only partly in the index
}

// taker makes batches of the messages of an account. Not safe for concurrent use.
type taker struct {
	x    *index
	acc  *store.Account
	l    batchLimits
	docs Documents
	// pause is called after each message; true ends the batch.
	pause func() bool
	// builders are those that nobody uses: they have grown to what a batch needs.
	builders *sync.Pool
}

// take makes a batch of some bodies, ascending, of the first of them when they are too
// much for one, and returns how many it has looked at.
func (k *taker) take(ctx context.Context, ids []store.BodyID) (b *batch, n int, err error) {
	d, ok := k.builders.Get().(*builder)
	if !ok {
		d = newBuilder(k.l.each)
	}
	defer func() {
		if b != nil { // otherwise it may be in the middle of a message
			d.reset()
			k.builders.Put(d)
		}
	}()
	if k.docs != nil {
		d.extract = &extract{ctx: ctx, from: k.docs, log: k.x.log, max: k.l.each.part}
	}
	b = &batch{packer: packer{pack: k.x.codec.packQuick}}
	for r, err := range k.acc.Rendered(ctx, asMessages(ids), store.FieldParts, false) {
		if err != nil {
			return nil, 0, fmt.Errorf("reading part trees: %w", err)
		}
		sum, ok, err := d.take(ctx, k.acc, r)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			b.prints = appendPrint(b.prints, r.Body, sum)
		}
		b.upto = r.Body
		if n++; k.pause() || d.text >= k.l.text || len(d.terms.keys) >= batchTerms {
			break
		}
	}
	if err := d.finish(b); err != nil {
		return nil, 0, err
	}
	return b, n, nil
}

// finish packs what was gathered into a batch.
func (b *builder) finish(to *batch) error {
	to.text, to.partial = b.text, b.partial
	if b.extract != nil {
		to.documents = b.extract.rows
	}
	if len(b.docs) == 0 {
		return nil
	}
	to.details.bodies = slices.Clone(b.docs)
	to.out = segment{first: b.docs[0], last: b.docs[len(b.docs)-1], docs: len(b.docs)}
	if err := b.blocks(to.emit); err != nil {
		return err
	}
	to.chunks = to.packFilter()
	return nil
}

// takeBatch takes the next bodies of the account into the index. more: there are bodies
// that were not looked at. b is nil when there was none.
func (x *index) takeBatch(ctx context.Context, k *taker) (b *batch, more bool, err error) {
	s, err := x.state(ctx)
	if err != nil {
		return nil, false, err
	}
	modseq := k.acc.ModSeq() // before the bodies: it may say less than is taken
	ids, err := k.acc.NewBodies(ctx, s.indexed, k.l.messages)
	if err != nil || len(ids) == 0 {
		return nil, false, err
	}
	b, n, err := k.take(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	if err := x.addBatch(ctx, b, modseq); err != nil {
		return nil, false, fmt.Errorf("writing segment: %w", err)
	}
	return b, n < len(ids) || len(ids) == k.l.messages, nil
}

// asMessages makes what [store.Account.Rendered] reads by.
func asMessages(ids []store.BodyID) []*store.Message {
	all := make([]store.Message, len(ids))
	list := make([]*store.Message, len(ids))
	for i, id := range ids {
		all[i].Body = id
		list[i] = &all[i]
	}
	return list
}

// take adds a message, and returns the fingerprint of its body. A body that is gone is
// left out, one that is damaged is always a candidate: who opens it sees the error.
func (b *builder) take(ctx context.Context, acc *store.Account, r *store.Rendered) (sum uint32, ok bool, err error) {
	if r.Gone {
		return 0, false, nil
	}
	body, err := acc.OpenBody(ctx, r.Body)
	if isGone(err) {
		return 0, false, nil
	}
	if err == nil {
		defer body.Close()
		var part *message.Part
		if part, err = message.DecodePart(r.Parts); err == nil {
			err = b.add(r.Body, Source{part, body, b.extract.source(r.Body, body)})
		}
	}
	if err == nil {
		sum, err = fingerprint(body, body.Size(), b.buf)
		ok = err == nil
	}
	switch {
	case err == nil:
		return sum, ok, nil
	case isGone(err), errors.Is(err, store.ErrCorrupt), errors.Is(err, message.ErrCorrupt):
		b.addUnreadable(r.Body)
		return 0, false, nil
	}
	return 0, false, fmt.Errorf("reading body %d: %w", r.Body, err)
}

// sweepStep looks whether a thousand of the bodies from after on are gone, and returns
// the last it looked at, zero at the end.
func (x *index) sweepStep(ctx context.Context, acc *store.Account, after store.BodyID) (last store.BodyID, gone int, err error) {
	ids, err := x.bodiesAfter(ctx, after, 1000)
	if err != nil || len(ids) == 0 {
		return 0, 0, err
	}
	missing, err := acc.MissingBodies(ctx, ids)
	if err != nil {
		return 0, 0, err
	}
	if len(missing) > 0 {
		if err := x.markDead(ctx, missing); err != nil {
			return 0, 0, err
		}
	}
	return ids[len(ids)-1], len(missing), nil
}
