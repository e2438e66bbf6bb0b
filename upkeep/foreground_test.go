package upkeep

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestForeground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		waited := func(f *Foreground, worked time.Duration) time.Duration {
			start := time.Now()
			f.Yield(ctx, worked)
			return time.Since(start)
		}
		check := func(what string, got, want time.Duration) {
			t.Helper()
			if got != want {
				t.Errorf("%s: waited for %v, want %v", what, got, want)
			}
		}
		check("without", waited(nil, time.Second), 0)
		f := new(Foreground)
		check("nothing has ever run", waited(f, time.Second), 0)
		for range runtime.GOMAXPROCS(0) {
			f.Begin()
		}
		check("all cores", waited(f, 10*time.Millisecond), 40*time.Millisecond)
		check("little", waited(f, 100*time.Microsecond), 0)
		check("commands that wait for their clients", waited(f, time.Hour), longCommand-40*time.Millisecond)
		check("and after that", waited(f, time.Hour), 0)
		f.Begin()
		cancel()
		check("ended", waited(f, time.Hour), 0)
		ctx = t.Context()
		for range runtime.GOMAXPROCS(0) + 1 {
			f.End()
		}
		if runtime.GOMAXPROCS(0) <= 2 {
			check("between commands", waited(f, time.Second), betweenCommands)
		}
		check("none", waited(f, time.Second), 0)
	})
}
