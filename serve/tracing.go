package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"mox/config"
	"mox/metrics"
	"mox/otlp"
	"mox/webserver"
)

// openTracing begins to send spans, if mox.conf says so.
func (s *Server) openTracing(snap *config.Snapshot) {
	t := snap.Static.Tracing
	if t == nil {
		return
	}
	header := http.Header{}
	for name, value := range t.Headers {
		header.Set(name, value)
	}
	spans := s.Registry.Counter(metrics.TracingSpans)
	s.spans = otlp.New(otlp.Config{
		Endpoint: snap.TracesURL, Header: header, Host: snap.Hostname.ASCII, Version: s.Version, Log: s.Log, Now: s.Now,
		// No proxy: what is sent is for the one that mox.conf names.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: snap.RootCAs}, MaxIdleConns: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		Count:     func(result string, n int) { spans.Add(float64(n), result) },
	})
}

// closeTracing sends what is left, if that is quick.
func (s *Server) closeTracing() {
	ctx, cancel := context.WithTimeout(context.Background(), Drain)
	defer cancel()
	s.spans.Close(ctx)
}

// traceRequest sends a span for a request of HTTP.
func (s *Server) traceRequest(o webserver.Observation) {
	if s.spans == nil || o.Handler == "(ratelimited)" {
		return
	}
	text := ""
	if o.Code >= 500 {
		text = http.StatusText(o.Code)
	}
	s.spans.Done(otlp.Span{
		Name: "HTTP " + strings.ToUpper(o.Method) + " " + o.Handler, Kind: otlp.Server, Start: o.Start, End: o.Start.Add(o.Done), Err: text,
		Attrs: []slog.Attr{
			slog.String("http.request.method", strings.ToUpper(o.Method)), slog.Int("http.response.status_code", o.Code), slog.String("url.scheme", o.Proto),
			slog.String("handler", o.Handler), slog.String("client.address", o.Remote.String()), slog.Duration("header", o.Header),
		},
	}, o.CID)
}

// imapAfter is how long a command of IMAP takes that a span is sent for.
func (s *Server) imapAfter() time.Duration {
	if t := s.Config.Snapshot().Static.Tracing; t != nil {
		return cmp.Or(t.IMAPAfter, time.Second)
	}
	return 0
}

// traceIMAP returns what sends spans for commands of IMAP; nil: nothing does.
func (s *Server) traceIMAP() func(cid int64, command, result string, start time.Time, d time.Duration) {
	if s.spans == nil {
		return nil
	}
	return func(cid int64, command, result string, start time.Time, d time.Duration) {
		text := ""
		// What clients do wrong is no failure of the server.
		if result == "servererror" || result == "panic" || result == "error" {
			text = result
		}
		s.spans.Done(otlp.Span{
			Name: "IMAP " + strings.ToUpper(command), Kind: otlp.Server, Start: start, End: start.Add(d), Err: text,
			Attrs: []slog.Attr{slog.String("imap.command", command), slog.String("result", result)},
		}, cid)
	}
}
