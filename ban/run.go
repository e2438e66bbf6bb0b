package ban

import (
	"context"
	"time"
)

// idle is how long the goroutine sleeps when no ban ends before.
const idle = time.Hour

// run writes what has changed, and ends bans.
func (b *Bans) run() {
	defer close(b.ended)
	ctx := context.Background()
	for {
		next := b.sweep()
		took := b.write(ctx)
		// A large export under attack is not to be all that is done.
		delay := max(b.o.Delay, 20*took)
		if !b.wait(min(max(next.Sub(b.o.Now()), 0), idle), b.wake) || !b.wait(delay, nil) {
			b.sweep()
			b.write(ctx)
			return
		}
	}
}

// wait sleeps for a time, or until woken; false: until Close.
func (b *Bans) wait(d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-b.quit:
		return false
	}
	return true
}

// sweep moves bans that are over, forgets what was long ago, and returns when the next ban
// ends, at the latest after [idle].
func (b *Bans) sweep() time.Time {
	now := b.o.Now()
	next := now.Add(idle)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.sets {
		for network, x := range b.sets[i].bans {
			switch {
			case !x.Active(now):
				b.sets[i].remove(network)
				b.past[x.key()] = x
				b.touch(x.key())
			case !x.Expires.IsZero() && x.Expires.Before(next):
				next = x.Expires
			}
		}
	}
	for k, x := range b.past {
		if now.Sub(x.Expires) >= remembered {
			b.drop(k)
		}
	}
	b.users.forget(func(seen time.Time) bool { return now.Sub(seen) >= knownFor })
	b.senders.forget(func(seen time.Time) bool { return now.Sub(seen) >= trusted })
	for k, o := range b.offences {
		if now.Sub(o.start) >= window {
			delete(b.offences, k)
		}
	}
	return next
}

// write brings database and export up to date, and returns how long that took.
func (b *Bans) write(ctx context.Context) time.Duration {
	start := time.Now()
	if err := b.flush(ctx); err != nil {
		b.o.Log.ErrorContext(ctx, "writing bans", "err", err)
	}
	if err := b.export(); err != nil {
		b.o.Log.ErrorContext(ctx, "writing bans for the packet filter", "err", err, "path", b.o.Export.Path)
	}
	return time.Since(start)
}
