package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// memTokens is a Tokens in memory.
type memTokens struct {
	m      map[string][]byte
	writes int
}

func (t *memTokens) Tokens(_ context.Context, account string) ([]byte, error) {
	return t.m[account], nil
}
func (t *memTokens) SetTokens(_ context.Context, account string, b []byte) error {
	t.m[account] = b
	t.writes++
	return nil
}

func TestToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, kept := newFakes(), &memTokens{m: map[string][]byte{}}
		var result string
		s := New(Config{Directory: f, Secrets: f, Tokens: kept, Limiter: f, Observer: f.result(&result)})
		ctx := t.Context()
		add := func(login string, expires time.Time, scopes ...Scope) string {
			t.Helper()
			token, _, err := s.AddToken(ctx, Token{Login: login, Name: "test", Scopes: scopes, Expires: expires})
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		good := add("mjl@mox.example", time.Time{}, ScopeSend)
		moved := add("other@mox.example", time.Time{}, ScopeSend)
		short := add("mjl@mox.example", time.Now().Add(time.Hour), Scopes()...)
		off := add("off@mox.example", time.Time{}, ScopeRead)
		if strings.Contains(string(kept.m["mjl"]), good[len(good)-32:]) {
			t.Error("the secret is kept")
		}
		f.accounts["other@mox.example"] = Account{Name: "eve"}
		check := func(what, token string, want error, wantResult string) *Principal {
			t.Helper()
			p, err := begin(t, s).Token(ctx, token)
			if !errors.Is(err, want) || result != wantResult {
				t.Errorf("%s: got %v, result %s; want %v, %s", what, err, result, want, wantResult)
			}
			return p
		}
		p := check("good", good, nil, "ok")
		if p == nil || p.Account != "mjl" || p.Login != "mjl@mox.example" || !p.May(ScopeSend) || p.May(ScopeRead) || p.Token != 1 || p.Mechanism != "TOKEN" {
			t.Errorf("principal %+v", p)
		}
		if !(&Principal{}).May(ScopeWrite) {
			t.Error("a password does not allow everything")
		}
		check("not expired", short, nil, "ok")
		time.Sleep(time.Hour)
		check("expired", short, ErrCredentials, "badcreds")
		check("of an address that another has now", moved, ErrCredentials, "badcreds")
		for _, bad := range []string{"", "mox_", "mox__", "x", good[:len(good)-1] + map[bool]string{true: "y", false: "x"}[strings.HasSuffix(good, "x")], good + "a", strings.Replace(good, "mox_", "mox_a", 1), "mox_" + strings.Repeat("a", 5000)} {
			check(bad, bad, ErrCredentials, "badcreds")
		}
		var disabled *DisabledError
		if _, err := begin(t, s).Token(ctx, off); !errors.As(err, &disabled) {
			t.Errorf("disabled: %v", err)
		}
		if f.failed == 0 {
			t.Error("failures are not counted")
		}

		writes := kept.writes
		for range 5 {
			check("again", good, nil, "ok")
		}
		if kept.writes != writes+1 {
			t.Errorf("%d writes for uses within an hour", kept.writes-writes)
		}
		l, err := s.ListTokens(ctx, "mjl")
		if err != nil || len(l) != 3 || l[0].LastUsed.Before(l[0].Created) || l[0].Hash != nil {
			t.Errorf("list: %+v, %v", l, err)
		}
		if err := s.RemoveToken(ctx, "mjl", 1); err != nil {
			t.Error(err)
		}
		if err := s.RemoveToken(ctx, "mjl", 1); !errors.Is(err, ErrNoToken) {
			t.Error(err)
		}
		check("removed", good, ErrCredentials, "badcreds")
	})
}

func TestAddTokenRefused(t *testing.T) {
	f := newFakes()
	s := New(Config{Directory: f, Secrets: f, Tokens: &memTokens{m: map[string][]byte{}}})
	for _, bad := range []Token{
		{Login: "nobody@mox.example", Scopes: Scopes()},
		{Login: "mjl@mox.example"},
		{Login: "mjl@mox.example", Scopes: Scopes(), Name: "a\nb"},
		{Login: "mjl@mox.example", Scopes: Scopes(), Expires: time.Now().Add(-time.Hour)},
	} {
		if _, _, err := s.AddToken(t.Context(), bad); !errors.Is(err, ErrBadToken) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for range MaxTokens {
		if _, _, err := s.AddToken(t.Context(), Token{Login: "mjl@mox.example", Scopes: Scopes()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.AddToken(t.Context(), Token{Login: "mjl@mox.example", Scopes: Scopes()}); !errors.Is(err, ErrBadToken) {
		t.Errorf("more than there may be: %v", err)
	}
}

func TestParseScopes(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []Scope
	}{{"all", Scopes()}, {"send", []Scope{"send"}}, {"read, send,read", []Scope{"read", "send"}}, {"", nil}, {"admin", nil}} {
		if got, err := ParseScopes(tc.in); !slices.Equal(got, tc.want) || (err == nil) != (tc.want != nil) {
			t.Errorf("%q: %v, %v", tc.in, got, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(formatToken("mjl", make([]byte, 20)))
	f.Add("mox_a_b")
	f.Fuzz(func(t *testing.T, s string) {
		account, secret, ok := parseToken(s)
		if !ok {
			return
		}
		a2, s2, ok := parseToken(formatToken(account, secret))
		if !ok || a2 != account || string(s2) != string(secret) {
			t.Errorf("%q does not parse back", s)
		}
	})
}
