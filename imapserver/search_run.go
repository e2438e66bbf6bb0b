package imapserver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mox/imap"
	"mox/message"
	"mox/search"
	"mox/store"
)

const searchBatch = 4096

// textQuery is a TEXT or BODY key with what the index says about it.
type textQuery struct {
	query search.Query
	by    message.Collation // the index knows the default only
	known search.Result     // the zero Result when the index does not know
}

// decide returns what the index knows about a body.
func (q *textQuery) decide(id store.BodyID) tri {
	if id > q.known.IndexedTo {
		return unknown
	}
	if _, ok := slices.BinarySearch(q.known.Matches, id); ok {
		if q.by != message.UnicodeCasemap {
			return unknown
		}
		return yes
	}
	if _, ok := slices.BinarySearch(q.known.Candidates, id); ok {
		return unknown
	}
	return no
}

// run tests the messages of the mailbox in order and adds those that match to res.
func (x *searcher) run(ctx context.Context, prog test, key *imap.SearchKey, res *searchResult) error {
	sp, err := x.scope(key)
	if err != nil {
		return err
	}
	return x.runOver(ctx, prog, sp, x.atMost(key), res)
}

// atMost is how many messages a key can match, by the counts of the mailbox: clients ask for UNSEEN all the
// time, where mostly little or nothing is.
func (x *searcher) atMost(key *imap.SearchKey) int {
	counts, most := x.box.view.Counts(), x.box.view.Len()
	keys := []imap.SearchKey{*key}
	if key.Op == imap.SearchAnd {
		keys = key.Keys
	}
	for _, k := range keys {
		switch {
		case k.Op == imap.SearchNot && k.Keys[0].Op == imap.SearchFlag && k.Keys[0].Str == `\Seen`:
			most = min(most, int(counts.Unseen))
		case k.Op == imap.SearchFlag && k.Str == `\Deleted`:
			most = min(most, int(counts.Deleted))
		}
	}
	return most + len(x.box.ghosts)
}

// runOver tests the messages at some positions, of which at most so many match.
func (x *searcher) runOver(ctx context.Context, prog test, sp spans, most int, res *searchResult) error {
	if most == 0 {
		return nil
	}
	if x.fields == 0 && !x.content {
		x.runView(prog, sp, most, res)
		return nil
	}
	x.progress.begin(sp.len())
	if err := x.prepareIndex(ctx, prog, sp); err != nil {
		return err
	}
	if x.content {
		// What is not in the index yet is what takes long: indexing is not to wait for it.
		x.s.srv.cfg.Foreground.End()
		defer x.s.srv.cfg.Foreground.Begin()
	}
	batch := make([]candidate, 0, min(searchBatch, sp.len()))
	probe := &candidate{}
	for probe.entry = range x.box.entries(sp) {
		if x.uid && probe.ghost {
			continue
		}
		v := prog(probe)
		if v == no {
			if err := x.progress.step(1); err != nil {
				return err
			}
			continue
		}
		// The order is kept: what is known waits for what is not.
		if batch = append(batch, candidate{entry: probe.entry, known: v == yes}); len(batch) == searchBatch {
			if err := x.runBatch(ctx, prog, batch, res); err != nil {
				return err
			}
			if res.full() {
				return nil
			}
			batch = batch[:0]
		}
	}
	return x.runBatch(ctx, prog, batch, res)
}

// runView is runOver when everything is in the view.
func (x *searcher) runView(prog test, sp spans, most int, res *searchResult) {
	c, found := &candidate{}, 0
	for c.entry = range x.box.entries(sp) {
		if !(x.uid && c.ghost) && prog(c) == yes {
			res.add(c.entry)
			found++
		}
		if found == most || res.full() {
			return
		}
	}
}

// scope narrows the messages to those of a set that every match must be in.
func (x *searcher) scope(key *imap.SearchKey) (spans, error) {
	keys := []imap.SearchKey{*key}
	if key.Op == imap.SearchAnd {
		keys = key.Keys
	}
	for i := range keys {
		if keys[i].Op == imap.SearchSeq || keys[i].Op == imap.SearchUID {
			return x.set(&keys[i])
		}
	}
	return x.box.all(), nil
}

// runBatch decides candidates that the view alone could not.
func (x *searcher) runBatch(ctx context.Context, prog test, batch []candidate, res *searchResult) error {
	if err := x.mayGoOn(ctx); err != nil {
		return err
	}
	var msgs []*store.Message
	var index []int
	for i := range batch {
		if !batch[i].known {
			msgs = append(msgs, batch[i].msg)
			index = append(index, i)
		}
	}
	fields := x.fields
	if x.content {
		fields |= store.FieldParts
	}
	ahead := x.readAhead(ctx, msgs)
	if ahead != nil {
		defer ahead.Close()
	}
	for r, err := range x.box.account.Rendered(ctx, msgs, fields, true) {
		if err != nil {
			return fmt.Errorf("reading renderings: %w", err)
		}
		if r.Gone {
			continue
		}
		c := &batch[index[r.Index]]
		c.r, c.ahead, c.at = r, ahead, r.Index
		v := prog(c)
		if v == unknown {
			if v, err = x.withContent(ctx, prog, c); err != nil {
				return err
			}
		}
		c.r, c.ahead, c.known = nil, nil, v == yes
		if err := x.progress.step(1); err != nil {
			return err
		}
	}
	for i := range batch {
		if batch[i].known && !res.full() {
			res.add(batch[i].entry)
		}
	}
	if err := x.progress.step(len(batch) - len(msgs)); err != nil {
		return err
	}
	return nil
}

// mayGoOn returns an error when the search is to end.
func (x *searcher) mayGoOn(ctx context.Context) error {
	if x.s.stopping(ctx) {
		return errShutdown
	}
	if !x.until.IsZero() && x.s.srv.cfg.Now().After(x.until) {
		return errSearchTime
	}
	return nil
}

// readAhead reads the contents of messages ahead, when that is what their search takes; nil when it
// is not.
func (x *searcher) readAhead(ctx context.Context, msgs []*store.Message) *store.ReadAhead {
	if !x.content || x.fields != 0 {
		return nil
	}
	ids := make([]store.BodyID, len(msgs))
	for i, m := range msgs {
		ids[i] = m.Body
	}
	return x.box.account.ReadAhead(ctx, ids, false)
}

// open opens the content of a candidate.
func (x *searcher) open(ctx context.Context, c *candidate) (*store.BodyReader, error) {
	if c.ahead != nil {
		return c.ahead.Open(c.at)
	}
	return x.box.account.OpenBody(ctx, c.msg.Body)
}

// withContent decides by the content.
func (x *searcher) withContent(ctx context.Context, prog test, c *candidate) (tri, error) {
	if x.content {
		return x.openContent(ctx, prog, c)
	}
	// Stored header data is cut where a header is huge, which is rare: the part tree was
	// not read with it.
	fields := x.fields | store.FieldHeaders | store.FieldParts
	for r, err := range x.box.account.Rendered(ctx, []*store.Message{c.msg}, fields, true) {
		if err != nil {
			return no, fmt.Errorf("reading renderings: %w", err)
		}
		if r.Gone {
			return no, nil
		}
		c.r = r
		return x.openContent(ctx, prog, c)
	}
	return no, nil
}

func (x *searcher) openContent(ctx context.Context, prog test, c *candidate) (tri, error) {
	body, err := x.open(ctx, c)
	if errors.Is(err, store.ErrNoBody) {
		return no, nil
	} else if err != nil {
		return no, fmt.Errorf("opening message: %w", err)
	}
	// Reading is over; nothing is lost if closing fails.
	defer func() { _ = body.Close() }()
	part, err := message.DecodePart(c.r.Parts)
	if err != nil {
		return no, fmt.Errorf("decoding part tree of body %d: %w", c.msg.Body, err)
	}
	if x.finder == nil && len(x.queries) > 0 {
		x.finder = newFinder(x.queries)
	}
	c.content = &content{part: part, ra: body, finder: x.finder, fuzzy: x.fuzzy, id: c.msg.Body}
	if index := x.s.srv.cfg.Index; index != nil && len(x.queries)+len(x.fuzzy) > 0 {
		c.content.document = index.Document(ctx, x.box.account, c.msg.Body)
	}
	v := prog(c)
	err = c.content.err
	c.content = nil
	if err != nil {
		return no, fmt.Errorf("reading message: %w", err)
	}
	return v, nil
}
