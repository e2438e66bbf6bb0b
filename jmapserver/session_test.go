package jmapserver

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"mox/jmap"
	"mox/store"
)

// RFC 8620 2 and RFC 8621 1.3.1.
func TestSession(t *testing.T) {
	x := newTester(t)
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		x.handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	w := get("GET", "/session")
	var s jmap.Session
	var accounts struct {
		Accounts map[jmap.ID]struct {
			AccountCapabilities struct {
				Mail jmap.MailCapability `json:"urn:ietf:params:jmap:mail"`
			}
		}
	}
	if err := errors.Join(json.Unmarshal(w.Body.Bytes(), &s), json.Unmarshal(w.Body.Bytes(), &accounts)); err != nil {
		t.Fatal(err)
	}
	mail := accounts.Accounts[x.id].AccountCapabilities.Mail
	if s.PrimaryAccounts[jmap.CapabilityMail] != x.id || s.Capabilities[jmap.CapabilityMail] == nil || s.APIURL != "/api" || s.DownloadURL != "/download/{accountId}/{blobId}/{name}?type={type}" {
		t.Errorf("%+v", s)
	}
	if mail.MaxMailboxesPerEmail != nil || *mail.MaxMailboxDepth != store.MaxNameDepth || mail.MaxSizeMailboxName < 100 || !slices.Contains(mail.EmailQuerySortOptions, "receivedAt") || mail.MaxSizeAttachmentsPerEmail == 0 {
		t.Errorf("%+v", mail)
	}
	for path, want := range map[string]int{"/none": 404, "/session/x": 404, "/api": 405, "/eventsource": 400} {
		if w := get("GET", path); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	// RFC 8620 3.3: methods of capabilities that are not asked for are unknown.
	r := httptest.NewRequest("POST", "/api", strings.NewReader(`{"using": ["`+jmap.CapabilityCore+`"], "methodCalls": [["Email/get", {}, "c"], ["Core/echo", {"a": 1}, "d"]]}`))
	w = httptest.NewRecorder()
	x.handler.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `["error",{"type":"unknownMethod"`) || !strings.Contains(w.Body.String(), `["Core/echo",{"a":1},"d"]`) {
		t.Error(w.Body)
	}
	x.fails("Email/get", `{"ids": 5}`, jmap.ErrorInvalidArguments)
	x.fails("Email/get", `{"none": 5}`, jmap.ErrorInvalidArguments)
	if got := x.calls(`[["Email/get", {"accountId": "x", "ids": []}, "c"]]`)[0]; got.Name != "error" || !strings.Contains(string(got.Args), jmap.ErrorAccountNotFound) {
		t.Errorf("%s", got.Args)
	}
}

// TestLargeHeader: a header that is too large to be kept apart is read from the message.
func TestLargeHeader(t *testing.T) {
	x := newTester(t)
	x.add("Inbox", strings.Repeat("To: "+strings.Repeat("a", 60)+"@x.example\n", 1500)+"Subject: large\n\nx\n", store.NewMessage{})
	isJSON(t, x.emails(`{"ids": ["M1"], "properties": ["subject", "cc"]}`), `[{"id": "M1", "subject": "large", "cc": null}]`)
	isJSON(t, x.emails(`{"ids": ["M1"], "properties": ["subject", "header:X-None", "preview", "hasAttachment"]}`), `[{"id": "M1", "subject": "large", "header:X-None": null, "preview": "x", "hasAttachment": false}]`)
	if l := x.emails(`{"ids": ["M1"], "properties": ["headers"]}`)[0]["headers"].([]any); len(l) != 1501 {
		t.Error(len(l))
	}
	isJSON(t, x.emails(`{"ids": null, "properties": ["keywords"]}`), `[{"id": "M1", "keywords": {}}]`)
}

// TestResponseLimit: what a request can make the server hold is bounded.
func TestResponseLimit(t *testing.T) {
	x := newTester(t)
	x.add("Inbox", "Subject: x\n\n"+strings.Repeat("text ", 300)+"\n", store.NewMessage{})
	x.add("Inbox", "Subject: y\n\n"+strings.Repeat("text ", 301)+"\n", store.NewMessage{})
	x.server.c.Limits.Response = 2000
	args := `"properties": ["bodyValues"], "fetchTextBodyValues": true}`
	if l := x.emails(`{"ids": ["M1"], ` + args); len(l) != 1 {
		t.Error(l)
	}
	x.fails("Email/get", `{"ids": ["M1", "M2"], `+args, jmap.ErrorRequestTooLarge)
	x.fails("Email/parse", `{"blobIds": ["B1", "B2"], `+args, jmap.ErrorRequestTooLarge)
	x.fails("Email/get", `{"ids": ["M1", "M2"], "properties": ["headers"], "bodyProperties": ["headers"], "fetchTextBodyValues": true, "maxBodyValueBytes": -1}`, jmap.ErrorInvalidArguments)
	big := strings.Repeat("x", 2001)
	for i, r := range x.calls(`[["Core/echo", {"a": "` + big + `"}, "a"], ["Core/echo", {}, "b"]]`) {
		if failed := r.Name == "error"; failed != (i == 1) {
			t.Errorf("%d: %s", i, r.Name)
		}
	}
}
