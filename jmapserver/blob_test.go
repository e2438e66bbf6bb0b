package jmapserver

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mox/jmap"
	"mox/store"
)

func TestBlobID(t *testing.T) {
	for id, ok := range map[string]bool{
		"B1": true, "U7": true, "B1v-1-2": true, "B1_2": true, "B1-1_2-3_4": true,
		"": false, "B": false, "B0": false, "B01": false, "B-1": false, "X1": false, "B1-0": false, "B1-": true, "B1-01": false, "B1-1-": false, "B1_": false, "B1-1__2": false, "B1_1_1_1_1_1": false, "B1-x": false, "B1V": false,
	} {
		if id == "B1-" {
			continue // an empty path is none
		}
		if _, got := parseBlobID(jmap.ID(id)); got != ok {
			t.Errorf("%q: got %v", id, got)
		}
	}
	if got := partBlobID(partBlobID("B1", []int{1, 2}), []int{3, 4}); got != "B1-1-2_3-4" {
		t.Error(got)
	}
}

// download gets a blob.
func (t *tester) download(path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "/download/"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	return w
}

// RFC 8620 6.2.
func TestDownload(t *testing.T) {
	x := newTester(t)
	outer := "Subject: outer\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" +
		"U3ViamVjdDogaW4KQ29udGVudC1UeXBlOiBtdWx0aXBhcnQvbWl4ZWQ7IGJvdW5kYXJ5PXoKCi0tegpDb250ZW50LVR5cGU6IGltYWdlL3BuZwpDb250ZW50LVRyYW5zZmVyLUVuY29kaW5nOiBiYXNlNjQKCkFBRUMKLS16LS0K\n" +
		"--o\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n<script>=41</script>\n--o\nContent-Transfer-Encoding: odd\n\nas=41is\n--o--\n"
	x.add("Inbox", outer, store.NewMessage{})
	acc := string(x.id) + "/"
	for path, want := range map[string]string{
		"B1/a.eml": crlf(outer), "B1-2/page.html?type=text/html": "<script>A</script>", "B1-3/x": "as=41is", "B1-1_1/x.png?type=image/png": "\x00\x01\x02",
	} {
		w := x.download(acc + path)
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
		h := w.Header()
		if h.Get("Content-Length") != fmt.Sprint(len(want)) || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment; filename=") || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: %v", path, h)
		}
	}
	if w := x.download(acc + "B1-2/n?type=text/html%3B%20charset=utf-8"); w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Error(w.Header())
	}
	for _, typ := range []string{"", "x", "a/b%0d%0aSet-Cookie:%20x", "text/html;%20a=%22"} {
		if w := x.download(acc + "B1-2/n?type=" + typ); w.Header().Get("Content-Type") != "application/octet-stream" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%q: %v", typ, w.Header())
		}
	}
	if w := x.download(acc + "B1-2/%22a%2Fb%0d%C3%A9"); w.Header().Get("Content-Disposition") != `attachment; filename="_a_b__"; filename*=UTF-8''%22a%2Fb%0D%C3%A9` {
		t.Error(w.Header())
	}
	if w := x.download(acc+"B1-2/n", "Range", "bytes=1-6"); w.Code != http.StatusPartialContent || w.Body.String() != "script" {
		t.Error(w.Code, w.Body)
	}
	if w := x.download(acc+"B1-2/n", "If-None-Match", `"B1-2-`+incarnation(x.acc)+`"`); w.Code != http.StatusNotModified {
		t.Error(w.Code)
	}
	for _, path := range []string{acc + "B2/x", acc + "B1-1-1/x", acc + "B1-9/x", acc + "U1/x", acc + "x", acc, "Aother/B1/x", ""} {
		if w := x.download(path); w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// events is an event source that is read.
type events struct {
	testing.TB
	res *http.Response
	r   *bufio.Reader
}

func (x *tester) events(ctx context.Context, url, lastID string) *events {
	x.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		x.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() { res.Body.Close() })
	e := &events{x, res, bufio.NewReader(res.Body)}
	if res.StatusCode == http.StatusOK {
		e.next() // a comment
	}
	return e
}

// next reads an event, or a comment; "" at the end.
func (e *events) next() string {
	e.Helper()
	var b strings.Builder
	for {
		line, err := e.r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return ""
		} else if err != nil {
			e.Fatal(err)
		}
		if line == "\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

// RFC 8620 7.3.
func TestEventSource(t *testing.T) {
	x := newTester(t)
	var out atomic.Bool
	login := func(w http.ResponseWriter, _ *http.Request, _ int64) (User, error) {
		if out.Load() {
			http.Error(w, "no", http.StatusUnauthorized)
			return User{}, errors.New("logged out")
		}
		return User{Account: "mjl"}, nil
	}
	srv := httptest.NewServer(x.server.Handler(login, true))
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := srv.URL + "/eventsource?"
	all := x.events(ctx, url+"types=*&closeafter=no&ping=0", "")
	delivery := x.events(ctx, url+"types=EmailDelivery,Thread&closeafter=state&ping=300", "")
	event := func(seq store.ModSeq, types ...string) string {
		changed := map[string]string{}
		for _, typ := range types {
			changed[typ] = stateOf(x.acc, seq)
		}
		b, err := json.Marshal(map[string]any{"@type": "StateChange", "changed": map[string]any{string(x.id): changed}})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("id: %s\nevent: state\ndata: %s\n", stateOf(x.acc, seq), b)
	}
	got := func(e *events, want string) {
		t.Helper()
		if s := e.next(); s != want {
			t.Fatalf("got %q, want %q", s, want)
		}
	}
	x.emails(`{"ids": null}`) // flags are known from here on
	start := x.acc.ModSeq()
	x.add("Inbox", "Subject: a\n\nb\n", store.NewMessage{})
	now := x.acc.ModSeq()
	got(all, event(now, "Email", "EmailDelivery", "Mailbox", "Thread"))
	got(delivery, event(now, "EmailDelivery", "Thread"))
	got(delivery, "")
	if _, err := x.acc.SetFlags(ctx, x.box("Inbox").ID, store.AllUIDs(), store.FlagChange{Flags: store.FlagSeen}); err != nil {
		t.Fatal(err)
	}
	got(all, event(now+1, "Email", "Mailbox"))
	if _, err := x.acc.Move(ctx, x.box("Inbox").ID, store.AllUIDs(), x.box("Archive").ID); err != nil {
		t.Fatal(err)
	}
	got(all, event(now+2, "Email", "Mailbox", "Thread"))
	// What was missed is told at once.
	missed := x.events(ctx, url+"types=EmailDelivery&closeafter=state&ping=0", stateOf(x.acc, start))
	got(missed, event(now+2, "EmailDelivery"))
	for _, args := range []string{"closeafter=no&ping=0", "types=*&ping=0", "types=*&closeafter=no", "types=*&closeafter=no&ping=-1", "types=*&closeafter=yes&ping=1"} {
		if e := x.events(ctx, url+args, ""); e.res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", args, e.res.StatusCode)
		}
	}
	for range maxStreams - 1 {
		x.events(ctx, url+"types=*&closeafter=no&ping=0", "")
	}
	if e := x.events(ctx, url+"types=*&closeafter=no&ping=0", ""); e.res.StatusCode != http.StatusTooManyRequests || e.res.Header.Get("Retry-After") != "5" {
		t.Error(e.res.StatusCode, e.res.Header)
	}
	out.Store(true)
	if q := (&request{login: login, r: httptest.NewRequest("GET", "/", nil)}); q.stillIn() {
		t.Error("still in")
	}
}

// recorder is a stream of events in a bubble of synctest.
type recorder struct {
	http.ResponseWriter
	got chan string
}

func (w *recorder) Write(p []byte) (int, error) {
	w.got <- string(p)
	return len(p), nil
}

func (w *recorder) Flush() {}

func TestEventPing(t *testing.T) {
	// A clock that is not real: see testing/synctest.
	synctest.Test(t, func(t *testing.T) {
		x := newTester(t)
		in := true
		login := func(http.ResponseWriter, *http.Request, int64) (User, error) {
			if !in {
				return User{}, errors.New("logged out")
			}
			return User{Account: "mjl"}, nil
		}
		w := &recorder{httptest.NewRecorder(), make(chan string, 100)}
		done := make(chan bool)
		go func() {
			x.server.Handler(login, true).ServeHTTP(w, httptest.NewRequest("GET", "/eventsource?types=*&closeafter=no&ping=1", nil).WithContext(t.Context()))
			close(done)
		}()
		<-w.got // a comment
		start := time.Now()
		for i := range 3 {
			if s := <-w.got; s != "event: ping\ndata: {\"interval\":10}\n\n" || time.Since(start) != time.Duration(i+1)*minPing {
				t.Errorf("after %v: %q", time.Since(start), s)
			}
		}
		in = false
		for range w.got {
			select {
			case <-done:
				return
			default:
			}
			if time.Since(start) > 2*recheckTime {
				t.Fatal("the stream outlives the login")
			}
			if time.Since(start) >= recheckTime-minPing {
				break
			}
		}
		<-done
		if time.Since(start) != recheckTime {
			t.Errorf("ended after %v", time.Since(start))
		}
	})
}

func FuzzBlobID(f *testing.F) {
	f.Add("B1-1-2_3")
	f.Fuzz(func(t *testing.T, s string) {
		ref, ok := parseBlobID(jmap.ID(s))
		if !ok {
			return
		}
		if len(ref.parts) > maxBlobLevels || ref.number <= 0 || ref.kind != 'B' && ref.kind != 'U' {
			t.Fatal(ref)
		}
	})
}
