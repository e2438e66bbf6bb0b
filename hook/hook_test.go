package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/config"
	"mox/queue"
	"mox/smtp"
	"mox/store"
	"mox/storetest"
	"mox/trace"
	"mox/webapi"
)

const domains = `Domains:
	mx.example:
		LocalpartCatchallSeparator: +
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
		FromIDLoginAddresses:
			- mjl+api@mx.example
		OutgoingWebhook:
			URL: http://hooks.example/out
			Authorization: Bearer secret
		IncomingWebhook:
			URL: http://hooks.example/in
		KeepRetiredMessagePeriod: 24h
		KeepRetiredWebhookPeriod: 24h
	some:
		Domain: mx.example
		Destinations:
			some@mx.example: nil
		OutgoingWebhook:
			URL: http://hooks.example/some
			Events:
				- failed
`

// request is a call that a receiver got.
type request struct {
	at      time.Time
	url     string
	attempt string
	id      string
	header  http.Header
	body    string
}

// receiver is a server in memory.
type receiver struct {
	mu       sync.Mutex
	requests []request
	answer   func(n int) (int, error) // of the nth request
	open     int                      // calls under way
	most     int
	hold     chan struct{} // nil: answers at once
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.requests = append(r.requests, request{time.Now(), req.URL.String(), req.Header.Get("X-Mox-Webhook-Attempt"), req.Header.Get("X-Mox-Webhook-ID"), req.Header, string(b)})
	n := len(r.requests)
	r.open++
	r.most = max(r.most, r.open)
	answer, hold := r.answer, r.hold
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-req.Context().Done():
		}
	}
	r.mu.Lock()
	r.open--
	r.mu.Unlock()
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	code := 200
	if answer != nil {
		if code, err = answer(n); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("thanks " + strings.Repeat("x", 1000))), Request: req}, nil
}

func (r *receiver) all() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request{}, r.requests...)
}

func (r *receiver) set(answer func(n int) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

type fixture struct {
	*storetest.Fixture
	t     *testing.T
	path  string
	queue *queue.Queue
	hooks *Hooks
	recv  *receiver
	stop  func()
}

// newFixture must be called in a bubble, and closed in it.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Fixture: storetest.New(t, domains), t: t, path: filepath.Join(t.TempDir(), queue.FileName), recv: &receiver{}}
	f.start()
	t.Cleanup(func() { f.end() })
	return f
}

func (f *fixture) start() {
	f.t.Helper()
	var hooks *Hooks
	var err error
	f.queue, err = queue.Open(f.path, queue.Options{
		Hooks:        func(e queue.Event) []queue.Hook { return Outgoing(f.Snapshot, e) },
		HooksChanged: func() { hooks.Kick() },
		Retired: func(account string) (time.Duration, time.Duration) {
			a := f.Snapshot.Accounts[account].Config
			return a.KeepRetiredMessagePeriod, a.KeepRetiredWebhookPeriod
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	hooks = New(Config{Queue: f.queue, Store: f.Store, Config: func() *config.Snapshot { return f.Snapshot }, Version: "v1", Transport: f.recv, Random: func() float64 { return 0.5 }})
	f.hooks = hooks
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		hooks.Run(ctx)
	}()
	f.stop = func() {
		cancel()
		<-done
	}
	synctest.Wait()
}

func (f *fixture) end() {
	f.stop()
	if err := f.queue.Close(); err != nil {
		f.t.Error(err)
	}
}

func path(s string) smtp.Path {
	a, err := smtp.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a.Path()
}

// send puts a message into the queue and returns it.
func (f *fixture) send(account, fromID string) queue.Message {
	f.t.Helper()
	sender := path(account + "@mx.example")
	if fromID != "" {
		sender = path(account + "+" + fromID + "@mx.example")
	}
	body := "Subject: hi\r\n\r\nhi\r\n"
	added, err := f.queue.Add(f.t.Context(), queue.Content{Body: strings.NewReader(body), Size: int64(len(body))}, []queue.Message{{
		Account: account, Sender: sender, Recipient: path("x@remote.example"), MessageID: "1@mx.example", Subject: "hi", FromID: fromID, Extra: map[string]string{"order": "1"},
	}})
	if err != nil {
		f.t.Fatal(err)
	}
	return added.Messages[0]
}

func (f *fixture) record(m queue.Message, a queue.Action, r queue.Result) {
	f.t.Helper()
	r.Start = time.Now()
	if err := f.queue.Record(f.t.Context(), []queue.Outcome{{ID: m.ID, Action: a, Result: r}}, nil); err != nil {
		f.t.Fatal(err)
	}
	synctest.Wait()
}

// deliver puts a received message into an account.
func (f *fixture) deliver(account, rcpt, text string, edit func(*trace.Trace)) store.Added {
	f.t.Helper()
	ctx := f.t.Context()
	sp := f.Store.NewSpool()
	defer sp.Close()
	sp.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	if err := sp.Finish(); err != nil {
		f.t.Fatal(err)
	}
	tr := trace.Trace{Time: time.Now(), Account: account, Facts: trace.Facts{
		MailFrom: "x@remote.example", RcptTo: rcpt, Remote: netip.MustParseAddr("192.0.2.1"), Validation: trace.ValidationStrict,
		DKIM: []trace.DKIM{{Domain: "remote.example", Status: "pass"}},
	}}
	if edit != nil {
		edit(&tr)
	}
	b, err := tr.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	acc, err := f.Store.Account(ctx, account)
	if err != nil {
		f.t.Fatal(err)
	}
	defer acc.Release()
	added, err := acc.Deliver(ctx, "Inbox", store.NewMessage{Spool: sp, Trace: b, Received: time.Now(), Saved: time.Now()})
	if err != nil {
		f.t.Fatal(err)
	}
	f.hooks.Touch(account)
	synctest.Wait()
	time.Sleep(gather)
	synctest.Wait()
	return added
}

const mail = "From: X <x@remote.example>\nTo: mjl@mx.example\nSubject: hello\nMessage-ID: <1@remote.example>\nIn-Reply-To: <0@mx.example>\nDate: Mon, 02 Mar 2026 09:30:00 +0000\n\nHi <b>.\n"

// TestOutgoing compares a whole call with the names of the reference.
func TestOutgoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		m := f.send("mjl", "id1")
		f.record(m, queue.Failed, queue.Result{Code: 550, Enhanced: "5.1.1", Error: "no such user"})
		l := f.recv.all()
		if len(l) != 1 {
			t.Fatalf("%d calls", len(l))
		}
		r := l[0]
		for name, want := range map[string]string{
			"User-Agent": "mox/v1 (webhook)", "Content-Type": "application/json; charset=utf-8", "Authorization": "Bearer secret", "X-Mox-Webhook-ID": "1", "X-Mox-Webhook-Attempt": "1",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		want := `{"Version":0,"Event":"failed","DSN":false,"Suppressing":true,"QueueMsgID":1,"FromID":"id1","MessageID":"<1@mx.example>","Subject":"hi","WebhookQueued":"2000-01-01T00:00:00Z","SMTPCode":550,"SMTPEnhancedCode":"5.1.1","Error":"no such user","Extra":{"order":"1"}}` + "\n"
		if r.url != "http://hooks.example/out" || r.body != want {
			t.Errorf("call to %s\n%s\nwant\n%s", r.url, r.body, want)
		}
		// Only the events that were chosen.
		f.record(f.send("some", ""), queue.Delivered, queue.Result{Success: true, Code: 250})
		m = f.send("some", "")
		f.record(m, queue.Failed, queue.Result{Code: 550})
		l = f.recv.all()
		if len(l) != 2 || l[1].url != "http://hooks.example/some" || !strings.Contains(l[1].body, `"Event":"failed"`) {
			t.Errorf("calls %v", l)
		}
		retired, err := f.queue.HookRetiredList(t.Context(), queue.HookRetiredFilter{Account: "mjl"}, queue.Sort{})
		if err != nil || len(retired) != 1 || !retired[0].Success || len(retired[0].Hook.Results[0].Response) != 512 {
			t.Errorf("retired: %+v, %v", retired, err)
		}
	})
}

// TestIncoming compares a whole call, and checks what is told once, and what is not.
func TestIncoming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		added := f.deliver("mjl", "mjl@mx.example", mail, nil)
		l := f.recv.all()
		if len(l) != 1 {
			t.Fatalf("%d calls", len(l))
		}
		want := `{"Version":0,"From":[{"Name":"X","Address":"x@remote.example"}],"To":[{"Name":"","Address":"mjl@mx.example"}],"CC":[],"BCC":[],"ReplyTo":[],"Subject":"hello","MessageID":"<1@remote.example>","InReplyTo":"<0@mx.example>","References":[],"Date":"2026-03-02T09:30:00Z","Text":"Hi <b>.\n","HTML":"",` +
			`"Structure":{"ContentType":"text/plain","ContentTypeParams":{},"ContentID":"","ContentDisposition":"","Filename":"","DecodedSize":9,"Parts":[]},` +
			fmt.Sprintf(`"Meta":{"MsgID":%d,"MailFrom":"x@remote.example","MailFromValidated":false,"MsgFromValidated":true,"RcptTo":"mjl@mx.example","DKIMVerifiedDomains":["remote.example"],"RemoteIP":"192.0.2.1","Received":"2000-01-01T00:00:00Z","MailboxName":"Inbox","Automated":false}}`, added.IDs[0]) + "\n"
		if l[0].url != "http://hooks.example/in" || l[0].body != want {
			t.Errorf("call to %s\n%s\nwant\n%s", l[0].url, l[0].body, want)
		}
		// Refused, copied, put there by a client: not told.
		f.deliver("mjl", "mjl@mx.example", mail+"2\n", func(tr *trace.Trace) { tr.Verdict.Action = trace.Reject })
		acc, err := f.Store.Account(t.Context(), "mjl")
		if err != nil {
			t.Fatal(err)
		}
		archive, _ := acc.MailboxByName("Archive")
		if _, err := acc.Copy(t.Context(), added.Mailbox, store.NewUIDSet(added.UIDs...), archive.ID); err != nil {
			t.Fatal(err)
		}
		acc.Release()
		f.hooks.Touch("mjl")
		synctest.Wait()
		f.deliver("some", "some@mx.example", mail, nil)
		if n := len(f.recv.all()); n != 1 {
			t.Errorf("%d calls", n)
		}
		// What comes while it is stopped is told at the next start, and nothing twice.
		f.end()
		f.deliver("mjl", "mjl@mx.example", mail+"3\n", func(tr *trace.Trace) { tr.Facts.MailFrom = "" })
		f.start()
		l = f.recv.all()
		if len(l) != 2 || !strings.Contains(l[1].body, `3\n`) || !strings.Contains(l[1].body, `"Automated":true`) {
			t.Errorf("after a restart: %+v", l)
		}
		// Too old: somebody has put back a webhook of long ago.
		f.end()
		f.deliver("mjl", "mjl@mx.example", mail+"4\n", nil)
		time.Sleep(8 * 24 * time.Hour)
		f.start()
		if n := len(f.recv.all()); n != 2 {
			t.Errorf("%d calls", n)
		}
		// An account without webhook does not keep a position, and begins anew with one.
		conf := f.Snapshot.Accounts["mjl"]
		webhook, logins := conf.Config.IncomingWebhook, conf.FromIDLogins
		conf.Config.IncomingWebhook, conf.FromIDLogins = nil, nil
		f.hooks.Forget("mjl")
		synctest.Wait()
		f.deliver("mjl", "mjl@mx.example", mail+"5\n", nil)
		conf.Config.IncomingWebhook, conf.FromIDLogins = webhook, logins
		f.hooks.Sync()
		synctest.Wait()
		f.deliver("mjl", "mjl@mx.example", mail+"6\n", nil)
		l = f.recv.all()
		if len(l) != 3 || !strings.Contains(l[2].body, `6\n`) {
			t.Errorf("%d calls after the webhook was gone for a while", len(l))
		}
	})
}

// TestDown: the receiver is down for an hour, with a restart of ours in between, and gets
// everything afterwards, once.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		began := time.Now()
		f.recv.set(func(int) (int, error) {
			if time.Since(began) < time.Hour {
				return 0, errors.New("connection refused")
			}
			return 200, nil
		})
		const n = 40
		for range n {
			f.record(f.send("mjl", ""), queue.Delivered, queue.Result{Success: true, Code: 250})
			f.deliver("mjl", "mjl@mx.example", mail+fmt.Sprint(time.Now().UnixNano())+"\n", nil)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		f.end()
		f.start()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		got := map[string]int{}
		failed := 0
		for _, r := range f.recv.all() {
			if r.at.Sub(began) < time.Hour {
				failed++
				continue
			}
			got[r.url+" "+r.id]++
		}
		if len(got) != 2*n {
			t.Errorf("%d of %d events arrived", len(got), 2*n)
		}
		for id, count := range got {
			if count != 1 {
				t.Errorf("%s arrived %d times", id, count)
			}
		}
		// Two URLs, about one call a minute each.
		if failed > 200 {
			t.Errorf("%d calls while it was down", failed)
		}
		if waiting, err := f.queue.HookCount(t.Context(), queue.HookFilter{}); waiting != 0 || err != nil {
			t.Errorf("%d calls still wait, %v", waiting, err)
		}
	})
}

// TestRetries is the schedule of a call that is always refused.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.recv.set(func(n int) (int, error) { return []int{404, 201, 302, 500}[n%4], nil })
		f.record(f.send("mjl", ""), queue.Delivered, queue.Result{Success: true})
		time.Sleep(40 * time.Hour)
		synctest.Wait()
		l := f.recv.all()
		if len(l) != Attempts {
			t.Fatalf("%d attempts", len(l))
		}
		for i, r := range l {
			if r.id != "1" || r.attempt != fmt.Sprint(i+1) {
				t.Errorf("attempt %d has id %s and number %s", i, r.id, r.attempt)
			}
			if i > 0 {
				if d := r.at.Sub(l[i-1].at); d < retries[i-1]-time.Second || d > retries[i-1]+time.Second {
					t.Errorf("attempt %d after %s, want %s", i+1, d, retries[i-1])
				}
			}
		}
		retired, err := f.queue.HookRetiredList(t.Context(), queue.HookRetiredFilter{}, queue.Sort{})
		if err != nil || len(retired) != 0 && retired[0].Success {
			t.Errorf("retired %+v, %v", retired, err)
		}
	})
	h := New(Config{Random: func() float64 { return 0.9999 }, Now: func() time.Time { return time.Unix(0, 0) }})
	if d := h.next(6).Sub(time.Unix(0, 0)); d < time.Hour+35*time.Second || d > time.Hour+36*time.Second {
		t.Errorf("not 1 %% more: %s", d)
	}
}

// TestParallel: one call to a URL, ten in all; the end of the server is no failure.
func TestParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.recv.hold = make(chan struct{})
		var hooks []queue.Hook
		for i := range 60 {
			hooks = append(hooks, queue.Hook{Account: "mjl", URL: fmt.Sprintf("http://h%d.example/", i%15), Event: queue.EventIncoming, Payload: []byte("{}")})
		}
		if _, err := f.queue.HookAdd(t.Context(), hooks...); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if f.recv.most != 10 || f.recv.open != 10 {
			t.Errorf("%d calls at the same time", f.recv.most)
		}
		urls := map[string]bool{}
		for _, r := range f.recv.all() {
			if urls[r.url] {
				t.Errorf("two calls to %s", r.url)
			}
			urls[r.url] = true
		}
		// The receivers hang: each call ends after a minute.
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if n := len(f.recv.all()); n < 15 {
			t.Errorf("%d calls after the first timed out", n)
		}
		f.end()
		close(f.recv.hold)
		f.recv.hold = nil
		f.start()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n, err := f.queue.HookCount(t.Context(), queue.HookFilter{}); n != 0 || err != nil {
			t.Errorf("%d calls wait, %v", n, err)
		}
	})
}

const failure = `From: postmaster@remote.example
To: mjl@mx.example
Subject: failed
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x

It failed.
--x
Content-Type: message/delivery-status

Reporting-MTA: dns; remote.example

Final-Recipient: rfc822; x@remote.example
Action: %s
Status: %s
Remote-MTA: dns; mx.remote.example
Diagnostic-Code: smtp; 550 5.1.1 no such user

--x--
`

func TestBounces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		m := f.send("mjl", "AbC-1")
		f.record(m, queue.Delivered, queue.Result{Success: true, Code: 250})
		null := func(tr *trace.Trace) { tr.Facts.MailFrom = "" }
		event := func(url string) webapi.OutgoingHook {
			t.Helper()
			synctest.Wait()
			l := f.recv.all()
			r := l[len(l)-1]
			var o webapi.OutgoingHook
			if r.url != "http://hooks.example/"+url {
				t.Errorf("call to %s: %s", r.url, r.body)
			}
			if err := json.Unmarshal([]byte(r.body), &o); err != nil {
				t.Fatal(err)
			}
			return o
		}
		if o := event("out"); o.Event != webapi.EventDelivered || o.DSN {
			t.Errorf("%+v", o)
		}
		for _, tc := range []struct {
			action, status string
			want           webapi.Event
			text           string
		}{{"delayed", "4.4.1", webapi.EventDelayed, "no such user"}, {"relayed", "2.0.0", webapi.EventRelayed, ""}, {"expanded", "2.0.0", webapi.EventExpanded, ""}, {"failed", "5.1.1", webapi.EventFailed, "no such user"}} {
			f.deliver("mjl", "mjl+AbC-1@mx.example", fmt.Sprintf(failure, tc.action, tc.status), null)
			o := event("out")
			if o.Event != tc.want || !o.DSN || o.QueueMsgID != m.ID || o.SMTPEnhancedCode != tc.status || !strings.Contains(o.Error, tc.text) || o.Extra["order"] != "1" {
				t.Errorf("%s: %+v", tc.action, o)
			}
		}
		if s, err := f.queue.SuppressionLookup(t.Context(), "mjl", path("x@remote.example")); err != nil || s == nil || !event("out").Suppressing {
			t.Errorf("not on the suppression list: %v", err)
		}
		// No DSN, or none that is understood.
		f.deliver("mjl", "mjl+AbC-1@mx.example", mail, null)
		if o := event("out"); o.Event != webapi.EventUnrecognized || o.DSN || o.QueueMsgID != m.ID {
			t.Errorf("%+v", o)
		}
		// An id that nobody knows, and that of another account: mail as any other.
		other := f.send("some", "other")
		f.record(other, queue.Delivered, queue.Result{Success: true})
		for _, id := range []string{"unknown", "other"} {
			n := len(f.recv.all())
			f.deliver("mjl", "mjl+"+id+"@mx.example", fmt.Sprintf(failure, "failed", "5.1.1")+id, null)
			event("in")
			if got := len(f.recv.all()); got != n+1 {
				t.Errorf("%s: %d calls", id, got-n)
			}
		}
	})
}

func TestPayloadLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.hooks.c.Limits.Payload = 3000
		f.deliver("mjl", "mjl@mx.example", mail+strings.Repeat("wörds\n", 5000), nil)
		l := f.recv.all()
		if len(l) != 1 || len(l[0].body) > 3000 || !json.Valid([]byte(l[0].body)) || !strings.Contains(l[0].body, "wörds") {
			t.Errorf("%d calls, %d octets", len(l), len(l[0].body))
		}
	})
}

// TestTransport calls a real server: redirects are not followed, and some addresses are
// not called.
func TestTransport(t *testing.T) {
	hits := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
		}
	}))
	defer s.Close()
	h := New(Config{Version: "v1"})
	for _, tc := range []struct {
		url  string
		ok   bool
		code int
	}{{s.URL, true, 200}, {s.URL + "/redirect", false, 307}, {"http://169.254.169.254/", false, 0}, {"http://[fe80::1]/", false, 0}, {"http://0.0.0.0:1/", false, 0}} {
		r := h.call(t.Context(), queue.Hook{URL: tc.url, Payload: []byte("{}")})
		if r.Success != tc.ok || r.Code != tc.code || (r.Error == "") != tc.ok {
			t.Errorf("%s: %+v", tc.url, r)
		}
		if tc.code == 0 && !strings.Contains(r.Error, errForbidden.Error()) {
			t.Errorf("%s: %s", tc.url, r.Error)
		}
	}
	if hits != 2 {
		t.Errorf("%d requests", hits)
	}
	if u := PlainError(fmt.Errorf("x: %w", context.DeadlineExceeded)); u != "no response in time" {
		t.Error(u)
	}
}

// TestExamples keeps the documented examples and the reference's field names.
func TestExamples(t *testing.T) {
	want := map[string][]string{
		"webhook-outgoing-delivered": {"DSN", "Error", "Event", "Extra", "FromID", "MessageID", "QueueMsgID", "SMTPCode", "SMTPEnhancedCode", "Subject", "Suppressing", "Version", "WebhookQueued"},
		"webhook-incoming-basic":     {"BCC", "CC", "Date", "From", "HTML", "InReplyTo", "Message" + "ID", "Meta", "References", "ReplyTo", "Structure", "Subject", "Text", "To", "Version"},
	}
	for _, ex := range webapi.HookExamples() {
		b, err := encode(ex.Body)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		for _, name := range want[ex.Name] {
			if _, ok := m[name]; !ok {
				t.Errorf("%s lacks %s", ex.Name, name)
			}
			delete(m, name)
		}
		if want[ex.Name] != nil && len(m) > 0 {
			t.Errorf("%s has more: %v", ex.Name, m)
		}
	}
}

// TestOutgoingExtra: a receiver can look into Extra without asking first whether there is one.
func TestOutgoingExtra(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Outgoing(newFixture(t).Snapshot, queue.Event{Account: "mjl", Name: "delivered"})
		if len(l) != 1 || !strings.Contains(string(l[0].Payload), `"Extra":{}`) {
			t.Errorf("%+v", l)
		}
	})
}
