package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"mox/smtp"
)

func TestFilters(t *testing.T) {
	c := newClock()
	q := newQueue(t, Options{Now: c.Now})
	ctx := context.Background()
	start := c.Now()
	first := to(t, "a", "one@a.example", "two@sub.a.example")
	first[1].Transport, first[1].Hold = "smart", true
	add(t, q, first...)
	c.add(time.Hour)
	second := to(t, "b", "Three@müller.example")
	second[0].Sender = path(t, "one@other.example")
	second[0].NextAttempt = c.Now().Add(-2 * time.Hour)
	add(t, q, second...)
	yes, no, empty, smart := true, false, "", "smart"
	for _, tc := range []struct {
		name string
		f    Filter
		s    Sort
		want string
	}{
		{"all", Filter{}, Sort{}, "two@sub.a.example | one@a.example | Three@müller.example"},
		{"ascending", Filter{}, Sort{Asc: true}, "Three@müller.example | one@a.example | two@sub.a.example"},
		{"queued", Filter{}, Sort{Field: "queued", Asc: true}, "one@a.example | two@sub.a.example | Three@müller.example"},
		{"queued, descending", Filter{}, Sort{Field: "queued"}, "Three@müller.example | two@sub.a.example | one@a.example"},
		{"max", Filter{Max: 1}, Sort{}, "two@sub.a.example"},
		{"after the first", Filter{}, Sort{LastID: 2, Last: start}, "one@a.example | Three@müller.example"},
		{"after, ascending", Filter{Max: 1}, Sort{Field: "queued", Asc: true, LastID: 1, Last: start}, "two@sub.a.example"},
		{"ids", Filter{IDs: []int64{3, 1, 99}}, Sort{}, "one@a.example | Three@müller.example"},
		{"no ids", Filter{IDs: []int64{}}, Sort{}, ""},
		{"account", Filter{Account: "b"}, Sort{}, "Three@müller.example"},
		{"from", Filter{From: "SENDER@"}, Sort{}, "two@sub.a.example | one@a.example"},
		{"to", Filter{To: "three@M"}, Sort{}, "Three@müller.example"},
		{"to domain", Filter{To: "@a.example"}, Sort{}, "one@a.example"},
		{"to domain, U-labels", Filter{To: "@MÜLLER.example"}, Sort{}, "Three@müller.example"},
		{"to domain, A-labels", Filter{To: "@xn--mller-kva.example"}, Sort{}, "Three@müller.example"},
		{"from domain", Filter{From: "@other.example"}, Sort{}, "Three@müller.example"},
		{"either", Filter{From: "one@", To: "one@"}, Sort{}, "one@a.example | Three@müller.example"},
		{"either, and account", Filter{From: "one@", To: "one@", Account: "a"}, Sort{}, "one@a.example"},
		{"hold", Filter{Hold: &yes}, Sort{}, "two@sub.a.example"},
		{"not hold", Filter{Hold: &no}, Sort{}, "one@a.example | Three@müller.example"},
		{"transport", Filter{Transport: &smart}, Sort{}, "two@sub.a.example"},
		{"default transport", Filter{Transport: &empty}, Sort{}, "one@a.example | Three@müller.example"},
		{"submitted before", Filter{Submitted: &Bound{Before: true, At: c.Now()}}, Sort{}, "two@sub.a.example | one@a.example"},
		{"submitted after", Filter{Submitted: &Bound{At: c.Now()}}, Sort{}, "Three@müller.example"},
		{"next attempt before", Filter{NextAttempt: &Bound{Before: true, At: start}}, Sort{}, "Three@müller.example"},
		{"next attempt after", Filter{NextAttempt: &Bound{At: start}}, Sort{}, "two@sub.a.example | one@a.example"},
	} {
		l, err := q.List(ctx, tc.f, tc.s)
		if got := recipients(l); err != nil || got != tc.want {
			t.Errorf("%s: %v, got %s, want %s", tc.name, err, got, tc.want)
		}
		if n, err := q.Count(ctx, tc.f); err != nil || tc.s.LastID == 0 && n != len(l) {
			t.Errorf("%s: %d, %v", tc.name, n, err)
		}
	}
	if _, err := q.List(ctx, Filter{To: "@a b"}, Sort{}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if _, err := q.List(ctx, Filter{}, Sort{Field: "size"}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestChanges(t *testing.T) {
	c := newClock()
	q := newQueue(t, Options{Now: c.Now})
	ctx := context.Background()
	add(t, q, to(t, "a", "x@a.example", "y@b.example")...)
	check := func(n int, err error) {
		t.Helper()
		if n != 1 || err != nil {
			t.Errorf("%d changed, %v", n, err)
		}
	}
	one := Filter{IDs: []int64{1, 9}}
	check(q.Hold(ctx, one, true))
	if n, err := q.Hold(ctx, one, true); n != 0 || err != nil {
		t.Error(n, err)
	}
	check(q.Hold(ctx, one, false))
	check(q.Schedule(ctx, one, Shift{By: time.Hour}))
	check(q.Schedule(ctx, one, Shift{By: -time.Minute}))
	check(q.SetTransport(ctx, one, "t"))
	no := false
	check(q.SetRequireTLS(ctx, one, &no))
	m, err := q.Get(ctx, 1)
	if err != nil || !m.NextAttempt.Equal(c.Now().Add(59*time.Minute)) || m.Transport != "t" || m.RequireTLS == nil || *m.RequireTLS || m.Hold {
		t.Errorf("%+v %v", m, err)
	}
	equal(t, due(t, q, DueOptions{}), "y@b.example")
	check(q.SetRequireTLS(ctx, one, nil))
	check(q.Schedule(ctx, one, Shift{Now: true, By: -time.Second}))
	equal(t, due(t, q, DueOptions{}), "x@a.example | y@b.example")
	if m, _ = q.Get(ctx, 1); m.RequireTLS != nil {
		t.Errorf("%+v", m)
	}
}

func TestParseBound(t *testing.T) {
	now := newClock().Now()
	for _, tc := range []struct {
		s    string
		want Bound
	}{
		{"<now", Bound{true, now}}, {">now", Bound{false, now}}, {"<-1h", Bound{true, now.Add(-time.Hour)}}, {">30m", Bound{false, now.Add(30 * time.Minute)}},
	} {
		if got, err := ParseBound(tc.s, now); err != nil || got != tc.want {
			t.Errorf("%s: %v %v", tc.s, got, err)
		}
	}
	for _, s := range []string{"", "now", "<", "=1h", "< 1h", "<1"} {
		if got, err := ParseBound(s, now); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v %v", s, got, err)
		}
	}
}

// FuzzMessageJSON: what is read is written so that it is read as the same.
func FuzzMessageJSON(f *testing.F) {
	yes := true
	p, _ := parsePath("a@b.example")
	b, err := json.Marshal(Message{ID: 1, Sender: p, Recipient: p, RequireTLS: &yes, Notify: smtp.NotifyNever, ORcpt: smtp.ORcpt{Type: "rfc822", Address: "x;y"}, Results: []Result{{Code: 250}}, NextAttempt: newClock().Now()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"Recipient":"a@[127.0.0.1]","Notify":"SUCCESS,DELAY"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again Message
		if json.Unmarshal(b, &m) != nil {
			return
		}
		out, err := json.Marshal(m)
		if err != nil {
			return // a time that JSON has no words for
		}
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if len(m.Results) == 0 {
			m.Results, again.Results = nil, nil
		}
		if len(m.Extra) == 0 {
			m.Extra, again.Extra = nil, nil
		}
		if fmt.Sprintf("%+v", deref(m)) != fmt.Sprintf("%+v", deref(again)) && !reflect.DeepEqual(m, again) {
			t.Errorf("%s:\n%+v\n%+v", out, m, again)
		}
	})
}

func FuzzBound(f *testing.F) {
	f.Add("<1h")
	f.Add(">now")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseBound(s, time.Unix(0, 0))
		if err == nil && b.Before != (s[0] == '<') {
			t.Error(s, b)
		}
	})
}
