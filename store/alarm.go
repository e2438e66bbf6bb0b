package store

import (
	"runtime"
	"sync"
)

// Alarm wakes one that waits for a newer view. It is part of what waits, so that waiting
// takes neither a goroutine nor memory of its own. Set F before its first use, and do not
// copy it. At most one view has it at a time. Its owner alone calls its methods; F may be
// the owner.
type Alarm struct {
	// F is called when the view is superseded, in one of a few goroutines that call those
	// of all who wait for the view: it must not block. It may still be called once after
	// Stop.
	F func()

	view       *View
	prev, next *Alarm // in view.alarms; guarded by view.alarmMu
}

// alarms are those that wait for the end of a view.
type alarms struct {
	alarmMu sync.Mutex
	first   *Alarm
	over    bool // superseded
}

// Set makes a be called when v is superseded, at once when it is already. An alarm that is
// set is stopped first.
func (a *Alarm) Set(v *View) {
	a.Stop()
	v.alarmMu.Lock()
	if v.over {
		v.alarmMu.Unlock()
		a.F()
		return
	}
	a.view, a.prev, a.next = v, nil, v.first
	if a.next != nil {
		a.next.prev = a
	}
	v.first = a
	v.alarmMu.Unlock()
}

// Stop ends what Set began.
func (a *Alarm) Stop() {
	v := a.view
	if v == nil {
		return
	}
	a.view = nil
	v.alarmMu.Lock()
	defer v.alarmMu.Unlock()
	switch {
	case a.prev != nil:
		a.prev.next = a.next
	case v.first == a:
		v.first = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	a.prev, a.next = nil, nil
}

// alarmBatch is how many are called while the list is locked. Those that are woken stop
// their alarms, for which they need the lock.
const alarmBatch = 64

// supersede tells all who wait. It does not wait for that.
func (v *View) supersede() {
	close(v.superseded)
	v.alarmMu.Lock()
	defer v.alarmMu.Unlock()
	v.over = true
	if v.first != nil {
		go v.ring(runtime.GOMAXPROCS(0) - 1)
	}
}

// ring calls the alarms, taking them off the list. Where there are many, it does so with
// more goroutines, of which each begins the next.
func (v *View) ring(more int) {
	var batch [alarmBatch]func()
	for {
		n := v.takeAlarms(batch[:])
		if n == 0 {
			return
		}
		if n == len(batch) && more > 0 {
			go v.ring(more - 1)
			more = 0
		}
		for _, f := range batch[:n] {
			f()
		}
	}
}

// takeAlarms takes some off the list and returns how many.
func (v *View) takeAlarms(batch []func()) (n int) {
	v.alarmMu.Lock()
	defer v.alarmMu.Unlock()
	for ; n < len(batch) && v.first != nil; n++ {
		a := v.first
		batch[n] = a.F
		v.first = a.next
		if a.next != nil {
			a.next.prev = nil
		}
		a.prev, a.next = nil, nil
	}
	return n
}
