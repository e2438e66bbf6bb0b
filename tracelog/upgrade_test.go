package tracelog

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"mox/db/dbtest"
)

// TestUpgrade opens logs that each version of the schema wrote, and finds what was in them.
func TestUpgrade(t *testing.T) {
	dbtest.Upgrade(t, dbtest.Versions{Schema: schema(), Write: writeUpgrade, Check: func(t *testing.T, file []byte, text string) {
		l := openLog(t, dbtest.File(t, file, FileName), Options{})
		dbtest.Equal(t, listing(t, l), text)
		// It is in full use.
		l.Add(sample(1000))
		if got := find(t, l, Query{Text: sample(1000).ID}); len(got) != 1 {
			t.Error(got)
		}
	}})
}

// listing is what some queries find, as text.
func listing(t *testing.T, l *Log) string {
	t.Helper()
	var b strings.Builder
	for _, q := range []Query{{Text: "recipient.example"}, {Text: sample(2).Facts.MessageID}, {Text: "person3@sender3.example"}, {Text: "192.0.2.4"}, {Account: "user5"}} {
		found, err := l.Find(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "query %q of %q:\n", q.Text, q.Account)
		for _, tr := range found {
			text, err := tr.Encode()
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%s\n", text)
		}
	}
	return b.String()
}

func writeUpgrade(t *testing.T) (path, text string) {
	t.Helper()
	l := newLog(t, Options{})
	fill(t, l, 0, 10)
	text = listing(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.path, text
}
