package submit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/config"
	"mox/deliver"
	"mox/directory"
	"mox/dns"
	"mox/junk"
	"mox/smtp"
	"mox/storetest"
	"mox/trace"
)

const dynamic = `Domains:
	mx.example:
		LocalpartCatchallSeparator: +
		Aliases:
			sales:
				Addresses:
					- mjl@mx.example
				AllowMsgFrom: true
			private:
				Addresses:
					- other@mx.example
			team:
				Addresses:
					- other@mx.example
					- third@mx.example
				PostPublic: true
	off.example:
		Disabled: true
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
			mjl@off.example: nil
			ü@mx.example: nil
	other:
		Domain: mx.example
		Destinations:
			other@mx.example: nil
	third:
		Domain: mx.example
		Destinations:
			third@mx.example: nil
	small:
		Domain: mx.example
		QuotaMessageSize: 3000
		Destinations:
			small@mx.example: nil
	few:
		Domain: mx.example
		MaxOutgoingMessagesPerDay: 4
		MaxFirstTimeRecipientsPerDay: 2
		Destinations:
			few@mx.example: nil
`

type fixture struct {
	*storetest.Fixture
	c       Config
	results []string
	traces  []*trace.Trace
	mu      sync.Mutex // guards traces
}

func setup(t *testing.T) *fixture {
	f := &fixture{Fixture: storetest.New(t, dynamic)}
	m, err := junk.New(junk.Config{Store: f.Store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The context of the test has ended.
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	f.c = Config{
		Junk: m,
		Trace: func(tr *trace.Trace) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.traces = append(f.traces, tr)
		},
		ID:        func(cid int64) string { return fmt.Sprint("id", cid) },
		Hostname:  f.Snapshot.Hostname,
		Directory: f.Directory,
		Store:     f.Store,
		Deliverer: deliver.New(deliver.Config{Store: f.Store, Hostname: f.Snapshot.Hostname}),
		Metrics:   Metrics{Submission: func(result string) { f.results = append(f.results, result) }},
		Now:       func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) },
		Random:    bytes.NewReader(make([]byte, 1000)),
	}
	return f
}

func path(t *testing.T, s string) smtp.Path {
	t.Helper()
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var peer = smtp.Peer{Remote: netip.MustParseAddrPort("10.0.0.2:1234"), ESMTP: true, Auth: true, Hello: smtp.Host{IPDomain: smtp.IPDomain{Domain: dns.Domain{ASCII: "laptop.example"}}}}

// rcpt is a recipient of a submission.
type rcpt struct {
	to string
	smtp.RcptParams
}

// submission is one that the account sends. It ends where it is refused.
type submission struct {
	account, from string
	params        smtp.MailParams
	rcpts         []rcpt
	text          string
}

// give gives a submission to a new transaction, up to the end of its data.
func (f *fixture) give(t *testing.T, s submission) (tx *Transaction, at string, err error) {
	t.Helper()
	ctx := t.Context()
	tx, err = New(f.c).Begin(ctx, peer, Sender{Account: s.account})
	if err != nil {
		t.Fatal(err)
	}
	var reverse smtp.Path
	if s.from != "" {
		reverse = path(t, s.from)
	}
	if err := tx.Mail(ctx, reverse, s.params); err != nil {
		return tx, "mail", err
	}
	for _, r := range s.rcpts {
		if err := tx.Rcpt(ctx, path(t, r.to), r.RcptParams); err != nil {
			return tx, "rcpt", err
		}
	}
	w, err := tx.Data(ctx)
	if err == nil {
		_, err = io.WriteString(w, s.text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx, "data", nil
}

func (f *fixture) submit(t *testing.T, s submission) (string, *smtp.Error) {
	t.Helper()
	tx, at, err := f.give(t, s)
	if err != nil {
		tx.Abort()
		return at, smtp.AsError(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = tx.Finish(ctx)
	return at, smtp.AsError(err)
}

func (f *fixture) send(t *testing.T, utf8 bool, from, to, text string) (string, *smtp.Error) {
	t.Helper()
	return f.submit(t, submission{"mjl", from, smtp.MailParams{SMTPUTF8: utf8}, []rcpt{{to: to}}, text})
}

func TestSubmit(t *testing.T) {
	const ok = "From: <mjl@mx.example>\r\n"
	f := setup(t)
	for _, tc := range []struct {
		from, to, header, at, want string
	}{
		{"mjl@mx.example", "other@mx.example", ok, "data", ""},
		{"", "other@mx.example", ok, "data", ""},
		{"MJL+x@mx.example", "other@mx.example", "From: Me <mjl+y@mx.example>\r\n", "data", ""},
		{"mjl@mx.example", "other@mx.example", "From: Sales <sales@mx.example>\r\n", "data", ""},
		{"mjl@mx.example", "private@mx.example", ok, "rcpt", "550 5.7.2"},
		{"mjl@mx.example", "sales@mx.example", ok, "data", ""},
		{"other@mx.example", "other@mx.example", ok, "mail", "550 5.7.1"},
		{"a@b.example", "other@mx.example", ok, "mail", "550 5.7.1"},
		{"mjl@off.example", "other@mx.example", ok, "mail", "451 4.3.0"},
		{"mjl@mx.example", "nobody@mx.example", ok, "rcpt", "550 5.1.1"},
		{"mjl@mx.example", "a@elsewhere.example", ok, "rcpt", "550 5.7.1"},
		{"mjl@mx.example", "a@off.example", ok, "rcpt", "450 4.2.1"},
		// RFC 5322 3.6.2: From and Sender.
		{"mjl@mx.example", "other@mx.example", "", "data", "550 5.6.0"},
		{"mjl@mx.example", "other@mx.example", "From:\r\n", "data", "550 5.6.0"},
		{"mjl@mx.example", "other@mx.example", "From: mjl\r\n", "data", "550 5.6.0"},
		{"mjl@mx.example", "other@mx.example", ok + ok, "data", "550 5.6.0"},
		{"mjl@mx.example", "other@mx.example", ok + "Subject: a\r\nSubject: b\r\n", "data", "550 5.6.0"},
		{"mjl@mx.example", "other@mx.example", "From: <other@mx.example>\r\n", "data", "550 5.7.1"},
		{"mjl@mx.example", "other@mx.example", "From: <mjl@mx.example>, <other@mx.example>\r\nSender: <mjl@mx.example>\r\n", "data", "550 5.7.1"},
		{"mjl@mx.example", "other@mx.example", "From: <mjl@mx.example>, <sales@mx.example>\r\n", "data", "550 5.6.0"},
		{"mjl@mx.example", "other@mx.example", "From: <mjl@mx.example>, <sales@mx.example>\r\nSender: <mjl@mx.example>\r\n", "data", ""},
		{"mjl@mx.example", "other@mx.example", ok + "Sender: <other@mx.example>\r\n", "data", "550 5.7.1"},
		{"mjl@mx.example", "other@mx.example", "From: <mjl@off.example>\r\n", "data", "451 4.3.0"},
		{"mjl@mx.example", "other@mx.example", "From: \"other@mx.example\" <a@b.example>\r\n", "data", "550 5.7.1"},
		// RFC 6532: UTF-8 needs SMTPUTF8.
		{"mjl@mx.example", "other@mx.example", ok + "Subject: ü\r\n", "data", "550 5.6.7"},
		{"mjl@mx.example", "ü@mx.example", ok, "rcpt", "553 5.6.7"},
		{"ü@mx.example", "other@mx.example", ok, "mail", "553 5.6.7"},
		{"mjl@mx.example", "other@mx.example", strings.Repeat("Received: x\r\n", 101) + ok, "data", "550 5.4.6"},
		{"mjl@mx.example", "other@mx.example", ok + "X: " + strings.Repeat("x", 1<<20) + "\r\n", "data", "552 5.3.4"},
	} {
		at, err := f.send(t, false, tc.from, tc.to, tc.header+"\r\ntext\r\n")
		got := ""
		if err != nil {
			got = fmt.Sprintf("%d %s", err.Code, err.Enhanced)
		}
		if at != tc.at || got != tc.want {
			t.Errorf("%s to %s, %.100q: got %v at %s, want %s at %s", tc.from, tc.to, tc.header, err, at, tc.want, tc.at)
		}
	}
}

func TestHeader(t *testing.T) {
	f := setup(t)
	const top = "Delivered-To: other@mx.example\r\nReturn-Path: <mjl@mx.example>\r\n" +
		"Authentication-Results: mx.example;\r\n\tauth=pass smtp.mailfrom=mjl@mx.example\r\n" +
		"Received: by mx.example via tcp with ESMTPA id 0 for <other@mx.example>; Wed,\r\n" // folded before the date
	for i, tc := range []struct{ in, want string }{
		{
			"From: <mjl@mx.example>\r\nDate: Wed, 4 Mar 2026 01:02:03 +0100\r\nMessage-ID: <x@y>\r\n\r\ntext\r\n",
			"From: <mjl@mx.example>\r\nDate: Wed, 4 Mar 2026 01:02:03 +0100\r\nMessage-ID: <x@y>\r\n\r\ntext\r\n",
		}, {
			"Return-Path: <x@y>\r\nFrom: <mjl@mx.example>\r\nbcc: <secret@y>,\r\n <more@y>\r\nResent-Bcc: <x@y>\r\nSubject: x\r\nMessage-ID:\r\n\r\nBcc: text\r\n",
			"Date: Wed, 4 Mar 2026 05:06:07 +0000\r\nFrom: <mjl@mx.example>\r\nSubject: x\r\n\r\nBcc: text\r\n",
		},
	} {
		if at, err := f.send(t, false, "mjl@mx.example", "other@mx.example", tc.in); err != nil {
			t.Fatal(at, err)
		}
		got := f.Messages(t, "other", "Inbox")[i]
		_, own, _ := strings.Cut(got, "05:06:07 +0000\r\n")
		if i == 1 {
			if !strings.HasPrefix(own, "Message-ID: <") {
				t.Errorf("got %q", own)
			}
			_, own, _ = strings.Cut(own, "\r\n")
		}
		if own != tc.want {
			t.Errorf("got  %q\nwant %q", own, tc.want)
		}
		if !strings.HasPrefix(strings.ReplaceAll(got, "\r\n\t", " "), strings.ReplaceAll(strings.TrimSuffix(top, " Wed,\r\n"), "\r\n\t", " ")) {
			t.Errorf("got %q", got)
		}
		if strings.Contains(got, "laptop") || strings.Contains(got, "10.0.0.2") {
			t.Errorf("client identity in %q", got)
		}
	}
	if strings.Join(f.results, " ") != "ok ok" {
		t.Error(f.results)
	}
}

func TestUTF8(t *testing.T) {
	f := setup(t)
	if at, err := f.send(t, true, "ü@mx.example", "other@mx.example", "From: Ü <ü@mx.example>\r\nSubject: ü\r\n\r\ntext\r\n"); err != nil {
		t.Fatal(at, err)
	}
	got := f.Messages(t, "other", "Inbox")[0]
	if !strings.Contains(got, "Return-Path: <ü@mx.example>\r\n") || !strings.Contains(got, "UTF8SMTPA") {
		t.Errorf("got %q", got)
	}
}

func TestNoAccount(t *testing.T) {
	f := setup(t)
	if _, err := New(f.c).Begin(t.Context(), peer, Sender{}); smtp.AsError(err).Code != 530 {
		t.Error(err)
	}
}

// TestLocalserve: with a directory that knows everybody, mail for anyone stays here.
func TestLocalserve(t *testing.T) {
	f := setup(t)
	f.c.Directory, f.c.Local = directory.NewAny(func() *config.Snapshot { return f.Snapshot }), true
	const text = "From: <mjl@mx.example>\r\n\r\ntext\r\n"
	if at, err := f.send(t, false, "mjl@mx.example", "anyone@elsewhere.example", text); err != nil {
		t.Fatal(at, err)
	}
	if n := len(f.Messages(t, "few", "Inbox")); n != 1 {
		t.Error(n)
	}
	for to, want := range map[string]string{"rcpttopermerror@x.example": "rcpt 550", "x421@x.example": "data 421"} {
		at, err := f.send(t, false, "mjl@mx.example", to, text)
		if got := fmt.Sprintf("%s %d", at, err.Code); got != want {
			t.Errorf("%s: got %s, want %s", to, got, want)
		}
	}
}
