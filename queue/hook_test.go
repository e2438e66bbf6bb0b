package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func hooksDue(t *testing.T, q *Queue, o HookDueOptions) string {
	t.Helper()
	l, err := q.HookDue(context.Background(), q.o.Now(), o)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, h := range l {
		s = append(s, h.URL+"="+string(h.Payload))
	}
	return strings.Join(s, " ")
}

func TestHooks(t *testing.T) {
	c := newClock()
	changed := 0
	q := newQueue(t, Options{
		Now: c.Now, Limits: Limits{Hooks: 5}, HooksChanged: func() { changed++ },
		Retired: func(string) (time.Duration, time.Duration) { return 0, time.Hour },
	})
	ctx := context.Background()
	l, err := q.HookAdd(ctx, Hook{Account: "a", URL: "u1", Event: EventIncoming, Payload: []byte("1"), Extra: map[string]string{"k": "v"}, Authorization: "secret"},
		Hook{Account: "a", URL: "u1", Event: EventIncoming, Payload: []byte("2")}, Hook{Account: "b", URL: "u2", Event: EventIncoming, Payload: []byte("3")})
	if err != nil || len(l) != 3 || changed != 1 {
		t.Fatal(l, err)
	}
	equal(t, hooksDue(t, q, HookDueOptions{}), "u1=1 u2=3") // one of each URL
	equal(t, hooksDue(t, q, HookDueOptions{Max: 1}), "u1=1")
	equal(t, hooksDue(t, q, HookDueOptions{Busy: func(u string) bool { return u == "u1" }}), "u2=3")
	h, err := q.HookGet(ctx, l[0].ID)
	if err != nil || h.Authorization != "secret" || h.Extra["k"] != "v" || string(h.Payload) != "1" {
		t.Errorf("%+v %v", h, err)
	}
	if err := q.HookRecord(ctx, HookOutcome{ID: h.ID, Next: c.Now().Add(time.Minute), Result: HookResult{Start: c.Now(), Code: 500, Response: "oops"}}); err != nil {
		t.Fatal(err)
	}
	equal(t, hooksDue(t, q, HookDueOptions{}), "u1=2 u2=3")
	for _, id := range []int64{l[1].ID, l[2].ID, 99} {
		if err := q.HookRecord(ctx, HookOutcome{ID: id, Result: HookResult{Success: true, Code: 200}}); err != nil {
			t.Fatal(err)
		}
	}
	at, ok, err := q.HookNext(ctx, HookDueOptions{})
	if err != nil || !ok || !at.Equal(c.Now().Add(time.Minute)) {
		t.Error(at, ok, err)
	}
	if n, err := q.HookSchedule(ctx, HookFilter{Account: "a"}, Shift{Now: true}); n != 1 || err != nil {
		t.Error(n, err)
	}
	equal(t, hooksDue(t, q, HookDueOptions{}), "u1=1")
	if got, err := q.HookList(ctx, HookFilter{Event: EventIncoming}, Sort{}); err != nil || len(got) != 1 || got[0].Attempts != 1 || got[0].LastResult().Response != "oops" {
		t.Error(got, err)
	}
	if n, err := q.HookCancel(ctx, HookFilter{IDs: []int64{h.ID}}); n != 1 || err != nil {
		t.Error(n, err)
	}
	r, err := q.HookRetiredList(ctx, HookRetiredFilter{}, Sort{Field: "queued", Asc: true})
	if err != nil || len(r) != 3 || !r[0].Canceled || !r[1].Success || r[1].Hook.LastResult().Code != 200 {
		t.Errorf("%+v %v", r, err)
	}
	if got, err := q.HookRetiredGet(ctx, l[1].ID); err != nil || string(got.Hook.Payload) != "2" {
		t.Error(got, err)
	}
	// Too many.
	many := make([]Hook, 7)
	for i := range many {
		many[i] = Hook{Account: "a", URL: "u"}
	}
	if l, err = q.HookAdd(ctx, many...); err != nil || l[4].ID == 0 || l[5].ID != 0 {
		t.Error(l, err)
	}
	if n, err := q.HookCount(ctx, HookFilter{}); n != 5 || err != nil {
		t.Error(n, err)
	}
	c.add(2 * time.Hour)
	if err := q.Clean(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := q.HookRetiredGet(ctx, l[1].ID); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestHookEvents: calls about a message are added in the commit of what happened, and a
// newer one replaces an older one that waits.
func TestHookEvents(t *testing.T) {
	q := newQueue(t, Options{
		Retired: func(string) (time.Duration, time.Duration) { return 0, time.Hour },
		Hooks: func(e Event) []Hook {
			return []Hook{{URL: "u", Event: e.Name, QueueMsgID: e.Message.ID, Payload: fmt.Appendf(nil, "%s %d", e.Name, e.Result.Code)}}
		},
	})
	ctx := context.Background()
	m := add(t, q, to(t, "a", "x@y.example", "z@y.example")...)
	next := time.Now()
	record(t, q, Outcome{ID: m[0].ID, Action: Delayed, Next: next, Result: Result{Code: 450}}) // not told
	equal(t, hooksDue(t, q, HookDueOptions{}), "")
	record(t, q, Outcome{ID: m[0].ID, Action: Delayed, Next: next, NotifyDelayed: true, Result: Result{Code: 451}})
	equal(t, hooksDue(t, q, HookDueOptions{}), "u=delayed 451")
	record(t, q, Outcome{ID: m[0].ID, Action: Relayed, Result: Result{Code: 250}})
	equal(t, hooksDue(t, q, HookDueOptions{}), "u=relayed 250")
	r, err := q.HookRetiredList(ctx, HookRetiredFilter{Account: "a"}, Sort{})
	if err != nil || len(r) != 1 || r[0].SupersededBy == 0 {
		t.Error(r, err)
	}
	if _, err := q.Drop(ctx, Filter{}); err != nil {
		t.Fatal(err)
	}
	if l, err := q.HookList(ctx, HookFilter{}, Sort{Asc: true}); err != nil || len(l) != 2 || l[1].Event != EventCanceled || l[1].QueueMsgID != m[1].ID {
		t.Error(l, err)
	}
}
