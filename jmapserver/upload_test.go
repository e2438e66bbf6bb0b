package jmapserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mox/jmap"
	"mox/store"
)

// RFC 8620 6.1.
func TestUpload(t *testing.T) {
	w := newWriter(t, func(c *Config) { c.Limits.Upload = 1 << 20 })
	id := w.upload("text/plain; charset=utf-8", "some content")
	r := httptest.NewRequest("GET", "/download/"+string(w.id)+"/"+id+"/x.txt?type=text/plain", nil)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK || rec.Body.String() != "some content" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	var res blobCopyResult
	var in = w.calls(fmt.Sprintf(`[["Blob/copy", {"fromAccountId": "ACC", "accountId": "ACC", "blobIds": [%q, "Uzz"]}, "c"]]`, id))[0]
	if err := json.Unmarshal(in.Args, &res); err != nil || string(res.Copied[id]) != id || res.NotCopied["Uzz"].Type != jmap.SetNotFound {
		t.Errorf("%s %v", in.Args, err)
	}
	w.fails("Blob/copy", `{"fromAccountId": "Azz", "blobIds": []}`, jmap.ErrorFromAccountNotFound)
	w.fails("Email/copy", `{"fromAccountId": "Azz", "create": {}}`, jmap.ErrorFromAccountNotFound)
	w.fails("Email/copy", fmt.Sprintf(`{"fromAccountId": %q, "create": {}}`, w.id), jmap.ErrorInvalidArguments)
	for _, c := range []struct {
		path, content string
		code          int
		limit         string
	}{
		{"/upload/" + string(w.id), strings.Repeat("x", 1<<20+1), http.StatusRequestEntityTooLarge, "maxSizeUpload"},
		{"/upload/" + string(accountID("other")), "x", http.StatusNotFound, ""},
		{"/upload/", "x", http.StatusNotFound, ""},
	} {
		code, b := w.post(c.path, "text/plain", []byte(c.content))
		var p jmap.Problem
		if err := json.Unmarshal(b, &p); err != nil || code != c.code || p.Limit != c.limit || p.Detail == "" {
			t.Errorf("%s: %d %s", c.path, code, b)
		}
	}
	// Without a length, and with an end that never comes.
	for content, want := range map[io.Reader]int{
		io.LimitReader(zeros{}, 1<<20+1): http.StatusRequestEntityTooLarge, io.MultiReader(strings.NewReader("x"), failing{}): http.StatusBadRequest,
	} {
		r := httptest.NewRequest("POST", "/upload/"+string(w.id), io.NopCloser(content))
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	empty := w.upload("application/x-empty", "")
	if n, ok := store.ParseObjectID('U', empty); !ok || n == 0 {
		t.Error(empty)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection lost") }

// RFC 8621 4.8.
func TestEmailImport(t *testing.T) {
	w := newWriter(t)
	message := "Received: from a by b; Fri, 2 Jan 2026 03:04:05 +0100\r\nMessage-ID: <x@y>\r\nSubject: a\r\n\r\ntext\r\n"
	blob := w.upload("message/rfc822", message)
	imp := func(object string) *setResponse {
		t.Helper()
		return w.set("Email/import", `{"emails": {"k": `+object+`}}`)
	}
	res := imp(fmt.Sprintf(`{"blobId": %q, "mailboxIds": {"BOX(Inbox)": true, "BOX(Archive)": true}, "keywords": {"$seen": true, "a": true}}`, blob))
	id := res.id(t)
	got := w.email(id, "receivedAt", "keywords", "size", "mailboxIds")
	same(t, "import", []any{got["receivedAt"], got["keywords"], got["size"], len(got["mailboxIds"].(map[string]any))}, fmt.Sprintf(`["2026-01-02T02:04:05Z", {"$seen": true, "a": true}, %d, 2]`, len(message)))
	if w.raw(id) != message {
		t.Error("other content")
	}
	again := imp(fmt.Sprintf(`{"blobId": %q, "mailboxIds": {"BOX(Inbox)": true}}`, blob))
	again.refused(t, jmap.SetAlreadyExists)
	if string(again.NotCreated["k"].ExistingID) != id {
		t.Errorf("%+v", again.NotCreated["k"])
	}
	picture := w.upload("image/png", "\x89PNG")
	for object, typ := range map[string]string{
		fmt.Sprintf(`{"blobId": %q, "mailboxIds": {}}`, blob): jmap.SetInvalidProperties, `{"blobId": "Uzzz", "mailboxIds": {"BOX(Inbox)": true}}`: jmap.SetInvalidProperties,
		`{"mailboxIds": {"BOX(Inbox)": true}}`:                                                  jmap.SetInvalidProperties,
		fmt.Sprintf(`{"blobId": %q, "mailboxIds": {"BOX(Inbox)": true}}`, picture):              jmap.SetInvalidEmail,
		fmt.Sprintf(`{"blobId": %q, "mailboxIds": {"BOX(Inbox)": true}, "x": 1}`, blob):         jmap.SetInvalidProperties,
		fmt.Sprintf(`{"blobId": %q, "mailboxIds": {"BOX(Inbox)": true}, "keywords": []}`, blob): jmap.SetInvalidProperties,
	} {
		imp(object).refused(t, typ)
	}
	// What was destroyed can come back.
	if res := w.set("Email/set", fmt.Sprintf(`{"destroy": [%q]}`, id)); len(res.Destroyed) != 1 {
		t.Error(res)
	}
	imp(fmt.Sprintf(`{"blobId": %q, "mailboxIds": {"BOX(Inbox)": true}}`, blob)).id(t)
	w.fails("Email/import", `{"ifInState": null}`, jmap.ErrorInvalidArguments)
}
