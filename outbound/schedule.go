package outbound

import (
	"context"
	"fmt"
	"maps"
	"time"

	"mox/queue"
	"mox/upkeep"
)

// rounds is how often the queue is asked in a row. Each round starts workers or finds out
// which destinations have to wait.
const rounds = 5

// errorWait is how long to wait after an error of the queue.
const errorWait = 10 * time.Second

// Run sends what is due until ctx ends, then waits for what is under way, at most
// Limits.Shutdown. It returns the cause of ctx's end. It must run once only.
func (o *Outbound) Run(ctx context.Context) error {
	// Workers go on for a moment when ctx has ended.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for ctx.Err() == nil {
		began := o.c.Now()
		next, ok := o.fill(ctx, work)
		o.wait(ctx, next, ok)
		// While much comes in, it is looked at together.
		if rest := o.c.Limits.Gather - o.c.Now().Sub(began); rest > 0 {
			upkeep.Sleep(ctx, min(rest, o.c.Limits.Gather))
		}
	}
	o.drain(stop)
	return context.Cause(ctx)
}

// wait returns when something may be due, at next if that is set, or ctx has ended.
func (o *Outbound) wait(ctx context.Context, next time.Time, ok bool) {
	var due <-chan time.Time
	if ok {
		t := time.NewTimer(next.Sub(o.c.Now()))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-o.wake:
	case <-due:
	}
}

// drain waits for the workers, and cuts off those that take too long.
func (o *Outbound) drain(stop func()) {
	o.ending.Store(true)
	late := time.AfterFunc(o.c.Limits.Shutdown, stop)
	o.workers.Wait()
	late.Stop()
	stop()
	o.pool.close()
}

// fill starts workers for what is due, and returns when something is due next; false:
// somebody will kick.
func (o *Outbound) fill(ctx, work context.Context) (time.Time, bool) {
	opts := queue.DueOptions{
		Busy: o.busy, Skip: o.underWay,
		Max: o.c.Limits.Workers * o.c.Limits.Batch, PerDestination: o.c.Limits.Batch, Recipients: o.c.Limits.Recipients,
	}
	for range rounds {
		if o.full() {
			return time.Time{}, false // a worker that ends kicks
		}
		opts.Skip = o.underWayBefore()
		msgs, err := o.c.Queue.Due(ctx, o.c.Now(), opts)
		if err != nil {
			return o.queueFailed(ctx, err)
		}
		if len(msgs) == 0 {
			break
		}
		o.start(work, msgs)
	}
	if o.full() {
		return time.Time{}, false
	}
	next, ok, err := o.c.Queue.Next(ctx, opts)
	if err != nil {
		return o.queueFailed(ctx, err)
	}
	return next, ok
}

func (o *Outbound) queueFailed(ctx context.Context, err error) (time.Time, bool) {
	if ctx.Err() == nil {
		o.log.ErrorContext(ctx, "asking the queue what is due", "err", err)
	}
	return o.c.Now().Add(errorWait), true
}

// full tells whether there is no worker for anything more.
func (o *Outbound) full() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.active.all >= o.c.Limits.Workers || len(o.parked) >= maxParked && o.active.all > 0
}

// busy is for the queue.
func (o *Outbound) busy(destination string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.parked[destination]
	return ok
}

// underWay is for the queue.
func (o *Outbound) underWay(id int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.under[id]
}

// Sending tells whether one of some messages is being sent.
func (o *Outbound) Sending(ids ...int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		if o.under[id] {
			return true
		}
	}
	return false
}

// underWayBefore is underWay as of now. Due must not ask what is under way while it reads: a
// message that is recorded and taken off the books meanwhile would not be under way any more,
// but still be there in the snapshot of the database that is read, and would be sent twice.
func (o *Outbound) underWayBefore() func(id int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	under := maps.Clone(o.under)
	return func(id int64) bool { return under[id] }
}

// batch is what one worker sends: messages of one lane with one route.
type batch struct {
	lane     string
	route    route
	most     int // connections of the lane
	retrying bool
	msgs     []queue.Message
}

// start gives messages to workers as far as there are any, and parks the destinations of
// the others.
func (o *Outbound) start(ctx context.Context, msgs []queue.Message) {
	snapshot := o.c.Config()
	batches := map[string]*batch{}
	var order []*batch
	for _, m := range msgs {
		r := routeOf(snapshot, &m)
		name := r.lane(&m)
		// Lanes with one name can have routes with different times.
		key := fmt.Sprint(name, r.waits, r.conns)
		b := batches[key]
		if b == nil {
			b = &batch{lane: name, route: r, most: r.conns, retrying: true}
			orElse(&b.most, o.c.Limits.Connections)
			batches[key] = b
			order = append(order, b)
		}
		b.msgs = append(b.msgs, m)
		// A batch with anything new in it is not one of retries.
		b.retrying = b.retrying && m.Attempts > 0
	}
	for _, b := range order {
		o.startBatch(ctx, b)
	}
}

// startBatch gives a batch to a worker, or parks it.
func (o *Outbound) startBatch(ctx context.Context, b *batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.laneOf(b.lane)
	limit := l.limit
	if b.lane != queue.LocalDestination {
		limit = min(limit, b.most)
	}
	tooMany := b.retrying && o.active.retrying >= o.c.Limits.Retrying
	if o.active.all >= o.c.Limits.Workers {
		return
	}
	if tooMany || l.workers >= limit {
		for i := range b.msgs {
			o.parked[b.msgs[i].Destination()] = park{b.lane, tooMany}
		}
		return
	}
	l.workers++
	o.active.all++
	if b.retrying {
		o.active.retrying++
	}
	for i := range b.msgs {
		o.under[b.msgs[i].ID] = true
	}
	o.workers.Go(func() {
		defer o.ended(b)
		o.work(ctx, b)
	})
}

// ended takes a worker off the books and lets others have its place.
func (o *Outbound) ended(b *batch) {
	o.mu.Lock()
	o.laneOf(b.lane).workers--
	o.active.all--
	if b.retrying {
		o.active.retrying--
	}
	for i := range b.msgs {
		delete(o.under, b.msgs[i].ID)
	}
	o.unpark(b.lane)
	if b.retrying {
		for dest, p := range o.parked {
			if p.retrying {
				delete(o.parked, dest)
			}
		}
	}
	o.mu.Unlock()
	o.Kick()
}
