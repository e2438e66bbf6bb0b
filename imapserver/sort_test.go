package imapserver

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/imap"
	"mox/imapclient"
	"mox/message"
	"mox/store"
)

// dialClient logs in.
func (ts *testServer) dialClient(o imapclient.Options) *imapclient.Client {
	ts.t.Helper()
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		ts.t.Fatal(err)
	}
	ctx := context.Background()
	c, err := imapclient.New(ctx, nc, o)
	if err == nil {
		err = c.Login(ctx, testUser, testPassword)
	}
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { c.Close() })
	return c
}

// oddMail is a message with few, odd values to sort by.
func oddMail(r *rand.Rand) string {
	var b strings.Builder
	field := func(name string, values ...string) {
		if v := values[r.IntN(len(values))]; v != "-" {
			fmt.Fprintf(&b, "%s: %s\n", name, v)
		}
	}
	field("Subject", "-", "", "Re:", "a", "A", "Re: a", "[x] RE[y]: A (fwd)", "[x]", "[fwd: b]", "=?utf-8?q?re:_=C3=A9?=", "É", "e\u0301", "ß", "SS", "b  c", "b\tc", "日本", "zz")
	field("From", "-", "joe@a.example", "Joe <JOE@b.example>", `"" <x@y.example>`, "undisclosed:;", "=?utf-8?q?=C3=A4?= <zed@a.example>")
	field("To", "-", "b@a.example, a@a.example", "C D <a@a.example>", "group: x@y.example;")
	field("Cc", "-", "b@a.example", "nobody")
	if r.IntN(4) > 0 {
		fmt.Fprintf(&b, "Date: %s\n", time.Unix(1e9+r.Int64N(5)*1800, 0).In(time.FixedZone("", 1800*r.IntN(9))).Format(time.RFC1123Z))
	} else {
		field("Date", "-", "nonsense", "Mon, 99 Foo 2001 00:00:00 +0000")
	}
	fmt.Fprintf(&b, "Message-ID: <%d@x>\nReferences: <%d@x>\n\n%s\n", r.IntN(100), r.IntN(100), strings.Repeat("x", r.IntN(4)))
	return b.String()
}

// sortModel has what a message is ordered by, made of its text.
type sortModel struct {
	keys     message.SortKeys
	size     int
	received time.Time
	flagged  bool
}

func modelOf(t *testing.T, text string, received time.Time) sortModel {
	t.Helper()
	text = strings.ReplaceAll(text, "\n", "\r\n")
	p, err := message.ParseTop(strings.NewReader(text), message.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return sortModel{keys: p.SortKeys(received), size: len(text), received: received}
}

// compareBy is the order of RFC 5256 3.
func compareBy(criteria string) func(x, y *sortModel) int {
	return func(x, y *sortModel) int {
		sign := 1
		for name := range strings.FieldsSeq(criteria) {
			c := 0
			switch name {
			case "REVERSE":
				sign = -1
				continue
			case "ARRIVAL":
				c = x.received.Compare(y.received)
			case "DATE":
				c = x.keys.Date.Compare(y.keys.Date)
			case "SIZE":
				c = cmp.Compare(x.size, y.size)
			case "SUBJECT":
				c = strings.Compare(x.keys.Subject, y.keys.Subject)
			case "FROM":
				c = strings.Compare(x.keys.From, y.keys.From)
			case "TO":
				c = strings.Compare(x.keys.To, y.keys.To)
			case "CC":
				c = strings.Compare(x.keys.Cc, y.keys.Cc)
			case "DISPLAYFROM":
				c = strings.Compare(x.keys.DisplayFrom, y.keys.DisplayFrom)
			case "DISPLAYTO":
				c = strings.Compare(x.keys.DisplayTo, y.keys.DisplayTo)
			}
			if c != 0 {
				return sign * c
			}
			sign = 1
		}
		return 0
	}
}

func randomCriteria(r *rand.Rand) string {
	keys := []string{"ARRIVAL", "DATE", "SIZE", "SUBJECT", "FROM", "TO", "CC", "DISPLAYFROM", "DISPLAYTO"}
	var c []string
	for range 1 + r.IntN(3) {
		if r.IntN(3) == 0 {
			c = append(c, "REVERSE")
		}
		c = append(c, keys[r.IntN(len(keys))])
	}
	return strings.Join(c, " ")
}

// mailbox is a mailbox that the test changes, with what is in it by UID.
type sortMailbox struct {
	ts   *testServer
	id   store.MailboxID
	r    *rand.Rand
	mail map[store.UID]*sortModel
}

func newSortMailbox(t *testing.T, ts *testServer, r *rand.Rand) *sortMailbox {
	mb, _ := ts.account.MailboxByName("Inbox")
	return &sortMailbox{ts, mb.ID, r, map[store.UID]*sortModel{}}
}

func (m *sortMailbox) add(t *testing.T, n int) {
	t.Helper()
	var msgs []store.NewMessage
	var models []sortModel
	for range n {
		text := oddMail(m.r)
		sp := m.ts.store.NewSpool()
		defer sp.Close()
		sp.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
		if err := sp.Finish(); err != nil {
			t.Fatal(err)
		}
		received := time.Unix(1e9+m.r.Int64N(4), 0).UTC()
		// Equal content would be one body, whose sent date, where there is none, is of the first.
		one := modelOf(t, text, received)
		msgs = append(msgs, store.NewMessage{Spool: sp, Received: received, Trace: []byte("x")})
		models = append(models, one)
	}
	added, err := m.ts.account.Add(context.Background(), m.id, msgs)
	if err != nil {
		t.Fatal(err)
	}
	for i, uid := range added.UIDs {
		m.mail[uid] = &models[i]
	}
}

func (m *sortMailbox) some(p int) (set store.UIDSet) {
	for _, uid := range m.uids() {
		if m.r.IntN(p) == 0 {
			set.Add(uid)
		}
	}
	return set
}

func (m *sortMailbox) uids() []store.UID { return slices.Sorted(maps.Keys(m.mail)) }

func (m *sortMailbox) expunge(t *testing.T, p int) {
	t.Helper()
	set := m.some(p)
	if _, _, err := m.ts.account.Remove(context.Background(), m.id, set); err != nil {
		t.Fatal(err)
	}
	for _, uid := range m.uids() {
		if set.Contains(uid) {
			delete(m.mail, uid)
		}
	}
}

func (m *sortMailbox) flag(t *testing.T, p int) {
	t.Helper()
	set := m.some(p)
	on := m.r.IntN(2) == 0
	op := store.FlagsRemove
	if on {
		op = store.FlagsAdd
	}
	if _, err := m.ts.account.SetFlags(context.Background(), m.id, set, store.FlagChange{Op: op, Flags: store.FlagFlagged}); err != nil {
		t.Fatal(err)
	}
	for uid, s := range m.mail {
		if set.Contains(uid) {
			s.flagged = on
		}
	}
}

// sorted is the result by definition.
func (m *sortMailbox) sorted(criteria string, wanted func(s *sortModel) bool) []uint32 {
	var out []uint32
	for _, uid := range m.uids() {
		if wanted(m.mail[uid]) {
			out = append(out, uint32(uid))
		}
	}
	by := compareBy(criteria)
	slices.SortStableFunc(out, func(x, y uint32) int { return by(m.mail[store.UID(x)], m.mail[store.UID(y)]) })
	return out
}

// TestSortProperty compares SORT with the definition, in mailboxes that change.
func TestSortProperty(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(7, 8))
	ts := newTestServer(t, testOptions{})
	m := newSortMailbox(t, ts, r)
	c := ts.dialClient(imapclient.Options{})
	if _, err := c.Select(ctx, "INBOX", ""); err != nil {
		t.Fatal(err)
	}
	for round := range 10 {
		m.add(t, 5+r.IntN(60))
		m.flag(t, 3)
		if round%2 == 1 {
			m.expunge(t, 5)
		}
		if err := c.Noop(ctx); err != nil {
			t.Fatal(err)
		}
		for range 25 {
			checkSort(t, c, m, randomCriteria(r))
		}
	}
}

func checkSort(t *testing.T, c *imapclient.Client, m *sortMailbox, criteria string) {
	t.Helper()
	ctx := context.Background()
	keys, wanted := "ALL", func(*sortModel) bool { return true }
	if m.r.IntN(2) == 0 {
		keys, wanted = "FLAGGED", func(s *sortModel) bool { return s.flagged }
	}
	want := m.sorted(criteria, wanted)
	uids := m.uids()
	byUID := m.r.IntN(2) == 0
	if !byUID {
		for i, uid := range want {
			n, _ := slices.BinarySearch(uids, store.UID(uid))
			want[i] = uint32(n + 1)
		}
	}
	from, to := 1+m.r.IntN(len(uids)), 1+m.r.IntN(len(uids))
	for _, options := range []string{"", "RETURN () ", fmt.Sprintf("RETURN (MIN MAX COUNT PARTIAL %d:%d) ", from, to), fmt.Sprintf("RETURN (PARTIAL -%d:-%d) ", from, to)} {
		res, err := c.Sort(ctx, byUID, options, "("+criteria+")", keys)
		if err != nil {
			t.Fatal(err)
		}
		got, expect := res.Numbers, want
		if res.Partial != nil {
			lo, hi := min(from, to)-1, min(max(from, to), len(want))
			if res.Partial.Last {
				lo, hi = max(len(want)-max(from, to), 0), len(want)-min(from, to)+1
			}
			got, expect = imapclient.Ordered(res.PartialSet), nil
			if lo < hi {
				expect = want[lo:hi]
			}
		}
		if !slices.Equal(got, expect) {
			t.Fatalf("%sSORT (%s) %s, uid %v:\ngot  %v\nwant %v", options, criteria, keys, byUID, got, expect)
		}
		if res.HasCount && (int(res.Count) != len(want) || len(want) > 0 && (res.Min != want[0] || res.Max != want[len(want)-1])) {
			t.Errorf("%sSORT (%s): count %d, min %d, max %d; want %v", options, criteria, res.Count, res.Min, res.Max, want)
		}
	}
}

// TestContextProperty keeps results by the updates, and compares them with new searches.
func TestContextProperty(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(9, 10))
	ts := newTestServer(t, testOptions{})
	m := newSortMailbox(t, ts, r)
	m.add(t, 30)
	results := map[string][]uint32{}
	// byNumber has the contexts that know messages by their sequence numbers.
	byNumber := map[string]bool{}
	c := ts.dialClient(imapclient.Options{Unsolicited: func(resp imap.Response) {
		switch resp := resp.(type) {
		case *imap.ESearch:
			applyUpdates(t, results, resp)
		case *imap.Expunge:
			renumber(t, results, byNumber, resp.Seq)
		case *imap.StatusResponse:
			t.Errorf("unexpected: %+v", resp)
		}
	}})
	if _, err := c.Select(ctx, "INBOX", ""); err != nil {
		t.Fatal(err)
	}
	type watched struct{ tag, criteria, keys string }
	var all []watched
	for i := range 10 {
		w := watched{criteria: "(" + randomCriteria(r) + ")", keys: []string{"ALL", "FLAGGED", "UNFLAGGED SUBJECT a", "OR FLAGGED BODY xx", "NOT 3:9"}[i/2]}
		byUID := r.IntN(2) == 0
		var numbers []uint32
		if i%2 == 0 {
			w.criteria = ""
			res, err := c.Search(ctx, byUID, "RETURN (UPDATE ALL) ", w.keys)
			if err != nil {
				t.Fatal(err)
			}
			w.tag, numbers = res.Tag, imapclient.Ordered(res.All)
		} else {
			res, err := c.Sort(ctx, byUID, "RETURN (UPDATE ALL) ", w.criteria, w.keys)
			if err != nil {
				t.Fatal(err)
			}
			w.tag, numbers = res.Tag, res.Numbers
		}
		byNumber[w.tag] = !byUID
		results[w.tag] = numbers
		if w.keys != "NOT 3:9" { // which means other messages later
			all = append(all, w)
		}
	}
	for round := range 40 {
		switch r.IntN(6) {
		case 0, 1:
			m.add(t, 1+r.IntN(3))
		case 2:
			m.add(t, 40)
		case 3:
			m.expunge(t, 6)
		default:
			m.flag(t, 1+r.IntN(5))
		}
		if r.IntN(3) == 0 {
			// One that may not send EXPUNGE.
			if _, err := c.Search(ctx, false, "", "SEEN"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := c.Noop(ctx); err != nil {
			t.Fatal(err)
		}
		for _, w := range all {
			var want []uint32
			if w.criteria == "" {
				res, err := c.Search(ctx, !byNumber[w.tag], "", w.keys)
				if err != nil {
					t.Fatal(err)
				}
				want = imapclient.Ordered(imap.NumSet{Ranges: res.Numbers})
			} else {
				res, err := c.Sort(ctx, !byNumber[w.tag], "", w.criteria, w.keys)
				if err != nil {
					t.Fatal(err)
				}
				want = res.Numbers
			}
			if !slices.Equal(results[w.tag], want) {
				t.Fatalf("round %d: %+v: have %v, want %v", round, w, results[w.tag], want)
			}
		}
	}
}

// applyUpdates is what a client does with ADDTO and REMOVEFROM, RFC 5267 4.3.
func applyUpdates(t *testing.T, results map[string][]uint32, resp *imap.ESearch) {
	list := results[resp.Tag]
	for _, u := range resp.Updates {
		numbers := imapclient.Ordered(u.Set)
		switch {
		case u.Position == 0 && u.Remove:
			list = slices.DeleteFunc(list, func(n uint32) bool { return slices.Contains(numbers, n) })
		case u.Position == 0:
			list = append(list, numbers...)
			slices.Sort(list)
		case u.Remove:
			at := int(u.Position) - 1
			if at+len(numbers) > len(list) || !slices.Equal(list[at:at+len(numbers)], numbers) {
				t.Errorf("%+v does not remove what is there in %v", u, list)
				continue
			}
			list = slices.Delete(list, at, at+len(numbers))
		default:
			if int(u.Position) > len(list)+1 {
				t.Errorf("%+v is beyond the end of %v", u, list)
				continue
			}
			list = slices.Insert(list, int(u.Position)-1, numbers...)
		}
	}
	results[resp.Tag] = list
}

// renumber is what EXPUNGE means for results.
func renumber(t *testing.T, results map[string][]uint32, byNumber map[string]bool, seq uint32) {
	for tag, list := range results {
		for i, n := range list {
			if byNumber[tag] && n == seq {
				t.Errorf("%s: %d is expunged and still in the result", tag, seq)
			}
			if byNumber[tag] && n > seq {
				list[i]--
			}
		}
	}
}
