package search

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mox/message"
	"mox/store"
)

// fixture is an account with messages and their index.
type fixture struct {
	t   testing.TB
	ctx context.Context
	s   *store.Store
	acc *store.Account
	m   *Manager
	box store.MailboxID
	raw map[store.BodyID]string
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{Grace: time.Nanosecond, Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newFixture(t testing.TB, c Config) *fixture {
	t.Helper()
	f := &fixture{t: t, ctx: t.Context(), s: newStore(t), raw: map[store.BodyID]string{}}
	c.Store = f.s
	if c.Linger == 0 {
		c.Linger = time.Millisecond
	}
	f.start(c)
	if err := f.s.Create(f.ctx, "alice", store.InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	f.acc = f.account("alice")
	box, ok := f.acc.MailboxByName("Inbox")
	if !ok {
		t.Fatal("no Inbox")
	}
	f.box = box.ID
	return f
}

func (f *fixture) start(c Config) {
	f.t.Helper()
	c.Store = f.s
	m, err := New(c)
	if err != nil {
		f.t.Fatal(err)
	}
	f.m = m
	f.t.Cleanup(func() { f.stop(m) })
}

func (f *fixture) stop(m *Manager) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		f.t.Error(err)
	}
}

func (f *fixture) account(name string) *store.Account {
	f.t.Helper()
	acc, err := f.s.Account(f.ctx, name)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(acc.Release)
	return acc
}

// add delivers messages, and returns their bodies.
func (f *fixture) add(raws ...string) []store.BodyID {
	f.t.Helper()
	var msgs []store.NewMessage
	for _, raw := range raws {
		sp := f.s.NewSpool()
		if _, err := sp.Write([]byte(raw)); err != nil {
			f.t.Fatal(err)
		}
		if err := sp.Finish(); err != nil {
			f.t.Fatal(err)
		}
		defer sp.Close()
		msgs = append(msgs, store.NewMessage{Spool: sp})
	}
	added, err := f.acc.Add(f.ctx, f.box, msgs)
	if err != nil {
		f.t.Fatal(err)
	}
	for i, id := range added.Bodies {
		f.raw[id] = raws[i]
	}
	return added.Bodies
}

// indexed waits until all of the account is in the index and merged.
func (f *fixture) indexed() {
	f.t.Helper()
	f.m.Touch("alice")
	for range 10000 {
		p, err := f.m.Progress(f.ctx, "alice")
		if err != nil {
			f.t.Fatal(err)
		}
		if p.Waiting == 0 && f.m.Stats().Queued == 0 {
			return
		}
		if s := f.m.Stats(); s.Failures > 0 {
			f.t.Fatalf("failures: %+v", s)
		}
		time.Sleep(5 * time.Millisecond)
	}
	f.t.Fatalf("not indexed: %+v", f.m.Stats())
}

// scan looks through one message.
func (f *fixture) match(id store.BodyID, q Query) bool {
	f.t.Helper()
	body, err := f.acc.OpenBody(f.ctx, id)
	if err != nil {
		f.t.Fatal(err)
	}
	defer body.Close()
	for r, err := range f.acc.Rendered(f.ctx, []*store.Message{{Body: id}}, store.FieldParts, false) {
		if err != nil {
			f.t.Fatal(err)
		}
		p, err := message.DecodePart(r.Parts)
		if err != nil {
			f.t.Fatal(err)
		}
		ok, err := Match(Source{Part: p, Body: body, Document: f.m.Document(f.ctx, f.acc, id)}, []Query{q})
		if err != nil {
			f.t.Fatal(err)
		}
		return ok[0]
	}
	f.t.Fatal("no body")
	return false
}

// check compares the index with looking through all messages, and returns the result.
func (f *fixture) check(q Query) Result {
	f.t.Helper()
	res, ok := f.m.Candidates(f.ctx, f.acc, q)
	if !ok {
		return res
	}
	sure, maybe := map[store.BodyID]bool{}, map[store.BodyID]bool{}
	for _, id := range res.Matches {
		sure[id] = true
	}
	for _, id := range res.Candidates {
		if sure[id] {
			f.t.Errorf("%+q: body %d is in both lists", q, id)
		}
		maybe[id] = true
	}
	for id := range f.raw {
		if id > res.IndexedTo {
			continue
		}
		switch want := f.match(id, q); {
		case want && !sure[id] && !maybe[id]:
			f.t.Errorf("%+q: body %d matches and is not in the result\n%q", q, id, f.raw[id])
		case !want && sure[id]:
			f.t.Errorf("%+q: body %d does not match and is in the result\n%q", q, id, f.raw[id])
		}
	}
	return res
}

// mail is a plain message.
func mail(subject, body string) string {
	return fmt.Sprintf("From: Bob <bob@example.com>\r\nTo: alice@example.org\r\nSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n", subject, body)
}
