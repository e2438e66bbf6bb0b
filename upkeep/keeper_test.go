package upkeep

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// thing is what the tests keep.
type thing struct {
	name    string
	changes chan struct{}
	worked  int
	closed  bool
}

// house records what a Keeper does.
type house struct {
	t *testing.T
	k *Keeper[*thing]

	mu     sync.Mutex // guards the below
	opened []*thing
	log    []string // "name time" of each piece of work, since start
	start  time.Time
	open   error                                 // what Open returns
	work   func(t *thing) (more bool, err error) // nil: nothing more to do
	failed []error
}

var errGone = errors.New("gone")

func newHouse(t *testing.T, o Options[*thing]) *house {
	h := &house{t: t, start: time.Now()}
	o.Open = func(ctx context.Context, name string) (*thing, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if ctx.Err() != nil {
			t.Error("context of Open has ended")
		}
		if h.open != nil {
			return nil, h.open
		}
		x := &thing{name: name, changes: make(chan struct{}, 1)}
		h.opened = append(h.opened, x)
		return x, nil
	}
	o.Close = func(x *thing) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if x.closed {
			t.Error("closed twice")
		}
		x.closed = true
	}
	o.Await = func(x *thing, stop <-chan struct{}) bool {
		select {
		case <-x.changes:
			return true
		case <-stop:
			return false
		}
	}
	o.Work = func(ctx context.Context, x *thing) (bool, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if x.closed {
			t.Error("work on what is closed")
		}
		h.log = append(h.log, fmt.Sprint(x.name, " ", time.Since(h.start)))
		x.worked++
		if h.work == nil {
			return false, nil
		}
		return h.work(x)
	}
	o.Final = func(err error) bool { return errors.Is(err, errGone) }
	o.Failed = func(name string, err error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.failed = append(h.failed, err)
	}
	h.k = New(o)
	return h
}

func (h *house) acquire(name string) *thing {
	h.t.Helper()
	x, err := h.k.Acquire(h.t.Context(), name)
	if err != nil {
		h.t.Fatal(err)
	}
	return x
}

func (h *house) close() {
	h.t.Helper()
	if err := h.k.Close(context.Background()); err != nil {
		h.t.Error(err)
	}
	for _, x := range h.opened {
		if !x.closed {
			h.t.Errorf("%s is not closed", x.name)
		}
	}
}

// wantLog compares the work that was done, after a while.
func (h *house) wantLog(after time.Duration, want ...string) {
	h.t.Helper()
	time.Sleep(after)
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.log, want) {
		h.t.Errorf("work: %q, want %q", h.log, want)
	}
	h.log = nil
}

func (h *house) wantOpen(want int) {
	h.t.Helper()
	if s := h.k.Stats(); s.Open != want {
		h.t.Errorf("%d open, want %d", s.Open, want)
	}
}

// All who ask have the same thing, until it was idle for long.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{})
		defer h.close()
		a, b := h.acquire("x"), h.acquire("x")
		if a != b {
			t.Error("two things of one name")
		}
		h.k.Release("x")
		time.Sleep(time.Hour)
		h.wantOpen(1)
		h.k.Release("x")
		time.Sleep(119 * time.Second)
		h.wantOpen(1)
		if h.acquire("x") != a {
			t.Error("opened anew within its time")
		}
		h.k.Release("x")
		time.Sleep(4 * time.Minute)
		h.wantOpen(0)
		if h.acquire("x") == a {
			t.Error("what is closed was handed out")
		}
		h.k.Release("x")
	})
}

// Who asks first may go away; who waits has the thing all the same. A failure is everyone's,
// and not remembered.
func TestOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, proceed := make(chan struct{}), make(chan error)
		k := New(Options[int]{
			Open: func(ctx context.Context, name string) (int, error) {
				close(begun)
				return 1, <-proceed
			},
			Close: func(int) {},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := k.Acquire(ctx, "x"); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			} else if err == nil {
				k.Release("x")
			}
		})
		<-begun
		wg.Go(func() {
			if v, err := k.Acquire(t.Context(), "x"); v != 1 || err != nil {
				t.Error(v, err)
			}
		})
		short, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		if _, err := k.Acquire(short, "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
		proceed <- nil
		wg.Wait()
		k.Release("x")
		if err := k.Close(t.Context()); err != nil {
			t.Error(err)
		}

		h := newHouse(t, Options[*thing]{})
		defer h.close()
		h.open = errGone
		if _, err := h.k.Acquire(t.Context(), "x"); !errors.Is(err, errGone) {
			t.Error(err)
		}
		h.wantOpen(0)
		h.open = nil
		h.acquire("x")
		h.k.Release("x")
	})
}

// Of what nobody uses, at most MaxOpen stay; the longest unused go.
func TestMaxOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{MaxOpen: 4, Idle: time.Hour})
		defer h.close()
		for i := range 10 {
			h.acquire(fmt.Sprint(i))
			h.k.Release(fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		h.acquire("0") // in use: does not count
		h.k.Touch("9")
		synctest.Wait()
		h.wantOpen(5)
		for i, x := range h.opened {
			if open := i == 0 || i > 5; x.closed == open {
				t.Errorf("%d: closed %t", i, x.closed)
			}
		}
		h.k.Release("0")
	})
}

// What is sent away is closed by the last who uses it; nobody else gets it until then. Work
// that was asked for since is done on the new one.
func TestDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{})
		defer h.close()
		<-h.k.Detach("nobody")
		old := h.acquire("x")
		h.k.Schedule("x", time.Minute)
		gone := h.k.Detach("x")
		if _, err := h.k.Acquire(t.Context(), "x"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		h.wantLog(time.Hour)
		h.k.Touch("x")
		h.wantLog(time.Hour)
		select {
		case <-gone:
			t.Error("gone while in use")
		default:
		}
		h.k.Release("x")
		<-gone
		if !old.closed {
			t.Error("not closed")
		}
		h.wantLog(time.Second, "x 2h0m0s")
		if h.acquire("x") == old {
			t.Error("the old one again")
		}
		h.k.Release("x")
		h.k.Detach("x")
		h.wantOpen(0)
	})
}

// Work under way when its thing is sent away is not taken up again.
func TestDetachWorking(t *testing.T) {
	for _, err := range []error{nil, errors.New("bad")} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, Options[*thing]{})
			defer h.close()
			h.work = func(x *thing) (bool, error) {
				h.k.Detach("x")
				return true, err
			}
			h.k.Touch("x")
			h.wantLog(time.Hour, "x 0s")
			h.wantOpen(0)
		})
	}
}

// Touches are gathered: each puts the work off, but not for longer than MaxLinger.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{Linger: 2 * time.Second, MaxLinger: 5 * time.Second})
		defer h.close()
		h.k.Touch("x")
		time.Sleep(time.Second)
		h.k.Touch("x")
		h.wantLog(time.Minute, "x 3s")
		for range 10 { // from 61 s
			h.k.Touch("x")
			time.Sleep(900 * time.Millisecond)
		}
		h.wantLog(time.Minute, "x 1m6s", "x 1m11.1s")
	})
}

// Without MaxLinger the first touch says when.
func TestNoMaxLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{Linger: 2 * time.Second})
		defer h.close()
		h.k.Touch("x")
		time.Sleep(time.Second)
		h.k.Touch("x")
		h.wantLog(time.Minute, "x 2s")
	})
}

// Schedule brings forward what was planned, and so does a touch, which never puts it off.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{Linger: 5 * time.Second})
		defer h.close()
		h.k.Schedule("x", time.Minute)
		h.k.Schedule("x", time.Hour)
		h.wantLog(2*time.Hour, "x 1m0s")
		h.start = time.Now()
		h.k.Touch("x")
		h.k.Schedule("x", time.Second)
		h.k.Touch("x")
		h.wantLog(time.Hour, "x 1s")
		h.start = time.Now()
		h.k.Schedule("x", time.Minute)
		h.k.Touch("x")
		h.wantLog(time.Hour, "x 5s")
	})
}

// An open thing is worked on when it says that something changed.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{Linger: time.Second})
		defer h.close()
		x := h.acquire("x")
		x.changes <- struct{}{}
		h.wantLog(time.Minute, "x 1s")
		h.k.Release("x")
	})
}

// Names take turns; one with more work goes to the end.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{})
		defer h.close()
		h.work = func(x *thing) (bool, error) {
			time.Sleep(time.Millisecond)
			return x.worked < 2, nil
		}
		h.k.Schedule("a", time.Millisecond)
		h.k.Schedule("b", 1500*time.Microsecond)
		if s := h.k.Stats(); s.Queued != 2 {
			t.Error(s)
		}
		h.wantLog(time.Minute, "a 1ms", "b 2ms", "a 3ms", "b 4ms")
		if s := h.k.Stats(); s.Queued != 0 {
			t.Error(s)
		}
	})
}

// After failures a name waits, twice as long each time, whatever asks for it; the end of
// the name is none.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{RetryLast: 30 * time.Second})
		defer h.close()
		bad := errors.New("bad")
		h.work = func(x *thing) (bool, error) { return true, bad }
		h.k.Touch("x")
		time.Sleep(time.Second)
		h.k.Touch("x")
		h.k.Schedule("x", 0)
		h.wantLog(100*time.Second, "x 0s", "x 10s", "x 30s", "x 1m0s", "x 1m30s")
		if len(h.failed) != 5 || !errors.Is(h.failed[0], bad) {
			t.Error(h.failed)
		}
		h.mu.Lock()
		h.work = nil
		h.mu.Unlock()
		h.wantLog(time.Minute, "x 2m0s")
		h.k.Schedule("x", 0)
		h.wantLog(time.Minute, "x 2m41s")
		h.mu.Lock()
		h.work = func(x *thing) (bool, error) { return true, errGone }
		h.mu.Unlock()
		h.k.Touch("x")
		h.wantLog(time.Hour, "x 3m41s")
		if len(h.failed) != 5 {
			t.Error(h.failed)
		}
	})
}

// Close waits for who uses something, as long as it may.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{})
		x := h.acquire("x")
		h.k.Schedule("y", time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.k.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := h.k.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := h.k.Acquire(t.Context(), "z"); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		h.k.Touch("y")
		h.k.Schedule("y", 0)
		if x.closed {
			t.Error("closed while in use")
		}
		h.k.Release("x")
		h.close()
		h.wantLog(time.Hour)
	})
}

// After Stop nothing is done any more, and things can be had.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Options[*thing]{})
		defer h.close()
		h.k.Stop()
		h.k.Touch("x")
		h.acquire("x")
		h.k.Release("x")
		h.wantLog(time.Hour)
	})
}

// Many use, touch, detach and wait at once: everything is closed once, and not before its
// last use.
func TestConcurrent(t *testing.T) {
	h := newHouse(t, Options[*thing]{Idle: time.Millisecond, MaxOpen: 2, RetryFirst: time.Microsecond, RetryLast: time.Millisecond})
	h.work = func(x *thing) (bool, error) {
		if rand.IntN(10) == 0 {
			return false, errors.New("bad")
		}
		return rand.IntN(2) == 0, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for ctx.Err() == nil {
				name := fmt.Sprint(rand.IntN(5))
				h.k.Touch(name)
				if rand.IntN(20) == 0 {
					h.k.Detach(name)
				}
				x, err := h.k.Acquire(ctx, name)
				if err != nil {
					if !errors.Is(err, ErrClosed) && ctx.Err() == nil {
						t.Error(err)
					}
					continue
				}
				time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond)
				h.mu.Lock()
				if x.closed || x.name != name {
					t.Error("in use and closed, or of another name")
				}
				h.mu.Unlock()
				h.k.Release(name)
			}
		})
	}
	wg.Wait()
	h.close()
}
