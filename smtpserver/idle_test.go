package smtpserver

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"testing"

	"mox/dns"
)

// BenchmarkIdle tells how much memory an idle connection takes, the client's side
// included, which is a few hundred octets without TLS.
func BenchmarkIdle(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "tls"}[secure], func(b *testing.B) {
			const n = 500
			m := &mail{}
			s := New(Config{Hostname: dns.Domain{ASCII: "mx.example"}, Begin: m.begin, ImplicitTLS: secure, TLS: &tls.Config{Certificates: []tls.Certificate{testCert()}}})
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
					nc, err := net.Dial("tcp", ln.Addr().String())
					if err != nil {
						b.Fatal(err)
					}
					c := nc
					if secure {
						c = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
					}
					conns = append(conns, c)
					exchange(b, c, "EHLO client.example\r\n", "SMTPUTF8\r\n")
				}
				b.ReportMetric(float64(memory()-before)/n, "B/conn")
				for _, c := range conns {
					c.Close()
				}
			}
		})
	}
}

func memory() uint64 {
	runtime.GC()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// exchange says something and reads until the reply ends with end.
func exchange(b *testing.B, c net.Conn, say, end string) {
	buf := make([]byte, 1000)
	n := 0
	_, err := c.Read(buf) // greeting
	if err == nil {
		_, err = io.WriteString(c, say)
	}
	for err == nil && (n < len(end) || string(buf[n-len(end):n]) != end) {
		var k int
		k, err = c.Read(buf[n:])
		n += k
	}
	if err != nil {
		b.Fatal(err)
	}
}
