package submit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mox/arc"
	"mox/config"
	"mox/deliver"
	"mox/queue"
	"mox/smtp"
	"mox/srs"
)

// withForward makes other@mx.example pass mail on.
func (f *fixture) withForward(t *testing.T, to ...string) (*deliver.Deliverer, *Forwarder, *config.Forward) {
	t.Helper()
	conf := &config.Forward{Addresses: to}
	dest := f.Snapshot.Accounts["other"].Destinations[0]
	dest.Config.Forward, dest.Forward = conf, nil
	for _, a := range to {
		dest.Forward = append(dest.Forward, path(t, a).Address())
	}
	fw := NewForwarder(ForwarderConfig{Directory: f.Directory, Queue: f.c.Queue, Rewriter: &srs.Rewriter{Key: []byte("0123456789abcdef"), Now: f.c.Now}, Now: f.c.Now})
	d := deliver.New(deliver.Config{Store: f.Store, Hostname: f.Snapshot.Hostname, Forwarder: fw})
	f.c.Deliverer, f.c.Forwarder = d, fw
	return d, fw, conf
}

const foreign = "Received: from x by y; Wed, 4 Mar 2026 05:06:07 +0000\r\nFrom: <a@remote.example>\r\nTo: <other@mx.example>\r\nMessage-ID: <1@remote.example>\r\nSubject: hi\r\n\r\ntext\r\n"

// receive delivers a message of another server to other@mx.example.
func (f *fixture) receive(t *testing.T, d *deliver.Deliverer, from, text string, change func(*deliver.Message, *deliver.Recipient)) *smtp.Error {
	t.Helper()
	spool := f.Store.NewSpool()
	defer spool.Close()
	if _, err := spool.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := spool.Finish(); err != nil {
		t.Fatal(err)
	}
	to := path(t, "other+x@mx.example")
	target, err := deliver.Resolve(f.Directory.View(), to)
	if err != nil {
		t.Fatal(err)
	}
	m, r := &deliver.Message{Spool: spool, Received: f.c.Now(), Peer: peer}, deliver.Recipient{To: to, Target: target}
	m.Peer.Auth = false
	if from != "" {
		m.From = path(t, from)
	}
	if change != nil {
		change(m, &r)
	}
	return smtp.AsError(d.Deliver(t.Context(), m, []deliver.Recipient{r})[0])
}

func TestForward(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	d, fw, conf := f.withForward(t, "me@elsewhere.example", "mjl@mx.example")
	err := f.receive(t, d, "a@remote.example", foreign, func(m *deliver.Message, r *deliver.Recipient) {
		m.Params = smtp.MailParams{EnvID: "e1", Ret: smtp.RetHdrs, RequireTLS: true}
		r.Params = smtp.RcptParams{Notify: smtp.NotifySuccess | smtp.NotifyFailure}
	})
	if err != nil {
		t.Fatal(err)
	}
	l, texts := q.list(t)
	if got := summary(l); !strings.HasPrefix(got, "forward<SRS0=") || !strings.HasSuffix(got, "=remote.example=a@mx.example> mjl@mx.example local") || len(l) != 2 || l[0].Recipient.String() != "me@elsewhere.example" || l[0].Local {
		t.Fatal(got)
	}
	m := l[0]
	if m.EnvID != "e1" || m.Ret != smtp.RetHdrs || m.Notify != smtp.NotifyFailure || m.ORcpt.String() != "rfc822;other+2Bx@mx.example" || !*m.RequireTLS || m.Account != "other" || m.MessageID != "1@remote.example" || m.Subject != "hi" {
		t.Errorf("%+v", m)
	}
	want := "X-Forwarded-For: other+x@mx.example\r\nDelivered-To: other@mx.example\r\nReceived: from laptop.example ([10.0.0.2]) by mx.example via tcp with ESMTP id\r\n\t0 for <other+x@mx.example>; Wed, 4 Mar 2026 05:06:07 +0000\r\n" + foreign
	if texts[0] != want {
		t.Errorf("%q, want %q", texts[0], want)
	}
	if n := len(f.Messages(t, "other", "Inbox")); n != 1 {
		t.Errorf("%d copies", n)
	}
	// Back to the original sender.
	original, ok, rerr := fw.Original(m.Sender)
	if !ok || rerr != nil || original != path(t, "a@remote.example") {
		t.Error(original, ok, rerr)
	}
	// As it comes from ourselves, when we could not pass it on.
	s := New(f.c)
	dsn := queue.Message{Kind: queue.DSN, Recipient: m.Sender, Local: true, Size: int64(len(foreign)), EightBit: true}
	if err := s.DeliverLocal(t.Context(), dsn, strings.NewReader(foreign)); err != nil {
		t.Error(err)
	}
	l, texts = q.list(t)
	if last := l[len(l)-1]; last.Kind != queue.DSN || !last.Sender.IsZero() || last.Recipient != original || last.Local || texts[len(l)-1] != foreign {
		t.Errorf("%+v", last)
	}
	// What is forwarded here is delivered, once.
	if err := s.DeliverLocal(t.Context(), l[1], strings.NewReader(texts[1])); err != nil {
		t.Error(err)
	}
	if got := f.Messages(t, "mjl", "Inbox"); len(got) != 1 || !strings.Contains(got[0], want) {
		t.Errorf("%q", got)
	}
	conf.NoCopy = true
	if err := f.receive(t, d, "a@remote.example", foreign, nil); err != nil {
		t.Error(err)
	}
	if l, _ := q.list(t); len(l) != 5 || len(f.Messages(t, "other", "Inbox")) != 1 {
		t.Error(summary(l))
	}
}

// TestForwardSender: reverse-paths.
func TestForwardSender(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	d, _, _ := f.withForward(t, "me@elsewhere.example")
	long := strings.Repeat("x", 120) + "@remote.example"
	for i, tc := range []struct{ from, want string }{
		{"", "<>"},
		{"mjl@mx.example", "<SRS0="},
		{"a@remote.example", "<SRS0="},
		{"SRS0=x=y=z.example=a@remote.example", "<SRS1="},
		{"a@[192.0.2.1]", "<other@mx.example>"},
		{long, "<other@mx.example>"},
	} {
		if err := f.receive(t, d, tc.from, foreign, nil); err != nil {
			t.Error(err)
		}
		l, texts := q.list(t)
		if got := summary(l[i:]); !strings.HasPrefix(got, "forward"+tc.want) || !strings.HasSuffix(got, "@mx.example> me@elsewhere.example") && tc.from != "" {
			t.Errorf("%s: %s, want %s", tc.from, got, tc.want)
		}
		if !strings.HasPrefix(texts[i], "X-Forwarded-To: me@elsewhere.example\r\nX-Forwarded-For: other+x@mx.example\r\n") {
			t.Errorf("%q", texts[i])
		}
	}
}

// TestForwardOwn: a user's message keeps its reverse-path.
func TestForwardOwn(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	f.withForward(t, "me@elsewhere.example")
	zone := f.withKeys(t)
	if _, err := f.submit(t, submission{account: "mjl", from: "mjl@mx.example", rcpts: []rcpt{with("other", smtp.NotifySuccess, "")}, text: "From: <mjl@mx.example>\r\n\r\ntext\r\n"}); err != nil {
		t.Fatal(err)
	}
	l, texts := q.list(t)
	if summary(l) != "forward<mjl@mx.example> me@elsewhere.example" || l[0].Notify != smtp.NotifyNever || verified(t, f, zone, texts[0]) != "pass ed25519-sha256 mjl@mx.example, pass rsa-sha256 mjl@mx.example" {
		t.Errorf("%s %q", summary(l), texts)
	}
	if got := f.Messages(t, "mjl", "Inbox"); len(got) != 1 || notification(t, got[0]) != "; other@mx.example expanded 2.0.0; full false" {
		t.Errorf("%q", got)
	}
}

// TestForwardNot: what stays here, and what comes back.
func TestForwardNot(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	d, _, _ := f.withForward(t, "me@elsewhere.example")
	judgment := func(j deliver.Judgment) func(*deliver.Message, *deliver.Recipient) {
		return func(m *deliver.Message, _ *deliver.Recipient) {
			m.Judge = func(context.Context, deliver.Case) deliver.Judgment { return j }
		}
	}
	for name, j := range map[string]deliver.Judgment{
		"junk": {Mailbox: "Inbox", NoForward: true}, "junk mailbox": {Mailbox: "Junk"}, "refused": {Mailbox: "Inbox", Refusal: smtp.Errorf(550, "5.7.1", "junk"), Rejects: deliver.Rejects{Mailbox: "Rejects"}},
	} {
		err := f.receive(t, d, "a@remote.example", foreign, judgment(j))
		if (err != nil) != (j.Refusal != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, loop := range []string{"Delivered-To: other@mx.example\r\n", "X: y\r\nDelivered-To: OTHER@mx.example\r\n", strings.Repeat("Received: x\r\n", 101)} {
		if err := f.receive(t, d, "a@remote.example", loop+foreign, nil); err == nil || err.Enhanced != "5.4.6" {
			t.Error(err)
		}
	}
	if l, _ := q.list(t); len(l) != 0 {
		t.Error(summary(l))
	}
}

// TestForwardFails: nothing is accepted that is not queued; the copy is kept once.
func TestForwardFails(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	d, _, _ := f.withForward(t, "me@elsewhere.example")
	q.err = errors.New("out of order")
	for range 2 {
		if err := f.receive(t, d, "a@remote.example", foreign, nil); err == nil || err.Code != 451 {
			t.Error(err)
		}
	}
	q.err = nil
	if err := f.receive(t, d, "a@remote.example", foreign, nil); err != nil {
		t.Error(err)
	}
	if n := len(f.Messages(t, "other", "Inbox")); n != 1 {
		t.Errorf("%d copies", n)
	}
	if l, _ := q.list(t); len(l) != 1 {
		t.Error(summary(l))
	}
	// And it is over.
	if err := f.receive(t, d, "a@remote.example", foreign, nil); err != nil || len(f.Messages(t, "other", "Inbox")) != 2 {
		t.Error(err)
	}
}

// TestForwardSeal: the seal holds for who gets the message.
func TestForwardSeal(t *testing.T) {
	f := setup(t)
	q := f.withQueue(t, queue.Options{})
	zone := f.withKeys(t)
	d, _, conf := f.withForward(t, "me@elsewhere.example")
	conf.SealARC = true
	for _, results := range []string{"mx.example;\r\n\tdkim=pass header.d=remote.example", ""} {
		err := f.receive(t, d, "a@remote.example", foreign, func(m *deliver.Message, _ *deliver.Recipient) {
			m.AuthResults, m.Chain = results, arc.Result{Status: arc.StatusNone}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, texts := q.list(t)
	res, err := arc.Verify(t.Context(), discard, zone, arc.Options{Now: f.c.Now}, strings.NewReader(texts[0]))
	if err != nil || res.Status != arc.StatusPass || res.Domain().ASCII != "mx.example" || !strings.Contains(res.Sets[0].AuthResults, "dkim=pass") || !strings.HasSuffix(texts[0], foreign) {
		t.Errorf("%+v %v", res, err)
	}
	if strings.Contains(texts[1], "ARC-") {
		t.Errorf("%q", texts[1])
	}
}

// TestOriginal: only addresses that were made here.
func TestOriginal(t *testing.T) {
	f := setup(t)
	f.withQueue(t, queue.Options{})
	_, fw, _ := f.withForward(t, "me@elsewhere.example")
	var got []string
	for _, to := range []string{"mjl@mx.example", "SRS0=AAAAAAAA=BE=remote.example=a@mx.example", "SRS0=x@mx.example", "SRS0=AAAAAAAA=BE=remote.example=a@elsewhere.example", "SRS0=x@[192.0.2.1]"} {
		_, ok, err := fw.Original(path(t, to))
		s := fmt.Sprint(ok)
		if err != nil {
			s += fmt.Sprint(" ", smtp.AsError(err).Code)
		}
		got = append(got, s)
	}
	if want := []string{"false", "true 550", "true 550", "false", "false"}; !slices.Equal(got, want) {
		t.Error(got)
	}
}
