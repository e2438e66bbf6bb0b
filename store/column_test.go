package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/message"
)

// sortMessage is a message with odd values to sort by.
func sortMessage(r *rand.Rand, i int) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\n", pick("joe@x.example", `"Zoë" <ZOE@x.example>`, "=?utf-8?q?=C3=84nne?= <anne@x.example>", "", "undisclosed:;"))
	if r.IntN(3) > 0 {
		fmt.Fprintf(&b, "To: %s\r\n", pick("a@x.example, b@y.example", "B <b@x.example>", "c"))
	}
	if r.IntN(3) == 0 {
		fmt.Fprintf(&b, "Cc: %s\r\n", pick("a@x.example", "ab@x.example"))
	}
	if r.IntN(5) > 0 {
		fmt.Fprintf(&b, "Subject: %s\r\n", pick("", "Re: a", "A", "b", "Re: [x] b (fwd)", "=?utf-8?q?=C3=A9t=C3=A9?=", "ÉTÉ", "été", "[x]", "zz \x01", fmt.Sprintf("long %0300d", r.IntN(9)), fmt.Sprint("n", r.IntN(50))))
	}
	if r.IntN(5) > 0 {
		fmt.Fprintf(&b, "Date: %s\r\n", time.Unix(r.Int64N(2e9), 0).In(time.FixedZone("", 3600*(r.IntN(20)-10))).Format(time.RFC1123Z))
	}
	fmt.Fprintf(&b, "Message-ID: <%d@x>\r\nReferences: <%d@x> <%d@x>\r\n", i, r.IntN(i+1), r.IntN(i+1))
	if r.IntN(20) == 0 {
		// Too large to be kept apart from the body.
		for j := range 1000 {
			fmt.Fprintf(&b, "List-Help: %0100d\r\n", j)
		}
	}
	return b.String() + "\r\nx\r\n"
}

func addText(t testing.TB, a *Account, box MailboxID, text string) {
	t.Helper()
	sp := a.s.NewSpool()
	defer sp.Close()
	io.WriteString(sp, text)
	if err := sp.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Add(context.Background(), box, []NewMessage{{Spool: sp, Received: time.Unix(1e9, 0)}}); err != nil {
		t.Fatal(err)
	}
}

// TestRanks compares the ranks with keys computed of the messages, while messages come
// and go.
func TestRanks(t *testing.T) {
	ctx := context.Background()
	s := newStore(t, t.TempDir(), Options{})
	a := testAccount(t, s, "mjl")
	mb, _ := a.MailboxByName("Inbox")
	box, err := a.OpenBox(ctx, mb.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	r := rand.New(rand.NewPCG(1, 2))
	var ghosts []*Message
	tops := topParts{}
	for round := range 8 {
		for i := range 20 + r.IntN(30) {
			addText(t, a, mb.ID, sortMessage(r, round*100+i))
		}
		old := box.View()
		var gone UIDSet
		for i, m := range old.All() {
			if r.IntN(10) == 0 {
				gone.Add(m.UID)
				if r.IntN(2) == 0 {
					ghosts = append(ghosts, old.At(i))
				}
			}
		}
		if _, _, err := a.Remove(ctx, mb.ID, gone); err != nil {
			t.Fatal(err)
		}
		msgs := slices.Clone(ghosts)
		for _, m := range box.View().All() {
			msgs = append(msgs, m)
		}
		slices.SortFunc(msgs, func(x, y *Message) int { return cmp.Compare(x.UID, y.UID) })
		if round%3 == 1 { // a few only
			msgs = slices.DeleteFunc(msgs, func(*Message) bool { return r.IntN(8) > 0 })
		}
		for key := range links {
			for _, c := range message.Collations {
				checkRanks(t, tops, box, key, c, msgs)
			}
		}
		checkLinks(t, tops, box, msgs)
	}
}

func checkRanks(t *testing.T, tops topParts, box *Box, key SortKey, c message.Collation, msgs []*Message) {
	t.Helper()
	ranks, err := box.Ranks(context.Background(), key, c, msgs)
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]string, len(msgs))
	for i, m := range msgs {
		k := tops.get(t, box.e.a, m).SortKeysBy(c)
		if key == SortSent {
			sent := int64(1e9)
			if !k.Date.IsZero() {
				sent = k.Date.Unix()
			}
			keys[i] = fmt.Sprintf("%020d", sent)
		} else {
			keys[i] = textFields[key].parse(&k)
		}
	}
	for i := range msgs {
		if key != SortSent && (ranks[i] == 0) != (keys[i] == "") {
			t.Errorf("key %d, %v: rank %d of %q", key, c, ranks[i], keys[i])
		}
		for j := range i {
			if cmp.Compare(ranks[i], ranks[j]) != strings.Compare(keys[i], keys[j]) {
				t.Fatalf("key %d, %v: ranks %d and %d of %q and %q", key, c, ranks[i], ranks[j], keys[i], keys[j])
			}
		}
	}
}

// topParts are headers that were parsed.
type topParts map[UID]*message.Part

func (tp topParts) get(t *testing.T, a *Account, m *Message) *message.Part {
	t.Helper()
	if tp[m.UID] == nil {
		tp[m.UID] = topPart(t, a, m)
	}
	return tp[m.UID]
}

func topPart(t *testing.T, a *Account, m *Message) *message.Part {
	t.Helper()
	b, err := a.OpenBody(context.Background(), m.Body)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var buf bytes.Buffer
	if _, err := b.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	p, err := message.ParseTop(&buf, message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func checkLinks(t *testing.T, tops topParts, box *Box, msgs []*Message) {
	t.Helper()
	th, err := box.Threading(context.Background(), true, message.UnicodeCasemap, msgs)
	if err != nil {
		t.Fatal(err)
	}
	s := box.e.a.s
	for i, m := range msgs {
		e := tops.get(t, box.e.a, m).Envelope
		_, reply := message.BaseSubject(e.Subject)
		var refs []uint64
		for _, id := range message.ParseMessageIDs(e.References, 10) {
			refs = append(refs, s.hashID(id))
		}
		if l := th.Links[i]; l.ID != s.hashID(strings.Trim(e.MessageID, "<>")) || !slices.Equal(l.Refs, refs) || l.Reply != reply {
			t.Errorf("message %d: %+v, want %v, reply %v", m.UID, l, refs, reply)
		}
	}
}

// TestColumnCache: sort keys go when nobody uses them, and within the limit.
func TestColumnCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := newStore(t, t.TempDir(), Options{SortMemory: 2000, SortIdle: time.Minute})
		a := testAccount(t, s, "mjl")
		mb, _ := a.MailboxByName("Inbox")
		for i := range 20 {
			addText(t, a, mb.ID, fmt.Sprintf("Subject: subject number %d\r\n\r\n", i))
		}
		box, err := a.OpenBox(ctx, mb.ID)
		if err != nil {
			t.Fatal(err)
		}
		var msgs []*Message
		for _, m := range box.View().All() {
			msgs = append(msgs, m)
		}
		rank := func(k SortKey) {
			t.Helper()
			if _, err := box.Ranks(ctx, k, message.UnicodeCasemap, msgs); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		count := func(want int) {
			t.Helper()
			s.columns.mu.Lock()
			defer s.columns.mu.Unlock()
			total := int64(0)
			for _, e := range s.columns.cols {
				total += e.size
			}
			if len(s.columns.cols) != want || total != s.columns.total || total > 2000 {
				t.Errorf("%d columns of %d bytes, counted as %d; want %d columns", len(s.columns.cols), total, s.columns.total, want)
			}
		}
		rank(SortSent)
		rank(SortSubject)
		count(2)
		rank(SortFrom)
		rank(SortTo)
		rank(SortCc)
		s.columns.mu.Lock()
		if s.columns.cols[columnKey{box.e, columnID{key: SortCc}}] == nil {
			t.Error("the newest column is not there")
		}
		s.columns.mu.Unlock()
		time.Sleep(2 * time.Minute)
		count(0)
		rank(SortSent)
		count(1)
		box.Close()
		count(0)
	})
}
