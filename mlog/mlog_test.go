package mlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func newBuf(opts Options) (*bytes.Buffer, *slog.Logger) {
	var b bytes.Buffer
	return &b, slog.New(NewHandler(&b, opts))
}

type point struct {
	X, Y  int
	inner string
}

type panics struct{}

func (panics) String() string { panic("no") }

func TestLogfmt(t *testing.T) {
	ctx := WithCid(t.Context(), 0x1f2)
	ts := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var nilErr error
	var nilPoint *point
	tests := []struct {
		args []any
		want string
	}{
		{nil, ``},
		{[]any{"a", 1, "err", errors.New("bad thing"), "b", true}, `err="bad thing" a=1 b=true`},
		{[]any{"err", nilErr, "a", "x"}, `a=x`},
		{[]any{"s", "", "t", "a b", "u", "x=y", "v", `q"`, "w", `b\`, "x", "é"}, `s= t="a b" u="x=y" v="q\"" w="b\\" x="é"`},
		{[]any{"esc", "\x1b[31m\r\n\u202e\xff"}, `esc="\x1b[31m\r\n\u202e\xff"`},
		{[]any{"list", []string{"a", "b"}, "struct", point{1, 2, ""}}, `list=[a,b] struct="x=1 y=2"`},
		{[]any{"bytes", []byte("\xff\xfe?"), "time", ts, "dur", 90 * time.Second}, `bytes=__4_ time=2026-01-02T03:04:05Z dur=1m30s`},
		{[]any{"p", nilPoint, "pp", &point{3, 4, ""}, "m", map[string]int{"b": 2, "a": 1}}, `p= pp="x=3 y=4" m="a=1 b=2"`},
		{[]any{"bad key", 1, "", 2}, `bad_key=1 _=2`},
		{[]any{slog.Group("g", "a", 1, slog.Group("h", "b", 2))}, `g.a=1 g.h.b=2`},
		{[]any{"v", panics{}}, `v="!panic in value of mlog.panics: no"`},
		{[]any{"cid", int64(255)}, `cid=ff`},
	}
	for _, tc := range tests {
		b, log := newBuf(Options{})
		log.InfoContext(t.Context(), "hi there", tc.args...)
		want := strings.TrimSuffix(`l=info m="hi there" `+tc.want, " ") + "\n"
		if b.String() != want {
			t.Errorf("got  %swant %s", b.String(), want)
		}
	}

	b, log := newBuf(Options{})
	log = New("dkim", New("smtpserver", log).With("remote", "10.0.0.1")).WithGroup("g").With("a", 1)
	log.WarnContext(ctx, "multi\nline", "err", errors.New("x"), "k", "v")
	// An err inside a group is a field like any other.
	want := `l=warn m="multi\nline" pkg=smtpserver pkg=dkim cid=1f2 remote=10.0.0.1 g.a=1 g.err=x g.k=v` + "\n"
	if b.String() != want {
		t.Errorf("got  %swant %s", b.String(), want)
	}
}

func TestCLI(t *testing.T) {
	b := &bytes.Buffer{}
	log := NewCLI(b, LevelInfo)
	New("config", log).Error("loading é", "err", errors.New("no\x1bfile"), "path", "a b")
	if want := "error: loading é: no\\x1bfile; pkg=config; path=\"a b\"\n"; b.String() != want {
		t.Errorf("got %q want %q", b.String(), want)
	}
}

func TestJSON(t *testing.T) {
	b, log := newBuf(Options{Format: JSON, Time: true})
	New("smtp", log).InfoContext(WithCid(t.Context(), 31), "a \x1b \"q\"\u202e\U000e0001\xff", "n", 1, "f", 1.5, "b", true, "n", 2, "m", "x", "d", time.Second, "err", errors.New("e"))
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, b.String())
	}
	if strings.ContainsAny(b.String(), "\x1b\u202e") || strings.Count(b.String(), "\n") != 1 {
		t.Errorf("raw control characters: %q", b.String())
	}
	if _, err := time.Parse(time.RFC3339, got["t"].(string)); err != nil {
		t.Error(err)
	}
	delete(got, "t")
	want := `map[b:true cid:1f d:1s err:e f:1.5 l:info m:a ` + "\x1b \"q\"\u202e\U000e0001\ufffd" + ` m_:x n:1 n_:2 pkg:[smtp]]`
	if s := fmt.Sprint(got); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestLevels(t *testing.T) {
	levels := NewLevels(LevelInfo, map[string]slog.Level{"smtpserver": LevelDebug})
	b, log := newBuf(Options{Levels: levels})
	ctx := t.Context()
	srv := New("smtpserver", log)
	nested := New("dkim", srv)
	check := func(l *slog.Logger, level slog.Level, want bool) {
		t.Helper()
		if got := l.Enabled(ctx, level); got != want {
			t.Errorf("enabled at %s: got %v", LevelName(level), got)
		}
	}
	check(log, LevelDebug, false)
	check(log, LevelInfo, true)
	check(srv, LevelDebug, true)
	check(nested, LevelDebug, true)
	levels.Set("dkim", LevelError)
	check(nested, LevelWarn, false)
	check(nested, LevelPrint, true)
	check(nested, LevelFatal, true)
	check(srv, LevelDebug, true)
	levels.Clear("dkim")
	check(nested, LevelDebug, true)
	levels.Set("", LevelTracedata)
	check(log, LevelTracedata, true)
	check(srv, LevelTrace, false)
	levels.Replace(LevelError, nil)
	check(srv, LevelWarn, false)
	check(nested, LevelError, true)
	if levels.Default() != LevelError || len(levels.Packages()) != 0 {
		t.Error("levels after replace")
	}
	nested.Warn("no")
	Print(ctx, nested, "yes")
	if b.String() != `l=print m="yes" pkg=smtpserver pkg=dkim`+"\n" {
		t.Error(b.String())
	}

	var zero Levels
	_, log = newBuf(Options{Levels: &zero})
	log = New("x", log)
	check(log, LevelDebug, false)
	check(log, LevelInfo, true)
	zero.Set("x", LevelDebug)
	check(log, LevelDebug, true)

	for _, name := range LevelNames() {
		if l, err := ParseLevel(name); err != nil || LevelName(l) != name {
			t.Errorf("%s: %v %v", name, l, err)
		}
	}
	if _, err := ParseLevel("loud"); !errors.Is(err, ErrLevel) {
		t.Error(err)
	}
	if LevelName(-100) != "tracedata" || LevelName(5) != "warn" || LevelName(100) != "print" {
		t.Error("names of levels in between")
	}
}

func TestTrace(t *testing.T) {
	tests := []struct {
		level            slog.Level
		line, auth, data string
	}{
		{LevelDebug, "", "", ""},
		{LevelTrace, `l=trace m="RC: x\r\n" size=3`, `l=trace m="RC: ***" size=3`, `l=trace m="RC: ..." size=3`},
		{LevelTraceauth, `l=trace m="RC: x\r\n" size=3`, `l=traceauth m="RC: x\r\n" size=3`, `l=trace m="RC: ..." size=3`},
		{LevelTracedata, `l=trace m="RC: x\r\n" size=3`, `l=traceauth m="RC: x\r\n" size=3`, `l=tracedata m="RC: x\r\n" size=3`},
	}
	for _, tc := range tests {
		for kind, want := range map[slog.Level]string{LevelTrace: tc.line, LevelTraceauth: tc.auth, LevelTracedata: tc.data} {
			b, log := newBuf(Options{Levels: NewLevels(tc.level, nil)})
			Trace(t.Context(), log, kind, "RC: ", []byte("x\r\n"))
			if got := strings.TrimSuffix(b.String(), "\n"); got != want {
				t.Errorf("logger %s, data %s: got %q want %q", LevelName(tc.level), LevelName(kind), got, want)
			}
		}
	}
}

func TestCount(t *testing.T) {
	counts := map[slog.Level]int{}
	_, log := newBuf(Options{Count: func(l slog.Level) { counts[l]++ }})
	log.Debug("x")
	log.Warn("x")
	log.Error("x")
	log.Error("x")
	if fmt.Sprint(counts) != "map[WARN:1 ERROR:2]" {
		t.Error(counts)
	}
}

func TestDelta(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := newBuf(Options{})
		log = log.With(Delta())
		log.Info("a")
		time.Sleep(1500 * time.Millisecond)
		log.Info("b")
		if want := "l=info m=\"a\" delta=0s\nl=info m=\"b\" delta=1.5s\n"; b.String() != want {
			t.Error(b.String())
		}
	})
}

func TestCid(t *testing.T) {
	g := NewCidGenerator(time.UnixMilli(100))
	if a, b := g.Next(), g.Next(); a != 101 || b != 102 {
		t.Error(a, b)
	}
	if Cid(t.Context()) != 0 {
		t.Error("cid without one")
	}
}

func TestDisabledDoesNotAllocate(t *testing.T) {
	_, log := newBuf(Options{Levels: NewLevels(LevelInfo, map[string]slog.Level{"x": LevelWarn})})
	log = New("y", New("x", log)).With("a", 1)
	data := []byte("line")
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		log.DebugContext(ctx, "x")
		Trace(ctx, log, LevelTrace, "C: ", data)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type fakeTB struct {
	lines   []string
	cleanup []func()
}

func (f *fakeTB) Log(args ...any)   { f.lines = append(f.lines, fmt.Sprint(args...)) }
func (f *fakeTB) Cleanup(fn func()) { f.cleanup = append(f.cleanup, fn) }

func TestNewTest(t *testing.T) {
	var tb fakeTB
	log := NewTest(&tb, LevelDebug)
	log.Debug("a")
	tb.cleanup[0]()
	log.Error("late")
	if len(tb.lines) != 1 || tb.lines[0] != `l=debug m="a"` {
		t.Error(tb.lines)
	}
	New("x", nil).Info("nowhere")
}

func TestConcurrent(t *testing.T) {
	levels := NewLevels(LevelInfo, nil)
	var mu sync.Mutex
	lines := 0
	log := slog.New(NewHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		lines += bytes.Count(b, []byte("\n"))
		return len(b), nil
	}), Options{Levels: levels}))
	var wg sync.WaitGroup
	for i := range 8 {
		l := New(fmt.Sprint("p", i), log)
		wg.Go(func() {
			for j := range 200 {
				levels.Set(fmt.Sprint("p", i), slog.Level(j%8-4))
				l.Error("x", "j", j)
			}
		})
	}
	wg.Wait()
	if lines != 1600 {
		t.Error(lines)
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func FuzzFormat(f *testing.F) {
	f.Add("msg", "key", "value", "err")
	f.Add("\x1b[0m", "", "\xff\u0085\n", "a=b \"")
	f.Fuzz(func(t *testing.T, msg, key, value, errText string) {
		for _, format := range []Format{Logfmt, JSON, CLI} {
			b, log := newBuf(Options{Format: format})
			log.Log(context.Background(), LevelError, msg, key, value, "err", errors.New(errText), "list", []string{value})
			s := b.String()
			if strings.Count(s, "\n") != 1 || !strings.HasSuffix(s, "\n") {
				t.Fatalf("not one line: %q", s)
			}
			for _, r := range strings.TrimSuffix(s, "\n") {
				if r < ' ' || r >= 0x7f && r < 0xa0 {
					t.Fatalf("control character in %q", s)
				}
			}
			if format == JSON && !json.Valid(b.Bytes()) {
				t.Fatalf("invalid json %q", s)
			}
		}
	})
}

func BenchmarkDisabled(b *testing.B) {
	_, log := newBuf(Options{Levels: NewLevels(LevelInfo, map[string]slog.Level{"x": LevelWarn})})
	log = New("y", New("x", log))
	for b.Loop() {
		log.DebugContext(context.Background(), "x")
	}
}

func BenchmarkLogfmt(b *testing.B) {
	log := slog.New(NewHandler(writerFunc(func(b []byte) (int, error) { return len(b), nil }), Options{}))
	log = New("smtpserver", log).With("cid", int64(1), "remote", "10.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(context.Background(), LevelInfo, "command", slog.String("cmd", "ehlo"), slog.Int("code", 250))
	}
}
