package message

import (
	"errors"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	const text = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x\r\nContent-Type: text/html\r\n\r\ntwo\r\n--x\r\n\r\nthree\r\n--x--\r\n"
	root, err := Parse(strings.NewReader(text), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	bad := errors.New("bad")
	for _, tt := range []struct {
		max   int
		good  int // which of those tried can be read
		want  bool
		err   error
		media string // "": all but the whole
		tries int
	}{
		{5, 1, true, nil, "", 1},
		{5, 3, true, nil, "", 3},
		{2, 3, false, bad, "", 2},
		{5, 0, false, bad, "", 3},
		{5, 1, true, nil, "text/html", 1},
		{5, 1, false, nil, "image/png", 0},
	} {
		tries := 0
		n, found, err := Find(root, tt.max, func(p *Part) bool {
			return !p.IsMultipart() && (tt.media == "" || p.MediaType() == tt.media)
		}, func(p *Part) (int, error) {
			if tries++; tries == tt.good {
				return tries, nil
			}
			return 0, bad
		})
		if found != tt.want || !errors.Is(err, tt.err) || tries != tt.tries || found && n != tt.good {
			t.Errorf("%+v: %d, %t, %v after %d", tt, n, found, err, tries)
		}
	}
}
