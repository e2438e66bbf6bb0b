package auth

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCredentialHolds: what is bound to credentials ends with these.
func TestCredentialHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakes()
		s := New(Config{Directory: f, Secrets: f, Tokens: &memTokens{m: map[string][]byte{}}, Limiter: f})
		ctx := t.Context()
		if name, err := s.CredentialName(ctx, "mjl", 0); name != "" || err != nil {
			t.Errorf("without password: %q, %v", name, err)
		}
		const login = "mjl@mox.example"
		name := func(token int) string {
			t.Helper()
			name, err := s.CredentialName(ctx, "mjl", token)
			if err != nil || name == "" {
				t.Fatal(name, err)
			}
			return name
		}
		holds := func(want bool, login, name string, scopes ...Scope) {
			t.Helper()
			if got, err := s.CredentialHolds(ctx, "mjl", login, name, scopes...); got != want || err != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		holds(false, login, "")
		if err := s.SetPassword(ctx, "mjl", "correct horse mjl"); err != nil {
			t.Fatal(err)
		}
		password := name(0)
		add := func(expires time.Time) (int, string) {
			_, token, err := s.AddToken(ctx, Token{Login: login, Scopes: []Scope{ScopeRead}, Expires: expires})
			if err != nil {
				t.Fatal(err)
			}
			return token.ID, name(token.ID)
		}
		id, token := add(time.Time{})
		_, short := add(time.Now().Add(time.Hour))
		holds(true, login, password, ScopeRead, ScopeSend)
		holds(true, "other@mox.example", password)
		holds(false, "eve@mox.example", password) // another account's
		holds(false, "gone@mox.example", password)
		holds(true, login, token, ScopeRead)
		holds(false, login, token, ScopeRead, ScopeSend)
		holds(false, "other@mox.example", token)
		holds(true, login, short)
		time.Sleep(time.Hour)
		holds(false, login, short)
		if err := s.RemoveToken(ctx, "mjl", id); err != nil {
			t.Fatal(err)
		}
		holds(false, login, token)
		if n, err := s.CredentialName(ctx, "mjl", id); n != "" || err != nil {
			t.Errorf("%q, %v", n, err)
		}
		// The same password again has other secrets.
		if err := s.SetPassword(ctx, "mjl", "correct horse mjl"); err != nil {
			t.Fatal(err)
		}
		holds(false, login, password)
		holds(true, login, name(0))
		f.accounts[login] = Account{Name: "mjl", LoginDisabled: "moved away"}
		holds(false, login, name(0))
	})
}
