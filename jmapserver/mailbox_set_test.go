package jmapserver

import (
	"fmt"
	"testing"

	"mox/jmap"
	"mox/store"
)

// RFC 8621 2.5.
func TestMailboxSet(t *testing.T) {
	w := newWriter(t)
	res := w.set("Mailbox/set", `{"create": {"below": {"name": "Below", "parentId": "#k", "isSubscribed": true}, "k": {"name": "Top", "sortOrder": 7, "role": null}}}`)
	top := res.id(t)
	same(t, "created", res.Created["k"]["isSubscribed"], `false`)
	if _, ok := res.Created["k"]["name"]; ok || res.Created["k"]["myRights"] == nil || res.Created["below"] == nil {
		t.Errorf("created %v", res.Created)
	}
	below := res.Created["below"]["id"].(string)
	if b, ok := w.acc.MailboxByName("Top/Below"); !ok || !b.Subscribed || w.acc.Subscribed("Top") {
		t.Error("mailboxes are not as wanted")
	}
	get := func(id string) map[string]any {
		t.Helper()
		var r struct{ List []map[string]any }
		w.call("Mailbox/get", fmt.Sprintf(`{"ids": [%q]}`, id), &r)
		return r.List[0]
	}
	same(t, "sortOrder", get(top)["sortOrder"], "7")
	// An object is a patch that changes nothing, RFC 8620 5.3.
	whole := get(top)
	delete(whole, "")
	upd := func(id, patch string) *jmap.SetError {
		t.Helper()
		return w.set("Mailbox/set", fmt.Sprintf(`{"update": {%q: %s}}`, id, patch)).NotUpdated[id]
	}
	check := func(e *jmap.SetError, want string) {
		t.Helper()
		if (e == nil) != (want == "") || e != nil && (e.Type != want || e.Description == "") {
			t.Errorf("got %+v, want %q", e, want)
		}
	}
	check(upd(top, mustJSON(t, whole)), "")
	check(upd(top, `{"name": "Other", "role": "archive", "isSubscribed": true}`), jmap.SetInvalidProperties) // there is one
	check(upd(top, `{"name": "Other", "isSubscribed": true, "sortOrder": 3}`), "")
	if b, ok := w.acc.MailboxByName("Other/Below"); !ok || string(mailboxID(b.ID)) != below || !w.acc.Subscribed("Other") {
		t.Error("not renamed")
	}
	check(upd(below, `{"parentId": null}`), "")
	check(upd(top, fmt.Sprintf(`{"parentId": %q}`, top)), jmap.SetInvalidProperties)
	check(upd(top, `{"totalEmails": 5}`), jmap.SetInvalidProperties)
	check(upd(top, `{"name": "Below"}`), jmap.SetInvalidProperties)
	check(upd(top, `{"name": "a/b"}`), jmap.SetInvalidProperties)
	check(upd(top, `{"name": null}`), jmap.SetInvalidProperties)
	check(upd(top, `{"sortOrder": -1}`), jmap.SetInvalidProperties)
	check(upd(top, `{"parentId/x": 1}`), jmap.SetInvalidPatch)
	check(upd(string(mailboxID(w.box("Inbox").ID)), `{"name": "X"}`), jmap.SetForbidden)
	check(upd("F1vv", `{}`), jmap.SetNotFound)
	for object, want := range map[string]string{
		`{}`: "name", `{"name": "Inbox"}`: "name", `{"name": "X", "parentId": "Fzz"}`: "parentId", `{"name": "X", "role": "inbox"}`: "role", `{"name": "X", "foo": 1}`: "foo",
		`{"name": "X", "parentId": "#k"}`: "parentId", `{"name": "X", "isSubscribed": "yes"}`: "isSubscribed",
	} {
		w.set("Mailbox/set", `{"create": {"k": `+object+`}}`).refused(t, jmap.SetInvalidProperties, want)
	}
	w.destroys(top, below)
}

// destroys is the part of RFC 8621 2.5 about destroying.
func (w *writer) destroys(top, below string) {
	t := w.TB
	t.Helper()
	w.add("Below", "Subject: a\n\ntext\n", store.NewMessage{})
	if e := w.set("Mailbox/set", fmt.Sprintf(`{"update": {%q: {"parentId": %q}}}`, below, top)).NotUpdated; e != nil {
		t.Fatal(e)
	}
	inbox := string(mailboxID(w.box("Inbox").ID))
	res := w.set("Mailbox/set", fmt.Sprintf(`{"destroy": [%q, %q, %q]}`, top, inbox, below))
	if res.NotDestroyed[top].Type != jmap.SetMailboxHasChild || res.NotDestroyed[inbox].Type != jmap.SetForbidden || res.NotDestroyed[below].Type != jmap.SetMailboxHasEmail {
		t.Errorf("%+v", res.NotDestroyed)
	}
	res = w.set("Mailbox/set", fmt.Sprintf(`{"destroy": [%q, %q], "onDestroyRemoveEmails": true}`, top, below))
	if len(res.Destroyed) != 2 || res.NotDestroyed != nil {
		t.Errorf("%+v", res)
	}
}

// Roles go from one mailbox to another in one call.
func TestMailboxRole(t *testing.T) {
	w := newWriter(t)
	old, next := mailboxID(w.box("Archive").ID), mailboxID(w.box("Later").ID)
	res := w.set("Mailbox/set", fmt.Sprintf(`{"update": {%q: {"role": null}, %q: {"role": "archive"}}}`, old, next))
	if res.NotUpdated != nil || w.box("Archive").SpecialUse != 0 || w.box("Later").SpecialUse != store.UseArchive {
		t.Errorf("%+v", res)
	}
}
