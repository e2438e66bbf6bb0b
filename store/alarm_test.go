package store

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAlarm(t *testing.T) {
	v := &View{superseded: make(chan struct{})}
	const n = 3*alarmBatch + 5
	var rung [n]atomic.Int32
	var left atomic.Int32
	all := make(chan struct{})
	list := make([]Alarm, n)
	for i := range list {
		list[i].F = func() {
			rung[i].Add(1)
			if left.Add(-1) == 0 {
				close(all)
			}
		}
		list[i].Set(v)
	}
	// Taken from both ends and the middle, twice, and set again.
	for _, i := range []int{0, 1, 7, 8, 100, n - 2, n - 1, 7} {
		list[i].Stop()
	}
	list[7].Set(v)
	list[7].Set(v)
	left.Store(n - 6)
	v.supersede()
	select {
	case <-all:
	case <-time.After(time.Minute):
		t.Fatal("not all are called")
	}
	for i := range list {
		list[i].Stop()
		want := int32(1)
		switch i {
		case 0, 1, 8, 100, n - 2, n - 1:
			want = 0
		}
		if got := rung[i].Load(); got != want {
			t.Errorf("alarm %d: called %d times, want %d", i, got, want)
		}
	}
	list[0].Set(v)
	if rung[0].Load() != 1 {
		t.Error("not called for a view that is superseded already")
	}
}

// Those who wait stop and set their alarms while others ring.
func TestAlarmRace(t *testing.T) {
	var wg sync.WaitGroup
	views := make([]*View, 50)
	for i := range views {
		views[i] = &View{superseded: make(chan struct{})}
	}
	for range 20 {
		wg.Go(func() {
			woken := make(chan struct{}, 1)
			a := Alarm{F: func() {
				select {
				case woken <- struct{}{}:
				default:
				}
			}}
			for _, v := range views {
				a.Set(v)
				a.Stop()
				a.Set(v)
				<-v.Superseded()
				<-woken
				a.Stop()
			}
		})
	}
	for _, v := range views {
		time.Sleep(100 * time.Microsecond)
		v.supersede()
	}
	wg.Wait()
}
