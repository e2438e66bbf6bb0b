package search

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mox/message"
	"mox/store"
	"mox/upkeep"
)

// batchLimits bounds what is taken into the index in one transaction.
type batchLimits struct {
	messages int
	text     int64 // bytes
	each     textLimits
}

// taken says what a batch did.
type taken struct {
	messages int
	text     int64
	partial  int  // messages that are only partly in the index
	more     bool // there are bodies that were not looked at
}

// takeBatch takes the next bodies of the account into the index.
func (x *index) takeBatch(ctx context.Context, acc *store.Account, l batchLimits, docs Documents, fg *upkeep.Foreground) (t taken, err error) {
	s, err := x.state(ctx)
	if err != nil {
		return t, err
	}
	modseq := acc.ModSeq() // before the bodies: it may say less than is taken
	ids, err := acc.NewBodies(ctx, s.indexed, l.messages)
	if err != nil || len(ids) == 0 {
		return t, err
	}
	b := newBuilder(l.each)
	if docs != nil {
		b.extract = &extract{ctx: ctx, from: docs, log: x.log, max: l.each.part}
	}
	prints, upto := s.prints, s.indexed
	read, since := 0, time.Now()
	for r, err := range acc.Rendered(ctx, asMessages(ids), store.FieldParts, false) {
		if err != nil {
			return t, fmt.Errorf("reading part trees: %w", err)
		}
		if worked := time.Since(since); worked > time.Millisecond {
			fg.Yield(ctx, worked)
			since = time.Now()
		}
		sum, ok, err := b.take(ctx, acc, r)
		if err != nil {
			return t, err
		}
		if ok {
			prints = appendPrint(prints, r.Body, sum)
		}
		upto = r.Body
		if read++; b.text >= l.text || len(b.keys) >= batchTerms {
			break
		}
	}
	t = taken{len(b.docs), b.text, b.partial, read < len(ids) || len(ids) == l.messages}
	if err := x.addBatch(ctx, b, upto, modseq, prints); err != nil {
		return t, fmt.Errorf("writing segment: %w", err)
	}
	return t, nil
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
		sum, err = fingerprint(body, body.Size())
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
