package junk

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mox/db"
	"mox/store"
	"mox/trace"
)

// TestSentMailbox: who a message in the mailbox for sent mail is to may answer.
func TestSentMailbox(t *testing.T) {
	f := newFixture(t, Config{Now: func() time.Time { return now }, OrgDomain: lastTwo, Linger: time.Hour})
	appendSent := func(text string, tr *trace.Facts, received time.Time) {
		t.Helper()
		sp := f.spool(text)
		defer sp.Close()
		m := store.NewMessage{Spool: sp, Received: received}
		if tr != nil {
			m.Trace = encode(t, *tr)
		}
		_, err := f.acc.Add(f.ctx, f.box("Sent"), []store.NewMessage{m})
		must(t, err)
	}
	method := func(from string) string {
		t.Helper()
		return f.reputation(mailFacts(func(x *trace.Facts) { x.From, x.OrgDomain = from, "" })).Method
	}
	appendSent("From: alice@example.com\r\nTo: Bob <Bob@Mail.Example.org>, team: c@x.example, d@x.example;\r\nCc: e@y.example\r\nBcc: g@z.example\r\n\r\nhi\r\n", nil, now)
	for _, a := range []string{"bob@mail.example.org", "c@x.example", "d@x.example", "e@y.example", "g@z.example"} {
		if m := method(a); m != "msgtofull" {
			t.Errorf("%s: %s", a, m)
		}
	}
	if m := method("other@mail.example.org"); m != "msgtodomain" {
		t.Error(m)
	}
	if m := method("other@www.example.org"); m != "msgtoorgdomain" {
		t.Error(m)
	}
	// What was received does not count when it is moved there; what was submitted does.
	appendSent("To: alice@example.com\r\n\r\n1\r\n", &trace.Facts{Mailbox: "Inbox"}, now)
	appendSent("To: h@h.example\r\n\r\n2\r\n", &trace.Facts{Trusted: "submission"}, now)
	appendSent("To: old@old.example\r\n\r\n3\r\n", nil, now.Add(-3*year-time.Hour))
	appendSent("To: i@i.example\r\nX-Long: "+strings.Repeat(strings.Repeat("x", 900)+"\r\n ", 200)+"\r\nCc: j@j.example\r\n\r\n4\r\n", nil, now)
	for a, want := range map[string]string{"alice@example.com": "none", "h@h.example": "msgtofull", "old@old.example": "none", "i@i.example": "msgtofull", "j@j.example": "msgtofull"} {
		if m := method(a); m != want {
			t.Errorf("%s: %s, want %s", a, m, want)
		}
	}
	// A new file learns the same.
	f.m.Detach("alice")
	ft := f.filter()
	must(t, ft.a.write(f.ctx, func(c *db.Conn) error { return c.Script("DELETE FROM sent; UPDATE state SET compare=1") }))
	ft.Release()
	f.m.Detach("alice")
	f.settled()
	if m := method("bob@mail.example.org"); m != "msgtofull" {
		t.Error(m)
	}
}

func TestMaySend(t *testing.T) {
	f := newFixture(t, Config{Linger: time.Hour})
	at := now
	limits := Limits{Recipients: 10, FirstTime: 4}
	may := func(addresses ...string) *LimitError {
		t.Helper()
		x := f.filter()
		defer x.Release()
		err := x.MaySend(f.ctx, addresses, limits, at)
		var e *LimitError
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		if err == nil {
			must(t, x.Sent(f.ctx, addresses, at))
		}
		return e
	}
	address := func(i int) string { return fmt.Sprintf("u%d@example.org", i) }
	ok := func(addresses ...string) {
		t.Helper()
		if e := may(addresses...); e != nil {
			t.Errorf("at %v: %v", at.Sub(now), e)
		}
	}
	ok(address(0), address(1), address(1), "U1@example.ORG", "not an address")
	ok(address(0), address(1))
	at = now.Add(6 * time.Hour)
	ok(address(2), address(3))
	e := may(address(4))
	if e == nil || !e.FirstTime || e.Used != 4 || e.Limit != 4 || e.Wait != 18*time.Hour+15*time.Minute {
		t.Errorf("fifth first-time recipient: %+v", e)
	} else if want := "4 of at most 4 first-time recipients in 24 hours used, 1 more wanted; possible in 18h15m"; e.Error() != want {
		t.Errorf("%q, want %q", e.Error(), want)
	}
	f.m.Detach("alice") // it is on disk
	ok(address(0), address(1), address(2))
	if e := may(address(0), address(1)); e == nil || e.FirstTime || e.Used != 9 || e.Wanted != 2 || e.Wait != 18*time.Hour+15*time.Minute {
		t.Errorf("recipients 10 and 11: %+v", e)
	}
	ok(address(0))
	var all []string
	for i := range 11 {
		all = append(all, address(i))
	}
	if e := may(all...); e == nil || e.Wait != 0 || strings.Contains(e.Error(), "possible") {
		t.Errorf("more than ever: %+v", e)
	}
	// A day after the first, theirs is free again.
	at = now.Add(24*time.Hour + 14*time.Minute)
	if e := may(address(4)); e == nil || e.Wait != time.Minute {
		t.Errorf("just before: %+v", e)
	}
	at = now.Add(24*time.Hour + 16*time.Minute)
	ok(address(4), address(5))
	if e := may(address(6)); e == nil || !e.FirstTime {
		t.Errorf("after: %+v", e)
	}
	at = now.Add(72 * time.Hour)
	ok(address(6), address(7))
	x := f.filter()
	defer x.Release()
	must(t, x.a.outgoing.flush(f.ctx, x.a))
	err := x.a.read(f.ctx, func(c *db.Conn) error {
		if n, _, err := c.QueryInt64("SELECT count(*) FROM outgoing"); err != nil || n != 1 {
			t.Errorf("%d slots, %v", n, err)
		}
		return nil
	})
	must(t, err)
	limits = Limits{}
	ok(all...)
	// A clock that went back does not lock anybody out.
	at, limits = now, Limits{Recipients: 2}
	ok(address(0))
}

// What an account sends is written a moment later, all together; it counts at once.
func TestOutgoingWritten(t *testing.T) {
	f := newFixture(t, Config{Linger: 20 * time.Millisecond})
	x := f.filter()
	defer x.Release()
	var p Plan
	must(t, x.MayAdd(f.ctx, &p, "a@example.org", Limits{FirstTime: 1}, now))
	must(t, x.MaySend(f.ctx, []string{"a@example.org"}, Limits{FirstTime: 1}, now))
	must(t, x.Sent(f.ctx, []string{"a@example.org"}, now))
	var e *LimitError
	if err := x.MaySend(f.ctx, []string{"b@example.org"}, Limits{FirstTime: 1}, now); !errors.As(err, &e) || !e.FirstTime {
		t.Error(err)
	}
	must(t, x.MaySend(f.ctx, []string{"a@example.org"}, Limits{FirstTime: 1}, now))
	if r, err := x.Reputation(f.ctx, "Inbox", trace.Sender{From: "a@example.org"}); err != nil || r.Method == "" {
		t.Error(r, err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var recipients, sent int64
		must(t, x.a.read(f.ctx, func(c *db.Conn) (err error) {
			if recipients, _, err = c.QueryInt64("SELECT recipients FROM outgoing"); err == nil {
				sent, _, err = c.QueryInt64("SELECT count(*) FROM sent")
			}
			return err
		}))
		if recipients == 2 && sent > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d recipients counted, %d noted", recipients, sent)
		}
	}
}
