package imapserver

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"mox/imapclient"
	"mox/store"
)

// client is a client that is logged in.
func (ts *testServer) client() *imapclient.Client {
	ts.t.Helper()
	ctx := context.Background()
	c, err := imapclient.Dial(ctx, ts.tcp(Listener{Service: "imap", PlaintextAuth: true}), imapclient.Plain, nil, imapclient.Options{})
	if err == nil {
		err = c.Login(ctx, testUser, testPassword)
	}
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { c.Close() })
	return c
}

// TestCatenateLarge puts a message together of large parts, which are not in memory whole.
func TestCatenateLarge(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	ctx := context.Background()
	const lines = 1 << 18
	sp := ts.store.NewSpool()
	defer sp.Close()
	want := sha256.New()
	io.WriteString(sp, "Subject: large\r\n\r\n")
	line := strings.Repeat("0123456789abcde", 2) + "\r\n"
	for range lines {
		io.WriteString(sp, line)
	}
	if err := sp.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := ts.account.Deliver(ctx, "Inbox", store.NewMessage{Spool: sp}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		fmt.Fprintf(want, "Part: %d\r\n", i)
		for range lines {
			io.WriteString(want, line)
		}
	}
	c := ts.client()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Do(ctx, `APPEND Drafts CATENATE (TEXT {9+}`+"\r\nPart: 0\r\n"+` URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT {9+}`+"\r\nPart: 1\r\n"+` URL "/INBOX/;UID=1/;SECTION=1")`)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	n := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d KB", n>>10)
	if n > 40<<20 {
		t.Errorf("%d MB allocated in all for a message of 16 MB", n>>20)
	}
	mb, _ := ts.account.MailboxByName("Drafts")
	msgs, err := ts.account.MessagesAt(ctx, mb.ID, store.AllUIDs())
	if err != nil || len(msgs) != 1 {
		t.Fatal(err, len(msgs))
	}
	body, err := ts.account.OpenBody(ctx, msgs[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	got := sha256.New()
	if _, err := body.WriteTo(got); err != nil {
		t.Fatal(err)
	}
	if string(got.Sum(nil)) != string(want.Sum(nil)) {
		t.Errorf("message of %d bytes is another", body.Size())
	}
}
