package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mox/admin"
	"mox/mlog"
	"mox/store"
	"mox/storetest"
	"mox/transfer"
)

const transferDomains = `Domains:
	mox.example: nil
Accounts:
	mjl:
		Domain: mox.example
		Destinations:
			mjl@mox.example: nil
`

// sendMails writes n messages, and then what end says.
func sendMails(n int, end error) func(io.Writer) error {
	return func(w io.Writer) error {
		e := transfer.NewEncoder(w)
		for i := range n {
			text := fmt.Sprintf("Message-ID: <%d@x>\r\n\r\n%s\r\n", i, strings.Repeat("x", 1000))
			if err := e.Message(&transfer.Message{Folder: "f", Body: strings.NewReader(text)}); err != nil {
				return err
			}
		}
		if end != nil {
			return errors.Join(e.Flush(), end)
		}
		return e.Close()
	}
}

func TestTransfer(t *testing.T) {
	f := storetest.New(t, transferDomains)
	path := filepath.Join(t.TempDir(), "ctl")
	s := &Server{Admin: &admin.Admin{Store: f.Store, Log: mlog.Discard(), Stop: func() {}}, Log: mlog.Discard()}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Start(l)
	defer s.Close()
	acc, err := f.Store.Account(t.Context(), "mjl")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	client := func() *Client {
		c, err := Dial(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	run := func(ctx context.Context, c *Client, account string, send func(io.Writer) error) (transfer.Result, error) {
		var out bytes.Buffer
		err := c.Stream(ctx, Request{Command: "import", Params: []string{account, "{}"}}, send, &out)
		var last transfer.Result
		for line := range strings.Lines(out.String()) {
			var l ImportLine
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			if l.Result != nil {
				last = *l.Result
			}
		}
		return last, err
	}
	count := func() int { return int(acc.Quota().Count) }
	ctx := context.Background()

	// An account that does not exist, while much is sent.
	if _, err := run(ctx, client(), "nobody", sendMails(5000, nil)); err == nil || !strings.Contains(err.Error(), `account "nobody": not found`) {
		t.Errorf("no account: %v", err)
	}
	// The source fails: what came is there, and its error is told.
	bad := errors.New("bad disk")
	if _, err := run(ctx, client(), "mjl", sendMails(100, bad)); !errors.Is(err, bad) {
		t.Errorf("source: %v", err)
	}
	waitFor(t, func() bool { return count() == 100 })
	// The command ends halfway.
	cctx, cancel := context.WithCancel(ctx)
	_, err = run(cctx, client(), "mjl", func(w io.Writer) error {
		return sendMails(700, nil)(writerFunc(func(p []byte) (int, error) {
			if count() > 100 {
				cancel()
			}
			return w.Write(p)
		}))
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	cancel()
	// Once more: it goes on, and the connection can be used for more.
	c := client()
	res, err := run(ctx, c, "mjl", sendMails(700, nil))
	if err != nil || res.Added+res.Duplicates != 700 || res.Duplicates < 100 || count() != 700 {
		t.Errorf("again: %+v, %v, %d", res, err, count())
	}
	if res, err := run(ctx, c, "mjl", sendMails(10, nil)); err != nil || res.Duplicates != 10 {
		t.Errorf("on the same connection: %+v %v", res, err)
	}
	// Over quota, with the result before.
	acc.SetLimits(store.Limits{Messages: 1000})
	if res, err := run(ctx, client(), "mjl", sendMails(20_000, nil)); err == nil || !strings.Contains(err.Error(), "quota") || res.Duplicates != 700 {
		t.Errorf("quota: %+v %v", res, err)
	}
	// Back out.
	var out bytes.Buffer
	c = client()
	if err := c.Stream(ctx, Request{Command: "export", Params: []string{"mjl", `{"Mailbox":"f"}`}}, nil, &out); err != nil {
		t.Error(err)
	}
	n := &counter{}
	if err := transfer.Decode(&out).Send(ctx, n); err != nil || n.messages != count() {
		t.Errorf("%d messages, %v", n.messages, err)
	}
	if err := c.Stream(ctx, Request{Command: "export", Params: []string{"mjl", `{"Mailbox":"g"}`}}, nil, &out); err == nil || !strings.Contains(err.Error(), "no such mailbox") {
		t.Error(err)
	}
	for _, r := range []Request{{Command: "xyzzy"}, {Command: "import"}, {Command: "export", Params: []string{"a"}}, {Command: "stop"}} {
		if err := client().Stream(ctx, r, nil, io.Discard); err == nil || !strings.Contains(err.Error(), "no command with a stream") {
			t.Errorf("%v: %v", r, err)
		}
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type counter struct{ messages int }

func (c *counter) Folder(transfer.Folder) error { return nil }
func (c *counter) Problem(string)               {}
func (c *counter) Message(m *transfer.Message) error {
	c.messages++
	_, err := io.Copy(io.Discard, m.Body)
	return err
}
