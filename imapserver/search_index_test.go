package imapserver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mox/search"
	"mox/store"
)

// indexed makes a server with an index, to be closed first.
func indexed(t testing.TB) (ts *testServer, m *search.Manager, closeIndex func()) {
	t.Helper()
	return indexedBy(t, search.Config{Linger: time.Millisecond})
}

func indexedBy(t testing.TB, sc search.Config) (ts *testServer, m *search.Manager, closeIndex func()) {
	t.Helper()
	ts = newTestServer(t, testOptions{config: func(c *Config) {
		var err error
		sc.Store = c.Accounts.(*store.Store)
		if m, err = search.New(sc); err != nil {
			t.Fatal(err)
		}
		c.Index = m
	}})
	return ts, m, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Errorf("closing index: %v", err)
		}
	}
}

// waitIndexed waits until all messages are in the index.
func waitIndexed(t testing.TB, m *search.Manager) {
	t.Helper()
	m.Touch("mjl")
	for range 60000 {
		p, err := m.Progress(context.Background(), "mjl")
		if err != nil {
			t.Fatal(err)
		}
		if p.Waiting == 0 && m.Stats().Queued == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("not indexed")
}

// TestSearchIndexed: searches find the same with and without the index, with some messages
// in it, and in several mailboxes.
func TestSearchIndexed(t *testing.T) {
	ts, m, closeIndex := indexed(t)
	defer closeIndex()
	plain := newTestServer(t, testOptions{})
	words := []string{"hello", "help", "meeting", "meetings", "invoice", "zürich", "swimming"}
	deliver := func(i int) {
		w := func(k int) string { return words[(i*k+i/3)%len(words)] }
		text := fmt.Sprintf("From: %s <u%d@example.org>\nSubject: %s\nContent-Type: text/plain; charset=utf-8\n\n%s and %s\n", []string{"Fred", "Hello"}[i%2], i%4, []string{"help", "invoice", "other"}[i%3], w(2), w(3))
		for _, s := range []*testServer{ts, plain} {
			s.add([]string{"Inbox", "Archive"}[i%2], text, 0)
		}
	}
	for i := range 60 {
		deliver(i)
	}
	waitIndexed(t, m)
	for i := range 20 {
		deliver(60 + i)
	}
	a, b := ts.inInbox(t), plain.inInbox(t)
	for _, command := range []string{
		"SEARCH TEXT hel", "SEARCH FUZZY TEXT helo", "SORT (SUBJECT) UTF-8 FUZZY BODY zurich", "SEARCH FUZZY (FROM frad BODY meting)", "SEARCH FUZZY SUBJECT invioce NOT BODY swim",
		"ESEARCH IN (personal) RETURN (COUNT ALL) FUZZY TEXT swims", "ESEARCH IN (personal) TEXT meeting", "SEARCH OR FUZZY TEXT invoices FUZZY HEADER Subject other",
	} {
		want, got := b.ok(command), a.ok(command)
		for _, l := range [][]string{want, got} {
			for i := range l {
				l[i], _, _ = strings.Cut(l[i], "UIDVALIDITY")
			}
		}
		if !slices.Equal(want, got) || len(want) == 0 || want[0] == "* SEARCH" {
			t.Errorf("%s: %q with the index, %q without", command, got, want)
		}
	}
	if m.Stats().Searches == 0 {
		t.Error("the index was not asked")
	}
}

// TestSearchTail: a search takes what is not in the index into it when it would look through
// much of it, and finds the same; one that looks at little does not.
func TestSearchTail(t *testing.T) {
	ts, m, closeIndex := indexedBy(t, search.Config{NoCatchUp: true, Linger: time.Hour})
	defer closeIndex()
	plain := newTestServer(t, testOptions{})
	deliver := func(n int) {
		for i := range n {
			text := fmt.Sprintf("From: u%d@example.org\nSubject: s%d\n\nbody of number%d with words%d\n", i%20, i%7, i, i%9)
			for _, s := range []*testServer{ts, plain} {
				s.add([]string{"Inbox", "Archive"}[i%2], text, 0)
			}
		}
	}
	deliver(200)
	a, b := ts.inInbox(t), plain.inInbox(t)
	for _, tt := range []struct {
		command string
		deliver int
		taken   uint64 // altogether, after the search
	}{
		{"SEARCH UID 1:10 BODY words", 0, 0},
		{"SEARCH FROM u4 BODY words", 0, 0},                        // few are looked through
		{"SEARCH BODY \" \"", 0, 0},                                // of which the index knows nothing
		{"SEARCH SUBJECT s3 BODY words", 0, 0},                     // ten
		{"SEARCH BODY words3", 0, 199},                             // up to the last of the mailbox
		{"SEARCH NOT TEXT number5", 0, 199},                        // all are there
		{"SEARCH FUZZY TEXT nummber14", 150, 349},                  // likewise
		{"UID SEARCH OR FROM u4 TEXT number1", 0, 349},             // with stored data
		{"SORT (SUBJECT) UTF-8 OR FROM u4 TEXT number1", 200, 349}, // stored data decides more than half
		{"SORT (SUBJECT) UTF-8 OR FROM u4 TEXT number1", 0, 549},   // and again: enough
		{"ESEARCH IN (personal) RETURN (COUNT ALL) TEXT number3", 200, 749},
	} {
		deliver(tt.deliver)
		for _, c := range []*lineClient{a, b} {
			c.ok("NOOP")
		}
		want, got := b.ok(tt.command), a.ok(tt.command)
		for _, l := range [][]string{want, got} {
			for i := range l {
				l[i], _, _ = strings.Cut(l[i], "UIDVALIDITY")
			}
		}
		if n := m.Stats().Messages; !slices.Equal(want, got) || n != tt.taken {
			t.Errorf("%s: %d messages taken, want %d; %q with the index, %q without", tt.command, n, tt.taken, got, want)
		}
	}
	for i := range 60 {
		c := fmt.Sprintf("SEARCH TEXT number%d", i*3)
		if want, got := b.ok(c), a.ok(c); !slices.Equal(want, got) {
			t.Errorf("%s: %q with the index, %q without", c, got, want)
		}
	}
}

// inInbox is a client in the Inbox.
func (ts *testServer) inInbox(t *testing.T) *lineClient {
	t.Helper()
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		t.Fatal(err)
	}
	c := newLineClient(t, nc)
	t.Cleanup(c.close)
	c.ok(`LOGIN "` + testUser + `" "te\"st p\\ss"`)
	c.ok("SELECT INBOX")
	return c
}

// BenchmarkSearchText measures SEARCH TEXT over 100,000 messages of 2 to 4 KB, all in the
// index: 20,000 with -short.
func BenchmarkSearchText(b *testing.B) {
	n := 100_000
	if testing.Short() {
		n = 20_000
	}
	ts, m, closeIndex := indexed(b)
	defer closeIndex()
	r := rand.New(rand.NewPCG(1, 1))
	zipf := rand.NewZipf(r, 1.1, 2, 200_000)
	for i := 0; i < n; i += 1000 {
		var msgs []store.NewMessage
		for j := range 1000 {
			sp := ts.store.NewSpool()
			fmt.Fprintf(sp, "From: u%d@example.org\r\nSubject: w%x w%x\r\n\r\n", j%500, zipf.Uint64(), zipf.Uint64())
			for k := range 300 + r.IntN(300) {
				fmt.Fprintf(sp, "w%x%c", zipf.Uint64()*7919%1e6, " \n"[k%12/11])
			}
			if i+j == n/2 {
				fmt.Fprint(sp, " needle")
			}
			if err := sp.Finish(); err != nil {
				b.Fatal(err)
			}
			msgs = append(msgs, store.NewMessage{Spool: sp})
		}
		mb, _ := ts.account.MailboxByName("Inbox")
		if _, err := ts.account.Add(context.Background(), mb.ID, msgs); err != nil {
			b.Fatal(err)
		}
		for _, m := range msgs {
			m.Spool.Close()
		}
	}
	waitIndexed(b, m)
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		b.Fatal(err)
	}
	c := newLineClient(b, nc)
	defer c.close()
	c.nc.SetDeadline(time.Time{})
	c.ok(`LOGIN "` + testUser + `" "te\"st p\\ss"`)
	c.ok("SELECT INBOX")
	for _, search := range []string{"TEXT needle", "TEXT eedl", "TEXT w1f", "FUZZY TEXT nedle", "TEXT nothing-like-it"} {
		b.Run(search, func(b *testing.B) {
			for b.Loop() {
				c.ok("SEARCH RETURN (COUNT) " + search)
			}
		})
	}
}

// TestSearchTakesProgress: a search that takes messages into the index first says how far it is.
func TestSearchTakesProgress(t *testing.T) {
	var now atomic.Int64
	var m *search.Manager
	ts := newTestServer(t, testOptions{config: func(c *Config) {
		c.Now = func() time.Time { return time.Unix(now.Add(20), 0) }
		var err error
		if m, err = search.New(search.Config{Store: c.Accounts.(*store.Store), Linger: time.Hour, NoCatchUp: true}); err != nil {
			t.Fatal(err)
		}
		c.Index = m
	}})
	defer m.Close(t.Context())
	for i := range 200 {
		ts.add("Inbox", smallMessage(i), 0)
	}
	c := ts.inInbox(t)
	untagged := c.ok("SEARCH BODY nothing")
	said := 0
	for _, l := range untagged {
		if strings.HasPrefix(l, "* OK [INPROGRESS (") && strings.Contains(l, " 400)] ") {
			said++
		}
	}
	if said == 0 || untagged[len(untagged)-1] != "* SEARCH" {
		t.Errorf("%q", untagged)
	}
	if p, err := m.Progress(t.Context(), "mjl"); err != nil || p.Waiting != 0 {
		t.Errorf("%+v %v", p, err)
	}
}
