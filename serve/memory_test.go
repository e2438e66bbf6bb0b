package serve

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	for live, want := range map[uint64]int{0: 3200, 1 << 20: 3100, 4 << 20: 700, 8 << 20: 300, 16 << 20: 100, 500 << 20: 100} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB: %d %%, want %d", live>>20, got, want)
		}
	}
}

// Garbage is collected later while there is much to do, and as usual afterwards.
func TestCollectGarbage(t *testing.T) {
	t.Setenv("GOGC", "")
	current := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	stop := collectGarbage()
	for deadline := time.Now().Add(time.Minute); current() == normalPercent; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a collection changed nothing")
		}
		runtime.GC()
	}
	stop()
	runtime.GC()
	if p := current(); p != normalPercent {
		t.Errorf("%d %% after the end", p)
	}
	t.Setenv("GOGC", "50")
	collectGarbage()()
	if p := current(); p != normalPercent {
		t.Errorf("%d %% although the environment decides", p)
	}
}

// Giving memory back collects garbage, after which memory is not to be given back again.
func TestGiveBackOnce(t *testing.T) {
	c := &collector{percent: normalPercent}
	c.idle = time.AfterFunc(time.Hour, func() {})
	defer debug.SetGCPercent(normalPercent)
	c.watch()
	c.giveBack()
	time.Sleep(50 * time.Millisecond) // finalizers run later
	c.mu.Lock()
	percent := c.percent
	c.mu.Unlock()
	if percent != normalPercent {
		t.Fatal("a collection of its own counts")
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		c.mu.Lock()
		percent := c.percent
		c.mu.Unlock()
		if percent != normalPercent {
			break
		} else if time.Now().After(deadline) {
			t.Fatal("a later collection does not count")
		}
	}
	c.mu.Lock()
	c.percent = 0
	c.mu.Unlock()
}
