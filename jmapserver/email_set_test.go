package jmapserver

import (
	"fmt"
	"strings"
	"testing"

	"mox/jmap"
	"mox/store"
)

// RFC 8621 4.6: creating drafts.
func TestEmailCreate(t *testing.T) {
	w := newWriter(t)
	image := w.upload("image/png", "not really a picture\x00\xff")
	made := w.set("Email/set", fmt.Sprintf(`{"create": {"k": {
		"mailboxIds": {"BOX(Drafts)": true}, "keywords": {"$draft": true, "$Seen": true, "work": true}, "receivedAt": "2026-01-02T03:04:05Z",
		"from": [{"name": "Jöe", "email": "mjl@mx.example"}], "to": [{"name": null, "email": "a@b.example"}, {"name": "x", "email": "half an address"}],
		"subject": "Grüße", "sentAt": "2026-01-01T12:00:00+01:00", "messageId": ["unique@mx.example"], "inReplyTo": ["other@b.example"], "header:X-Own:asText": "ü",
		"header:List-Post:asURLs": ["mailto:x@b.example"], "header:X-Two:all": ["one", "two"],
		"textBody": [{"partId": "t", "type": "text/plain"}], "htmlBody": [{"partId": "h", "type": "text/html"}],
		"attachments": [{"blobId": %q, "type": "image/png", "cid": "pic@x", "disposition": "inline", "name": "pic.png"},
			{"blobId": %q, "type": "application/pdf", "name": "Prüfung.pdf"}],
		"bodyValues": {"t": {"value": "Hallo, wie geht's? ÄÖ\n"}, "h": {"value": "<p>Hallo <img src=\"cid:pic@x\"></p>", "isTruncated": false}}
	}}}`, image, image))
	id := made.id(t)
	got := w.email(id, "id", "blobId", "threadId", "size", "subject", "from", "to", "sentAt", "messageId", "inReplyTo", "receivedAt", "keywords", "mailboxIds", "header:X-Own:asText",
		"header:X-Two:all", "header:List-Post:asURLs", "bodyValues", "attachments", "bodyStructure", "hasAttachment")
	for _, p := range []string{"id", "blobId", "threadId", "size"} {
		if made.Created["k"][p] == nil || got[p] != made.Created["k"][p] {
			t.Errorf("%s: got %v, created says %v", p, got[p], made.Created["k"][p])
		}
	}
	same(t, "subject", got["subject"], `"Grüße"`)
	same(t, "from", got["from"], `[{"name": "Jöe", "email": "mjl@mx.example"}]`)
	same(t, "keywords", got["keywords"], `{"$draft": true, "$seen": true, "work": true}`)
	same(t, "receivedAt", got["receivedAt"], `"2026-01-02T03:04:05Z"`)
	same(t, "sentAt", got["sentAt"], `"2026-01-01T12:00:00+01:00"`)
	same(t, "ids", []any{got["messageId"], got["inReplyTo"]}, `[["unique@mx.example"], ["other@b.example"]]`)
	same(t, "own", []any{got["header:X-Own:asText"], got["header:X-Two:all"], got["header:List-Post:asURLs"]}, `["ü", [" one", " two"], ["mailto:x@b.example"]]`)
	values := ""
	for _, v := range got["bodyValues"].(map[string]any) {
		values += v.(map[string]any)["value"].(string)
	}
	if !strings.Contains(values, "wie geht's? ÄÖ") || !strings.Contains(values, `<img src="cid:pic@x">`) {
		t.Error(values)
	}
	raw := w.raw(id)
	for _, want := range []string{"multipart/mixed", "multipart/alternative", "multipart/related", "Content-ID: <pic@x>", "\r\nMIME-Version: 1.0", "half an address"} {
		if !strings.Contains(raw, want) {
			t.Errorf("no %q in %s", want, raw)
		}
	}
	if i := strings.IndexFunc(raw, func(r rune) bool { return r > '~' }); i >= 0 {
		t.Errorf("not ASCII: %q", raw[i:])
	}
	attachments := got["attachments"].([]any)
	if len(attachments) != 2 || attachments[1].(map[string]any)["name"] != "Prüfung.pdf" {
		t.Errorf("attachments %v", attachments)
	}
	// What was attached is attached again, and the same.
	part := attachments[1].(map[string]any)["blobId"]
	again := w.set("Email/set", fmt.Sprintf(`{"create": {"k": {"mailboxIds": {"BOX(Drafts)": true}, "bodyStructure": {"type": "multipart/mixed", "header:X-Root": " r", "subParts": [
		{"partId": "1", "type": "text/plain", "language": ["de", "en"], "location": "http://x.example/"}, {"blobId": %q, "type": "image/png", "disposition": "attachment", "header:Content-Description:asText": "ein Bïld"}, {"type": "message/rfc822", "blobId": %q}]},
		"bodyValues": {"1": {"value": "x"}}}}}`, part, got["blobId"]))
	raw = w.raw(again.id(t))
	for _, want := range []string{"Message-ID: <", "Date: ", "X-Root: r", "Content-Language: de, en", "Content-Location: http://x.example/", "Content-Type: message/rfc822", "Content-Description: ein =?utf-8?"} {
		if !strings.Contains(raw, want) {
			t.Errorf("no %q in %s", want, raw)
		}
	}
	// An Email is what is in it: RFC 8621 4.8.
	w.set("Email/import", fmt.Sprintf(`{"emails": {"k": {"blobId": %q, "mailboxIds": {"BOX(Inbox)": true}}}}`, got["blobId"])).refused(t, jmap.SetAlreadyExists)
}

// RFC 8621 4.6: what has to be refused.
func TestEmailCreateRefused(t *testing.T) {
	w := newWriter(t)
	box := `"mailboxIds": {"BOX(Drafts)": true}`
	invalid := jmap.SetInvalidProperties
	for _, c := range []struct {
		email, typ string
		props      []string
	}{
		{`{}`, invalid, []string{"mailboxIds"}},
		{`{"mailboxIds": {}}`, invalid, []string{"mailboxIds"}},
		{`{"mailboxIds": {"Fzzz": true}}`, invalid, []string{"mailboxIds"}},
		{`{"mailboxIds": {"BOX(Drafts)": false}}`, invalid, []string{"mailboxIds"}},
		{`{` + box + `, "keywords": {"a b": true}}`, invalid, []string{"keywords"}},
		{`{` + box + `, "headers": []}`, invalid, []string{"headers"}},
		{`{` + box + `, "id": "M1"}`, invalid, []string{"id"}},
		{`{` + box + `, "from": [{"email": "a@b.example"}], "header:From:asAddresses": [{"email": "a@b.example"}]}`, invalid, []string{"header:From:asAddresses"}},
		{`{` + box + `, "header:From:asDate": "2026-01-01T00:00:00Z"}`, invalid, []string{"header:From:asDate"}},
		{`{` + box + `, "header:Content-Type": "text/plain"}`, invalid, []string{"header:Content-Type"}},
		{`{` + box + `, "header:X": "a\r\nBcc: b"}`, invalid, []string{"header:X"}},
		{`{` + box + `, "subject": "a\nb"}`, invalid, []string{"subject"}},
		{`{` + box + `, "sentAt": "yesterday"}`, invalid, []string{"sentAt"}},
		{`{` + box + `, "receivedAt": "yesterday"}`, invalid, []string{"receivedAt"}},
		{`{` + box + `, "messageId": ["a b"]}`, invalid, []string{"messageId"}},
		{`{` + box + `, "bodyStructure": {"partId": "a"}, "textBody": [{"partId": "a"}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"textBody"}},
		{`{` + box + `, "subject": "a", "bodyStructure": {"partId": "a", "header:Subject": "b"}, "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"bodyStructure"}},
		{`{` + box + `, "textBody": [{"partId": "a", "type": "text/html"}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"textBody"}},
		{`{` + box + `, "textBody": []}`, invalid, []string{"textBody"}},
		{`{` + box + `, "htmlBody": [{"partId": "a", "type": "text/html"}, {"partId": "a", "type": "text/html"}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"htmlBody"}},
		{`{` + box + `, "textBody": [{"partId": "b", "type": "text/plain"}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"textBody"}},
		{`{` + box + `, "textBody": [{"partId": "a", "blobId": "B1"}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"textBody"}},
		{`{` + box + `, "textBody": [{"partId": "a", "charset": "utf-8"}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"textBody"}},
		{`{` + box + `, "textBody": [{"partId": "a", "size": 5}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"textBody"}},
		{`{` + box + `, "textBody": [{"partId": "a", "header:Content-Transfer-Encoding": "8bit"}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"textBody"}},
		{`{` + box + `, "textBody": [{"partId": "a", "headers": []}], "bodyValues": {"a": {"value": ""}}}`, invalid, []string{"textBody"}},
		{`{` + box + `, "bodyValues": {"a": {"value": "", "isTruncated": true}}}`, invalid, []string{"bodyValues"}},
		{`{` + box + `, "bodyStructure": {"type": "multipart/mixed", "subParts": []}}`, invalid, []string{"bodyStructure"}},
		{`{` + box + `, "attachments": [{"blobId": "U7"}, {"blobId": "B1-9"}]}`, jmap.SetBlobNotFound, nil},
		{`[]`, invalid, nil},
	} {
		res := w.set("Email/set", `{"create": {"k": `+c.email+`}}`)
		e := res.NotCreated["k"]
		if e == nil || e.Type != c.typ || e.Description == "" || c.props != nil && fmt.Sprint(e.Properties) != fmt.Sprint(c.props) {
			t.Errorf("%s: got %+v, want %s %v", c.email, e, c.typ, c.props)
		}
		if c.typ == jmap.SetBlobNotFound && fmt.Sprint(e.NotFound) != "[U7 B1-9]" {
			t.Error(e.NotFound)
		}
	}
}

// RFC 8621 4.6, RFC 8620 5.3 and 5.7: keywords and mailboxes change as a whole or one by one.
func TestEmailUpdate(t *testing.T) {
	w := newWriter(t)
	body := w.add("Inbox", "Subject: a\nMessage-ID: <a@b>\n\ntext\n", store.NewMessage{Keywords: []string{"Old"}})
	id := string(emailID(body))
	update := func(patch string) *setResponse {
		t.Helper()
		return w.set("Email/set", fmt.Sprintf(`{"update": {%q: %s}}`, id, patch))
	}
	check := func(patch, keywords, boxes string) {
		t.Helper()
		res := update(patch)
		if _, ok := res.Updated[id]; !ok {
			t.Fatalf("%s: %+v", patch, res.NotUpdated[id])
		}
		got := w.email(id, "keywords", "mailboxIds")
		same(t, patch+" keywords", got["keywords"], keywords)
		var ids []string
		for _, name := range strings.Fields(boxes) {
			ids = append(ids, fmt.Sprintf("%q: true", mailboxID(w.box(name).ID)))
		}
		same(t, patch+" mailboxIds", got["mailboxIds"], "{"+strings.Join(ids, ",")+"}")
	}
	check(`{"keywords/$seen": true, "keywords/New": true, "keywords/old": null}`, `{"$seen": true, "new": true}`, "Inbox")
	check(`{"keywords": {"$flagged": true}, "mailboxIds/BOX(Archive)": true}`, `{"$flagged": true}`, "Inbox Archive")
	check(`{"mailboxIds": {"BOX(Trash)": true, "BOX(Archive)": true}, "keywords/$seen": true}`, `{"$flagged": true, "$seen": true}`, "Archive Trash")
	check(`{"mailboxIds/BOX(Inbox)": true, "mailboxIds/BOX(Trash)": null, "mailboxIds/BOX(Archive)": null}`, `{"$flagged": true, "$seen": true}`, "Inbox")
	check(fmt.Sprintf(`{"id": %q, "subject": "a", "keywords": {}}`, id), `{}`, "Inbox")
	check(`{"keywords": null}`, `{}`, "Inbox")
	for patch, want := range map[string]string{
		`{"mailboxIds/BOX(Inbox)": null}`: jmap.SetInvalidProperties, `{"mailboxIds": {}}`: jmap.SetInvalidProperties, `{"mailboxIds/Fzz": true}`: jmap.SetInvalidProperties,
		`{"keywords": {}, "keywords/$seen": true}`: jmap.SetInvalidPatch, `{"keywords/$seen": false}`: jmap.SetInvalidProperties, `{"keywords/$seen/x": true}`: jmap.SetInvalidPatch,
		`{"subject": "b"}`: jmap.SetInvalidProperties, `{"nonsense": 1}`: jmap.SetInvalidProperties, `{"to/0/name": "x"}`: jmap.SetInvalidPatch,
	} {
		res := update(patch)
		if e := res.NotUpdated[id]; e == nil || e.Type != want || e.Description == "" {
			t.Errorf("%s: got %+v, want %s", patch, e, want)
		}
	}
	res := w.set("Email/set", fmt.Sprintf(`{"update": {%q: {"keywords": {}}, "Mzz": {}}, "destroy": [%q, %q, "x"]}`, id, id, id))
	if fmt.Sprint(res.Destroyed) != "["+id+"]" || res.NotUpdated[id].Type != jmap.SetWillDestroy || res.NotUpdated["Mzz"].Type != jmap.SetNotFound || res.NotDestroyed["x"].Type != jmap.SetNotFound {
		t.Errorf("%+v", res)
	}
	if n := len(w.fixture.Messages(t, "mjl", "Inbox")); n != 0 {
		t.Error(n, "messages are left")
	}
	w.fails("Email/set", `{"ifInState": "0"}`, jmap.ErrorStateMismatch)
	w.fails("Email/set", `{"destroy": ["x"], "foo": 1}`, jmap.ErrorInvalidArguments)
}

// A thousand Emails change in one operation.
func TestEmailUpdateMany(t *testing.T) {
	w := newWriter(t)
	var updates []string
	for i := range 300 {
		body := w.add("Inbox", fmt.Sprintf("Subject: %d\nMessage-ID: <%d@b>\n\ntext\n", i, i), store.NewMessage{})
		updates = append(updates, fmt.Sprintf(`%q: {"keywords/$seen": true, "mailboxIds": {"BOX(Archive)": true}}`, emailID(body)))
	}
	w.box("Archive")
	before := w.acc.ModSeq()
	res := w.set("Email/set", `{"update": {`+strings.Join(append(updates, `"Mvvv": {"keywords/$seen": true}`), ",")+`}}`)
	if len(res.Updated) != 300 || len(res.NotUpdated) != 1 || res.NotUpdated["Mvvv"].Type != jmap.SetNotFound {
		t.Errorf("%d %v", len(res.Updated), res.NotUpdated)
	}
	// One that is not there makes halves of halves.
	if n := w.acc.ModSeq() - before; n > 12 {
		t.Errorf("%d operations", n)
	}
	if a, b := w.box("Inbox"), w.box("Archive"); a.Messages != 0 || b.Messages != 300 || b.Unseen != 0 {
		t.Errorf("%+v %+v", a, b)
	}
}

// RFC 8620 5.3: what changed without having been asked for is told.
func TestEmailUpdateTold(t *testing.T) {
	w := newWriter(t)
	id := string(emailID(w.add("Inbox", "Subject: a\nMessage-ID: <a@b>\n\ntext\n", store.NewMessage{Flags: store.FlagFlagged})))
	w.add("Archive", "Subject: a\nMessage-ID: <a@b>\n\ntext\n", store.NewMessage{Keywords: []string{"old"}})
	same(t, "keywords", w.email(id, "keywords")["keywords"], `{"$flagged": true, "old": true}`)
	res := w.set("Email/set", fmt.Sprintf(`{"update": {%q: {"mailboxIds/BOX(Archive)": null, "keywords/new": true}}}`, id))
	same(t, "updated", res.Updated[id], `{"keywords": {"$flagged": true, "new": true}}`)
	res = w.set("Email/set", fmt.Sprintf(`{"update": {%q: {"mailboxIds/BOX(Archive)": true, "keywords": {"$seen": true}}}}`, id))
	same(t, "updated", res.Updated[id], `null`)
	if res.OldState == "" {
		t.Error("no oldState, where nobody else changed anything")
	}
}

// RFC 8620 5.3, RFC 8621 4.6: an account that is full.
func TestEmailOverQuota(t *testing.T) {
	w := newWriter(t)
	id := w.draft("")
	w.acc.SetLimits(store.Limits{Messages: 1})
	w.set("Email/set", `{"create": {"k": {"mailboxIds": {"BOX(Drafts)": true}}}}`).refused(t, jmap.SetOverQuota)
	blob := w.upload("message/rfc822", "Subject: a\r\n\r\ntext\r\n")
	w.set("Email/import", fmt.Sprintf(`{"emails": {"k": {"blobId": %q, "mailboxIds": {"BOX(Drafts)": true}}}}`, blob)).refused(t, jmap.SetOverQuota)
	// A copy counts; moving does not.
	res := w.set("Email/set", fmt.Sprintf(`{"update": {%q: {"mailboxIds/BOX(Archive)": true}}}`, id))
	if e := res.NotUpdated[id]; e == nil || e.Type != jmap.SetOverQuota {
		t.Errorf("%+v", e)
	}
	if res = w.set("Email/set", fmt.Sprintf(`{"update": {%q: {"mailboxIds": {"BOX(Archive)": true}}}}`, id)); res.NotUpdated != nil {
		t.Errorf("%+v", res.NotUpdated[id])
	}
}

// A message that would be too large is refused before all of it is written.
func TestEmailTooLarge(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.Limits.Message = 10000 })
	blob := w.upload("application/x", strings.Repeat("x", 6000))
	part := fmt.Sprintf(`{"blobId": %q}`, blob)
	w.set("Email/set", `{"create": {"k": {"mailboxIds": {"BOX(Drafts)": true}, "attachments": [`+part+","+part+`]}}}`).refused(t, jmap.SetTooLarge)
	w.set("Email/set", `{"create": {"k": {"mailboxIds": {"BOX(Drafts)": true}, "attachments": [`+part+`]}}}`).id(t)
}
