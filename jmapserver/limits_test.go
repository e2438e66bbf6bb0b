package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mox/jmap"
	"mox/queue"
	"mox/store"
)

// failed tells the type of error that a response is; "" for none.
func failed(t testing.TB, in jmap.Invocation) string {
	t.Helper()
	if in.Name != "error" {
		return ""
	}
	var e jmap.Error
	if err := json.Unmarshal(in.Args, &e); err != nil || e.Description == "" {
		t.Errorf("%s: %v", in.Args, err)
	}
	return e.Type
}

// list is a JSON array of n elements, made of a format with a number.
func list(n int, format string) string {
	var l []string
	for i := range n {
		l = append(l, fmt.Sprintf(format, i))
	}
	return "[" + strings.Join(l, ", ") + "]"
}

// TestReferencesAreCounted: the arguments that result references give are bounded as answers are.
func TestReferencesAreCounted(t *testing.T) {
	x := newTesterWith(t, Config{Limits: Limits{Response: 300_000}})
	refs := strings.Trim(list(20, `"#a%d": {"resultOf": "0", "name": "Core/echo", "path": ""}`), "[]")
	calls := `[["Core/echo", {"a": "` + strings.Repeat("x", 10_000) + `"}, "0"], ["Core/echo", {` + refs + `}, "1"], ["Core/echo", {` + refs + `}, "2"]]`
	res := x.calls(calls)
	for i, want := range []string{"", "", jmap.ErrorRequestTooLarge} {
		if got := failed(t, res[i]); got != want {
			t.Errorf("call %d: got %q, want %q", i, got, want)
		}
	}
	refs = strings.Trim(list(21, `"#a%d": {"resultOf": "0", "name": "Core/echo", "path": "/a"}`), "[]")
	res = x.calls(`[["Core/echo", {"a": 1}, "0"], ["Core/echo", {` + refs + `}, "1"]]`)
	if got := failed(t, res[1]); got != jmap.ErrorInvalidArguments {
		t.Errorf("21 references: got %q", got)
	}
}

// manyParts is a mail of n empty parts.
func manyParts(n int) string {
	return "Subject: s\nContent-Type: multipart/mixed; boundary=x\n\n" + strings.Repeat("--x\n\n\n", n) + "--x--\n"
}

// TestAnswersAreCountedWhileTheyGrow: parts and Emails, not only texts and whole responses.
func TestAnswersAreCountedWhileTheyGrow(t *testing.T) {
	x := newTesterWith(t, Config{Limits: Limits{Response: 200_000}})
	body := x.add("Inbox", manyParts(400), store.NewMessage{})
	x.add("Inbox", manyParts(2), store.NewMessage{})
	if l := x.emails(`{"ids": ["M1"], "properties": ["bodyStructure"], "bodyProperties": []}`); len(l) != 1 {
		t.Errorf("one list: %v", l)
	}
	// Several lists of small objects: they are counted before any is encoded.
	x.fails("Email/get", `{"ids": ["M1"], "properties": ["bodyStructure", "textBody", "htmlBody", "attachments"], "bodyProperties": []}`, jmap.ErrorRequestTooLarge)
	x.fails("Email/parse", fmt.Sprintf(`{"blobIds": [%q], "properties": ["bodyStructure", "textBody", "htmlBody", "attachments"]}`, blobID(body)), jmap.ErrorRequestTooLarge)
	if l := x.emails(`{"ids": ["M2"], "properties": ["bodyStructure"]}`); len(l) != 1 {
		t.Errorf("a small one: %v", l)
	}

	// Emails are counted as they are, with no part or text in them.
	x.server.c.Limits.Response = 150
	x.fails("Email/get", `{"ids": ["M1", "M2"], "properties": ["keywords", "mailboxIds", "receivedAt"]}`, jmap.ErrorRequestTooLarge)
	if l := x.emails(`{"ids": ["M1"], "properties": ["keywords", "mailboxIds", "receivedAt"]}`); len(l) != 1 {
		t.Errorf("one: %v", l)
	}
}

// TestBoundsOfCalls: what makes a call slow can be there only so often.
func TestBoundsOfCalls(t *testing.T) {
	x := newTester(t)
	for i := range 3 {
		x.add("Inbox", fmt.Sprintf("Subject: w%d\n\nx\n", i), store.NewMessage{})
	}
	header := func(n int) string { return list(n, `"header:X-%d"`) }
	sort := func(n int) string { return list(n, `{"property": "hasKeyword", "keyword": "k%d"}`) }
	filter := func(n int, format string) string { return `{"operator": "OR", "conditions": ` + list(n, format) + `}` }
	words := func(n int) string {
		return strings.Trim(strings.NewReplacer(`"`, "", ",", "").Replace(list(n, `"w%d"`)), "[]")
	}
	for _, c := range []struct {
		method, args string
		most         int
		of           func(n int) string
		want         string
	}{
		{"Email/get", `{"ids": ["M1"], "properties": %s}`, 199, header, jmap.ErrorInvalidArguments}, // and the id
		{"Email/get", `{"ids": ["M1"], "bodyProperties": %s}`, 200, header, jmap.ErrorInvalidArguments},
		{"Email/parse", `{"blobIds": ["B1"], "properties": %s}`, 200, header, jmap.ErrorInvalidArguments},
		{"Email/query", `{"sort": %s}`, 20, sort, jmap.ErrorUnsupportedSort},
		{"Email/queryChanges", `{"sinceQueryState": "0", "sort": %s}`, 20, sort, jmap.ErrorUnsupportedSort},
		{"Mailbox/query", `{"sort": %s}`, 20, func(n int) string { return list(n, `{"property": "name", "keyword": "%d"}`) }, jmap.ErrorUnsupportedSort},
		{"Email/query", `{"filter": %s}`, 20, func(n int) string { return filter(n, `{"allInThreadHaveKeyword": "k%d"}`) }, jmap.ErrorUnsupportedFilter},
		{"Email/query", `{"filter": %s}`, 200, func(n int) string { return filter(n, `{"subject": "w%d"}`) }, jmap.ErrorUnsupportedFilter},
		{"Email/query", `{"filter": {"subject": "%s"}}`, 200, words, jmap.ErrorUnsupportedFilter},
		{"SearchSnippet/get", `{"emailIds": ["M1"], "filter": {"subject": "%s"}}`, 200, words, jmap.ErrorUnsupportedFilter},
	} {
		if in := x.one(c.method, fmt.Sprintf(c.args, c.of(c.most))); in.Name == "error" && c.method != "Email/queryChanges" {
			t.Errorf("%s: %d are refused: %s", c.method, c.most, in.Args)
		}
		x.fails(c.method, fmt.Sprintf(c.args, c.of(c.most+1)), c.want)
	}
	// The keywords of a filter may be more often there if they are the same.
	if in := x.one("Email/query", `{"filter": `+filter(300, `{"noneInThreadHaveKeyword": "k", "minSize": %d}`)+`}`); in.Name == "error" {
		t.Errorf("%s", in.Args)
	}
}

// TestFindEnds: a search that is to end does.
func TestFindEnds(t *testing.T) {
	x := newTester(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := &batch{request: &request{s: x.server, user: User{Account: "mjl"}}}
	c := &call{batch: b}
	m, err := c.open(ctx, x.id)
	if err != nil {
		t.Fatal(err)
	}
	defer b.opened.Release()
	q, err := c.newEmailQuery(m, nil, nil, emailQueryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := q.find(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// countingQueue counts what a queue is asked.
type countingQueue struct {
	Queue
	lists, ended int
}

func (q *countingQueue) List(ctx context.Context, f queue.Filter, s queue.Sort) ([]queue.Message, error) {
	q.lists++
	return q.Queue.List(ctx, f, s)
}

func (q *countingQueue) Ended(ctx context.Context, id int64) (queue.RetiredMessage, error) {
	q.ended++
	return q.Queue.Ended(ctx, id)
}

// TestQueueIsAskedSeldom: once for all submissions, and of those that have left it not with every call.
func TestQueueIsAskedSeldom(t *testing.T) {
	counted := &countingQueue{}
	w := newWriter(t, func(c *Config) {
		counted.Queue = c.Queue
		c.Queue = counted
	})
	for range 3 {
		email := w.draft(`, "from": [{"email": "mjl@mx.example"}], "to": [{"email": "far@b.example"}]`)
		w.set("EmailSubmission/set", fmt.Sprintf(`{"create": {"k": {"identityId": %q, "emailId": %q}}}`, w.identity(), email)).id(t)
	}
	get := func(when string, lists, ended int, status string) {
		t.Helper()
		counted.lists, counted.ended = 0, 0
		var r struct {
			List []struct{ DeliveryStatus map[string]delivered }
		}
		w.one2("EmailSubmission/get", `{"ids": null, "properties": ["deliveryStatus"]}`, &r)
		if counted.lists != lists || counted.ended != ended {
			t.Errorf("%s: the queue was asked %d times for what is there and %d times for what is not, want %d and %d", when, counted.lists, counted.ended, lists, ended)
		}
		for _, s := range r.List {
			if got := s.DeliveryStatus["far@b.example"].Delivered; got != status {
				t.Errorf("%s: got %s, want %s", when, got, status)
			}
		}
	}
	get("queued", 1, 0, deliveredQueued)
	l, err := w.queue.List(t.Context(), queue.Filter{}, queue.Sort{})
	if err != nil || len(l) != 3 {
		t.Fatal(l, err)
	}
	for _, m := range l {
		o := queue.Outcome{ID: m.ID, Action: queue.Delivered, Result: queue.Result{Success: true, Code: 250, Enhanced: "2.1.5"}}
		if err := w.queue.Record(t.Context(), []queue.Outcome{o}, nil); err != nil {
			t.Fatal(err)
		}
	}
	get("sent", 1, 3, deliveredUnknown)
	get("first look for notifications", 1, 3, deliveredUnknown)
	get("at once again", 0, 0, deliveredUnknown)
	w.now = w.now.Add(dsnPause)
	get("later", 1, 3, deliveredUnknown)
	w.now = w.now.Add(dsnTime)
	get("too late", 0, 0, deliveredUnknown)
}
