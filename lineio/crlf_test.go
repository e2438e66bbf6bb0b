package lineio

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestMessageReader(t *testing.T) {
	long := strings.Repeat("x", 3*crlfBuffer)
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"a", "a"},
		{"A: b\n\nbody\n", "A: b\r\n\r\nbody\r\n"},
		{"A: b\r\n\r\nbody\r\n", "A: b\r\n\r\nbody\r\n"},
		{"A: b\r\nC: d\n\r\nbody\nx\r\n", "A: b\r\nC: d\r\n\r\nbody\r\nx\r\n"},
		{"A: b\r\n\r\nbinary\nbody\r\r\n\n", "A: b\r\n\r\nbinary\nbody\r\r\n\n"},
		{"A: b\n\nb\ry\r\rz\r", "A: b\r\n\r\nb\ry\r\rz\r"},
		{"A: " + long + "\n\n" + long + "\n", "A: " + long + "\r\n\r\n" + long + "\r\n"},
		{strings.Repeat("y", crlfBuffer-1) + "\r\n\nz\n", strings.Repeat("y", crlfBuffer-1) + "\r\n\r\nz\r\n"},
	} {
		for _, r := range []io.Reader{strings.NewReader(tc.in), iotest.OneByteReader(strings.NewReader(tc.in))} {
			got, err := io.ReadAll(NewMessageReader(r))
			if err != nil || string(got) != tc.want {
				t.Errorf("%.40q: got %.60q, %v, want %.60q", tc.in, got, err, tc.want)
			}
		}
	}
}

// writeFile writes a message as a file that MessageReader brings back where that can be.
func writeFile(t *testing.T, msg []byte) (file []byte, exact bool) {
	t.Helper()
	e, err := ScanLineEndings(bytes.NewReader(msg))
	if err != nil {
		t.Fatal(err)
	}
	if !e.LF && e.CRLF {
		return msg, true
	}
	var b bytes.Buffer
	w := LFWriter{W: &b}
	for i := range msg {
		w.Write(msg[i : i+1])
	}
	w.Close()
	return b.Bytes(), e.LF
}

func FuzzLineEndings(f *testing.F) {
	for _, s := range []string{"", "\r", "A: b\r\n\r\nx\r\n", "A: b\r\n\r\nx\ny\r\n", "A: b\r\n\r\nx\r\r\n", "A: b\n\nx\r\n", "\r\n\n", "\r\r\nx\n", "x\r\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		file, exact := writeFile(t, msg)
		got, err := io.ReadAll(NewMessageReader(bytes.NewReader(file)))
		if err != nil {
			t.Fatal(err)
		}
		if exact && !bytes.Equal(got, msg) {
			t.Errorf("%q became %q, and came back as %q", msg, file, got)
		}
	})
}
