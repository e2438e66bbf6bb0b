package submit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mox/deliver"
	"mox/dkim"
	"mox/dns"
	"mox/dsn"
	"mox/queue"
	"mox/smtp"
	"mox/store"
)

var discard = slog.New(slog.DiscardHandler)

// testQueue is a queue that can be out of order.
type testQueue struct {
	*queue.Queue
	err error // of Add
}

func (q *testQueue) Add(ctx context.Context, c queue.Content, msgs []queue.Message) (queue.Added, error) {
	if q.err != nil {
		return queue.Added{}, q.err
	}
	return q.Queue.Add(ctx, c, msgs)
}

func (q *testQueue) AddNotices(ctx context.Context, c queue.Content, msgs []queue.Message, n []queue.NewMessage) (queue.Added, error) {
	if q.err != nil {
		return queue.Added{}, q.err
	}
	return q.Queue.AddNotices(ctx, c, msgs, n)
}

// withQueue adds a queue to the fixture, which is checked at the end.
func (f *fixture) withQueue(t *testing.T, o queue.Options) *testQueue {
	t.Helper()
	o.Now, o.Synchronous = f.c.Now, "OFF"
	q, err := queue.Open(filepath.Join(t.TempDir(), queue.FileName), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if problems, err := q.Check(context.Background()); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	tq := &testQueue{Queue: q}
	f.c.Queue, f.c.Random = tq, rand.Reader
	return tq
}

// list returns what is in the queue, in order of IDs, with the contents.
func (q *testQueue) list(t *testing.T) ([]queue.Message, []string) {
	t.Helper()
	l, err := q.List(t.Context(), queue.Filter{}, queue.Sort{Field: "queued", Asc: true})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(l, func(a, b queue.Message) int { return int(a.ID - b.ID) })
	var texts []string
	for _, m := range l {
		c, err := q.Content(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		texts = append(texts, string(b))
	}
	return l, texts
}

// summary is what is of interest of messages in the queue.
func summary(l []queue.Message) string {
	var s []string
	for _, m := range l {
		x := string(m.Kind) + "<" + m.Sender.String() + "> " + m.Recipient.String()
		if m.Local {
			x += " local"
		}
		s = append(s, strings.TrimSpace(x))
	}
	return strings.Join(s, ", ")
}

func domain(t *testing.T, s string) dns.Domain {
	t.Helper()
	d, err := dns.ParseDomain(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// rsaKey makes one key for all tests, as that takes long.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// withKeys gives mx.example keys as its configuration could have, and returns DNS.
func (f *fixture) withKeys(t *testing.T) dns.MockResolver {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := rsaKey()
	sel := []dkim.Selector{
		{Name: dns.Domain{ASCII: "ed"}, Key: ed, Seal: true, HeaderCanonicalization: dkim.Simple, BodyCanonicalization: dkim.Simple},
		{Name: dns.Domain{ASCII: "rsa"}, Key: r, Seal: true},
	}
	f.Snapshot.Domains["mx.example"].Signers = sel
	zone := dns.MockResolver{TXT: map[string][]string{}}
	for _, s := range sel {
		rec, err := dkim.NewRecord(s.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		zone.TXT[s.Name.ASCII+"._domainkey.mx.example"] = []string{rec.String()}
	}
	return zone
}

func verified(t *testing.T, f *fixture, zone dns.MockResolver, text string) string {
	t.Helper()
	results, err := dkim.Verify(t.Context(), discard, zone, dkim.Options{Now: f.c.Now}, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, r := range results {
		s = append(s, fmt.Sprintf("%s %s %s", r.Status, r.Signature.Algorithm, r.Signature.Identity.String()))
	}
	return strings.Join(s, ", ")
}

// TestQueue: what goes to other servers is complete and signed.
func TestQueue(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	zone := f.withKeys(t)
	s := submission{
		account: "mjl", from: "mjl+x@mx.example", params: smtp.MailParams{EnvID: "QQ1", Ret: smtp.RetHdrs, Body: smtp.Body8BitMIME},
		rcpts: []rcpt{with("other", 0, ""), {to: "a@remote.example", RcptParams: smtp.RcptParams{Notify: smtp.NotifyFailure}}, {to: "b@[192.0.2.1]"}},
		text:  "From: <mjl@mx.example>\r\nBcc: <a@remote.example>\r\nSubject: =?utf-8?q?f=C3=BCr?= you\r\nX-Mox-Extra-Order: 12\r\nTLS-Required: no\r\n\r\ntext ü\r\n",
	}
	if at, err := f.submit(t, s); err != nil {
		t.Fatal(at, err)
	}
	l, texts := q.list(t)
	if got := summary(l); got != "<mjl+x@mx.example> a@remote.example, <mjl+x@mx.example> b@[192.0.2.1]" {
		t.Fatal(got)
	}
	m := l[0]
	if m.EnvID != "QQ1" || m.Ret != smtp.RetHdrs || m.Notify != smtp.NotifyFailure || !m.EightBit || m.SMTPUTF8 || m.Account != "mjl" || m.Subject != "für you" || m.BaseID != l[1].BaseID ||
		m.MessageID == "" || m.Extra["Order"] != "12" || m.RequireTLS == nil || *m.RequireTLS || m.FromID != "" || !m.NextAttempt.Equal(f.c.Now()) {
		t.Errorf("%+v", m)
	}
	text := texts[0]
	if got := verified(t, f, zone, text); got != "pass ed25519-sha256 mjl@mx.example, pass rsa-sha256 mjl@mx.example" {
		t.Errorf("%s of %q", got, text)
	}
	if !strings.HasPrefix(text, "Received: by mx.example via tcp with ESMTPA id 0;\r\n\tWed, 4 Mar 2026 05:06:07 +0000\r\nDKIM-Signature: ") {
		t.Errorf("%q", text)
	}
	for _, not := range []string{"Bcc: ", "10.0.0.2", "laptop", "for <", "other@", "Return-Path", "Authentication-Results"} {
		if strings.Contains(text, not) {
			t.Errorf("%s in %q", not, text)
		}
	}
	if !strings.Contains(text, "\r\nMessage-ID: <"+m.MessageID+">\r\nDate: Wed, 4 Mar 2026 05:06:07 +0000\r\nFrom: ") {
		t.Errorf("%q", text)
	}
	// The same message, with the same signatures, is in the account here.
	local := f.Messages(t, "other", "Inbox")
	if len(local) != 1 || verified(t, f, zone, local[0]) != "pass ed25519-sha256 mjl@mx.example, pass rsa-sha256 mjl@mx.example" {
		t.Errorf("%q", local)
	}
	if !slices.Equal(f.results, []string{"ok"}) {
		t.Error(f.results)
	}
}

// TestSigner: the keys of the nearest domain.
func TestSigner(t *testing.T) {
	f := setup(t)
	zone := f.withKeys(t)
	s := New(f.c)
	const text = "From: <a@sub.mx.example>\r\n\r\ntext\r\n"
	for author, want := range map[string]string{
		"a@mx.example": "pass ed25519-sha256 a@mx.example, pass rsa-sha256 a@mx.example", "a@x.sub.mx.example": "pass ed25519-sha256 a@x.sub.mx.example, pass rsa-sha256 a@x.sub.mx.example",
		"a@off.example": "", "a@example": "", "a@notmx.example": "",
	} {
		fields, err := s.Sign(t.Context(), f.Snapshot, []smtp.Address{path(t, author).Address(), path(t, author).Address()}, false, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := verified(t, f, zone, fields+text); got != want {
			t.Errorf("%s: %q, want %q", author, got, want)
		}
	}
}

func remote(l ...string) []rcpt {
	var r []rcpt
	for _, a := range l {
		r = append(r, rcpt{to: a})
	}
	return r
}

// TestQueueFails: nothing is accepted before it is durable, and who has it does not get it
// again.
func TestQueueFails(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	s := submission{account: "mjl", from: "mjl@mx.example", rcpts: append(remote("a@remote.example"), with("other", 0, "")), text: large}
	for _, tc := range []struct {
		err  error
		want string
	}{{errors.New("out of order"), "451 4.3.0"}, {queue.ErrDiskFull, "452 4.3.1"}, {queue.ErrLimit, "452 4.3.1"}} {
		q.err = tc.err
		if _, err := f.submit(t, s); err == nil || fmt.Sprintf("%d %s", err.Code, err.Enhanced) != tc.want {
			t.Error(err)
		}
	}
	if l, _ := q.list(t); len(l) != 0 {
		t.Error(summary(l))
	}
	if n := len(f.Messages(t, "other", "Inbox")); n != 1 {
		t.Errorf("%d messages", n)
	}
	q.err = nil
	if _, err := f.submit(t, s); err != nil {
		t.Fatal(err)
	}
	if n := len(f.Messages(t, "other", "Inbox")); n != 1 {
		t.Errorf("%d messages", n)
	}
	// Sent once more it is meant so.
	if _, err := f.submit(t, s); err != nil {
		t.Fatal(err)
	}
	if n := len(f.Messages(t, "other", "Inbox")); n != 2 {
		t.Errorf("%d messages", n)
	}
	if l, _ := q.list(t); len(l) != 2 {
		t.Error(summary(l))
	}
	if !slices.Equal(f.results, []string{"queueerror", "queueerror", "queueerror", "ok", "ok"}) {
		t.Error(f.results)
	}
}

// TestMixed: what fails at once for some of the recipients.
func TestMixed(t *testing.T) {
	for name, tc := range map[string]struct {
		from  string
		rcpts []rcpt
		reply string
		want  string
		dsn   string
	}{
		"failed and remote": {"mjl", append(remote("a@remote.example"), with("small", 0, "s@a.example")), "ok",
			"<mjl@mx.example> a@remote.example, dsn<> mjl@mx.example local", "; small@mx.example failed 5.2.2 s@a.example 552 5.2.2; full false"},
		"all": {"mjl", append(remote("a@remote.example"), with("small", 0, ""), with("other", smtp.NotifySuccess, "")), "ok",
			"<mjl@mx.example> a@remote.example, dsn<> mjl@mx.example local", "; small@mx.example failed 5.2.2 552 5.2.2; other@mx.example delivered 2.0.0; full false"},
		"success and remote": {"mjl", append(remote("a@remote.example"), with("other", smtp.NotifySuccess, "")), "ok",
			"<mjl@mx.example> a@remote.example, dsn<> mjl@mx.example local", "; other@mx.example delivered 2.0.0; full false"},
		// What nobody may be told of is told here, and then nothing is sent elsewhere.
		"never":          {"mjl", append(remote("a@remote.example"), with("small", smtp.NotifyNever, "")), "554 5.0.0", "", ""},
		"null":           {"", append(remote("a@remote.example"), with("small", 0, "")), "554 5.0.0", "", ""},
		"null to remote": {"", remote("a@remote.example"), "ok", "<> a@remote.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := setup(t)
			q := f.withQueue(t, queue.Options{})
			zone := f.withKeys(t)
			s := submission{account: "mjl", rcpts: tc.rcpts, text: large}
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
			l, texts := q.list(t)
			if got := summary(l); got != tc.want {
				t.Errorf("queued %s, want %s", got, tc.want)
			}
			for i, m := range l {
				if m.Kind != queue.DSN {
					continue
				}
				if got := notification(t, texts[i]); got != tc.dsn {
					t.Errorf("notification %s, want %s", got, tc.dsn)
				}
				if got := verified(t, f, zone, texts[i]); !strings.HasPrefix(got, "pass ed25519-sha256 postmaster@mx.example, pass") {
					t.Errorf("signatures %s", got)
				}
			}
		})
	}
}

// TestTemporary: who cannot have it now has it later, without another try of the client.
func TestTemporary(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	text := "From: <mjl@mx.example>\r\n\r\n" + strings.Repeat("0123456789\r\n", 120)
	send := func(rcpts ...rcpt) string {
		t.Helper()
		if _, err := f.submit(t, submission{account: "mjl", from: "mjl@mx.example", rcpts: rcpts, text: text}); err != nil {
			return fmt.Sprintf("%d %s", err.Code, err.Enhanced)
		}
		return "ok"
	}
	if got := send(with("small", 0, "")); got != "ok" {
		t.Fatal(got)
	}
	// It is full now. Where all fail, the client is told.
	if got := send(with("small", 0, "")); got != "452 4.2.2" {
		t.Error(got)
	}
	if got := send(with("small", 0, ""), with("other", 0, "")); got != "ok" {
		t.Error(got)
	}
	l, texts := q.list(t)
	if got := summary(l); got != "<mjl@mx.example> small@mx.example local" || !l[0].NextAttempt.After(f.c.Now()) {
		t.Fatal(got)
	}
	s := New(f.c)
	if err := s.DeliverLocal(t.Context(), l[0], strings.NewReader(texts[0])); smtp.AsError(err) == nil || smtp.AsError(err).Code != 452 {
		t.Error(err)
	}
	l[0].Recipient = path(t, "third@mx.example")
	if err := s.DeliverLocal(t.Context(), l[0], strings.NewReader(texts[0])); err != nil {
		t.Error(err)
	}
	got := f.Messages(t, "third", "Inbox")
	if len(got) != 1 || !strings.HasPrefix(got[0], "Delivered-To: third@mx.example\r\nReturn-Path: <mjl@mx.example>\r\nReceived: by mx.example") || strings.Count(got[0], "Received:") != 1 {
		t.Errorf("%q", got)
	}
	l[0].Recipient = path(t, "nobody@mx.example")
	if err := s.DeliverLocal(t.Context(), l[0], strings.NewReader(texts[0])); smtp.AsError(err) == nil || smtp.AsError(err).Code != 550 {
		t.Error(err)
	}
}

// TestFutureRelease: RFC 4865.
func TestFutureRelease(t *testing.T) {
	f := setup(t)
	s := submission{account: "mjl", from: "mjl@mx.example", params: smtp.MailParams{HoldFor: 3600}, rcpts: append(remote("a@remote.example"), with("other", 0, "")), text: large}
	if at, err := f.submit(t, s); err == nil || at != "mail" || err.Code != 504 {
		t.Error(at, err)
	}
	q := f.withQueue(t, queue.Options{})
	if _, err := f.submit(t, s); err != nil {
		t.Fatal(err)
	}
	l, _ := q.list(t)
	if got := summary(l); got != "<mjl@mx.example> a@remote.example, <mjl@mx.example> other@mx.example local" {
		t.Fatal(got)
	}
	for _, m := range l {
		if !m.NextAttempt.Equal(f.c.Now().Add(time.Hour)) || m.FutureRelease != "for;3600" {
			t.Errorf("%+v", m)
		}
	}
	if n := len(f.Messages(t, "other", "Inbox")); n != 0 {
		t.Errorf("%d messages", n)
	}
	s.params = smtp.MailParams{HoldUntil: f.c.Now().Add(2 * time.Hour)}
	if _, err := f.submit(t, s); err != nil {
		t.Fatal(err)
	}
	if l, _ = q.list(t); len(l) != 4 || l[3].FutureRelease != "until;2026-03-04T07:06:07Z" {
		t.Errorf("%+v", l)
	}
	for _, p := range []smtp.MailParams{{HoldFor: 60*24*3600 + 1}, {HoldUntil: f.c.Now().AddDate(0, 0, 61)}} {
		s.params = p
		if at, err := f.submit(t, s); err == nil || at != "mail" || err.Code != 501 {
			t.Error(at, err)
		}
	}
	// In the past is now.
	s.params = smtp.MailParams{HoldUntil: f.c.Now().Add(-time.Hour)}
	if _, err := f.submit(t, s); err != nil || len(f.Messages(t, "other", "Inbox")) != 1 {
		t.Error(err)
	}
}

// TestRemoteRefused: where nothing is sent to.
func TestRemoteRefused(t *testing.T) {
	f := setup(t)
	f.withQueue(t, queue.Options{})
	for to, want := range map[string]string{
		"a@[127.0.0.2]": "550 5.1.2", "a@[10.1.2.3]": "550 5.1.2", "a@[IPv6:::1]": "550 5.1.2", "a@[IPv6:fe80::1]": "550 5.1.2", "a@[169.254.169.254]": "550 5.1.2", "a@[0.0.0.0]": "550 5.1.2",
	} {
		at, err := f.submit(t, submission{account: "mjl", from: "mjl@mx.example", rcpts: remote(to), text: large})
		if err == nil || at != "rcpt" || fmt.Sprintf("%d %s", err.Code, err.Enhanced) != want {
			t.Errorf("%s: %s %v", to, at, err)
		}
	}
}

// TestRemoteLimits: recipients elsewhere count like those here.
func TestRemoteLimits(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	s := submission{account: "few", from: "few@mx.example", rcpts: remote("a@remote.example", "b@remote.example"), text: "From: <few@mx.example>\r\n\r\ntext\r\n"}
	for i, want := range []string{"ok", "ok", "rcpt 451 4.7.1"} {
		got := "ok"
		if at, err := f.submit(t, s); err != nil {
			got = fmt.Sprintf("%s %d %s", at, err.Code, err.Enhanced)
		}
		if got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	if l, _ := q.list(t); len(l) != 4 {
		t.Error(summary(l))
	}
}

// TestFromID: a sender for each recipient.
func TestFromID(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{Retired: func(string) (time.Duration, time.Duration) { return time.Hour, time.Hour }})
	a := f.Snapshot.Accounts["mjl"]
	d := f.Snapshot.Domains["mx.example"]
	a.FromIDLogins[d.Key("mjl+api")] = true
	a.Config.KeepRetiredMessagePeriod = time.Hour
	s := New(f.c)
	send := func(login, from string) Sent {
		t.Helper()
		r := Request{From: path(t, from), To: []Rcpt{{To: path(t, "a@remote.example")}, {To: path(t, "other@mx.example")}, {To: path(t, "b@remote.example")}},
			Content: strings.NewReader("From: <mjl@mx.example>\nMessage-ID: <1@x>\n\ntext\n")}
		sent, err := s.Send(t.Context(), Sender{Account: "mjl", Login: login}, r)
		if err != nil {
			t.Fatal(err)
		}
		return sent
	}
	sent := send("mjl+api@mx.example", "MJL+y@mx.example")
	if len(sent.Queued) != 3 || sent.MessageID != "1@x" {
		t.Fatalf("%+v", sent)
	}
	ids := map[string]bool{}
	for i, want := range []string{"a@remote.example", "other@mx.example", "b@remote.example"} {
		x := sent.Queued[i]
		if x.To != want || x.ID == 0 || len(x.FromID) != 26 || x.FromID != strings.ToLower(x.FromID) || ids[x.FromID] {
			t.Errorf("%+v", x)
		}
		ids[x.FromID] = true
	}
	l, texts := q.list(t)
	if len(l) != 2 || l[0].Sender.String() != "MJL+"+sent.Queued[0].FromID+"@mx.example" || !strings.HasPrefix(texts[0], "Date: Wed") || !strings.HasSuffix(texts[0], "\r\n\r\ntext\r\n") {
		t.Errorf("%+v %q", l, texts)
	}
	if _, err := f.Directory.ResolvePath(l[0].Sender); err != nil {
		t.Error(err)
	}
	// What was delivered at once is in the history.
	r, err := q.RetiredList(t.Context(), queue.RetiredFilter{}, queue.Sort{})
	if err != nil || len(r) != 1 || r[0].Message.FromID != sent.Queued[1].FromID || !r[0].Success {
		t.Errorf("%+v %v", r, err)
	}
	if got := f.Messages(t, "other", "Inbox"); len(got) != 1 || !strings.Contains(got[0], "Return-Path: <MJL+y@mx.example>\r\n") {
		t.Errorf("%q", got)
	}
	for login, from := range map[string]string{"mjl@mx.example": "mjl@mx.example", "": "mjl@mx.example", "mjl+api@mx.example": "ü@mx.example"} {
		if from == "ü@mx.example" {
			continue // needs SMTPUTF8
		}
		if x := send(login, from); x.Queued[0].FromID != "" {
			t.Errorf("%s: %+v", login, x)
		}
	}
}

// TestSend: what programs can ask for.
func TestSend(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	s := New(f.c)
	user := Sender{Account: "mjl", Login: "mjl@mx.example"}
	yes := true
	request := func() Request {
		return Request{
			From: path(t, "mjl@mx.example"), To: []Rcpt{{To: path(t, "a@remote.example")}, {To: path(t, "other@mx.example")}}, RequireTLS: &yes,
			Extra: map[string]string{"a": "b"}, Content: strings.NewReader("From: <mjl@mx.example>\r\nBcc: <c@remote.example>\r\nX-Mox-Extra-C: d\r\n\r\ntext\r\n"),
			Key: "k1", Hash: []byte("h1"),
		}
	}
	first, err := s.Send(t.Context(), user, request())
	if err != nil || first.Again {
		t.Fatalf("%+v, %v", first, err)
	}
	l, _ := q.list(t)
	if got := summary(l); got != "<mjl@mx.example> a@remote.example, <mjl@mx.example> other@mx.example local" || l[0].Extra["a"] != "b" || l[0].Extra["C"] != "d" || !*l[0].RequireTLS {
		t.Errorf("%s %+v", got, l)
	}
	// Again, also by a server that was started anew.
	again, err := New(f.c).Send(t.Context(), user, request())
	if err != nil || !again.Again || again.MessageID != first.MessageID || len(again.Queued) != 2 || again.Queued[1].ID != first.Queued[1].ID {
		t.Errorf("%+v, %v", again, err)
	}
	r := request()
	r.Hash = []byte("h2")
	if _, err := s.Send(t.Context(), user, r); smtp.AsError(err) == nil || smtp.AsError(err).Code != 554 {
		t.Error(err)
	}
	// The key of another account is another one.
	r = request()
	r.From, r.Content = path(t, "other@mx.example"), strings.NewReader("From: <other@mx.example>\r\n\r\ntext\r\n")
	if sent, err := s.Send(t.Context(), Sender{Account: "other"}, r); err != nil || sent.Again {
		t.Error(sent, err)
	}
	// At the same time.
	done := make(chan Sent)
	for range 4 {
		go func() {
			r := request()
			r.Key = "k2"
			sent, err := s.Send(t.Context(), user, r)
			if err != nil {
				t.Error(err)
			}
			done <- sent
		}()
	}
	n := 0
	for range 4 {
		if !(<-done).Again {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d were done", n)
	}
	if l, _ := q.list(t); len(l) != 6 {
		t.Error(summary(l))
	}
}

// TestSaveSent: a copy, once the message is safe.
func TestSaveSent(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	acc, err := f.Store.Account(t.Context(), "mjl")
	if err != nil {
		t.Fatal(err)
	}
	defer acc.Release()
	// By its use, not its name.
	if _, err := acc.CreateMailbox(t.Context(), "Gesendet", store.UseSent); err != nil {
		t.Fatal(err)
	}
	s := New(f.c)
	send := func() (Sent, error) {
		return s.Send(t.Context(), Sender{Account: "mjl"}, Request{
			From: path(t, "mjl@mx.example"), To: []Rcpt{{To: path(t, "a@remote.example")}}, SaveSent: true,
			Content: strings.NewReader("From: <mjl@mx.example>\nBcc: <a@remote.example>\n\ntext\n"),
		})
	}
	q.err = errors.New("out of order")
	if _, err := send(); err == nil || len(f.Messages(t, "mjl", "Gesendet")) != 0 {
		t.Error(err)
	}
	q.err = nil
	sent, err := send()
	if err != nil || sent.SaveError != nil {
		t.Fatal(sent, err)
	}
	got := f.Messages(t, "mjl", "Gesendet")
	if want := "Message-ID: <" + sent.MessageID + ">\r\nDate: Wed, 4 Mar 2026 05:06:07 +0000\r\nFrom: <mjl@mx.example>\r\nBcc: <a@remote.example>\r\n\r\ntext\r\n"; len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := acc.DeleteMailbox(t.Context(), "Gesendet"); err != nil {
		t.Fatal(err)
	}
	_ = acc.DeleteMailbox(t.Context(), "Sent")
	if sent, err := send(); err != nil || !errors.Is(sent.SaveError, ErrNoSent) {
		t.Error(sent, err)
	}
}

func TestSendErrors(t *testing.T) {
	f := setup(t)
	f.withQueue(t, queue.Options{})
	s := New(f.c)
	good := func() Request {
		return Request{From: path(t, "mjl@mx.example"), To: []Rcpt{{To: path(t, "a@remote.example")}}, Content: strings.NewReader("From: <mjl@mx.example>\r\n\r\ntext\r\n")}
	}
	for name, tc := range map[string]struct {
		change func(r *Request)
		code   int
	}{
		"sender":    {func(r *Request) { r.From = path(t, "other@mx.example") }, 550},
		"nobody":    {func(r *Request) { r.To = nil }, 554},
		"recipient": {func(r *Request) { r.To[0].To = path(t, "nobody@mx.example") }, 550},
		"large":     {func(r *Request) { r.MaxSize = 10 }, 552},
		"from":      {func(r *Request) { r.Content = strings.NewReader("From: <other@mx.example>\r\n\r\n") }, 550},
		"extra": {func(r *Request) {
			r.Extra = map[string]string{"a": "b"}
			r.Content = strings.NewReader("From: <mjl@mx.example>\r\nX-Mox-Extra-A: b\r\n\r\n")
		}, 554},
		"read": {func(r *Request) { r.Content = io.MultiReader(r.Content, errReader{}) }, 451},
	} {
		r := good()
		tc.change(&r)
		if _, err := s.Send(t.Context(), Sender{Account: "mjl"}, r); smtp.AsError(err) == nil || smtp.AsError(err).Code != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// TestNotifyRemote: notifications for senders elsewhere.
func TestNotifyRemote(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	const text = "From: <a@remote.example>\r\nMessage-ID: <1@remote.example>\r\n\r\ntext\r\n"
	n := Notification{
		To: path(t, "a@remote.example"), Params: smtp.MailParams{EnvID: "x", Ret: smtp.RetFull, RequireTLS: true}, Received: f.c.Now(),
		Original: strings.NewReader(text), Size: int64(len(text)),
	}
	r, _ := Notice(deliver.Recipient{To: path(t, "mjl@mx.example")}, smtp.Errorf(550, "5.1.1", "gone"), f.c.Now())
	n.Recipients = []dsn.Recipient{r}
	if err := New(f.c).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	l, texts := q.list(t)
	// RFC 8689 5: protected as the message was, and only its header.
	if summary(l) != "dsn<> a@remote.example" || l[0].RequireTLS == nil || !*l[0].RequireTLS || l[0].Account != "" || notification(t, texts[0]) != "x; mjl@mx.example failed 5.1.1 550 5.1.1; full false" {
		t.Errorf("%s %+v %s", summary(l), l, notification(t, texts[0]))
	}
}

func TestCRLFWriter(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "a\n": "a\r\n", "a\r\nb\n\nc": "a\r\nb\r\n\r\nc", "\n": "\r\n", "\r\n\n": "\r\n\r\n"} {
		for size := 1; size < 4; size++ {
			var b strings.Builder
			w := &crlfWriter{w: &b}
			for s := in; s != ""; {
				n := min(size, len(s))
				if k, err := w.Write([]byte(s[:n])); k != n || err != nil {
					t.Fatal(k, err)
				}
				s = s[n:]
			}
			if b.String() != want {
				t.Errorf("%q by %d: %q", in, size, b.String())
			}
		}
	}
}
