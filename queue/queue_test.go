package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/dns"
	"mox/smtp"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// openQueue opens a queue that is checked at the end of the test.
func openQueue(t testing.TB, path string, o Options) *Queue {
	t.Helper()
	q, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if problems, err := q.Check(context.Background()); !errors.Is(err, ErrClosed) && (err != nil || len(problems) > 0) {
			t.Errorf("check: %v %v", problems, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

func newQueue(t testing.TB, o Options) *Queue {
	return openQueue(t, filepath.Join(t.TempDir(), FileName), o)
}

func path(t testing.TB, s string) smtp.Path {
	t.Helper()
	p, err := parsePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// to makes messages of an account to addresses.
func to(t testing.TB, account string, addresses ...string) []Message {
	var l []Message
	for _, a := range addresses {
		l = append(l, Message{Account: account, Sender: path(t, "sender@own.example"), Recipient: path(t, a), MessageID: "id@own.example"})
	}
	return l
}

func text(s string) Content { return Content{Body: strings.NewReader(s), Size: int64(len(s))} }

func add(t testing.TB, q *Queue, msgs ...Message) []Message {
	t.Helper()
	r, err := q.Add(context.Background(), text("Subject: x\r\n\r\nbody\r\n"), msgs)
	if err != nil {
		t.Fatal(err)
	}
	return r.Messages
}

// due returns the recipients that are due, with a bar between submissions and destinations.
func due(t testing.TB, q *Queue, o DueOptions) string {
	t.Helper()
	l, err := q.Due(context.Background(), q.o.Now(), o)
	if err != nil {
		t.Fatal(err)
	}
	return recipients(l)
}

func recipients(l []Message) string {
	var b strings.Builder
	for i, m := range l {
		if i > 0 && (l[i-1].BaseID != m.BaseID || l[i-1].Destination() != m.Destination()) {
			b.WriteString("| ")
		}
		b.WriteString(m.Recipient.XString(true) + " ")
	}
	return strings.TrimSpace(b.String())
}

func record(t testing.TB, q *Queue, o Outcome, notices ...NewMessage) {
	t.Helper()
	if err := q.Record(context.Background(), []Outcome{o}, notices); err != nil {
		t.Fatal(err)
	}
}

func content(t testing.TB, q *Queue, id int64) string {
	t.Helper()
	r, err := q.Content(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if n, err := r.WriteTo(&b); err != nil || n != r.Size() {
		t.Fatal(n, err)
	}
	return b.String()
}

func equal[T comparable](t testing.TB, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAddRecord(t *testing.T) {
	c := newClock()
	var changed int
	q := newQueue(t, Options{Now: c.Now, Changed: func() { changed++ }, Retired: func(string) (time.Duration, time.Duration) { return time.Hour, 0 }})
	ctx := context.Background()
	yes := true
	want := Message{
		Account: "a", Kind: Forward, Sender: path(t, `"o dd"@müller.example`), Recipient: path(t, "x@[192.0.2.1]"), FromID: "fid", MessageID: "m@id",
		Subject: "Über", EightBit: true, SMTPUTF8: true, BinaryMIME: true, RequireTLS: &yes, EnvID: "env id", Ret: smtp.RetHdrs,
		Notify: smtp.NotifyFailure | smtp.NotifyDelay, ORcpt: smtp.ORcpt{Type: "rfc822", Address: "o;x@example"}, Transport: "t", Priority: -3, FutureRelease: "for;60",
		Extra: map[string]string{"k": "v"}, MaxAttempts: 5, NextAttempt: c.Now().Add(time.Minute),
	}
	added := add(t, q, want, Message{Account: "a", Recipient: path(t, "y@there.example"), Local: true})
	equal(t, changed, 1)
	equal(t, added[0].BaseID, added[1].BaseID)
	want.ID, want.BaseID, want.Size, want.Queued = added[0].ID, added[0].BaseID, added[0].Size, c.Now()
	want.SenderDomain, _ = dns.ParseDomain("müller.example")
	got, err := q.Get(ctx, want.ID)
	if err != nil || fmt.Sprintf("%+v", deref(got)) != fmt.Sprintf("%+v", deref(want)) {
		t.Errorf("%v\n%+v\n%+v", err, got, want)
	}
	equal(t, due(t, q, DueOptions{}), "y@there.example")
	at, ok, err := q.Next(ctx, DueOptions{Busy: func(d string) bool { return d == LocalDestination }})
	if err != nil || !ok || !at.Equal(want.NextAttempt) {
		t.Error(at, ok, err)
	}
	equal(t, content(t, q, want.ID), "Subject: x\r\n\r\nbody\r\n")

	// A temporary failure, then a success.
	next := c.Now().Add(7 * time.Minute)
	record(t, q, Outcome{ID: want.ID, Action: Delayed, Next: next, Result: Result{Start: c.Now(), Code: 451, Error: "later", RemoteMTA: "mx.example"}})
	if got, _ = q.Get(ctx, want.ID); got.Attempts != 1 || !got.NextAttempt.Equal(next) || got.LastResult().Code != 451 || !got.LastAttempt.Equal(c.Now()) {
		t.Errorf("%+v", got)
	}
	record(t, q, Outcome{ID: want.ID, Action: Delivered, Result: Result{Start: c.Now(), Code: 250}})
	if _, err := q.Get(ctx, want.ID); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	r, err := q.RetiredGet(ctx, want.ID)
	if err != nil || !r.Success || r.Event != EventDelivered || len(r.Message.Results) != 2 || r.Message.Attempts != 2 || r.Message.Notify != want.Notify || r.Message.ORcpt != want.ORcpt || !*r.Message.RequireTLS {
		t.Errorf("%v %+v", err, r)
	}
	equal(t, content(t, q, added[1].ID), "Subject: x\r\n\r\nbody\r\n")
	if _, err := q.Content(ctx, want.ID); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	record(t, q, Outcome{ID: added[1].ID, Action: Failed, Result: Result{Start: c.Now(), Code: 550}})
	record(t, q, Outcome{ID: added[1].ID, Action: Failed, Result: Result{Start: c.Now(), Code: 550}}) // gone
	s, err := q.Stats(ctx)
	equal(t, s, Stats{Retired: 2})
	if err != nil {
		t.Error(err)
	}
	// IDs are not used again.
	if n := add(t, q, to(t, "a", "z@there.example")...); n[0].ID != added[1].ID+1 {
		t.Errorf("id %d", n[0].ID)
	}
	c.add(2 * time.Hour)
	if err := q.Clean(ctx); err != nil {
		t.Fatal(err)
	}
	if s, _ := q.Stats(ctx); s.Retired != 0 || s.Messages != 1 {
		t.Errorf("%+v", s)
	}
}

// deref shows what a pointer in m points to.
func deref(m Message) any {
	s := fmt.Sprint(m.RequireTLS != nil && *m.RequireTLS)
	m.RequireTLS = nil
	return struct {
		Message
		s string
	}{m, s}
}

func TestContentLarge(t *testing.T) {
	q := newQueue(t, Options{})
	ctx := context.Background()
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 128<<10 - 3, 128 << 10, 2<<20 - 3, 2<<20 - 2, 5<<20 + 77} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(r.IntN(30))
		}
		got, err := q.Add(ctx, Content{Prefix: []byte("abc"), Body: bytes.NewReader(b), Size: int64(size)}, to(t, "a", "x@y.example", "z@y.example"))
		if err != nil {
			t.Fatal(err)
		}
		id := got.Messages[1].ID
		if content(t, q, id) != "abc"+string(b) {
			t.Errorf("content of %d differs", size)
		}
		c, err := q.Content(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			off := r.Int64N(c.Size() + 1)
			p := make([]byte, r.IntN(300_000))
			n, err := c.ReadAt(p, off)
			if want := ("abc" + string(b))[off:]; string(p[:n]) != want[:min(len(p), len(want))] || (err == io.EOF) != (n < len(p)) {
				t.Fatalf("at %d: %d bytes, %v", off, n, err)
			}
		}
		c.Close()
		record(t, q, Outcome{ID: id, Action: Delivered})
		record(t, q, Outcome{ID: got.Messages[0].ID, Action: Delivered})
	}
	// Content that ends early is refused and leaves nothing.
	for _, size := range []int64{100, 3 << 20, 5 << 20} {
		_, err := q.Add(ctx, Content{Body: bytes.NewReader(make([]byte, size-1)), Size: size}, to(t, "a", "x@y.example"))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d: %v", size, err)
		}
	}
	waitFor(t, func() bool { return countRows(t, q, "chunk") == 0 && countRows(t, q, "content") == 0 })
}

func countRows(t testing.TB, q *Queue, table string) int {
	n, err := q.count(context.Background(), &where{}, table, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func waitFor(t testing.TB, fn func() bool) {
	t.Helper()
	for range 6000 {
		if fn() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it did not come about")
}

func TestDue(t *testing.T) {
	c := newClock()
	q := newQueue(t, Options{Now: c.Now})
	a := add(t, q, to(t, "a", "a1@a.example", "b1@b.example", "a2@a.example", "a3@A.example")...)
	c.add(time.Second)
	add(t, q, to(t, "a", "a4@a.example")...)
	c.add(time.Second)
	urgent := to(t, "a", "a5@a.example", "c1@c.example")
	urgent[0].Priority, urgent[1].Priority = 2, 2
	add(t, q, urgent...)
	c.add(time.Second)
	equal(t, due(t, q, DueOptions{}), "a5@a.example | c1@c.example | b1@b.example")
	equal(t, due(t, q, DueOptions{PerDestination: 2}), "a5@a.example | c1@c.example | a1@a.example a2@a.example a3@a.example | b1@b.example")
	equal(t, due(t, q, DueOptions{PerDestination: 9, Recipients: 2}), "a5@a.example | c1@c.example | a1@a.example a2@a.example | a4@a.example | b1@b.example")
	equal(t, due(t, q, DueOptions{Max: 1}), "a5@a.example")
	equal(t, due(t, q, DueOptions{Busy: func(d string) bool { return d == "c.example" || d == "b.example" }}), "a5@a.example")
	skip := map[int64]bool{a[0].ID: true, a[0].ID + 5: true}
	equal(t, due(t, q, DueOptions{Skip: func(id int64) bool { return skip[id] }}), "c1@c.example | a2@a.example a3@a.example | b1@b.example")
	equal(t, due(t, q, DueOptions{Max: 2, Skip: func(id int64) bool { return skip[id] }}), "c1@c.example | a2@a.example")
	// What was delayed is not first any more.
	record(t, q, Outcome{ID: a[1].ID, Action: Delayed, Next: c.Now().Add(time.Hour)})
	equal(t, due(t, q, DueOptions{}), "a5@a.example | c1@c.example")
	at, ok, err := q.Next(context.Background(), DueOptions{Busy: func(d string) bool { return d != "b.example" }})
	if err != nil || !ok || !at.Equal(c.Now().Add(time.Hour)) {
		t.Error(at, ok, err)
	}
	if _, ok, err = q.Next(context.Background(), DueOptions{Busy: func(string) bool { return true }}); ok || err != nil {
		t.Error(ok, err)
	}
	c.add(time.Hour)
	equal(t, due(t, q, DueOptions{}), "a5@a.example | c1@c.example | b1@b.example")
	// On hold.
	n, err := q.Hold(context.Background(), Filter{To: "@c.example"}, true)
	if n != 1 || err != nil {
		t.Error(n, err)
	}
	equal(t, due(t, q, DueOptions{}), "a5@a.example | b1@b.example")
}

func TestNotices(t *testing.T) {
	q := newQueue(t, Options{})
	m := add(t, q, to(t, "a", "x@a.example", "y@a.example")...)
	dsn := func(ids ...int64) NewMessage {
		return NewMessage{Content: text("Subject: failed\r\n\r\n"), Messages: []Message{{Kind: DSN, Recipient: path(t, "sender@own.example"), Local: true}}, For: ids}
	}
	fail := Outcome{ID: m[0].ID, Action: Failed, Result: Result{Code: 550}}
	record(t, q, fail, dsn(m[0].ID))
	record(t, q, fail, dsn(m[0].ID)) // twice: once only
	l, err := q.List(context.Background(), Filter{}, Sort{Asc: true})
	if err != nil || len(l) != 2 || l[1].Kind != DSN || !l[1].Local {
		t.Fatal(l, err)
	}
	equal(t, content(t, q, l[1].ID), "Subject: failed\r\n\r\n")
	// An outcome that cannot be leaves everything as it was.
	err = q.Record(context.Background(), []Outcome{{ID: m[1].ID, Action: Failed}, {ID: l[1].ID, Action: Delayed}}, []NewMessage{dsn()})
	if !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	if n, _ := q.Count(context.Background(), Filter{}); n != 2 {
		t.Errorf("%d messages", n)
	}
	// One from a large message that comes too late is freed.
	large := dsn(m[0].ID)
	large.Content = Content{Body: bytes.NewReader(make([]byte, 3<<20)), Size: 3 << 20}
	record(t, q, fail, large)
	waitFor(t, func() bool { return countRows(t, q, "content") == 2 })
}

func TestFailAndDrop(t *testing.T) {
	var events []string
	o := Options{
		Retired: func(string) (time.Duration, time.Duration) { return time.Hour, 0 },
		Notice: func(ctx context.Context, r Reported) (*NewMessage, error) {
			if r.Message.Sender.IsZero() {
				return nil, nil
			}
			b, err := io.ReadAll(io.NewSectionReader(r.Original, 0, r.Size))
			return &NewMessage{Content: text(r.Result.Error + string(b)), Messages: []Message{{Kind: DSN, Recipient: r.Message.Sender, Local: true}}}, err
		},
		Hooks: func(e Event) []Hook { events = append(events, e.Name+" "+e.Message.Recipient.String()); return nil },
	}
	q := newQueue(t, o)
	ctx := context.Background()
	null := to(t, "", "n@b.example")
	null[0].Sender = smtp.Path{}
	add(t, q, null...)
	m := add(t, q, to(t, "a", "x@a.example", "y@a.example", "z@b.example")...)
	if n, err := q.Fail(ctx, Filter{To: "@a.example"}); n != 2 || err != nil {
		t.Error(n, err)
	}
	if n, err := q.Drop(ctx, Filter{IDs: []int64{m[2].ID, 999}}); n != 1 || err != nil {
		t.Error(n, err)
	}
	if n, err := q.Fail(ctx, Filter{To: "@b.example"}); n != 1 || err != nil {
		t.Error(n, err)
	}
	l, err := q.List(ctx, Filter{}, Sort{})
	if err != nil || len(l) != 2 {
		t.Fatal(recipients(l), err)
	}
	equal(t, content(t, q, l[0].ID), "delivery was canceled by an administratorSubject: x\r\n\r\nbody\r\n")
	equal(t, strings.Join(events, ","), "failed x@a.example,failed y@a.example,canceled z@b.example,failed n@b.example")
	r, err := q.RetiredList(ctx, RetiredFilter{}, Sort{Asc: true})
	if err != nil || len(r) != 4 || r[0].Success || r[0].Message.Attempts != 0 {
		t.Error(r, err)
	}
}

func TestLimitsAndInvalid(t *testing.T) {
	q := newQueue(t, Options{Limits: Limits{Messages: 3, Size: 100, Extra: 10, Results: 3, ResultText: 5}})
	ctx := context.Background()
	m := add(t, q, to(t, "a", "x@a.example", "y@a.example")...)
	if _, err := q.Add(ctx, text("x"), to(t, "a", "x@a.example", "y@a.example")); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if _, err := q.Add(ctx, text(strings.Repeat("x", 100)), to(t, "a", "x@a.example")); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if _, err := q.Add(ctx, text(strings.Repeat("x", 200)), to(t, "", "x@a.example", "y@a.example", "z@a.example", "0@a.example")); err != nil {
		t.Error("the server itself has no limit:", err)
	}
	bad := to(t, "b", "x@a.example", "y@a.example")
	bad[1].Account = "c"
	extra := to(t, "b", "x@a.example")
	extra[0].Extra = map[string]string{"key": "longvalue"}
	odd := to(t, "b", "x@a.example")
	odd[0].Recipient.Localpart = smtp.Localpart("line\nbreak")
	for _, msgs := range [][]Message{nil, bad, extra, odd, {{}}} {
		if _, err := q.Add(ctx, text("x"), msgs); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", msgs, err)
		}
	}
	for i := range 5 {
		record(t, q, Outcome{ID: m[0].ID, Action: Delayed, Next: time.Now(), Result: Result{Code: 450 + i, Error: "äöü"}})
	}
	got, err := q.Get(ctx, m[0].ID)
	if err != nil || got.Attempts != 5 || len(got.Results) != 3 || got.Results[0].Code != 450 || got.Results[1].Code != 453 || got.Results[2].Code != 454 || got.Results[2].Error != "äö" {
		t.Errorf("%v %+v", err, got)
	}
}

func TestOnce(t *testing.T) {
	c := newClock()
	q := newQueue(t, Options{Now: c.Now})
	ctx := context.Background()
	once := Once{Account: "a", Key: "k", Hash: []byte("h"), Result: func(a Added) []byte { return fmt.Appendf(nil, "id %d", a.Messages[0].ID) }}
	if _, err := q.OnceResult(ctx, once); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	var wg sync.WaitGroup
	var again [10]bool
	for i := range again {
		wg.Go(func() {
			body := make([]byte, 3<<20)
			r, err := q.AddOnce(ctx, once, Content{Body: bytes.NewReader(body), Size: int64(len(body))}, to(t, "a", "x@a.example"))
			again[i] = r.Again
			if err != nil || r.Again && string(r.Stored) != "id 1" {
				t.Errorf("%v %s", err, r.Stored)
			}
		})
	}
	wg.Wait()
	if n, _ := q.Count(ctx, Filter{}); n != 1 || slices.Index(again[:], false) < 0 {
		t.Errorf("%d messages", n)
	}
	waitFor(t, func() bool { return countRows(t, q, "content") == 1 })
	if b, err := q.OnceResult(ctx, once); err != nil || string(b) != "id 1" {
		t.Error(string(b), err)
	}
	other := once
	other.Hash = []byte("other")
	if _, err := q.AddOnce(ctx, other, text("x"), to(t, "a", "x@a.example")); !errors.Is(err, ErrOnceDiffers) {
		t.Error(err)
	}
	other.Account = "b"
	if r, err := q.AddOnce(ctx, other, text("x"), to(t, "b", "x@a.example")); err != nil || r.Again {
		t.Error(r, err)
	}
	c.add(25 * time.Hour)
	if r, err := q.AddOnce(ctx, once, text("x"), to(t, "a", "x@a.example")); err != nil || r.Again {
		t.Error(r, err)
	}
	if _, err := q.AddOnce(ctx, Once{Account: "a"}, text("x"), to(t, "a", "x@a.example")); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestHoldRules(t *testing.T) {
	q := newQueue(t, Options{})
	ctx := context.Background()
	add(t, q, to(t, "a", "x@a.example", "x@b.example")...)
	add(t, q, to(t, "b", "x@a.example")...)
	r, n, err := q.HoldRuleAdd(ctx, HoldRule{RecipientDomain: "A.example"})
	if n != 2 || err != nil || r.RecipientDomain != "a.example" {
		t.Error(r, n, err)
	}
	equal(t, due(t, q, DueOptions{}), "x@b.example")
	add(t, q, to(t, "c", "new@a.example", "new@c.example")...)
	equal(t, due(t, q, DueOptions{}), "x@b.example | new@c.example")
	if _, _, err := q.HoldRuleAdd(ctx, HoldRule{RecipientDomain: "a.example"}); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if _, _, err := q.HoldRuleAdd(ctx, HoldRule{SenderDomain: "a b"}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	// Any field that matches is enough.
	if _, n, err := q.HoldRuleAdd(ctx, HoldRule{Account: "c", SenderDomain: "nobody.example"}); n != 1 || err != nil {
		t.Error(n, err)
	}
	all, n, err := q.HoldRuleAdd(ctx, HoldRule{})
	if n != 1 || err != nil {
		t.Error(n, err)
	}
	add(t, q, to(t, "z", "z@z.example")...)
	equal(t, due(t, q, DueOptions{}), "")
	if s, _ := q.Stats(ctx); s.Held != 6 {
		t.Errorf("%+v", s)
	}
	if err := q.HoldRuleRemove(ctx, all.ID); err != nil {
		t.Error(err)
	}
	if err := q.HoldRuleRemove(ctx, all.ID); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if l, err := q.HoldRules(ctx); len(l) != 2 || err != nil || l[1].Account != "c" {
		t.Error(l, err)
	}
	if n, err := q.Hold(ctx, Filter{}, false); n != 6 || err != nil {
		t.Error(n, err)
	}
}

// TestBegin: an attempt that takes more than a second is noted, and counts when the process ends.
func TestBegin(t *testing.T) {
	c := newClock()
	p := filepath.Join(t.TempDir(), FileName)
	q := openQueue(t, p, Options{Now: c.Now})
	ctx := context.Background()
	m := add(t, q, to(t, "a", "slow@a.example", "quick@a.example", "done@a.example")...)
	if err := q.Begin(ctx, m[0].ID, m[2].ID); err != nil {
		t.Fatal(err)
	}
	begun := c.Now()
	c.add(2 * time.Second)
	if err := q.Begin(ctx, m[1].ID); err != nil {
		t.Fatal(err)
	}
	add(t, q, to(t, "a", "other@b.example")...) // its commit takes the notes with it
	record(t, q, Outcome{ID: m[2].ID, Action: Delayed, Next: c.Now(), Result: Result{Code: 450}})
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openQueue(t, p, Options{Now: c.Now})
	for i, want := range []int{1, 0, 1} {
		got, err := q.Get(ctx, m[i].ID)
		if err != nil || got.Attempts != want {
			t.Errorf("%d: %v %+v", i, err, got)
		}
		if i == 0 && (!got.LastAttempt.Equal(begun) || !strings.Contains(got.LastResult().Error, "interrupted")) {
			t.Errorf("%+v", got)
		}
	}
	equal(t, len(strings.Fields(due(t, q, DueOptions{Recipients: 9, PerDestination: 9}))), 5) // with a bar
	// By itself, after a second.
	q2 := newQueue(t, Options{})
	m = add(t, q2, to(t, "a", "x@y.example")...)
	q2.Begin(ctx, m[0].ID)
	waitFor(t, func() bool { return !q2.pendingNotes() })
	record(t, q2, Outcome{ID: m[0].ID, Action: Delayed, Next: time.Now()})
}

// TestFull: without space, Add says so, and works again once there is some.
func TestFull(t *testing.T) {
	q := newQueue(t, Options{})
	ctx := context.Background()
	body := make([]byte, 300_000)
	for i := range body {
		body[i] = byte(rand.IntN(256))
	}
	c := Content{Body: bytes.NewReader(body), Size: int64(len(body))}
	pages := func(n int) {
		if err := q.do(ctx, 0, func(t *tx) error { return t.c.Exec(fmt.Sprintf("PRAGMA max_page_count=%d", n)) }); err != nil {
			t.Fatal(err)
		}
	}
	pages(100)
	if _, err := q.Add(ctx, c, to(t, "a", "x@y.example")); !errors.Is(err, ErrDiskFull) {
		t.Fatal(err)
	}
	if n, _ := q.Count(ctx, Filter{}); n != 0 {
		t.Errorf("%d messages", n)
	}
	pages(1 << 30)
	if _, err := q.Add(ctx, c, to(t, "a", "x@y.example")); err != nil {
		t.Fatal(err)
	}
}
