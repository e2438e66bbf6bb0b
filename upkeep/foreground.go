package upkeep

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// A command that runs for longer than longCommand mostly waits for its client.
	longCommand = time.Second
	// betweenCommands is how soon after a command the next may come.
	betweenCommands = 3 * time.Millisecond
	// yieldFactor is how much longer than it has worked background work waits at most, so that it
	// goes on, at a fifth of its speed, however busy the server is.
	yieldFactor = 4
	// yieldStep is how often it looks, and the least that is worth waiting for.
	yieldStep = time.Millisecond
)

// Foreground makes work in the background give way to commands that somebody waits for: one
// that computes for long on every core makes those that take less than a millisecond wait for
// a core for several. The zero value is ready for use, nil never gives way. Safe for
// concurrent use.
type Foreground struct {
	running atomic.Int32
	last    atomic.Int64 // when a command began or ended, in ns since 1970
}

// Begin says that a command begins that somebody waits for, and End that it has ended, or
// does for now what need not be given way to.
func (f *Foreground) Begin() {
	if f != nil {
		f.running.Add(1)
		f.last.Store(time.Now().UnixNano())
	}
}

// End is the counterpart of Begin.
func (f *Foreground) End() {
	if f != nil {
		f.last.Store(time.Now().UnixNano())
		f.running.Add(-1)
	}
}

// busy reports whether commands need all cores.
func (f *Foreground) busy() bool {
	since := time.Since(time.Unix(0, f.last.Load()))
	running := int(f.running.Load())
	if since >= longCommand || running <= 0 && since >= betweenCommands {
		return false
	}
	return max(1, running)+1 >= runtime.GOMAXPROCS(0)
}

// Yield is for work in the background, after a piece of it that took some time. It waits
// while commands need the machine, in proportion to that time, and no longer than ctx.
func (f *Foreground) Yield(ctx context.Context, worked time.Duration) {
	if f == nil {
		return
	}
	for wait := worked * yieldFactor; wait >= yieldStep && f.busy(); {
		start := time.Now()
		select {
		case <-time.After(yieldStep):
		case <-ctx.Done():
			return
		}
		wait -= time.Since(start)
	}
}
