package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
	"mox/smtp"
	"mox/store"
)

const rejects = "Rejects"

// refuse is a Judge that refuses, with a copy in Rejects.
func refuse(_ context.Context, c Case) Judgment {
	return Judgment{Mailbox: c.Mailbox, Refusal: smtp.Errorf(451, "4.7.1", "no"), Rejects: Rejects{Mailbox: rejects}, Trace: []byte(`{"v":1}`), Fields: []byte("X-Mox-Reason: no\r\n")}
}

func accept(_ context.Context, c Case) Judgment {
	return Judgment{Mailbox: c.Mailbox, Rejects: Rejects{Mailbox: rejects}}
}

func numbered(i int) string { return fmt.Sprintf("Message-ID: <%d@b.example>\r\n", i) + text }

func TestRejects(t *testing.T) {
	f := setup(t)
	to := f.rcpts(t, "mjl@mx.example")
	deliver := func(i int, at time.Duration, judge func(context.Context, Case) Judgment) string {
		m := f.message(t, "a@b.example", numbered(i))
		m.Received, m.Judge = m.Received.Add(at), judge
		return codes(f.d.Deliver(t.Context(), m, to))
	}
	// Sent again and again, there is one copy.
	for range 3 {
		if got := deliver(1, 0, refuse); got != "451 4.7.1" {
			t.Fatal(got)
		}
	}
	if got := f.Messages(t, "mjl", rejects); len(got) != 1 || !strings.HasPrefix(got[0], "X-Mox-Reason: no\r\nDelivered-To: mjl@mx.example\r\n") {
		t.Fatalf("%q", got)
	}
	// Accepted later, there is none.
	deliver(2, 0, refuse)
	if got := deliver(1, time.Minute, accept); got != "ok" {
		t.Fatal(got)
	}
	if got := f.Messages(t, "mjl", rejects); len(got) != 1 || !strings.Contains(got[0], "<2@b.example>") {
		t.Fatalf("%q", got)
	}
	// Old ones go.
	deliver(3, rejectsAge+time.Hour, refuse)
	if got := f.Messages(t, "mjl", rejects); len(got) != 1 || !strings.Contains(got[0], "<3@b.example>") {
		t.Fatalf("%q", got)
	}
	if got := f.Messages(t, "mjl", "Inbox"); len(got) != 1 {
		t.Error(len(got))
	}
}

func TestJudge(t *testing.T) {
	f := setup(t)
	var mu sync.Mutex
	var done []string // guarded by mu
	m := f.message(t, "a@b.example", text)
	m.Verified = []dns.Domain{{ASCII: "sub.list.example"}}
	m.Judge = func(_ context.Context, c Case) Judgment {
		j := Judgment{Mailbox: c.Mailbox + "/Judged", Done: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			done = append(done, c.Account.Name()+" "+codes([]error{err}))
		}}
		switch {
		case c.Account.Name() == "other":
			j.Refusal = smtp.Errorf(550, "5.7.1", "no")
		case c.Rule == nil || c.RuleIndex != 1:
			t.Error("no rule for a subdomain of the verified domain")
		}
		return j
	}
	all := f.rcpts(t, "mjl@mx.example", "other@mx.example")
	if got := codes(f.d.Deliver(t.Context(), m, all)); got != "ok, 550 5.7.1" {
		t.Error(got)
	}
	slices.Sort(done)
	if got := strings.Join(done, "; "); got != "mjl ok; other 550 5.7.1" {
		t.Error(got)
	}
	if got := f.Messages(t, "mjl", "Verified/Judged"); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if got := f.Messages(t, "other", "Mail/Here"); len(got) != 0 {
		t.Errorf("%q", got)
	}
	// A judge that panics fails the delivery, not the server.
	m = f.message(t, "a@b.example", numbered(1))
	m.Judge = func(context.Context, Case) Judgment { panic("judge") }
	if got := codes(f.d.Deliver(t.Context(), m, all[:1])); got != "451 4.3.0" {
		t.Error(got)
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		jobs := []*job{{Judgment: Judgment{Delay: 15 * time.Second}}, {Judgment: Judgment{Delay: time.Hour, Refusal: smtp.Errorf(550, "5.7.1", "no")}}, {}}
		start := time.Now()
		if err := d.delay(t.Context(), jobs); err != nil || time.Since(start) != 15*time.Second {
			t.Error(err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var e *smtp.Error
		if err := d.delay(ctx, jobs); !errors.As(err, &e) || e.Code != 451 {
			t.Error(err)
		}
		// With too many waiting, none more waits.
		d.delayed.Store(maxDelayed)
		start = time.Now()
		if err := d.delay(t.Context(), jobs); err != nil || time.Since(start) != 0 {
			t.Error(err, time.Since(start))
		}
		if n := d.delayed.Load(); n != maxDelayed {
			t.Error(n)
		}
	})
}

func TestQuotaWarning(t *testing.T) {
	f := setup(t)
	acc, err := f.Store.Account(t.Context(), "small")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	acc.SetQuota(100_000)
	to := f.rcpts(t, "small@mx.example")
	warnings := func() int {
		n := 0
		for _, s := range f.Messages(t, "small", "Inbox") {
			if strings.Contains(s, "Subject: Your mailbox is 8") || strings.Contains(s, "Subject: Your mailbox is 9") {
				n++
			}
		}
		return n
	}
	for i, step := range []struct {
		size int
		at   time.Duration
		want int
	}{{70_000, 0, 0}, {11_000, 0, 1}, {500, time.Hour, 1}, {500, 8 * 24 * time.Hour, 2}, {12_000, 8 * 24 * time.Hour, 3}} {
		m := f.message(t, "a@b.example", text+strings.Repeat("0123456789\r\n", step.size/12))
		m.Received = m.Received.Add(step.at)
		if got := codes(f.d.Deliver(t.Context(), m, to)); got != "ok" {
			t.Fatal(i, got)
		}
		if n := warnings(); n != step.want {
			t.Errorf("step %d: %d warnings, want %d", i, n, step.want)
		}
	}
	if quotaLevel(store.Quota{Used: 100}) != 0 {
		t.Error("no quota, no level")
	}
}
