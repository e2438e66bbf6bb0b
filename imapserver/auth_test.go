package imapserver

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"mox/imap"
	"mox/imapclient"
	"mox/sasl"
	"mox/sessiontest"
)

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestMechanisms logs in with every mechanism, as far as a connection allows it.
func TestMechanisms(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	addr := ts.tcp(Listener{Service: "imap", PlaintextAuth: true, TLS: &tls.Config{Certificates: []tls.Certificate{ts.cert}, ClientAuth: tls.RequestClientCert}})
	ctx := testContext(t)
	for _, tc := range []struct {
		mech string
		tls  bool
		cert bool
		code string
	}{
		{"PLAIN", false, false, ""}, {"PLAIN", true, false, ""}, {"CRAM-MD5", false, false, ""},
		{"SCRAM-SHA-1", false, false, ""}, {"SCRAM-SHA-256", false, false, ""}, {"SCRAM-SHA-256", true, false, ""},
		{"SCRAM-SHA-1-PLUS", true, false, ""}, {"SCRAM-SHA-256-PLUS", true, false, ""}, {"", true, false, ""}, {"", false, false, ""},
		{"EXTERNAL", true, true, ""}, {"EXTERNAL", true, false, imap.CodeCannot}, {"EXTERNAL", false, false, imap.CodeCannot},
	} {
		mode, tc2 := imapclient.Plain, &tls.Config{InsecureSkipVerify: true}
		if tc.tls {
			mode = imapclient.StartTLS
		}
		if tc.cert {
			tc2.Certificates = []tls.Certificate{sessiontest.Certificate("client")}
		}
		for _, password := range []string{testPassword, "wrong"} {
			c, err := imapclient.Dial(ctx, addr, mode, tc2, imapclient.Options{})
			if err != nil {
				t.Fatal(err)
			}
			// The first command of a connection may be refused without ending it.
			err = c.Authenticate(ctx, tc.mech, sasl.Credentials{Authcid: testUser, Password: password})
			want := tc.code
			if password == "wrong" && tc.mech != "EXTERNAL" {
				want = imap.CodeAuthenticationFailed
			}
			var ierr *imap.Error
			if want == "" && err != nil || want != "" && (!errors.As(err, &ierr) || ierr.Code != want) {
				t.Errorf("%s tls %v cert %v password %q: %v, want %q", tc.mech, tc.tls, tc.cert, password, err, want)
			}
			if want == "" {
				if _, err := c.Select(ctx, "INBOX", ""); err != nil {
					t.Errorf("%s: select: %v", tc.mech, err)
				}
				if err := c.Logout(ctx); err != nil {
					t.Errorf("%s: logout: %v", tc.mech, err)
				}
			}
			c.Close()
		}
	}
}

// TestImplicitTLS: RFC 8314 3.2: TLS from the start.
func TestImplicitTLS(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	addr := ts.tcp(Listener{Service: "imaps", Implicit: true, TLS: &tls.Config{Certificates: []tls.Certificate{ts.cert}}})
	ctx := testContext(t)
	c, err := imapclient.Dial(ctx, addr, imapclient.Implicit, &tls.Config{InsecureSkipVerify: true}, imapclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(ctx, testUser, testPassword); err != nil {
		t.Fatal(err)
	}
	if !c.Has("IMAP4rev2") || c.Has("STARTTLS") {
		t.Error("capabilities after login")
	}
	if err := c.Logout(ctx); err != nil {
		t.Fatal(err)
	}
	// A client that speaks plain text is not answered for long.
	c, err = imapclient.Dial(ctx, addr, imapclient.Plain, nil, imapclient.Options{Timeout: 200 * time.Millisecond})
	if err == nil {
		t.Error("plain connection was greeted")
		c.Close()
	}
}

// TestLoggedIn: RFC 9051 7.1.4: a connection of someone whom others have authenticated, which
// stays theirs.
func TestLoggedIn(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	ctx := testContext(t)
	c, err := imapclient.Dial(ctx, ts.tcp(Listener{Service: "ctl", LoggedIn: &Principal{Account: "mjl", Login: testUser}}), imapclient.Plain, nil, imapclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.Greeting(); got.Type != imap.PREAUTH || c.Has("AUTH=PLAIN") || c.Has("UNAUTHENTICATE") || !c.Has("IDLE") {
		t.Errorf("greeting %v", got)
	}
	if _, err := c.Select(ctx, "INBOX", ""); err != nil {
		t.Error(err)
	}
	if err := c.Authenticate(ctx, "PLAIN", sasl.Credentials{Authcid: testUser, Password: testPassword}); err == nil {
		t.Error("logged in twice")
	}

	// An account that is not there.
	c, err = imapclient.Dial(ctx, ts.tcp(Listener{Service: "ctl", LoggedIn: &Principal{Account: "no/body"}}), imapclient.Plain, nil, imapclient.Options{})
	if err == nil {
		t.Errorf("greeting %v", c.Greeting())
		c.Close()
	}
}

// TestPreauth: RFC 9051 7.1.4: with TLS from the start, a certificate may log in before the
// greeting.
func TestPreauth(t *testing.T) {
	ts := newTestServer(t, testOptions{})
	l := Listener{Service: "imaps", Implicit: true, TLS: &tls.Config{Certificates: []tls.Certificate{ts.cert}, ClientAuth: tls.RequestClientCert}}
	ctx := testContext(t)
	for name, want := range map[string]string{"preauth": imap.PREAUTH, "client": imap.OK} {
		conf := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{sessiontest.Certificate(name)}}
		c, err := imapclient.Dial(ctx, ts.tcp(l), imapclient.Implicit, conf, imapclient.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Greeting(); got.Type != want || c.Has("AUTH=EXTERNAL") != (want == imap.OK) {
			t.Errorf("%s: greeting %v, EXTERNAL %v", name, got, c.Has("AUTH=EXTERNAL"))
		}
		if want == imap.OK {
			if err := c.Authenticate(ctx, "EXTERNAL", sasl.Credentials{}); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.Select(ctx, "INBOX", ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Logout(ctx); err != nil {
			t.Error(err)
		}
	}
}
