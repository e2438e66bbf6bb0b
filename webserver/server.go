package webserver

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"mox/mlog"
)

// Server serves HTTP on any number of listeners.
type Server struct {
	log *slog.Logger
	wg  sync.WaitGroup

	ctx    context.Context // of all requests
	cancel context.CancelFunc

	mu       sync.Mutex // guards the rest
	servers  []*http.Server
	requests int
	none     *sync.Cond // requests is 0
}

// New returns a Server that logs to log.
func New(log *slog.Logger) *Server {
	s := &Server{log: log}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.none = sync.NewCond(&s.mu)
	return s
}

// Protocol is one other than HTTP on a port of HTTPS, for the clients that ask for it by
// ALPN (RFC 7301).
type Protocol struct {
	Name string // the protocol's id, such as "imap"
	// Serve serves a connection, whose handshake is done and which has no deadline, closes it
	// and returns when it has ended.
	Serve func(conn *tls.Conn)
}

// Start serves handler on l, with TLS when tlsConfig is not nil, until Shutdown. With TLS,
// connections whose clients ask for one of protocols are served by that.
func (s *Server) Start(l net.Listener, tlsConfig *tls.Config, handler http.Handler, protocols ...Protocol) {
	if len(protocols) > 0 {
		tlsConfig = offer(tlsConfig, protocols)
	}
	hs := &http.Server{
		Handler:           s.counted(handler),
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 10 * time.Second, // of a TLS handshake too
		IdleTimeout:       65 * time.Second,
		MaxHeaderBytes:    32 * 1024,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 100,
			SendPingTimeout:      time.Minute, // is a client that says nothing still there?
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     stall,
		},
		ErrorLog:     log.New(logWriter{s.log}, "", 0),
		TLSNextProto: handOver(protocols),
		Protocols:    new(http.Protocols), // as TLSNextProto alone would end HTTP/2
	}
	hs.Protocols.SetHTTP1(true)
	hs.Protocols.SetHTTP2(true)
	s.mu.Lock()
	s.servers = append(s.servers, hs)
	s.mu.Unlock()
	s.wg.Go(func() {
		var err error
		if tlsConfig != nil {
			err = hs.ServeTLS(l, "", "")
		} else {
			err = hs.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("http listener ended", "err", err)
		}
	})
}

// offer returns the configuration with the ids of protocols, behind those of HTTP: a client
// that does not care gets that. RFC 7301 3.2: one that asks for nothing of ours is refused.
func offer(c *tls.Config, protocols []Protocol) *tls.Config {
	c = c.Clone()
	c.NextProtos = []string{"h2", "http/1.1"}
	for _, p := range protocols {
		c.NextProtos = append(c.NextProtos, p.Name)
	}
	return c
}

// handOver is how net/http gives connections away, whose TLS handshake it has done within
// the time for a header.
func handOver(protocols []Protocol) map[string]func(*http.Server, *tls.Conn, http.Handler) {
	m := map[string]func(*http.Server, *tls.Conn, http.Handler){}
	for _, p := range protocols {
		m[p.Name] = func(_ *http.Server, conn *tls.Conn, _ http.Handler) { p.Serve(conn) }
	}
	return m
}

// counted counts requests, which may go on without the connection that they came by.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.requests--; s.requests == 0 {
				s.none.Broadcast()
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// Shutdown stops listening and waits for requests under way until ctx ends. It waits for
// connections of a [Protocol] likewise, and closes what is left then. WebSockets are closed
// when the requests are done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	servers := s.servers
	s.mu.Unlock()
	errs := make(chan error, len(servers))
	for _, hs := range servers {
		go func() {
			err := hs.Shutdown(ctx)
			if err != nil {
				err = errors.Join(err, hs.Close())
			}
			errs <- err
		}()
	}
	var all []error
	for range servers {
		all = append(all, <-errs)
	}
	s.wg.Wait()
	s.cancel()
	s.awaitRequests(time.Second)
	return errors.Join(all...)
}

// awaitRequests waits until there are none any more, for that time at most: their contexts
// have ended and their connections are closed.
func (s *Server) awaitRequests(limit time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := false
	defer time.AfterFunc(limit, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		late = true
		s.none.Broadcast()
	}).Stop()
	for s.requests > 0 && !late {
		s.none.Wait()
	}
}

// logWriter turns what net/http logs, mostly failed TLS handshakes, into debug lines.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Log(context.Background(), mlog.LevelDebug, "http server", "text", string(p))
	return len(p), nil
}

// Metrics serves handler at /metrics, and the health pages: see [Ready] for problems.
func Metrics(handler http.Handler, problems func() []string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	mux.Handle(LivePath, Live())
	mux.Handle(ReadyPath, Ready(problems))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/metrics", http.StatusSeeOther)
	})
	return Secure(mux)
}

// Profiles serves Go's profiling pages at /debug/pprof/.
func Profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return Secure(mux)
}
