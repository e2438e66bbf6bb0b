package imapserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mox/imap"
	"mox/imapclient"
	"mox/store"
)

// lastSession returns the session that began last.
func (ts *testServer) lastSession() (last *session) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for s := range ts.sessions {
		if last == nil || s.cid > last.cid {
			last = s
		}
	}
	return last
}

// countWakes counts, from now on, how often an idle session is woken by its alarm.
func (s *session) countWakes() *atomic.Int32 {
	n := new(atomic.Int32)
	waitOwner(s)
	defer s.owner.Unlock()
	s.alarm.F = func() {
		if !s.owner.TryLock() || !s.tellIdle() {
			n.Add(1)
			s.conn.Interrupt()
		}
	}
	s.alarm.Set(s.box.view)
	return n
}

// waitOwner becomes the owner of a session that is about to wait.
func waitOwner(s *session) {
	for !s.owner.TryLock() {
		time.Sleep(time.Millisecond)
	}
}

// smallBuffers makes the kernel keep little of what a client does not read.
func smallBuffers(t *testing.T, client, server net.Conn) {
	t.Helper()
	if err := errors.Join(client.(*net.TCPConn).SetReadBuffer(4<<10), server.(*net.TCPConn).SetWriteBuffer(4<<10)); err != nil {
		t.Fatal(err)
	}
}

// TestIdleTold: an idle client is told without waking its session, where that is possible.
func TestIdleTold(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("TLS always wakes here")
	}
	for _, mode := range []struct {
		name               string
		tls, compress, may bool
	}{{"plain", false, false, true}, {"tls", true, false, true}, {"compress", false, true, false}} {
		t.Run(mode.name, func(t *testing.T) {
			ts := newTestServer(t, testOptions{})
			ts.add("Inbox", smallMessage(1), 0)
			addr, tc := ts.tcpOf(mode.tls)
			nc := rawClient(t, addr, tc, mode.compress)
			nc.SetDeadline(time.Now().Add(time.Minute))
			wakes := ts.lastSession().countWakes()
			r := bufio.NewReader(nc)
			acknowledged := func() {
				if mode.tls {
					time.Sleep(100 * time.Millisecond)
				}
			}
			acknowledged()
			expect := func(want string) {
				t.Helper()
				if got := readLine(t, r); strings.TrimSpace(got) != want {
					t.Fatalf("told %q, want %q", got, want)
				}
				acknowledged()
			}
			ctx := context.Background()
			mb, _ := ts.account.MailboxByName("Inbox")
			ts.add("Inbox", smallMessage(2), 0)
			expect("* 2 EXISTS")
			set := store.UIDSet{{Start: 2, End: 2}}
			if _, err := ts.account.SetFlags(ctx, mb.ID, set, store.FlagChange{Op: store.FlagsAdd, Flags: store.FlagDeleted}); err != nil {
				t.Fatal(err)
			}
			expect(`* 2 FETCH (FLAGS (\Deleted))`)
			if _, _, err := ts.account.Expunge(ctx, mb.ID, set); err != nil {
				t.Fatal(err)
			}
			expect("* 2 EXPUNGE")
			if n := wakes.Load(); mode.may && n != 0 || !mode.may && n == 0 {
				t.Errorf("woken %d times", n)
			}
			fmt.Fprintf(nc, "DONE\r\ne NOOP\r\n")
			for _, want := range []string{"d OK done", "e OK done"} {
				if nc, ok := nc.(interface{ Flush() error }); ok {
					nc.Flush()
				}
				expect(want)
			}
		})
	}
}

// TestIdleSlowReader: a client that does not read in IDLE holds up nobody, and is cut; what it
// got before makes sense to the end.
func TestIdleSlowReader(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	ts := newTestServer(t, testOptions{config: func(c *Config) {
		c.Limits.WriteTimeout, c.Limits.LoginTimeout = time.Second, 2*time.Second
	}})
	for i := range maxRung {
		ts.add("Inbox", smallMessage(i), 0)
	}
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	slow := rawClient(t, addr, nil, false)
	sess := ts.lastSession()
	waitOwner(sess) // in IDLE
	smallBuffers(t, slow, sess.conn.NetConn())
	sess.owner.Unlock()
	quick := rawClient(t, addr, nil, false)
	go io.Copy(io.Discard, quick)
	quickSess := ts.lastSession()
	mb, _ := ts.account.MailboxByName("Inbox")
	ended := func() bool {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		_, on := ts.sessions[sess]
		return !on
	}
	begin := time.Now()
	for i := 0; !ended(); i++ {
		word := strings.Repeat("k", 40) + fmt.Sprint(i%2)
		if _, err := ts.account.SetFlags(context.Background(), mb.ID, store.UIDSet{{Start: 1, End: maxRung}}, store.FlagChange{Op: store.FlagsReplace, Keywords: []string{word}}); err != nil {
			t.Fatal(err)
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("not cut")
		}
	}
	// The other one has heard all.
	waitOwner(quickSess)
	for quickSess.box.view != quickSess.box.box.View() {
		quickSess.owner.Unlock()
		time.Sleep(time.Millisecond)
		waitOwner(quickSess)
	}
	quickSess.owner.Unlock()
	slow.SetDeadline(time.Now().Add(time.Minute))
	all, _ := io.ReadAll(slow) // to the end of the connection, whatever it is
	lines := strings.Split(string(all), "\r\n")
	for _, l := range lines[:len(lines)-1] {
		if !strings.HasPrefix(l, "* ") || !strings.HasSuffix(l, ")") && !strings.HasSuffix(l, "] flags") {
			t.Errorf("told %q", l)
		}
	}
	t.Logf("cut after %d lines", len(lines))
}

// TestIdleMuch: much to tell to a client that does not read holds up nobody, and arrives whole.
func TestIdleMuch(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	for i := range maxRung {
		ts.add("Inbox", smallMessage(i), 0)
	}
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	quick := rawClient(t, addr, nil, false)
	slow := rawClient(t, addr, nil, false)
	s := ts.lastSession() // the first to be told, as the last to wait
	waitOwner(s)
	smallBuffers(t, slow, s.conn.NetConn())
	s.owner.Unlock()
	var words []string
	for i := range 60 {
		words = append(words, fmt.Sprintf("keyword-%020d", i))
	}
	mb, _ := ts.account.MailboxByName("Inbox")
	if _, err := ts.account.SetFlags(context.Background(), mb.ID, store.UIDSet{{Start: 1, End: maxRung}}, store.FlagChange{Keywords: words}); err != nil {
		t.Fatal(err)
	}
	for _, nc := range []net.Conn{quick, slow} {
		nc.SetDeadline(time.Now().Add(time.Minute))
		r := bufio.NewReaderSize(nc, outputBuffer)
		for i := 1; i <= maxRung; {
			line := readLine(t, r)
			if strings.Contains(line, "] flags") || strings.HasPrefix(line, "* FLAGS ") {
				continue
			}
			if want := fmt.Sprintf("* %d FETCH (FLAGS (%s))", i, strings.Join(words, " ")); strings.TrimSpace(line) != want {
				t.Fatalf("told %q, want %q", line, want)
			}
			i++
		}
		fmt.Fprintf(nc, "DONE\r\n")
		if line := readLine(t, r); !strings.HasPrefix(line, "d OK") {
			t.Fatalf("%q", line)
		}
	}
}

// TestIdlePanic: a failure while an idle client is told ends that session only.
func TestIdlePanic(t *testing.T) {
	ts := newTestServer(t, testOptions{log: slog.LevelError + 4})
	ts.add("Inbox", smallMessage(1), 0)
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true})
	nc := rawClient(t, addr, nil, false)
	s := ts.lastSession()
	waitOwner(s)
	s.box.view = nil
	s.owner.Unlock()
	other := rawClient(t, addr, nil, false)
	ts.add("Inbox", smallMessage(2), 0)
	for _, c := range []struct {
		nc   net.Conn
		want string
	}{{nc, "* BYE [SERVERBUG] internal error"}, {other, "* 2 EXISTS"}} {
		c.nc.SetDeadline(time.Now().Add(time.Minute))
		if line := readLine(t, bufio.NewReader(c.nc)); !strings.HasPrefix(line, c.want) {
			t.Errorf("told %q, want %q", line, c.want)
		}
	}
	if *ts.panics != 1 {
		t.Errorf("%d panics counted", *ts.panics)
	}
	*ts.panics = 0
}

// TestIdleStress has clients idle, stop and look while others change the mailbox: the model
// that each has from responses alone is what the server has.
func TestIdleStress(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	ts := newTestServer(t, testOptions{})
	for i := range 50 {
		ts.add("Inbox", smallMessage(i), store.Flags(i%8))
	}
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true, TLS: &tls.Config{Certificates: []tls.Certificate{ts.cert}}})
	var wg, changing sync.WaitGroup
	changing.Add(2)
	for i := range 2 {
		wg.Go(func() {
			stressClient(t, addr, fmt.Sprintf("client %d", i), rand.Uint64(), rounds, i%2 == 1, &changing)
		})
	}
	over := make(chan struct{})
	go func() {
		changing.Wait()
		close(over)
	}()
	for i := range 6 {
		wg.Go(func() { idler(t, addr, fmt.Sprintf("idler %d", i), i%2 == 1, over) })
	}
	wg.Wait()
}

// idler is mostly in IDLE until over is closed, and then looks whether it knows all.
func idler(t *testing.T, addr, name string, secure bool, over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m := &model{t: t, name: name, flags: map[uint32]string{}}
	sec := imapclient.Plain
	if secure {
		sec = imapclient.StartTLS
	}
	c, err := imapclient.Dial(ctx, addr, sec, &tls.Config{InsecureSkipVerify: true}, imapclient.Options{Unsolicited: m.on})
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	check := func(what string, err error) bool {
		if err != nil {
			t.Errorf("%s: %s: %v", name, what, err)
		}
		return err == nil
	}
	if !check("login", c.Login(ctx, testUser, testPassword)) {
		return
	}
	sel, err := c.Select(ctx, "INBOX", "")
	if !check("select", err) {
		return
	}
	m.uids = make([]uint32, sel.Exists)
	for last := false; ; {
		if !check("learn", m.learn(ctx, c)) {
			return
		}
		select {
		case <-over:
			last = true
		default:
		}
		if last {
			break
		}
		idle, stop := context.WithTimeout(ctx, time.Duration(rand.IntN(30))*time.Millisecond)
		err := c.Idle(idle, func(r imap.Response) bool { m.on(r); return true })
		stop()
		if !check("idle", err) {
			return
		}
	}
	if check("noop", c.Noop(ctx)) && check("learn", m.learn(ctx, c)) {
		m.compare(ctx, c, check)
	}
}
