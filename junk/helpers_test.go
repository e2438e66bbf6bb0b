package junk

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mox/classifier"
	"mox/config"
	"mox/db"
	"mox/message"
	"mox/store"
	"mox/trace"
	"mox/upkeep"
)

var testParams = &config.JunkFilter{Threshold: 0.95, Params: config.JunkParams{Onegrams: true, Twograms: true, MaxPower: 0.01, TopWords: 10, IgnoreWords: 0.1, RareWords: 2}}

// fixture is an account and a Manager.
type fixture struct {
	t   testing.TB
	ctx context.Context
	s   *store.Store
	acc *store.Account
	m   *Manager
	c   Config
	n   int // messages made
}

func newFixture(t testing.TB, c Config) *fixture {
	return newFixtureOptions(t, c, store.Options{})
}

func newFixtureOptions(t testing.TB, c Config, o store.Options) *fixture {
	t.Helper()
	o.Grace, o.Synchronous = time.Nanosecond, "OFF"
	s, err := store.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, ctx: context.Background(), s: s, c: c}
	t.Cleanup(func() {
		f.stop()
		f.acc.Release()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	f.c.Store = s
	if f.c.Params == nil {
		f.c.Params = func(string) *config.JunkFilter { return testParams }
	}
	if err := s.Create(f.ctx, "alice", store.InitialMailboxes{}); err != nil {
		t.Fatal(err)
	}
	if f.acc, err = s.Account(f.ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	f.start()
	return f
}

func (f *fixture) start() {
	f.t.Helper()
	m, err := New(f.c)
	if err != nil {
		f.t.Fatal(err)
	}
	f.m = m
}

func (f *fixture) stop() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f.m.Close(ctx); err != nil {
		f.t.Error(err)
	}
}

func (f *fixture) box(name string) store.MailboxID {
	f.t.Helper()
	b, ok := f.acc.MailboxByName(name)
	if !ok {
		f.t.Fatalf("no mailbox %s", name)
	}
	return b.ID
}

// mail is a message with some words of its own, and some of others.
func (f *fixture) mail() string {
	f.n++
	return fmt.Sprintf("From: someone@example.org\r\nTo: alice@example.com\r\nSubject: number %s\r\n\r\nhello dear %s of %s\r\n",
		word(f.n), word(f.n), word(f.n%7))
}

// word returns a word of letters.
func word(n int) string {
	var b strings.Builder
	for range 5 {
		b.WriteByte("abeiou"[n%6])
		b.WriteByte("mnrst"[n%5])
		n /= 5
	}
	return b.String()
}

// sender is one whose every name tells of i.
func sender(i int) trace.Facts {
	return trace.Facts{
		Mailbox: "Inbox", From: fmt.Sprintf("user%d@host%d.example", i, i%3), OrgDomain: "example", Validation: trace.ValidationDMARC,
		MailFrom: fmt.Sprintf("user%d@host%d.example", i, i%3), SPF: []trace.SPF{{Identity: "mailfrom", Domain: fmt.Sprintf("host%d.example", i%3), Status: "pass"}},
		DKIM: []trace.DKIM{{Domain: "dkim.example", Status: "pass"}}, Remote: netip.AddrFrom4([4]byte{10, 0, byte(i % 3), byte(i)}),
	}
}

func encode(t testing.TB, f trace.Facts) []byte {
	t.Helper()
	tr := trace.Trace{Facts: f}
	b, err := tr.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (f *fixture) spool(text string) *store.Spool {
	f.t.Helper()
	sp := f.s.NewSpool()
	if _, err := sp.Write([]byte(text)); err != nil {
		f.t.Fatal(err)
	}
	if err := sp.Finish(); err != nil {
		f.t.Fatal(err)
	}
	return sp
}

// deliver adds a message and returns its UID.
func (f *fixture) deliver(mailbox, text string, facts *trace.Facts, flags store.Flags, received time.Time) store.UID {
	f.t.Helper()
	sp := f.spool(text)
	defer sp.Close()
	nm := store.NewMessage{Spool: sp, Flags: flags, Received: received}
	if facts != nil {
		nm.Trace = encode(f.t, *facts)
	}
	r, err := f.acc.Deliver(f.ctx, mailbox, nm)
	if err != nil {
		f.t.Fatal(err)
	}
	return r.UIDs[0]
}

// classified delivers a message of a sender that the user has classified.
func (f *fixture) classified(facts trace.Facts, flags store.Flags, received time.Time) store.UID {
	f.t.Helper()
	return f.deliver("Inbox", f.mail(), &facts, flags, received)
}

func (f *fixture) setFlags(mailbox string, uid store.UID, op store.FlagOp, flags store.Flags) {
	f.t.Helper()
	if _, err := f.acc.SetFlags(f.ctx, f.box(mailbox), store.NewUIDSet(uid), store.FlagChange{Op: op, Flags: flags}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) filter() *Filter {
	f.t.Helper()
	for {
		x, err := f.m.Account(f.ctx, f.acc)
		if errors.Is(err, upkeep.ErrClosed) && f.ctx.Err() == nil {
			time.Sleep(time.Millisecond) // the worker is about to let go of it
			continue
		}
		if err != nil {
			f.t.Fatal(err)
		}
		return x
	}
}

func (f *fixture) reputation(facts trace.Facts) trace.Reputation {
	f.t.Helper()
	x := f.filter()
	defer x.Release()
	r, err := x.Reputation(f.ctx, facts.Mailbox, facts.Sender())
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) words(text string) *trace.Words {
	f.t.Helper()
	x := f.filter()
	defer x.Release()
	sp := f.spool(text)
	defer sp.Close()
	w, err := x.Words(f.ctx, sp.Part(), sp)
	if err != nil {
		f.t.Fatal(err)
	}
	return w
}

// settled waits until everything is learned.
func (f *fixture) settled() {
	f.t.Helper()
	x := f.filter()
	defer x.Release()
	f.m.keeper.Schedule("alice", 0)
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if err := x.a.lock(f.ctx); err != nil {
			f.t.Fatal(err)
		}
		a := x.a
		done := !a.bad.Load() && !a.wantCompare && a.compare == nil && len(a.pending) == 0 && a.remake.next >= a.remake.last &&
			store.ModSeq(a.seq.Load()) == f.acc.ModSeq() && *a.params.Load() == fingerprint(f.c.Params("alice"))
		a.unlock()
		if done {
			return
		}
		time.Sleep(time.Millisecond)
	}
	f.t.Fatal("does not come to an end")
}

// contents are what junk.db should have, computed from all messages.
type contents struct {
	totals   classifier.Counts
	words    map[uint64]classifier.Counts
	signals  map[string]int
	examples int
}

// naive computes the contents by reading everything.
func (f *fixture) naive() contents {
	f.t.Helper()
	want := contents{words: map[uint64]classifier.Counts{}, signals: map[string]int{}}
	for _, mb := range f.acc.Mailboxes() {
		box, err := f.acc.OpenBox(f.ctx, mb.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, m := range box.View().All() {
			junk := m.Flags&store.FlagJunk != 0
			if junk == (m.Flags&store.FlagNotJunk != 0) {
				continue
			}
			want.examples++
			f.naiveMessage(&want, m, junk)
		}
		box.Close()
	}
	return want
}

func (f *fixture) naiveMessage(want *contents, m *store.Message, junk bool) {
	f.t.Helper()
	br, err := f.acc.OpenBody(f.ctx, m.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	defer br.Close()
	var text strings.Builder
	if _, err := br.WriteTo(&text); err != nil {
		f.t.Fatal(err)
	}
	r := strings.NewReader(text.String())
	part, err := message.Parse(r, message.Limits{})
	if err != nil {
		f.t.Fatal(err)
	}
	p := f.c.Params("alice")
	if p != nil {
		tokens, err := classifier.Tokens(f.ctx, part, r, options(&p.Params))
		if err != nil {
			f.t.Fatal(err)
		}
		want.totals = want.totals.Add(junk)
		for _, tk := range tokens {
			k := wordKey(tk.Hash)
			want.words[k] = want.words[k].Add(junk)
		}
	}
	for x, err := range f.acc.Rendered(f.ctx, []*store.Message{m}, store.FieldTrace, false) {
		if err != nil {
			f.t.Fatal(err)
		}
		if tr, err := trace.Decode(x.Trace); err == nil {
			for _, s := range signalsOf(tr.Facts.Mailbox, tr.Facts.Sender()) {
				want.signals[fmt.Sprintf("%x %x %d %t", s.key, s.who, m.Received, junk)]++
			}
		}
	}
}

// stored reads what junk.db has.
func (f *fixture) stored() contents {
	f.t.Helper()
	x := f.filter()
	defer x.Release()
	got := contents{words: map[uint64]classifier.Counts{}, signals: map[string]int{}}
	err := x.a.read(f.ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT ham, junk FROM state")
		for rows.Next() {
			got.totals = classifier.Counts{Ham: uint32(rows.Int64(0)), Spam: uint32(rows.Int64(1))}
		}
		rows.Close()
		rows = c.Query("SELECT hash, ham, junk FROM word")
		for rows.Next() {
			got.words[uint64(rows.Int64(0))] = classifier.Counts{Ham: uint32(rows.Int64(1)), Spam: uint32(rows.Int64(2))}
		}
		rows.Close()
		rows = c.Query("SELECT key, who, time, junk FROM signal")
		for rows.Next() {
			got.signals[fmt.Sprintf("%x %x %d %t", rows.Int64(0), rows.Int64(1), rows.Int64(2), rows.Int64(3) != 0)]++
		}
		rows.Close()
		n, _, err := c.QueryInt64("SELECT count(*) FROM example")
		got.examples = int(n)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return got
}

// check compares what was learned with what there is to be learned, also in memory.
func (f *fixture) check() {
	f.t.Helper()
	f.settled()
	want, got := f.naive(), f.stored()
	if got.totals != want.totals || got.examples != want.examples {
		f.t.Fatalf("totals %v of %d examples, want %v of %d", got.totals, got.examples, want.totals, want.examples)
	}
	if err := sameMap(got.words, want.words); err != "" {
		f.t.Fatalf("words: %s", err)
	}
	if err := sameMap(got.signals, want.signals); err != "" {
		f.t.Fatalf("signals: %s", err)
	}
	x := f.filter()
	defer x.Release()
	var keys []uint64
	for k := range want.words {
		keys = append(keys, k)
	}
	list, totals, err := x.a.counts(f.ctx, keys)
	if err != nil {
		f.t.Fatal(err)
	}
	if totals != want.totals {
		f.t.Fatalf("totals for judging %v, want %v", totals, want.totals)
	}
	for i, k := range keys {
		if list[i] != want.words[k] {
			f.t.Fatalf("word %x: counts for judging %v, want %v", k, list[i], want.words[k])
		}
	}
}

func sameMap[K comparable, V comparable](got, want map[K]V) string {
	for k, v := range want {
		if got[k] != v {
			return fmt.Sprintf("%v is %v, want %v", k, got[k], v)
		}
	}
	for k, v := range got {
		if _, ok := want[k]; !ok {
			return fmt.Sprintf("%v is %v, want none", k, v)
		}
	}
	return ""
}
