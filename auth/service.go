package auth

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"mox/loginlog"
)

// Errors of an attempt that the peer may be told. Any other error is our own failure.
var (
	// ErrCredentials: unknown account or wrong secret, not told which.
	ErrCredentials = errors.New("authentication failed")
	// ErrThrottled: too many failures from this address; try again later.
	ErrThrottled = errors.New("too many failed authentication attempts, try again later")
	// ErrAborted: the peer gave up during the exchange. Doors pass it to Finish.
	ErrAborted = errors.New("authentication aborted")
	// ErrAuthorization: the secret is right, but it does not give the identity asked for.
	ErrAuthorization = errors.New("not authorized to act as that user")
)

// DisabledError is returned after correct credentials of an account whose logins are
// switched off (LoginDisabled).
type DisabledError struct {
	Text string // for the user
}

func (e *DisabledError) Error() string { return "logins to this account are disabled: " + e.Text }

// Principal is someone who was authenticated. Immutable.
type Principal struct {
	Account   string // account name
	Login     string // address used to log in
	Mechanism string // upper-case SASL name, "LOGIN" for IMAP LOGIN, "HTTPBASIC", "TOKEN"

	// Scopes are what a token allows; nil after other logins, which allow everything. See
	// [Principal.May].
	Scopes []Scope
	Token  int // id of the token, 0 without
}

// Account is what a login name leads to.
type Account struct {
	Name          string
	LoginDisabled string // nonempty: the text with which logins are refused
}

// Directory finds the account of a login name, an email address.
type Directory interface {
	// Login returns ErrCredentials for a name that no account has.
	Login(name string) (Account, error)
}

// Secrets keeps the derived secrets of accounts. Secret returns nil for an account
// without a password.
type Secrets interface {
	Secret(ctx context.Context, account string) ([]byte, error)
	SetSecret(ctx context.Context, account string, secret []byte) error
}

// Limiter counts failures by address. All methods are about one remote address.
type Limiter interface {
	// Allowed reports whether another attempt may be made now.
	Allowed(remote netip.Addr, now time.Time) bool
	// Failed counts one failure. guess is a hash of what was tried, valid in this process, by
	// which one that is tried again is known; 0 for mechanisms that do not show it to us.
	Failed(remote netip.Addr, now time.Time, guess uint64)
	// Succeeded forgets the address's failures.
	Succeeded(remote netip.Addr, now time.Time)
}

// Observer is told each attempt's end, for metrics. Kind is the protocol, variant the
// lower-case mechanism, result as in mox_authentication_total.
type Observer struct {
	Attempt   func(kind, variant, result string)
	Throttled func(kind string)
}

// Recorder keeps attempts, for users and administrators to see. Record must not wait.
type Recorder interface {
	Record(a loginlog.Attempt)
}

// Config is what a Service is made from. Zero fields get defaults.
type Config struct {
	Log       *slog.Logger
	Directory Directory
	Secrets   Secrets
	Tokens    Tokens  // nil: there are none
	TLSKeys   TLSKeys // nil: there are none
	// TLSKeyIndex is a file to find TLS keys by, without opening all accounts; it may be deleted.
	// Empty: it is kept in memory only.
	TLSKeyIndex string
	Limiter     Limiter // nil: no throttling
	Observer    Observer
	Recorder    Recorder // of attempts; nil: none
	Now         func() time.Time
	Hashers     int // argon2id computations at the same time, default 4
}

// Service verifies credentials for all doors.
type Service struct {
	Config
	cache   *passwordCache
	hashing chan struct{} // a slot for each argon2id computation under way
	key     [32]byte      // of this process: fake salts of unknown users
	guesses maphash.Seed  // for hashes of what is tried
	tokens  sync.Mutex    // held while tokens of an account are read and written back
	setting sync.Mutex    // held while a password is replaced

	// keys is held while TLS keys are looked up or changed; it guards keyIndex, the accounts by
	// fingerprint, nil until it was read.
	keys     sync.Mutex
	keyIndex map[string]string
}

// New returns a Service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Hashers == 0 {
		c.Hashers = 4
	}
	s := &Service{Config: c, cache: newPasswordCache(), hashing: make(chan struct{}, c.Hashers), guesses: maphash.MakeSeed()}
	rand.Read(s.key[:]) // never fails
	return s
}

// Info says who attempts to log in, and how.
type Info struct {
	Protocol string // "submission", "imap", ...
	CID      int64  // connection id
	Remote   netip.Addr
	TLS      *tls.ConnectionState // nil without TLS
	Agent    string               // what the client calls itself, if it does; it may be anything
}

// Begin starts an attempt. It returns ErrThrottled when the address failed too often.
// An Attempt is for one exchange and not safe for concurrent use.
func (s *Service) Begin(ctx context.Context, info Info) (*Attempt, error) {
	if s.Limiter != nil && !s.Limiter.Allowed(info.Remote.Unmap(), s.Now()) {
		s.throttled(ctx, info)
		return nil, ErrThrottled
	}
	return &Attempt{service: s, info: info}, nil
}

// throttled tells of an attempt that is refused.
func (s *Service) throttled(ctx context.Context, info Info) {
	if f := s.Observer.Throttled; f != nil {
		f(info.Protocol)
	}
	s.Log.InfoContext(ctx, "authentication refused, too many failures", "cid", info.CID, "remote", info.Remote, "kind", info.Protocol)
}

// ErrChanged: the password was changed while it was being checked.
var ErrChanged = errors.New("the password was changed meanwhile: log in again")

// SetPassword derives new secrets for the account and stores them durably.
// ErrBadPassword says why a password is not acceptable.
func (s *Service) SetPassword(ctx context.Context, account, password string) error {
	return s.replacePassword(ctx, account, password, nil)
}

// ChangePassword is SetPassword for who has shown the password in use, whose secrets have the [Mark] over. ErrChanged: others
// are in use by now.
func (s *Service) ChangePassword(ctx context.Context, account, password string, over []byte) error {
	return s.replacePassword(ctx, account, password, over)
}

// replacePassword is ChangePassword, or SetPassword with over nil.
func (s *Service) replacePassword(ctx context.Context, account, password string, over []byte) error {
	c, err := NewCredentials(password)
	if err != nil {
		return err
	}
	c.Changed = s.Now().UTC().Truncate(time.Second)
	b, err := c.Marshal()
	if err != nil {
		return fmt.Errorf("encoding credentials: %w", err)
	}
	s.setting.Lock()
	defer s.setting.Unlock()
	if over != nil {
		secret, err := s.Secrets.Secret(ctx, account)
		if err != nil {
			return fmt.Errorf("loading credentials: %w", err)
		}
		if !bytes.Equal(Mark(secret), over) {
			return ErrChanged
		}
	}
	if err := s.Secrets.SetSecret(ctx, account, b); err != nil {
		return fmt.Errorf("storing credentials: %w", err)
	}
	return nil
}

// PasswordChanged returns when the password of an account was last set; zero where that was not recorded,
// and without password.
func (s *Service) PasswordChanged(ctx context.Context, account string) (time.Time, error) {
	secret, err := s.Secrets.Secret(ctx, account)
	if err != nil || secret == nil {
		return time.Time{}, err
	}
	c, err := ParseCredentials(secret)
	return c.Changed, err
}

// hash runs fn when a slot for hashing is free.
func (s *Service) hash(ctx context.Context, fn func()) error {
	select {
	case s.hashing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.hashing }()
	fn()
	return nil
}
