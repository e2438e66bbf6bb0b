package queue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestBaseAddress(t *testing.T) {
	for _, tc := range []struct{ address, want string }{
		{"User.Name+Tag@Example.org", "username@example.org"},
		{"a-b-c@example.org", "a@example.org"},
		{"+x@example.org", "+x@example.org"},
		{`"..."@example.org`, `"..."@example.org`},
		{`"a b"@example.org`, `"a b"@example.org`},
		{"Ü.x+y@müller.example", "üx@müller.example"},
		{"x.y@[192.0.2.1]", "xy@[192.0.2.1]"},
	} {
		p, err := parsePath(tc.address)
		if err != nil {
			if tc.want != "" {
				t.Error(tc.address, err)
			}
			continue
		}
		equal(t, BaseAddress(p), tc.want)
	}
}

func TestSuppression(t *testing.T) {
	c := newClock()
	var events []string
	var notices int
	q := newQueue(t, Options{
		Now: c.Now,
		Hooks: func(e Event) []Hook {
			s := e.Name
			if e.Suppressing {
				s += "!"
			}
			events = append(events, s)
			return nil
		},
		Notice: func(ctx context.Context, r Reported) (*NewMessage, error) {
			notices++
			return &NewMessage{Content: text("x"), Messages: []Message{{Recipient: r.Message.Sender, Local: true, Kind: DSN}}}, nil
		},
	})
	ctx := context.Background()
	suppressed := func(account, address string) bool {
		s, err := q.SuppressionLookup(ctx, account, path(t, address))
		if err != nil {
			t.Fatal(err)
		}
		return s != nil
	}
	fail := func(address string, r Result, o Outcome) bool {
		m := add(t, q, to(t, "a", address)...)
		o.ID, o.Action, o.Result = m[0].ID, Failed, r
		record(t, q, o)
		return suppressed("a", address)
	}
	// At once, by the code or the enhanced code.
	for i, tc := range []struct {
		code     int
		enhanced string
		want     bool
	}{
		{550, "", true}, {551, "5.0.0", true}, {521, "", true}, {553, "", true}, {556, "", true},
		{554, "5.1.1", true}, {554, "5.1.2", true}, {554, "5.1.3", true}, {554, "5.1.6", true}, {554, "5.2.1", true}, {554, "5.7.1", true},
		{550, "5.1.10", true}, {550, "5.7.26", false}, {550, "5.6.0", false}, {550, "5.4.1", false},
		{554, "", false}, {554, "5.7.0", false}, {552, "5.2.2", false}, {450, "4.1.1", false}, {0, "5.1.1", false},
	} {
		address := strings.Repeat("u", i+1) + "@there.example"
		if got := fail(address, Result{Code: tc.code, Enhanced: tc.enhanced, Error: "no\nsuch user"}, Outcome{}); got != tc.want {
			t.Errorf("%d %s: %v", tc.code, tc.enhanced, got)
		}
	}
	equal(t, events[0], "failed!")
	equal(t, events[19], "failed")
	if s, _ := q.SuppressionLookup(ctx, "a", path(t, "U+tag@there.example")); s == nil || s.Reason != "delivery failed: 550 no such user" || s.Manual || !s.Created.Equal(c.Now()) || s.BaseAddress != "u@there.example" {
		t.Errorf("%+v", s)
	}
	if suppressed("b", "u@there.example") || !suppressed("", "u@there.example") {
		t.Error("of another account")
	}
	// After three in sequence.
	other := Result{Code: 554}
	equal(t, fail("x@b.example", other, Outcome{}), false)
	equal(t, fail("X+y@b.example", other, Outcome{}), false)
	record(t, q, Outcome{ID: add(t, q, to(t, "a", "x@b.example")...)[0].ID, Action: Delivered}) // begins anew
	equal(t, fail("x@b.example", other, Outcome{}), false)
	c.add(100 * 24 * time.Hour) // so does a long time
	equal(t, fail("x@b.example", other, Outcome{}), false)
	equal(t, fail("x@b.example", Result{Code: 450}, Outcome{}), false) // not permanent
	equal(t, fail("x@b.example", other, Outcome{NoSuppress: true}), false)
	equal(t, fail("x@b.example", other, Outcome{}), false)
	equal(t, fail("x@b.example", other, Outcome{}), true)

	// Such a recipient is not tried.
	r, err := q.Add(ctx, text("Subject: x\r\n\r\n"), to(t, "a", "y@b.example", "x+1@b.example", "z@b.example"))
	if err != nil || len(r.Suppressed) != 1 || r.Suppressed[0] != 1 || notices != 1 {
		t.Error(r, err, notices)
	}
	equal(t, events[len(events)-1], "suppressed")
	equal(t, due(t, q, DueOptions{}), "y@b.example z@b.example | sender@own.example")
	if r, err = q.Add(ctx, text("x"), to(t, "a", "x@b.example")); err != nil || len(r.Suppressed) != 1 {
		t.Error(r, err)
	}
	if r, err = q.Add(ctx, text("x"), to(t, "b", "x@b.example")); err != nil || len(r.Suppressed) != 0 {
		t.Error(r, err)
	}

	// By hand.
	if _, err := q.SuppressionAdd(ctx, "a", path(t, "X-z@b.example"), true, "asked"); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if err := q.SuppressionRemove(ctx, "a", path(t, "X-z@b.example")); err != nil || suppressed("a", "x@b.example") {
		t.Error(err)
	}
	if err := q.SuppressionRemove(ctx, "a", path(t, "X-z@b.example")); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	s, err := q.SuppressionAdd(ctx, "b", path(t, "X-z@b.example"), true, "asked")
	if err != nil || s.ID == 0 || s.OriginalAddress != "X-z@b.example" {
		t.Error(s, err)
	}
	l, err := q.SuppressionList(ctx, "b")
	if err != nil || len(l) != 1 || l[0] != s {
		t.Error(l, err)
	}
	if l, err = q.SuppressionList(ctx, ""); err != nil || len(l) != 13 {
		t.Error(len(l), err)
	}
}

func TestSuppressionFull(t *testing.T) {
	q := newQueue(t, Options{Limits: Limits{Suppressed: 2}})
	ctx := context.Background()
	if _, err := q.SuppressionAdd(ctx, "a", path(t, "1@x.example"), true, ""); err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"2@x.example", "3@x.example"} {
		record(t, q, Outcome{ID: add(t, q, to(t, "a", a)...)[0].ID, Action: Failed, Result: Result{Code: 550}})
	}
	l, err := q.SuppressionList(ctx, "a")
	if err != nil || len(l) != 2 || l[0].BaseAddress != "1@x.example" || l[1].BaseAddress != "3@x.example" {
		t.Error(l, err)
	}
	if _, err := q.SuppressionAdd(ctx, "a", path(t, "4@x.example"), true, ""); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

func TestDSN(t *testing.T) {
	var last Event
	q := newQueue(t, Options{
		Hooks:   func(e Event) []Hook { last = e; return nil },
		Retired: func(string) (time.Duration, time.Duration) { return time.Hour, 0 },
	})
	ctx := context.Background()
	msgs := to(t, "a", "x@there.example")
	msgs[0].FromID = "f1"
	m := add(t, q, msgs...)[0]
	if _, err := q.RecordDSN(ctx, DSNReport{FromID: "f1", Event: EventDelayed, Result: Result{Error: "waits"}}); err != nil || last.Name != EventDelayed || !last.DSN {
		t.Error(last, err)
	}
	record(t, q, Outcome{ID: m.ID, Action: Delivered})
	got, err := q.RecordDSN(ctx, DSNReport{FromID: "f1", Event: EventFailed, Result: Result{Code: 550, Enhanced: "5.1.1"}})
	if err != nil || got.ID != m.ID || last.Name != EventFailed || !last.Suppressing {
		t.Error(got, last, err)
	}
	r, err := q.RetiredGet(ctx, m.ID)
	if err != nil || r.Success || r.Event != EventFailed || len(r.Message.Results) != 3 {
		t.Errorf("%+v %v", r, err)
	}
	if got, err := q.ByFromID(ctx, "f1"); err != nil || got.ID != m.ID {
		t.Error(got, err)
	}
	for _, r := range []DSNReport{{FromID: "f2", Event: EventFailed}, {Event: EventFailed}} {
		if _, err := q.RecordDSN(ctx, r); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	if _, err := q.RecordDSN(ctx, DSNReport{FromID: "f1", Event: "x"}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	// Delivered without the queue.
	done, err := q.AddDone(ctx, to(t, "a", "l@own.example", "m@own.example"), []Result{{Success: true}, {Code: 550}})
	if err != nil || len(done) != 2 || last.Name != EventFailed {
		t.Error(done, err)
	}
	if r, err := q.RetiredGet(ctx, done[0].ID); err != nil || !r.Success || r.Event != EventDelivered {
		t.Error(r, err)
	}
}

// TestForget: a new account with the name of an old one has nothing of it.
func TestForget(t *testing.T) {
	keep := func(string) (time.Duration, time.Duration) { return time.Hour, time.Hour }
	q := newQueue(t, Options{Retired: keep, Hooks: func(e Event) []Hook { return []Hook{{URL: "u", Event: e.Name}} }})
	ctx := context.Background()
	for _, account := range []string{"a", "b"} {
		m := add(t, q, to(t, account, "x@y.example", "z@y.example")...)
		record(t, q, Outcome{ID: m[0].ID, Action: Failed, Result: Result{Code: 550}})
		if _, _, err := q.HoldRuleAdd(ctx, HoldRule{Account: account}); err != nil {
			t.Fatal(err)
		}
		if _, err := q.AddOnce(ctx, Once{Account: account, Key: "k"}, text("x"), to(t, account, "w@y.example")); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Forget(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"suppression": 1, "retired": 1, "hook": 1, "retired_hook": 0, "hook_payload": 1, "hold_rule": 1, "once": 1, "message": 4} {
		if n := countRows(t, q, table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
}
