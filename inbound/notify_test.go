package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"mox/config"
	"mox/deliver"
	"mox/dmarc"
	"mox/dns"
	"mox/msgauth"
	"mox/smtp"
	"mox/spf"
	"mox/submit"
)

// notifier keeps what it is given.
type notifier struct {
	err error
	got []string
}

func (n *notifier) Notify(_ context.Context, x submit.Notification) error {
	s := x.To.String() + " " + x.Params.EnvID
	for _, r := range x.Recipients {
		s += fmt.Sprintf("; %s %s %s", r.Final.Address, r.Action, r.Status)
	}
	n.got = append(n.got, s)
	return n.err
}

// transaction is one from outside.
type transaction struct {
	from  string
	rcpts []deliver.Recipient
	text  string
}

func to(t *testing.T, a string, notify smtp.Notify) deliver.Recipient {
	return deliver.Recipient{To: path(t, a+"@mx.example"), Params: smtp.RcptParams{Notify: notify}}
}

func (f *fixture) transact(t *testing.T, in *Inbound, x transaction) string {
	t.Helper()
	ctx := t.Context()
	tx, err := in.Begin(ctx, peer, f.door)
	if err != nil {
		t.Fatal(err)
	}
	var from smtp.Path
	if x.from != "" {
		from = path(t, x.from)
	}
	if err := tx.Mail(ctx, from, smtp.MailParams{EnvID: "e1"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range x.rcpts {
		if err := tx.Rcpt(ctx, r.To, r.Params); err != nil {
			tx.Abort()
			e := smtp.AsError(err)
			return fmt.Sprintf("rcpt %d %s", e.Code, e.Enhanced)
		}
	}
	w, err := tx.Data(ctx)
	if err == nil {
		_, err = io.WriteString(w, x.text)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Finish(ctx); err != nil {
		e := smtp.AsError(err)
		return fmt.Sprintf("%d %s", e.Code, e.Enhanced)
	}
	return "ok"
}

// TestNotify: RFC 3461 5.2, for senders that SPF or DMARC knows.
func TestNotify(t *testing.T) {
	const success, never = smtp.NotifySuccess, smtp.NotifyNever
	large := strings.Repeat("0123456789\r\n", 100) // too much for the account small
	known := "From: <x@a.example>\r\n\r\n" + large
	for name, tc := range map[string]struct {
		from  string
		text  string
		rcpts []deliver.Recipient
		err   error
		reply string
		want  string
	}{
		"nothing asked":   {"x@a.example", known, []deliver.Recipient{to(t, "mjl", 0)}, nil, "ok", ""},
		"success":         {"x@a.example", known, []deliver.Recipient{to(t, "mjl", success), to(t, "mjl+y", 0)}, nil, "ok", "x@a.example e1; mjl@mx.example delivered 2.0.0"},
		"not known":       {"x@b.example", "From: <x@b.example>\r\n\r\n" + large, []deliver.Recipient{to(t, "mjl", success)}, nil, "ok", ""},
		"fails for one":   {"x@a.example", known, []deliver.Recipient{to(t, "mjl", 0), to(t, "small", 0)}, nil, "ok", "x@a.example e1; small@mx.example failed 5.2.2"},
		"both":            {"x@a.example", known, []deliver.Recipient{to(t, "mjl", success), to(t, "small", 0)}, nil, "ok", "x@a.example e1; mjl@mx.example delivered 2.0.0; small@mx.example failed 5.2.2"},
		"never":           {"x@a.example", known, []deliver.Recipient{to(t, "mjl", 0), to(t, "small", never)}, nil, "ok", ""},
		"fails for all":   {"x@a.example", known, []deliver.Recipient{to(t, "small", success|smtp.NotifyFailure)}, nil, "552 5.2.2", ""},
		"one, not known":  {"x@b.example", "From: <x@b.example>\r\n\r\n" + large, []deliver.Recipient{to(t, "mjl", 0), to(t, "small", 0)}, nil, "554 5.0.0", ""},
		"null":            {"", "From: <x@b.example>\r\n\r\n" + large, []deliver.Recipient{to(t, "mjl", success)}, nil, "ok", ""},
		"no notification": {"x@a.example", known, []deliver.Recipient{to(t, "mjl", 0), to(t, "small", 0)}, errors.New("out of order"), "554 5.0.0", "x@a.example e1; small@mx.example failed 5.2.2"},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			n := &notifier{err: tc.err}
			f.c.Notifier = n
			if got := f.transact(t, New(f.c), transaction{tc.from, tc.rcpts, tc.text}); got != tc.reply {
				t.Errorf("reply %s, want %s", got, tc.reply)
			}
			if got := strings.Join(n.got, " | "); got != tc.want {
				t.Errorf("notified %q, want %q", got, tc.want)
			}
		})
	}
}

// TestNotifyTemporary: while something is to come again, nobody is told.
func TestNotifyTemporary(t *testing.T) {
	f := setup(t)
	n := &notifier{}
	f.c.Notifier = n
	in := New(f.c)
	text := "From: <x@a.example>\r\n\r\n" + "text\r\n"
	if got := f.transact(t, in, transaction{"x@a.example", []deliver.Recipient{to(t, "small", 0)}, text}); got != "ok" {
		t.Fatal(got)
	}
	x := transaction{"x@a.example", []deliver.Recipient{to(t, "mjl", smtp.NotifySuccess), to(t, "small", 0)}, text}
	for range 2 {
		if got := f.transact(t, in, x); got != "451 4.3.0" || len(n.got) != 0 {
			t.Error(got, n.got)
		}
	}
	if got := len(f.Messages(t, "mjl", "Inbox")); got != 1 {
		t.Errorf("%d messages", got)
	}
}

// TestKnowsSender: that From is verified says nothing about the reverse-path of somebody else.
func TestKnowsSender(t *testing.T) {
	domain := func(s string) dns.Domain { return dns.Domain{ASCII: s} }
	for _, tc := range []struct {
		from  string
		spf   spf.Status
		dmarc dmarc.Status
		want  bool
	}{
		{"x@a.example", spf.StatusPass, dmarc.StatusNone, true},
		{"x@a.example", spf.StatusPass, dmarc.StatusFail, true},
		{"x@a.example", spf.StatusNeutral, dmarc.StatusFail, false},
		{"x@a.example", spf.StatusNone, dmarc.StatusPass, true},
		{"x@bounces.a.example", spf.StatusFail, dmarc.StatusPass, true},
		{"x@b.example", spf.StatusNeutral, dmarc.StatusPass, false},
		{"x@aa.example", spf.StatusNeutral, dmarc.StatusPass, false},
	} {
		j := &judge{m: &deliver.Message{From: path(t, tc.from)}, res: &msgauth.Results{OrgDomain: domain("a.example")}}
		j.res.SPF.Status, j.res.DMARC.Status = tc.spf, tc.dmarc
		if got := j.knowsSender(); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
	if (&judge{m: &deliver.Message{From: path(t, "x@a.example")}}).knowsSender() {
		t.Error("without checks")
	}
}

// returner passes back what is for an address that begins so.
type returner struct {
	err error
	got []string
}

func (r *returner) Original(to smtp.Path) (smtp.Path, bool, error) {
	if !strings.HasPrefix(string(to.Localpart), "SRS0=") {
		return smtp.Path{}, false, nil
	}
	if to.Localpart == "SRS0=forged" {
		return smtp.Path{}, true, smtp.Errorf(550, "5.1.1", "no such address")
	}
	return smtp.Path{Localpart: "orig", IPDomain: smtp.IPDomain{Domain: dns.Domain{ASCII: "remote.example"}}}, true, nil
}

func (r *returner) Return(_ context.Context, m *deliver.Message, prefix []byte, original smtp.Path) error {
	if r.err == nil {
		b, _ := io.ReadAll(io.NewSectionReader(m.Spool, 0, m.Spool.Size()))
		r.got = append(r.got, original.String()+"\n"+string(prefix)+string(b))
	}
	return r.err
}

// TestReturn: notifications about forwarded messages go back, and nothing else does.
func TestReturn(t *testing.T) {
	f := setup(t)
	r := &returner{}
	f.c.Returner = r
	in := New(f.c)
	const text = "Subject: failed\r\n\r\ntext\r\n"
	srs := []deliver.Recipient{to(t, "SRS0=good", 0)}
	for i, tc := range []struct {
		x    transaction
		err  error
		want string
	}{
		{transaction{"", srs, text}, nil, "ok"},
		{transaction{"x@a.example", srs, text}, nil, "rcpt 550 5.7.1"},
		{transaction{"", []deliver.Recipient{to(t, "SRS0=forged", 0)}, text}, nil, "rcpt 550 5.1.1"},
		{transaction{"", append(srs, srs...), text}, nil, "rcpt 452 4.5.3"},
		{transaction{"", srs, text}, errors.New("out of order"), "451 4.3.0"},
		{transaction{"", srs, strings.Repeat("Received: x\r\n", 101) + text}, nil, "550 5.4.6"},
		{transaction{"", []deliver.Recipient{to(t, "mjl", 0)}, "From: <x@b.example>\r\n\r\ntext\r\n"}, nil, "ok"},
	} {
		r.err = tc.err
		if got := f.transact(t, in, tc.x); got != tc.want {
			t.Errorf("%d: %s, want %s", i, got, tc.want)
		}
	}
	want := "orig@remote.example\nReceived: from client.example (rev.example [10.0.0.2]) by mx.example via tcp\r\n\twith ESMTP id 0 for <SRS0=good@mx.example>;\r\n"
	if len(r.got) != 1 || !strings.HasPrefix(r.got[0], want) || !strings.HasSuffix(r.got[0], "\r\n"+text) {
		t.Errorf("%q", r.got)
	}
}

// forwarder counts what is passed on.
type forwarder struct{ n int }

func (f *forwarder) Forward(context.Context, deliver.Forward) error {
	f.n++
	return nil
}

// TestForward: what says that it is ours, and is not, is not passed on by us.
func TestForward(t *testing.T) {
	f := setup(t)
	fw := &forwarder{}
	f.c.Deliverer = deliver.New(deliver.Config{Store: f.Store, Hostname: f.Snapshot.Hostname, Forwarder: fw})
	dest := f.Snapshot.Destination(f.Snapshot.Domains["mx.example"].Key("mjl"))
	dest.Config.Forward, dest.Forward = &config.Forward{}, []smtp.Address{path(t, "me@elsewhere.example").Address()}
	in := New(f.c)
	for _, tc := range []struct {
		from, author string
		want         int
	}{
		{"x@b.example", "x@b.example", 1},
		{"x@a.example", "x@a.example", 1},
		{"x@b.example", "mjl@mx.example", 0},
	} {
		fw.n = 0
		if got := f.transact(t, in, transaction{tc.from, []deliver.Recipient{to(t, "mjl", 0)}, "From: <" + tc.author + ">\r\n\r\ntext\r\n"}); got != "ok" || fw.n != tc.want {
			t.Errorf("%+v: %s, forwarded %d times", tc, got, fw.n)
		}
	}
}
