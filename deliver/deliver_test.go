package deliver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
	"mox/smtp"
	"mox/store"
	"mox/storetest"
)

const dynamic = `Domains:
	mx.example:
		LocalpartCatchallSeparator: +
		Aliases:
			team:
				Addresses:
					- mjl@mx.example
					- other@mx.example
					- small@mx.example
				PostPublic: true
			solo:
				Addresses:
					- mjl@mx.example
				PostPublic: true
	off.example:
		Disabled: true
Accounts:
	mjl:
		Domain: mx.example
		Destinations:
			mjl@mx.example:
				Rulesets:
					-
						SMTPMailFromRegexp: ^bounces@
						Mailbox: Bounces
					-
						VerifiedDomain: list.example
						Mailbox: Verified
					-
						MsgFromRegexp: ^news@
						HeadersRegexp:
							^list-id$: <news\.example>
						Mailbox: News
	other:
		Domain: mx.example
		Destinations:
			other@mx.example:
				Mailbox: Mail/Here
			gone@mx.example:
				SMTPError: 550 no more mail here
			later@mx.example:
				SMTPError: 421
	small:
		Domain: mx.example
		QuotaMessageSize: 2000
		Destinations:
			small@mx.example: nil
`

type fixture struct {
	*storetest.Fixture
	d *Deliverer
}

func setup(t *testing.T) *fixture {
	f := storetest.New(t, dynamic)
	return &fixture{f, New(Config{Store: f.Store, Hostname: f.Snapshot.Hostname, ID: func(cid int64) string { return fmt.Sprintf("id%d", cid) }})}
}

func path(t testing.TB, s string) smtp.Path {
	t.Helper()
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err != nil && s == "Postmaster" {
		return smtp.Path{Localpart: "Postmaster"}
	} else if err != nil {
		t.Fatal(err)
	}
	return p
}

func host(t testing.TB, s string) smtp.Host {
	c, err := smtp.ParseCommand("EHLO "+s, smtp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c.(smtp.Ehlo).Host
}

func (f *fixture) rcpts(t *testing.T, to ...string) []Recipient {
	t.Helper()
	var l []Recipient
	for _, s := range to {
		p := path(t, s)
		target, err := Resolve(f.Directory.View(), p)
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, Recipient{To: p, Target: target})
	}
	return l
}

func (f *fixture) message(t *testing.T, from, text string) *Message {
	return &Message{
		Spool: f.Spool(t, text), From: path(t, from), Received: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Peer: smtp.Peer{CID: 7, Remote: netip.MustParseAddrPort("10.0.0.2:1234"), Hello: host(t, "client.example"), ESMTP: true},
	}
}

func codes(l []error) string {
	var s []string
	for _, err := range l {
		if err == nil {
			s = append(s, "ok")
			continue
		}
		e := smtp.AsError(err)
		s = append(s, fmt.Sprintf("%d %s", e.Code, e.Enhanced))
	}
	return strings.Join(s, ", ")
}

const text = "From: <a@b.example>\r\nSubject: hi\r\n\r\ntext\r\n"

func TestDeliver(t *testing.T) {
	f := setup(t)
	m := f.message(t, "a@b.example", text)
	m.Reverse = "rev.example"
	m.Fields = []byte("X-Field: y\r\n")
	m.Peer.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}
	results := f.d.Deliver(t.Context(), m, f.rcpts(t, "mjl+x@mx.example", "other@mx.example", "Postmaster"))
	if codes(results) != "ok, ok, ok" {
		t.Fatal(codes(results))
	}
	const want = "Delivered-To: mjl+x@mx.example\r\nReturn-Path: <a@b.example>\r\nX-Field: y\r\n" +
		"Received: from client.example (rev.example [10.0.0.2]) by mx.example via tcp\r\n" +
		"\twith ESMTPS id id7 (TLS1.3 TLS_AES_128_GCM_SHA256) for\r\n" +
		"\t<mjl+x@mx.example>; Wed, 4 Mar 2026 05:06:07 +0000\r\n" + text
	if got := f.Messages(t, "mjl", "Inbox"); len(got) != 1 || got[0] != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := f.Messages(t, "other", "Mail/Here"); len(got) != 1 || !strings.HasPrefix(got[0], "Delivered-To: other@mx.example\r\n") {
		t.Errorf("got %q", got)
	}
	if got := f.Messages(t, "mjl", "Postmaster"); len(got) != 1 || !strings.HasPrefix(got[0], "Delivered-To: Postmaster@mx.example\r\n") || !strings.Contains(got[0], "<Postmaster@mx.example>;") {
		t.Errorf("got %q", got)
	}
}

func TestReceived(t *testing.T) {
	f := setup(t)
	for _, tc := range []struct {
		change func(m *Message)
		want   string
	}{
		{func(m *Message) { m.Peer.ESMTP = false }, "from client.example ([10.0.0.2]) by mx.example via tcp with SMTP id id7 for"},
		{func(m *Message) { m.SMTPUTF8, m.Peer.Auth = true, true }, "with UTF8SMTPA"},
		{func(m *Message) { m.Peer.LMTP = true }, "with LMTP"},
		{func(m *Message) { m.NoClient = true; m.Peer.Auth = true }, "Received: by mx.example via tcp with ESMTPA"},
		{func(m *Message) { m.Peer.Hello = host(t, "[IPv6:::1]") }, "from [IPv6:::1] ("},
		{func(m *Message) { m.Peer.Hello = host(t, "x;(evil)<a>") }, "from x??evil??a? ("},
		{func(m *Message) { m.Peer.Remote = netip.MustParseAddrPort("[2001:db8::1]:25") }, "([IPv6:2001:db8::1])"},
	} {
		m := f.message(t, "a@b.example", text)
		tc.change(m)
		got := strings.ReplaceAll(f.d.Received(m, path(t, "mjl@mx.example")), "\r\n\t", " ")
		if !strings.Contains(got, tc.want) {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

func TestAlias(t *testing.T) {
	for _, tc := range []struct {
		from, msgFrom     string
		to                []string
		mjl, other, small int
		results           string
		delivered         string // Delivered-To of mjl's
	}{
		{"a@b.example", "a@b.example", []string{"team@mx.example"}, 1, 1, 1, "ok", "team@mx.example"},
		{"a@b.example", "a@b.example", []string{"team@mx.example", "mjl@mx.example"}, 1, 1, 1, "ok, ok", "mjl@mx.example"},
		{"mjl@mx.example", "mjl@mx.example", []string{"team@mx.example"}, 0, 1, 1, "ok", ""},
		{"mjl@mx.example", "mjl@mx.example", []string{"solo@mx.example"}, 1, 0, 0, "ok", "solo@mx.example"},
		{"a@b.example", "a@b.example", []string{"mjl@mx.example", "MJL@mx.example", "mjl+x@mx.example"}, 1, 0, 0, "ok, ok, ok", "mjl@mx.example"},
	} {
		f := setup(t)
		m := f.message(t, tc.from, "From: <"+tc.msgFrom+">\r\n\r\ntext\r\n")
		results := f.d.Deliver(t.Context(), m, f.rcpts(t, tc.to...))
		if codes(results) != tc.results {
			t.Errorf("%v: %s", tc.to, codes(results))
		}
		mjl := f.Messages(t, "mjl", "Inbox")
		got := []int{len(mjl), len(f.Messages(t, "other", "Mail/Here")), len(f.Messages(t, "small", "Inbox"))}
		if !slices.Equal(got, []int{tc.mjl, tc.other, tc.small}) {
			t.Errorf("%v: got %v", tc.to, got)
		}
		if tc.delivered != "" && !strings.HasPrefix(mjl[0], "Delivered-To: "+tc.delivered+"\r\n") {
			t.Errorf("%v: got %q", tc.to, mjl[0])
		}
	}
}

func TestRulesets(t *testing.T) {
	f := setup(t)
	for _, tc := range []struct{ from, header, mailbox string }{
		{"bounces@x.example", "From: <a@b.example>", "Bounces"},
		{"a@list.example", "From: <a@list.example>", "Inbox"},
		{"a@b.example", "From: <news@news.example>\r\nLIST-ID: News <NEWS.example>", "News"},
		{"a@b.example", "From: <news@news.example>", "Inbox"},
		{"a@b.example", "From: <news@news.example>, <b@news.example>\r\nList-Id: <news.example>", "Inbox"},
		// Who wrote it is not clear.
		{"a@b.example", "From: <news@news.example>\r\nFrom: <b@news.example>\r\nList-Id: <news.example>", "Inbox"},
		{"a@b.example", "From: \"<news@news.example>\" <b@news.example>\r\nList-Id: <news.example>", "Inbox"},
	} {
		before := len(f.Messages(t, "mjl", tc.mailbox))
		m := f.message(t, tc.from, tc.header+"\r\n\r\ntext\r\n")
		if results := f.d.Deliver(t.Context(), m, f.rcpts(t, "mjl@mx.example")); codes(results) != "ok" {
			t.Fatal(codes(results))
		}
		if after := len(f.Messages(t, "mjl", tc.mailbox)); after != before+1 {
			t.Errorf("%q not in %s", tc.header, tc.mailbox)
		}
	}
}

func TestResolve(t *testing.T) {
	f := setup(t)
	for _, tc := range []struct{ to, want string }{
		{"nobody@mx.example", "550 5.1.1"}, {"a@elsewhere.example", "550 5.7.1"}, {"a@off.example", "450 4.2.1"},
		{"gone@mx.example", "550 5.1.1"}, {"later@mx.example", "451 4.2.1"}, {"a@[10.0.0.1]", "550 5.7.1"},
	} {
		if _, err := Resolve(f.Directory.View(), path(t, tc.to)); codes([]error{err}) != tc.want {
			t.Errorf("%s: %v", tc.to, err)
		}
	}
	if _, err := Resolve(f.Directory.View(), path(t, "gone@mx.example")); smtp.AsError(err).Text != "no more mail here" {
		t.Error(err)
	}
}

func TestQuota(t *testing.T) {
	f := setup(t)
	small := f.rcpts(t, "small@mx.example")
	if err := f.d.Room(t.Context(), small[0].Target, 1000); err != nil {
		t.Error(err)
	}
	if err := f.d.Room(t.Context(), small[0].Target, 2001); codes([]error{err}) != "552 5.2.2" {
		t.Error(err)
	}
	m := f.message(t, "a@b.example", text+strings.Repeat("0123456789\r\n", 110))
	if results := f.d.Deliver(t.Context(), m, small); codes(results) != "ok" {
		t.Fatal(codes(results))
	}
	if err := f.d.Room(t.Context(), small[0].Target, 1000); codes([]error{err}) != "452 4.2.2" {
		t.Error(err)
	}
	if results := f.d.Deliver(t.Context(), m, small); codes(results) != "452 4.2.2" {
		t.Fatal(codes(results))
	}
	// Others get it, and not twice when it is sent again.
	all := f.rcpts(t, "mjl@mx.example", "small@mx.example", "other@mx.example")
	for range 2 {
		results := f.d.Deliver(t.Context(), m, all)
		if codes(results) != "ok, 452 4.2.2, ok" {
			t.Fatal(codes(results))
		}
		if err := Merge(all, results); codes([]error{err}) != "451 4.3.0" || !strings.Contains(err.Error(), "small@mx.example") {
			t.Error(err)
		}
	}
	// Room again: the rest is delivered.
	acc, err := f.Store.Account(t.Context(), "small")
	if err != nil {
		t.Fatal(err)
	}
	acc.SetQuota(10000)
	results := f.d.Deliver(t.Context(), m, all)
	acc.Release()
	if codes(results) != "ok, ok, ok" || Merge(all, results) != nil {
		t.Fatal(codes(results))
	}
	for _, b := range [][2]string{{"mjl", "Inbox"}, {"other", "Mail/Here"}} {
		if n := len(f.Messages(t, b[0], b[1])); n != 1 {
			t.Errorf("%s got it %d times", b[0], n)
		}
	}
	// Another message is another.
	m2 := f.message(t, "a@b.example", text)
	f.d.Deliver(t.Context(), m2, all)
	if n := len(f.Messages(t, "mjl", "Inbox")); n != 2 {
		t.Error(n)
	}
	// A limit of messages is one of the account too, known at RCPT already.
	acc, err = f.Store.Account(t.Context(), "small")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	acc.SetLimits(store.Limits{Messages: acc.Quota().Count})
	m3 := f.message(t, "a@b.example", text+"more")
	if results := f.d.Deliver(t.Context(), m3, all); codes(results) != "ok, 452 4.2.2, ok" {
		t.Error(codes(results))
	}
	if err := f.d.Room(t.Context(), all[1].Target, 1); codes([]error{err}) != "452 4.2.2" {
		t.Error(err)
	}
}

func TestCorrupt(t *testing.T) {
	f := setup(t)
	name := filepath.Join(f.Store.Dir(), "accounts", "other", "account.db")
	if err := os.WriteFile(name, []byte(strings.Repeat("garbage ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	all := f.rcpts(t, "mjl@mx.example", "other@mx.example")
	results := f.d.Deliver(t.Context(), f.message(t, "a@b.example", text), all)
	if codes(results) != "ok, 451 4.3.0" {
		t.Error(codes(results))
	}
	if e := smtp.AsError(results[1]); strings.Contains(e.Text, "account") || e.Err != nil {
		t.Error("cause shown to the peer", e)
	}
	if err := f.d.Room(t.Context(), all[1].Target, 1); codes([]error{err}) != "451 4.3.0" {
		t.Error(err)
	}
}

func TestLoop(t *testing.T) {
	f := setup(t)
	for n, want := range map[int]string{100: "ok", 101: "550 5.4.6"} {
		m := f.message(t, "a@b.example", strings.Repeat("received: x\r\n\ty\r\n", n)+"X: Received: "+strings.Repeat("x", 10000)+"\r\n\r\nReceived: no\r\n")
		if got := codes(f.d.Deliver(t.Context(), m, f.rcpts(t, "mjl@mx.example"))); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// TestForwardingLoop: RFC 9228 5.
func TestForwardingLoop(t *testing.T) {
	f := setup(t)
	for _, tc := range []struct{ header, to, want string }{
		{"Delivered-To: mjl@mx.example\r\n", "mjl@mx.example", "ok"},
		{"Delivered-To: mjl@mx.example\r\nDELIVERED-TO:MJL@mx.EXAMPLE \r\n", "mjl@mx.example", "550 5.4.6"},
		{"Delivered-To: mjl@mx.example\r\nX:\r\n Delivered-To: mjl@mx.example\r\n", "mjl@mx.example", "ok"},
		{"Delivered-To: mjl@mx.example\r\nDelivered-To: mjl@mx.example\r\n", "mjl+x@mx.example", "ok"},
		{"Delivered-To: mjl@mx.example\r\nDelivered-To: mjl@mx.example\r\n", "other@mx.example", "ok"},
		{"Delivered-To: team@mx.example\r\nDelivered-To: team@mx.example\r\n", "team@mx.example", "550 5.4.6"},
		{"Delivered-To: postmaster@mx.example\r\nDelivered-To: postmaster@mx.example\r\n", "Postmaster", "550 5.4.6"},
		// In the body it is text.
		{"Delivered-To: mjl@mx.example\r\n\r\nDelivered-To: mjl@mx.example\r\n", "mjl@mx.example", "ok"},
		{strings.Repeat("Delivered-To: a@b.example\r\n", 1000), "mjl@mx.example", "ok"},
	} {
		m := f.message(t, "a@b.example", tc.header+text)
		if got := codes(f.d.Deliver(t.Context(), m, f.rcpts(t, tc.to))); got != tc.want {
			t.Errorf("%q to %s: %s, want %s", tc.header, tc.to, got, tc.want)
		}
	}
	// Others get it.
	m := f.message(t, "a@b.example", strings.Repeat("Delivered-To: mjl@mx.example\r\n", 2)+text)
	if got := codes(f.d.Deliver(t.Context(), m, f.rcpts(t, "mjl@mx.example", "other@mx.example"))); got != "550 5.4.6, ok" {
		t.Error(got)
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{store.ErrQuota, "452 4.2.2"}, {store.ErrDiskFull, "452 4.3.1"}, {store.ErrTooLarge, "552 5.3.4"}, {store.ErrCorrupt, "451 4.3.0"},
		{errors.New("x"), "451 4.3.0"}, {smtp.Errorf(550, "5.7.1", "x"), "550 5.7.1"},
	} {
		if got := codes([]error{Error(fmt.Errorf("adding: %w", tc.err))}); got != tc.want {
			t.Errorf("%v: %s", tc.err, got)
		}
	}
	if Error(nil) != nil {
		t.Error("error of nil")
	}
	full, no, gone := smtp.Errorf(452, "4.2.2", "full"), smtp.Errorf(550, "5.1.1", "no"), smtp.Errorf(551, "5.1.6", "gone")
	for _, tc := range []struct {
		l    []error
		want string
	}{
		{[]error{nil, nil}, "ok"}, {[]error{full, full}, "452 4.2.2"}, {[]error{no, gone}, "554 5.0.0"}, {[]error{full, no}, "554 5.0.0"},
		{[]error{full, smtp.Errorf(451, "4.3.0", "x")}, "451 4.3.0"}, {[]error{nil, full, no}, "451 4.3.0"}, {[]error{nil, no}, "554 5.0.0"},
	} {
		if got := codes([]error{Merge(make([]Recipient, len(tc.l)), tc.l)}); got != tc.want {
			t.Errorf("%v: %s", tc.l, got)
		}
	}
}

func TestMemory(t *testing.T) {
	m := newMemory()
	now := time.Now()
	for i := range maxRemembered + 10 {
		m.add(digest{byte(i), byte(i >> 8)}, now)
	}
	if len(m.at) != maxRemembered || len(m.order) != maxRemembered {
		t.Error(len(m.at), len(m.order))
	}
	m.add(digest{1, 2, 3}, now.Add(days+time.Hour))
	if len(m.at) != 1 || len(m.order) != 1 {
		t.Error(len(m.at), len(m.order))
	}
}

func TestSimulated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			prefix string
			l      smtp.Localpart
			want   string
		}{
			{"", "x", "ok"}, {"", "x451", "451 4.0.0"}, {"", "599", "599 5.0.0"}, {"", "x399", "ok"}, {"", "600", "ok"}, {"", "a-temperror", "451 4.3.0"},
			{"", "PermError", "550 5.7.0"}, {"", "timeout", "451 4.4.2"}, {"", "mailfrompermerror", "ok"}, {"mailfrom", "mailfrompermerror", "550 5.7.0"},
			{"rcptto", "mailfrompermerror", "ok"}, {"rcptto", "rcptto552", "552 5.0.0"}, {"mailfrom", "permerror", "ok"}, {"", "-450", "450 4.0.0"}, {"", "x+450", "450 4.0.0"},
		} {
			start := time.Now()
			if got := codes([]error{SimulatedAt(t.Context(), tc.prefix, tc.l)}); got != tc.want {
				t.Errorf("%s %s: %s", tc.prefix, tc.l, got)
			}
			if d := time.Since(start); d != 0 && d != time.Hour {
				t.Error(d)
			}
		}
	})
}

func BenchmarkPrefix(b *testing.B) {
	d := New(Config{Hostname: dns.Domain{ASCII: "mx.example"}})
	m := &Message{From: path(b, "a@b.example"), Received: time.Now(), Peer: smtp.Peer{Remote: netip.MustParseAddrPort("10.0.0.2:1"), Hello: host(b, "client.example")}}
	j := &job{to: path(b, "mjl@mx.example")}
	for b.Loop() {
		d.prefix(m, j)
	}
}
