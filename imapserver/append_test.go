package imapserver

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"mox/store"
)

// appendScript is an APPEND of several messages, some by CATENATE, in pieces after which the
// server may be waited for.
func appendScript(r *rand.Rand, fault string) (list []string) {
	at := r.IntN(6)
	list = append(list, "t APPEND Archive")
	literal := func(s string) { list = append(list, fmt.Sprintf("{%d+}\r\n%s", len(s), s)) }
	for i := range 6 {
		bad := ""
		if i == at {
			bad = fault
		}
		list = append(list, " ")
		switch {
		case bad == "flag":
			list = append(list, `(\Bogus) `)
		case bad == "url":
			list = append(list, `CATENATE (URL "/INBOX/;UID=99" TEXT `)
			literal("Subject: never\r\n")
			list = append(list, ")")
			continue
		case bad == "empty":
			literal("")
			continue
		case bad == "huge":
			list = append(list, "{9999999}\r\n")
			return list
		}
		text := smallMessage(i) + strings.Repeat("a line that can be compressed\n", r.IntN(3000))
		if r.IntN(2) == 0 {
			literal(text)
			continue
		}
		list = append(list, "CATENATE (TEXT ")
		literal(text)
		list = append(list, ` URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT `)
		literal("end\r\n")
		list = append(list, ")")
	}
	return append(list, "\r\n")
}

// TestAppendInterrupted: an APPEND of several messages that is refused, or whose connection
// ends, somewhere in the middle, while the message before is still being prepared, adds nothing
// and leaves nothing running.
func TestAppendInterrupted(t *testing.T) {
	ts := newTestServer(t, testOptions{config: func(c *Config) { c.Limits.AppendSize = 1 << 20 }})
	ts.add("INBOX", smallMessage(0), 0)
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	before := runtime.NumGoroutine()
	r := rand.New(rand.NewPCG(1, 2))
	added := 0
	for i := range 60 {
		fault := []string{"flag", "url", "empty", "huge", "cut", ""}[i%6]
		if appendOnce(t, addr, appendScript(r, fault), fault == "cut", r) {
			added += 6
			if fault != "" {
				t.Errorf("%s: was added", fault)
			}
		} else if fault == "" {
			t.Error("was not added")
		}
	}
	deadline := time.Now().Add(time.Minute)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if mb, _ := ts.account.MailboxByName("Archive"); int(mb.Messages) != added {
		t.Errorf("%d messages, want %d", mb.Messages, added)
	}
	if l, err := ts.account.MessagesAt(t.Context(), 1, store.AllUIDs()); err != nil || len(l) != 1 {
		t.Errorf("Inbox: %v %v", l, err)
	}
}

// appendOnce sends a script, or with cut a part of it, and reports whether it succeeded.
func appendOnce(t *testing.T, addr string, script []string, cut bool, r *rand.Rand) bool {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	all := strings.Join(script, "")
	if cut {
		all = all[:r.IntN(len(all))]
	}
	fmt.Fprintf(nc, "a LOGIN %q %q\r\n", testUser, testPassword)
	for len(all) > 0 {
		n := min(len(all), 1+r.IntN(40_000))
		if _, err := nc.Write([]byte(all[:n])); err != nil {
			break // the server may have ended it
		}
		all = all[n:]
	}
	if cut {
		return false
	}
	br := bufio.NewReader(nc)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return false
		}
		if rest, ok := strings.CutPrefix(line, "t "); ok {
			return strings.HasPrefix(rest, "OK")
		}
	}
}
