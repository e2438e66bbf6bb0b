package auth

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"mox/loginlog"
	"mox/sasl"
)

// Attempt is one try to log in. It is the backend of a SASL exchange ([sasl.Backend]);
// Finish ends it.
type Attempt struct {
	service *Service
	info    Info
	account Account // found so far
	known   bool    // the login name leads to an account
	// keyLogin is the address that the TLS key of an EXTERNAL stands for; that mechanism has no
	// authentication identity.
	keyLogin string
	guess    uint64 // of what was tried, see [Limiter]
	checked  []byte // see Checked
}

var _ sasl.Backend = (*Attempt)(nil)

// credentials loads the secrets behind a login name. For an unknown name, or an
// account without a password, known stays false and the zero value is returned.
func (a *Attempt) credentials(ctx context.Context, login string) (Credentials, error) {
	a.known = false
	account, err := a.service.Directory.Login(login)
	if errors.Is(err, ErrCredentials) {
		return Credentials{}, nil
	} else if err != nil {
		return Credentials{}, fmt.Errorf("looking up login: %w", err)
	}
	secret, err := a.service.Secrets.Secret(ctx, account.Name)
	if err != nil {
		return Credentials{}, fmt.Errorf("loading credentials: %w", err)
	}
	if secret == nil {
		return Credentials{}, nil
	}
	a.account, a.known, a.checked = account, true, Mark(secret)
	return ParseCredentials(secret)
}

// Mark stands for a stored secret: it is another one after each change of the password, were it to the same one, as
// derived secrets have salts.
func Mark(secret []byte) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

// Checked is the [Mark] of the secret that a password was checked against; by the time that the check is
// over, there may be another one.
func (a *Attempt) Checked() []byte { return a.checked }

// hash runs fn, which checks a password, when a slot for hashing is free. Many attempts may have begun before the
// first of them failed: they end here once too many have.
func (a *Attempt) hash(ctx context.Context, fn func()) error {
	s, throttled := a.service, false
	err := s.hash(ctx, func() {
		if throttled = s.Limiter != nil && !s.Limiter.Allowed(a.info.Remote.Unmap(), s.Now()); !throttled {
			fn()
		}
	})
	if err == nil && throttled {
		return ErrThrottled
	}
	return err
}

// tries notes what is tried, for [Limiter].
func (a *Attempt) tries(secret string) {
	a.guess = max(1, maphash.String(a.service.guesses, secret))
}

// Password checks a password that was shown to us.
func (a *Attempt) Password(ctx context.Context, login, password string) error {
	a.tries(login + "\x00" + password)
	c, err := a.credentials(ctx, login)
	if err != nil {
		return err
	}
	pw, err := normalize(password)
	if err != nil {
		return ErrCredentials
	}
	s := a.service
	if !a.known {
		// The same time as for a known account, so that names cannot be found out.
		if err := a.hash(ctx, func() { argonHash(pw, s.key[:saltLength]) }); err != nil {
			return err
		}
		return ErrCredentials
	}
	key := s.cache.key(c.Argon2id, pw)
	if s.cache.has(key, s.Now()) {
		return nil
	}
	// After a restart all programs of a user come at once, with one password.
	v, first := s.cache.begin(key)
	if first {
		defer func() { s.cache.end(key, v, s.Now()) }()
	} else {
		select {
		case <-v.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if v.ok {
			return nil
		}
		if v.err == nil {
			return ErrCredentials
		}
		// The other connection gave up; that says nothing about this one.
		v = &verification{}
	}
	err = a.hash(ctx, func() { v.ok, v.err = argonVerify(c.Argon2id, pw) })
	if err != nil {
		v.err = err
	}
	switch {
	case err != nil:
		return err
	case v.err != nil:
		return fmt.Errorf("verifying password: %w", v.err)
	case !v.ok:
		return ErrCredentials
	}
	return nil
}

// SCRAM returns the verifier of a user; an unknown one gets a salt that is always the
// same for that name, and keys that nothing matches.
func (a *Attempt) SCRAM(ctx context.Context, mechanism, login string) (sasl.SCRAMVerifier, error) {
	c, err := a.credentials(ctx, login)
	if err != nil {
		return sasl.SCRAMVerifier{}, err
	}
	switch {
	case !a.known:
		return sasl.FakeVerifier(a.service.key[:], strings.TrimSuffix(mechanism, "-PLUS"), login, scramIterations), nil
	case strings.TrimSuffix(mechanism, "-PLUS") == sasl.ScramSHA1:
		return c.SHA1, nil
	default:
		return c.SHA256, nil
	}
}

// CRAMMD5 returns the keyed states of a user, or random ones for an unknown user.
func (a *Attempt) CRAMMD5(ctx context.Context, login string) (sasl.CRAMMD5State, error) {
	c, err := a.credentials(ctx, login)
	if err != nil {
		return sasl.CRAMMD5State{}, err
	}
	if !a.known {
		return sasl.DeriveCRAMMD5(string(a.service.key[:]) + login)
	}
	return c.CRAMMD5, nil
}

// Login checks a login name and password in one step: IMAP LOGIN, HTTP basic.
func (a *Attempt) Login(ctx context.Context, login, password string) (*Principal, error) {
	err := a.Password(ctx, login, password)
	return a.Finish(ctx, "LOGIN", login, "", err)
}

// Finish ends the attempt with the outcome of the exchange: err is nil when the
// mechanism proved that the peer knows authcid's secret. It counts the attempt and
// returns who the peer is, or the error to refuse with.
func (a *Attempt) Finish(ctx context.Context, mechanism, authcid, authzid string, err error) (*Principal, error) {
	s := a.service
	if errors.Is(err, ErrThrottled) {
		s.throttled(ctx, a.info)
		return nil, err
	}
	if authcid == "" {
		authcid = a.keyLogin
	}
	p, err := a.judge(mechanism, authcid, authzid, err)
	result := resultName(err)
	if f := s.Observer.Attempt; f != nil {
		f(a.info.Protocol, strings.ToLower(mechanism), result)
	}
	remote, now := a.info.Remote.Unmap(), s.Now()
	a.record(mechanism, authcid, result, now)
	attrs := []any{"cid", a.info.CID, "remote", remote, "kind", a.info.Protocol, "mechanism", mechanism, "username", authcid, "result", result}
	switch {
	case err == nil:
		if s.Limiter != nil {
			s.Limiter.Succeeded(remote, now)
		}
		s.Log.DebugContext(ctx, "login", attrs...)
	case errors.Is(err, ErrCredentials), errors.Is(err, ErrAuthorization):
		if s.Limiter != nil {
			s.Limiter.Failed(remote, now, a.guess)
		}
		// This line is stable: log watchers such as fail2ban match it.
		s.Log.InfoContext(ctx, "failed authentication attempt", attrs...)
	default:
		s.Log.ErrorContext(ctx, "authentication could not be done", append([]any{"err", err}, attrs...)...)
	}
	return p, err
}

// record tells the recorder of an attempt.
func (a *Attempt) record(mechanism, authcid, result string, now time.Time) {
	if a.service.Recorder == nil {
		return
	}
	account := NoAccount
	if a.account.Name != "" {
		account = a.account.Name
	}
	r := loginlog.Attempt{
		First: now, Last: now, Count: 1, Account: account, LoginAddress: authcid, RemoteIP: a.info.Remote.Unmap().String(),
		Protocol: a.info.Protocol, AuthMech: strings.ToLower(mechanism), UserAgent: a.info.Agent, Result: result,
	}
	if t := a.info.TLS; t != nil {
		r.TLS = tls.VersionName(t.Version) + " " + tls.CipherSuiteName(t.CipherSuite)
	}
	a.service.Recorder.Record(r)
}

// judge turns the outcome of an exchange into a principal or an error for the peer.
func (a *Attempt) judge(mechanism, authcid, authzid string, err error) (*Principal, error) {
	switch {
	case errors.Is(err, sasl.ErrCredentials):
		return nil, ErrCredentials
	case err != nil:
		return nil, err
	case !a.known:
		return nil, ErrCredentials
	}
	if authzid != "" && authzid != authcid {
		// RFC 4422 3.4.1: acting for another identity is a right of its own. The same
		// account under another of its addresses is the same identity.
		other, err := a.service.Directory.Login(authzid)
		if err != nil || other.Name != a.account.Name {
			return nil, ErrAuthorization
		}
		authcid = authzid
	}
	if a.account.LoginDisabled != "" {
		return nil, &DisabledError{a.account.LoginDisabled}
	}
	return &Principal{Account: a.account.Name, Login: authcid, Mechanism: mechanism}, nil
}

// resultName is the label of mox_authentication_total.
func resultName(err error) string {
	var disabled *DisabledError
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrCredentials):
		return "badcreds"
	case errors.Is(err, ErrAuthorization):
		return "baduser"
	case errors.As(err, &disabled):
		return "logindisabled"
	case errors.Is(err, ErrAborted):
		return "aborted"
	case errors.Is(err, sasl.ErrProtocol):
		return "badprotocol"
	case errors.Is(err, sasl.ErrChannelBinding):
		return "badchanbind"
	}
	return "error"
}
