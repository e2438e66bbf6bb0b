package outbound

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/queue"
)

func TestDeliver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		ids := b.send("a@dest.test", "b@dest.test")
		synctest.Wait()
		b.want(ids[0], "delivered")
		b.want(ids[1], "delivered")
		got := b.server("192.0.2.1").messages()
		if len(got) != 1 || len(got[0].to) != 2 || got[0].text != text {
			t.Fatalf("got %+v", got)
		}
		if b.n.dials[0] != "192.0.2.1:25" || b.n.sources[0].String() != "198.51.100.1" {
			t.Errorf("dialed %v from %v", b.n.dials, b.n.sources)
		}
		polls := b.q.polls
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if b.q.polls != polls {
			t.Errorf("asked the queue %d times while idle", b.q.polls-polls)
		}
	})
}

// TestWays has what is decided by DNS.
func TestWays(t *testing.T) {
	for to, want := range map[string]string{
		"a@implicit.test": "delivered",
		"a@alias.test":    "delivered",
		"a@six.test":      "delivered",
		"a@dual.test":     "delivered",
		"a@backup.test":   "delivered",
		"a@[192.0.2.1]":   "delivered",
		"a@null.test":     "failed 5.1.10",
		"a@absent.test":   "failed 5.1.2",
		"a@nohost.test":   "failed 5.4.4",
		"a@loop.test":     "failed 5.4.6",
		"a@self.test":     "failed 5.4.6",
		"a@[127.0.0.1]":   "failed 5.4.6",
	} {
		t.Run(to, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := setup(t, "", func(b *bench) { b.n.servers["2001:db8::1"] = &server{} })
				id := b.send(to)[0]
				synctest.Wait()
				b.want(id, want)
				if failed := strings.HasPrefix(want, "failed"); failed != (len(b.notices()) == 1) {
					t.Errorf("%d notices", len(b.notices()))
				}
			})
		})
	}
}

// TestSchedule: a host that is down for long, then up.
func TestSchedule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		s := b.server("192.0.2.1")
		s.down = true
		start := time.Now()
		id := b.send("a@dest.test")[0]
		for n, wait := range []time.Duration{0, 450, 900, 1800, 3600, 7200, 14400, 28800} {
			time.Sleep(wait*time.Second + wait*time.Second/50)
			synctest.Wait()
			if len(b.records()) != n+1 {
				t.Fatalf("attempt %d: %d outcomes", n+1, len(b.records()))
			}
			if notices := len(b.notices()); (n+1 >= 5) != (notices > 0) || n+1 < 8 && notices > 1 {
				t.Errorf("%d notices after attempt %d", notices, n+1)
			}
			if n+1 == 5 && !b.records()[n].NotifyDelayed {
				t.Error("no delay notified")
			}
		}
		b.want(id, "failed 4.4.1")
		if d := time.Since(start); d < 15*time.Hour || d > 17*time.Hour {
			t.Errorf("took %s", d)
		}
		if len(b.notices()) != 2 {
			t.Errorf("%d notices", len(b.notices()))
		}
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		id = b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delivered")
	})
}

// TestTemporary: 4xx, then 2xx; what a server is known to be down for a moment.
func TestTemporary(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		s := b.server("192.0.2.1")
		n := 0
		s.handle = func(verb, _ string, _ int) string {
			if verb == "RCPT" {
				if n++; n == 1 {
					return "451 4.7.1 greylisted"
				}
			}
			return ""
		}
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delayed 4.7.1")
		time.Sleep(8 * time.Minute)
		synctest.Wait()
		b.want(id, "delivered")
	})
}

// TestCut: connections that are cut off.
func TestCut(t *testing.T) {
	for cut, want := range map[string]string{"mail": "4.4.2", "data": "4.4.2", "dot": "4.4.2"} {
		t.Run(cut, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := setup(t, "", func(b *bench) { b.n.servers["192.0.2.2"] = &server{} })
				s := b.server("192.0.2.1")
				s.cut = cut
				// More than what is sent at once, so that there is something to cut.
				large := text + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 10_000)
				id := b.q.add(large, queue.Message{Sender: path("mjl@mx.example"), Account: "mjl", Recipient: path("a@two.test")})[0]
				synctest.Wait()
				if cut != "dot" {
					b.want(id, "delivered") // by the other host
					return
				}
				b.want(id, "delayed "+want)
				if n := b.server("192.0.2.2").conns; n != 0 {
					t.Errorf("%d connections to the other host, though the message may be there", n)
				}
				s.mu.Lock()
				s.cut = ""
				s.mu.Unlock()
				time.Sleep(8 * time.Minute)
				synctest.Wait()
				b.want(id, "delivered")
			})
		})
	}
}

// TestRecipients: replies to each recipient count for themselves.
func TestRecipients(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		b.server("192.0.2.1").handle = func(verb, line string, _ int) string {
			switch {
			case strings.Contains(line, "unknown"):
				return "550 5.1.1 no such user"
			case strings.Contains(line, "full"):
				return "552 5.2.2 mailbox is full"
			}
			return ""
		}
		ids := b.send("a@dest.test", "unknown@dest.test", "full@dest.test", "c@dest.test")
		synctest.Wait()
		for i, want := range []string{"delivered", "failed 5.1.1", "delayed 4.2.2", "delivered"} {
			b.want(ids[i], want)
		}
		if len(b.notices()) != 1 || len(b.notices()[0].For) != 1 || b.notices()[0].For[0] != ids[1] {
			t.Errorf("notices %+v", b.notices())
		}
	})
}

// TestTooMany: RFC 5321 4.5.3.1.10, on the same connection, and remembered.
func TestTooMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		s := b.server("192.0.2.1")
		refused := 0
		s.handle = func(verb, _ string, n int) string {
			if verb == "RCPT" && n >= 2 {
				refused++
				return "452 4.5.3 too many recipients"
			}
			return ""
		}
		to := []string{"a@dest.test", "b@dest.test", "c@dest.test", "d@dest.test", "e@dest.test"}
		ids := b.send(to...)
		synctest.Wait()
		for _, id := range ids {
			b.want(id, "delivered")
		}
		if n := len(s.messages()); n != 3 || s.conns != 1 {
			t.Errorf("%d transactions on %d connections", n, s.conns)
		}
		before := refused
		b.send(to...)
		synctest.Wait()
		if refused != before {
			t.Error("the number was not learned")
		}
	})
}

// TestReuse: one connection has several messages, up to a limit, and is kept for a moment.
func TestReuse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", func(b *bench) { b.c.Limits.Messages, b.c.Limits.Connections = 10, 1 })
		s := b.server("192.0.2.1")
		for range 5 {
			b.send("a@dest.test")
			synctest.Wait()
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if s.conns != 1 {
			t.Errorf("%d connections for messages a second apart", s.conns)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for range 25 {
			b.send("a@dest.test")
		}
		synctest.Wait()
		if n := len(s.messages()); n != 30 || s.conns != 4 {
			t.Errorf("%d messages on %d connections", n, s.conns)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		quits := 0
		for _, l := range s.said() {
			if l == "QUIT" {
				quits++
			}
		}
		if quits != s.conns {
			t.Errorf("%d QUIT for %d connections", quits, s.conns)
		}
	})
}

// TestDead: destinations that do not answer do not hold up others.
func TestDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		for range 50 {
			b.send("a@dead.test")
		}
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delivered")
		if len(b.n.dials) != 2 {
			t.Errorf("dialed %v", b.n.dials)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(b.n.dials); n > 3 {
			t.Errorf("dialed the dead host %d times for 50 messages", n-1)
		}
	})
}

// TestThrottle: a server that wants less is left alone for a moment, and then gets it all.
func TestThrottle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		s := b.server("192.0.2.1")
		s.greeting = "421 4.7.0 too much from you"
		var ids []int64
		for range 20 {
			ids = append(ids, b.send("a@dest.test")...)
		}
		synctest.Wait()
		if s.conns > 2 {
			t.Errorf("%d connections", s.conns)
		}
		s.mu.Lock()
		s.greeting = ""
		s.mu.Unlock()
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		for _, id := range ids {
			b.want(id, "delivered")
		}
		attempts := 0
		for _, o := range b.records() {
			if o.Action == queue.Delayed && !o.NotTried {
				attempts++
			}
		}
		if attempts > 2 {
			t.Errorf("%d messages paid for it with an attempt", attempts)
		}
	})
}

// TestRestart: an end in the middle of an attempt loses and records nothing.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		s := b.server("192.0.2.1")
		s.hang = true
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		start := time.Now()
		b.stop()
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("stopping took %s", d)
		}
		b.want(id, "not tried 4.3.2")
		if m := b.q.msgs[id]; m.Attempts != 0 || m.NextAttempt.After(start) {
			t.Errorf("message %+v", m)
		}
		b.stop = func() {}
	})
}

// TestBusyDead: mail that keeps coming does not keep a destination from being tried again.
func TestBusyDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		s := b.server("192.0.2.1")
		s.down = true
		for range 30 {
			b.send("a@dest.test")
			time.Sleep(10 * time.Second)
			synctest.Wait()
		}
		// 5 minutes, one attempt for the network a minute.
		if s.conns < 4 || s.conns > 6 {
			t.Errorf("%d connections", s.conns)
		}
		s.mu.Lock()
		s.down = false
		s.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		id := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delivered")
	})
}

// TestThrottledForLong: what is refused for hours counts in the end.
func TestThrottledForLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		b.server("192.0.2.1").greeting = "421 4.7.0 not you"
		var ids []int64
		for range 10 {
			ids = append(ids, b.send("a@dest.test")...)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		for _, id := range ids {
			b.want(id, "failed 4.7.0")
		}
		if n := b.server("192.0.2.1").conns; n > 100 {
			t.Errorf("%d connections", n)
		}
		if n := len(b.records()); n > 400 {
			t.Errorf("%d records for 10 messages", n)
		}
	})
}

// TestKeptGone: a connection that the server has closed meanwhile is no failure.
func TestKeptGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		s := b.server("192.0.2.1")
		s.handle = func(verb, _ string, _ int) string {
			if verb == "MAIL" && len(s.got) == 1 && s.conns == 1 {
				return "421 4.4.2 idle for too long"
			}
			return ""
		}
		first := b.send("a@dest.test")[0]
		synctest.Wait()
		second := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(first, "delivered")
		b.want(second, "delivered")
		if s.conns != 2 || len(b.records()) != 2 {
			t.Errorf("%d connections, %d records", s.conns, len(b.records()))
		}
	})
}

// TestPanic: a mistake of ours with one message is a temporary failure of that one.
func TestPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", func(b *bench) {
			b.c.Local = func(context.Context, queue.Message, Content) error { panic("test") }
		})
		id := b.sendAs(queue.Message{Local: true}, "a@mx.example")[0]
		other := b.send("a@dest.test")[0]
		synctest.Wait()
		b.want(id, "delayed 4.3.0")
		b.want(other, "delivered")
	})
}

// TestFinish: what is under way at the end may finish, and is recorded.
func TestFinish(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		s := b.server("192.0.2.1")
		s.handle = func(verb, _ string, _ int) string {
			if verb == "DATA" {
				time.Sleep(2 * time.Second)
			}
			return ""
		}
		id := b.send("a@dest.test")[0]
		time.Sleep(time.Second)
		synctest.Wait()
		b.stop()
		b.want(id, "delivered")
		b.stop = func() {}
	})
}

// TestRecordAgain: what is delivered is recorded however long the queue cannot.
func TestRecordAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		b.q.recorded = queue.ErrDiskFull
		id := b.send("a@dest.test")[0]
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		b.want(id, "nothing")
		b.q.mu.Lock()
		b.q.recorded = nil
		b.q.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		b.want(id, "delivered")
		if n := len(b.server("192.0.2.1").messages()); n != 1 {
			t.Errorf("delivered %d times", n)
		}
	})
}

// TestConcurrency: no more than a route allows, and more only once it works.
func TestConcurrency(t *testing.T) {
	for most, routes := range map[int]string{4: "", 2: "Routes:\n\t-\n\t\tTransport: ipv4\n\t\tMaxConnections: 2\n"} {
		bubble(t, func(t *testing.T) {
			b := setup(t, routes, func(b *bench) { b.c.Limits.Batch = 2 })
			s := b.server("192.0.2.1")
			now, peak := 0, 0
			s.handle = func(verb, _ string, _ int) string {
				switch verb {
				case "MAIL":
					now++
					peak = max(peak, now)
				case ".":
					now--
				}
				return ""
			}
			s.slow = time.Second
			for range 60 {
				b.send("a@dest.test")
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if len(b.q.msgs) != 0 || peak != most {
				t.Errorf("%d left, at most %d at a time, want %d", len(b.q.msgs), peak, most)
			}
		})
	}
}
