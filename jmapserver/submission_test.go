package jmapserver

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"mox/jmap"
	"mox/queue"
)

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// draft makes a draft; more is further properties.
func (w *writer) draft(more string) string {
	w.Helper()
	return w.set("Email/set", `{"create": {"k": {"mailboxIds": {"BOX(Drafts)": true}, "keywords": {"$draft": true}, "subject": "s", "textBody": [{"partId": "t", "type": "text/plain"}],
		"bodyValues": {"t": {"value": "text"}}`+more+`}}}`).id(w)
}

func (w *writer) identity() string {
	w.Helper()
	var r struct{ List []map[string]any }
	w.one2("Identity/get", `{"ids": null}`, &r)
	return r.List[0]["id"].(string)
}

// one2 runs one call into v with all capabilities.
func (w *writer) one2(name, args string, v any) {
	w.Helper()
	in := w.calls(fmt.Sprintf(`[[%q, {"accountId": "ACC", %s, "c"]]`, name, strings.TrimPrefix(args, "{")))[0]
	if err := json.Unmarshal(in.Args, v); err != nil || in.Name != name {
		w.Fatalf("%s: %s %s", name, in.Name, in.Args)
	}
}

// RFC 8621 7.5.1: a draft is sent, and moved in the same call.
func TestSubmission(t *testing.T) {
	w := newWriter(t)
	var before struct{ State string }
	w.one2("EmailSubmission/get", `{"ids": []}`, &before)
	email := w.draft(`, "from": [{"email": "mjl@mx.example"}], "to": [{"email": "other@mx.example"}], "cc": [{"email": "far@b.example"}], "bcc": [{"email": "secret@b.example"}]`)
	res := w.calls(fmt.Sprintf(`[["EmailSubmission/set", {"accountId": "ACC", "create": {"k": {"identityId": %q, "emailId": %q}},
		"onSuccessUpdateEmail": {"#k": {"mailboxIds/BOX(Drafts)": null, "mailboxIds/BOX(Sent)": true, "keywords/$draft": null}}}, "c"],
		["EmailSubmission/get", {"accountId": "ACC", "ids": ["#k"]}, "d"]]`, w.identity(), email))
	if len(res) != 3 || res[1].Name != "Email/set" || res[1].CallID != "c" {
		t.Fatalf("%v", res)
	}
	sent := w.response(res[0], "EmailSubmission/set")
	id := sent.id(t)
	same(t, "Email/set", w.response(res[1], "Email/set").Updated, fmt.Sprintf(`{%q: null}`, email))
	got := w.email(email, "keywords", "mailboxIds")
	same(t, "moved", got, fmt.Sprintf(`{"id": %q, "keywords": {}, "mailboxIds": {%q: true}}`, email, mailboxID(w.box("Sent").ID)))
	var sub struct {
		List []*struct {
			ID, UndoStatus, EmailID, ThreadID string
			Envelope                          envelope
			DeliveryStatus                    map[string]delivered
			DSNBlobIDs                        []string
		}
	}
	if err := json.Unmarshal(res[2].Args, &sub); err != nil || len(sub.List) != 1 {
		t.Fatalf("%v %s", err, res[2].Args)
	}
	s := sub.List[0]
	if s.ID != id || s.UndoStatus != "final" || s.EmailID != email || s.Envelope.MailFrom.Email != "mjl@mx.example" || len(s.Envelope.RcptTo) != 3 ||
		s.DeliveryStatus["other@mx.example"].Delivered != "yes" || s.DeliveryStatus["secret@b.example"].Delivered != "queued" || s.DSNBlobIDs == nil {
		t.Errorf("%s", res[2].Args)
	}
	if l := w.fixture.Messages(t, "other", "Inbox"); len(l) != 1 || strings.Contains(l[0], "secret@") || !strings.Contains(l[0], "text") {
		t.Errorf("arrived: %q", l)
	}
	w.follow(id, before.State)
}

// follow looks at changes, queries and the end of a submission.
func (w *writer) follow(id, since string) {
	t := w.TB
	t.Helper()
	changes := func(want string) (state string) {
		t.Helper()
		var r changesResult
		w.one2("EmailSubmission/changes", fmt.Sprintf(`{"sinceState": %q}`, since), &r)
		same(t, "changes", []any{r.Created, r.Updated, r.Destroyed}, want)
		return r.NewState
	}
	since = changes(fmt.Sprintf(`[[%q], [], []]`, id))
	l, err := w.queue.List(t.Context(), queue.Filter{}, queue.Sort{})
	if err != nil || len(l) != 2 {
		t.Fatal(l, err)
	}
	err = w.queue.Record(t.Context(), []queue.Outcome{
		{ID: l[0].ID, Action: queue.Delivered, Result: queue.Result{Success: true, Code: 250, Enhanced: "2.1.5", Error: ""}},
		{ID: l[1].ID, Action: queue.Failed, Result: queue.Result{Code: 550, Enhanced: "5.1.1", Error: "550 5.1.1 nobody\r\n here"}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	since = changes(fmt.Sprintf(`[[], [%q], []]`, id))
	var r struct {
		List []struct{ DeliveryStatus map[string]delivered }
	}
	w.one2("EmailSubmission/get", `{"ids": null, "properties": ["deliveryStatus"]}`, &r)
	d := r.List[0].DeliveryStatus
	if d[l[0].Recipient.String()].Delivered != "unknown" || d[l[1].Recipient.String()] != (delivered{"550 5.1.1 nobody here", "no", "unknown"}) {
		t.Errorf("%+v", d)
	}
	var q queryResult
	w.one2("EmailSubmission/query", `{"filter": {"operator": "NOT", "conditions": [{"undoStatus": "pending"}]}, "sort": [{"property": "sentAt", "isAscending": false}], "calculateTotal": true}`, &q)
	same(t, "query", []any{q.IDs, q.Total}, fmt.Sprintf(`[[%q], 1]`, id))
	w.one2("EmailSubmission/query", `{"filter": {"after": "2199-01-01T00:00:00Z"}}`, &q)
	same(t, "query", q.IDs, `[]`)
	if got := w.set("EmailSubmission/set", fmt.Sprintf(`{"update": {%q: {"undoStatus": "canceled"}}}`, id)).NotUpdated[id]; got == nil || got.Type != jmap.SetCannotUnsend {
		t.Errorf("%+v", got)
	}
	if got := w.set("EmailSubmission/set", fmt.Sprintf(`{"destroy": [%q, "Sx"]}`, id)); len(got.Destroyed) != 1 || got.NotDestroyed["Sx"].Type != jmap.SetNotFound {
		t.Errorf("%+v", got)
	}
	var qc queryChangesResult
	w.one2("EmailSubmission/queryChanges", fmt.Sprintf(`{"sinceQueryState": %q}`, since), &qc)
	same(t, "queryChanges", []any{qc.Removed, qc.Added}, fmt.Sprintf(`[[%q], []]`, id))
	changes(fmt.Sprintf(`[[], [], [%q]]`, id))
}

// A message for later can be canceled; one that is being sent cannot.
func TestSubmissionLater(t *testing.T) {
	w := newWriter(t)
	email := w.draft(`, "from": [{"email": "mjl@mx.example"}]`)
	send := func(params string) *setResponse {
		t.Helper()
		return w.set("EmailSubmission/set", fmt.Sprintf(`{"create": {"k": {"identityId": %q, "emailId": %q, "envelope": {"mailFrom": {"email": "mjl@mx.example", "parameters": %s},
			"rcptTo": [{"email": "other@mx.example", "parameters": {"NOTIFY": "NEVER"}}]}}}}`, w.identity(), email, params))
	}
	until := w.now.Add(time.Hour).Format(time.RFC3339)
	res := send(`{"HOLDUNTIL": "` + until + `", "ENVID": "a b"}`)
	id := res.id(t)
	same(t, "sendAt", []any{res.Created["k"]["sendAt"], res.Created["k"]["undoStatus"]}, fmt.Sprintf(`[%q, "pending"]`, until))
	l, err := w.queue.List(t.Context(), queue.Filter{}, queue.Sort{})
	if err != nil || len(l) != 1 || !l[0].NextAttempt.Equal(w.now.Add(time.Hour)) || l[0].EnvID != "a b" {
		t.Fatalf("%+v %v", l, err)
	}
	cancel := fmt.Sprintf(`{"update": {%q: {"undoStatus": "canceled"}}}`, id)
	w.busy = true
	if got := w.set("EmailSubmission/set", cancel).NotUpdated[id]; got == nil || got.Type != jmap.SetCannotUnsend {
		t.Errorf("%+v", got)
	}
	if l, _ = w.queue.List(t.Context(), queue.Filter{}, queue.Sort{}); len(l) != 1 || l[0].Hold {
		t.Error("it is on hold", l)
	}
	w.busy = false
	if got := w.set("EmailSubmission/set", cancel); got.NotUpdated != nil {
		t.Errorf("%+v", got.NotUpdated[id])
	}
	if n, _ := w.queue.Count(t.Context(), queue.Filter{}); n != 0 {
		t.Error(n, "messages are in the queue")
	}
	if res := send(`{"HOLDFOR": "60"}`); res.Created["k"]["sendAt"] != w.now.Add(time.Minute).Format(time.RFC3339) {
		t.Errorf("%+v", res)
	}
	for _, p := range []string{`{"HOLDFOR": "999999999"}`, `{"HOLDFOR": "x"}`, `{"NONSENSE": null}`, `{"RET": "a\r\nb"}`} {
		send(p).refused(t, jmap.SetInvalidProperties)
	}
}

// RFC 8621 7.5: what has to be refused.
func TestSubmissionRefused(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.Recipients, c.Limits.Message = 2, 2000 })
	good := w.draft(`, "from": [{"email": "mjl@mx.example"}], "to": [{"email": "other@mx.example"}]`)
	foreign := w.draft(`, "from": [{"email": "someone@b.example"}], "to": [{"email": "other@mx.example"}]`)
	nobody := w.draft(`, "from": [{"email": "mjl@mx.example"}], "subject2": null`[:len(`, "from": [{"email": "mjl@mx.example"}]`)])
	half := w.draft(`, "from": [{"email": "mjl@mx.example"}], "to": [{"email": "half"}]`)
	many := w.draft(`, "from": [{"email": "mjl@mx.example"}], "to": [{"email": "a@b.example"}, {"email": "b@b.example"}, {"email": "c@b.example"}]`)
	authors := w.draft(`, "from": [{"email": "mjl@mx.example"}, {"email": "sales@mx.example"}], "to": [{"email": "other@mx.example"}]`)
	env := `, "envelope": {"mailFrom": {"email": %q}, "rcptTo": [{"email": %q}]}`
	for _, c := range []struct{ identity, email, more, typ string }{
		{"", "Mzz", "", jmap.SetInvalidProperties},
		{"Izz", good, "", jmap.SetInvalidProperties},
		{"", foreign, "", jmap.SetForbiddenFrom},
		{"", good, fmt.Sprintf(env, "x@b.example", "other@mx.example"), jmap.SetForbiddenMailFrom},
		{"", good, fmt.Sprintf(env, "mjl@mx.example", "nonsense"), jmap.SetInvalidRecipients},
		{"", good, fmt.Sprintf(env, "nonsense", "other@mx.example"), jmap.SetForbiddenMailFrom},
		{"", good, `, "envelope": {"mailFrom": {"email": "mjl@mx.example"}, "rcptTo": []}`, jmap.SetNoRecipients},
		{"", good, `, "undoStatus": "final"`, jmap.SetInvalidProperties},
		{"", nobody, "", jmap.SetNoRecipients},
		{"", half, "", jmap.SetInvalidRecipients},
		{"", many, "", jmap.SetTooManyRecipients},
		{"", authors, "", jmap.SetInvalidEmail},
	} {
		if c.identity == "" {
			c.identity = w.identity()
		}
		res := w.set("EmailSubmission/set", fmt.Sprintf(`{"create": {"k": {"identityId": %q, "emailId": %q%s}}, "onSuccessDestroyEmail": ["#k"]}`, c.identity, c.email, c.more))
		if e := res.NotCreated["k"]; e == nil || e.Type != c.typ || e.Description == "" {
			t.Errorf("%+v: got %+v", c, e)
		}
	}
	if n, _ := w.queue.Count(t.Context(), queue.Filter{}); n != 0 || len(w.fixture.Messages(t, "other", "Inbox")) != 0 {
		t.Error("something was sent")
	}
	if n := len(w.fixture.Messages(t, "mjl", "Drafts")); n != 6 {
		t.Error(n, "drafts are left")
	}
}

// RFC 8621 6.
func TestIdentity(t *testing.T) {
	w := newWriter(t)
	type list struct {
		State string
		List  []map[string]any
	}
	var got list
	w.one2("Identity/get", `{"ids": null}`, &got)
	var emails []any
	for _, i := range got.List {
		emails = append(emails, i["email"])
		same(t, "mayDelete", i["mayDelete"], "false")
	}
	same(t, "emails", emails, `["mjl@mx.example", "sales@mx.example", "*@mx.example"]`)
	same(t, "name", got.List[0]["name"], `"M. J. L."`)
	own := got.List[0]["id"].(string)
	res := w.set("Identity/set", fmt.Sprintf(`{"ifInState": %q, "create": {"k": {"email": "mjl+list@mx.example", "name": "List", "replyTo": [{"name": null, "email": "a@b.example"}]}},
		"update": {%q: {"textSignature": "-- \nme", "name": "Me"}}}`, got.State, own))
	made := res.id(t)
	if _, ok := res.Created["k"]["email"]; ok || res.Created["k"]["mayDelete"] != true || res.Created["k"]["htmlSignature"] != "" || len(res.Updated) != 1 {
		t.Errorf("%+v", res)
	}
	var ch changesResult
	w.one2("Identity/changes", fmt.Sprintf(`{"sinceState": %q}`, got.State), &ch)
	same(t, "changes", []any{ch.Created, ch.Updated, ch.Destroyed}, fmt.Sprintf(`[[%q], [%q], []]`, made, own))
	if ch.NewState != res.NewState || ch.OldState != got.State {
		t.Error(ch, res)
	}
	got = list{}
	w.one2("Identity/get", fmt.Sprintf(`{"ids": [%q, "x"], "properties": ["name", "textSignature", "email"]}`, own), &got)
	same(t, "get", got.List, fmt.Sprintf(`[{"id": %q, "name": "Me", "textSignature": "-- \nme", "email": "mjl@mx.example"}]`, own))
	for object, typ := range map[string]string{
		`{"email": "other@mx.example"}`: jmap.SetForbiddenFrom, `{"email": "a@b.example"}`: jmap.SetForbiddenFrom, `{"email": "*@b.example"}`: jmap.SetForbiddenFrom,
		`{"email": "x"}`: jmap.SetInvalidProperties, `{}`: jmap.SetInvalidProperties, `{"email": "mjl@mx.example", "bcc": [{"email": "x"}]}`: jmap.SetInvalidProperties,
		`{"email": "mjl@mx.example", "id": "x"}`: jmap.SetInvalidProperties, `{"email": "mjl@mx.example", "name": 5}`: jmap.SetInvalidProperties,
	} {
		w.set("Identity/set", `{"create": {"k": `+object+`}}`).refused(t, typ)
	}
	res = w.set("Identity/set", fmt.Sprintf(`{"destroy": [%q, %q, "x"], "update": {%q: {"email": "sales@mx.example"}}}`, own, made, got.List[0]["id"]))
	if res.NotDestroyed[own].Type != jmap.SetForbidden || res.NotDestroyed["x"].Type != jmap.SetNotFound || fmt.Sprint(res.Destroyed) != "["+made+"]" {
		t.Errorf("%+v", res)
	}
	if e := w.set("Identity/set", fmt.Sprintf(`{"update": {%q: {"email": "sales@mx.example"}}}`, own)).NotUpdated[own]; e == nil || e.Type != jmap.SetInvalidProperties {
		t.Errorf("%+v", e)
	}
}
