package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mox/auth"
)

// TokenAdd makes an API token for an address of an account and returns it: it cannot be seen
// again. Life is how long it works, 0 for ever.
func (a *Admin) TokenAdd(ctx context.Context, actor Actor, address, name string, scopes []auth.Scope, life time.Duration) (token string, t auth.Token, rerr error) {
	defer func() {
		a.audit(ctx, actor, "add token", rerr, "username", address, "token", t.ID, "scopes", scopes, "name", name)
	}()
	t = auth.Token{Login: address, Name: name, Scopes: scopes}
	if life < 0 {
		return "", t, errors.New("the time that a token works must not be negative")
	}
	if life > 0 {
		t.Expires = a.Now().Add(life).UTC().Truncate(time.Second)
	}
	return a.Auth.AddToken(ctx, t)
}

// TokenRemove makes a token useless.
func (a *Admin) TokenRemove(ctx context.Context, actor Actor, account string, id int) (rerr error) {
	defer func() { a.audit(ctx, actor, "remove token", rerr, "account", account, "token", id) }()
	if _, ok := a.Config.Snapshot().Dynamic.Accounts[account]; !ok {
		return fmt.Errorf("account %q: %w", account, ErrNotFound)
	}
	err := a.Auth.RemoveToken(ctx, account, id)
	if errors.Is(err, auth.ErrNoToken) {
		return fmt.Errorf("token %d of account %q: %w", id, account, ErrNotFound)
	}
	return err
}

// AccountTokens are the tokens of an account.
type AccountTokens struct {
	Account string
	Tokens  []auth.Token
}

// Tokens returns the tokens of an account, or of all that have any for "".
func (a *Admin) Tokens(ctx context.Context, account string) ([]AccountTokens, error) {
	names, err := a.accountNames(account)
	if err != nil {
		return nil, err
	}
	var l []AccountTokens
	for _, name := range names {
		tokens, err := a.Auth.ListTokens(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(tokens) > 0 {
			l = append(l, AccountTokens{name, tokens})
		}
	}
	return l, nil
}
