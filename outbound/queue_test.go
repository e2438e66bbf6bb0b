package outbound

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/queue"
)

// sink is a server on loopback.
func sink(t testing.TB, s *server) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns++
			s.mu.Unlock()
			wg.Go(func() { s.serve(c, n) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// real starts an Outbound on a real queue, with everything sent to one server.
func real(t testing.TB, s *server, local func(context.Context, queue.Message, Content) error) (*queue.Queue, *Outbound) {
	t.Helper()
	address := sink(t, s)
	r, err := dns.MockZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	snapshot := loadConfig(t, "")
	conf := func() *config.Snapshot { return snapshot }
	var o atomic.Pointer[Outbound]
	q, err := queue.Open(filepath.Join(t.TempDir(), queue.FileName), queue.Options{
		Changed: func() {
			if o := o.Load(); o != nil {
				o.Kick()
			}
		},
		Limits: queue.Limits{Messages: -1},
		Notice: Notices{Config: conf}.Notice,
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Store(New(Config{
		Queue: FromQueue(q), Config: conf, Resolver: r, Local: local,
		Dial: func(ctx context.Context, _ netip.Addr, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		},
	}))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { o.Load().Run(ctx); close(ended) }()
	t.Cleanup(func() {
		stop()
		<-ended
		if problems, err := q.Check(context.Background()); len(problems) > 0 || err != nil {
			t.Error(problems, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q, o.Load()
}

func content(s string) queue.Content {
	return queue.Content{Body: strings.NewReader(s), Size: int64(len(s))}
}

// TestQueue: with the real queue, a notification comes to its sender.
func TestQueue(t *testing.T) {
	s := &server{handle: func(_, line string, _ int) string {
		if strings.Contains(line, "unknown") {
			return "550 5.1.1 unknown"
		}
		return ""
	}}
	told := make(chan queue.Message, 1)
	q, _ := real(t, s, func(_ context.Context, m queue.Message, c Content) error {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(c, 0, c.Size())); err != nil {
			t.Error(err)
		}
		told <- m
		return nil
	})
	from := path("mjl@mx.example")
	_, err := q.Add(t.Context(), content(text), []queue.Message{
		{Account: "mjl", Sender: from, Recipient: path("a@dest.test")}, {Account: "mjl", Sender: from, Recipient: path("unknown@dest.test")},
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-told:
		if m.Kind != queue.DSN || m.Recipient != from {
			t.Errorf("told %+v", m)
		}
	case <-time.After(time.Minute):
		t.Fatal("no notification")
	}
	if got := s.messages(); len(got) != 1 || got[0].text != text {
		t.Errorf("got %+v", got)
	}
	for n := 1; n > 0; time.Sleep(time.Millisecond) {
		if n, err = q.Count(t.Context(), queue.Filter{}); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkSend is messages through the real queue to a server on loopback: "one" to one
// domain, "many" to different ones.
func BenchmarkSend(b *testing.B) {
	for _, kind := range []string{"one", "many"} {
		b.Run(kind, func(b *testing.B) {
			s := &server{ext: []string{"PIPELINING", "8BITMIME"}}
			q, o := real(b, s, nil)
			z := &strings.Builder{}
			for i := range 100 {
				fmt.Fprintf(z, "d%d.test. MX 10 mx1.dest.test.\n", i)
			}
			r, err := dns.MockZone(zone + z.String())
			if err != nil {
				b.Fatal(err)
			}
			o.c.Resolver = r
			body := text + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 60)
			// What is added waits until all is there: only sending is measured.
			at := time.Now().Add(time.Hour)
			for i := range b.N {
				to := "a@dest.test"
				if kind == "many" {
					to = fmt.Sprintf("a@d%d.test", i%100)
				}
				if _, err := q.Add(b.Context(), content(body), []queue.Message{{Account: "mjl", Sender: path("mjl@mx.example"), Recipient: path(to), NextAttempt: at}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			if _, err := q.Schedule(b.Context(), queue.Filter{}, queue.Shift{By: -2 * time.Hour}); err != nil {
				b.Fatal(err)
			}
			for {
				s.mu.Lock()
				n := len(s.got)
				s.mu.Unlock()
				if n >= b.N {
					break
				}
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64(s.conns), "connections")
		})
	}
}
