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
	// maxShrink bounds how often garbage is collected then to shrink stacks.
	maxShrink = 4
	// releaseEvery is how often pages of the program are given back at most.
	releaseEvery = 10 * time.Minute
	// normalPercent is the default of the runtime.
	normalPercent = 100
)

// collector decides when garbage is collected. An environment with GOGC decides itself.
type collector struct {
	mu      sync.Mutex // guards what follows
	percent int        // as set; 0: stopped
	idle    *time.Timer
	giving  bool   // memory is being given back
	given   uint64 // number of collections when it had been

	released time.Time // when releaseProgram was called; for giveBack only
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
	// Not those by which memory is given back, or it would be for ever. The call may come
	// late.
	if c.giving || readMetric("/gc/cycles/total:gc-cycles") <= c.given {
		return
	}
	c.set(percentFor(readMetric("/gc/heap/live:bytes")))
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
	if c.percent == 0 || c.giving {
		c.mu.Unlock()
		return
	}
	c.giving = true
	c.set(normalPercent)
	c.mu.Unlock()
	shrinkStacks()
	debug.FreeOSMemory()
	if time.Since(c.released) > releaseEvery {
		c.released = time.Now()
		releaseProgram()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giving, c.given = false, readMetric("/gc/cycles/total:gc-cycles")
}

// readMetric returns a number of the runtime, 0 where it has none of the name.
func readMetric(name string) uint64 {
	m := []metrics.Sample{{Name: name}}
	metrics.Read(m)
	if m[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return m[0].Value.Uint64()
}

// shrinkStacks collects until the stacks of what waits no longer become smaller: a collection
// halves one, which has grown to 16 KB or more by a login. It would be another 4 KB or more
// for each connection that idles.
func shrinkStacks() {
	const stacks = "/memory/classes/heap/stacks:bytes"
	for range maxShrink {
		before := readMetric(stacks)
		runtime.GC()
		if readMetric(stacks) > before-before/8 {
			return
		}
	}
}
