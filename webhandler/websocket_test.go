package webhandler

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mox/config"
)

// echo is a server that says what it is told by WebSocket.
func echo(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/denied":
		w.Header().Set("X-Why", "no")
		http.Error(w, "denied", http.StatusForbidden)
		return
	case "/wrong":
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Accept", "x")
		w.WriteHeader(101)
		return
	case "/other":
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "else")
		w.WriteHeader(101)
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mail"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(4 << 20)
	for {
		kind, b, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), kind, append([]byte(r.Header.Get("X-Forwarded-Proto")+" "), b...)); err != nil {
			return
		}
	}
}

// TestWebSocket: RFC 6455 through the proxy, with a client and a server of others.
func TestWebSocket(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(echo))
	secure := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	s := newSites(t, Config{RootCAs: poolOf(secure)},
		forwardHandler(plain.URL, func(h *config.WebHandler) {
			h.PathRegexp, h.WebForward.StripPath, h.Compress = "^/plain", true, true
			h.WebForward.ResponseHeaders = map[string]string{"X-Site": "yes"}
		}),
		forwardHandler(secure.URL, nil))
	srv := serve(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dial := func(path string) (*websocket.Conn, *http.Response, error) {
		return websocket.Dial(ctx, "ws"+strings.TrimPrefix(srv.URL, "http")+path, &websocket.DialOptions{Host: "w.example", Subprotocols: []string{"mail"}})
	}
	for _, path := range []string{"/plain/", "/tls"} {
		c, resp, err := dial(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if c.Subprotocol() != "mail" || (resp.Header.Get("X-Site") == "yes") != (path == "/plain/") {
			t.Errorf("%s: %q %v", path, c.Subprotocol(), resp.Header)
		}
		c.SetReadLimit(4 << 20)
		for _, text := range []string{"hello", strings.Repeat("large ", 500000)} {
			if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if _, b, err := c.Read(ctx); err != nil || string(b) != "http "+text {
				t.Errorf("%s: %d octets, %v", path, len(b), err)
			}
		}
		start := time.Now()
		if err := c.Close(websocket.StatusNormalClosure, "done"); err != nil {
			t.Errorf("%s: closing: %v", path, err)
		}
		if d := time.Since(start); d > 4*time.Second { // it waits for the other side, up to 5
			t.Errorf("%s: closing took %s", path, d)
		}
	}
	if _, resp, err := dial("/denied"); err == nil || resp.StatusCode != 403 || resp.Header.Get("X-Why") != "no" {
		t.Errorf("denied: %v", err)
	}
	for _, path := range []string{"/wrong", "/other"} {
		if _, resp, err := dial(path); err == nil || resp == nil || resp.StatusCode != 502 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestHandshake: RFC 6455 4.2.1, 4.2.2.
func TestHandshake(t *testing.T) {
	b := backend(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("passed on: %v", r.Header) })
	srv := serve(t, newSites(t, Config{}, forwardHandler(b.URL, nil)))
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
	const version = "Sec-WebSocket-Version: 13"
	for _, tc := range []struct {
		method, proto, fields string
		code                  int
	}{
		{"POST", "HTTP/1.1", key + "|" + version, 405},
		{"GET", "HTTP/1.0", key + "|" + version, 400},
		{"GET", "HTTP/1.1", key, 426},
		{"GET", "HTTP/1.1", key + "|Sec-WebSocket-Version: 8", 426},
		{"GET", "HTTP/1.1", key + "|" + version + "|Sec-WebSocket-Version: 8", 426},
		{"GET", "HTTP/1.1", version, 400},
		{"GET", "HTTP/1.1", version + "|Sec-WebSocket-Key: short", 400},
		{"GET", "HTTP/1.1", version + "|Sec-WebSocket-Key: !", 400},
		{"GET", "HTTP/1.1", version + "|" + key + "|" + key, 400},
		{"GET", "HTTP/1.1", version + "|" + key + "|Content-Length: 3", 400},
		{"GET", "HTTP/1.1", version + "|" + key + "|Transfer-Encoding: chunked", 400},
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s / %s\r\nHost: w.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n%s\r\n\r\n3\r\nabc\r\n0\r\n\r\n", tc.method, tc.proto, strings.ReplaceAll(tc.fields, "|", "\r\n"))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != tc.code || tc.code == 426 && resp.Header.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("%s %s: %d %v", tc.method, tc.fields, resp.StatusCode, resp.Header)
		}
		conn.Close()
	}
}

// TestWebSocketIdle: one on which nothing comes is closed, one that is used is not; both
// ends are closed when the server stops.
func TestWebSocketIdle(t *testing.T) {
	t.Parallel() // it waits
	b := backend(t, echo)
	base, stop := context.WithCancel(t.Context())
	defer stop()
	dial := func(idle time.Duration) *websocket.Conn {
		srv := httptest.NewUnstartedServer(handle(newSites(t, Config{Limits: Limits{Idle: idle}}, forwardHandler(b.URL, nil))))
		srv.Config.BaseContext = func(net.Listener) context.Context { return base }
		srv.Start()
		t.Cleanup(srv.Close)
		c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(srv.URL, "http"), &websocket.DialOptions{Host: "w.example"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const idle = time.Second
	c := dial(idle)
	for used, last := 0, time.Now(); used < 5; last = time.Now() {
		time.Sleep(idle / 4)
		err := c.Write(t.Context(), websocket.MessageText, []byte("x"))
		if err == nil {
			_, _, err = c.Read(t.Context())
		}
		switch {
		case err == nil:
			used++
		case time.Since(last) < idle:
			t.Fatal(err)
		default: // this machine is busy: it was idle
			c, used = dial(idle), 0
		}
	}
	ended := func(c *websocket.Conn) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
			t.Errorf("%v", err)
		}
	}
	ended(c)
	c = dial(time.Hour)
	stop()
	ended(c)
}

// TestEarlyFrames: what a client sends with its handshake is passed on.
func TestEarlyFrames(t *testing.T) {
	b := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") // RFC 6455 1.3
		w.WriteHeader(101)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		early := make([]byte, 5)
		io.ReadFull(rw, early)
		fmt.Fprintf(conn, "got %s", early)
	})
	srv := serve(t, newSites(t, Config{}, forwardHandler(b.URL, nil)))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: w.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly")
	all, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(all), "\r\n\r\ngot early") || !strings.HasPrefix(string(all), "HTTP/1.1 101 ") {
		t.Errorf("%q %v", all, err)
	}
}
