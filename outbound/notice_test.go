package outbound

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/config"
	"mox/dns"
	"mox/dsn"
	"mox/queue"
	"mox/smtp"
)

// parseNotice describes a notification.
func parseNotice(t *testing.T, n queue.NewMessage) (string, *dsn.Report, string) {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(n.Content.Body, 0, n.Content.Size))
	if err != nil {
		t.Fatal(err)
	}
	r, err := dsn.Parse(strings.NewReader(string(b)), int64(len(b)))
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	s := r.Status.EnvID
	for _, x := range r.Status.Recipients {
		s += fmt.Sprintf("; %s %s %s %s", x.Final.Address, x.Action, x.Status, x.RemoteMTA.Name)
		if x.Original.Address != "" {
			s += " for " + x.Original.Address
		}
	}
	return s, r, string(b)
}

// TestNotify: RFC 3461 5.2.
func TestNotify(t *testing.T) {
	const never, success, failure, delay = smtp.NotifyNever, smtp.NotifySuccess, smtp.NotifyFailure, smtp.NotifyDelay
	const knows = "DSN"
	for name, tc := range map[string]struct {
		notify smtp.Notify
		ext    string
		rcpt   string // reply
		to     string
		null   bool
		want   string
		params string // of RCPT
	}{
		"success, server with DSN":    {success, knows, "", "", false, "", "NOTIFY=SUCCESS ORCPT=rfc822;A@dest.test"},
		"success, server without DSN": {success, "", "", "", false, "Q1; a@dest.test relayed 2.0.0 mx1.dest.test for A@dest.test", ""},
		"nothing, server without DSN": {0, "", "", "", false, "", ""},
		"failure":                     {0, knows, "550 5.1.1 unknown", "", false, "Q1; a@dest.test failed 5.1.1 mx1.dest.test for A@dest.test", ""},
		"failure wanted":              {failure, knows, "550 5.1.1 unknown", "", false, "Q1; a@dest.test failed 5.1.1 mx1.dest.test for A@dest.test", "NOTIFY=FAILURE"},
		"failure not wanted":          {success | delay, knows, "550 5.1.1 unknown", "", false, "", ""},
		"never":                       {never, knows, "550 5.1.1 unknown", "", false, "", ""},
		"null reverse-path":           {0, knows, "550 5.1.1 unknown", "", true, "", ""},
		"null MX":                     {0, "", "", "a@null.test", false, "Q1; a@null.test failed 5.1.10  for A@dest.test", ""},
		"no code":                     {0, "", "550 go away", "", false, "Q1; a@dest.test failed 5.1.1 mx1.dest.test for A@dest.test", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := setup(t, "", nil)
				s := b.server("192.0.2.1")
				s.ext = []string{"8BITMIME"}
				if tc.ext != "" {
					s.ext = append(s.ext, tc.ext)
				}
				s.handle = func(verb, _ string, _ int) string {
					if verb == "RCPT" {
						return tc.rcpt
					}
					return ""
				}
				m := queue.Message{Sender: path("mjl+id@mx.example"), Account: "mjl", Recipient: path("a@dest.test"), Subject: "hello", EnvID: "Q1", Notify: tc.notify,
					ORcpt: smtp.ORcpt{Type: "rfc822", Address: "A@dest.test"}}
				if tc.to != "" {
					m.Recipient = path(tc.to)
				}
				if tc.null {
					m.Sender = smtp.Path{}
				}
				b.q.add(text, m)
				synctest.Wait()
				got := ""
				for _, n := range b.notices() {
					d, _, _ := parseNotice(t, n)
					got += d
					if q := n.Messages[0]; !q.Local || q.Kind != queue.DSN || !q.Sender.IsZero() || q.Recipient != m.Sender || len(n.For) != 1 {
						t.Errorf("queued as %+v", q)
					}
				}
				if got != tc.want {
					t.Errorf("notice %q, want %q", got, tc.want)
				}
				if !strings.Contains(strings.Join(s.said(), "\n"), tc.params) {
					t.Errorf("lines %q", s.said())
				}
			})
		})
	}
}

// TestNoticeText: what people read.
func TestNoticeText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		b.server("192.0.2.1").handle = func(verb, line string, _ int) string {
			if strings.Contains(line, "unknown") {
				return "550 5.1.1 nobody of that name"
			}
			return ""
		}
		m := queue.Message{Sender: path("mjl@mx.example"), Account: "mjl", Recipient: path("unknown@dest.test"), Subject: "hello", RequireTLS: no()}
		b.q.add(text, m)
		synctest.Wait()
		_, r, body := parseNotice(t, b.notices()[0])
		for _, s := range []string{
			"Subject: Your message could not be delivered: hello", "The server mx1.dest.test said: 550 5.1.1 nobody of that name", "From: Mail server <postmaster@mx.example>",
		} {
			if !strings.Contains(strings.ReplaceAll(body, "\r\n ", " "), s) {
				t.Errorf("no %q in\n%s", s, body)
			}
		}
		if r.Returned == nil {
			t.Error("nothing returned")
		}
	})
}

// TestDelayed: says until when it is tried.
func TestDelayed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		b.server("192.0.2.1").down = true
		start := time.Now()
		b.send("a@dest.test")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(b.notices()) != 1 {
			t.Fatalf("%d notices", len(b.notices()))
		}
		d, r, _ := parseNotice(t, b.notices()[0])
		if d != "; a@dest.test delayed 4.4.1 " {
			t.Errorf("notice %q", d)
		}
		if u := r.Status.Recipients[0].RetryUntil.Sub(start); u < 15*time.Hour || u > 17*time.Hour {
			t.Errorf("until %s", u)
		}
	})
}

// TestRequireTLSNotice: RFC 8689 5.
func TestRequireTLSNotice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := setup(t, "", nil)
		b.sendAs(queue.Message{RequireTLS: yes(), Ret: smtp.RetFull}, "a@dest.test")
		synctest.Wait()
		if len(b.notices()) != 1 {
			t.Fatalf("%d notices", len(b.notices()))
		}
		n := b.notices()[0]
		_, r, _ := parseNotice(t, n)
		if r.Full || n.Messages[0].RequireTLS == nil || !*n.Messages[0].RequireTLS {
			t.Errorf("full %v, %+v", r.Full, n.Messages[0])
		}
	})
}

// TestReports: reports have fewer attempts and no notification.
func TestReports(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failures := 0
		b := setup(t, "", func(b *bench) { b.c.Metrics.DMARCReportFailure = func() { failures++ } })
		b.server("192.0.2.1").down = true
		id := b.sendAs(queue.Message{Kind: queue.DMARCReport, Sender: path("postmaster@mx.example")}, "a@dest.test")[0]
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		b.want(id, "failed 4.4.1")
		if len(b.notices()) != 0 || len(b.records()) != reportTries || failures != 1 {
			t.Errorf("%d notices, %d attempts, %d failures", len(b.notices()), len(b.records()), failures)
		}
	})
}

// TestNotices: for what an administrator fails.
func TestNotices(t *testing.T) {
	s := loadConfig(t, "")
	c := Notices{Config: func() *config.Snapshot { return s }, Sign: func(context.Context, dns.Domain, bool, io.ReaderAt) (string, error) {
		return "DKIM-Signature: x\r\n", nil
	}}
	r := queue.Reported{
		Message:  queue.Message{ID: 3, Sender: path("mjl@mx.example"), Recipient: path("a@dest.test"), Queued: time.Now()},
		Result:   queue.Result{Code: 550, Enhanced: "5.0.0", Error: "failed by administrator"},
		Original: strings.NewReader(text), Size: int64(len(text)),
	}
	n, err := c.Notice(t.Context(), r)
	if err != nil || string(n.Content.Prefix) != "DKIM-Signature: x\r\n" {
		t.Fatal(n, err)
	}
	if d, _, _ := parseNotice(t, *n); d != "; a@dest.test failed 5.0.0 " {
		t.Errorf("notice %q", d)
	}
	r.Message.Notify = smtp.NotifyNever
	if n, err := c.Notice(t.Context(), r); n != nil || err != nil {
		t.Errorf("%v, %v", n, err)
	}
}
