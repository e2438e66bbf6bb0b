package inbound

import (
	"context"
	"errors"
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
	"mox/dnsbl"
	"mox/msgauth"
	"mox/smtp"
	"mox/store"
	"mox/storetest"
	"mox/trace"
)

const dynamic = `Domains:
	mx.example:
		LocalpartCatchallSeparator: +
		Aliases:
			public:
				Addresses:
					- mjl@mx.example
				PostPublic: true
			members:
				Addresses:
					- mjl@mx.example
	off.example:
		Disabled: true
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example: nil
			gone@mx.example:
				SMTPError: 550 moved away
			verified@mx.example:
				MessageAuthRequiredSMTPError: only verified senders
	small:
		Domain: mx.example
		QuotaMessageSize: 1000
		Destinations:
			small@mx.example: nil
`

type fixture struct {
	*storetest.Fixture
	c       Config
	zone    dns.MockResolver
	door    Door
	mu      sync.Mutex // guards those below, while a message is delivered
	results []string
	traces  []*trace.Trace
}

func setup(t *testing.T) *fixture {
	f := &fixture{Fixture: storetest.New(t, dynamic), zone: zone()}
	f.c = Config{
		Hostname:  f.Snapshot.Hostname,
		Directory: f.Directory,
		Store:     f.Store,
		Deliverer: deliver.New(deliver.Config{Store: f.Store, Hostname: f.Snapshot.Hostname}),
		Metrics: Metrics{Delivery: func(result, reason string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.results = append(f.results, strings.TrimSuffix(result+"/"+reason, "/"))
		}},
		Trace: func(t *trace.Trace) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.traces = append(f.traces, t)
		},
		Now: func() time.Time { return now },
	}
	f.resolve(f.zone)
	return f
}

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// zone is DNS as of the tests: a.example is verified by SPF of 10.0.0.2, b.example has no
// records for authentication.
func zone() dns.MockResolver {
	return dns.MockResolver{
		PTR: map[string][]string{"10.0.0.2": {"rev.example"}, "10.0.0.3": {"bad name;"}},
		A:   map[string][]string{"rev.example": {"10.0.0.2"}, "client.example": {"10.0.0.2"}},
		MX:  map[string][]dns.MX{"a.example": {{Host: "mx.a.example"}}, "b.example": {{Host: "mx.b.example"}}, "null.example": {{Host: "."}}, "fail.example": {{Host: "mx.fail.example"}}},
		TXT: map[string][]string{
			"a.example": {"v=spf1 ip4:10.0.0.2 -all"}, "_dmarc.a.example": {"v=DMARC1; p=reject"},
			"fail.example": {"v=spf1 -all"},
		},
		Fail: map[string]error{"mx broken.example": nil},
	}
}

func (f *fixture) resolve(r dns.Resolver) {
	f.c.Checker = msgauth.New(msgauth.Config{Resolver: r, Hostname: f.Snapshot.Hostname, Now: f.c.Now, DNSBL: &dnsbl.Checker{Resolver: r}})
}

func path(t *testing.T, s string) smtp.Path {
	t.Helper()
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var peer = smtp.Peer{Remote: netip.MustParseAddrPort("10.0.0.2:1234"), ESMTP: true, Hello: smtp.Host{IPDomain: smtp.IPDomain{Domain: dns.Domain{ASCII: "client.example"}}}}

// send returns the replies to MAIL, each RCPT, and the data.
func (f *fixture) send(t *testing.T, peer smtp.Peer, params smtp.MailParams, from string, to []string, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var replies []string
	note := func(err error) bool {
		if err == nil {
			replies = append(replies, "ok")
			return true
		}
		e := smtp.AsError(err)
		if e.Code < 500 && e.Err != nil {
			t.Errorf("%v would be logged as a failure of our own", err)
		}
		replies = append(replies, fmt.Sprintf("%d %s", e.Code, e.Enhanced))
		return false
	}
	tx, err := New(f.c).Begin(ctx, peer, f.door)
	if err != nil {
		t.Fatal(err)
	}
	var reverse smtp.Path
	if from != "" {
		reverse = path(t, from)
	}
	if !note(tx.Mail(ctx, reverse, params)) {
		tx.Abort()
		return strings.Join(replies, ", ")
	}
	n := 0
	for _, s := range to {
		if note(tx.Rcpt(ctx, path(t, s), smtp.RcptParams{})) {
			n++
		}
	}
	if n == 0 || text == "" {
		tx.Abort()
		return strings.Join(replies, ", ")
	}
	w, err := tx.Data(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	results, err := tx.Finish(ctx)
	if err == nil && len(results) != n {
		t.Errorf("%d results for %d recipients", len(results), n)
	}
	note(err)
	return strings.Join(replies, ", ")
}

const text = "From: <a@b.example>\r\n\r\ntext\r\n"

func TestInbound(t *testing.T) {
	f := setup(t)
	for _, tc := range []struct {
		from string
		to   []string
		size int64
		want string
	}{
		{"a@b.example", []string{"mjl@mx.example"}, 0, "ok, ok, ok"},
		{"a@b.example", []string{"nobody@mx.example", "mjl+x@mx.example"}, 0, "ok, 550 5.1.1, ok, ok"},
		{"a@b.example", []string{"a@elsewhere.example"}, 0, "ok, 550 5.7.1"},
		{"a@b.example", []string{"a@[10.0.0.1]"}, 0, "ok, 550 5.7.1"},
		{"a@b.example", []string{"a@off.example"}, 0, "ok, 450 4.2.1"},
		{"a@b.example", []string{"gone@mx.example", "verified@mx.example"}, 0, "ok, 550 5.1.1, ok, 550 5.7.26"},
		{"a@b.example", []string{"public@mx.example"}, 0, "ok, ok, ok"},
		// A sender that is not verified is no member.
		{"a@b.example", []string{"members@mx.example"}, 0, "ok, ok, 550 5.7.26"},
		// Who cannot have answers.
		{"a@nowhere.example", []string{"mjl@mx.example"}, 0, "ok, 550 5.1.8"},
		{"a@null.example", []string{"mjl@mx.example"}, 0, "ok, 550 5.7.27"},
		{"a@broken.example", []string{"mjl@mx.example"}, 0, "ok, 451 4.4.3"},
		{"a@[10.0.0.2]", []string{"mjl@mx.example"}, 0, "ok, ok, ok"},
		{"", []string{"mjl@mx.example", "small@mx.example"}, 0, "ok, ok, 452 4.5.3, ok"},
		{"a@b.example", []string{"small@mx.example"}, 1001, "ok, 552 5.2.2"},
		{"a@b.example", []string{"small@mx.example"}, 0, "ok, ok, ok"},
		{"a@b.example", []string{"small@mx.example"}, 900, "ok, 452 4.2.2"},
		// Special localparts are for servers to try things out.
		{"mailfrompermerror@b.example", []string{"mjl@mx.example"}, 0, "ok, ok, ok"},
	} {
		got := f.send(t, peer, smtp.MailParams{HasSize: tc.size > 0, Size: tc.size}, tc.from, tc.to, text)
		if got != tc.want {
			t.Errorf("%s to %v: got %s, want %s", tc.from, tc.to, got, tc.want)
		}
	}
	got := f.Messages(t, "mjl", "Inbox")
	if len(got) != 6 {
		t.Fatalf("%d messages", len(got))
	}
	const want = "X-Mox-Reason: no-bad-signals;\r\n\tnothing is against it\r\n" +
		"Delivered-To: mjl@mx.example\r\nReturn-Path: <a@b.example>\r\n" +
		"Authentication-Results: mx.example;\r\n\tiprev=pass (rev.example without dnssec) policy.iprev=10.0.0.2;\r\n\tdkim=none;\r\n" +
		"\tspf=none (without dnssec) reason=\"no SPF record at b.example\"\r\n smtp.mailfrom=a@b.example;\r\n" +
		"\tspf=none (without dnssec) reason=\"no SPF record at client.example\"\r\n smtp.helo=client.example;\r\n" +
		"\tdmarc=none (without dnssec) header.from=b.example\r\n" +
		"Received-SPF: none (domain does not say which hosts send its mail)\r\n\treceiver=mx.example;\r\n\tclient-ip=10.0.0.2;\r\n" +
		"\tenvelope-from=\"a@b.example\";\r\n\thelo=client.example;\r\n\tidentity=mailfrom;\r\n\tproblem=\"no SPF record at b.example\"\r\n" +
		"Received: from client.example (rev.example [10.0.0.2]) by mx.example via tcp\r\n" +
		"\twith ESMTP id 0 for <mjl@mx.example>; Wed, 4 Mar 2026 05:06:07 +0000\r\n" + text
	if got[0] != want {
		t.Errorf("got  %q\nwant %q", got[0], want)
	}
	if s := strings.Join(f.results[:6], " "); s != "delivered/no-bad-signals unknownuser delivered/no-bad-signals reject reject reject" {
		t.Error(s)
	}
}

func TestFull(t *testing.T) {
	f := setup(t)
	big := text + strings.Repeat("0123456789\r\n", 100)
	if got := f.send(t, peer, smtp.MailParams{}, "a@b.example", []string{"small@mx.example"}, big); got != "ok, ok, 552 5.2.2" {
		t.Error(got)
	}
	if n := len(f.Messages(t, "small", "Inbox")); n != 0 {
		t.Error(n)
	}
}

func TestRecipients(t *testing.T) {
	f := setup(t)
	f.c.Recipients = 2
	if got := f.send(t, peer, smtp.MailParams{}, "a@b.example", []string{"mjl@mx.example", "mjl+a@mx.example", "mjl+b@mx.example"}, text); got != "ok, ok, ok, 452 4.5.3, ok" {
		t.Error(got)
	}
	if n := len(f.Messages(t, "mjl", "Inbox")); n != 1 {
		t.Error("delivered", n, "times")
	}
}

func TestReverse(t *testing.T) {
	f := setup(t)
	for ip, want := range map[string]string{"10.0.0.2": "(rev.example [10.0.0.2])", "10.0.0.3": "([10.0.0.3])", "10.0.0.4": "([10.0.0.4])"} {
		p := peer
		p.Remote = netip.MustParseAddrPort(ip + ":1")
		if got := f.send(t, p, smtp.MailParams{}, "a@b.example", []string{"mjl@mx.example"}, text); got != "ok, ok, ok" {
			t.Fatal(got)
		}
		l := f.Messages(t, "mjl", "Inbox")
		if got := l[len(l)-1]; !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f.c.Checker = nil
	if got := f.send(t, peer, smtp.MailParams{}, "a@b.example", []string{"mjl@mx.example"}, text); got != "ok, ok, ok" {
		t.Fatal(got)
	}
}

// TestSlowResolver: a message that is given up does not wait for DNS.
func TestSlowResolver(t *testing.T) {
	f := setup(t)
	z := f.zone
	z.Delay = map[string]time.Duration{"ptr 10.0.0.2": time.Hour}
	f.resolve(z)
	start := time.Now()
	if got := f.send(t, peer, smtp.MailParams{}, "a@b.example", []string{"nobody@mx.example"}, ""); got != "ok, 550 5.1.1" {
		t.Fatal(got)
	}
	if d := time.Since(start); d > 10*time.Minute {
		t.Error(d)
	}
}

func TestLocal(t *testing.T) {
	f := setup(t)
	f.c.Directory = directory.NewAny(func() *config.Snapshot { return f.Snapshot })
	f.c.Local = true
	for _, tc := range []struct{ from, to, want string }{
		{"a@b.example", "anyone@anywhere.example", "ok, ok, ok"},
		{"a@b.example", "rcptto452@anywhere.example", "ok, 452 4.0.0"},
		{"a@b.example", "permerror@anywhere.example", "ok, ok, 550 5.7.0"},
		{"mailfromtemperror@b.example", "a@anywhere.example", "451 4.3.0"},
		{"temperror@b.example", "a@anywhere.example", "ok, ok, 451 4.3.0"},
	} {
		if got := f.send(t, peer, smtp.MailParams{}, tc.from, []string{tc.to}, text); got != tc.want {
			t.Errorf("%s to %s: %s", tc.from, tc.to, got)
		}
	}
}

// TestCount: what is our own failure is counted as one.
func TestCount(t *testing.T) {
	for _, tc := range []struct {
		err          error
		reason, want string
	}{
		{nil, "no-bad-signals", "delivered"},
		{deliver.Error(store.ErrDiskFull), "", "delivererror"},
		{deliver.Error(errors.New("database is malformed")), "", "delivererror"},
		{deliver.Error(store.ErrQuota), "", "reject"},
		{smtp.Errorf(550, "5.1.1", "no such address"), "", "unknownuser"},
		{smtp.Errorf(451, "4.7.1", "not now"), "high-rate", "highrate"},
		{smtp.Errorf(451, "4.7.1", "not now"), "junk", "reject"},
	} {
		var got string
		in := New(Config{Metrics: Metrics{Delivery: func(result, _ string) { got = result }}})
		if in.count(tc.err, tc.reason); got != tc.want {
			t.Errorf("%v, %q: %s, want %s", tc.err, tc.reason, got, tc.want)
		}
	}
}
