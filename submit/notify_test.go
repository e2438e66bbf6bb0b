package submit

import (
	"fmt"
	"strings"
	"testing"

	"mox/dsn"
	"mox/smtp"
	"mox/storetest"
	"mox/trace"
)

// large is a message that does not fit into the account small.
var large = "From: <mjl@mx.example>\r\nMessage-ID: <1@mx.example>\r\nSubject: large\r\nBcc: <secret@mx.example>\r\n\r\n" + strings.Repeat("0123456789\r\n", 300)

func with(to string, notify smtp.Notify, orcpt string) rcpt {
	r := rcpt{to: to + "@mx.example", RcptParams: smtp.RcptParams{Notify: notify}}
	if orcpt != "" {
		r.ORcpt = smtp.ORcpt{Type: "rfc822", Address: orcpt}
	}
	return r
}

// notification is what is of interest of a message that may be one.
func notification(t *testing.T, text string) string {
	t.Helper()
	report, err := dsn.Parse(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	s := report.Status.EnvID
	for _, r := range report.Status.Recipients {
		s += fmt.Sprintf("; %s %s %s", r.Final.Address, r.Action, r.Status)
		if r.Original.Address != "" {
			s += " " + r.Original.Address
		}
		if r.Diagnostic.Text != "" {
			s += " " + r.Diagnostic.Text[:9]
		}
	}
	return fmt.Sprintf("%s; full %v", s, report.Full)
}

// TestNotify: RFC 3461 4.1 to 4.4, 5.2.8, 6.2.
func TestNotify(t *testing.T) {
	const never, success, failure, delay = smtp.NotifyNever, smtp.NotifySuccess, smtp.NotifyFailure, smtp.NotifyDelay
	env := smtp.MailParams{EnvID: "QQ 314", Ret: smtp.RetHdrs}
	full := smtp.MailParams{Ret: smtp.RetFull}
	for name, tc := range map[string]struct {
		from   string
		params smtp.MailParams
		rcpts  []rcpt
		reply  string
		want   string // the notification
	}{
		"nothing asked":    {"mjl", env, []rcpt{with("other", 0, "")}, "ok", ""},
		"only failures":    {"mjl", env, []rcpt{with("other", failure|delay, "")}, "ok", ""},
		"never":            {"mjl", env, []rcpt{with("other", never, "")}, "ok", ""},
		"success":          {"mjl", env, []rcpt{with("other", success, "Other@a.example"), with("third", 0, "")}, "ok", "QQ 314; other@mx.example delivered 2.0.0 Other@a.example; full false"},
		"header only":      {"mjl", full, []rcpt{with("other", success, "")}, "ok", "; other@mx.example delivered 2.0.0; full false"},
		"alias":            {"mjl", env, []rcpt{with("team", success, "")}, "ok", "QQ 314; team@mx.example expanded 2.0.0; full false"},
		"alias of one":     {"sales", env, []rcpt{with("sales", success, "")}, "ok", "QQ 314; sales@mx.example delivered 2.0.0; full false"},
		"null":             {"", env, []rcpt{with("other", success, "")}, "ok", ""},
		"one of two":       {"mjl", full, []rcpt{with("other", 0, ""), with("small", 0, "s@a.example")}, "ok", "; small@mx.example failed 5.2.2 s@a.example 552 5.2.2; full true"},
		"both":             {"mjl+x", env, []rcpt{with("other", success, ""), with("small", failure, "")}, "ok", "QQ 314; other@mx.example delivered 2.0.0; small@mx.example failed 5.2.2 552 5.2.2; full false"},
		"failed, never":    {"mjl", env, []rcpt{with("other", 0, ""), with("small", never, "")}, "554 5.0.0", ""},
		"failed, success":  {"mjl", env, []rcpt{with("other", success, ""), with("small", success, "")}, "554 5.0.0", "QQ 314; other@mx.example delivered 2.0.0; full false"},
		"failed, null":     {"", env, []rcpt{with("other", 0, ""), with("small", 0, "")}, "554 5.0.0", ""},
		"failed for all":   {"mjl", env, []rcpt{with("small", success|failure, "")}, "552 5.2.2", ""},
		"only to yourself": {"mjl", env, []rcpt{with("mjl", success, "")}, "ok", "QQ 314; mjl@mx.example delivered 2.0.0; full false"},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			s := submission{account: "mjl", params: tc.params, rcpts: tc.rcpts, text: large}
			if tc.from != "" {
				s.from = tc.from + "@mx.example"
			}
			got := "ok"
			if _, err := f.submit(t, s); err != nil {
				got = fmt.Sprintf("%d %s", err.Code, err.Enhanced)
			}
			if got != tc.reply {
				t.Errorf("reply %s, want %s", got, tc.reply)
			}
			got = ""
			for _, m := range f.Messages(t, "mjl", "Inbox") {
				if !strings.Contains(m, "multipart/report") {
					continue
				}
				if got != "" {
					t.Error("a second notification")
				}
				got = notification(t, m)
				if strings.Contains(m, "secret") || strings.Contains(m, "10.0.0.2") {
					t.Errorf("too much is told: %s", m)
				}
				top, _, _ := strings.Cut(m, "From: ")
				if top != "Delivered-To: "+s.from+"\r\nReturn-Path: <>\r\n" {
					t.Errorf("header begins with %q", top)
				}
				if !strings.Contains(m, "In-Reply-To: <1@mx.example>\r\n") {
					t.Errorf("no reference to the message: %s", m)
				}
			}
			if got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// TestNotifyFull: a notification that the sender's account cannot take does not replace
// the answer.
func TestNotifyFull(t *testing.T) {
	f := setup(t)
	text := strings.ReplaceAll(large, "<mjl@", "<small@")
	s := submission{account: "small", from: "small@mx.example", rcpts: []rcpt{with("other", 0, ""), with("small", 0, "")}, text: text}
	s.params.Ret = smtp.RetFull
	if _, err := f.submit(t, s); err == nil || err.Code != 554 {
		t.Error(err)
	}
	// Sent again, nobody gets it twice.
	if _, err := f.submit(t, s); err == nil || err.Code != 554 {
		t.Error(err)
	}
	if n := len(f.Messages(t, "other", "Inbox")); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestNotifyAgain: what was settled by a notification may be sent again on purpose.
func TestNotifyAgain(t *testing.T) {
	f := setup(t)
	for n := range 2 {
		if _, err := f.submit(t, submission{account: "mjl", from: "mjl@mx.example", rcpts: []rcpt{with("other", 0, ""), with("small", 0, "")}, text: large}); err != nil {
			t.Fatal(err)
		}
		if got := len(f.Messages(t, "other", "Inbox")); got != n+1 {
			t.Errorf("%d messages, want %d", got, n+1)
		}
		if got := len(f.Messages(t, "mjl", "Inbox")); got != n+1 {
			t.Errorf("%d notifications, want %d", got, n+1)
		}
	}
}

// TestNotifySimulated: in localserve, recipients have their outcomes each.
func TestNotifySimulated(t *testing.T) {
	f := setup(t)
	f.c.Local = true
	if _, err := f.submit(t, submission{account: "mjl", from: "mjl@mx.example", rcpts: []rcpt{with("other", 0, ""), with("mjl+x550", 0, "")}, text: large}); err != nil {
		t.Fatal(err)
	}
	l := f.Messages(t, "mjl", "Inbox")
	if len(l) != 1 || notification(t, l[0]) != "; mjl+x550@mx.example failed 5.0.0 550 5.0.0; full false" {
		t.Errorf("%q", l)
	}
}

func TestNotifyUTF8(t *testing.T) {
	f := setup(t)
	s := submission{account: "mjl", from: "ü@mx.example", rcpts: []rcpt{with("other", smtp.NotifySuccess, "")}, text: "From: <ü@mx.example>\r\nSubject: ü\r\n\r\ntext\r\n"}
	s.params.SMTPUTF8 = true
	if _, err := f.submit(t, s); err != nil {
		t.Fatal(err)
	}
	l := f.Messages(t, "mjl", "Inbox")
	if len(l) != 1 || notification(t, l[0]) != "; other@mx.example delivered 2.0.0; full false" || !strings.Contains(l[0], "To: ü@mx.example\r\n") {
		t.Errorf("%q", l)
	}
}

// TestTrace: recipients learn why they have the message, and not where it was sent from.
func TestTrace(t *testing.T) {
	f := setup(t)
	if _, err := f.submit(t, submission{account: "mjl", from: "mjl+a@mx.example", rcpts: []rcpt{with("other", smtp.NotifySuccess, "")}, text: "From: <mjl@mx.example>\r\nSubject: hi\r\n\r\ntext\r\n"}); err != nil {
		t.Fatal(err)
	}
	if len(f.traces) != 2 {
		t.Fatal(len(f.traces))
	}
	got, dsn := f.traces[0], f.traces[1]
	if v := got.Verdict; v.Action != trace.Accept || v.Reason != "submission" || v.Mailbox != "Inbox" {
		t.Errorf("%+v", v)
	}
	if x := got.Facts; x.Trusted != "submission" || x.MailFrom != "mjl+a@mx.example" || x.From != "mjl@mx.example" || x.OrgDomain != "mx.example" ||
		x.RcptTo != "other@mx.example" || x.Subject != "hi" || x.Remote.IsValid() || x.Hello != "" {
		t.Errorf("%+v", x)
	}
	if got.ID != "id0" || got.Account != "other" {
		t.Errorf("%+v", got)
	}
	if v := dsn.Verdict; v.Action != trace.Accept || v.Reason != "dsn" || dsn.Account != "mjl" {
		t.Errorf("%+v", v)
	}
	acc, err := f.Store.Account(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	stored := storetest.LastTrace(t, acc, "Inbox")
	if stored.Verdict.Reason != "submission" || stored.Facts.From != "mjl@mx.example" {
		t.Errorf("%+v", stored)
	}
}
