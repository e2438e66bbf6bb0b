package imapserver

import (
	"context"
	"fmt"

	"mox/message"
	"mox/search"
	"mox/store"
)

// prepareIndex asks the index about the text keys, when worth it once the index has taken what
// would have to be looked through.
func (x *searcher) prepareIndex(ctx context.Context, prog test, sp spans) error {
	index := x.s.srv.cfg.Index
	if index == nil || len(x.queries)+len(x.fuzzy) == 0 || !x.askIndex(ctx, index) {
		return nil
	}
	tail, err := x.tail(ctx, prog, sp)
	if err != nil || tail.Messages < search.FewMessages {
		return err
	}
	begun := false
	ok, err := index.CatchUp(ctx, x.box.account, tail, func(messages int) error {
		if !begun {
			x.progress.more(tail.Messages)
			begun = true
		}
		if err := x.mayGoOn(ctx); err != nil {
			return err
		}
		return x.progress.step(messages)
	})
	if ok && err == nil {
		x.answers.reset(x.box.account)
		x.askIndex(ctx, index)
	}
	return err
}

// askIndex asks the index about the text keys, and reports whether it can tell about all.
func (x *searcher) askIndex(ctx context.Context, index TextIndex) (all bool) {
	all, x.indexed = true, 1<<63-1
	for _, q := range x.fuzzy {
		known, ok := x.answers.fuzzy(ctx, index, x.box.account, q.f)
		q.known, all = known, all && ok
		x.indexed = min(x.indexed, known.IndexedTo)
	}
	for _, q := range x.queries {
		if q.by != message.UnicodeCasemap && !message.IsASCII([]byte(q.query.Needle)) {
			all = false
			continue
		}
		known, ok := x.answers.candidates(ctx, index, x.box.account, q.query)
		if ok {
			q.known = known
		}
		all = all && ok
		x.indexed = min(x.indexed, known.IndexedTo)
	}
	return all
}

// tail counts the messages that must be looked through because they are not in the index.
func (x *searcher) tail(ctx context.Context, prog test, sp spans) (tail search.Tail, err error) {
	probe := &candidate{}
	var open []candidate // that stored data may decide
	for probe.entry = range x.box.entries(sp) {
		switch {
		case probe.msg.Body <= x.indexed || x.uid && probe.ghost || prog(probe) != unknown:
		case x.fields == 0:
			tail.Add(probe.msg.Body)
		default:
			if open = append(open, candidate{entry: probe.entry}); len(open) < searchBatch {
				continue
			}
			if err := x.addTail(ctx, prog, open, &tail); err != nil {
				return tail, err
			}
			open = open[:0]
		}
	}
	return tail, x.addTail(ctx, prog, open, &tail)
}

// addTail counts those that stored data cannot decide.
func (x *searcher) addTail(ctx context.Context, prog test, open []candidate, tail *search.Tail) error {
	msgs := make([]*store.Message, len(open))
	for i := range open {
		msgs[i] = open[i].msg
	}
	for r, err := range x.box.account.Rendered(ctx, msgs, x.fields, true) {
		if err != nil {
			return fmt.Errorf("reading renderings: %w", err)
		}
		c := &open[r.Index]
		if c.r = r; !r.Gone && prog(c) == unknown {
			tail.Add(c.msg.Body)
		}
		c.r = nil
	}
	return nil
}
