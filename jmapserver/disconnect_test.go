package jmapserver

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mox/store"
)

// outable is a server whose user can be logged out.
func outable(t *testing.T, x *tester) (url string, out *atomic.Bool) {
	out = new(atomic.Bool)
	login := func(w http.ResponseWriter, _ *http.Request, _ int64) (User, error) {
		if out.Load() {
			http.Error(w, "no", http.StatusUnauthorized)
			return User{}, errors.New("logged out")
		}
		return User{Account: "mjl"}, nil
	}
	srv := httptest.NewServer(x.server.Handler(login, true))
	t.Cleanup(srv.Close)
	return srv.URL, out
}

// waitFor waits until something holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so within 10 s: ", what)
		}
	}
}

// under is how many requests are under way.
func (s *Server) under() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uses)
}

// An account can be removed while somebody has a page open, sends a file and gets one.
func TestDisconnect(t *testing.T) {
	x := newTester(t)
	url, _ := outable(t, x)
	id := x.add("Inbox", "Subject: a\n\n"+strings.Repeat(strings.Repeat("b", 70)+"\n", 500_000), store.NewMessage{})
	x.emails(`{"ids": null}`)
	stream := x.events(t.Context(), url+"/eventsource?types=*&closeafter=no&ping=0", "")
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	uploads := make(chan error, 1)
	go func() {
		res, err := http.Post(url+"/upload/"+string(x.id), "text/plain", r)
		if err == nil {
			err = res.Body.Close()
		}
		uploads <- err
	}()
	if _, err := w.Write([]byte("some")); err != nil {
		t.Fatal(err)
	}
	// More than buffers take, of which nothing is read.
	download, err := http.Get(url + "/download/" + string(x.id) + "/" + string(blobID(id)) + "/a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = download.Body.Close() })
	waitFor(t, "three requests are under way", func() bool { return x.server.under() == 3 })
	x.server.Disconnect("other")
	x.server.Recheck("mjl")
	time.Sleep(20 * time.Millisecond)
	if n := x.server.under(); n != 3 {
		t.Fatalf("%d requests are left", n)
	}
	x.acc.Release()
	if err := x.fixture.Store.Remove(t.Context(), "mjl"); !errors.Is(err, store.ErrInUse) {
		t.Fatal(err)
	}
	x.server.Disconnect("mjl")
	waitFor(t, "all requests have ended", func() bool { return x.server.under() == 0 })
	if s := stream.next(); s != "" {
		t.Errorf("got %q", s)
	}
	if _, err := io.Copy(io.Discard, download.Body); err == nil {
		t.Error("the download is whole")
	}
	if n := len(x.server.mails.accounts); n != 0 {
		t.Errorf("%d accounts are in memory", n)
	}
	waitFor(t, "the account is removed", func() bool { return x.fixture.Store.Remove(t.Context(), "mjl") == nil })
	_ = w.CloseWithError(io.ErrClosedPipe)
	<-uploads
}

// A stream ends at once when its login does.
func TestRecheck(t *testing.T) {
	x := newTester(t)
	url, out := outable(t, x)
	stream := x.events(t.Context(), url+"/eventsource?types=*&closeafter=no&ping=0", "")
	out.Store(true)
	x.server.Recheck("mjl")
	start := time.Now()
	if s := stream.next(); s != "" || time.Since(start) > recheckTime/2 {
		t.Errorf("got %q after %v", s, time.Since(start))
	}
}

// States that are pushed are those that /get tells, and setting \Deleted changes Threads.
func TestPushedStates(t *testing.T) {
	w := newWriter(t)
	url, _ := outable(t, w.tester)
	w.add("Inbox", "Subject: a\n\nb\n", store.NewMessage{})
	w.emails(`{"ids": null}`)
	stream := w.events(t.Context(), url+"/eventsource?types=*&closeafter=no&ping=0", "")
	w.flag(1, true)
	if s := stream.next(); !strings.Contains(s, `"Thread"`) {
		t.Errorf("got %q", s)
	}
	w.set("Identity/set", `{"create": {"k": {"email": "mjl@mx.example", "name": "x"}}}`).id(t)
	var res getResult
	in := w.calls(`[["Identity/get", {"accountId": "ACC", "ids": []}, "c"]]`)[0]
	if err := json.Unmarshal(in.Args, &res); err != nil {
		t.Fatal(err)
	}
	if s := stream.next(); !strings.Contains(s, `"Identity":"`+res.State+`"`) {
		t.Errorf("got %q, want state %q", s, res.State)
	}
}

// A browser asks whether what it has of a file still holds, and it does not for another account of the name.
func TestBlobCaching(t *testing.T) {
	x := newTester(t)
	url, _ := outable(t, x)
	id := x.add("Inbox", "Subject: a\n\nb\n", store.NewMessage{})
	get := func(tag string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/download/"+string(x.id)+"/"+string(blobID(id))+"/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("If-None-Match", tag)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	first := get(`""`)
	tag := first.Header.Get("ETag")
	if c := first.Header.Get("Cache-Control"); c != "private, no-cache" || first.StatusCode != http.StatusOK {
		t.Error(first.StatusCode, c)
	}
	if res := get(tag); res.StatusCode != http.StatusNotModified {
		t.Error(res.StatusCode)
	}
	// As a restore does.
	if _, err := x.acc.BumpUIDValidity(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if res := get(tag); res.StatusCode != http.StatusOK {
		t.Error(res.StatusCode)
	}
}
