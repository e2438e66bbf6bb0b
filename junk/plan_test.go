package junk

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// limited names what a limit says, "" for none.
func limited(t *testing.T, err error) string {
	t.Helper()
	var e *LimitError
	if err == nil {
		return ""
	} else if !errors.As(err, &e) {
		t.Fatal(err)
	}
	return e.Error()
}

func TestMayAdd(t *testing.T) {
	f := newFixture(t, Config{})
	x, err := f.m.Account(f.ctx, f.acc)
	must(t, err)
	defer x.Release()
	start := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	limits := Limits{Recipients: 4, FirstTime: 2}
	for _, tc := range []struct {
		after  time.Duration
		to     []string
		want   string
		refuse int // what of to MayAdd refuses first; from 1
		sent   bool
	}{
		{0, []string{"a@x.example", "A@x.example", "not an address"}, "", 0, true},
		// Known by now: it counts as recipient, not as new one.
		{time.Hour, []string{"a@x.example", "b@x.example"}, "", 0, false},
		{2 * time.Hour, []string{"c@x.example"}, "2 of at most 2 first-time recipients in 24 hours used, 1 more wanted; possible in 22h15m", 1, false},
		{2 * time.Hour, []string{"a@x.example", "a@X.EXAMPLE"}, "", 0, false},
		{2 * time.Hour, []string{"a@x.example"}, "4 of at most 4 recipients in 24 hours used, 1 more wanted; possible in 22h15m", 1, false},
		{24 * time.Hour, []string{"a@x.example"}, "4 of at most 4 recipients in 24 hours used, 1 more wanted; possible in 15m", 1, false},
		// More than ever possible.
		{25 * time.Hour, []string{"a@x.example", "1@x.example", "2@x.example", "3@x.example", "4@x.example"}, "3 of at most 4 recipients in 24 hours used, 5 more wanted", 2, false},
		{72 * time.Hour, []string{"1@x.example", "2@x.example", "3@x.example"}, "0 of at most 2 first-time recipients in 24 hours used, 3 more wanted", 3, false},
		{72 * time.Hour, []string{"1@x.example", "2@x.example"}, "", 0, true},
	} {
		now := start.Add(tc.after)
		var p Plan
		refused := 0
		for i, to := range tc.to {
			if limited(t, x.MayAdd(f.ctx, &p, to, limits, now)) != "" && refused == 0 {
				refused = i + 1
			}
		}
		if refused != tc.refuse {
			t.Errorf("%v: %v: refused recipient %d, want %d", tc.after, tc.to, refused, tc.refuse)
		}
		if got := limited(t, x.MaySend(f.ctx, tc.to, limits, now)); got != tc.want {
			t.Errorf("%v: %v: got %q, want %q", tc.after, tc.to, got, tc.want)
		}
		if tc.sent {
			must(t, x.Sent(f.ctx, tc.to, now))
		}
	}
	// Without limits, all is counted and nothing refused.
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("%d@y.example", i))
	}
	must(t, x.MaySend(f.ctx, many, Limits{}, start.Add(73*time.Hour)))
	if got := limited(t, x.MaySend(f.ctx, many[:1], limits, start.Add(73*time.Hour))); got != "102 of at most 4 recipients in 24 hours used, 1 more wanted; possible in 24h15m" {
		t.Error(got)
	}
}
