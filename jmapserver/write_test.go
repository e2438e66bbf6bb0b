package jmapserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/deliver"
	"mox/dns"
	"mox/jmap"
	"mox/queue"
	"mox/storetest"
	"mox/submit"
)

const writeDomains = `Domains:
	mx.example: nil
Accounts:
	mjl:
		Domain: mx.example
		FullName: M. J. L.
		Destinations:
			mjl@mx.example: nil
			sales@mx.example: nil
			@mx.example: nil
	other:
		Domain: mx.example
		Destinations:
			other@mx.example: nil
`

// writer is an account with a server, a real way to send, and a queue.
type writer struct {
	*tester
	queue *queue.Queue
	now   time.Time
	busy  bool // messages of the queue are being sent
}

func newWriter(t testing.TB, change ...func(*Config)) *writer {
	t.Helper()
	f := storetest.New(t, writeDomains)
	w := &writer{now: time.Now().UTC().Truncate(time.Second)}
	now := func() time.Time { return w.now }
	q, err := queue.Open(filepath.Join(t.TempDir(), queue.FileName), queue.Options{Now: now, Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if problems, err := q.Check(context.Background()); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	acc, err := f.Store.Account(t.Context(), "mjl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(acc.Release)
	host := dns.Domain{ASCII: "mx.example"}
	discard := slog.New(slog.DiscardHandler)
	c := Config{
		Store: f.Store, Log: discard, Now: now, Hostname: host.ASCII, Directory: f.Directory, Queue: q, Sending: func(...int64) bool { return w.busy },
		Send: submit.New(submit.Config{
			Hostname: host, Directory: f.Directory, Store: f.Store, Queue: q, Log: discard, Now: now, Random: rand.Reader,
			Deliverer: deliver.New(deliver.Config{Hostname: host, Store: f.Store, Log: discard}),
		}),
	}
	for _, ch := range change {
		ch(&c)
	}
	s := New(c)
	login := func(http.ResponseWriter, *http.Request, int64) (User, error) {
		return User{Account: "mjl", Login: "mjl@mx.example"}, nil
	}
	w.tester, w.queue = &tester{t, f, acc, s, s.Handler(login, true), accountID("mjl")}, q
	return w
}

// calls runs a request; calls is a JSON array, in which ACC is the id of the account, and BOX(Name) that of a mailbox.
func (w *writer) calls(calls string) []jmap.Invocation {
	w.Helper()
	for {
		i := strings.Index(calls, "BOX(")
		if i < 0 {
			break
		}
		n := strings.IndexByte(calls[i:], ')')
		calls = calls[:i] + string(mailboxID(w.box(calls[i+4:i+n]).ID)) + calls[i+n+1:]
	}
	body := fmt.Sprintf(`{"using": [%q, %q, %q], "methodCalls": %s}`, jmap.CapabilityCore, jmap.CapabilityMail, jmap.CapabilitySubmission,
		strings.ReplaceAll(calls, "ACC", string(w.id)))
	code, b := w.post("/api", "application/json", []byte(body))
	var res jmap.Response
	if err := json.Unmarshal(b, &res); err != nil || code != http.StatusOK {
		w.Fatalf("%s: %d %s", body, code, b)
	}
	return res.MethodResponses
}

func (w *writer) post(path, contentType string, body []byte) (int, []byte) {
	w.Helper()
	r := httptest.NewRequest("POST", path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec.Code, rec.Body.Bytes()
}

// setResponse is a setResult as clients see it.
type setResponse struct {
	OldState, NewState                   string
	Created                              map[string]map[string]any
	Updated                              map[string]map[string]any
	Destroyed                            []string
	NotCreated, NotUpdated, NotDestroyed map[string]*jmap.SetError
}

// set runs one /set call, or another that creates; args is a JSON object without the account.
func (w *writer) set(name, args string) *setResponse {
	w.Helper()
	return w.response(w.calls(fmt.Sprintf(`[[%q, {"accountId": "ACC", %s, "c"]]`, name, strings.TrimPrefix(strings.TrimSpace(args), "{")))[0], name)
}

func (w *writer) response(in jmap.Invocation, name string) *setResponse {
	w.Helper()
	res := &setResponse{}
	if err := json.Unmarshal(in.Args, res); err != nil || in.Name != name {
		w.Fatalf("%s: %s %s", name, in.Name, in.Args)
	}
	return res
}

// id returns the id of what was created as "k".
func (r *setResponse) id(t testing.TB) string {
	t.Helper()
	if r.Created["k"] == nil {
		t.Fatalf("not created: %+v", r.NotCreated["k"])
	}
	return r.Created["k"]["id"].(string)
}

// refused checks that creation "k" failed.
func (r *setResponse) refused(t testing.TB, typ string, props ...string) {
	t.Helper()
	e := r.NotCreated["k"]
	if e == nil || e.Type != typ || e.Description == "" || props != nil && !slices.Equal(e.Properties, props) {
		t.Errorf("got %+v, want %s %v", e, typ, props)
	}
}

// upload uploads a file and returns its blob.
func (w *writer) upload(mediaType, content string) string {
	w.Helper()
	code, b := w.post("/upload/"+string(w.id), mediaType, []byte(content))
	var u uploaded
	if err := json.Unmarshal(b, &u); err != nil || code != http.StatusCreated || u.Size != int64(len(content)) || u.Type != mediaType {
		w.Fatalf("upload: %d %s", code, b)
	}
	return string(u.BlobID)
}

// raw is the message of an Email.
func (w *writer) raw(email string) string {
	w.Helper()
	id, ok := parseEmailID(jmap.ID(email))
	if !ok {
		w.Fatalf("no id: %q", email)
	}
	r, err := w.acc.OpenBody(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}

// email gets an Email.
func (w *writer) email(id string, props ...string) map[string]any {
	w.Helper()
	p, _ := json.Marshal(props)
	l := w.emails(fmt.Sprintf(`{"ids": [%q], "properties": %s, "fetchAllBodyValues": true}`, id, p))
	if len(l) != 1 {
		w.Fatalf("%d Emails", len(l))
	}
	return l[0]
}

func (w *writer) Context() context.Context {
	return w.TB.(interface{ Context() context.Context }).Context()
}

// same compares as JSON.
func same(t testing.TB, what string, got any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if !sameJSON(b, json.RawMessage(want)) {
		t.Errorf("%s: got %s, want %s", what, b, want)
	}
}
