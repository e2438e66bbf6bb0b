package imapserver

import (
	"bufio"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestProgressSearch: long searches say how far they are, every 12 seconds.
func TestProgressSearch(t *testing.T) {
	var now atomic.Int64
	ts := newTestServer(t, testOptions{config: func(c *Config) { c.Now = func() time.Time { return time.Unix(now.Add(1), 0) } }})
	nc, err := ts.ln.Dial(remote)
	if err != nil {
		t.Fatal(err)
	}
	c := newLineClient(t, nc)
	defer c.close()
	c.ok(`LOGIN "` + testUser + `" "te\"st p\\ss"`)
	for i := range 40 {
		ts.add("Inbox", smallMessage(i), 0)
	}
	c.ok("SELECT INBOX")
	for _, command := range []string{"SEARCH BODY nothing", "UID SORT (SUBJECT) UTF-8 TEXT nothing", "THREAD REFS UTF-8 FUZZY BODY nothing"} {
		untagged := c.ok(command)
		var got []string
		for _, l := range untagged {
			if code, ok := strings.CutPrefix(l, "* OK [INPROGRESS ("); ok {
				_, code, _ = strings.Cut(code, " ")
				got = append(got, strings.TrimSuffix(code, ")] still working"))
			}
		}
		if len(got) < 3 || !strings.HasSuffix(got[0], " 40") || len(slices.Compact(slices.Clone(got))) != len(got) || len(untagged) != len(got)+1 {
			t.Errorf("%s: %q", command, untagged)
		}
	}
	var got int
	for _, l := range c.ok("ESEARCH IN (personal) BODY nothing") {
		if !strings.Contains(l, " 6)] ") {
			t.Errorf("got %q", l)
		}
		got++
	}
	if got < 3 {
		t.Errorf("%d responses", got)
	}
	// What is quick says nothing.
	if l := c.ok("SEARCH 1:3 SEEN"); len(l) != 1 {
		t.Errorf("got %q", l)
	}
}

// TestProgressWorking: other long commands say that they go on.
func TestProgressWorking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		s := newSession(New(Config{}), server, &Listener{})
		failure := errors.New("failure")
		result := make(chan error)
		go func() {
			result <- s.working("a1", func() error {
				time.Sleep(25 * time.Second)
				return failure
			})
		}()
		r := bufio.NewReader(client)
		start := time.Now()
		for i := range 2 {
			if l := readLine(t, r); l != `* OK [INPROGRESS ("a1" NIL NIL)] still working` || time.Since(start) != time.Duration(i+1)*progressEvery {
				t.Errorf("%q after %v", l, time.Since(start))
			}
		}
		if err := <-result; err != failure {
			t.Errorf("got %v", err)
		}
		// A panic is the session's, which ends, and not the server's.
		func() {
			defer func() {
				if p := recover(); p == nil {
					t.Error("no panic")
				}
			}()
			_ = s.working("a2", func() error { panic("x") })
		}()
		client.Close()
		if err := s.working("a3", func() error { time.Sleep(time.Minute); return nil }); !isNetError(err) {
			t.Errorf("got %v", err)
		}
		s.conn.Close()
	})
}
