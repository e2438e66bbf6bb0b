package webimport

import (
	"context"
	"strings"
	"time"

	"mox/transfer"
)

// Event is something to tell listeners. Those with an ID, which are steps and problems, come in its order, each once; of counts
// the last of a mailbox says all. Data is encoded as JSON.
type Event struct {
	ID   int
	Name string // as the types below, in lower case
	Data any
}

// Step is what is done now.
type Step struct{ Title string }

// Problem is something that was left out, and why.
type Problem struct{ Message string }

// Dropped is how many problems there are that are not told one by one.
type Dropped struct{ Count int }

// Count is how many messages of a mailbox are there by now, added or since before.
type Count struct {
	Mailbox string
	Count   int
}

// Done is the end of an import that is complete.
type Done struct{ transfer.Result }

// Aborted is the end of one that is not. The message says why; empty: the user has stopped it.
type Aborted struct {
	Message string
	transfer.Result
}

// Bounds of what is kept to be told.
const (
	maxProblems    = 100
	maxProblemText = 1000 // octets
)

// change changes what is told.
func (im *Import) change(f func()) {
	im.mu.Lock()
	defer im.mu.Unlock()
	f()
	close(im.changed)
	im.changed = make(chan struct{})
}

// tell is called with the lock.
func (im *Import) tell(name string, data any) {
	im.told = append(im.told, Event{ID: len(im.told) + 1, Name: name, Data: data})
}

func (im *Import) step(title string) { im.change(func() { im.tell("step", Step{title}) }) }

func (im *Import) tellProblem(text string) {
	if len(text) > maxProblemText {
		text = text[:maxProblemText]
	}
	text = strings.ToValidUTF8(text, "?")
	im.change(func() {
		if im.problem >= maxProblems {
			im.dropped++
			return
		}
		im.problem++
		im.tell("problem", Problem{text})
	})
}

func (im *Import) count(mailbox string, messages int) {
	im.change(func() {
		if _, ok := im.counts[mailbox]; !ok {
			im.names = append(im.names, mailbox)
		}
		im.counts[mailbox] += messages
	})
}

func (im *Import) finish(end Event) {
	im.change(func() { im.end, im.ended = end, true })
}

// Bounds of events: how often counts are told, and after what time without any a listener gets an event without a name, to see
// that it is there.
const (
	gatherTime = 250 * time.Millisecond
	idleTime   = 20 * time.Second
)

// listener is what one has been told.
type listener struct {
	im      *Import
	last    int // ID
	dropped int
	counts  map[string]int
}

// Follow calls emit for all that was told before, but steps and problems with an ID up to last, and for all that is to be told,
// until the import has ended, emit fails, or ctx ends. flush is called after some.
func (im *Import) Follow(ctx context.Context, last int, emit func(Event) error, flush func() error) error {
	l := &listener{im: im, last: last, counts: map[string]int{}}
	for {
		events, changed, ended := l.next()
		for _, e := range events {
			if err := emit(e); err != nil {
				return err
			}
		}
		if err := flush(); err != nil || ended {
			return err
		}
		select {
		case <-changed:
			// More may follow soon.
			select {
			case <-time.After(gatherTime):
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-time.After(idleTime):
			if err := emit(Event{}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// next returns what the listener was not told yet, and what is closed when there is more.
func (l *listener) next() (events []Event, changed <-chan struct{}, ended bool) {
	im := l.im
	im.mu.Lock()
	defer im.mu.Unlock()
	if l.last < 0 || l.last > len(im.told) {
		l.last = 0 // of another import
	}
	events = append(events, im.told[l.last:]...)
	l.last = len(im.told)
	for _, name := range im.names {
		if n := im.counts[name]; n != l.counts[name] {
			l.counts[name] = n
			events = append(events, Event{Name: "count", Data: Count{name, n}})
		}
	}
	if im.dropped != l.dropped {
		l.dropped = im.dropped
		events = append(events, Event{Name: "dropped", Data: Dropped{im.dropped}})
	}
	if im.ended {
		events = append(events, im.end)
	}
	return events, im.changed, im.ended
}
