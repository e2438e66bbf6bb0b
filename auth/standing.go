package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
)

// CredentialName names what somebody logged in with to an account: the password, with token 0, or an API token. Each password has
// a name of its own, also when it is set again, and so has each token. "": there is no such token, or no password.
//
// Names are not secret: they are for what is to end with the credentials that made it, see [Service.CredentialHolds].
func (s *Service) CredentialName(ctx context.Context, account string, token int) (string, error) {
	if token == 0 {
		secret, err := s.Secrets.Secret(ctx, account)
		if err != nil || secret == nil {
			return "", err
		}
		return credentialName("password", secret), nil
	}
	all, err := s.loadTokens(ctx, account)
	i := slices.IndexFunc(all, func(t Token) bool { return t.ID == token })
	if err != nil || i < 0 {
		return "", err
	}
	return credentialName("token", all[i].Hash), nil
}

func credentialName(kind string, secret []byte) string {
	return kind + "-" + base64.RawURLEncoding.EncodeToString(Mark(secret)[:18])
}

// CredentialHolds tells whether the credentials of a name still let in, with a login address, to the account that they did when they
// were named: the password is the same, the token is there, is not expired and has the scopes, and logins are not disabled.
func (s *Service) CredentialHolds(ctx context.Context, account, login, name string, scopes ...Scope) (bool, error) {
	now, err := s.Directory.Login(login)
	switch {
	case errors.Is(err, ErrCredentials):
		return false, nil
	case err != nil:
		return false, err
	case now.Name != account || now.LoginDisabled != "":
		return false, nil
	}
	if password, err := s.CredentialName(ctx, account, 0); err != nil || password == name {
		return err == nil && name != "", err
	}
	if s.Tokens == nil {
		return false, nil
	}
	all, err := s.loadTokens(ctx, account)
	for _, t := range all {
		if credentialName("token", t.Hash) == name {
			lacks := slices.ContainsFunc(scopes, func(scope Scope) bool { return !slices.Contains(t.Scopes, scope) })
			return t.Login == login && !lacks && (t.Expires.IsZero() || s.Now().Before(t.Expires)), nil
		}
	}
	return false, err
}
