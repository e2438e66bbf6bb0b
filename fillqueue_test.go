package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mox/queue"
	"mox/smtp"
)

// fillQueue makes the queue of a data directory without a server, as testscripts want it: messages
// that are not due for long, one that is done, and calls of webhooks. With -old, they came three
// days ago.
func fillQueue(ts *testscript.TestScript, neg bool, args []string) {
	now := time.Now
	if len(args) > 0 && args[0] == "-old" {
		now = func() time.Time { return time.Now().Add(-73 * time.Hour) }
		args = args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fillqueue [-old] datadir")
	}
	q, err := queue.Open(filepath.Join(ts.MkAbs(args[0]), queue.FileName), queue.Options{
		Now:     now,
		Retired: func(string) (messages, hooks time.Duration) { return 1000 * time.Hour, 1000 * time.Hour },
	})
	ts.Check(err)
	defer q.Close()
	ctx := context.Background()
	address := func(s string) smtp.Path {
		p, err := queue.ParseAddress(s)
		ts.Check(err)
		return p
	}
	const text = "Subject: filled\r\n\r\nbody\r\n"
	var msgs []queue.Message
	for _, to := range []string{"one@a.example", "two@a.example", "three@b.example", "done@b.example"} {
		msgs = append(msgs, queue.Message{Account: "mox", Sender: address("mox@localhost"), Recipient: address(to), NextAttempt: time.Now().Add(1000 * time.Hour)})
	}
	added, err := q.Add(ctx, queue.Content{Body: strings.NewReader(text), Size: int64(len(text))}, msgs)
	ts.Check(err)
	ts.Check(q.Record(ctx, []queue.Outcome{
		{ID: added.Messages[0].ID, Action: queue.Delayed, Next: msgs[0].NextAttempt, Result: queue.Result{Start: time.Now(), Code: 451, Error: "try \"later\""}},
		{ID: added.Messages[3].ID, Action: queue.Failed, Result: queue.Result{Start: time.Now(), Code: 550, Error: "no such user"}},
	}, nil))
	later := time.Now().Add(1000 * time.Hour)
	hooks, err := q.HookAdd(ctx,
		queue.Hook{Account: "mox", URL: "https://hook.example/", Authorization: "Basic secret", Event: queue.EventDelivered, Payload: []byte(`{"QueueMsgID":1}`), NextAttempt: later},
		queue.Hook{Account: "mox", URL: "https://hook.example/", Event: queue.EventIncoming, Payload: []byte(`{"Subject":"in"}`), NextAttempt: later},
		queue.Hook{Account: "mox", URL: "https://hook.example/", Event: queue.EventFailed, Payload: []byte(`{}`), NextAttempt: later})
	ts.Check(err)
	ts.Check(q.HookRecord(ctx, queue.HookOutcome{ID: hooks[0].ID, Result: queue.HookResult{Start: time.Now(), Code: 200, Success: true}}))
}
