package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/auth"
	"mox/jmap"
	"mox/store"
)

// fakeCredentials are names of credentials by token, which are there until they are taken away.
type fakeCredentials struct {
	mu    sync.Mutex
	names map[int]string
}

func (f *fakeCredentials) CredentialName(_ context.Context, _ string, token int) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.names[token], nil
}

func (f *fakeCredentials) CredentialHolds(_ context.Context, account, login, name string, _ ...auth.Scope) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return account == "mjl" && login == "mjl@mx.example" && slices.Contains(slices.Collect(maps.Values(f.names)), name), nil
}

// pushed is a request that the push service got.
type pushed struct {
	url    string
	header http.Header
	body   string
	at     time.Time
}

// pushService is a fake push service.
type pushService struct {
	mu       sync.Mutex
	requests []pushed
	answer   func(n int) (status int, header http.Header, err error) // of the request n, from 0; nil: 201
	hangs    bool
}

func (s *pushService) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	n := len(s.requests)
	s.requests = append(s.requests, pushed{r.URL.String(), r.Header, string(b), time.Now()})
	answer, hangs := s.answer, s.hangs
	s.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	res := &http.Response{StatusCode: http.StatusCreated, Header: http.Header{}, Body: http.NoBody}
	if answer != nil {
		var header http.Header
		if res.StatusCode, header, err = answer(n); err != nil {
			return nil, err
		}
		if header != nil {
			res.Header = header
		}
	}
	return res, nil
}

// take returns the requests since the last time, after a while.
func (s *pushService) take(after time.Duration) []pushed {
	time.Sleep(after)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.requests
	s.requests = nil
	return l
}

func (s *pushService) answers(f func(n int) (int, http.Header, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// pushTester is a tester with a push service.
type pushTester struct {
	*tester
	service     *pushService
	credentials *fakeCredentials
	index       string
	results     map[string]int
	token       int // that calls are made with
	stop        func()
}

func newPushTester(t *testing.T) *pushTester {
	x := &pushTester{tester: newTester(t), service: &pushService{}, credentials: &fakeCredentials{names: map[int]string{0: "password-1", 1: "token-1"}}}
	x.index = filepath.Join(t.TempDir(), "jmappush.json")
	x.handler = x.server.Handler(func(http.ResponseWriter, *http.Request, int64) (User, error) {
		return User{Account: "mjl", Login: "mjl@mx.example", Token: x.token, Page: x.token < 0}, nil
	}, true)
	x.start()
	t.Cleanup(func() { x.stop() })
	return x
}

// start runs a new sender, as after a restart.
func (x *pushTester) start() {
	x.results = map[string]int{}
	var mu sync.Mutex
	p := NewPushes(PushConfig{
		Store: x.fixture.Store, Credentials: x.credentials, Index: x.index, Transport: x.service, Version: "1",
		Public: func(a netip.Addr) bool { return !a.IsLoopback() && !a.IsPrivate() },
		Result: func(kind, result string) {
			mu.Lock()
			defer mu.Unlock()
			x.results[kind+" "+result]++
		},
		Panic: func() { x.Error("panic") },
	})
	x.server.c.Pushes = p
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	watch := x.acc.Watch()
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	told := make(chan struct{})
	go func() { // what the store calls in a server
		defer close(told)
		for watch.Wait(ctx.Done()) {
			p.Changed("mjl")
		}
	}()
	x.stop = func() {
		cancel()
		<-done
		<-told
		watch.Close()
	}
}

// push calls a method; args is a JSON object.
func (x *pushTester) push(name, args string, v any) jmap.Invocation {
	x.Helper()
	in := x.calls(`[["PushSubscription/` + name + `", ` + args + `, "c"]]`)[0]
	if v != nil {
		if err := json.Unmarshal(in.Args, v); err != nil || in.Name == "error" {
			x.Fatalf("%s: %s %s", args, in.Name, in.Args)
		}
	}
	return in
}

type pushSetAnswer struct {
	Created    map[string]map[string]any
	Updated    map[string]map[string]any
	Destroyed  []string
	NotCreated map[string]jmap.SetError
	NotUpdated map[string]jmap.SetError

	NotDestroyed map[string]jmap.SetError
}

// subscribe makes a subscription, and returns its id and the code that was pushed.
func (x *pushTester) subscribe(more string) (id, code string) {
	x.Helper()
	var a pushSetAnswer
	x.push("set", `{"create": {"k": {"deviceClientId": "d", "url": "https://push.example/secret"`+more+`}}}`, &a)
	id, _ = a.Created["k"]["id"].(string)
	if id == "" {
		x.Fatalf("%+v", a)
	}
	l := x.service.take(0)
	if len(l) != 1 {
		x.Fatalf("%+v", l)
	}
	var v pushVerification
	if err := json.Unmarshal([]byte(l[0].body), &v); err != nil || v.Type != "PushVerification" || string(v.PushSubscriptionID) != id || len(v.VerificationCode) < 20 {
		x.Fatalf("%s, %v", l[0].body, err)
	}
	if h := l[0].header; h.Get("TTL") != "86400" || h.Get("Content-Type") != "application/json" || h.Get("Urgency") != "high" || l[0].url != "https://push.example/secret" {
		x.Errorf("%+v", l[0])
	}
	return id, v.VerificationCode
}

func (x *pushTester) verify(id, code string) {
	x.Helper()
	var a pushSetAnswer
	x.push("set", `{"update": {"`+id+`": {"verificationCode": "`+code+`"}}}`, &a)
	if _, ok := a.Updated[id]; !ok {
		x.Fatalf("%+v", a)
	}
}

func (x *pushTester) ids() []string {
	x.Helper()
	var a struct{ List []struct{ ID string } }
	x.push("get", `{"ids": null}`, &a)
	var l []string
	for _, o := range a.List {
		l = append(l, o.ID)
	}
	return l
}

// types are those of a request with a StateChange.
func (x *pushTester) types(p pushed) []string {
	x.Helper()
	var s stateChange
	if err := json.Unmarshal([]byte(p.body), &s); err != nil || s.Type != "StateChange" || len(s.Changed) != 1 {
		x.Fatalf("%s, %v", p.body, err)
	}
	for _, state := range s.Changed[x.id] {
		if _, err := parseState(x.acc, state, x.acc.ModSeq()); err != nil {
			x.Errorf("%s: %v", p.body, err)
		}
	}
	return slices.Sorted(maps.Keys(s.Changed[x.id]))
}

func (x *pushTester) deliver() { x.add("Inbox", "Subject: hi\n\ntext\n", store.NewMessage{}) }

// TestPush is RFC 8620 7.2.3: subscribe, verify, be told, prolong, end.
func TestPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newPushTester(t)
		id, code := x.subscribe(`, "types": ["Mailbox", "EmailDelivery", "Todo"]`)
		var got struct{ List []map[string]any }
		x.push("get", `{"ids": ["`+id+`"]}`, &got)
		if len(got.List) != 1 || got.List[0]["verificationCode"] != nil || got.List[0]["deviceClientId"] != "d" || len(got.List[0]) != 5 {
			t.Errorf("%+v", got)
		}
		x.deliver()
		if l := x.service.take(time.Hour); len(l) != 0 {
			t.Errorf("before verification: %+v", l)
		}
		var a pushSetAnswer
		x.push("set", `{"update": {"`+id+`": {"verificationCode": "x`+code[1:]+`"}}}`, &a)
		if a.NotUpdated[id].Type != jmap.SetInvalidProperties {
			t.Errorf("%+v", a)
		}
		x.verify(id, code)
		if l := x.service.take(time.Hour); len(l) != 0 {
			t.Errorf("nothing has changed: %+v", l)
		}
		for range 5 {
			x.deliver()
		}
		l := x.service.take(time.Minute)
		if len(l) != 1 || !slices.Equal(x.types(l[0]), []string{"EmailDelivery", "Mailbox"}) || l[0].header.Get("Urgency") != "high" {
			t.Fatalf("%+v", l)
		}
		if !strings.Contains(l[0].body, `"Mailbox":"`+stateOf(x.acc, x.acc.ModSeq())+`"`) {
			t.Errorf("not the newest state: %s", l[0].body)
		}
		// Expiry is at most 30 days ahead, which is told; without one it is that too.
		for _, asked := range []string{`"2100-01-01T00:00:00Z"`, `null`} {
			a = pushSetAnswer{}
			x.push("set", `{"update": {"`+id+`": {"expires": `+asked+`}}}`, &a)
			if a.Updated[id]["expires"] != time.Now().Add(maxPushExpiry).UTC().Truncate(time.Second).Format(time.RFC3339) {
				t.Errorf("%+v", a)
			}
			time.Sleep(time.Hour)
		}
		a = pushSetAnswer{}
		x.push("set", `{"update": {"`+id+`": {"types": null, "verificationCode": "`+code+`"}}}`, &a)
		if v, ok := a.Updated[id]; !ok || v != nil {
			t.Errorf("%+v", a)
		}
		x.box("Other")
		if l := x.service.take(time.Minute); len(l) != 1 || !slices.Equal(x.types(l[0]), []string{"Mailbox"}) || l[0].header.Get("Urgency") != "low" {
			t.Errorf("%+v", l)
		}
		a = pushSetAnswer{}
		x.push("set", `{"destroy": ["`+id+`", "Pother"]}`, &a)
		if !slices.Equal(a.Destroyed, []string{id}) || a.NotDestroyed["Pother"].Type != jmap.SetNotFound {
			t.Errorf("%+v", a)
		}
		x.deliver()
		if l := x.service.take(time.Hour); len(l) != 0 || x.ids() != nil || x.results["state ok"] != 2 || x.results["verification ok"] != 1 {
			t.Errorf("%+v %v", l, x.results)
		}
	})
}

// TestPushPace: requests for a subscription are a second apart, and the last tells what is newest.
func TestPushPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newPushTester(t)
		x.verify(x.subscribe(""))
		for range 40 {
			x.deliver()
			time.Sleep(100 * time.Millisecond)
		}
		l := x.service.take(time.Minute)
		if len(l) < 3 || len(l) > 6 || !strings.Contains(l[len(l)-1].body, `"Email":"`+stateOf(x.acc, x.acc.ModSeq())+`"`) {
			t.Fatalf("%+v", l)
		}
		for i := range l[1:] {
			if d := l[i+1].at.Sub(l[i].at); d < time.Second {
				t.Errorf("%s apart", d)
			}
		}
	})
}

// TestPushRestart: what changes while nobody tells is told after a start, also when the index is gone.
func TestPushRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newPushTester(t)
		x.verify(x.subscribe(""))
		for _, lost := range []bool{false, true} {
			x.deliver()
			if l := x.service.take(time.Minute); len(l) != 1 {
				t.Fatalf("%+v", l)
			}
			x.stop()
			x.start()
			if l := x.service.take(time.Minute); len(l) != 0 {
				t.Errorf("told twice: %+v", l)
			}
			x.stop()
			x.deliver()
			if lost {
				if err := os.Remove(x.index); err != nil {
					t.Fatal(err)
				}
			}
			x.start()
			l := x.service.take(time.Minute)
			want := []string{"Email", "EmailDelivery", "Mailbox", "Thread"}
			if lost {
				want = pushTypes
			}
			if len(l) != 1 || !slices.Equal(x.types(l[0]), want) {
				t.Errorf("%+v", l)
			}
		}
		// One that was made just before a crash is asked for its code.
		x.service.answers(func(int) (int, http.Header, error) { return 0, nil, errors.New("no route") })
		x.push("set", `{"create": {"k": {"deviceClientId": "e", "url": "https://push.example/e"}}}`, nil)
		x.service.take(time.Second)
		x.stop()
		x.service.answers(nil)
		x.start()
		if l := x.service.take(time.Minute); len(l) != 1 || !strings.Contains(l[0].body, "PushVerification") {
			t.Errorf("%+v", l)
		}
		x.stop()
		x.start()
		if l := x.service.take(time.Hour); len(l) != 0 {
			t.Errorf("asked twice: %+v", l)
		}
	})
}

// TestPushAnswers: what push services answer.
func TestPushAnswers(t *testing.T) {
	status := func(code int, retry string) func(int) (int, http.Header, error) {
		return func(int) (int, http.Header, error) { return code, http.Header{"Retry-After": {retry}}, nil }
	}
	for _, tc := range []struct {
		name        string
		answer      func(int) (int, http.Header, error)
		first, last int // requests in the first minute, and in the five days after it
		stays       bool
	}{
		{"ok", status(200, ""), 1, 0, true},
		{"gone", status(410, ""), 1, 0, false},
		{"not found", status(404, ""), 1, 0, false},
		{"too large", status(413, ""), 1, 0, true},
		{"redirect", status(307, ""), 1, 0, true},
		{"later", status(429, "3600"), 1, 72, false},
		{"unavailable", status(503, ""), 3, 78, false}, // after 10, 20, 40 s and so on, hourly in the end
		{"unreachable", func(int) (int, http.Header, error) { return 0, nil, errors.New("refused") }, 3, 78, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newPushTester(t)
				x.verify(x.subscribe(""))
				x.service.answers(tc.answer)
				x.deliver()
				first := x.service.take(time.Minute)
				last := x.service.take(5 * 24 * time.Hour)
				if len(first) != tc.first || len(last) < tc.last-4 || len(last) > tc.last+4 || tc.last == 0 && len(last) > 0 {
					t.Errorf("%d, then %d requests", len(first), len(last))
				}
				if ids := x.ids(); tc.stays != (len(ids) == 1) {
					t.Errorf("there are %v", ids)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		x := newPushTester(t)
		x.service.answers(status(500, ""))
		x.push("set", `{"create": {"k": {"deviceClientId": "d", "url": "https://push.example/"}}}`, nil)
		if l := x.service.take(3 * time.Hour); len(l) < 5 || x.ids() != nil {
			t.Errorf("the code cannot be pushed: %d requests, %v", len(l), x.ids())
		}
	})
}

// TestPushHangs: a push service that does not answer holds up no others.
func TestPushHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newPushTester(t)
		x.verify(x.subscribe(""))
		x.service.hangs = true
		x.deliver()
		if l := x.service.take(10 * time.Second); len(l) != 1 {
			t.Fatalf("%+v", l)
		}
		x.service.mu.Lock()
		x.service.hangs = false
		x.service.mu.Unlock()
		x.verify(x.subscribe(""))
		x.deliver()
		l := x.service.take(2 * time.Second)
		if len(l) != 1 {
			t.Errorf("held up: %+v", l)
		}
		// The first one is told the newest state once its request has ended, 30 s after it began, and 10 s more.
		if l := x.service.take(time.Minute); len(l) != 1 || !strings.Contains(l[0].body, stateOf(x.acc, x.acc.ModSeq())) {
			t.Errorf("%+v", l)
		}
		x.service.mu.Lock()
		x.service.hangs = true
		x.service.mu.Unlock()
		x.deliver()
		x.service.take(time.Second)
		began := time.Now()
		x.stop()
		if d := time.Since(began); d > time.Second {
			t.Errorf("ended after %s", d)
		}
		x.start()
		x.service.mu.Lock()
		x.service.hangs = false
		x.service.mu.Unlock()
	})
}

// TestPushCredentials: subscriptions are of the credentials that made them, and end with them.
func TestPushCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newPushTester(t)
		x.verify(x.subscribe(""))
		x.token = 1
		if ids := x.ids(); ids != nil {
			t.Errorf("of others: %v", ids)
		}
		id, code := x.subscribe("")
		x.verify(id, code)
		x.token = 0
		var a pushSetAnswer
		x.push("set", `{"update": {"`+id+`": {"types": []}}, "destroy": ["`+id+`x"]}`, &a)
		if a.NotUpdated[id].Type != jmap.SetNotFound || len(x.ids()) != 1 {
			t.Errorf("%+v", a)
		}
		x.token = -1
		a = pushSetAnswer{}
		x.push("set", `{"create": {"k": {"deviceClientId": "d", "url": "https://push.example/"}}}`, &a)
		if a.NotCreated["k"].Type != jmap.SetForbidden {
			t.Errorf("a page: %+v", a)
		}
		x.deliver()
		if l := x.service.take(time.Minute); len(l) != 2 {
			t.Errorf("%+v", l)
		}
		x.credentials.mu.Lock()
		x.credentials.names[0] = "password-2"
		x.credentials.mu.Unlock()
		x.deliver()
		if l := x.service.take(time.Minute); len(l) != 1 {
			t.Errorf("%+v", l)
		}
		if x.token = 1; len(x.ids()) != 1 {
			t.Error("of the token")
		}
		if all, err := x.acc.Settings(t.Context(), keptPush.prefix); len(all) != 1 || err != nil {
			t.Errorf("%d are kept, %v", len(all), err)
		}
		// It expires.
		x.service.take(maxPushExpiry + pushIdle)
		x.deliver()
		if l := x.service.take(time.Minute); len(l) != 0 || x.ids() != nil {
			t.Errorf("%+v", l)
		}
		if all, err := x.acc.Settings(t.Context(), keptPush.prefix); len(all) != 0 || err != nil {
			t.Errorf("%d are kept, %v", len(all), err)
		}
	})
}

// TestPushRefusals: what cannot be asked for.
func TestPushRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newPushTester(t)
		good := map[string]any{"deviceClientId": "d", "url": "https://push.example/"}
		for _, tc := range []struct {
			property string
			value    any
		}{
			{"url", nil}, {"url", "http://push.example/"}, {"url", "HTTPS:push.example"}, {"url", "https:///x"}, {"url", "https://127.0.0.1/"}, {"url", "https://[::1]:8443/"},
			{"url", "https://10.1.2.3/"}, {"url", "https://push.example:99999/"}, {"url", "https://u:p@push.example/"}, {"url", "https://push.example/#x"}, {"url", "https://push.example/" + strings.Repeat("x", 2000)}, {"url", 5},
			{"deviceClientId", ""}, {"deviceClientId", strings.Repeat("x", 300)}, {"verificationCode", "x"}, {"expires", "2000-01-01T00:00:00Z"}, {"expires", "soon"},
			{"expires", "1999-12-31T00:00:00Z"}, {"types", []string{""}}, {"types", make([]string, 200)}, {"types", "x"}, {"keys", map[string]string{"auth": "x", "p256dh": "y"}}, {"id", "P1"}, {"other", 1},
		} {
			o := maps.Clone(good)
			o[tc.property] = tc.value
			b, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			var a pushSetAnswer
			x.push("set", `{"create": {"k": `+string(b)+`}}`, &a)
			if e := a.NotCreated["k"]; e.Type != jmap.SetInvalidProperties || !slices.Contains(e.Properties, tc.property) || e.Description == "" {
				t.Errorf("%s: %+v", b, a)
			}
		}
		id, _ := x.subscribe("")
		for _, patch := range []string{`{"url": "https://other.example/"}`, `{"keys": {}}`, `{"deviceClientId": "e"}`, `{"expires": "1999-12-31T00:00:00Z"}`, `{"types": [""]}`, `{"id": "x"}`, `{"Asked": true}`} {
			var a pushSetAnswer
			x.push("set", `{"update": {"`+id+`": `+patch+`}}`, &a)
			if a.NotUpdated[id].Type != jmap.SetInvalidProperties {
				t.Errorf("%s: %+v", patch, a)
			}
		}
		for args, want := range map[string]string{
			`{"ids": null, "properties": ["url"]}`: jmap.ErrorForbidden, `{"properties": ["id", "keys"]}`: jmap.ErrorForbidden, `{"properties": ["x"]}`: jmap.ErrorInvalidArguments,
			`{"accountId": "` + string(x.id) + `"}`: jmap.ErrorInvalidArguments,
		} {
			if in := x.push("get", args, nil); in.Name != "error" || !strings.Contains(string(in.Args), want) {
				t.Errorf("%s: %s", args, in.Args)
			}
		}
		if in := x.push("set", `{"ifInState": "1"}`, nil); in.Name != "error" {
			t.Errorf("%s", in.Args)
		}
		var a pushSetAnswer
		last := jmap.SetError{}
		for range maxPush + 1 {
			a = pushSetAnswer{}
			x.push("set", `{"create": {"k": {"deviceClientId": "d", "url": "https://push.example/"}}}`, &a)
			last = a.NotCreated["k"]
		}
		if last.Type != jmap.SetOverQuota || len(x.ids()) != maxPush {
			t.Errorf("%+v", last)
		}
		for range maxPushCreated {
			ids := x.ids()
			a = pushSetAnswer{}
			x.push("set", `{"destroy": ["`+ids[0]+`"], "create": {}}`, &a)
			x.push("set", `{"create": {"k": {"deviceClientId": "d", "url": "https://push.example/"}}}`, &a)
			if last = a.NotCreated["k"]; last.Type != "" {
				break
			}
		}
		if last.Type != jmap.SetRateLimit {
			t.Errorf("%+v", last)
		}
	})
}

// TestPushForget: an account that is gone, or has no subscriptions, is not followed any more.
func TestPushForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newPushTester(t)
		x.server.c.Pushes.follow("none")
		id, _ := x.subscribe("")
		x.push("set", `{"destroy": ["`+id+`"]}`, nil)
		x.service.take(time.Second)
		p := x.server.c.Pushes
		p.mu.Lock()
		if len(p.followed) != 0 || len(p.touched) != 0 {
			t.Errorf("%v %v", p.followed, p.touched)
		}
		p.mu.Unlock()
		again := NewPushes(p.c)
		if len(again.followed) != 0 || !again.ready {
			t.Errorf("%v", again.followed)
		}
	})
}

// FuzzPushObject: whatever is sent for a subscription is refused, or can be kept, shown and updated.
func FuzzPushObject(f *testing.F) {
	f.Add(`{"deviceClientId": "d", "url": "https://push.example/", "types": ["Email"], "expires": "2030-01-01T00:00:00Z"}`, `{"types": null}`)
	f.Add(`{"deviceClientId": "d", "url": "https://x/", "keys": null}`, `{"verificationCode": "x", "types/0": 5}`)
	f.Fuzz(func(t *testing.T, object, patch string) {
		code := "code"
		var s pushSubscription
		if decodeObject([]byte(object), &s.pushObject) != nil || s.check(nil) != nil {
			return
		}
		now := time.Unix(1_700_000_000, 0)
		var err error
		if s.Expires, err = expiry(s.Expires, now); err != nil {
			return
		}
		s.VerificationCode = &code
		o, err := s.public("P1")
		if err != nil || o["url"] != nil || o["keys"] != nil || string(o["verificationCode"]) != "null" {
			t.Fatal(o, err)
		}
		var p jmap.PatchObject
		if json.Unmarshal([]byte(patch), &p) != nil {
			return
		}
		before := s.URL
		if _, err := s.update("P1", p, now); err == nil && (s.URL != before || s.Verified && !strings.Contains(patch, code) || s.Expires.After(now.Add(maxPushExpiry))) {
			t.Errorf("%+v", s)
		}
	})
}
