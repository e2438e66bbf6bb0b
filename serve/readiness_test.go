package serve

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// TestReadinessShared: who asks at the same time, or soon after, causes one check.
func TestReadinessShared(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	checks, problems := 0, []string{"queue: gone"} // guarded by the mutex of readiness
	r := readiness{now: func() time.Time { return now }, check: func() Health {
		checks++
		time.Sleep(10 * time.Millisecond)
		return Health{Problems: problems}
	}}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got := r.problems(); !slices.Equal(got, []string{"queue: gone"}) {
				t.Error(got)
			}
		})
	}
	wg.Wait()
	if checks != 1 {
		t.Errorf("%d checks", checks)
	}
	problems = nil
	now = now.Add(readinessKept - 1)
	if got := r.problems(); len(got) != 1 || checks != 1 {
		t.Error(got, checks)
	}
	now = now.Add(1)
	if got := r.problems(); got != nil || checks != 2 {
		t.Error(got, checks)
	}
	now = now.Add(-time.Hour) // a clock that was set back
	if r.problems(); checks != 3 {
		t.Error(checks)
	}
}
