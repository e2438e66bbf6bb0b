package store

import "sync"

// Alarm wakes one that waits for a newer view. It is part of what waits, so that waiting
// takes neither a goroutine nor memory of its own. Set F before its first use, and do not
// copy it. At most one view has it at a time. Its owner alone calls its methods.
type Alarm struct {
	// F is called when the view is superseded, in a goroutine that calls those of all who
	// wait for the view: it must not block. It may still be called once after Stop.
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
		go v.ring()
	}
}

// ring calls the alarms, taking them off the list.
func (v *View) ring() {
	var batch [alarmBatch]func()
	for {
		n := 0
		v.alarmMu.Lock()
		for ; n < len(batch) && v.first != nil; n++ {
			a := v.first
			batch[n] = a.F
			v.first = a.next
			if a.next != nil {
				a.next.prev = nil
			}
			a.prev, a.next = nil, nil
		}
		v.alarmMu.Unlock()
		if n == 0 {
			return
		}
		for _, f := range batch[:n] {
			f()
		}
	}
}
