package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scope is something that a token allows.
type Scope string

// The scopes of tokens.
const (
	ScopeSend     Scope = "send"     // send messages
	ScopeRead     Scope = "read"     // read messages
	ScopeWrite    Scope = "write"    // change, move and delete messages
	ScopeSuppress Scope = "suppress" // see and change the suppression list
)

// Scopes returns all scopes.
func Scopes() []Scope { return []Scope{ScopeSend, ScopeRead, ScopeWrite, ScopeSuppress} }

// ParseScopes parses scopes separated by commas. "all" is all there are now.
func ParseScopes(s string) ([]Scope, error) {
	if s == "all" {
		return Scopes(), nil
	}
	var l []Scope
	for name := range strings.SplitSeq(s, ",") {
		scope := Scope(strings.TrimSpace(name))
		if !slices.Contains(Scopes(), scope) {
			return nil, fmt.Errorf("unknown scope %q: scopes are send, read, write, suppress, or all", scope)
		}
		if !slices.Contains(l, scope) {
			l = append(l, scope)
		}
	}
	return l, nil
}

// May tells whether a principal may do what a scope allows. Who logged in with a password
// may do everything.
func (p *Principal) May(s Scope) bool { return p.Scopes == nil || slices.Contains(p.Scopes, s) }

// Tokens keeps the tokens of accounts, as they are encoded here. Both methods are about
// one account; nil is none, also for an account that does not exist.
type Tokens interface {
	Tokens(ctx context.Context, account string) ([]byte, error)
	SetTokens(ctx context.Context, account string, b []byte) error
}

// Token is what is kept of an API token: who it logs in as, and what it may do. The token
// itself is not kept.
type Token struct {
	ID       int       `json:"id"` // never used again in an account, as long as a token with a higher one exists
	Name     string    `json:"name,omitempty"`
	Login    string    `json:"login"` // address; the token works while this is one of the account's
	Scopes   []Scope   `json:"scopes"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`  // zero: never
	LastUsed time.Time `json:"lastUsed,omitzero"` // to the hour; zero: never
	// Hash is the SHA-256 of the token's secret, which has 160 random bits: unlike a
	// password it cannot be guessed, so that a slow hash would protect nothing.
	Hash []byte `json:"hash"`
}

// Limits of tokens.
const (
	MaxTokens    = 100 // of an account
	maxTokenName = 100 // octets
)

// Errors of tokens.
var (
	// ErrNoToken: there is no token with that id.
	ErrNoToken = errors.New("no such token")
	// ErrBadToken: a token cannot be made like that; the text says why.
	ErrBadToken = errors.New("unacceptable token")

	errNoTokens = errors.New("tokens are not kept here")
)

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// tokenPrefix lets scanners for leaked secrets find tokens.
const tokenPrefix = "mox_"

// formatToken returns a token: prefix, account, secret. The account is in it since each
// account keeps its own.
func formatToken(account string, secret []byte) string {
	return tokenPrefix + tokenEncoding.EncodeToString([]byte(account)) + "_" + tokenEncoding.EncodeToString(secret)
}

// parseToken is its inverse.
func parseToken(s string) (account string, secret []byte, ok bool) {
	rest, ok := strings.CutPrefix(s, tokenPrefix)
	if !ok || len(s) > 1000 {
		return "", nil, false
	}
	name, text, ok := strings.Cut(rest, "_")
	if !ok {
		return "", nil, false
	}
	b, err := tokenEncoding.DecodeString(name)
	if err != nil || len(b) == 0 {
		return "", nil, false
	}
	secret, err = tokenEncoding.DecodeString(text)
	// Base32 has several forms of the same bytes; a token has one.
	return string(b), secret, err == nil && len(secret) == 20 && formatToken(string(b), secret) == s
}

// AddToken makes a token for a login and returns it: the only time that it is seen. Login,
// Name, Scopes and Expires of t are used.
func (s *Service) AddToken(ctx context.Context, t Token) (string, Token, error) {
	account, err := s.checkToken(t)
	if err != nil {
		return "", Token{}, err
	}
	s.tokens.Lock()
	defer s.tokens.Unlock()
	all, err := s.loadTokens(ctx, account.Name)
	if err != nil {
		return "", Token{}, err
	}
	if len(all) >= MaxTokens {
		return "", Token{}, fmt.Errorf("%w: the account has %d already", ErrBadToken, len(all))
	}
	var secret [20]byte
	rand.Read(secret[:]) // never fails
	hash := sha256.Sum256(secret[:])
	t.ID, t.Created, t.LastUsed, t.Hash = 1, s.Now().UTC().Truncate(time.Second), time.Time{}, hash[:]
	for _, o := range all {
		t.ID = max(t.ID, o.ID+1)
	}
	if err := s.storeTokens(ctx, account.Name, append(all, t)); err != nil {
		return "", Token{}, err
	}
	return formatToken(account.Name, secret[:]), t, nil
}

// checkToken checks a token to be made and returns its account.
func (s *Service) checkToken(t Token) (Account, error) {
	account, err := s.Directory.Login(t.Login)
	if errors.Is(err, ErrCredentials) {
		return Account{}, fmt.Errorf("%w: %q is no address of an account", ErrBadToken, t.Login)
	} else if err != nil {
		return Account{}, err
	}
	bad := func(r rune) bool { return r < ' ' || r == 0x7f }
	switch {
	case len(t.Name) > maxTokenName || strings.ContainsFunc(t.Name, bad):
		err = fmt.Errorf("%w: name longer than %d octets or with control characters", ErrBadToken, maxTokenName)
	case len(t.Scopes) == 0:
		err = fmt.Errorf("%w: without scopes", ErrBadToken)
	case !t.Expires.IsZero() && !t.Expires.After(s.Now()):
		err = fmt.Errorf("%w: expired already", ErrBadToken)
	}
	return account, err
}

// ListTokens returns the tokens of an account, oldest first, without their hashes.
func (s *Service) ListTokens(ctx context.Context, account string) ([]Token, error) {
	all, err := s.loadTokens(ctx, account)
	for i := range all {
		all[i].Hash = nil
	}
	return all, err
}

// RemoveToken makes a token useless from now on.
func (s *Service) RemoveToken(ctx context.Context, account string, id int) error {
	s.tokens.Lock()
	defer s.tokens.Unlock()
	all, err := s.loadTokens(ctx, account)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(t Token) bool { return t.ID == id })
	if i < 0 {
		return ErrNoToken
	}
	return s.storeTokens(ctx, account, slices.Delete(all, i, i+1))
}

func (s *Service) loadTokens(ctx context.Context, account string) ([]Token, error) {
	if s.Tokens == nil {
		return nil, errNoTokens
	}
	b, err := s.Tokens.Tokens(ctx, account)
	if err != nil || b == nil {
		return nil, err
	}
	var all []Token
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("parsing stored tokens: %w", err)
	}
	return all, nil
}

func (s *Service) storeTokens(ctx context.Context, account string, all []Token) error {
	var b []byte
	if len(all) > 0 {
		var err error
		if b, err = json.Marshal(all); err != nil {
			return fmt.Errorf("encoding tokens: %w", err)
		}
	}
	if err := s.Tokens.SetTokens(ctx, account, b); err != nil {
		return fmt.Errorf("storing tokens: %w", err)
	}
	return nil
}

// Basic checks a login name and password of HTTP basic authentication.
func (a *Attempt) Basic(ctx context.Context, login, password string) (*Principal, error) {
	return a.Finish(ctx, "HTTPBASIC", login, "", a.Password(ctx, login, password))
}

// Token checks an API token. The principal has its scopes.
func (a *Attempt) Token(ctx context.Context, token string) (*Principal, error) {
	a.tries(token)
	t, err := a.findToken(ctx, token)
	p, err := a.Finish(ctx, "TOKEN", t.Login, "", err)
	if err != nil {
		return nil, err
	}
	p.Scopes, p.Token = t.Scopes, t.ID
	if err := a.service.usedToken(ctx, p.Account, t.ID); err != nil {
		a.service.Log.ErrorContext(ctx, "noting use of token", "err", err, "account", p.Account)
	}
	return p, nil
}

// findToken returns what is kept of a token, and notes the account in the attempt.
func (a *Attempt) findToken(ctx context.Context, token string) (Token, error) {
	s := a.service
	name, secret, ok := parseToken(token)
	if !ok || s.Tokens == nil {
		return Token{}, ErrCredentials
	}
	all, err := s.loadTokens(ctx, name)
	if err != nil {
		return Token{}, err
	}
	hash := sha256.Sum256(secret)
	i := slices.IndexFunc(all, func(t Token) bool { return subtle.ConstantTimeCompare(t.Hash, hash[:]) == 1 })
	if i < 0 {
		return Token{}, ErrCredentials
	}
	t := all[i]
	if !t.Expires.IsZero() && !s.Now().Before(t.Expires) {
		return t, ErrCredentials
	}
	account, err := s.Directory.Login(t.Login)
	if err != nil {
		return t, err
	}
	if account.Name != name {
		return t, ErrCredentials // the address is another account's now
	}
	a.account, a.known = account, true
	return t, nil
}

// usedToken notes the use of a token, but not each one: once an hour.
func (s *Service) usedToken(ctx context.Context, account string, id int) error {
	now := s.Now().UTC().Truncate(time.Hour)
	find := func() ([]Token, int, error) {
		all, err := s.loadTokens(ctx, account)
		i := slices.IndexFunc(all, func(t Token) bool { return t.ID == id })
		return all, i, err
	}
	all, i, err := find()
	if err != nil || i < 0 || !all[i].LastUsed.Before(now) {
		return err
	}
	s.tokens.Lock()
	defer s.tokens.Unlock()
	if all, i, err = find(); err != nil || i < 0 {
		return err
	}
	all[i].LastUsed = now
	if all[i].Created.After(now) {
		all[i].LastUsed = all[i].Created // not before it was made
	}
	return s.storeTokens(ctx, account, all)
}
