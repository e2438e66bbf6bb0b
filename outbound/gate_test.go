package outbound

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestHoldLocal holds workers back, waits for those that are in, and gives up in time.
func TestHoldLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &Outbound{}
		o.local.enter()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := o.HoldLocal(ctx); err == nil {
			t.Fatal("held while one is in")
		}
		o.local.leave()
		var in atomic.Int64
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 50 {
					o.local.enter()
					in.Add(1)
					time.Sleep(time.Millisecond)
					in.Add(-1)
					o.local.leave()
				}
			})
		}
		for range 20 {
			release, err := o.HoldLocal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if n := in.Load(); n != 0 {
					t.Errorf("%d are in", n)
				}
				time.Sleep(time.Millisecond)
			}
			release()
			time.Sleep(3 * time.Millisecond)
		}
		wg.Wait()
	})
}
