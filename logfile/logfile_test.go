package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mox/mlog"
)

// all are the lines in a directory, as text.
func all(t *testing.T, dir string) []string {
	t.Helper()
	var l []string
	if err := Files(dir, func(x *Line) error {
		l = append(l, x.String())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestTee: lines are passed on at once and are in the file with the time after Close, in both formats.
func TestTee(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	var out bytes.Buffer
	tee := New(&out, false)
	h := mlog.NewHandler(tee, mlog.Options{})
	log := mlog.New("x", slog.New(h))
	log.Info("before")
	if err := tee.Open(dir, 0); err != nil {
		t.Fatal(err)
	}
	log.Warn("one", "k", "a b")
	h.SetFormat(mlog.JSON)
	log.Error("two", "err", errors.New("bad"), "cid", int64(255))
	tee.Close()
	log.Info("after")
	if n := strings.Count(out.String(), "\n"); n != 4 {
		t.Errorf("%d lines passed on: %s", n, out.String())
	}
	if err := Files(dir, func(l *Line) error {
		if l.Time.IsZero() || time.Since(l.Time) > time.Hour {
			t.Errorf("time of %v", l)
		}
		l.Time = time.Time{}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	got := all(t, dir)
	for i := range got {
		got[i] = got[i][strings.Index(got[i], " ")+1:]
	}
	want := []string{`l=warn m="one" pkg=x k="a b"`, `l=error m="two" err=bad pkg=x cid=ff`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
}

// TestPriority: journald is told how bad a line is.
func TestPriority(t *testing.T) {
	var out bytes.Buffer
	tee := New(&out, true)
	h := mlog.NewHandler(tee, mlog.Options{})
	slog.New(h).Error("x")
	h.SetFormat(mlog.JSON)
	slog.New(h).Info("y")
	fmt.Fprintln(tee, "other")
	want := "<3>l=error m=\"x\"\n<6>{\"l\":\"info\",\"m\":\"y\"}\n<6>other\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
}

// TestRotate: files stay within their size, and two that write do not lose the newest lines.
func TestRotate(t *testing.T) {
	dir := t.TempDir()
	const size = 20_000
	var tees []*Tee
	for range 2 {
		tee := New(new(bytes.Buffer), false)
		if err := tee.Open(dir, size); err != nil {
			t.Fatal(err)
		}
		tees = append(tees, tee)
	}
	for round := range 8 {
		var wg sync.WaitGroup
		for i, tee := range tees {
			wg.Go(func() {
				for n := range 20 {
					fmt.Fprintf(tee, "l=info m=\"line\" tee=%d n=%d fill=%s\n", i, round*20+n, strings.Repeat("x", 50))
				}
			})
		}
		wg.Wait()
		for end := time.Now().Add(time.Minute); ; time.Sleep(gather / 10) {
			got, missing := strings.Join(all(t, dir), "\n"), false
			for i := range tees {
				missing = missing || !strings.Contains(got, fmt.Sprintf("tee=%d n=%d ", i, round*20+19))
			}
			if !missing {
				break
			} else if time.Now().After(end) {
				t.Fatalf("round %d is not written:\n%s", round, got)
			}
		}
	}
	for _, tee := range tees {
		tee.Close()
	}
	total := int64(0)
	for _, n := range []string{name, oldName} {
		info, err := os.Stat(filepath.Join(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > size+size/2 {
		t.Errorf("%d octets", total)
	}
	got := strings.Join(all(t, dir), "\n")
	for i := range tees {
		if !strings.Contains(got, fmt.Sprintf("tee=%d n=159 ", i)) {
			t.Errorf("the last line of %d is gone", i)
		}
	}
}

// TestFull: what does not fit is counted.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	tee := New(new(bytes.Buffer), false)
	if err := tee.Open(dir, 64<<20); err != nil {
		t.Fatal(err)
	}
	line := []byte("l=info m=\"" + strings.Repeat("x", 100<<10) + "\"\n")
	full := func() bool {
		tee.mu.Lock()
		defer tee.mu.Unlock()
		return tee.dropped > 0
	}
	for !full() { // writing to a file is slower than this
		if n, err := tee.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	tee.Close()
	if got := strings.Join(all(t, dir), "\n"); !strings.Contains(got, "could not be written fast enough") {
		t.Error("nothing is said about lines that were dropped")
	}
}

// TestFollow: lines are seen as they are written, over the change of files, each once.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	tee := New(new(bytes.Buffer), false)
	if err := tee.Open(dir, 2000); err != nil {
		t.Fatal(err)
	}
	defer tee.Close()
	fmt.Fprintln(tee, `l=info m="start" n=0`)
	time.Sleep(3 * gather)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const lines = 60
	var got []string
	err := Follow(ctx, dir, func() error {
		go func() {
			for n := 1; n <= lines; n++ {
				fmt.Fprintf(tee, "l=info m=\"line\" n=%d fill=%s\n", n, strings.Repeat("x", 60))
				if n%10 == 0 {
					time.Sleep(4 * gather)
				}
			}
		}()
		return nil
	}, func(l *Line) error {
		if got = append(got, l.Get("n")); l.Get("n") == fmt.Sprint(lines) {
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for n := range lines + 1 {
		want = append(want, fmt.Sprint(n))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := Follow(ctx, t.TempDir(), nil, nil); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

// TestParse: lines of both formats, and what is none.
func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		`l=info m="a b" err="x=\"y\"" pkg=p pkg=q cid=1f k=`: `l=info m="a b" err="x=\"y\"" pkg=p pkg=q cid=1f k=`,
		`t=2026-03-04T10:00:00.000Z l=error m="x"`:           `t=2026-03-04T10:00:00.000Z l=error m="x"`,
		`Mar 04 10:00:00 host mox[1]: l=warn m="x" m=again`:  `l=warn m="x" m=again`,
		`<6>l=info m="x"`: `l=info m="x"`,
		`{"t":"2026-03-04T10:00:00.000Z","l":"info","m":"x","pkg":["p","q"],"n":5,"ok":true}`: `t=2026-03-04T10:00:00.000Z l=info m="x" pkg=p pkg=q n=5 ok=true`,
		`prefix {"l":"info","m":"x"}`: `l=info m="x"`,
		`t=yesterday l=info m="x"`:    `l=info m="x"`,
		"":                            "", "hello": "", `l=loud m="x"`: "", `m="x"`: "", `l=info m="x`: "", `l=info m="x"y=z`: "", `{"l":"info"`: "", `{"m":"x"}`: "", `l=info =x`: "",
	} {
		l, err := Parse([]byte(in + "\n"))
		got := ""
		if err == nil {
			got = l.String()
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
		if err != nil {
			continue
		}
		b, err := l.JSON()
		if err != nil {
			t.Error(err)
		}
		if again, err := Parse(b); err != nil || again.Msg != l.Msg || again.Level != l.Level || len(again.Fields) != len(l.Fields) {
			t.Errorf("%s: as JSON %s, %v, %v", in, b, again, err)
		}
	}
}

func parse(t *testing.T, s string) *Line {
	t.Helper()
	l, err := Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return l
}

func TestFilter(t *testing.T) {
	now := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	line := `t=2026-03-04T10:00:00.000Z l=warn m="x" pkg=a pkg=b cid=1f account=jo to=jo@mail.Example.org host=mx.example.com`
	for _, tc := range []struct {
		f    Filter
		want bool
	}{
		{Filter{}, true}, {Filter{Level: mlog.LevelError}, false}, {Filter{Since: now}, true}, {Filter{Since: now.Add(time.Second)}, false},
		{Filter{Pkg: "b"}, true}, {Filter{Pkg: "c"}, false}, {Filter{CID: "1F"}, true}, {Filter{CID: "1"}, false}, {Filter{Account: "jo"}, true}, {Filter{Account: "j"}, false},
		{Filter{Domain: "example.org"}, true}, {Filter{Domain: "mail.example.org"}, true}, {Filter{Domain: "example.com"}, true}, {Filter{Domain: "ample.org"}, false}, {Filter{Domain: "example"}, false},
	} {
		if got := tc.f.Match(parse(t, line)); got != tc.want {
			t.Errorf("%+v: %v", tc.f, got)
		}
	}
	if f := (&Filter{Level: mlog.LevelError}); f.Match(parse(t, `l=print m="x"`)) {
		t.Error("what is always printed is no error")
	}
}

// TestThread: lines of one message, found by any of its names.
func TestThread(t *testing.T) {
	lines := []string{
		`l=info m="connection" cid=1`,
		`l=info m="queued" cid=1 messageid=m@x queueids="[7 8]"`,
		`l=info m="queued" cid=1 messageid=other@x queueids=[9]`,
		`l=info m="not delivered" queueid=7 messageid=m@x attempt=1 cid=2`,
		`l=info m="session of sending" cid=2`,
		`l=info m="delivered" queueid=9 attempt=1 cid=2`,
		`l=info m="delivered" queueid=8 messageid=m@x attempt=2`,
	}
	for _, tc := range []struct {
		message, queue, cid string
		want                []int
	}{
		{"m@x", "", "", []int{0, 1, 3, 6}}, {"", "7", "", []int{0, 1, 3, 6}}, {"other@x", "", "", []int{0, 2, 5}}, {"none@x", "", "", nil},
	} {
		th := NewThread(tc.message, tc.queue, tc.cid)
		for range 5 {
			for _, l := range lines {
				th.Learn(parse(t, l))
			}
		}
		var got []int
		for i, l := range lines {
			if th.Match(parse(t, l)) {
				got = append(got, i)
			}
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%+v: %s", tc, d)
		}
	}
	// By a connection, its messages are meant.
	th := NewThread("", "", "1")
	th.Learn(parse(t, lines[1]))
	if !th.Match(parse(t, lines[0])) || !th.Match(parse(t, lines[6])) {
		t.Error("connection")
	}
}

// TestScrub: nothing about people stays, and the same is the same.
func TestScrub(t *testing.T) {
	s := NewScrubber()
	line := func(in string) string { return s.Line(parse(t, in)).String() }
	out := line(`l=info m="delivered to jo@example.org" account=jo from="<\"a b\"@x.example>" to=JO@example.org remote=203.0.113.7 v6=[2001:db8::1]:25 lo=127.0.0.1 subject="love" messageid=secret@host.example text="550 <jo@example.org> unknown, see 203.0.113.7" n=12:34:56`)
	for _, secret := range []string{"jo@", "JO@", "=jo ", "a b", "203.0", "2001:", "love", "secret"} {
		if strings.Contains(out, secret) {
			t.Errorf("%q stays: %s", secret, out)
		}
	}
	for _, want := range []string{"@example.org", "@x.example", "@host.example", "127.0.0.1", "12:34:56", "550 <h-"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is gone: %s", want, out)
		}
	}
	if h := "h-" + s.hash("jo"); strings.Count(out, h) != 4 {
		t.Errorf("%s is not the same everywhere: %s", h, out)
	}
	if out := line(`l=trace m="RC: MAIL FROM:<jo>" size=3`); strings.Contains(out, "jo") {
		t.Error(out)
	}
	if NewScrubber().hash("jo") == s.hash("jo") {
		t.Error("hashes can be compared between runs")
	}
}

// TestLines: long and torn lines are passed over.
func TestLines(t *testing.T) {
	n := 0
	in := "l=info m=\"a\"\n" + strings.Repeat("x", 3*MaxLine) + "\nl=info m=\"b\"\nl=info m=\"torn"
	if err := Lines(strings.NewReader(in), func(*Line) error { n++; return nil }); err != nil || n != 2 {
		t.Error(n, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`t=2026-03-04T10:00:00.000Z l=error m="x" err="a b" pkg=p cid=1f`))
	f.Add([]byte(`{"t":"2026-03-04T10:00:00.000Z","l":"info","m":"x","pkg":["p"]}`))
	s := NewScrubber()
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Parse(b)
		if err != nil {
			return
		}
		if _, err := l.JSON(); err != nil {
			t.Error(err)
		}
		s.Line(l)
		new(Filter).Match(l)
		NewThread("x@y", "1", "2").Learn(l)
	})
}
