package db

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// Operations without savepoints: those that succeed are kept, once, whatever becomes of others
// in the same commit.
func TestCommitterAgain(t *testing.T) {
	d := newDB(t)
	again := 0
	c := d.NewCommitter(Hooks{Again: func() { again++ }})
	defer c.Close()
	failed := errors.New("failed")
	started, hold := make(chan bool), make(chan bool)
	var wg sync.WaitGroup
	do := func(want error, fn func(*Conn) error) {
		wg.Go(func() {
			if err := c.Do(context.Background(), 0, fn); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		})
	}
	// All come into one commit, that of the first.
	do(nil, func(c *Conn) error {
		select {
		case started <- true:
			<-hold
		default: // run again
		}
		return insert(c, 0)
	})
	<-started
	for i := 1; i <= 20; i++ {
		switch {
		case i%7 == 0: // leaves nothing
			do(failed, func(c *Conn) error { return failed })
		case i%5 == 0:
			do(failed, func(c *Conn) error { return errors.Join(insert(c, -i), failed) })
		case i == 11:
			wg.Go(func() {
				var p *PanicError
				if err := c.Do(context.Background(), 0, func(c *Conn) error { _ = insert(c, -i); panic("no") }); !errors.As(err, &p) {
					t.Error(err)
				}
			})
		default:
			do(nil, func(c *Conn) error { return insert(c, i) })
		}
	}
	for len(c.queue) < 20 {
		runtime.Gosched()
	}
	close(hold)
	wg.Wait()
	var got []int64
	err := d.Read(context.Background(), func(c *Conn) error {
		rows := c.Query("SELECT v FROM t ORDER BY v")
		for rows.Next() {
			got = append(got, rows.Int64(0))
		}
		return rows.Close()
	})
	if want := []int64{0, 1, 2, 3, 4, 6, 8, 9, 12, 13, 16, 17, 18, 19}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
	if again != 1 {
		t.Errorf("run again %d times", again)
	}
}
