package doctext

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain is the other process, when asked to be.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "doctext" {
		if err := Main(context.Background(), os.Stdin, os.Stdout, func([]string) error { return nil }); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func start(t *testing.T, o Options) *Extractor {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	e, err := Start(os.Args[0], []string{"doctext"}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func shell(mediaType, script string) Command {
	return Command{Types: []string{mediaType}, Argv: []string{"/bin/sh", "-c", script}}
}

func TestText(t *testing.T) {
	e := start(t, Options{
		Commands: []Command{
			shell("a/upper", "tr a-z A-Z"), shell("a/head", "head -c 3"), shell("a/fails", "cat >/dev/null; echo 'no PDF\n at all' >&2; exit 3"),
			shell("a/latin1", `printf 'caf\351'`), {Types: []string{"a/none"}, Argv: []string{"/nonexistent"}},
		},
		Timeout: time.Minute, MaxDocument: 1 << 20, MaxText: 1000,
	})
	ctx := context.Background()
	big := strings.Repeat("x", 1<<20)
	for _, tc := range []struct{ kind, doc, want, err string }{
		{"a/upper", "hello", "HELLO", ""},
		{"a/upper", "", "", ""},
		{"a/upper", big, strings.ToUpper(big[:1000]), ""},
		{"a/upper", big + "x", "", "too large"},
		{"a/head", big, "xxx", ""},
		{"a/fails", big, "", "exit status 3: no PDF  at all"},
		{"a/latin1", "x", "caf\uFFFD", ""},
		{"a/none", "x", "", "no such file"},
		{"a/other", "x", "", "no program"},
		{"a/upper", "still there", "STILL THERE", ""},
	} {
		got, err := e.Text(ctx, tc.kind, strings.NewReader(tc.doc))
		if string(got) != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s of %d octets: %.50q, %v; want %.50q, %q", tc.kind, len(tc.doc), got, err, tc.want, tc.err)
		}
	}
	if !e.Handles("a/upper") || e.Handles("a/other") {
		t.Error("handles")
	}
	if _, err := e.Text(ctx, "a/upper", io.MultiReader(strings.NewReader("abc"), failing{})); err != errFailing {
		t.Errorf("document that cannot be read: %v", err)
	}
	if got, err := e.Text(ctx, "a/upper", strings.NewReader("abc")); string(got) != "ABC" || err != nil {
		t.Errorf("after it: %q %v", got, err)
	}
}

// TestSlow: a program that takes too long is ended, and spoils nothing.
func TestSlow(t *testing.T) {
	e := start(t, Options{
		Commands: []Command{shell("a/upper", "tr a-z A-Z"), shell("a/slow", "sleep 600"), shell("a/endless", "yes")},
		Timeout:  300 * time.Millisecond, MaxDocument: 1 << 20, MaxText: 1000,
	})
	for _, kind := range []string{"a/slow", "a/endless"} {
		if got, err := e.Text(t.Context(), kind, strings.NewReader("x")); len(got) > 0 || err == nil || !strings.Contains(err.Error(), "more than 300ms") {
			t.Errorf("%s: %.50q, %v", kind, got, err)
		}
	}
	// On a machine that is busy others take as long.
	for end := time.Now().Add(time.Minute); ; {
		got, err := e.Text(t.Context(), "a/upper", strings.NewReader("still there"))
		if err != nil && strings.Contains(err.Error(), "more than 300ms") && time.Now().Before(end) {
			continue
		}
		if string(got) != "STILL THERE" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		break
	}
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }

// TestMemory: a program gets no more memory than is its due.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is bounded on Linux")
	}
	e := start(t, Options{Commands: []Command{shell("a/greedy", "cat >/dev/null; head -c 300000000 /dev/zero | tail")}, Memory: 64 << 20})
	if got, err := e.Text(context.Background(), "a/greedy", strings.NewReader("x")); err == nil && len(got) > 0 {
		t.Errorf("%d octets", len(got))
	}
}

func TestCanceled(t *testing.T) {
	e := start(t, Options{Commands: []Command{shell("a/slow", "sleep 1; echo late"), shell("a/cat", "cat")}})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := e.Text(ctx, "a/slow", strings.NewReader("x")); err != context.DeadlineExceeded {
		t.Error(err)
	}
	if got, err := e.Text(context.Background(), "a/cat", strings.NewReader("mine")); string(got) != "mine" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

// TestEnd: when the process has gone, callers are told, and nothing hangs.
func TestEnd(t *testing.T) {
	e := start(t, Options{Commands: []Command{shell("a/cat", "cat")}})
	if err := e.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-e.done
	for range 2 {
		if _, err := e.Text(context.Background(), "a/cat", strings.NewReader("x")); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
	}
	if _, err := Start("/nonexistent", nil, Options{}); err == nil {
		t.Error("started")
	}
}

// FuzzMain: whatever comes, the process ends with an error or in order.
func FuzzMain(f *testing.F) {
	f.Add([]byte("{}\n"))
	f.Add([]byte("{\"Commands\":[{\"Types\":[\"a/b\"],\"Argv\":[\"/nonexistent\"]}]}\n\x00\x03abc\x00"))
	f.Add([]byte("{\"Commands\":[{}]}\n\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var o Options
		if line, _, ok := bytes.Cut(in, []byte("\n")); ok {
			o, _ = readOptions(bufio.NewReader(bytes.NewReader(append(line, '\n'))))
		}
		for _, c := range o.Commands {
			if len(c.Argv) > 0 && c.Argv[0] != "/nonexistent" {
				return // not for a fuzzer to run
			}
		}
		_ = Main(context.Background(), bytes.NewReader(in), io.Discard, func([]string) error { return nil })
	})
}
