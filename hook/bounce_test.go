package hook

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/queue"
	"mox/trace"
	"mox/webapi"
)

// qmail is text only, with %s for recipient and Message-ID.
const qmail = `From: MAILER-DAEMON@remote.example
To: some@mx.example
Subject: failure notice

Hi. This is the qmail-send program at remote.example.

<%s>:
550 5.1.1 no such user

--- Below this line is a copy of the message.

From: some@mx.example
Message-ID: <%s>

hi
`

const complaintReport = `From: feedback@provider.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=x

--x

Somebody complained.
--x
Content-Type: message/feedback-report

Feedback-Type: %s
User-Agent: x/1
Version: 1
Original-Mail-From: <%s>

--x
Content-Type: text/rfc822-headers

Message-ID: <1@mx.example>
--x--
`

func null(t *trace.Trace) { t.Facts.MailFrom = "" }

// outgoing are the calls so far.
func (f *fixture) outgoing(t *testing.T) []webapi.OutgoingHook {
	t.Helper()
	synctest.Wait()
	time.Sleep(gather)
	synctest.Wait()
	var l []webapi.OutgoingHook
	for _, r := range f.recv.all() {
		if strings.HasSuffix(r.url, "/in") {
			continue
		}
		var o webapi.OutgoingHook
		if err := json.Unmarshal([]byte(r.body), &o); err != nil {
			t.Fatal(err)
		}
		l = append(l, o)
	}
	return l
}

func (f *fixture) suppressed(t *testing.T, account string) bool {
	t.Helper()
	s, err := f.queue.SuppressionLookup(t.Context(), account, path("x@remote.example"))
	if err != nil {
		t.Fatal(err)
	}
	return s != nil
}

// TestMessageIDBounces: an account without webhook for what comes in, unique senders or history.
func TestMessageIDBounces(t *testing.T) {
	none := func(tr *trace.Trace) {
		null(tr)
		tr.Facts.Validation, tr.Facts.DKIM = trace.ValidationNone, nil
	}
	with := func(edit func(*trace.Trace)) func(*trace.Trace) {
		return func(tr *trace.Trace) {
			none(tr)
			edit(tr)
		}
	}
	const rcpt, id = "x@remote.example", "1@mx.example"
	for _, tc := range []struct {
		name, account, rcpt, id string
		edit                    func(*trace.Trace)
		matched, suppressed     bool
	}{
		{"verified", "some", rcpt, id, null, true, true},
		{"other case", "some", "X@Remote.EXAMPLE", id, null, true, true},
		{"other recipient", "some", "y@remote.example", id, null, false, false},
		{"other id", "some", rcpt, "2@mx.example", null, false, false},
		{"other account", "mjl", rcpt, id, null, false, false},
		{"nobody knows who", "some", rcpt, id, none, true, false},
		{"other domain", "some", rcpt, id, with(func(tr *trace.Trace) { tr.Facts.DKIM = []trace.DKIM{{Domain: "evil.example", Status: "pass"}} }), true, false},
		{"failed signature", "some", rcpt, id, with(func(tr *trace.Trace) { tr.Facts.DKIM = []trace.DKIM{{Domain: "remote.example", Status: "fail"}} }), true, false},
		{"helo of the server", "some", rcpt, id, with(func(tr *trace.Trace) {
			tr.Facts.SPF = []trace.SPF{{Identity: "helo", Domain: "out.provider.example", Status: "pass"}}
		}), true, true},
		{"name of the address", "some", rcpt, id, with(func(tr *trace.Trace) { tr.Facts.IPRev = &trace.IPRev{Status: "pass", Name: "a.remote.example."} }), true, true},
		{"address of the server", "some", rcpt, id, with(func(tr *trace.Trace) { tr.Facts.Remote = netip.MustParseAddr("192.0.2.99") }), true, true},
		{"junk", "some", rcpt, id, func(tr *trace.Trace) { null(tr); tr.Verdict.Action = trace.AcceptJunk }, true, false},
		{"rejected", "some", rcpt, id, func(tr *trace.Trace) { null(tr); tr.Verdict.Action = trace.Reject }, false, false},
		{"own", "some", rcpt, id, func(tr *trace.Trace) { null(tr); tr.Facts.Trusted = "dsn" }, false, false},
		{"other user here", "some", rcpt, id, func(tr *trace.Trace) { null(tr); tr.Facts.Trusted = "submission" }, false, false},
		{"with sender", "some", rcpt, id, nil, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				m := f.send("some", "")
				f.record(m, queue.Delivered, queue.Result{Success: true, Code: 250, RemoteMTA: "mx.provider.example", RemoteIP: "192.0.2.99"})
				f.deliver(tc.account, tc.account+"@mx.example", fmt.Sprintf(qmail, tc.rcpt, tc.id), func(tr *trace.Trace) {
					tr.Verdict.Action = trace.Accept
					if tc.edit != nil {
						tc.edit(tr)
					}
				})
				l := f.outgoing(t)
				if tc.matched != (len(l) == 1) {
					t.Fatalf("calls %+v", l)
				}
				if tc.matched && (l[0].Event != webapi.EventFailed || !l[0].DSN || l[0].QueueMsgID != m.ID || l[0].Suppressing != tc.suppressed || l[0].Error != "no such user" || l[0].Extra["order"] != "1") {
					t.Errorf("%+v", l[0])
				}
				if f.suppressed(t, "some") != tc.suppressed {
					t.Error("suppression list")
				}
			})
		})
	}
}

// TestBounceWhileDown: what came when nobody followed is found, once.
func TestBounceWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		text := fmt.Sprintf(qmail, "x@remote.example", "1@mx.example")
		for range 3 {
			f.deliver("some", "some@mx.example", mail, null) // before anything was sent
		}
		m := f.send("some", "")
		f.record(m, queue.Delivered, queue.Result{Success: true})
		f.end()
		f.deliver("some", "some@mx.example", text, null)
		time.Sleep(time.Second)
		for range 2 {
			f.start()
			if l := f.outgoing(t); len(l) != 1 || l[0].Event != webapi.EventFailed {
				t.Errorf("%+v", l)
			}
			f.end()
		}
		f.start()
		// The position is lost: the same notification does not count twice.
		acc, err := f.Store.Account(t.Context(), "some")
		if err != nil {
			t.Fatal(err)
		}
		if err := acc.SetSetting(t.Context(), bouncesName, nil); err != nil {
			t.Fatal(err)
		}
		f.hooks.Touch("some")
		if l := f.outgoing(t); len(l) != 1 {
			t.Errorf("%+v", l)
		}
		// It is not needed any more.
		time.Sleep(6 * 24 * time.Hour)
		if err := f.queue.Clean(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.deliver("some", "some@mx.example", text, null)
		if _, ok, err := position(t.Context(), acc, bouncesName); ok || err != nil || len(f.outgoing(t)) != 1 {
			t.Error("still followed", err)
		}
		acc.Release()
	})
}

// TestUniqueCase: an address whose case was changed on the way is known, of old ids too.
func TestUniqueCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		m := f.send("mjl", "AbC-1")
		f.record(m, queue.Delivered, queue.Result{Success: true})
		f.deliver("mjl", "mjl+abc-1@mx.example", fmt.Sprintf(failure, "FAILED", "5.1.1"), null)
		l := f.outgoing(t)
		if o := l[len(l)-1]; len(l) != 2 || o.Event != webapi.EventFailed || o.QueueMsgID != m.ID {
			t.Errorf("%+v", l)
		}
		// Its own notification was told when it failed.
		f.deliver("mjl", "mjl+abc-1@mx.example", fmt.Sprintf(failure, "failed", "5.1.2"), func(tr *trace.Trace) { null(tr); tr.Facts.Trusted = fromDSN })
		if n := len(f.recv.all()); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestComplaints(t *testing.T) {
	for _, tc := range []struct {
		name, to, typ, from string
		edit                func(*trace.Trace)
		matched, suppressed bool
	}{
		{"unique sender", "some", "abuse", "mjl+abc-1@mx.example", nil, true, true}, // to whom reports go
		{"unknown sender", "some", "abuse", "mjl+other@mx.example", nil, false, false},
		{"message id", "mjl", "abuse", "", nil, true, true},
		{"message id, not verified", "mjl", "abuse", "", func(tr *trace.Trace) { tr.Facts.Validation, tr.Facts.DKIM = "", nil }, true, false},
		{"message id of another account", "some", "abuse", "", nil, false, false},
		{"fraud", "mjl", "fraud", "mjl+abc-1@mx.example", nil, true, false},
		{"not spam", "mjl", "not-spam", "mjl+abc-1@mx.example", nil, false, false},
		{"authentication", "mjl", "auth-failure", "mjl+abc-1@mx.example", nil, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				m := f.send("mjl", "AbC-1")
				f.record(m, queue.Delivered, queue.Result{Success: true})
				// So that the other account is followed too.
				f.record(f.send("some", "other-1"), queue.Delivered, queue.Result{Success: true})
				if tc.to == "some" && tc.from == "" {
					// Sent twice under its id: not certain which.
					f.record(f.send("some", ""), queue.Delivered, queue.Result{Success: true})
				}
				f.deliver(tc.to, tc.to+"@mx.example", fmt.Sprintf(complaintReport, tc.typ, tc.from), func(tr *trace.Trace) {
					tr.Verdict.Action = trace.Accept
					if tc.edit != nil {
						tc.edit(tr)
					}
				})
				l := f.outgoing(t)
				if tc.matched != (len(l) == 2) {
					t.Fatalf("calls %+v", l)
				}
				if tc.matched && (l[1].Event != webapi.EventComplained || l[1].Suppressing != tc.suppressed || l[1].QueueMsgID != m.ID || l[1].Error != "complaint ("+tc.typ+")") {
					t.Errorf("%+v", l[1])
				}
				if f.suppressed(t, "mjl") != tc.suppressed {
					t.Error("suppression list")
				}
				r, err := f.queue.RetiredGet(t.Context(), m.ID)
				if err != nil || !r.Success || tc.matched != (r.Event == queue.EventComplained) {
					t.Errorf("%+v, %v", r, err)
				}
			})
		})
	}
}
