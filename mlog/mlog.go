package mlog

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// New returns a logger for package pkg: base with "pkg" added. Loggers nest: what
// smtpserver passes to dkim becomes a logger of both there, and the level of dkim
// decides if it has one. A nil base is a logger that discards.
func New(pkg string, base *slog.Logger) *slog.Logger {
	if base == nil {
		return Discard()
	}
	return base.With(slog.String("pkg", pkg))
}

// Discard returns a logger that writes nothing.
func Discard() *slog.Logger {
	return slog.New(slog.DiscardHandler)
}

type cidKey struct{}

// WithCid returns a context that carries a connection (or operation) id. Lines logged
// with this context have it as field "cid", in hexadecimal. Ids are positive.
func WithCid(ctx context.Context, cid int64) context.Context {
	return context.WithValue(ctx, cidKey{}, cid)
}

// Cid returns the connection id of a context, or 0.
func Cid(ctx context.Context) int64 {
	if ctx == nil {
		return 0
	}
	cid, _ := ctx.Value(cidKey{}).(int64)
	return cid
}

// CidGenerator hands out connection ids. They increase and start at the time of
// making, in milliseconds, so that they differ from those before a restart. The zero
// value starts at 1. Safe for concurrent use.
type CidGenerator struct {
	last atomic.Int64
}

// NewCidGenerator returns a generator that starts at the time now.
func NewCidGenerator(now time.Time) *CidGenerator {
	var g CidGenerator
	g.last.Store(max(0, now.UnixMilli()))
	return &g
}

// Next returns a new id.
func (g *CidGenerator) Next() int64 {
	return g.last.Add(1)
}

// Delta returns the attribute "delta", to be added to the logger of a session with
// With: in each line it is the time since the previous line of the session, zero in
// the first. The returned attribute belongs to one session.
func Delta() slog.Attr {
	return slog.Any("delta", &delta{})
}

type delta struct {
	mu   sync.Mutex
	last time.Time
}

// LogValue returns the time since its last call.
func (d *delta) LogValue() slog.Value {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	var since time.Duration
	if !d.last.IsZero() {
		since = now.Sub(d.last)
	}
	d.last = now
	return slog.DurationValue(since)
}

// Trace logs a protocol line, or a piece of data, as it went over the wire. Prefix
// tells the direction ("RC: " received from client, "LS: " sent by local server,
// "RS: "/"LC: " in the SMTP client, "C: "/"S: " in IMAP).
//
// Level tells what the data is: LevelTrace for ordinary lines, LevelTraceauth for
// lines with credentials, LevelTracedata for message data. Lines are written when the
// logger is at any trace level; credentials are "***" unless it is at traceauth or
// tracedata, message data is "..." unless at tracedata. Cheap when not enabled.
func Trace(ctx context.Context, log *slog.Logger, level slog.Level, prefix string, data []byte) {
	if !log.Enabled(ctx, LevelTrace) {
		return
	}
	traceLine(ctx, log, level, prefix, data)
}

func traceLine(ctx context.Context, log *slog.Logger, level slog.Level, prefix string, data []byte) {
	text := ""
	switch {
	case level < LevelTraceauth && !log.Enabled(ctx, LevelTracedata):
		level, text = LevelTrace, "..."
	case level < LevelTrace && !log.Enabled(ctx, LevelTraceauth):
		level, text = LevelTrace, "***"
	default:
		text = string(data)
	}
	log.LogAttrs(ctx, level, prefix+text, slog.Int("size", len(data)))
}

// Print logs a line that is always written.
func Print(ctx context.Context, log *slog.Logger, msg string, args ...any) {
	log.Log(ctx, LevelPrint, msg, args...)
}

// NewCLI returns a logger for a command that prints to a person.
func NewCLI(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(NewHandler(w, Options{Format: CLI, Levels: NewLevels(level, nil)}))
}

// TB is the part of [testing.TB] that [NewTest] needs.
type TB interface {
	Log(args ...any)
	Cleanup(func())
}

// NewTest returns a logger that writes to the log of a test, from the given level on.
// Lines logged after the end of the test are dropped.
func NewTest(t TB, level slog.Level) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(w.close)
	return slog.New(NewHandler(w, Options{Levels: NewLevels(level, nil)}))
}

type testWriter struct {
	mu sync.Mutex // Guards t.
	t  TB         // Nil after the test.
}

var _ io.Writer = (*testWriter)(nil)

func (w *testWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimSuffix(string(b), "\n"))
	}
	return len(b), nil
}

func (w *testWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}
