package imapserver

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/imap"
	"mox/store"
)

// listener is a client that has used NOTIFY and reads what it is told.
type listener struct {
	t  testing.TB
	nc net.Conn
	r  *imap.ResponseReader
	m  *model
	// status has the last STATUS of each mailbox.
	status map[string]map[string]string
}

type lineReader struct{ *bufio.Reader }

func (r lineReader) ReadLine(int) ([]byte, error) {
	line, err := r.ReadBytes('\n')
	return bytes.TrimSuffix(line, []byte("\r\n")), err
}

func newListener(t testing.TB, addr, notify string) *listener {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(time.Minute))
	l := &listener{t: t, nc: nc, r: imap.NewResponseReader(lineReader{bufio.NewReader(nc)}), m: &model{t: t, name: "listener", flags: map[uint32]string{}}, status: map[string]map[string]string{}}
	fmt.Fprintf(nc, "a LOGIN %q %q\r\n", testUser, testPassword)
	l.until("a")
	fmt.Fprintf(nc, "b SELECT INBOX\r\nc FETCH 1:* (UID FLAGS)\r\nd NOTIFY SET %s\r\n", notify)
	l.until("d")
	return l
}

// until reads up to a tagged response.
func (l *listener) until(tag string) {
	for {
		r, err := l.r.Read()
		if err != nil {
			l.t.Errorf("reading: %v", err)
			return
		}
		switch r := r.(type) {
		case *imap.MailboxStatus:
			l.status[r.Mailbox] = r.Items
		case *imap.StatusResponse:
			if r.Code == imap.CodeNotificationOverflow {
				l.t.Error("overflow")
			}
			if r.Tag == tag {
				return
			}
		default:
			l.m.on(r)
		}
	}
}

// TestNotifyStress: what clients that only listen, or also read by UID, are told between
// commands while others change everything, is what there is in the end.
func TestNotifyStress(t *testing.T) {
	rounds := 80
	if testing.Short() {
		rounds = 20
	}
	ts := newTestServer(t, testOptions{})
	for i := range 30 {
		ts.add("Inbox", smallMessage(i), store.Flags(i%8))
	}
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	var listeners []*listener
	for range 3 {
		listeners = append(listeners, newListener(t, addr, "(selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (mailboxes Archive (MessageNew MessageExpunge FlagChange))"))
	}
	var wg, readers, done sync.WaitGroup
	done.Add(3)
	for i := range 3 {
		wg.Go(func() {
			stressClient(t, addr, fmt.Sprintf("client %d", i), rand.Uint64(), rounds, i == 1, &done)
		})
	}
	stop := make(chan struct{})
	for i, l := range listeners {
		readers.Go(func() { l.until("z") })
		// One of them has a long FETCH going most of the time, one IDLE.
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					fmt.Fprintf(l.nc, "z NOOP\r\n")
					return
				case <-time.After(time.Millisecond):
				}
				switch i {
				case 1:
					fmt.Fprintf(l.nc, "f%d UID FETCH 1:* (UID FLAGS ENVELOPE BODY.PEEK[])\r\n", n)
				case 2:
					fmt.Fprintf(l.nc, "f%d IDLE\r\nDONE\r\n", n)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	mb, _ := ts.account.MailboxByName("Inbox")
	arch, _ := ts.account.MailboxByName("Archive")
	box, err := ts.account.OpenBox(context.Background(), mb.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	for i, l := range listeners {
		if len(l.m.uids) != box.View().Len() {
			t.Errorf("listener %d: %d messages, there are %d", i, len(l.m.uids), box.View().Len())
			continue
		}
		for k, m := range box.View().All() {
			flags := append(m.Flags.Names(), ts.account.Keywords(m.Keywords)...)
			slices.Sort(flags)
			if l.m.uids[k] != uint32(m.UID) || l.m.flags[uint32(m.UID)] != strings.Join(flags, " ") {
				t.Errorf("listener %d: message %d is %d %q, want %d %q", i, k+1, l.m.uids[k], l.m.flags[uint32(m.UID)], m.UID, flags)
			}
		}
		if got := l.status["Archive"]["MESSAGES"]; got != fmt.Sprint(arch.Messages) && arch.Messages > 0 {
			t.Errorf("listener %d: Archive has %s messages, want %d", i, got, arch.Messages)
		}
	}
}

// TestNotifyLatency: clients are told of a commit soon, with no command in progress.
func TestNotifyLatency(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	var conns []net.Conn
	for range 50 {
		nc, r := idleNotifier(t, addr)
		if r.Buffered() > 0 {
			t.Fatal("unexpected input")
		}
		conns = append(conns, nc)
	}
	var all []time.Duration
	for i := range 10 {
		ts.add("Archive", smallMessage(i), 0)
		start := time.Now()
		want := fmt.Sprintf("* STATUS Archive (UIDNEXT %d MESSAGES %d)\r\n", i+2, i+1)
		for _, nc := range conns {
			buf := make([]byte, len(want))
			if _, err := io.ReadFull(nc, buf); err != nil || string(buf) != want {
				t.Fatalf("%q, %v", buf, err)
			}
			all = append(all, time.Since(start))
		}
	}
	slices.Sort(all)
	t.Logf("told after %v (median), %v (last)", all[len(all)/2], all[len(all)-1])
	if all[len(all)/2] > 10*time.Second {
		t.Error("too late")
	}
}

// idleNotifier is a client that listens to Archive.
func idleNotifier(t testing.TB, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	fmt.Fprintf(nc, "a LOGIN %q %q\r\nb NOTIFY SET (mailboxes Archive (MessageNew MessageExpunge))\r\n", testUser, testPassword)
	r := bufio.NewReaderSize(nc, 512)
	for {
		if line := readLine(t, r); strings.HasPrefix(line, "b ") {
			return nc, r
		}
	}
}

// TestNotifyMemory: what a client that listens takes.
func TestNotifyMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	ts := newTestServer(t, testOptions{})
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	idleNotifier(t, addr)
	const n = 300
	before := memory()
	for range n {
		idleNotifier(t, addr)
	}
	each := (memory() - before) / n
	t.Logf("%d bytes for each connection", each)
	if each > 32<<10 { // about 10 KB; the race detector doubles it
		t.Errorf("%d bytes for each connection", each)
	}
}

// TestNotifySlowReader: a client that listens and does not read holds up nobody, and is not
// followed by what it has not read.
func TestNotifySlowReader(t *testing.T) {
	ts := newTestServer(t, testOptions{config: func(c *Config) { c.Limits.NotifyBehind = 50 }})
	nc, err := ts.ln.Dial(remote) // a pipe in memory: every write waits for its reader
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	readLine(t, r)
	fmt.Fprintf(nc, "a LOGIN \"%s\" \"te\\\"st p\\\\ss\"\r\n", testUser)
	for !strings.HasPrefix(readLine(t, r), "a OK") {
	}
	fmt.Fprintf(nc, "b NOTIFY SET (personal (MessageNew MessageExpunge MailboxName SubscriptionChange))\r\n")
	for !strings.HasPrefix(readLine(t, r), "b OK") {
	}
	for i := range 200 {
		if err := ts.account.Subscribe(context.Background(), fmt.Sprint("name", i), true); err != nil {
			t.Fatal(err)
		}
	}
	go fmt.Fprintf(nc, "c NOOP\r\n") // the server may have to write first
	told, overflow := 0, false
	for {
		line := readLine(t, r)
		switch {
		case strings.HasPrefix(line, "* LIST"):
			told++
		case strings.HasPrefix(line, "* OK [NOTIFICATIONOVERFLOW]"):
			overflow = true
		case strings.HasPrefix(line, "c OK"):
			if !overflow && told != 200 {
				t.Errorf("told of %d, and of no overflow", told)
			}
			return
		}
	}
}
