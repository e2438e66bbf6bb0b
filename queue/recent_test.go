package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// commit that failed, and is not there any more once the message is done.
func TestRecent(t *testing.T) {
	q := newQueue(t, Options{})
	ctx := context.Background()
	add := func(body string) Message {
		t.Helper()
		a, err := q.Add(ctx, text(body), []Message{{Account: "a", Sender: path(t, "x@own.example"), Recipient: path(t, "y@there.example")}})
		if err != nil {
			t.Fatal(err)
		}
		return a.Messages[0]
	}
	read := func(id int64) (string, error) {
		c, err := q.Content(ctx, id)
		if err != nil {
			return "", err
		}
		defer c.Close()
		b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		return string(b), err
	}
	// An operation whose commit fails.
	failed := errors.New("failed")
	p, err := q.prepare(ctx, text("lost"), "a")
	if err != nil {
		t.Fatal(err)
	}
	err = q.do(ctx, 0, func(tx *tx) error {
		_, err := tx.arrive(&arrival{content: p, msgs: []Message{{Account: "a", Sender: path(t, "x@own.example"), Recipient: path(t, "y@there.example")}}})
		return errors.Join(err, failed)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	q.discard(p)
	if _, err := q.AddDone(ctx, []Message{{Account: "a", Sender: path(t, "x@own.example"), Recipient: path(t, "y@there.example")}}, []Result{{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := read(1); !errors.Is(err, ErrNotFound) {
		t.Errorf("content of a message that was never queued: %v", err)
	}
	for i, body := range []string{"", "short", strings.Repeat("long\r\n", 100_000)} {
		m := add(body)
		if got, err := read(m.ID); err != nil || got != body {
			t.Errorf("%d: %d octets, %v", i, len(got), err)
		}
		if err := q.Record(ctx, []Outcome{{ID: m.ID, Action: Delivered}}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := read(m.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("%d: after delivery: %v", i, err)
		}
	}
	// More than there is room for; the database has all.
	bodies := map[int64]string{}
	for i := range 30 {
		body := strings.Repeat(fmt.Sprint(i, "\r\n"), 100_000)
		bodies[add(body).ID] = body
	}
	if q.recent.size > recentSize || len(q.recent.content) >= 30 || len(q.recent.content) == 0 {
		t.Errorf("%d octets of %d messages in memory", q.recent.size, len(q.recent.content))
	}
	for id, body := range bodies {
		if got, err := read(id); err != nil || got != body {
			t.Errorf("message %d: %v", id, err)
		}
	}
}
