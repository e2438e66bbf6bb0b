package lineio

import (
	"errors"
	"slices"
	"testing"
)

func TestLineFunc(t *testing.T) {
	var got []string
	stop := errors.New("stop")
	l := &LineFunc{Line: func(b []byte) error {
		if string(b) == "stop" {
			return stop
		}
		got = append(got, string(b))
		return nil
	}}
	for _, s := range []string{"a", "b\n\nc", "\nd\ne", "nd\n", "rest"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("write %q: %d, %v", s, n, err)
		}
	}
	if want := []string{"ab", "", "c", "d", "end"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := l.Write([]byte(" of it\nstop\nmore\n")); err != stop {
		t.Errorf("error of the function: %v", err)
	}
}
