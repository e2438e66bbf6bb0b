package webserver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mox/mlog"
)

// fakeSites serve paths below /site/.
type fakeSites struct{}

func (fakeSites) Serve(w http.ResponseWriter, r *http.Request, host string, httpsPort int) string {
	if !strings.HasPrefix(r.URL.Path, "/site/") && r.URL.Path != "/webapi/taken" && r.URL.Path != "/metrics" {
		return ""
	}
	w.(interface{ SetHandler(string) }).SetHandler("mysite")
	switch r.URL.Path {
	case "/site/abort":
		fmt.Fprint(w, "half")
		panic(http.ErrAbortHandler)
	case "/site/panic":
		panic("oops")
	case "/site/late":
		fmt.Fprint(w, "half")
		panic("oops")
	}
	fmt.Fprintf(w, "site %s %s %d", host, r.URL.Path, httpsPort)
	return "mysite"
}

// TestOrder: http reference, section 1.2.
func TestOrder(t *testing.T) {
	text := func(s string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, s) })
	}
	ours := func(host string) bool { return host == "mx.example" }
	var panics int
	var seen Observation
	var lines bytes.Buffer
	log := slog.New(mlog.NewHandler(&lines, mlog.Options{}))
	p := Router{
		Sites: fakeSites{}, HTTPSPort: 8443, Log: log, NextID: func() int64 { return 7 },
		Services: []Service{
			{Name: "webapi", Path: "/webapi/", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				fmt.Fprintf(w, "%d %v", len(b), err)
			}), Host: ours, Body: 10},
			Favicon(ours), SecurityTxt("postmaster@mx.example", ours, func() time.Time { return time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC) }),
			WellKnown("changepassword", "/.well-known/change-password", "/account/", ours),
		},
		Panic: func() { panics++ }, Observe: func(o Observation) { seen = o },
	}
	p.System("metrics", "/metrics", nil, text("metrics"))
	p.System("acme", "/.well-known/acme/", func(h string) bool { return h == "acme.example" }, text("acme"))
	h := NewRouter(p)
	for _, tc := range []struct {
		method, url, body string
		code              int
		want, handler     string
	}{
		{"GET", "http://any.example/metrics", "", 200, "metrics", "metrics"},
		{"GET", "http://any.example/metrics/", "", 404, "404 - nothing is here\n", "(nohandler)"},
		{"GET", "http://acme.example/.well-known/acme/x", "", 200, "acme", "acme"},
		{"GET", "http://acme.example/.well-known/acme", "", 404, "", "(nohandler)"},
		{"GET", "http://mx.example/site/x", "", 200, "site mx.example /site/x 8443", "mysite"},
		{"GET", "http://mx.example/webapi/taken", "", 200, "site mx.example /webapi/taken 8443", "mysite"},
		{"POST", "http://mx.example/webapi/x", "0123456789", 200, "10 <nil>", "webapi"},
		{"POST", "http://mx.example/webapi/x", "01234567890", 200, "10 http: request body too large", "webapi"},
		{"GET", "http://mx.example/webapi", "", 303, "", "webapi"},
		{"GET", "http://mx.example/favicon.ico", "", 200, string(favicon), "favicon"},
		{"POST", "http://mx.example/favicon.ico", "", 405, "", "favicon"},
		{"GET", "http://w.example/favicon.ico", "", 404, "", "(nohandler)"},
		{"GET", "http://mx.example/.well-known/security.txt", "", 404, "", "securitytxt"},
		// RFC 9116 2.5.3, 2.5.5.
		{"GET", "https://mx.example/.well-known/security.txt", "", 200, "Contact: mailto:postmaster@mx.example\r\nExpires: 2027-02-20T00:00:00Z\r\n", "securitytxt"},
		{"GET", "https://mx.example/.well-known/change-password", "", 303, "", "changepassword"},
		{"GET", "http://mx.example/", "", 404, "404 - nothing is here\n", "(nohandler)"},
		{"GET", "http://mx.example", "", 404, "404 - nothing is here\n", "(nohandler)"},
		{"CONNECT", "http://mx.example:443", "", 400, "", "(badrequest)"},
		{"GET", "http://mx.example/site/panic", "", 500, "500 - internal error\n", "mysite"},
	} {
		r := httptest.NewRequest(tc.method, tc.url, strings.NewReader(tc.body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tc.code || tc.want != "" && w.Body.String() != tc.want || seen.Handler != tc.handler {
			t.Errorf("%s %s: %d %q, handler %s", tc.method, tc.url, w.Code, w.Body, seen.Handler)
		}
		if site := tc.handler == "mysite"; tc.code < 500 && tc.code != 400 && (w.Header().Get("Content-Security-Policy") == "") != site {
			t.Errorf("%s: header %v", tc.url, w.Header())
		}
	}
	for _, path := range []string{"/site/abort", "/site/late"} {
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("%s: panic with %v", path, v)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://mx.example"+path, nil))
			t.Errorf("%s looks complete", path)
		}()
	}
	if panics != 2 {
		t.Errorf("%d panics", panics)
	}
	for _, want := range []string{"handler=mysite", "path=/site/x", "code=200", "cid=7", "proto=http", "version=HTTP/1.1", "received=10", "sent=28"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, lines.String())
		}
	}
}

// TestSecretQuery: queries are not logged.
func TestSecretQuery(t *testing.T) {
	var lines bytes.Buffer
	h := NewRouter(Router{Log: slog.New(mlog.NewHandler(&lines, mlog.Options{}))})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x?token=secret", nil))
	if lines.Len() == 0 || strings.Contains(lines.String(), "secret") {
		t.Errorf("%s", lines.String())
	}
}

// over is what a client gets that sends something slowly on a connection in memory.
func over(t *testing.T, h http.Handler, client func(conn net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		s, l := New(mlog.Discard()), newPipes()
		s.Start(l, nil, NewRouter(Router{Fallback: h}))
		conn := l.dial()
		client(conn)
		conn.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestSlowClients: those that send or take too slowly go; those that only take long do not.
func TestSlowClients(t *testing.T) {
	var failed atomic.Value
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		failed.Store(fmt.Sprint(err))
		fmt.Fprint(w, len(b))
	})
	until := func(conn net.Conn) time.Duration {
		start := time.Now()
		_, _ = io.Copy(io.Discard, conn) // however it ends
		return time.Since(start)
	}
	t.Run("header", func(t *testing.T) {
		over(t, read, func(conn net.Conn) {
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x")
			if d := until(conn); d != 10*time.Second {
				t.Errorf("after %s", d)
			}
		})
	})
	t.Run("idle", func(t *testing.T) {
		over(t, read, func(conn net.Conn) {
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if d := until(conn); d != 65*time.Second {
				t.Errorf("after %s", d)
			}
		})
	})
	t.Run("stalled body", func(t *testing.T) {
		over(t, read, func(conn net.Conn) {
			io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234")
			// From Go 1.27 on, net/http waits half a second after it has closed its side.
			if d := until(conn); d < stall || d > stall+discard+time.Second {
				t.Errorf("after %s", d)
			}
			if got := failed.Load().(string); !strings.Contains(got, "timeout") {
				t.Errorf("error %q", got)
			}
		})
	})
	// An octet every 20 seconds.
	t.Run("dripping body", func(t *testing.T) {
		over(t, read, func(conn net.Conn) {
			io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
			start := time.Now()
			go io.Copy(io.Discard, conn)
			for range 100 {
				if _, err := io.WriteString(conn, "x"); err != nil {
					break
				}
				time.Sleep(20 * time.Second)
			}
			if d := time.Since(start); d > 2*stall {
				t.Errorf("after %s", d)
			}
		})
	})
	// An hour at 5 kB a second.
	t.Run("long body", func(t *testing.T) {
		over(t, read, func(conn net.Conn) {
			io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18000000\r\nConnection: close\r\n\r\n")
			for range 3600 {
				if _, err := conn.Write(make([]byte, 5000)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
			b, _ := io.ReadAll(conn)
			if !strings.HasSuffix(string(b), "18000000") {
				t.Errorf("%q", b)
			}
		})
	})
	// The handler is slow, not the client.
	t.Run("slow handler", func(t *testing.T) {
		over(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b := make([]byte, 5)
			io.ReadFull(r.Body, b)
			time.Sleep(time.Hour)
			n, err := io.ReadFull(r.Body, b)
			time.Sleep(time.Hour)
			fmt.Fprint(w, n, err, r.Context().Err())
			time.Sleep(time.Hour)
			fmt.Fprint(w, "!")
		}), func(conn net.Conn) {
			go io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789")
			b, _ := io.ReadAll(conn)
			if !strings.Contains(string(b), "5 <nil> <nil>!") && !strings.Contains(string(b), "5<nil><nil>!") {
				t.Errorf("%q", b)
			}
		})
	})
	t.Run("not taking", func(t *testing.T) {
		var wrote atomic.Int64
		over(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					break
				}
			}
			wrote.Store(int64(time.Since(start)))
		}), func(conn net.Conn) {
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			time.Sleep(time.Hour)
			if d := time.Duration(wrote.Load()); d < stall || d > 2*stall {
				t.Errorf("after %s", d)
			}
		})
	})
	t.Run("unread body", func(t *testing.T) {
		over(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") }), func(conn net.Conn) {
			io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
			if d := until(conn); d > 2*stall {
				t.Errorf("after %s", d)
			}
		})
	})
}

// TestLargeFile: what the system sends from a file is whole, and counted, also in ranges.
func TestLargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	content := bytes.Repeat([]byte("0123456789abcdef"), 100000)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	s := New(mlog.Discard())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Start(l, nil, NewRouter(Router{
		Log: slog.New(mlog.NewHandler(&lines, mlog.Options{})),
		Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/empty" {
				http.ServeContent(w, r, "empty", time.Time{}, strings.NewReader(""))
				return
			}
			http.ServeFile(w, r, path)
		}),
	}))
	for _, tc := range []struct {
		ranges string
		want   []byte
	}{{"", content}, {"bytes=100-1000099", content[100:1000100]}} {
		r, _ := http.NewRequest("GET", "http://"+l.Addr().String()+"/", nil)
		if tc.ranges != "" {
			r.Header.Set("Range", tc.ranges)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !bytes.Equal(got, tc.want) {
			t.Errorf("%q: %d octets, %v", tc.ranges, len(got), err)
		}
	}
	if resp, err := http.Get("http://" + l.Addr().String() + "/empty"); err != nil || resp.StatusCode != 200 || resp.ContentLength != 0 {
		t.Errorf("empty file: %v, %v", resp, err)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if out := lines.String(); !strings.Contains(out, "sent=1600000") || !strings.Contains(out, "sent=1000000") {
		t.Errorf("log:\n%s", out)
	}
}

// TestLimit: connections above the limit are closed, places are given back.
func TestLimit(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open atomic.Int64
	limited := Limit(l, func(addr netip.Addr) (func(), bool) {
		if addr != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("address %s", addr)
		}
		if open.Add(1) > 2 {
			open.Add(-1)
			return nil, false
		}
		return func() { open.Add(-1) }, true
	})
	s := New(mlog.Discard())
	s.Start(limited, nil, NewRouter(Router{}))
	ask := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			conn.Close()
			return nil
		}
		return conn
	}
	a, b := ask(), ask()
	if a == nil || b == nil {
		t.Fatal("refused within the limit")
	}
	if ask() != nil {
		t.Error("served above the limit")
	}
	a.Close()
	ok := false
	for range 6000 {
		if c := ask(); c != nil {
			ok = true
			c.Close()
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !ok {
		t.Error("place is not given back")
	}
	b.Close()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestShutdown: connections that were taken over end with the server; what does not hear
// that it is to end holds nothing up.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := New(mlog.Discard()), newPipes()
		taken, deaf := make(chan struct{}), make(chan struct{})
		s.Start(l, nil, NewRouter(Router{Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/deaf" {
				<-deaf
				return
			}
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			<-r.Context().Done()
			close(taken)
		})}))
		for _, path := range []string{"/", "/deaf"} {
			conn := l.dial()
			defer conn.Close()
			io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := s.Shutdown(ctx); err == nil || time.Since(start) > 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		<-taken
		close(deaf)
	})
}
