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

	mu      sync.Mutex // guards servers
	servers []*http.Server
}

// New returns a Server that logs to log.
func New(log *slog.Logger) *Server { return &Server{log: log} }

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
		Handler:           secure(handler),
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      5 * time.Minute, // CPU profiles take as long as asked for
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 * 1024,
		ErrorLog:          log.New(logWriter{s.log}, "", 0),
		TLSNextProto:      handOver(protocols),
		Protocols:         new(http.Protocols), // as TLSNextProto alone would end HTTP/2
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

// Shutdown stops listening and waits for requests under way until ctx ends. It waits for
// connections of a [Protocol] likewise, and closes what is left then.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	servers := s.servers
	s.mu.Unlock()
	var errs []error
	for _, hs := range servers {
		if err := hs.Shutdown(ctx); err != nil {
			errs = append(errs, err, hs.Close())
		}
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

// secure adds the headers that no page of ours can do without.
func secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.ServeHTTP(w, r)
	})
}

// logWriter turns what net/http logs, mostly failed TLS handshakes, into debug lines.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Log(context.Background(), mlog.LevelDebug, "http server", "text", string(p))
	return len(p), nil
}

// Metrics serves handler at /metrics.
func Metrics(handler http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/metrics", http.StatusSeeOther)
	})
	return mux
}

// Profiles serves Go's profiling pages at /debug/pprof/.
func Profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
