package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// recorder is a Sink that notes what it gets.
type recorder struct{ lines []string }

func (r *recorder) Unchanged(Item) (bool, error) { return false, nil }
func (r *recorder) Warn(text string) error       { r.lines = append(r.lines, "warn "+text); return nil }
func (r *recorder) Fail(text string) error       { r.lines = append(r.lines, "fail "+text); return nil }
func (r *recorder) File(it Item, body io.Reader) error {
	b, err := io.ReadAll(body)
	if err != nil {
		r.lines = append(r.lines, "partial "+it.Path)
		return err
	}
	r.lines = append(r.lines, fmt.Sprintf("file %s %d %.20s", it.Path, len(b), b))
	return nil
}

// TestWire sends files to another process, one of which cannot be read.
func TestWire(t *testing.T) {
	var wire bytes.Buffer
	e := NewEncoder(&wire)
	big := strings.Repeat("x", 3*wireBlock+17)
	failure := errors.New("bad disk")
	for _, err := range []error{
		e.File(Item{Path: "config/mox.conf"}, strings.NewReader("DataDir: .")),
		e.File(Item{Path: "data/big"}, iotest.HalfReader(strings.NewReader(big))),
		e.Warn("look"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := e.File(Item{Path: "data/bad"}, io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(failure))); !errors.Is(err, failure) {
		t.Errorf("a reader's error came back as %v", err)
	}
	e.Fail("data/bad: bad disk")
	e.File(Item{Path: "data/empty"}, strings.NewReader(""))
	e.Close()
	sent := wire.Bytes()
	var r recorder
	if err := Decode(bytes.NewReader(sent), &r); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("file config/mox.conf 10 DataDir: .\nfile data/big %d xxxxxxxxxxxxxxxxxxxx\nwarn look\npartial data/bad\nfail data/bad: bad disk\nfile data/empty 0 ", len(big))
	if got := strings.Join(r.lines, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	// Wherever it ends early, that is an error.
	for n := 0; n < len(sent); n += 1 + n/3 {
		if err := Decode(bytes.NewReader(sent[:n]), &recorder{}); err == nil {
			t.Fatalf("no error after %d of %d bytes", n, len(sent))
		}
	}
}

func FuzzDecode(f *testing.F) {
	var wire bytes.Buffer
	e := NewEncoder(&wire)
	e.File(Item{Path: "config/mox.conf"}, strings.NewReader("text"))
	e.Warn("w")
	e.Close()
	f.Add(wire.Bytes())
	f.Add([]byte("{\"File\":{\"Path\":\"data/../../x\"}}\n\x00\x00\x00\x00{\"Read\":true}\n{\"End\":true}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r recorder
		Decode(bytes.NewReader(b), &r)
		for _, l := range r.lines {
			if strings.Contains(l, "/../") {
				t.Fatalf("path leads outside: %q", l)
			}
		}
	})
}
