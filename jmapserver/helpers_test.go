package jmapserver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mox/jmap"
	"mox/store"
	"mox/storetest"
)

const testDomains = `Domains:
	mx.example: nil
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
`

// tester is an account with a server in front of it.
type tester struct {
	testing.TB
	fixture *storetest.Fixture
	acc     *store.Account
	server  *Server
	handler http.Handler
	id      jmap.ID // of the account
}

func newTester(t testing.TB) *tester { return newTesterWith(t, Config{}) }

func newTesterWith(t testing.TB, c Config) *tester {
	t.Helper()
	f := storetest.New(t, testDomains)
	acc, err := f.Store.Account(t.Context(), "mjl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(acc.Release)
	c.Store = f.Store
	s := New(c)
	login := func(http.ResponseWriter, *http.Request, int64) (User, error) {
		return User{Account: "mjl", Login: "mjl@mx.example"}, nil
	}
	return &tester{t, f, acc, s, s.Handler(login, true), accountID("mjl")}
}

// calls runs a request; calls is a JSON array, in which ACC is the id of the account.
func (t *tester) calls(calls string) []jmap.Invocation {
	t.Helper()
	body := `{"using": ["` + jmap.CapabilityCore + `", "` + jmap.CapabilityMail + `"], "methodCalls": ` + strings.ReplaceAll(calls, "ACC", string(t.id)) + `}`
	r := httptest.NewRequest("POST", "/api", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", body, w.Code, w.Body)
	}
	var res jmap.Response
	if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil {
		t.Fatal(err)
	}
	return res.MethodResponses
}

// call runs one call into v; args is a JSON object without the account.
func (t *tester) call(name, args string, v any) {
	t.Helper()
	in := t.one(name, args)
	if in.Name != name {
		t.Fatalf("%s %s: %s %s", name, args, in.Name, in.Args)
	}
	if err := json.Unmarshal(in.Args, v); err != nil {
		t.Fatalf("%s: %v", in.Args, err)
	}
}

func (t *tester) one(name, args string) jmap.Invocation {
	t.Helper()
	args = strings.TrimPrefix(strings.TrimSpace(args), "{")
	sep := ", "
	if strings.TrimSpace(args) == "}" {
		sep = ""
	}
	return t.calls(fmt.Sprintf(`[[%q, {"accountId": "ACC"%s%s, "c"]]`, name, sep, args))[0]
}

// fails runs one call that must fail with a type of error.
func (t *tester) fails(name, args, want string) {
	t.Helper()
	in := t.one(name, args)
	var e jmap.Error
	if err := json.Unmarshal(in.Args, &e); err != nil || in.Name != "error" || e.Type != want || e.Description == "" {
		t.Errorf("%s %s: got %s %s, want %s", name, args, in.Name, in.Args, want)
	}
}

// box returns a mailbox, made where it is missing.
func (t *tester) box(name string) store.Mailbox {
	t.Helper()
	if b, ok := t.acc.MailboxByName(name); ok {
		return b
	}
	b, err := t.acc.CreateMailbox(t.Context(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// add adds a message, with LF for line ends, and returns its Email.
func (t *tester) add(box, text string, m store.NewMessage) store.BodyID {
	t.Helper()
	m.Spool = t.fixture.Spool(t, strings.ReplaceAll(text, "\n", "\r\n"))
	added, err := t.acc.Add(t.Context(), t.box(box).ID, []store.NewMessage{m})
	if err != nil {
		t.Fatal(err)
	}
	return added.Bodies[0]
}

// emails gets Emails.
func (t *tester) emails(args string) (list []map[string]any) {
	t.Helper()
	var res struct{ List []map[string]any }
	t.call("Email/get", args, &res)
	return res.List
}
