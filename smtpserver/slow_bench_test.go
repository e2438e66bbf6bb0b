package smtpserver

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"mox/dns"
)

// BenchmarkSlow tells how much memory a client takes that is served slowly, its own side
// included.
func BenchmarkSlow(b *testing.B) {
	const n = 400
	m := &mail{}
	s := New(Config{Hostname: dns.Domain{ASCII: "mx.example"}, Begin: m.begin})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go s.Serve(ctx, ln)
	for b.Loop() {
		before := memory()
		var conns []net.Conn
		for range n {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			conns = append(conns, c)
			exchange(b, c, "EHLO client.example\r\n", "SMTPUTF8\r\n")
			io.WriteString(c, "MAIL FROM:<>\r\nRCPT TO:<trap@mx.example>\r\n")
		}
		for s.slow.Load() < n {
			time.Sleep(time.Millisecond)
		}
		b.ReportMetric(float64(memory()-before)/n, "B/conn")
		for _, c := range conns {
			c.Close()
		}
		for s.slow.Load() > 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}
