package outbound

import (
	"time"

	"mox/queue"
)

// lane is what is known of one way to go; see route.lane. Its fields are guarded by
// Outbound.mu.
type lane struct {
	name    string
	workers int
	// limit is how many workers it can have now: 1 until a message came through, then
	// more with each batch that does; fewer when the server complains.
	limit int
	used  time.Time

	// down is why no host can be reached, until downUntil.
	down      *failure
	downUntil time.Time
	// pauseUntil: the server has said that it gets too much, pauses times in a row. Then
	// down is what it said.
	pauseUntil time.Time
	pauses     int
	// rcpts is how many recipients the server takes in a transaction; 0: not known.
	rcpts int
	// mails is how many messages it takes on a connection, likewise.
	mails int
}

// park says what a destination waits for.
type park struct {
	lane     string
	retrying bool // for a worker that takes what was tried before
}

// maxParked bounds the destinations that wait. With so many, all others do too.
const maxParked = 10_000

// laneOf returns the lane with a name. Outbound.mu is held.
func (o *Outbound) laneOf(name string) *lane {
	l := o.lanes[name]
	if l == nil {
		o.forget()
		l = &lane{name: name, limit: 1}
		if name == queue.LocalDestination {
			l.limit = o.c.Limits.Local
		}
		o.lanes[name] = l
	}
	l.used = o.c.Now()
	return l
}

// forget makes room for a lane.
func (o *Outbound) forget() {
	if len(o.lanes) < o.c.Limits.Lanes {
		return
	}
	// Maps are gone through in no order: half of what is not in use goes.
	for name, l := range o.lanes {
		if l.workers == 0 && len(o.lanes) > o.c.Limits.Lanes/2 {
			delete(o.lanes, name)
		}
	}
}

// succeeded notes that a message came through, and lets the lane have more workers, at
// most most.
func (o *Outbound) succeeded(name string, most int) {
	o.mu.Lock()
	l := o.laneOf(name)
	l.down, l.downUntil, l.pauseUntil, l.pauses = nil, time.Time{}, time.Time{}, 0
	grown := l.limit < most && name != queue.LocalDestination
	if grown {
		l.limit++
		o.unpark(name)
	}
	o.mu.Unlock()
	if grown {
		o.Kick()
	}
}

// unreachable notes that no host of the lane could be reached.
func (o *Outbound) unreachable(name string, f *failure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.laneOf(name)
	l.limit, l.down, l.downUntil = 1, f.remembered(), o.c.Now().Add(o.c.Limits.Unreachable)
}

// maxPauses bounds how often the time of a pause is doubled.
const maxPauses = 4

// throttled notes that the server wants less: each time in a row it is left alone for
// longer.
func (o *Outbound) throttled(name string, f *failure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.laneOf(name)
	l.limit = 1
	l.pauseUntil = o.c.Now().Add(o.c.Limits.Pause << l.pauses)
	l.down, l.downUntil = f.remembered(), l.pauseUntil
	l.pauses = min(l.pauses+1, maxPauses)
}

// learn changes what is known of a lane.
func (o *Outbound) learn(name string, f func(*lane)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(o.laneOf(name))
}

// known returns a copy of what is known of a lane.
func (o *Outbound) known(name string) lane {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := *o.laneOf(name)
	now := o.c.Now()
	if !now.Before(l.downUntil) {
		l.down = nil
	}
	if !now.Before(l.pauseUntil) {
		l.pauseUntil = time.Time{}
	}
	return l
}

// unpark lets the destinations go on that wait for a lane. Outbound.mu is held.
func (o *Outbound) unpark(name string) {
	for dest, p := range o.parked {
		if p.lane == name {
			delete(o.parked, dest)
		}
	}
}
