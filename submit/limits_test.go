package submit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	const text = "From: <few@mx.example>\r\n\r\ntext\r\n"
	f := setup(t)
	send := func(to ...string) string {
		t.Helper()
		s := submission{account: "few", from: "few@mx.example", text: text}
		for _, a := range to {
			s.rcpts = append(s.rcpts, rcpt{to: a + "@mx.example"})
		}
		at, err := f.submit(t, s)
		if err == nil {
			return "ok"
		}
		return fmt.Sprintf("%s %v", at, err)
	}
	for i, tc := range []struct{ to, want string }{
		{"mjl", "ok"},
		{"mjl third other", "rcpt 452 4.5.3 limit of your account: 1 of at most 2 first-time recipients in 24 hours used, 2 more wanted"},
		{"other", "ok"},
		// Recipients written to before have a limit of their own.
		{"mjl other third", "rcpt 452 4.5.3 limit of your account: 2 of at most 4 recipients in 24 hours used, 3 more wanted; possible in 24h9m"},
		{"third", "rcpt 451 4.7.1 limit of your account: 2 of at most 2 first-time recipients in 24 hours used, 1 more wanted; possible in 24h9m"},
		{"mjl other", "ok"},
		{"mjl", "rcpt 451 4.7.1 limit of your account: 4 of at most 4 recipients in 24 hours used, 1 more wanted; possible in 24h9m"},
	} {
		if got := send(strings.Fields(tc.to)...); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%d: got %q, want %q", i, got, tc.want)
		}
	}
	if want := []string{"ok", "recipientlimiterror", "ok", "messagelimiterror", "recipientlimiterror", "ok", "messagelimiterror"}; !slices.Equal(f.results, want) {
		t.Error(f.results)
	}
	// localserve has no limits.
	f.c.Local = true
	if got := send("mjl", "other", "third"); got != "ok" {
		t.Error(got)
	}
}

// TestLimitsRace: three messages that were begun when there was room for each.
func TestLimitsRace(t *testing.T) {
	f := setup(t)
	var got []string
	var all []*Transaction
	for range 3 {
		tx, _, err := f.give(t, submission{account: "few", from: "few@mx.example", rcpts: []rcpt{{to: "mjl@mx.example"}, {to: "other@mx.example"}}, text: "From: <few@mx.example>\r\n\r\ntext\r\n"})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, tx)
	}
	for _, tx := range all {
		_, err := tx.Finish(t.Context())
		got = append(got, fmt.Sprint(err))
	}
	if got[0] != "<nil>" || got[1] != "<nil>" || !strings.HasPrefix(got[2], "451 4.7.1 limit of your account: 4 of at most 4 recipients") {
		t.Errorf("%q", got)
	}
	if n := len(f.Messages(t, "mjl", "Inbox")); n != 2 {
		t.Errorf("%d messages", n)
	}
}
