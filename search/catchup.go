package search

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"mox/store"
)

// A search that has to look through much of what is not in the index yet takes it into the
// index instead: on all cores that costs about what looking through costs, and is done once.

const (
	// FewMessages are looked through so quickly that a search need not ask for more.
	FewMessages = 50
	// The bodies that one goroutine takes at a time, as a batch or several.
	minPiece, maxPiece = 25, 1000
	// catchUpText is Config.BatchText for these batches: no other account waits for its turn, and
	// larger ones make fewer segments.
	catchUpText = 8 << 20
	// CatchUp gives up after catchUpTime, and so much more for each message, many times what it
	// takes: programs that read documents may be slow. The rest is then left to the worker.
	catchUpTime    = 5 * time.Second
	catchUpMessage = 2 * time.Millisecond
	// catchUpTick is how often CatchUp reports at least.
	catchUpTick = time.Second
)

// maxBuilders is how many goroutines take messages for searches at once. Each has one batch
// in the making and one that waits to be written.
func maxBuilders() int { return min(runtime.GOMAXPROCS(0), 8) }

// Tail is what a search would have to look through that is not in the index: a number of
// bodies, and the last of them.
type Tail struct {
	Messages int
	Last     store.BodyID
}

// Add counts a body.
func (t *Tail) Add(id store.BodyID) {
	t.Messages++
	t.Last = max(t.Last, id)
}

// CatchUp takes what is not in the index up to tail.Last into it, and waits for that, when
// searches had to look through at least half as many messages as that are, this one included,
// since the index was last complete. So a search in a small mailbox does not take all of a
// large one that waits, and many small ones do not look through the same for ever. How much it
// is does not matter: looking through it would take about as long, and again the next time.
// ok: the index has seen what it can, and is to be asked again. Otherwise the caller looks
// through the messages; what was taken until then stays.
//
// report is told now and then how many messages were taken since the last time; an error of it
// ends the work and is returned. CatchUp ends with ctx, when the index is closed, and when it
// takes much too long.
func (m *Manager) CatchUp(ctx context.Context, acc *store.Account, tail Tail, report func(messages int) error) (ok bool, err error) {
	if tail.Messages < FewMessages {
		return false, nil
	}
	ctx, end := m.catching.begin(ctx, acc.Name(), m.patience+time.Duration(tail.Messages)*catchUpMessage)
	defer end()
	defer context.AfterFunc(m.ctx, end)()
	a, err := m.acquire(ctx, acc.Name())
	if err != nil {
		return false, nil // who asked for candidates has logged it
	}
	defer m.release(a)
	if a.bad.Load() || a.slow.Load() {
		return false, nil
	}
	c := &catchUp{m: m, a: a, last: tail.Last, report: report}
	ok, err = m.worthTaking(ctx, a, tail)
	if ok {
		err = c.run(ctx)
	}
	switch {
	case c.reported != nil:
		return false, c.reported
	case err == nil:
		return ok, nil
	case ctx.Err() != nil:
		a.slow.Store(context.Cause(ctx) == errSlow)
	case isDamage(err):
		m.damaged(a, err)
	default:
		m.failed(a.name, err)
	}
	return false, nil
}

// worthTaking counts what a search has to look through, and reports whether that and what
// other searches had is half of what there is to take.
func (m *Manager) worthTaking(ctx context.Context, a *account, tail Tail) (bool, error) {
	looked := int(a.looked.Add(int64(tail.Messages)))
	s, err := a.index.state(ctx)
	if err != nil {
		return false, err
	}
	ids, err := a.acc.NewBodies(ctx, s.indexed, 2*looked+1)
	return err == nil && (len(ids) <= 2*looked || ids[2*looked] > tail.Last), err
}

// catchUp is a CatchUp under way.
type catchUp struct {
	m        *Manager
	a        *account
	last     store.BodyID
	report   func(messages int) error
	reported error // of report
	tick     <-chan time.Time
}

// run takes messages, once nobody else does.
func (c *catchUp) run(ctx context.Context) error {
	c.a.hurried.Add(1)
	defer func() {
		c.a.hurried.Add(-1)
		c.m.keeper.Touch(c.a.name) // for what is left, and for merges
	}()
	t := time.NewTicker(catchUpTick)
	defer t.Stop()
	c.tick = t.C
	if err := c.wait(ctx, c.a.taking); err != nil {
		return err
	}
	defer c.a.taking.end()
	s, err := c.a.index.state(ctx)
	if err != nil {
		return err
	}
	modseq := c.a.acc.ModSeq()
	for after := s.indexed; after < c.last; {
		ids, err := c.a.acc.NewBodies(ctx, after, 100*maxPiece)
		if err != nil {
			return err
		}
		for len(ids) > 0 && ids[len(ids)-1] > c.last {
			ids = ids[:len(ids)-1]
		}
		if len(ids) == 0 {
			break
		}
		if err := c.take(ctx, ids, modseq); err != nil {
			return err
		}
		after = ids[len(ids)-1]
	}
	c.a.looked.Store(0)
	return nil
}

// piece is some bodies that one goroutine takes.
type piece struct {
	ids     []store.BodyID
	batches chan *batch // in order; closed at the end
	err     error       // before batches was closed
}

// take takes bodies into the index: goroutines make batches of pieces, which are written in
// order.
func (c *catchUp) take(ctx context.Context, ids []store.BodyID, modseq store.ModSeq) error {
	ctx, cancel := context.WithCancel(ctx)
	builders := maxBuilders()
	size := min(max(minPiece, (len(ids)+2*builders-1)/(2*builders)), maxPiece)
	var pieces []*piece
	for len(ids) > 0 {
		n := min(size, len(ids))
		pieces = append(pieces, &piece{ids: ids[:n], batches: make(chan *batch)})
		ids = ids[n:]
	}
	var next atomic.Int32
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range min(builders, len(pieces)) {
		wg.Go(func() { c.build(ctx, pieces, &next) })
	}
	for _, p := range pieces {
		if err := c.write(ctx, p, modseq); err != nil {
			return err
		}
	}
	return nil
}

// build makes batches of pieces until there are no more.
func (c *catchUp) build(ctx context.Context, pieces []*piece, next *atomic.Int32) {
	for {
		select {
		case c.m.builders <- struct{}{}:
		case <-ctx.Done():
			return
		}
		// Who has the first piece that is not written has its turn already.
		n := int(next.Add(1)) - 1
		if n < len(pieces) {
			p := pieces[n]
			p.err = c.buildPiece(ctx, p)
			close(p.batches)
		}
		<-c.m.builders
		if n >= len(pieces) {
			return
		}
	}
}

func (c *catchUp) buildPiece(ctx context.Context, p *piece) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("panic: %v\n%s", x, debug.Stack())
		}
	}()
	// Others have their turn after each message.
	k := c.m.taker(c.a, func() bool { runtime.Gosched(); return ctx.Err() != nil })
	k.l.text = max(k.l.text, catchUpText)
	for ids := p.ids; len(ids) > 0; {
		b, n, err := k.take(ctx, ids)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		ids = ids[n:]
		select {
		case p.batches <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// write writes the batches of a piece.
func (c *catchUp) write(ctx context.Context, p *piece, modseq store.ModSeq) error {
	for {
		select {
		case b, ok := <-p.batches:
			if !ok {
				return p.err
			}
			start := time.Now()
			if err := c.a.index.addBatch(ctx, b, modseq); err != nil {
				return fmt.Errorf("writing segment: %w", err)
			}
			c.m.took(c.a, b, start)
			if err := c.tell(b.out.docs); err != nil {
				return err
			}
		case <-c.tick:
			if err := c.tell(0); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait waits for its turn to add batches.
func (c *catchUp) wait(ctx context.Context, t ticket) error {
	for {
		select {
		case t <- struct{}{}:
			return nil
		case <-c.tick:
			if err := c.tell(0); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *catchUp) tell(messages int) error {
	if c.report != nil {
		c.reported = c.report(messages)
	}
	return c.reported
}

// ticket is a lock that can be waited for together with other things: a channel of capacity 1.
type ticket chan struct{}

func (t ticket) try() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t ticket) end() { <-t }

// catchUps are those under way, by account, to be cancelled. The zero value is ready.
type catchUps struct {
	mu   sync.Mutex
	next int
	by   map[string]map[int]context.CancelFunc
}

// errSlow is why the context of a CatchUp ends that takes too long.
var errSlow = errors.New("taking messages into the index takes too long")

// begin makes the context of one that may take so long, and what ends it.
func (c *catchUps) begin(ctx context.Context, name string, most time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithTimeoutCause(ctx, most, errSlow)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]map[int]context.CancelFunc{}
	}
	if c.by[name] == nil {
		c.by[name] = map[int]context.CancelFunc{}
	}
	c.next++
	n := c.next
	c.by[name][n] = cancel
	return ctx, func() {
		cancel()
		c.mu.Lock()
		defer c.mu.Unlock()
		if delete(c.by[name], n); len(c.by[name]) == 0 {
			delete(c.by, name)
		}
	}
}

// cancel ends those of an account that have begun.
func (c *catchUps) cancel(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.by[name] {
		cancel()
	}
}
