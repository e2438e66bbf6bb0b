package accountapi

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"mox/admin"
	"mox/auth"
	"mox/clientconf"
	"mox/jsoncall"
)

// ownAddress returns an address of a request, which must be one of the account of the session; empty: that which was
// logged in with.
func (s *Server) ownAddress(c *call, address string) (string, error) {
	address = strings.TrimSpace(address)
	if address == "" {
		return c.Who.Login, nil
	}
	acc, err := s.c.Admin.Auth.Directory.Login(address)
	if errors.Is(err, auth.ErrCredentials) || err == nil && acc.Name != c.Who.Account {
		return "", jsoncall.UserError("%q is not an address of this account", address)
	}
	return address, err
}

func (s *Server) clientConfig(_ context.Context, c *call, r *ClientConfigRequest) (ClientConfigResult, error) {
	address, err := s.ownAddress(c, r.Address)
	if err != nil {
		return ClientConfigResult{}, err
	}
	settings, err := clientconf.For(s.c.Admin.Config.Snapshot(), address)
	if err != nil {
		return ClientConfigResult{}, jsoncall.ForUser(err, clientconf.ErrAddress, clientconf.ErrNoDomain)
	}
	result := ClientConfigResult{Description: settings.Describe()}
	base, err := s.c.Admin.DiscoveryURL(settings.Domain)
	if err != nil {
		return result, nil // no listener has it
	}
	query := url.Values{"addresses": {settings.Username}}
	if name := s.c.Admin.Config.Snapshot().Dynamic.Accounts[c.Who.Account].FullName; name != "" {
		query.Set("name", name)
	}
	result.ProfileURL = base + "/profile.mobileconfig?" + query.Encode()
	result.AutoconfigURL = base + "/mail/config-v1.1.xml?" + url.Values{"emailaddress": {settings.Username}}.Encode()
	result.ProfileQRCode, err = s.dataURL(result.ProfileURL)
	return result, err
}

func tlsPublicKey(k auth.TLSKey) TLSPublicKey {
	return TLSPublicKey{Fingerprint: k.Fingerprint, Type: k.Type, Name: k.Name, LoginAddress: k.Login, NoIMAPPreauth: k.NoIMAPPreauth, Created: k.Created}
}

func (s *Server) tlsPublicKeys(ctx context.Context, c *call, _ *TLSPublicKeysRequest) (TLSPublicKeysResult, error) {
	keys, err := s.c.Admin.TLSKeys(ctx, c.Who.Account)
	var r TLSPublicKeysResult
	for _, k := range keys {
		r.TLSPublicKeys = append(r.TLSPublicKeys, tlsPublicKey(k))
	}
	return r, err
}

// certificate reads the one that a user has pasted.
func certificate(text string) (*x509.Certificate, error) {
	for b := []byte(text); ; {
		block, rest := pem.Decode(b)
		if block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return nil, jsoncall.UserError("That has a private key, which nobody else should see. Only the certificate is needed. Make a new key if it was sent over a connection that others can read.")
		}
		b = rest
	}
	der, err := auth.CertificatePEM([]byte(text))
	if err != nil {
		return nil, jsoncall.UserError("%v: it begins with -----BEGIN CERTIFICATE-----", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, jsoncall.UserError("the certificate cannot be read: %v", err)
	}
	return cert, nil
}

func (s *Server) tlsPublicKeyAdd(ctx context.Context, c *call, r *TLSPublicKeyAddRequest) (TLSPublicKeyAddResult, error) {
	cert, err := certificate(r.PEM)
	if err != nil {
		return TLSPublicKeyAddResult{}, err
	}
	login, err := s.ownAddress(c, r.LoginAddress)
	if err != nil {
		return TLSPublicKeyAddResult{}, err
	}
	// Who has a key is not for other accounts to know.
	if _, err := s.c.Admin.TLSKey(ctx, auth.Fingerprint(cert)); err == nil {
		return TLSPublicKeyAddResult{}, jsoncall.UserError("this key is in use already")
	} else if !errors.Is(err, admin.ErrNotFound) {
		return TLSPublicKeyAddResult{}, err
	}
	k, err := s.c.Admin.TLSKeyAdd(ctx, actor(c), auth.TLSKey{Login: login, Name: strings.TrimSpace(r.Name), NoIMAPPreauth: r.NoIMAPPreauth}, cert)
	return TLSPublicKeyAddResult{tlsPublicKey(k)}, jsoncall.ForUser(err, auth.ErrBadTLSKey)
}

func (s *Server) tlsPublicKeyUpdate(ctx context.Context, c *call, r *TLSPublicKeyUpdateRequest) (TLSPublicKeyUpdateResult, error) {
	k := auth.TLSKey{Account: c.Who.Account, Fingerprint: r.Fingerprint, Name: strings.TrimSpace(r.Name), NoIMAPPreauth: r.NoIMAPPreauth}
	return TLSPublicKeyUpdateResult{}, jsoncall.ForUser(s.c.Admin.TLSKeyUpdate(ctx, actor(c), k), auth.ErrBadTLSKey, admin.ErrNotFound)
}

func (s *Server) tlsPublicKeyRemove(ctx context.Context, c *call, r *TLSPublicKeyRemoveRequest) (TLSPublicKeyRemoveResult, error) {
	// Commands remove keys of any account.
	k, err := s.c.Admin.TLSKey(ctx, r.Fingerprint)
	if errors.Is(err, admin.ErrNotFound) || err == nil && k.Account != c.Who.Account {
		return TLSPublicKeyRemoveResult{}, jsoncall.UserError("the account has no such key")
	} else if err != nil {
		return TLSPublicKeyRemoveResult{}, err
	}
	return TLSPublicKeyRemoveResult{}, jsoncall.ForUser(s.c.Admin.TLSKeyRemove(ctx, actor(c), r.Fingerprint), admin.ErrNotFound)
}

func token(t auth.Token) Token {
	r := Token{ID: t.ID, Name: t.Name, LoginAddress: t.Login, Created: t.Created, Expires: jsoncall.OrNull(t.Expires), LastUsed: jsoncall.OrNull(t.LastUsed)}
	for _, scope := range t.Scopes {
		r.Scopes = append(r.Scopes, string(scope))
	}
	return r
}

func (s *Server) tokens(ctx context.Context, c *call, _ *TokensRequest) (TokensResult, error) {
	accounts, err := s.c.Admin.Tokens(ctx, c.Who.Account)
	var r TokensResult
	for _, a := range accounts {
		for _, t := range a.Tokens {
			r.Tokens = append(r.Tokens, token(t))
		}
	}
	return r, err
}

func (s *Server) tokenAdd(ctx context.Context, c *call, r *TokenAddRequest) (TokenAddResult, error) {
	login, err := s.ownAddress(c, r.LoginAddress)
	if err != nil {
		return TokenAddResult{}, err
	}
	if slices.Contains(r.Scopes, "all") || len(r.Scopes) == 0 {
		return TokenAddResult{}, jsoncall.UserError("choose what the token may do: send, read, write, suppress")
	}
	scopes, err := auth.ParseScopes(strings.Join(r.Scopes, ","))
	if err != nil {
		return TokenAddResult{}, jsoncall.UserError("%v", err)
	}
	const most = 36500 // days
	if r.ExpireDays < 0 || r.ExpireDays > most {
		return TokenAddResult{}, jsoncall.UserError("a token works for 1 to %d days, or for ever (0)", most)
	}
	secret, t, err := s.c.Admin.TokenAdd(ctx, actor(c), login, strings.TrimSpace(r.Name), scopes, time.Duration(r.ExpireDays)*24*time.Hour)
	if err != nil {
		return TokenAddResult{}, jsoncall.ForUser(err, auth.ErrBadToken)
	}
	return TokenAddResult{Secret: secret, Token: token(t)}, nil
}

func (s *Server) tokenRemove(ctx context.Context, c *call, r *TokenRemoveRequest) (TokenRemoveResult, error) {
	return TokenRemoveResult{}, jsoncall.ForUser(s.c.Admin.TokenRemove(ctx, actor(c), c.Who.Account, r.ID), admin.ErrNotFound)
}
