package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestBounceByMessageID: only what was sent from the account to the recipient is matched, also
// when the account keeps no history.
func TestBounceByMessageID(t *testing.T) {
	var events []Event
	c := newClock()
	q := newQueue(t, Options{Now: c.Now, Hooks: func(e Event) []Hook { events = append(events, e); return nil }})
	ctx := context.Background()
	msgs := to(t, "a", "x@there.example", "Y.y@müller.example", "l@own.example")
	msgs[0].Subject, msgs[0].Extra = "secret", map[string]string{"k": "v"}
	msgs[2].Local = true
	m := add(t, q, msgs...)
	other := add(t, q, to(t, "b", "x@there.example")...)[0]
	for _, x := range m {
		record(t, q, Outcome{ID: x.ID, Action: Delivered, Result: Result{Code: 250, RemoteMTA: "mx.there.example"}})
	}
	if l, err := q.RetiredList(ctx, RetiredFilter{}, Sort{}); err != nil || len(l) != 0 {
		t.Errorf("history is shown: %+v, %v", l, err)
	}
	if s, err := q.Stats(ctx); err != nil || s.Retired != 0 {
		t.Error(s, err)
	}
	if n := countRows(t, q, "retired"); n != 2 {
		t.Errorf("%d messages are awaited", n)
	}
	failed := func(account, id string, recipients ...string) DSNReport {
		return DSNReport{Account: account, MessageID: id, Recipients: recipients, Event: EventFailed, Result: Result{Start: c.Now(), Enhanced: "5.1.1", Error: "no"}}
	}
	for _, r := range []DSNReport{failed("a", "id@own.example", "z@there.example"), failed("a", "id@own.example", "l@own.example"), failed("a", "other", "x@there.example"), failed("c", "id@own.example", "x@there.example"),
		failed("a", "id@own.example"), failed("a", "", "x@there.example")} {
		if _, err := q.RecordDSN(ctx, r); !errors.Is(err, ErrNotFound) {
			t.Errorf("%+v: %v", r, err)
		}
	}
	events = nil
	got, err := q.RecordDSN(ctx, failed("a", "id@own.example", "nobody@there.example", "y.Y@xn--mller-kva.example"))
	if err != nil || got.ID != m[1].ID || len(events) != 1 || !events[0].DSN || !events[0].Suppressing || !got.LastResult().DSN {
		t.Errorf("%+v, %v, %+v", got, err, events)
	}
	// The same once more, and one of which it is not certain who sent it.
	if _, err := q.RecordDSN(ctx, failed("a", "id@own.example", "y.y@müller.example")); err != nil || len(events) != 1 {
		t.Error(err, events)
	}
	forged := failed("a", "id@own.example", "X@THERE.example")
	forged.Suppress = func(m *Message) bool { return m.Results[0].RemoteMTA != "mx.there.example" }
	if got, err = q.RecordDSN(ctx, forged); err != nil || got.Subject != "" || got.Extra["k"] != "v" || events[1].Suppressing {
		t.Errorf("%+v, %v, %+v", got, err, events)
	}
	if l, err := q.SuppressionList(ctx, "a"); err != nil || len(l) != 1 || l[0].BaseAddress != "yy@müller.example" {
		t.Errorf("%+v, %v", l, err)
	}
	// In the queue, with one recipient.
	if got, err := q.RecordDSN(ctx, DSNReport{Account: "b", MessageID: "id@own.example", Event: EventDelayed, Result: Result{Start: c.Now(), Enhanced: "4.4.1"}}); err != nil || got.ID != other.ID {
		t.Error(got, err)
	}
	for account, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if ok, err := q.Awaits(ctx, account); err != nil || ok != want {
			t.Errorf("%s: %v %v", account, ok, err)
		}
	}
	if l, err := q.Awaiting(ctx); err != nil || fmt.Sprint(l) != "[a b]" {
		t.Error(l, err)
	}
	c.add(5*24*time.Hour + time.Second)
	if err := q.Clean(ctx); err != nil || countRows(t, q, "retired") != 0 {
		t.Error(err)
	}
}

// TestBounceHistory: what an account keeps shorter than notifications are awaited is not shown
// any more, but matched.
func TestBounceHistory(t *testing.T) {
	c := newClock()
	q := newQueue(t, Options{Now: c.Now, Limits: Limits{Awaited: 2}, Retired: func(string) (time.Duration, time.Duration) { return time.Hour, 0 }})
	ctx := context.Background()
	msgs := to(t, "a", "x@there.example", "y@there.example", "z@there.example", "f@there.example")
	msgs[0].Subject, msgs[0].FromID = "secret", "AbC"
	m := add(t, q, msgs...)
	for _, x := range m[:3] {
		record(t, q, Outcome{ID: x.ID, Action: Delivered})
	}
	record(t, q, Outcome{ID: m[3].ID, Action: Failed, Result: Result{Code: 550}})
	r := DSNReport{FromID: "abc", Event: EventFailed, Result: Result{Start: c.Now(), Code: 550, Enhanced: "5.2.2"}}
	if _, err := q.RecordDSN(ctx, r); err != nil {
		t.Fatal(err)
	}
	if got, err := q.RetiredGet(ctx, m[0].ID); err != nil || got.Success || got.Event != EventFailed || got.Message.LastResult().Enhanced != "5.2.2" || !got.KeepUntil.Equal(c.Now().Add(time.Hour)) {
		t.Errorf("%+v, %v", got, err)
	}
	c.add(time.Hour + time.Second)
	if err := q.Clean(ctx); err != nil {
		t.Fatal(err)
	}
	if l, err := q.RetiredList(ctx, RetiredFilter{}, Sort{}); err != nil || len(l) != 0 {
		t.Error(l, err)
	}
	if n := countRows(t, q, "retired"); n != 2 {
		t.Errorf("%d messages are awaited", n)
	}
	if _, err := q.ByFromID(ctx, "abc"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	var event Event
	q.o.Hooks = func(e Event) []Hook { event = e; return nil }
	complaint := DSNReport{MessageID: "id@own.example", Recipients: []string{"y@there.example"}, Event: EventComplained, Complaint: "abuse", Result: Result{Start: c.Now(), Error: "complaint"}}
	if got, err := q.RecordDSN(ctx, complaint); err != nil || got.ID != m[1].ID || event.Name != EventComplained || !event.Suppressing || got.Subject != "" {
		t.Error(got, event, err)
	}
	if s, err := q.SuppressionLookup(ctx, "a", path(t, "y@there.example")); err != nil || s == nil || s.Reason != "complaint (abuse)" || s.Manual {
		t.Error(s, err)
	}
	w := &where{}
	w.add("success = 1")
	if n, err := q.count(ctx, w, "retired", 0); err != nil || n != 2 {
		t.Errorf("%d successes: a complaint is no failure; %v", n, err)
	}
}
