package queue

import (
	"errors"
	"testing"
)

// TestSetPriority: what is due comes in the order of priorities, also when they change.
func TestSetPriority(t *testing.T) {
	q := newQueue(t, Options{Now: newClock().Now})
	added := add(t, q, to(t, "mox", "a@one.example", "b@one.example", "c@two.example")...)
	if n, err := q.SetPriority(t.Context(), Filter{IDs: []int64{added[1].ID}}, 5); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := q.SetPriority(t.Context(), Filter{IDs: []int64{added[0].ID}}, -1); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := q.SetPriority(t.Context(), Filter{IDs: []int64{added[0].ID}}, -1); n != 0 || err != nil {
		t.Error("again:", n, err)
	}
	if _, err := q.SetPriority(t.Context(), Filter{}, 10); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	due, err := q.Due(t.Context(), q.o.Now(), DueOptions{Max: 10, PerDestination: 10})
	if err != nil {
		t.Fatal(err)
	}
	var order []int64
	for _, m := range due {
		order = append(order, m.ID)
	}
	if len(order) != 3 || order[0] != added[1].ID || order[1] != added[2].ID || order[2] != added[0].ID {
		t.Errorf("order %v of %v", order, added)
	}
	if problems, err := q.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}
