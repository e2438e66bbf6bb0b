package moxtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"mox/auth"
	"mox/imap"
	"mox/imapclient"
	"mox/moxtest"
	"mox/sasl"
	"mox/sessiontest"
)

// TestTLSKey logs in with TLS client certificates, over all doors that have EXTERNAL, also in
// resumed TLS sessions: a key that is removed is useless at once.
func TestTLSKey(t *testing.T) {
	mox := newServer(t)
	ctx := t.Context()
	conf := mox.TLSConfig()
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(10)
	conf.Certificates = []tls.Certificate{sessiontest.Certificate("laptop")}
	cert, err := x509.ParseCertificate(conf.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	k, err := mox.Admin.TLSKeyAdd(ctx, actor, auth.TLSKey{Login: "info@mox.example", Name: "laptop"}, cert)
	if err != nil {
		t.Fatal(err)
	}
	imaps := func() *imapclient.Client {
		c, err := imapclient.Dial(ctx, mox.Addr("imaps"), imapclient.Implicit, conf, imapclient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for range 2 {
		c := imaps()
		if g := c.Greeting(); g.Type != imap.PREAUTH {
			t.Errorf("greeting %v", g)
		}
		if _, err := c.Select(ctx, "INBOX", ""); err != nil {
			t.Error(err)
		}
		if err := c.Logout(ctx); err != nil {
			t.Error(err)
		}
	}
	c, err := imapclient.Dial(ctx, mox.IMAPAddr(), imapclient.StartTLS, conf, imapclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Authenticate(ctx, "EXTERNAL", sasl.Credentials{}); err != nil {
		t.Error("after STARTTLS:", err)
	}
	if reply := submitExternal(t, mox, conf, "="); !strings.HasPrefix(reply, "235 ") {
		t.Error("submission:", reply)
	}
	if reply := submitExternal(t, mox, conf, "b3RoZXJAbW94LmV4YW1wbGU="); !strings.HasPrefix(reply, "535 ") {
		t.Error("submission as another:", reply)
	}
	if err := mox.Admin.TLSKeyRemove(ctx, actor, k.Fingerprint); err != nil {
		t.Fatal(err)
	}
	c = imaps()
	if g := c.Greeting(); g.Type != imap.OK {
		t.Errorf("greeting %v with a key that is removed", g)
	}
	if err := c.Authenticate(ctx, "EXTERNAL", sasl.Credentials{}); err == nil {
		t.Error("login with a key that is removed")
	}
	if reply := submitExternal(t, mox, conf, "="); !strings.HasPrefix(reply, "535 ") {
		t.Error("submission with a key that is removed:", reply)
	}
}

// submitExternal is the answer to AUTH EXTERNAL with an initial response.
func submitExternal(t *testing.T, mox *moxtest.Server, conf *tls.Config, initial string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", mox.Addr("submissions"), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	tp := textproto.NewConn(conn)
	if _, _, err := tp.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	tp.PrintfLine("EHLO client.example")
	_, text, err := tp.ReadResponse(250)
	if err != nil || !strings.Contains(text, "AUTH EXTERNAL ") {
		t.Fatalf("%v, %s", err, text)
	}
	tp.PrintfLine("AUTH EXTERNAL %s", initial)
	line, err := tp.ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	return line
}
