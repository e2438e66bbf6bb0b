package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"mox/atomicfile"
)

// TLSKeys keeps the TLS public keys of accounts, as they are encoded here. The first two are
// about one account; nil is none, also for an account that does not exist.
type TLSKeys interface {
	TLSKeys(ctx context.Context, account string) ([]byte, error)
	SetTLSKeys(ctx context.Context, account string, b []byte) error
	// Accounts returns the names of all accounts.
	Accounts() []string
}

// TLSKey is the public key of a TLS client certificate with which an account's user logs in
// without a password. Of a certificate only the key counts: it may have expired, names in
// it mean nothing. The TLS handshake proves that the client has the private key.
type TLSKey struct {
	Fingerprint string    `json:"fingerprint"` // see Fingerprint
	Type        string    `json:"type"`        // of the key: "ed25519", "ecdsa-p256", "rsa-3072"
	Name        string    `json:"name,omitempty"`
	Account     string    `json:"account"`
	Login       string    `json:"login"` // address; the key works while this is one of the account's
	Created     time.Time `json:"created"`
	// NoIMAPPreauth: IMAP sessions with the key begin without being logged in, for mail programs
	// that cannot cope with PREAUTH. They log in with EXTERNAL.
	NoIMAPPreauth bool   `json:"noIMAPPreauth,omitempty"`
	Certificate   []byte `json:"certificate"` // with which it was added; DER
}

// Limits of TLS keys.
const (
	MaxTLSKeys    = 100      // of an account
	maxKeyName    = 100      // octets
	maxClientCert = 16 << 10 // octets, DER
	minRSABits    = 2048
)

// Errors of TLS keys.
var (
	// ErrNoTLSKey: no account has a key with that fingerprint.
	ErrNoTLSKey = errors.New("no such TLS public key")
	// ErrBadTLSKey: a key cannot be added like that; the text says why.
	ErrBadTLSKey = errors.New("unacceptable TLS public key")

	errNoTLSKeys = errors.New("TLS public keys are not kept here")
)

// Fingerprint is the SHA-256 of a certificate's SubjectPublicKeyInfo, in base64url without padding:
// another certificate for the same key has the same.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CertificatePEM returns the first certificate in a PEM text, in DER.
func CertificatePEM(b []byte) ([]byte, error) {
	for {
		block, rest := pem.Decode(b)
		if block == nil {
			return nil, errors.New("no certificate in PEM")
		}
		if block.Type == "CERTIFICATE" {
			return block.Bytes, nil
		}
		b = rest
	}
}

// keyType names the kind of a certificate's key.
func keyType(c *x509.Certificate) (string, error) {
	switch k := c.PublicKey.(type) {
	case ed25519.PublicKey:
		return "ed25519", nil
	case *ecdsa.PublicKey:
		return "ecdsa-" + strings.ToLower(strings.ReplaceAll(k.Curve.Params().Name, "-", "")), nil
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return "", fmt.Errorf("%w: RSA key of %d bits, at least %d are needed", ErrBadTLSKey, k.N.BitLen(), minRSABits)
		}
		return fmt.Sprintf("rsa-%d", k.N.BitLen()), nil
	}
	return "", fmt.Errorf("%w: unknown type of key", ErrBadTLSKey)
}

// AddTLSKey lets the key of a certificate log in. Login, Name and NoIMAPPreauth of k are used.
func (s *Service) AddTLSKey(ctx context.Context, k TLSKey, cert *x509.Certificate) (TLSKey, error) {
	account, err := s.completeTLSKey(&k, cert)
	if err != nil {
		return TLSKey{}, err
	}
	s.keys.Lock()
	defer s.keys.Unlock()
	if other, err := s.lookupTLSKey(ctx, k.Fingerprint); err == nil {
		return TLSKey{}, fmt.Errorf("%w: account %q has it already", ErrBadTLSKey, other.Account)
	} else if !errors.Is(err, ErrNoTLSKey) {
		return TLSKey{}, err
	}
	all, err := s.loadTLSKeys(ctx, account.Name)
	if err != nil {
		return TLSKey{}, err
	}
	if len(all) >= MaxTLSKeys {
		return TLSKey{}, fmt.Errorf("%w: the account has %d already", ErrBadTLSKey, len(all))
	}
	if err := s.storeTLSKeys(ctx, account.Name, append(all, k)); err != nil {
		return TLSKey{}, err
	}
	s.keyIndex[k.Fingerprint] = account.Name
	return k, s.saveKeyIndex()
}

// completeTLSKey checks a key to be added, fills in the rest and returns its account.
func (s *Service) completeTLSKey(k *TLSKey, cert *x509.Certificate) (account Account, err error) {
	account, err = s.Directory.Login(k.Login)
	if errors.Is(err, ErrCredentials) {
		return account, fmt.Errorf("%w: %q is no address of an account", ErrBadTLSKey, k.Login)
	} else if err != nil {
		return account, err
	}
	if err := checkKeyName(k.Name); err != nil {
		return account, err
	}
	if len(cert.Raw) > maxClientCert {
		return account, fmt.Errorf("%w: certificate larger than %d octets", ErrBadTLSKey, maxClientCert)
	}
	k.Account, k.Fingerprint, k.Certificate = account.Name, Fingerprint(cert), cert.Raw
	k.Created = s.Now().UTC().Truncate(time.Second)
	k.Type, err = keyType(cert)
	return account, err
}

// RemoveTLSKey makes a key useless for logins from now on, and returns what it was.
func (s *Service) RemoveTLSKey(ctx context.Context, fingerprint string) (TLSKey, error) {
	s.keys.Lock()
	defer s.keys.Unlock()
	k, err := s.lookupTLSKey(ctx, fingerprint)
	if err != nil {
		return k, err
	}
	all, err := s.loadTLSKeys(ctx, k.Account)
	if err != nil {
		return k, err
	}
	all = slices.DeleteFunc(all, func(o TLSKey) bool { return o.Fingerprint == fingerprint })
	if err := s.storeTLSKeys(ctx, k.Account, all); err != nil {
		return k, err
	}
	delete(s.keyIndex, fingerprint)
	return k, s.saveKeyIndex()
}

// UpdateTLSKey changes the name of a key of an account, and NoIMAPPreauth, to those of k. ErrNoTLSKey: the account
// has no key with the fingerprint of k.
func (s *Service) UpdateTLSKey(ctx context.Context, k TLSKey) error {
	if err := checkKeyName(k.Name); err != nil {
		return err
	}
	s.keys.Lock()
	defer s.keys.Unlock()
	all, err := s.loadTLSKeys(ctx, k.Account)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(o TLSKey) bool { return o.Fingerprint == k.Fingerprint })
	if i < 0 {
		return ErrNoTLSKey
	}
	all[i].Name, all[i].NoIMAPPreauth = k.Name, k.NoIMAPPreauth
	return s.storeTLSKeys(ctx, k.Account, all)
}

func checkKeyName(name string) error {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f }
	if len(name) > maxKeyName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%w: name longer than %d octets or with control characters", ErrBadTLSKey, maxKeyName)
	}
	return nil
}

// TLSKey returns the key with a fingerprint, or ErrNoTLSKey.
func (s *Service) TLSKey(ctx context.Context, fingerprint string) (TLSKey, error) {
	s.keys.Lock()
	defer s.keys.Unlock()
	return s.lookupTLSKey(ctx, fingerprint)
}

// ListTLSKeys returns the keys of an account, oldest first.
func (s *Service) ListTLSKeys(ctx context.Context, account string) ([]TLSKey, error) {
	return s.loadTLSKeys(ctx, account)
}

// RebuildTLSKeyIndex looks into all accounts for their keys: for when accounts came back in
// another way than by AddTLSKey, as from a backup.
func (s *Service) RebuildTLSKeyIndex(ctx context.Context) error {
	s.keys.Lock()
	defer s.keys.Unlock()
	return s.rebuildKeyIndex(ctx)
}

func (s *Service) loadTLSKeys(ctx context.Context, account string) ([]TLSKey, error) {
	if s.Config.TLSKeys == nil {
		return nil, errNoTLSKeys
	}
	b, err := s.Config.TLSKeys.TLSKeys(ctx, account)
	if err != nil || b == nil {
		return nil, err
	}
	var all []TLSKey
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("parsing stored TLS public keys: %w", err)
	}
	for i := range all {
		all[i].Account = account // also when the account was renamed or copied
	}
	return all, nil
}

func (s *Service) storeTLSKeys(ctx context.Context, account string, all []TLSKey) error {
	var b []byte
	if len(all) > 0 {
		var err error
		if b, err = json.Marshal(all); err != nil {
			return fmt.Errorf("encoding TLS public keys: %w", err)
		}
	}
	if err := s.Config.TLSKeys.SetTLSKeys(ctx, account, b); err != nil {
		return fmt.Errorf("storing TLS public keys: %w", err)
	}
	return nil
}

// lookupTLSKey finds a key by the index; what counts is the account's own list. keys is held.
func (s *Service) lookupTLSKey(ctx context.Context, fingerprint string) (TLSKey, error) {
	if s.Config.TLSKeys == nil {
		return TLSKey{}, ErrNoTLSKey
	}
	if err := s.loadKeyIndex(ctx); err != nil {
		return TLSKey{}, err
	}
	account, ok := s.keyIndex[fingerprint]
	if !ok {
		return TLSKey{}, ErrNoTLSKey
	}
	all, err := s.loadTLSKeys(ctx, account)
	if err != nil {
		return TLSKey{}, err
	}
	for _, k := range all {
		if k.Fingerprint == fingerprint {
			return k, nil
		}
	}
	return TLSKey{}, ErrNoTLSKey
}

// The index is a file of JSON, an object of accounts by fingerprint. It is only there so that not
// all accounts are opened to find a key; it is made anew when it is not there or damaged.

// loadKeyIndex reads the index the first time. keys is held.
func (s *Service) loadKeyIndex(ctx context.Context) error {
	if s.keyIndex != nil {
		return nil
	}
	if s.TLSKeyIndex != "" {
		b, err := os.ReadFile(s.TLSKeyIndex)
		if err == nil {
			err = json.Unmarshal(b, &s.keyIndex)
		}
		if err == nil && s.keyIndex != nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			s.Log.ErrorContext(ctx, "index of TLS public keys is made anew", "err", err)
		}
	}
	return s.rebuildKeyIndex(ctx)
}

func (s *Service) rebuildKeyIndex(ctx context.Context) error {
	if s.Config.TLSKeys == nil {
		return errNoTLSKeys
	}
	index := map[string]string{}
	for _, account := range s.Config.TLSKeys.Accounts() {
		all, err := s.loadTLSKeys(ctx, account)
		if err != nil {
			return fmt.Errorf("account %q: %w", account, err)
		}
		for _, k := range all {
			index[k.Fingerprint] = account
		}
	}
	s.keyIndex = index
	return s.saveKeyIndex()
}

func (s *Service) saveKeyIndex() error {
	if s.TLSKeyIndex == "" {
		return nil
	}
	b, err := json.Marshal(s.keyIndex)
	if err != nil {
		return fmt.Errorf("encoding index of TLS public keys: %w", err)
	}
	if err := atomicfile.Write(s.TLSKeyIndex, b, 0o660); err != nil {
		return fmt.Errorf("writing index of TLS public keys: %w", err)
	}
	return nil
}

// External checks the certificate that the client has given in the TLS handshake: its key must
// be an account's. Whether it may act as authzid is decided in Finish.
func (a *Attempt) External(ctx context.Context, _ string) error {
	_, err := a.byTLSKey(ctx)
	return err
}

// byTLSKey finds the key of the connection, and notes its account in the attempt.
func (a *Attempt) byTLSKey(ctx context.Context) (TLSKey, error) {
	a.known = false
	if a.info.TLS == nil || len(a.info.TLS.PeerCertificates) == 0 {
		return TLSKey{}, ErrCredentials
	}
	s := a.service
	fingerprint := Fingerprint(a.info.TLS.PeerCertificates[0])
	a.tries(fingerprint)
	k, err := s.TLSKey(ctx, fingerprint)
	if errors.Is(err, ErrNoTLSKey) {
		return k, ErrCredentials
	} else if err != nil {
		return k, err
	}
	account, err := s.Directory.Login(k.Login)
	if err != nil {
		return k, err
	}
	if account.Name != k.Account {
		return k, ErrCredentials // the address is another account's now
	}
	a.account, a.known, a.keyLogin = account, true, k.Login
	return k, nil
}

// Preauth logs in with the TLS certificate of a connection before the client has said anything.
// It returns nil, and nothing is counted, when the certificate is nobody's, or its key is not for
// that: many programs send one to whoever asks.
func (a *Attempt) Preauth(ctx context.Context) (*Principal, error) {
	k, err := a.byTLSKey(ctx)
	if errors.Is(err, ErrCredentials) || err == nil && k.NoIMAPPreauth {
		return nil, nil
	}
	return a.Finish(ctx, "EXTERNAL", k.Login, "", err)
}
