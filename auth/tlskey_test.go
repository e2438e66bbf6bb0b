package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mox/sasl"
	"mox/sessiontest"
)

// memKeys is a TLSKeys in memory.
type memKeys map[string][]byte

func (k memKeys) TLSKeys(_ context.Context, account string) ([]byte, error) { return k[account], nil }
func (k memKeys) SetTLSKeys(_ context.Context, account string, b []byte) error {
	k[account] = b
	return nil
}
func (k memKeys) Accounts() []string { return slices.Collect(maps.Keys(k)) }

func clientCert(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(sessiontest.Certificate(name).Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// external is a login with EXTERNAL.
func external(t *testing.T, s *Service, cert *x509.Certificate, authzid string) (*Principal, error) {
	t.Helper()
	info := remote
	info.TLS = &tls.ConnectionState{}
	if cert != nil {
		info.TLS.PeerCertificates = []*x509.Certificate{cert}
	}
	a, err := s.Begin(t.Context(), info)
	if err != nil {
		t.Fatal(err)
	}
	mech, err := sasl.NewServer("EXTERNAL", a, info.TLS, "mox.example")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = mech.Next(t.Context(), []byte(authzid))
	return a.Finish(t.Context(), "EXTERNAL", mech.Authcid(), mech.Authzid(), err)
}

func TestTLSKey(t *testing.T) {
	f, kept := newFakes(), memKeys{}
	var result string
	index := filepath.Join(t.TempDir(), "tlspubkeys.json")
	open := func() *Service {
		return New(Config{Directory: f, Secrets: f, TLSKeys: kept, TLSKeyIndex: index, Limiter: f, Observer: f.result(&result)})
	}
	s, ctx := open(), t.Context()
	certs := map[string]*x509.Certificate{}
	for _, login := range []string{"mjl@mox.example", "other@mox.example", "off@mox.example"} {
		certs[login] = clientCert(t, login)
		k, err := s.AddTLSKey(ctx, TLSKey{Login: login, Name: "key of " + login, NoIMAPPreauth: login == "other@mox.example"}, certs[login])
		if err != nil || k.Fingerprint != Fingerprint(certs[login]) || k.Type != "ecdsa-p256" && k.Type != "ed25519" {
			t.Fatalf("%s: %+v, %v", login, k, err)
		}
	}
	mjl, stranger := certs["mjl@mox.example"], clientCert(t, "stranger")
	for what, k := range map[string]TLSKey{"taken": {Login: "other@mox.example"}, "unknown login": {Login: "nobody@mox.example"}, "name": {Login: "mjl@mox.example", Name: "a\nb"}} {
		if _, err := s.AddTLSKey(ctx, k, mjl); !errors.Is(err, ErrBadTLSKey) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check := func(what string, cert *x509.Certificate, authzid string, want error, wantResult string) {
		t.Helper()
		p, err := external(t, s, cert, authzid)
		if !errors.Is(err, want) || result != wantResult {
			t.Errorf("%s: got %v, result %s; want %v, %s", what, err, result, want, wantResult)
		}
		if err == nil && (p.Account != "mjl" || p.Mechanism != "EXTERNAL" || p.Login == "" || authzid != "" && p.Login != authzid) {
			t.Errorf("%s: principal %+v", what, p)
		}
	}
	for _, again := range []string{"at first", "with the index", "without the index", "with a damaged index"} {
		check(again, mjl, "", nil, "ok")
		check(again+", own address", mjl, "mjl@mox.example", nil, "ok")
		check(again+", another's address", mjl, "eve@mox.example", ErrAuthorization, "baduser")
		check(again+", unknown key", stranger, "", ErrCredentials, "badcreds")
		check(again+", no certificate", nil, "", ErrCredentials, "badcreds")
		s = open()
		switch again {
		case "with the index":
			os.Remove(index)
		case "without the index":
			os.WriteFile(index, []byte("{"), 0o600)
		}
	}
	var disabled *DisabledError
	if _, err := external(t, s, certs["off@mox.example"], ""); !errors.As(err, &disabled) {
		t.Errorf("disabled: %v", err)
	}
	t.Run("preauth", func(t *testing.T) { testPreauth(t, s, f, certs, stranger) })

	f.accounts["other@mox.example"] = Account{Name: "eve"}
	check("of an address that another has now", certs["other@mox.example"], "", ErrCredentials, "badcreds")
	if k, err := s.RemoveTLSKey(ctx, Fingerprint(mjl)); err != nil || k.Login != "mjl@mox.example" {
		t.Errorf("remove: %+v, %v", k, err)
	}
	check("removed", mjl, "", ErrCredentials, "badcreds")
	if _, err := s.RemoveTLSKey(ctx, Fingerprint(mjl)); !errors.Is(err, ErrNoTLSKey) {
		t.Errorf("removing again: %v", err)
	}
	// The index alone lets nobody in.
	delete(kept, "off")
	check("account is gone", certs["off@mox.example"], "", ErrCredentials, "badcreds")
}

func testPreauth(t *testing.T, s *Service, f *fakes, certs map[string]*x509.Certificate, stranger *x509.Certificate) {
	preauth := func(cert *x509.Certificate) (*Principal, error) {
		info := remote
		info.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
		a, err := s.Begin(t.Context(), info)
		if err != nil {
			t.Fatal(err)
		}
		return a.Preauth(t.Context())
	}
	if p, err := preauth(certs["mjl@mox.example"]); err != nil || p == nil || p.Login != "mjl@mox.example" {
		t.Errorf("%+v, %v", p, err)
	}
	failed := f.failed
	for _, cert := range []*x509.Certificate{certs["other@mox.example"], stranger} {
		if p, err := preauth(cert); p != nil || err != nil {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if f.failed != failed {
		t.Error("a certificate that nobody has asked to log in counts as a failed login")
	}
	var disabled *DisabledError
	if _, err := preauth(certs["off@mox.example"]); !errors.As(err, &disabled) {
		t.Errorf("disabled: %v", err)
	}
}
