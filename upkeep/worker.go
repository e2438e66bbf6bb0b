package upkeep

import (
	"errors"
	"time"
)

// queue is when to work on which name next.
type queue struct {
	due     map[string]time.Time
	touched map[string]time.Time // of those queued by Touch: when first
	retries map[string]int       // failures in a row
}

func newQueue() queue {
	return queue{due: map[string]time.Time{}, touched: map[string]time.Time{}, retries: map[string]int{}}
}

func (q *queue) has(name string) bool {
	_, ok := q.due[name]
	return ok
}

// drop forgets what waits for a name; its failures are remembered.
func (q *queue) drop(name string) {
	delete(q.due, name)
	delete(q.touched, name)
}

// first returns the name that is due first among those that ready allows.
func (q *queue) first(ready func(string) bool) (name string, at time.Time) {
	for n, due := range q.due {
		if (name == "" || due.Before(at)) && ready(n) {
			name, at = n, due
		}
	}
	return name, at
}

// Touch says that there may be work for a name. It never waits.
func (k *Keeper[T]) Touch(name string) {
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	first, again := k.queue.touched[name]
	if !again {
		first = now
	}
	at := now.Add(k.o.Linger)
	if latest := first.Add(k.o.MaxLinger); at.After(latest) {
		at = latest
	}
	due, queued := k.queue.due[name]
	if queued && !again && (!at.Before(due) || k.queue.retries[name] > 0) {
		return // it is worked on soon anyway, or has failed and must wait
	}
	k.queue.touched[name], k.queue.due[name] = first, at
	if !again {
		k.wakeUp()
	}
}

// Schedule makes the worker work on a name after a while, or earlier where that was
// planned. A name whose work has failed waits for its time all the same.
func (k *Keeper[T]) Schedule(name string, after time.Duration) {
	at := time.Now().Add(after)
	k.mu.Lock()
	defer k.mu.Unlock()
	if due, queued := k.queue.due[name]; queued && (!at.Before(due) || k.queue.retries[name] > 0) {
		return
	}
	k.plan(name, at)
}

// plan queues a name for a time, whatever was planned. k.mu is held.
func (k *Keeper[T]) plan(name string, at time.Time) {
	if k.closed {
		return
	}
	delete(k.queue.touched, name)
	k.queue.due[name] = at
	k.wakeUp()
}

// wakeUp makes the worker look at the queue again.
func (k *Keeper[T]) wakeUp() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// work is the one goroutine that works in the background.
func (k *Keeper[T]) work() {
	idle := time.NewTicker(max(k.o.Idle/2, time.Millisecond))
	defer idle.Stop()
	for k.ctx.Err() == nil {
		name, wait := k.next()
		if name != "" {
			k.turn(name)
			if k.tooMany() {
				k.closeIdle()
			}
			wait = 0
		}
		t := time.NewTimer(wait)
		select {
		case <-k.ctx.Done():
		case <-idle.C:
			k.closeIdle()
		case <-k.wake:
		case <-t.C:
		}
		t.Stop()
	}
}

// next takes the name that is due, or returns how long to wait for one. What leaves is
// waited for until it is gone.
func (k *Keeper[T]) next() (name string, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name, at := k.queue.first(func(n string) bool { return k.open[n] == nil || !k.open[n].leaving })
	if name == "" {
		return "", time.Hour
	}
	if wait := time.Until(at); wait > 0 {
		return "", wait
	}
	k.queue.drop(name)
	k.busy = true
	return name, 0
}

// turn does a piece of a name's work, and plans the next.
func (k *Keeper[T]) turn(name string) {
	more := false
	t, err := k.Acquire(k.ctx, name)
	if err == nil {
		defer k.Release(name)
		more, err = k.o.Work(k.ctx, t)
	}
	failed := err != nil && k.ctx.Err() == nil && !errors.Is(err, ErrClosed) && !k.o.Final(err)
	if failed {
		k.o.Failed(name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy = false
	if !failed {
		delete(k.queue.retries, name)
	}
	e := k.open[name]
	switch stays := e == nil || !e.leaving; { // what is sent away is left alone
	case stays && failed:
		k.retry(name)
	case stays && more && err == nil:
		k.plan(name, time.Now())
	}
}

// retry plans the next try of what has failed. k.mu is held.
func (k *Keeper[T]) retry(name string) {
	n := k.queue.retries[name]
	k.queue.retries[name] = n + 1
	at := time.Now().Add(min(k.o.RetryLast, k.o.RetryFirst<<min(n, 10)))
	if due, queued := k.queue.due[name]; !queued || due.Before(at) {
		k.plan(name, at)
	}
}
