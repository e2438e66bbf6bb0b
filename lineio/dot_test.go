package lineio

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDotReader(t *testing.T) {
	smuggle := func(s string) error { return &SmugglingError{s} }
	for _, tc := range []struct {
		in, want string
		err      error
	}{
		{".\r\n", "", nil},
		{"\r\n.\r\n", "\r\n", nil},
		{"a\r\nb\r\n.\r\n", "a\r\nb\r\n", nil},
		// RFC 5321 4.5.2: transparency.
		{"..\r\n.\r\n", ".\r\n", nil},
		{"..a\r\n...\r\n.b\r\n.\r\n", ".a\r\n..\r\nb\r\n", nil},
		{"a..\r\n.\r\n", "a..\r\n", nil},
		{"a.\r\n.\r\n", "a.\r\n", nil},
		// Bare LF is completed; after it there is no line start for the client.
		{"a\nb\r\n.\r\n", "a\r\nb\r\n", nil},
		{"a\n.b\r\n.\r\n", "a\r\n.b\r\n", nil},
		{"a\n..b\r\n.\r\n", "a\r\n..b\r\n", nil},
		{"a\n..\r\n.\r\n", "a\r\n..\r\n", nil},
		{"\n\n\r\n.\r\n", "\r\n\r\n\r\n", nil},
		// Sequences of smuggling.
		{"a\n.\nMAIL\r\n.\r\n", "a\r\n", smuggle("LF.LF")},
		{"a\n.\r\nMAIL\r\n.\r\n", "a\r\n", smuggle("LF.CRLF")},
		{"a\r\n.\nMAIL\r\n.\r\n", "a\r\n", smuggle("CRLF.LF")},
		{".\nMAIL\r\n.\r\n", "", smuggle("CRLF.LF")},
		{"a\n.\r\n.\r\n", "a\r\n", smuggle("LF.CRLF")},
		{"a\r\n.\n.\r\n.\r\n", "a\r\n", smuggle("CRLF.LF")},
		// Bare CR, in the text and in what looks like an end.
		{"a\rb\r\n.\r\n", "a", ErrBareCR},
		{"a\r\n.\rb\r\n.\r\n", "a\r\n", ErrBareCR},
		{"a\r\n.\r\r\nb\r\n.\r\n", "a\r\n", ErrBareCR},
		{"a\r.\r\n.\r\n", "a", ErrBareCR},
		{"a\r.\rb\r\n.\r\n", "a", ErrBareCR},
		{"a\r\r\n.\r\n", "a", ErrBareCR},
		{"a\n.\rb\r\n.\r\n", "a\r\n", ErrBareCR},
		// No end.
		{"a\r\n", "a\r\n", io.ErrUnexpectedEOF},
		{"a\r\n.\r", "a\r\n", io.ErrUnexpectedEOF},
		{"a\r\n.\n", "a\r\n", io.ErrUnexpectedEOF},
	} {
		for _, size := range []int{1, 2, 3, 5, 512} {
			for _, wrap := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader} {
				c := feedConn(wrap(strings.NewReader(tc.in+"NEXT\r\n")), Options{})
				if tc.err == io.ErrUnexpectedEOF {
					c = feedConn(strings.NewReader(tc.in), Options{})
				}
				d := NewDotReader(c, DotOptions{})
				got, err := readAll(d, size)
				if !sameError(err, tc.err) || string(got) != tc.want {
					t.Errorf("%q: got %q, %v, want %q, %v", tc.in, got, err, tc.want, tc.err)
				}
				if tc.err == io.ErrUnexpectedEOF {
					continue
				}
				if l, err := c.ReadLine(100); !d.Ended() || string(l) != "NEXT" || err != nil {
					t.Errorf("%q: after the data: %q, %v", tc.in, l, err)
				}
			}
		}
	}
}

func readAll(r io.Reader, size int) (got []byte, err error) {
	b := make([]byte, size)
	for {
		n, err := r.Read(b)
		got = append(got, b[:n]...)
		if err == io.EOF {
			return got, nil
		} else if err != nil {
			return got, err
		}
	}
}

func sameError(a, b error) bool {
	var sa, sb *SmugglingError
	if errors.As(a, &sa) && errors.As(b, &sb) {
		return sa.Sequence == sb.Sequence && errors.Is(a, ErrSmuggling)
	}
	return a == b
}

func TestDotReaderStrict(t *testing.T) {
	c := feedConn(strings.NewReader("a\nb\r\n.\r\nNEXT\r\n"), Options{})
	if _, err := io.ReadAll(NewDotReader(c, DotOptions{Strict: true})); err != ErrBareLF {
		t.Fatal(err)
	}
	if l, _ := c.ReadLine(100); string(l) != "NEXT" {
		t.Fatalf("%q", l)
	}
}

func TestDotReaderBounds(t *testing.T) {
	data := strings.Repeat("0123456789abcdef\r\n", 1000)
	read := func(o DotOptions) (*Conn, error) {
		c := feedConn(strings.NewReader(data+".\r\nNEXT\r\n"), Options{})
		_, err := io.ReadAll(NewDotReader(c, o))
		return c, err
	}
	if _, err := read(DotOptions{Max: int64(len(data))}); err != nil {
		t.Error("exactly the bound:", err)
	}
	c, err := read(DotOptions{Max: int64(len(data)) - 1})
	if err != ErrTooLarge {
		t.Error("one more than the bound:", err)
	}
	if l, _ := c.ReadLine(10); string(l) != "NEXT" {
		t.Errorf("after the data: %q", l)
	}
	if _, err := read(DotOptions{Max: 100, Discard: 1000}); !errors.Is(err, ErrNoEnd) || !errors.Is(err, ErrTooLarge) {
		t.Error("discard bound:", err)
	}
	c = feedConn(strings.NewReader(data+".\r\nNEXT\r\n"), Options{})
	if err := NewDotReader(c, DotOptions{}).Discard(); err != nil {
		t.Error(err)
	}
	if l, _ := c.ReadLine(10); string(l) != "NEXT" {
		t.Errorf("after the data: %q", l)
	}
}

func TestDotWriter(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ".\r\n"},
		{"a", "a\r\n.\r\n"},
		{"a\r\n", "a\r\n.\r\n"},
		{".\r\n..a\r\nb.\r\n", "..\r\n...a\r\nb.\r\n.\r\n"},
		{"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n"},
		{"a\r\r\nb", "a\r\n\r\nb\r\n.\r\n"},
	} {
		for _, chunk := range []int{1, 2, 100} {
			var b bytes.Buffer
			w := NewDotWriter(&b)
			for in := []byte(tc.in); len(in) > 0; {
				n := min(chunk, len(in))
				if k, err := w.Write(in[:n]); k != n || err != nil {
					t.Fatal(k, err)
				}
				in = in[n:]
			}
			w.Close()
			if b.String() != tc.want {
				t.Errorf("%q: got %q, want %q", tc.in, b.String(), tc.want)
			}
		}
	}
}

// FuzzDotReader: however the input is cut, the data ends at the first CRLF "." CRLF
// and nowhere else, what follows stays for the commands, and what is accepted is the
// unstuffed input with its line ends completed.
func FuzzDotReader(f *testing.F) {
	for _, s := range []string{
		"a\r\nb\r\n.\r\nQUIT\r\n", ".\r\n", "..\r\n.\r\n", "a\n.\nb\r\n.\r\n", "a\n.\r\n.\r\nx", "a\r\n.\n.\r\n.\r\n",
		"a\r\n.\r\r\n.\r\n", "\r.\r\n\r\n.\r\n", "\n.\r\n.\r\n", "a\n..\r\n.\r\n", "a\r\n.\r\n.\r\n",
	} {
		f.Add([]byte(s), uint8(3), uint8(7))
	}
	f.Fuzz(func(t *testing.T, in []byte, chunk, size uint8) {
		c := feedConn(&chunks{in, int(chunk)%64 + 1}, Options{ReadBuffer: 512})
		d := NewDotReader(c, DotOptions{})
		got, err := readAll(d, int(size)%64+1)

		data, rest, ended := strings.Cut("\r\n"+string(in), "\r\n.\r\n")
		if ended != d.Ended() {
			t.Fatalf("end of data: got %v, want %v", d.Ended(), ended)
		}
		if !ended {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("error without end: %v", err)
			}
			return
		}
		if left, _ := io.ReadAll(c); string(left) != rest {
			t.Fatalf("smuggled: left %q, want %q", left, rest)
		}
		data += "\r\n"
		bad := strings.Contains(data, "\n.\n") || strings.Contains(data, "\n.\r\n") ||
			strings.Contains(strings.ReplaceAll(data, "\r\n", "\n"), "\r")
		if bad != (err != nil) {
			t.Fatalf("bad %v, error %v", bad, err)
		}
		if err != nil {
			return
		}
		want := strings.ReplaceAll(data, "\r\n.", "\r\n")
		want = strings.ReplaceAll(strings.ReplaceAll(want, "\r\n", "\n"), "\n", "\r\n")[2:]
		if string(got) != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

type chunks struct {
	b []byte
	n int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.b)
	c.b = c.b[n:]
	return n, nil
}

// FuzzDotWriter: what is written reads back, with line ends completed.
func FuzzDotWriter(f *testing.F) {
	f.Add([]byte("a\r\n.b\r\n\n.\n"), uint8(1))
	f.Fuzz(func(t *testing.T, in []byte, chunk uint8) {
		var b bytes.Buffer
		w := NewDotWriter(&b)
		n := int(chunk)%16 + 1
		for p := in; len(p) > 0; p = p[min(n, len(p)):] {
			w.Write(p[:min(n, len(p))])
		}
		w.Close()
		c := feedConn(&b, Options{})
		got, err := readAll(NewDotReader(c, DotOptions{Strict: true}), 512)
		if err != nil {
			t.Fatal(err)
		}
		s := strings.ReplaceAll(string(in), "\r\n", "\n")
		s = strings.ReplaceAll(s, "\r", "\n")
		if s != "" && !strings.HasSuffix(s, "\n") {
			s += "\n"
		}
		if want := strings.ReplaceAll(s, "\n", "\r\n"); string(got) != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

func BenchmarkDotReader(b *testing.B) {
	data := []byte(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 5000) + ".\r\n")
	buf := make([]byte, 32<<10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		c := feedConn(bytes.NewReader(data), Options{})
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, NewDotReader(c, DotOptions{}), buf); err != nil {
			b.Fatal(err)
		}
		c.Release()
	}
}
