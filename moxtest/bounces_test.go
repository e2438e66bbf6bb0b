package moxtest_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/moxtest"
	"mox/queue"
	"mox/smtp"
	"mox/webapi"
)

// The notifications say $TO for the recipient and $ID for the Message-ID of the original, with
// angle brackets.
const (
	// As Postfix writes them.
	postfixDSN = `From: MAILER-DAEMON@mail.else.example (Mail Delivery System)
To: mox@mox.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Message-ID: <1@mail.else.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="AB12.1772445600/mail.else.example"

This is a MIME-encapsulated message.

--AB12.1772445600/mail.else.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mail.else.example.

<$TO>: host in.else.example[192.0.2.9] said: 550 5.1.1 <$TO>: no such mailbox (in reply to RCPT TO command)

--AB12.1772445600/mail.else.example
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.else.example
X-Postfix-Queue-ID: AB12
X-Postfix-Sender: rfc822; mox@mox.example
Arrival-Date: Mon,  2 Mar 2026 10:00:00 +0000 (UTC)

Final-Recipient: rfc822; $TO
Original-Recipient: rfc822;$TO
Action: failed
Status: 5.1.1
Remote-MTA: dns; in.else.example
Diagnostic-Code: smtp; 550 5.1.1 <$TO>: no such mailbox

--AB12.1772445600/mail.else.example
Content-Description: Undelivered Message
Content-Type: message/rfc822

Return-Path: <mox@mox.example>
From: <mox@mox.example>
Message-ID: $ID

Hello.

--AB12.1772445600/mail.else.example--
`
	// As Exim does.
	eximDSN = `X-Failed-Recipients: $TO
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mail.else.example>
To: mox@mox.example
References: $ID
Content-Type: multipart/report; report-type=delivery-status; boundary=1772445600-eximdsn-1
MIME-Version: 1.0
Subject: Mail delivery failed: returning message to sender
Message-Id: <E2@mail.else.example>

--1772445600-eximdsn-1
Content-type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

The following address(es) failed:

  $TO
    host in.else.example [192.0.2.9]
    SMTP error from remote mail server after RCPT TO:<$TO>:
    552 5.2.2 mailbox full

--1772445600-eximdsn-1
Content-type: message/delivery-status

Reporting-MTA: dns; mail.else.example

Action: failed
Final-Recipient: rfc822;$TO
Status: 5.0.0
Remote-MTA: dns; in.else.example
Diagnostic-Code: smtp; 552 5.2.2 mailbox full

--1772445600-eximdsn-1
Content-type: message/rfc822

Return-path: <mox@mox.example>
From: <mox@mox.example>
Message-ID: $ID

Hello.

--1772445600-eximdsn-1--
`
	feedback = `From: <feedback@else.example>
To: mox@mox.example
Subject: complaint
Message-ID: <f@else.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=f

--f

Somebody complained.
--f
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Tester/1
Version: 1

--f
Content-Type: message/rfc822

From: <mox@mox.example>
Message-ID: $ID

Hello.
--f--
`
)

// TestBounces: what other servers tell of messages that they took becomes their state, also
// for an account that keeps no history and has no unique senders.
func TestBounces(t *testing.T) {
	t.Parallel()
	calls := make(chan webapi.OutgoingHook, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var h webapi.OutgoingHook
		if err := json.NewDecoder(r.Body).Decode(&h); err != nil {
			t.Error(err)
		}
		calls <- h
	}))
	defer receiver.Close()
	other := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithAccount("else", "a@else.example", "b@else.example", "c@else.example", "d@else.example"), moxtest.WithConfig(func(_ *config.Static, d *config.Dynamic) {
		d.Domains["else.example"] = config.Domain{}
	}))
	keep := time.Hour
	mox := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithAccount("mox", "mox@mox.example"), moxtest.WithAccount("spare", "spare@mox.example"),
		moxtest.WithConfig(func(_ *config.Static, d *config.Dynamic) {
			for name, a := range d.Accounts {
				a.OutgoingWebhook = &config.OutgoingWebhook{URL: receiver.URL}
				if name == "mox" {
					a.KeepRetiredMessagePeriod = keep
				}
				d.Accounts[name] = a
			}
		}), moxtest.WithDial(func(context.Context, string, string) (net.Conn, error) { return other.Dial(t, "smtp"), nil }))
	mox.DNS.MX["else.example"] = []dns.MX{{Preference: 10, Host: "remote.example"}}
	for _, s := range []*moxtest.Server{mox, other} {
		s.DNS.MX["mox.example"] = []dns.MX{{Preference: 10, Host: "localhost"}}
		s.DNS.TXT["mox.example"] = []string{"v=spf1 ip4:127.0.0.0/8 ip6:::1 -all"}
		s.DNS.TXT["else.example"] = []string{"v=spf1 ip4:127.0.0.0/8 ip6:::1 -all"}
	}
	// The server that writes notifications is one of the recipients' domain, by its name in DNS.
	mox.DNS.PTR["127.0.0.10"] = []string{"out.else.example"}
	mox.DNS.A["out.else.example"] = []string{"127.0.0.10"}
	call := func() webapi.OutgoingHook {
		t.Helper()
		select {
		case h := <-calls:
			return h
		case <-time.After(time.Minute):
			t.Fatal("no call")
		}
		return webapi.OutgoingHook{}
	}
	send := func(from, to, id string) webapi.OutgoingHook {
		t.Helper()
		mox.Submit(t, from, to, "From: <"+from+">\r\nSubject: hi\r\nMessage-ID: "+id+"\r\n\r\nHello.\r\n")
		h := call()
		if h.Event != webapi.EventDelivered || h.MessageID != id {
			t.Fatalf("%+v", h)
		}
		return h
	}
	text := func(template, to, id string) string {
		return strings.ReplaceAll(strings.NewReplacer("$TO", to, "$ID", id).Replace(template), "\n", "\r\n")
	}
	suppressed := func(account, address string) string {
		t.Helper()
		p, err := smtp.ParsePath("<"+address+">", smtp.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := mox.Queue.SuppressionLookup(t.Context(), account, p)
		if err != nil {
			t.Fatal(err)
		}
		if s == nil {
			return ""
		}
		return s.Reason
	}

	for _, tc := range []struct {
		name, from, to, dsn, status, reason string
		code                                int
	}{
		{"postfix", "mox", "a", postfixDSN, "5.1.1", "delivery failed: 550 5.1.1 <a@else.example>: no such mailbox", 550},
		{"exim", "mox", "b", eximDSN, "5.0.0", "", 552},
		{"spare", "spare", "a", postfixDSN, "5.1.1", "delivery failed: 550 5.1.1 <a@else.example>: no such mailbox", 550},
	} {
		from, to, id := tc.from+"@mox.example", tc.to+"@else.example", "<"+tc.name+"@mox.example>"
		sent := send(from, to, id)
		mox.Send(t, "", from, text(tc.dsn, to, id))
		h := call()
		if h.Event != webapi.EventFailed || !h.DSN || h.QueueMsgID != sent.QueueMsgID || h.SMTPCode != tc.code || h.SMTPEnhancedCode != tc.status || h.Suppressing != (tc.reason != "") {
			t.Errorf("%s: %+v", tc.name, h)
		}
		if got := suppressed(tc.from, to); got != tc.reason {
			t.Errorf("%s: suppressed for %q", tc.name, got)
		}
		r, err := mox.Queue.RetiredGet(t.Context(), sent.QueueMsgID)
		if tc.from == "spare" {
			if err == nil {
				t.Errorf("%s: in the history: %+v", tc.name, r)
			}
		} else if res := r.Message.LastResult(); err != nil || r.Success || r.Event != queue.EventFailed || !res.DSN || res.Code != tc.code || len(r.Message.Results) != 2 {
			t.Errorf("%s: %+v, %v", tc.name, r, err)
		}
		if l := mox.Messages(t, from); !slices.ContainsFunc(l, func(s string) bool { return strings.Contains(s, id) }) {
			t.Errorf("%s: the notification is not in the Inbox", tc.name)
		}
	}

	// What was not sent, not to them or not by the account, is not matched; a complaint is.
	sent := send("mox@mox.example", "c@else.example", "<complaint@mox.example>")
	mox.Send(t, "", "mox@mox.example", text(postfixDSN, "d@else.example", "<complaint@mox.example>"))
	mox.Send(t, "", "mox@mox.example", text(postfixDSN, "c@else.example", "<forged@mox.example>"))
	mox.Send(t, "", "spare@mox.example", text(postfixDSN, "c@else.example", "<complaint@mox.example>"))
	mox.Send(t, "feedback@else.example", "mox@mox.example", text(feedback, "", "<complaint@mox.example>"))
	if h := call(); h.Event != webapi.EventComplained || !h.DSN || !h.Suppressing || h.QueueMsgID != sent.QueueMsgID {
		t.Errorf("%+v", h)
	}
	if got := suppressed("mox", "c@else.example"); got != "complaint (abuse)" {
		t.Errorf("suppressed for %q", got)
	}
	if r, err := mox.Queue.RetiredGet(t.Context(), sent.QueueMsgID); err != nil || !r.Success || r.Event != queue.EventComplained {
		t.Errorf("%+v, %v", r, err)
	}
	got, err := mox.Registry.Gather("mox_queue_bounces_total")
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if got["event=failed,match=messageid"] != 3 || got["event=complained,match=messageid"] != 1 {
		t.Errorf("metrics: %v", got)
	}
}
