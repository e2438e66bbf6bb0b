package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"mox/auth"
)

// TLSKeyAdd lets the key of a TLS client certificate log in as an address of an account.
func (a *Admin) TLSKeyAdd(ctx context.Context, actor Actor, k auth.TLSKey, cert *x509.Certificate) (added auth.TLSKey, rerr error) {
	defer func() {
		a.audit(ctx, actor, "add tls public key", rerr, "username", k.Login, "fingerprint", added.Fingerprint, "name", k.Name)
	}()
	return a.Auth.AddTLSKey(ctx, k, cert)
}

// TLSKeyRemove makes a key useless for logins.
func (a *Admin) TLSKeyRemove(ctx context.Context, actor Actor, fingerprint string) (rerr error) {
	var k auth.TLSKey
	defer func() {
		a.audit(ctx, actor, "remove tls public key", rerr, "fingerprint", fingerprint, "account", k.Account, "username", k.Login)
	}()
	k, err := a.Auth.RemoveTLSKey(ctx, fingerprint)
	return noTLSKey(fingerprint, err)
}

// TLSKey returns the key with a fingerprint.
func (a *Admin) TLSKey(ctx context.Context, fingerprint string) (auth.TLSKey, error) {
	k, err := a.Auth.TLSKey(ctx, fingerprint)
	return k, noTLSKey(fingerprint, err)
}

func noTLSKey(fingerprint string, err error) error {
	if errors.Is(err, auth.ErrNoTLSKey) {
		return fmt.Errorf("TLS public key %q: %w", fingerprint, ErrNotFound)
	}
	return err
}

// TLSKeys returns the keys of an account, or of all for "". That also makes the index anew by
// which logins find them.
func (a *Admin) TLSKeys(ctx context.Context, account string) ([]auth.TLSKey, error) {
	names, err := a.accountNames(account)
	if err != nil {
		return nil, err
	}
	if account == "" {
		if err := a.Auth.RebuildTLSKeyIndex(ctx); err != nil {
			return nil, err
		}
	}
	var l []auth.TLSKey
	for _, name := range names {
		keys, err := a.Auth.ListTLSKeys(ctx, name)
		if err != nil {
			return nil, err
		}
		l = append(l, keys...)
	}
	return l, nil
}
