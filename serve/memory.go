package serve

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// busyHeap is how large the heap may become before garbage is collected while there is
	// much to do. By default that is at twice of what is in use, which is little here: it was
	// collected four to ten times a second, which took 5 % of the CPU.
	busyHeap = 32 << 20
	// quiet is after how long without a collection the memory is given back.
	quiet = 3 * time.Second
	// normalPercent is the default of the runtime.
	normalPercent = 100
)

// collector decides when garbage is collected. An environment with GOGC decides itself.
type collector struct {
	mu      sync.Mutex // guards what follows
	percent int        // as set; 0: stopped
	idle    *time.Timer
	gaveUp  bool // what follows is the collection by which memory was given back
}

// collected is an object that nothing refers to: its finalizer runs at each collection.
type collected struct{ c *collector }

// collectGarbage begins to decide. The memory that was needed to start is given back.
func collectGarbage() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	c := &collector{percent: normalPercent}
	c.idle = time.AfterFunc(time.Second, c.giveBack)
	c.watch()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.idle.Stop()
		c.percent = 0
		debug.SetGCPercent(normalPercent)
	}
}

// watch makes the next collection call after.
func (c *collector) watch() {
	runtime.SetFinalizer(&collected{c}, func(x *collected) { x.c.after() })
}

// after is called after each collection.
func (c *collector) after() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.percent == 0 {
		return
	}
	c.watch()
	if c.gaveUp {
		c.gaveUp = false
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if live[0].Value.Kind() == metrics.KindUint64 {
		c.set(percentFor(live[0].Value.Uint64()))
	}
	c.idle.Reset(quiet)
}

// percentFor is such that the heap grows to busyHeap, or to twice of what is in use.
func percentFor(live uint64) int {
	if live >= busyHeap/2 {
		return normalPercent
	}
	return int((busyHeap - live) * 100 / max(live, 1<<20))
}

// set is called with mu held. Changing it stops all for a moment.
func (c *collector) set(percent int) {
	if d := percent - c.percent; d > percent/8 || -d > percent/8 {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}

// giveBack is called when there is little to do.
func (c *collector) giveBack() {
	c.mu.Lock()
	if c.percent == 0 {
		c.mu.Unlock()
		return
	}
	c.gaveUp = true
	c.set(normalPercent)
	c.mu.Unlock()
	debug.FreeOSMemory()
}
