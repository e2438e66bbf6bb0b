package jmapserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/jmap"
	"mox/search"
	"mox/store"
)

// ids runs a query and gives names for ids.
func (t *tester) ids(method, args string, names map[jmap.ID]string) string {
	t.Helper()
	var res struct {
		IDs []jmap.ID `json:"ids"`
	}
	t.call(method, args, &res)
	var l []string
	for _, id := range res.IDs {
		l = append(l, names[id])
	}
	return strings.Join(l, " ")
}

// RFC 8621 2.3.
func TestMailboxQuery(t *testing.T) {
	x := newTester(t)
	names := map[jmap.ID]string{}
	for _, n := range []string{"b", "b/x", "a", "a/z", "a/y", "a/y/Deep"} {
		x.box(n)
	}
	if err := x.acc.SetSetting(t.Context(), sortOrderSetting, fmt.Appendf(nil, `{%q: 3, %q: 0}`, mailboxID(x.box("a/y").ID), mailboxID(x.box("a").ID))); err != nil {
		t.Fatal(err)
	}
	if err := x.acc.Subscribe(t.Context(), "b", false); err != nil {
		t.Fatal(err)
	}
	for _, b := range x.acc.Mailboxes() {
		names[mailboxID(b.ID)] = b.Name
	}
	a := mailboxID(x.box("a").ID)
	for args, want := range map[string]string{
		`"filter": {"hasAnyRole": true}, "sort": [{"property": "name"}]`:                                         "Archive Drafts Inbox Junk Sent Trash",
		`"filter": {"role": "junk"}`:                                                                             "Junk",
		`"filter": {"role": null}, "sort": [{"property": "name", "isAscending": false}]`:                         "a/z a/y b/x a/y/Deep b a",
		`"filter": {"parentId": "` + string(a) + `"}, "sort": [{"property": "sortOrder", "isAscending": false}]`: "a/y a/z",
		`"filter": {"parentId": null, "hasAnyRole": false}, "sort": [{"property": "name"}]`:                      "a b",
		`"filter": {"name": "deEP"}`:                                                                             "a/y/Deep",
		`"filter": {"name": "deEP"}, "filterAsTree": true`:                                                       "",
		`"filter": {"isSubscribed": false}`:                                                                      "b",
		`"filter": {"operator": "NOT", "conditions": [{"hasAnyRole": true}, {"name": "x"}]}, "sort": [{"property": "sortOrder"}, {"property": "name"}], "sortAsTree": true`: "a a/z a/y a/y/Deep b",
		`"filter": {"operator": "AND", "conditions": []}, "sort": [{"property": "name"}], "limit": 2`:                                                                       "a Archive",
		`"filter": {"hasAnyRole": false}, "sort": [{"property": "parentId"}, {"property": "name"}], "position": -1`:                                                         "a/y/Deep",
	} {
		if got := x.ids("Mailbox/query", "{"+args+"}", names); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
	x.fails("Mailbox/query", `{"filter": {"none": 1}}`, jmap.ErrorUnsupportedFilter)
	x.fails("Mailbox/query", `{"filter": {"name": 1}}`, jmap.ErrorInvalidArguments)
	x.fails("Mailbox/query", `{"sort": [{"property": "none"}]}`, jmap.ErrorUnsupportedSort)
	x.fails("Mailbox/query", `{"sort": [{"property": "name", "collation": "i;none"}]}`, jmap.ErrorUnsupportedSort)

	// RFC 8621 2.4.
	var q struct{ QueryState string }
	var ch struct {
		Removed []jmap.ID
		Added   []jmap.AddedItem
	}
	args := `"filter": {"parentId": "` + string(a) + `"}, "sort": [{"property": "name"}]`
	x.call("Mailbox/query", "{"+args+"}", &q)
	x.add("a", "Subject: x\n\ny\n", store.NewMessage{})
	x.call("Mailbox/queryChanges", fmt.Sprintf(`{%s, "sinceQueryState": %q}`, args, q.QueryState), &ch)
	if len(ch.Removed)+len(ch.Added) > 0 {
		t.Errorf("counts: %+v", ch)
	}
	if err := x.acc.RenameMailbox(t.Context(), "a/z", "a/b"); err != nil {
		t.Fatal(err)
	}
	x.call("Mailbox/queryChanges", fmt.Sprintf(`{%s, "sinceQueryState": %q}`, args, q.QueryState), &ch)
	if len(ch.Added) != 2 || names[ch.Added[0].ID] != "a/z" || ch.Added[0].Index != 0 {
		t.Errorf("renamed: %+v", ch)
	}
	x.fails("Mailbox/queryChanges", `{"sinceQueryState": "x"}`, jmap.ErrorCannotCalculateChanges)
	x.fails("Mailbox/queryChanges", `{}`, jmap.ErrorInvalidArguments)
	x.fails("Mailbox/queryChanges", fmt.Sprintf(`{%s, "sinceQueryState": %q, "maxChanges": 1}`, args, q.QueryState), jmap.ErrorTooManyChanges)
}

// RFC 8620 5.5.
func TestPage(t *testing.T) {
	x := newTester(t)
	names := map[jmap.ID]string{}
	var ids []jmap.ID
	for i := range 6 {
		id := emailID(x.add("Inbox", fmt.Sprintf("Subject: %d\n\nx\n", i), store.NewMessage{Received: time.Unix(int64(1000+i), 0)}))
		ids, names[id] = append(ids, id), fmt.Sprint(i)
	}
	up := `"sort": [{"property": "receivedAt"}]`
	for args, want := range map[string]string{
		`"limit": 3`:                         "5 4 3",
		up:                                   "0 1 2 3 4 5",
		up + `, "position": 4, "limit": 9`:   "4 5",
		up + `, "position": 9`:               "",
		up + `, "position": -2`:              "4 5",
		up + `, "position": -99, "limit": 1`: "0",
		up + `, "limit": 0`:                  "",
		up + fmt.Sprintf(`, "anchor": %q, "limit": 2`, ids[2]):                          "2 3",
		up + fmt.Sprintf(`, "anchor": %q, "anchorOffset": -1, "limit": 2`, ids[2]):      "1 2",
		up + fmt.Sprintf(`, "anchor": %q, "anchorOffset": -9, "limit": 2`, ids[2]):      "0 1",
		up + fmt.Sprintf(`, "anchor": %q, "anchorOffset": 9223372036854775807`, ids[2]): "",
		up + fmt.Sprintf(`, "anchor": %q, "anchorOffset": 2, "position": -1`, ids[2]):   "4 5",
	} {
		if got := x.ids("Email/query", "{"+args+"}", names); got != want {
			t.Errorf("%s: got %s, want %s", args, got, want)
		}
	}
	x.fails("Email/query", `{"anchor": "M999"}`, jmap.ErrorAnchorNotFound)
	x.fails("Email/query", `{"limit": -1}`, jmap.ErrorInvalidArguments)
	x.fails("Email/query", `{"sort": [{"property": "hasKeyword"}]}`, jmap.ErrorInvalidArguments)
	x.fails("Email/query", `{"sort": [{"property": "none"}]}`, jmap.ErrorUnsupportedSort)
	x.fails("Email/query", `{"filter": {"hasKeyword": "a b"}}`, jmap.ErrorInvalidArguments)
	x.fails("Email/query", `{"filter": {"header": []}}`, jmap.ErrorInvalidArguments)
	x.fails("Email/query", `{"filter": {"none": 5}}`, jmap.ErrorUnsupportedFilter)
	x.fails("Email/query", `{"filter": {"operator": "XOR", "conditions": []}}`, jmap.ErrorInvalidArguments)
	x.fails("Email/changes", `{"sinceState": "99999"}`, jmap.ErrorCannotCalculateChanges)
	x.fails("Email/changes", `{"sinceState": "1", "maxChanges": 0}`, jmap.ErrorInvalidArguments)
	x.fails("Email/changes", `{}`, jmap.ErrorInvalidArguments)
	x.server.c.Limits.Get = 3
	x.fails("Email/get", `{"ids": null}`, jmap.ErrorRequestTooLarge)
	x.fails("Email/get", `{"ids": ["a", "b", "c", "d"]}`, jmap.ErrorRequestTooLarge)
	var res struct{ Limit int }
	if x.call("Email/query", `{"limit": 5}`, &res); res.Limit != 3 {
		t.Error(res)
	}
}

var textMessages = []string{
	"From: Zoë Alpha <zoe@x.example>\nTo: mjl@mx.example\nSubject: Foosball & more\nX-Mailer: m\n\nWe play foosball <here> in the stadium today.\n",
	"From: b@x.example\nTo: Team <team@y.example>\nCc: c@x.example\nSubject: budget\nContent-Type: text/html\n\n<p>The <b>year</b> the foo competition</p>\n",
	"From: b@x.example\nBcc: z@x.example\nSubject: budget plan\nContent-Type: multipart/mixed; boundary=q\n\n--q\n\nplain plan\n--q\nContent-Type: application/pdf; name=plan.pdf\n\nxx\n--q--\n",
}

// RFC 8621 4.4.1: conditions that look into messages, without an index and with one.
func TestTextQuery(t *testing.T) {
	for _, indexed := range []bool{false, true} {
		t.Run(fmt.Sprint(indexed), func(t *testing.T) { testTextQuery(t, indexed) })
	}
}

// A query that would look through what is not in the index takes it into the index.
func TestTextQueryTail(t *testing.T) {
	x := newTester(t)
	m, err := search.New(search.Config{Store: x.fixture.Store, NoCatchUp: true, Linger: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(t.Context()) })
	x.server.c.Search = m
	names := map[jmap.ID]string{}
	for i := range 120 {
		raw := fmt.Sprintf("From: u%d@x.example\nSubject: s\n\nnumber%d here\n", i%3, i)
		names[emailID(x.add("Inbox", raw, store.NewMessage{Received: time.Unix(int64(1000+i), 0)}))] = fmt.Sprint(i)
	}
	for _, tt := range []struct {
		filter, want string
		taken        uint64
	}{
		{`{"body": "number11", "before": "1970-01-01T00:16:52Z"}`, "11", 0}, // of twelve
		{`{"body": "number11"}`, "11 110 111 112 113 114 115 116 117 118 119", 120},
		{`{"operator": "NOT", "conditions": [{"text": "number"}]}`, "", 120},
	} {
		if got := x.ids("Email/query", `{"filter": `+tt.filter+`, "sort": [{"property": "receivedAt"}]}`, names); got != tt.want || m.Stats().Messages != tt.taken {
			t.Errorf("got %q and %+v, want %+v", got, m.Stats(), tt)
		}
	}
}

func testTextQuery(t *testing.T, indexed bool) {
	x := newTester(t)
	names := map[jmap.ID]string{}
	for i, m := range textMessages {
		names[emailID(x.add("Inbox", m, store.NewMessage{Received: time.Unix(int64(1000+i), 0)}))] = fmt.Sprint(i)
	}
	if indexed {
		m, err := search.New(search.Config{Store: x.fixture.Store, Linger: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close(t.Context()) })
		x.server.c.Search = m
		m.Touch("mjl")
		for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
			if p, err := m.Progress(t.Context(), "mjl"); err == nil && p.IndexedTo == 3 {
				break
			}
		}
	}
	for filter, want := range map[string]string{
		`{"text": "foo"}`: "0 1", `{"text": "FOOSBALL zoe"}`: "0", `{"text": "\"the foo\""}`: "1", `{"text": "'foo the'"}`: "", `{"text": "b@x.example"}`: "1 2",
		`{"from": "zoë"}`: "0", `{"to": "team"}`: "1", `{"cc": "c@"}`: "1", `{"bcc": "z@"}`: "2", `{"subject": "budget"}`: "1 2", `{"body": "plan"}`: "2", `{"body": "budget"}`: "",
		`{"header": ["x-mailer"]}`: "0", `{"header": ["Subject", "PLAN"]}`: "2", `{"hasAttachment": true}`: "2", `{"hasAttachment": false}`: "0 1",
		`{"operator": "NOT", "conditions": [{"subject": "plan"}, {"body": "foosball"}]}`: "1", `{"subject": "budget", "hasAttachment": false}`: "1",
		`{"operator": "OR", "conditions": [{"hasAttachment": true}, {"from": "zoe"}]}`: "0 2",
	} {
		args := `{"filter": ` + filter + `, "sort": [{"property": "receivedAt"}]}`
		if got := x.ids("Email/query", args, names); got != want {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
	x.fails("Email/queryChanges", `{"filter": {"text": "x"}, "sinceQueryState": "1"}`, jmap.ErrorCannotCalculateChanges)

	// RFC 8621 5.
	var res snippetResult
	x.call("SearchSnippet/get", `{"filter": {"operator": "AND", "conditions": [{"text": "foo"}, {"operator": "NOT", "conditions": [{"subject": "more"}]}]}, "emailIds": ["M1", "M2", "M3", "M9"]}`, &res)
	isJSON(t, res.List, `[{"emailId": "M1", "subject": "<mark>Foo</mark>sball &amp; more", "preview": "We play <mark>foo</mark>sball &lt;here&gt; in the stadium today."},
		{"emailId": "M2", "subject": null, "preview": "The year the <mark>foo</mark> competition"}, {"emailId": "M3", "subject": null, "preview": null}]`)
	if !slices.Equal(res.NotFound, []string{"M9"}) {
		t.Error(res.NotFound)
	}
	x.fails("SearchSnippet/get", `{"filter": {"none": 1}, "emailIds": []}`, jmap.ErrorUnsupportedFilter)
}

func TestExcerpt(t *testing.T) {
	text := strings.Repeat("wörd ", 100) + "<Straße> " + strings.Repeat("&<> ", 200)
	got := excerpt(text, find(text, []string{search.Fold("STRASSE")}))
	if len(got) > maxSnippet || !strings.Contains(got, "&lt;<mark>Straße</mark>&gt; &amp;") || !strings.HasPrefix(got, "…wörd ") || !strings.HasSuffix(got, "…") {
		t.Errorf("%d %s", len(got), got)
	}
	for in, want := range map[string]string{"ßx": "<mark>ß</mark>x", "ss": "<mark>s</mark><mark>s</mark>", "no": "no"} {
		if got := mark(in, find(in, []string{"s"})); got != want && in != "ss" {
			t.Errorf("%s: got %s", in, got)
		}
	}
}

func TestSearchWords(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, " a  b ": {"a", "b"}, `"a b" c`: {"a b", "c"}, `'a "b' "c\"d"`: {`a "b`, `c"d`}, `don't`: {"don't"}, `'tis the`: {"'tis", "the"}, `""`: nil, `"a`: {`"a`},
	} {
		if got := slices.Collect(searchWords(in)); !slices.Equal(got, want) {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestCutText(t *testing.T) {
	for in, want := range map[string]string{"aé": "aé", "a\xc3": "a", "a\xe2\x82": "a", `a<b x=">"`: "a", `a<b x=">">`: `a<b x=">">`, "a<": "a", "a<b>c": "a<b>c"} {
		if got := string(cutText([]byte(in), true)); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
	x := newTester(t)
	x.add("Inbox", "Content-Type: text/html; charset=utf-8\n\n<p>é<a href=\"x\">b\n", store.NewMessage{})
	x.add("Inbox", "Content-Type: text/plain; charset=none\nContent-Transfer-Encoding: odd\n\na\nb\xff\n", store.NewMessage{})
	var values []any
	for _, o := range x.emails(`{"ids": ["M1", "M2"], "fetchHTMLBodyValues": true, "fetchTextBodyValues": true, "maxBodyValueBytes": 10, "properties": ["bodyValues"]}`) {
		values = append(values, o["bodyValues"])
	}
	isJSON(t, values, `[{"1": {"value": "<p>é", "isEncodingProblem": false, "isTruncated": true}}, {"1": {"value": "a\nbÿ\n", "isEncodingProblem": true, "isTruncated": false}}]`)
	x.fails("Email/get", `{"ids": [], "maxBodyValueBytes": -1}`, jmap.ErrorInvalidArguments)
}

func FuzzEmailFilter(f *testing.F) {
	f.Add([]byte(`{"operator": "AND", "conditions": [{"text": "a 'b c'", "hasKeyword": "$seen"}, {"header": ["a", "b"]}]}`))
	f.Add([]byte(`{"inMailboxOtherThan": ["F1"], "before": "2023-11-14T22:13:40Z", "allInThreadHaveKeyword": "x"}`))
	x := newTester(f)
	x.add("Inbox", textMessages[0], store.NewMessage{})
	m, err := x.server.mails.get(f.Context(), x.acc)
	if err != nil {
		f.Fatal(err)
	}
	c := &call{batch: &batch{request: &request{s: x.server}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		q, err := c.newEmailQuery(m, b, nil, emailQueryOptions{})
		if err != nil {
			return
		}
		if list, err := q.find(t.Context()); err == nil && len(list) > 1 {
			t.Fatal(list)
		}
		var n needles
		n.add(q.filter)
		text := "Foosball & <more> ß"
		if marks := find(text, n.subject); len(marks) > 0 && len(excerpt(text, marks)) > maxSnippet {
			t.Fatal(marks)
		}
	})
}
