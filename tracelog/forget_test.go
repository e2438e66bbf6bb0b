package tracelog

import (
	"context"
	"testing"

	"mox/db"
)

func TestForget(t *testing.T) {
	l := newLog(t, Options{span: 64})
	fill(t, l, 0, 300) // user0 to user49, six decisions each, in five spans
	if err := l.Forget(context.Background(), "user7"); err != nil {
		t.Fatal(err)
	}
	if got := find(t, l, Query{Text: "user7@recipient.example"}); len(got) != 0 {
		t.Errorf("after Forget, found %v", got)
	}
	if got := find(t, l, Query{Text: "user8@recipient.example"}); len(got) != 6 {
		t.Errorf("of another account, found %v", got)
	}
	if n := count(t, l, "entry"); n != 294 {
		t.Errorf("%d entries are left, want 294", n)
	}
	if n := orphans(t, l); n != 0 {
		t.Errorf("%d lookup rows are of no entry", n)
	}
	if err := l.Forget(context.Background(), "nobody"); err != nil {
		t.Errorf("unknown account: %v", err)
	}
	fill(t, l, 300, 360) // the log goes on
	if got := find(t, l, Query{Text: "user7@recipient.example"}); len(got) != 2 {
		t.Errorf("later decisions: found %v", got)
	}
}

// orphans counts the lookup rows without an entry.
func orphans(t *testing.T, l *Log) (n int64) {
	t.Helper()
	_, err := l.read(context.Background(), func(c *db.Conn) (err error) {
		n, _, err = c.QueryInt64("SELECT count(*) FROM lookup WHERE entry NOT IN (SELECT id FROM entry)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
