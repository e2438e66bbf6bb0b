package moxtest_test

import (
	"cmp"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mox/config"
	"mox/moxtest"
	"mox/queue"
	"mox/sessiontest"
)

// hold keeps what enters the queue for a domain, "" for any, in it.
func hold(t *testing.T, mox *moxtest.Server, domain string) {
	t.Helper()
	if _, _, err := mox.Queue.HoldRuleAdd(t.Context(), queue.HoldRule{RecipientDomain: domain}); err != nil {
		t.Fatal(err)
	}
}

// TestSending plays what clients of submission and, as connection "smtp", of other servers
// say, and looks into the queue.
func TestSending(t *testing.T) {
	sessiontest.RunAll(t, "testdata/session/sending-*.txt", func(t *testing.T) sessiontest.Options {
		mox := moxtest.New(t, moxtest.WithoutNetwork(),
			moxtest.WithAccount("mox", "mox@mox.example"), moxtest.WithAccount("fwd", "fwd@mox.example"), moxtest.WithAccount("small", "small@mox.example"),
			moxtest.WithConfig(func(s *config.Static, d *config.Dynamic) {
				a := d.Accounts["small"]
				a.QuotaMessageSize = 3000
				d.Accounts["small"] = a
				d.Accounts["fwd"].Destinations["fwd@mox.example"] = config.Destination{Forward: &config.Forward{Addresses: []string{"me@elsewhere.example"}}}
				// The transcripts of relaying have their clients in it.
				if strings.Contains(t.Name(), "relay-allowed") {
					s.Relay = map[string]config.Relay{"test": {Networks: []string{"127.0.0.0/8"}, FromDomains: []string{"mox.example", "printer.example"}}}
				}
			}))
		hold(t, mox, "")
		seen := int64(0)
		return sessiontest.Options{
			Dial: func(label string) (net.Conn, error) { return mox.Dial(t, cmp.Or(label, "submission")), nil },
			Vars: map[string]string{"auth": "AG1veEBtb3guZXhhbXBsZQBtb3htb3htb3g=", "srs": ""},
			Actions: map[string]func(testing.TB, string){
				// queued PATTERN: what is new in the queue, as regular expression.
				"queued": func(t testing.TB, want string) {
					var got []string
					l, err := mox.Queue.List(t.Context(), queue.Filter{}, queue.Sort{Field: "queued", Asc: true})
					if err != nil {
						t.Fatal(err)
					}
					slices.SortFunc(l, func(a, b queue.Message) int { return int(a.ID - b.ID) })
					for _, m := range l {
						if m.ID > seen {
							got = append(got, "<"+m.Sender.String()+"> <"+m.Recipient.String()+">")
							seen = m.ID
						}
					}
					if s := strings.Join(got, " "); !regexp.MustCompile("^" + want + "$").MatchString(s) {
						t.Fatalf("queued %q, want %s", s, want)
					}
				},
				// content TEXT: it is in the newest message of the queue.
				"content": func(t testing.TB, want string) {
					c, err := mox.Queue.Content(t.Context(), seen)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
					if err != nil || !strings.Contains(string(b), want) {
						t.Fatalf("%q, %v, want %s", b, err, want)
					}
				},
			},
		}
	})
}

// TestForwarding: what is forwarded has an address to which its failure comes back.
func TestForwarding(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithConfig(func(_ *config.Static, d *config.Dynamic) {
		d.Accounts["mox"].Destinations["mox@mox.example"] = config.Destination{Forward: &config.Forward{Addresses: []string{"me@elsewhere.example"}}}
	}))
	hold(t, mox, "")
	last := func(n int) queue.Message {
		t.Helper()
		l, err := mox.Queue.List(t.Context(), queue.Filter{}, queue.Sort{Field: "queued"})
		if err != nil || len(l) != n {
			t.Fatal(len(l), err)
		}
		return slices.MaxFunc(l, func(a, b queue.Message) int { return int(a.ID - b.ID) })
	}
	const text = "From: <a@remote.example>\r\nTo: <mox@mox.example>\r\nMessage-ID: <1@remote.example>\r\n\r\nHello.\r\n"
	mox.Send(t, "a@remote.example", "mox@mox.example", text)
	m := last(1)
	if m.Kind != queue.Forward || m.Recipient.String() != "me@elsewhere.example" || !strings.HasPrefix(string(m.Sender.Localpart), "SRS0=") || m.Sender.IPDomain.Domain.ASCII != moxtest.Domain {
		t.Fatalf("%+v", m)
	}
	// The same sender, other content: refused by the next server.
	bounce := "From: <mailer@elsewhere.example>\r\nSubject: failed\r\n\r\nNot delivered.\r\n"
	if err := mox.TrySend(t, "a@remote.example", m.Sender.String(), bounce); err == nil || !strings.Contains(err.Error(), "5.7.1") {
		t.Error(err)
	}
	mox.Send(t, "", m.Sender.String(), bounce)
	m = last(2)
	if m.Kind != queue.DSN || !m.Sender.IsZero() || m.Recipient.String() != "a@remote.example" || m.Local {
		t.Errorf("%+v", m)
	}
	for _, to := range []string{"SRS0=AAAAAAAA=BE=victim.example=a@mox.example", "SRS1=AAAAAAAAAA=victim.example==a=b=c@mox.example"} {
		if err := mox.TrySend(t, "", to, bounce); err == nil || !strings.Contains(err.Error(), "5.1.1") {
			t.Error(err)
		}
	}
	last(2)
}

// TestForwardingFails: who wrote a message hears that it could not be passed on.
func TestForwardingFails(t *testing.T) {
	t.Parallel()
	mox := moxtest.New(t, moxtest.WithoutNetwork(), moxtest.WithConfig(func(_ *config.Static, d *config.Dynamic) {
		d.Accounts["mox"].Destinations["mox@mox.example"] = config.Destination{Forward: &config.Forward{Addresses: []string{"me@nowhere.example"}}}
	}))
	hold(t, mox, "remote.example")
	mox.Send(t, "a@remote.example", "mox@mox.example", "From: <a@remote.example>\r\nMessage-ID: <1@remote.example>\r\n\r\nHello.\r\n")
	for range 6000 {
		l, err := mox.Queue.List(t.Context(), queue.Filter{To: "a@remote.example"}, queue.Sort{})
		if err != nil {
			t.Fatal(err)
		}
		if len(l) == 1 {
			if m := l[0]; m.Kind != queue.DSN || !m.Sender.IsZero() || m.Account != "" {
				t.Errorf("%+v", m)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("no notification")
}
