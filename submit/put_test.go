package submit

import (
	"strings"
	"testing"
	"testing/iotest"
)

func TestLineEndings(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"a\nb\r\nc\r\n\nd":   "a\r\nb\r\nc\r\n\r\nd",
		"\n\n":               "\r\n\r\n",
		"a\rb\n":             "a\rb\r\n",
		"bare \r, LF next\n": "bare \r, LF next\r\n",
	} {
		var out strings.Builder
		if err := lineEndings(&out, iotest.OneByteReader(strings.NewReader(in))); err != nil || out.String() != want {
			t.Errorf("%q: %q, %v, want %q", in, out.String(), err, want)
		}
	}
}
