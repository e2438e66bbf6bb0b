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

// Start serves handler on l, with TLS when tlsConfig is not nil, until Shutdown.
func (s *Server) Start(l net.Listener, tlsConfig *tls.Config, handler http.Handler) {
	hs := &http.Server{
		Handler:           secure(handler),
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      5 * time.Minute, // CPU profiles take as long as asked for
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 * 1024,
		ErrorLog:          log.New(logWriter{s.log}, "", 0),
	}
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

// Shutdown stops listening and waits for requests under way until ctx ends.
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
