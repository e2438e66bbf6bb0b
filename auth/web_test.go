package auth

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"mox/loginlog"
)

// records are attempts, without their time.
type records []loginlog.Attempt

func (r *records) Record(a loginlog.Attempt) {
	a.First, a.Last = time.Time{}, time.Time{}
	*r = append(*r, a)
}

// TestWeb: logins by the form of pages, and what is recorded of them.
func TestWeb(t *testing.T) {
	f := newFakes()
	var result string
	var got records
	s := newService(t, f, &result)
	s.Recorder = &got
	login := func(name, password string) error {
		info := remote
		info.Protocol, info.Agent = "webaccount", "agent"
		info.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}
		a, err := s.Begin(t.Context(), info)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Web(t.Context(), name, password)
		return err
	}
	want := func(account, name, result string) {
		t.Helper()
		w := loginlog.Attempt{Count: 1, Account: account, LoginAddress: name, RemoteIP: "192.0.2.1", Protocol: "webaccount", AuthMech: "weblogin", TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256", UserAgent: "agent", Result: result}
		if len(got) != 1 || got[0] != w {
			t.Errorf("recorded %+v, want %+v", got, w)
		}
		got = nil
	}
	if err := login("mjl@mox.example", "correct horse mjl"); err != nil {
		t.Error(err)
	}
	want("mjl", "mjl@mox.example", "ok")
	if err := login("mjl@mox.example", "wrong"); !errors.Is(err, ErrCredentials) {
		t.Error(err)
	}
	want("mjl", "mjl@mox.example", "badcreds")
	if err := login("nobody@mox.example", "wrong"); !errors.Is(err, ErrCredentials) {
		t.Error(err)
	}
	want("-", "nobody@mox.example", "badcreds")
	var disabled *DisabledError
	if err := login("off@mox.example", "correct horse off"); !errors.As(err, &disabled) {
		t.Error(err)
	}
	want("off", "off@mox.example", "logindisabled")
	if at, err := s.PasswordChanged(t.Context(), "mjl"); err != nil || time.Since(at) > time.Minute {
		t.Errorf("%v, %v", at, err)
	}
	if at, err := s.PasswordChanged(t.Context(), "none"); err != nil || !at.IsZero() {
		t.Errorf("account without password: %v, %v", at, err)
	}
}

// TestAdmin: the password for administration.
func TestAdmin(t *testing.T) {
	f := newFakes()
	var result string
	var got records
	s := newService(t, f, &result)
	s.Recorder = &got
	hash, err := bcrypt.GenerateFromPassword([]byte("a good password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ file, password, result string }{
		{string(hash) + "\n", "a good password", "ok"},
		{string(hash), "a bad password", "badcreds"},
		{string(hash), strings.Repeat("x", 100), "badcreds"},
		{string(hash), strings.Repeat("x", 10_000), "badcreds"},
		{string(hash), "\x00", "badcreds"},
		{"not a hash", "a good password", "error"},
	} {
		f.failed = 0
		err := begin(t, s).Admin(t.Context(), []byte(tc.file), tc.password)
		if result != tc.result || (err == nil) != (tc.result == "ok") || errors.Is(err, ErrCredentials) != (tc.result == "badcreds") || (f.failed > 0) != (tc.result == "badcreds") {
			t.Errorf("%.20q: %s, %v, %d failures", tc.password, result, err, f.failed)
		}
	}
	for _, r := range got {
		if r.Account != Administrator || r.LoginAddress != "" || r.AuthMech != "weblogin" {
			t.Errorf("recorded %+v", r)
		}
	}
	f.blocked = true
	if _, err := s.Begin(t.Context(), remote); !errors.Is(err, ErrThrottled) {
		t.Error(err)
	}
}

// TestUpdateTLSKey: a key's name, for its own account only.
func TestUpdateTLSKey(t *testing.T) {
	f, kept := newFakes(), memKeys{}
	s := New(Config{Directory: f, Secrets: f, TLSKeys: kept})
	k, err := s.AddTLSKey(t.Context(), TLSKey{Login: "mjl@mox.example", Name: "one"}, clientCert(t, "mjl@mox.example"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		account, fingerprint, name string
		err                        error
	}{{"eve", k.Fingerprint, "two", ErrNoTLSKey}, {"mjl", "x", "two", ErrNoTLSKey}, {"mjl", k.Fingerprint, "a\nb", ErrBadTLSKey}, {"mjl", k.Fingerprint, "two", nil}} {
		err := s.UpdateTLSKey(t.Context(), TLSKey{Account: tc.account, Fingerprint: tc.fingerprint, Name: tc.name, NoIMAPPreauth: true})
		if !errors.Is(err, tc.err) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	k.Name, k.NoIMAPPreauth = "two", true
	if got, err := s.TLSKey(t.Context(), k.Fingerprint); err != nil || got.Name != k.Name || !got.NoIMAPPreauth || string(got.Certificate) != string(k.Certificate) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestCertificatePEM: the first certificate, whatever is around it.
func TestCertificatePEM(t *testing.T) {
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("der")})
	other := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})
	if b, err := CertificatePEM([]byte("text\n" + string(other) + string(cert) + string(cert))); err != nil || string(b) != "der" {
		t.Errorf("%q, %v", b, err)
	}
	for _, text := range []string{"", "x", string(other), "-----BEGIN CERTIFICATE-----\n"} {
		if _, err := CertificatePEM([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
