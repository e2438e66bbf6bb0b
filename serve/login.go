package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mox/auth"
	"mox/directory"
	"mox/imap"
	"mox/imapserver"
	"mox/sasl"
	"mox/smtp"
	"mox/smtpserver"
	"mox/store"
)

// logins is the [auth.Directory] of a server: login names are addresses.
type logins struct{ dir *directory.Directory }

func (l logins) Login(name string) (auth.Account, error) {
	account, err := l.dir.Login(name)
	if errors.Is(err, directory.ErrNoAddress) {
		return auth.Account{}, auth.ErrCredentials
	} else if err != nil {
		return auth.Account{}, err
	}
	return auth.Account{Name: account.Name, LoginDisabled: account.Config.LoginDisabled}, nil
}

// secrets is the [auth.Secrets] of a server: each account keeps its own.
type secrets struct{ store *store.Store }

func (s *Server) secrets() secrets { return secrets{s.Store} }

func (s secrets) Secret(ctx context.Context, account string) ([]byte, error) {
	acc, err := s.store.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	defer acc.Release()
	return acc.Credentials(ctx)
}

func (s secrets) SetSecret(ctx context.Context, account string, secret []byte) error {
	acc, err := s.store.Account(ctx, account)
	if err != nil {
		return err
	}
	defer acc.Release()
	return acc.SetCredentials(ctx, secret)
}

// tokensName is the setting of an account that has its API tokens.
const tokensName = "auth/tokens"

// setting returns one of an account; nil: there is none, or no such account.
func (s secrets) setting(ctx context.Context, account, name string) ([]byte, error) {
	acc, err := s.store.Account(ctx, account)
	if errors.Is(err, store.ErrNoAccount) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer acc.Release()
	return acc.Setting(ctx, name)
}

func (s secrets) setSetting(ctx context.Context, account, name string, b []byte) error {
	acc, err := s.store.Account(ctx, account)
	if err != nil {
		return err
	}
	defer acc.Release()
	return acc.SetSetting(ctx, name, b)
}

// Tokens and SetTokens make it an [auth.Tokens] too.
func (s secrets) Tokens(ctx context.Context, account string) ([]byte, error) {
	return s.setting(ctx, account, tokensName)
}

func (s secrets) SetTokens(ctx context.Context, account string, b []byte) error {
	return s.setSetting(ctx, account, tokensName, b)
}

// tlsKeysName is the setting of an account that has its TLS public keys.
const tlsKeysName = "auth/tlspubkeys"

// tlsKeys is the [auth.TLSKeys] of a server.
type tlsKeys struct{ *Server }

func (k tlsKeys) TLSKeys(ctx context.Context, account string) ([]byte, error) {
	return k.secrets().setting(ctx, account, tlsKeysName)
}

func (k tlsKeys) SetTLSKeys(ctx context.Context, account string, b []byte) error {
	return k.secrets().setSetting(ctx, account, tlsKeysName, b)
}

func (k tlsKeys) Accounts() []string {
	return slices.Sorted(maps.Keys(k.Config.Snapshot().Accounts))
}

// imapAuth lets imapserver authenticate by package auth.
type imapAuth struct{ service *auth.Service }

func (a imapAuth) Begin(ctx context.Context, info imapserver.AuthInfo) (imapserver.Attempt, error) {
	attempt, err := a.service.Begin(ctx, auth.Info{Protocol: "imap", CID: info.CID, Remote: info.Remote, TLS: info.TLS})
	if err != nil {
		return nil, imapError(err)
	}
	return imapAttempt{attempt}, nil
}

type imapAttempt struct{ *auth.Attempt }

func (a imapAttempt) Finish(ctx context.Context, mechanism, authcid, authzid string, err error) (imapserver.Principal, error) {
	return imapPrincipal(a.Attempt.Finish(ctx, mechanism, authcid, authzid, aborted(err)))
}

func (a imapAttempt) Login(ctx context.Context, username, password string) (imapserver.Principal, error) {
	return imapPrincipal(a.Attempt.Login(ctx, username, password))
}

func (a imapAttempt) Preauth(ctx context.Context) (imapserver.Principal, bool, error) {
	p, err := a.Attempt.Preauth(ctx)
	if p == nil && err == nil {
		return imapserver.Principal{}, false, nil
	}
	principal, err := imapPrincipal(p, err)
	return principal, err == nil, err
}

func imapPrincipal(p *auth.Principal, err error) (imapserver.Principal, error) {
	if err != nil {
		return imapserver.Principal{}, imapError(err)
	}
	return imapserver.Principal{Account: p.Account, Login: p.Login}, nil
}

// imapError is what the client is told (RFC 5530, RFC 9051 7.1). An error without Err is
// the client's: auth has logged it, and it is no failure of the server.
func imapError(err error) error {
	var disabled *auth.DisabledError
	switch {
	case errors.Is(err, auth.ErrCredentials), errors.Is(err, sasl.ErrChannelBinding):
		return &imap.Error{Type: "NO", Code: imap.CodeAuthenticationFailed, Text: "authentication failed"}
	case errors.Is(err, auth.ErrAuthorization):
		return &imap.Error{Type: "NO", Code: imap.CodeAuthorizationFailed, Text: "not authorized to act as that user"}
	case errors.Is(err, auth.ErrThrottled):
		return &imap.Error{Type: "NO", Code: imap.CodeLimit, Text: "too many failed logins from your address, try again later"}
	case errors.As(err, &disabled):
		return &imap.Error{Type: "NO", Code: imap.CodeContactAdmin, Text: "logins are disabled: " + disabled.Text}
	case errors.Is(err, sasl.ErrProtocol), errors.Is(err, auth.ErrAborted):
		return &imap.Error{Type: "BAD", Text: "malformed or aborted authentication"}
	}
	return err
}

// smtpAuth lets smtpserver authenticate by package auth.
type smtpAuth struct{ service *auth.Service }

func (a smtpAuth) Begin(ctx context.Context, peer smtp.Peer) (smtpserver.AuthAttempt, error) {
	attempt, err := a.service.Begin(ctx, auth.Info{Protocol: "submission", CID: peer.CID, Remote: peer.Remote.Addr(), TLS: peer.TLS})
	if err != nil {
		return nil, smtpError(err)
	}
	return smtpAttempt{attempt}, nil
}

type smtpAttempt struct{ *auth.Attempt }

func (a smtpAttempt) Finish(ctx context.Context, mech, authcid, authzid string, err error) (any, error) {
	p, err := a.Attempt.Finish(ctx, mech, authcid, authzid, aborted(err))
	if err != nil {
		return nil, smtpError(err)
	}
	return p, nil
}

// smtpError is what the client is told (RFC 4954 4 and 6). Errors of sasl have their
// replies in smtpserver.
func smtpError(err error) error {
	var disabled *auth.DisabledError
	switch {
	case errors.Is(err, auth.ErrCredentials), errors.Is(err, auth.ErrAuthorization):
		return smtp.WrapErrorf(err, 535, "5.7.8", "authentication credentials invalid")
	case errors.Is(err, auth.ErrThrottled):
		// Of no cause: it is not a failure of ours.
		return smtp.Errorf(454, "4.7.0", "too many failed logins from your address, try again later")
	case errors.As(err, &disabled):
		return smtp.WrapErrorf(err, 525, "5.7.13", "logins are disabled: %s", disabled.Text)
	}
	return err
}

// aborted names the error with which doors say that the client gave up.
func aborted(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", auth.ErrAborted, err)
	}
	return err
}
