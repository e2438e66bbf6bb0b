package tracelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mox/db"
	"mox/trace"
)

// newLog opens a log in a new directory, whose clock stands a day after epoch.
func newLog(t testing.TB, o Options) *Log {
	t.Helper()
	return openLog(t, filepath.Join(t.TempDir(), FileName), o)
}

func openLog(t testing.TB, path string, o Options) *Log {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return epoch.Add(24 * time.Hour) }
	}
	l, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// fill adds samples from to to-1, waiting when the queue is full.
func fill(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if l.waiting() >= l.o.Queue {
			settle(t, l)
		}
		l.Add(sample(i))
	}
	settle(t, l)
}

// settle returns when all that was added is written.
func settle(t testing.TB, l *Log) {
	t.Helper()
	if err := l.ask(context.Background(), ask{}); err != nil {
		t.Fatal(err)
	}
}

// find returns the log ids of what is found.
func find(t testing.TB, l *Log, q Query) []string {
	t.Helper()
	found, err := l.Find(context.Background(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	var ids []string
	for _, tr := range found {
		ids = append(ids, tr.ID)
	}
	return ids
}

// count returns how many rows a table has.
func count(t testing.TB, l *Log, table string) (n int64) {
	t.Helper()
	_, err := l.read(context.Background(), func(c *db.Conn) (err error) {
		n, _, err = c.QueryInt64("SELECT count(*) FROM " + table)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFind(t *testing.T) {
	l := newLog(t, Options{})
	first := &trace.Trace{
		Version: 1, Time: epoch, ID: "Abc-1_x", Account: "bob",
		Facts: trace.Facts{
			Remote: netip.MustParseAddr("2001:db8::1"), MailFrom: "Bounce@mail.EXAMPLE.com", RcptTo: "bob@exämple.org", From: "ann@news.example.com", OrgDomain: "example.com",
			MessageID: "<Mixed.Case@id.example>",
		},
		Verdict: trace.Verdict{Action: trace.Accept, Reason: "x", Mailbox: "Inbox"},
	}
	// A refusal at RCPT: nothing but the envelope is known, and no account.
	second := &trace.Trace{
		Time: epoch.Add(time.Minute), ID: "second", Facts: trace.Facts{MailFrom: "ann@news.example.com", RcptTo: "Postmaster"},
		Verdict: trace.Verdict{Action: trace.Reject, Reason: "unknown-user", Code: 550},
	}
	l.Add(first)
	l.Add(second)
	l.Add(&trace.Trace{}) // nothing at all is set
	l.Add(&trace.Trace{Time: epoch.Add(2 * time.Minute), ID: "third", Account: "ann", Facts: trace.Facts{RcptTo: "ann@xn--exmple-cua.org", MailFrom: "bob"}})
	for _, tc := range []struct {
		text, account, want string
	}{
		{"Mixed.Case@id.example", "", "Abc-1_x"},
		{" <Mixed.Case@id.example> ", "", "Abc-1_x"},
		{"mixed.case@id.example", "", ""}, // message-ids are compared exactly
		{"Abc-1_x", "", "Abc-1_x"},
		{"abc-1_x", "", ""},
		{"bounce@mail.example.COM", "", "Abc-1_x"},
		{"<ann@NEWS.example.com>", "", "second Abc-1_x"},
		{"news.example.com", "", "second Abc-1_x"},
		{"@News.Example.Com", "", "second Abc-1_x"},
		{"mail.example.com", "", "Abc-1_x"},
		{"example.com", "", "Abc-1_x"}, // the organization's
		{"ample.com", "", ""},
		{"bob@exämple.org", "", "Abc-1_x"},
		{"bob@xn--exmple-cua.org", "", "Abc-1_x"},
		{"@EXÄMPLE.org", "", "third Abc-1_x"},
		{"@exämple.org", "bob", "Abc-1_x"},
		{"@exämple.org", "nobody", ""},
		{"postmaster", "", "second"},
		{"2001:DB8:0::1", "", "Abc-1_x"},
		{"", "ann", "third"},
		{"bob", "", "third"}, // not the account
	} {
		if got := strings.Join(find(t, l, Query{Text: tc.text, Account: tc.account}), " "); got != tc.want {
			t.Errorf("%q of %q: found %q, want %q", tc.text, tc.account, got, tc.want)
		}
	}
	for _, text := range []string{"", " ", "<>", "@"} {
		if _, err := l.Find(context.Background(), Query{Text: text}); !errors.Is(err, ErrQuery) {
			t.Errorf("%q: %v", text, err)
		}
	}
	found, err := l.Find(context.Background(), Query{Text: "Abc-1_x"})
	if diff := cmp.Diff([]*trace.Trace{first}, found, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if n := l.Dropped(); n != 0 {
		t.Errorf("%d dropped", n)
	}
}

// Limit and Since, over more than two spans, before and after it was opened again.
func TestSpans(t *testing.T) {
	const span, n = 300, 2*300 + 500
	path := filepath.Join(t.TempDir(), FileName)
	l := openLog(t, path, Options{span: span})
	fill(t, l, 0, n)
	check := func(l *Log) {
		t.Helper()
		ids := find(t, l, Query{Text: "recipient.example", Limit: 500})
		if len(ids) != 500 {
			t.Fatalf("%d found", len(ids))
		}
		for i, id := range ids {
			if want := sample(n - 1 - i).ID; id != want {
				t.Fatalf("result %d is %s, want %s", i, id, want)
			}
		}
		if got := find(t, l, Query{Text: "recipient.example"}); len(got) != DefaultLimit {
			t.Errorf("%d without limit", len(got))
		}
		if got := find(t, l, Query{Text: "recipient.example", Limit: 1 << 30}); len(got) != MaxLimit {
			t.Errorf("%d with a large limit", len(got))
		}
		// Of every 97th sender, in all spans; of those, every second is user3's or user28's.
		want := 0
		for i := range n {
			if i%97 == 3 && i%50 == 3 {
				want++
			}
		}
		if got := find(t, l, Query{Text: "sender3.example", Account: "user3", Limit: 1000}); len(got) != want || want < 1 {
			t.Errorf("%d found, want %d", len(got), want)
		}
		if got := find(t, l, Query{Account: "user3", Limit: 1000}); len(got) != (n-4)/50+1 {
			t.Errorf("%d of the account found", len(got))
		}
		if got := find(t, l, Query{Text: "recipient.example", Since: sample(n - 30).Time, Limit: 100}); len(got) != 30 {
			t.Errorf("%d found since", len(got))
		}
		if got := find(t, l, Query{Text: "recipient.example", Since: sample(n).Time}); len(got) != 0 {
			t.Errorf("%d found since", len(got))
		}
		if got := find(t, l, Query{Text: sample(1).Facts.MessageID}); len(got) != 1 {
			t.Errorf("%d of the oldest found", len(got))
		}
	}
	check(l)
	if count(t, l, "(SELECT DISTINCT span FROM lookup)") != n/span+1 {
		t.Error("spans")
	}
	l.Add(sample(n)) // Close writes it
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Find(context.Background(), Query{Text: "x"}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	l.Add(sample(0))
	if l.Dropped() != 1 {
		t.Error("added after Close")
	}
	if err := l.Close(); err != nil {
		t.Error("second Close", err)
	}
	l = openLog(t, path, Options{span: span})
	if got := find(t, l, Query{Text: sample(n).ID}); len(got) != 1 {
		t.Error("lost by Close")
	}
	if count(t, l, "entry") != n+1 {
		t.Error(count(t, l, "entry"))
	}
}

// A batch is written 200 ms after its first entry, or when it is complete.
func TestBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, Options{Now: time.Now})
		synctest.Wait()
		l.Add(sample(0))
		time.Sleep(batchDelay - time.Millisecond)
		synctest.Wait()
		if n := count(t, l, "entry"); n != 0 || l.waiting() != 1 {
			t.Errorf("%d written early, %d wait", n, l.waiting())
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := count(t, l, "entry"); n != 1 || l.waiting() != 0 {
			t.Errorf("%d written, %d wait", n, l.waiting())
		}
		for i := range batchSize {
			l.Add(sample(i))
		}
		synctest.Wait()
		if n := count(t, l, "entry"); n != 1+batchSize {
			t.Errorf("%d written", n)
		}
		l.Close()
	})
}

// What does not fit into the queue is dropped, and said so once a minute.
func TestDrop(t *testing.T) {
	var out bytes.Buffer
	now := epoch
	l := newLog(t, Options{Queue: 10, Log: slog.New(slog.NewTextHandler(&out, nil)), Now: func() time.Time { return now }})
	for _, want := range []struct {
		dropped int64
		lines   int
		pass    time.Duration
	}{{5, 1, 0}, {10, 1, 0}, {15, 1, time.Minute}, {20, 2, 0}} {
		settle(t, l)
		l.file.Lock() // the writer is slow: what it took is not written yet
		l.Add(sample(0))
		l.asks <- ask{done: make(chan struct{})}
		for l.waiting() != 0 {
			runtime.Gosched()
		}
		for i := range 15 {
			l.Add(sample(i))
		}
		l.file.Unlock()
		settle(t, l)
		if l.Dropped() != want.dropped || strings.Count(out.String(), "were not logged") != want.lines {
			t.Errorf("%d dropped, log:\n%s", l.Dropped(), &out)
		}
		now = now.Add(want.pass)
	}
	if !strings.Contains(out.String(), "dropped=10") {
		t.Error(out.String())
	}
	// What is too large, whatever is left out, is dropped alone.
	settle(t, l)
	l.Add(&trace.Trace{Facts: trace.Facts{RcptTo: strings.Repeat("x", trace.MaxSize)}})
	l.Add(sample(77))
	if got := find(t, l, Query{Text: sample(77).ID}); len(got) != 1 || l.Dropped() != 21 {
		t.Error(got, l.Dropped())
	}
}

func TestPruneCount(t *testing.T) {
	const n = 2000
	l := newLog(t, Options{Max: 1000, span: 300})
	fill(t, l, 0, n)
	if n := count(t, l, "entry"); n < 1000 || n > 1000+batchSize {
		t.Errorf("%d entries are left", n)
	}
	for l.sweepNow(t) {
	}
	if n := count(t, l, "entry"); n != 1000 {
		t.Errorf("%d entries are left", n)
	}
	// Lookup rows go with their span.
	if n := count(t, l, "(SELECT DISTINCT span FROM lookup)"); n != 4 {
		t.Errorf("rows of %d spans are left", n)
	}
	if got := find(t, l, Query{Text: "recipient.example", Limit: 1000}); len(got) != 1000 || got[999] != sample(n-1000).ID {
		t.Errorf("%d found", len(got))
	}
	// Rows that lost their entries find nothing.
	if got := find(t, l, Query{Text: sample(n - 1001).ID}); got != nil {
		t.Error(got)
	}
}

func TestPruneAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileName)
	var mu sync.Mutex
	now := epoch.Add(time.Hour)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	l := openLog(t, path, Options{Now: clock, Retention: 10 * 24 * time.Hour})
	fill(t, l, 0, 1500)
	if l.sweepNow(t) || count(t, l, "entry") != 1500 {
		t.Error("removed too early")
	}
	mu.Lock()
	now = sample(1000).Time.Add(10 * 24 * time.Hour)
	mu.Unlock()
	for step := int64(1); l.sweepNow(t); step++ {
		if n := count(t, l, "entry"); n < 1500-step*sweepRows {
			t.Errorf("a step left %d", n)
		}
	}
	if n := count(t, l, "entry"); n != 500 {
		t.Errorf("%d are left", n)
	}
	// All of them, then the ids go on.
	mu.Lock()
	now = now.Add(24 * time.Hour)
	mu.Unlock()
	for l.sweepNow(t) {
	}
	if n := count(t, l, "entry"); n != 0 {
		t.Errorf("%d are left", n)
	}
	if got := find(t, l, Query{Text: "recipient.example"}); got != nil {
		t.Error(got)
	}
	l.Close()
	l = openLog(t, path, Options{Now: clock})
	ahead := sample(1)
	ahead.Time = now.Add(1000 * time.Hour) // counts as of now
	l.Add(ahead)
	settle(t, l)
	_, err := l.read(context.Background(), func(c *db.Conn) error {
		id, _, err := c.QueryInt64("SELECT id FROM entry WHERE time = ?", now.Unix())
		if id != 1501 {
			t.Errorf("id %d", id)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sweepNow does a step in place of the goroutine, which rests.
func (l *Log) sweepNow(t *testing.T) bool {
	t.Helper()
	settle(t, l)
	return l.sweep()
}

func TestOpenDamaged(t *testing.T) {
	for name, damage := range map[string]func(path string) error{
		"garbage": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600) },
		"newer": func(path string) error {
			d, err := db.Open(path, db.Options{})
			if err != nil {
				return err
			}
			defer d.Close()
			return d.Write(context.Background(), func(c *db.Conn) error { return c.Script("PRAGMA user_version=1000") })
		},
		"state": func(path string) error {
			d, err := db.Open(path, db.Options{Migrations: schema()})
			if err != nil {
				return err
			}
			defer d.Close()
			return d.Write(context.Background(), func(c *db.Conn) error { return c.Exec("DELETE FROM log") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), FileName)
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			l := openLog(t, path, Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
			if !strings.Contains(out.String(), "beginning it anew") {
				t.Error(out.String())
			}
			if _, err := os.Stat(path + ".aside"); err != nil {
				t.Error(err)
			}
			l.Add(sample(1))
			if got := find(t, l, Query{Text: sample(1).ID}); len(got) != 1 {
				t.Error(got)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing", FileName), Options{}); err == nil {
		t.Error("opened in a directory that does not exist")
	}
}

// Damage that shows only in use.
func TestDamage(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, l *Log){
		"write": func(t *testing.T, l *Log) { fill(t, l, 600, 700) },
		"read": func(t *testing.T, l *Log) {
			if _, err := l.Find(context.Background(), Query{Text: "recipient.example"}); !errors.Is(err, db.ErrCorrupt) {
				t.Error(err)
			}
			fill(t, l, 600, 700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t, Options{})
			fill(t, l, 0, 600)
			damagePages(t, l)
			use(t, l)
			if got := find(t, l, Query{Text: sample(699).ID}); len(got) != 1 || l.Dropped() != 0 {
				t.Errorf("%v found, %d dropped", got, l.Dropped())
			}
			if _, err := os.Stat(l.path + ".aside"); err != nil {
				t.Error(err)
			}
		})
	}
}

// damagePages overwrites all pages but those of the schema and the state, in use.
func damagePages(t *testing.T, l *Log) {
	t.Helper()
	if err := l.db.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	l.db.Trim()
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(3 * 4096); at < fi.Size(); at += 4096 {
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 200), at); err != nil {
			t.Fatal(err)
		}
	}
}

// One damaged entry does not hide the others.
func TestDamagedEntry(t *testing.T) {
	l := newLog(t, Options{})
	fill(t, l, 0, 10)
	_, err := l.transaction(func(c *db.Conn) error {
		for i, b := range [][]byte{{}, {packRaw}, {packS2, 0xff, 0xff, 0xff, 0xff, 0x0f}, {packS2, 10, 1, 2, 3}, {9, 1}} {
			if err := c.Exec("UPDATE entry SET trace = ? WHERE id = ?", b, i+1); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := find(t, l, Query{Text: "recipient.example"}); len(got) != 5 {
		t.Error(got)
	}
}

func TestConcurrent(t *testing.T) {
	l := newLog(t, Options{Max: 1000})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				l.Add(sample(g*500 + i))
			}
		})
		wg.Go(func() {
			for range 20 {
				if _, err := l.Find(context.Background(), Query{Text: "recipient.example", Account: fmt.Sprint("user", g)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	settle(t, l)
	if n := l.next - 1 + l.Dropped(); n != 2000 {
		t.Errorf("%d of 2000 are accounted for", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Find(ctx, Query{Text: "x"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wg.Go(func() { l.Add(sample(1)) })
	wg.Go(func() { l.Find(context.Background(), Query{Text: "x"}) })
	wg.Go(func() { l.Close() })
	wg.Wait()
}

func FuzzUnpack(f *testing.F) {
	p, err := newPacker()
	if err != nil {
		f.Fatal(err)
	}
	b, _ := p.pack(sample(1))
	f.Add(b)
	f.Add([]byte("\x00{\"v\":1}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := p.unpack(b)
		if err != nil {
			return
		}
		appendKeys(nil, tr)
		if b, err := p.pack(tr); err == nil {
			if _, err := p.unpack(b); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// FuzzQuery: whatever an address is, asking for it as it is, with other case and in
// brackets, finds it.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"a@b.example", "\"a@b\"@EXÄMPLE.org", "<x>", "@", "1.2.3.4", "::ffff:1.2.3.4", "\xff@\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		queryHashes(s)
		if s != messageID(s) || strings.LastIndexByte(s, '@') <= 0 || strings.Contains(s, ":") {
			return
		}
		keys := appendKeys(nil, &trace.Trace{Facts: trace.Facts{RcptTo: s}})
		for _, q := range []string{s, "<" + s + ">", " " + s} {
			hashes := queryHashes(q)
			found := false
			for _, k := range keys {
				for _, h := range hashes {
					found = found || k == h
				}
			}
			if !found {
				t.Errorf("%q does not find %q", q, s)
			}
		}
	})
}
