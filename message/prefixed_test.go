package message

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestPrefixed(t *testing.T) {
	for _, prefix := range []string{"", "A: b\r\n"} {
		for _, rest := range []string{"", "C: d\r\n\r\ntext\r\n"} {
			r := Prefixed([]byte(prefix), strings.NewReader(rest))
			if err := iotest.TestReader(io.NewSectionReader(r, 0, int64(len(prefix)+len(rest))), []byte(prefix+rest)); err != nil {
				t.Errorf("%q, %q: %v", prefix, rest, err)
			}
			if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
				t.Error("before the beginning")
			}
		}
	}
}
