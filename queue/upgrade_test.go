package queue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"mox/db/dbtest"
	"mox/smtp"
)

func upgradeOptions(c *clock) Options {
	return Options{
		Now: c.Now,
		Retired: func(string) (time.Duration, time.Duration) {
			return 100 * 365 * 24 * time.Hour, 100 * 365 * 24 * time.Hour
		},
		Hooks: func(e Event) []Hook {
			return []Hook{{URL: "https://hook.example/", Event: e.Name, QueueMsgID: e.Message.ID, Payload: []byte(`{"Event":"` + e.Name + `"}`)}}
		},
	}
}

// TestUpgrade opens queues that each version of the schema wrote, and finds what was in them.
func TestUpgrade(t *testing.T) {
	dbtest.Upgrade(t, dbtest.Versions{Schema: schema(), Write: writeUpgrade, Check: func(t *testing.T, file []byte, text string) {
		q := openQueue(t, dbtest.File(t, file, FileName), upgradeOptions(newClock()))
		dbtest.Equal(t, listing(t, q), text)
		// It is in full use.
		m := add(t, q, to(t, "new", "x@new.example")...)
		record(t, q, Outcome{ID: m[0].ID, Action: Delivered})
	}})
}

// listing is all of a queue, as text.
func listing(t *testing.T, q *Queue) string {
	t.Helper()
	ctx := context.Background()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "\t")
	show := func(v any, err error) {
		t.Helper()
		if err == nil {
			err = enc.Encode(v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	msgs, err := q.List(ctx, Filter{}, Sort{Asc: true})
	show(msgs, err)
	for _, m := range msgs {
		text := content(t, q, m.ID)
		show(fmt.Sprintf("%.40q %x", text, sha256.Sum256([]byte(text))), nil)
	}
	retired, err := q.RetiredList(ctx, RetiredFilter{}, Sort{Asc: true})
	show(retired, err)
	rules, err := q.HoldRules(ctx)
	show(rules, err)
	suppressed, err := q.SuppressionList(ctx, "")
	show(suppressed, err)
	hooks, err := q.HookList(ctx, HookFilter{}, Sort{Asc: true})
	show(hooks, err)
	for _, h := range hooks {
		h, err := q.HookGet(ctx, h.ID)
		show(h.Authorization+string(h.Payload), err)
	}
	done, err := q.HookRetiredList(ctx, HookRetiredFilter{}, Sort{Asc: true})
	show(done, err)
	once, err := q.OnceResult(ctx, Once{Account: "a", Key: "key"})
	show(string(once), err)
	return b.String()
}

func writeUpgrade(t *testing.T) (file, seen string) {
	t.Helper()
	c := newClock()
	path := filepath.Join(t.TempDir(), FileName)
	q := openQueue(t, path, upgradeOptions(c))
	ctx := context.Background()
	yes := true
	msgs := to(t, "a", "x@there.example", `"o dd"@müller.example`, "l@own.example", "f@there.example")
	msgs[0].Priority, msgs[0].RequireTLS, msgs[0].Extra, msgs[0].FromID = 3, &yes, map[string]string{"k": "v"}, "fid"
	msgs[1].Notify, msgs[1].ORcpt, msgs[1].Ret, msgs[1].EnvID, msgs[1].SMTPUTF8 = smtp.NotifyDelay, smtp.ORcpt{Type: "rfc822", Address: "o@x"}, smtp.RetFull, "env", true
	msgs[2].Local, msgs[2].Hold, msgs[2].Transport = true, true, "t"
	r, err := q.AddOnce(ctx, Once{Account: "a", Key: "key", Keep: 1000 * time.Hour, Result: func(Added) []byte { return []byte("result") }}, text("Subject: x\r\n\r\n"+string(bytes.Repeat([]byte("text "), 50_000))), msgs)
	if err != nil {
		t.Fatal(err)
	}
	id := r.Messages[0].ID
	record(t, q, Outcome{ID: id, Action: Delayed, NotifyDelayed: true, Next: c.Now().Add(time.Hour), Result: Result{Start: c.Now(), Code: 451, Enhanced: "4.0.0", Error: "later"}})
	c.add(time.Minute)
	record(t, q, Outcome{ID: id + 3, Action: Failed, Result: Result{Start: c.Now(), Code: 550, Enhanced: "5.1.1", Error: "no"}})
	if _, _, err := q.HoldRuleAdd(ctx, HoldRule{RecipientDomain: "held.example"}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.SuppressionAdd(ctx, "b", mustPath(t, "x@y.example"), true, "asked"); err != nil {
		t.Fatal(err)
	}
	if _, err := q.HookAdd(ctx, Hook{Account: "a", URL: "https://hook.example/in", Authorization: "Basic x", Event: EventIncoming, Payload: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := q.HookRecord(ctx, HookOutcome{ID: 1, Result: HookResult{Start: c.Now(), Success: true, Code: 200}}); err != nil {
		t.Fatal(err)
	}
	seen = listing(t, q)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return path, seen
}

func mustPath(t *testing.T, s string) smtp.Path { return path(t, s) }
