package websession

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Session is what is told of a session.
type Session struct {
	ID        string    `doc:"Of the session, to end it by; not secret."`
	Created   time.Time `doc:"When it began, by a login."`
	LastUsed  time.Time `doc:"When it was last used, to about five minutes."`
	Expires   time.Time `doc:"When it ends if it is not used."`
	RemoteIP  string    `doc:"Address that it was begun from."`
	UserAgent string    `doc:"What the browser calls itself."`
	Current   bool      `doc:"It is the session of this call."`
}

// Errors of sessions.
var (
	// ErrNone: the request has no session.
	ErrNone = errors.New("not logged in")
	// ErrEnded: the session of the request has ended.
	ErrEnded = errors.New("the session has ended, log in again")
	// ErrCSRF: the request has a session, but not its CSRF token.
	ErrCSRF = errors.New("the CSRF token of the session is missing or wrong")
	// ErrNotFound: there is no session with that id.
	ErrNotFound = errors.New("no such session")
	// ErrChanged: the password is not the one any more that was checked.
	ErrChanged = errors.New("the password was changed meanwhile: log in again")
	// ErrPrepared: a login was not prepared, or too long ago.
	ErrPrepared = errors.New("the login took too long, or cookies are not allowed: try again")
)

// ErrRefused is wrapped by errors of [Keep.Mark] for an account that nobody may use any more.
var ErrRefused = errors.New("logins are not possible any more")

// Keep is where sessions of accounts are.
type Keep interface {
	// Load returns what Save was given; nil: nothing, also for an account that does not exist.
	Load(ctx context.Context, account string) ([]byte, error)
	Save(ctx context.Context, account string, b []byte) error
	// Mark returns what sessions of a login are bound to: it differs after each change of the password.
	// An error wraps ErrRefused when the login leads to that account no more, or is disabled.
	Mark(ctx context.Context, account, login string) ([]byte, error)
}

// Config is what Sessions need. It must not change once in use.
type Config struct {
	Name string        // of cookies: "webaccount", "webadmin"
	Life time.Duration // of a session that is not used
	Max  int           // for an account
	// Wrong is what users are told of wrong passwords.
	Wrong string
	// Ended is told after sessions of an account were ended by somebody, not by their age. It must not wait; nil: nobody is.
	Ended func(account string)
	Keep  Keep
	Log   *slog.Logger
	Now   func() time.Time
}

// usePrecision is for how long uses are not written.
const usePrecision = 5 * time.Minute

// maxAgent is how much of User-Agent is kept, in octets.
const maxAgent = 200

// Sessions are those of one kind of pages.
type Sessions struct {
	Config
	key   [32]byte // signs what Prepare returns
	seed  maphash.Seed
	locks [64]chan struct{} // each has an element while sessions of its accounts are loaded and saved
}

// New returns Sessions.
func New(c Config) *Sessions {
	s := &Sessions{Config: c, seed: maphash.MakeSeed()}
	for i := range s.locks {
		s.locks[i] = make(chan struct{}, 1)
	}
	rand.Read(s.key[:]) // never fails
	return s
}

// record is a session as it is kept.
type record struct {
	ID       string    `json:"id"`
	Hash     []byte    `json:"hash"` // SHA-256 of the token
	Login    string    `json:"login"`
	Mark     []byte    `json:"mark"` // of Keep
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"lastUsed"`
	RemoteIP string    `json:"remoteIP"`
	Agent    string    `json:"agent"`
}

// Current is the session of a request.
type Current struct {
	ID        string
	Account   string
	Login     string // address that was logged in with
	CSRFToken string
}

// random returns n random octets in base64url.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// csrfToken is derived from the token of a session, of which it tells nothing.
func csrfToken(token string) string {
	m := hmac.New(sha256.New, []byte(token))
	m.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// lock takes the lock of an account.
func (s *Sessions) lock(ctx context.Context, account string) (unlock func(), err error) {
	c := s.locks[maphash.String(s.seed, account)%uint64(len(s.locks))]
	select {
	case c <- struct{}{}:
		return func() { <-c }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load returns the sessions of an account that have not expired. The lock is held.
func (s *Sessions) load(ctx context.Context, account string) ([]record, error) {
	b, err := s.Keep.Load(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("loading sessions: %w", err)
	}
	var all []record
	if b != nil {
		if err := json.Unmarshal(b, &all); err != nil {
			// Users can log in again.
			s.Log.ErrorContext(ctx, "sessions cannot be read, and have ended", "err", err, "account", account)
			return nil, nil
		}
	}
	now := s.Now()
	return slices.DeleteFunc(all, func(r record) bool { return !now.Before(r.LastUsed.Add(s.Life)) }), nil
}

// save writes the sessions of an account. The lock is held.
func (s *Sessions) save(ctx context.Context, account string, all []record) error {
	var b []byte
	if len(all) > 0 {
		var err error
		if b, err = json.Marshal(all); err != nil {
			return fmt.Errorf("encoding sessions: %w", err)
		}
	}
	if err := s.Keep.Save(ctx, account, b); err != nil {
		return fmt.Errorf("storing sessions: %w", err)
	}
	return nil
}

// Make makes a session for who has shown the password with the mark checked, and returns its token. Agent is what the
// browser calls itself. ErrChanged: the password is another one by now.
func (s *Sessions) Make(ctx context.Context, account, login string, checked []byte, remoteIP, agent string) (token string, err error) {
	unlock, err := s.lock(ctx, account)
	if err != nil {
		return "", err
	}
	defer unlock()
	mark, err := s.Keep.Mark(ctx, account, login)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(mark, checked) {
		return "", ErrChanged
	}
	all, err := s.load(ctx, account)
	if err != nil {
		return "", err
	}
	// Those of before a change of the password are of no use.
	all = slices.DeleteFunc(all, func(r record) bool { return r.Login == login && subtle.ConstantTimeCompare(r.Mark, mark) == 0 })
	if n := len(all) - s.Max + 1; n > 0 {
		slices.SortFunc(all, func(a, b record) int { return a.LastUsed.Compare(b.LastUsed) })
		all = all[n:]
	}
	token = random(24)
	now := s.Now().UTC()
	agent = strings.ToValidUTF8(agent[:min(len(agent), maxAgent)], "")
	r := record{ID: random(9), Hash: hashOf(token), Login: login, Mark: mark, Created: now.Truncate(time.Second), LastUsed: now, RemoteIP: remoteIP, Agent: agent}
	return token, s.save(ctx, account, append(all, r))
}

// find returns the session with a token, and notes that it is used.
func (s *Sessions) find(ctx context.Context, account, token string) (Current, error) {
	unlock, err := s.lock(ctx, account)
	if err != nil {
		return Current{}, err
	}
	defer unlock()
	all, err := s.load(ctx, account)
	if err != nil {
		return Current{}, err
	}
	hash := hashOf(token)
	i := slices.IndexFunc(all, func(r record) bool { return subtle.ConstantTimeCompare(r.Hash, hash) == 1 })
	if i < 0 {
		return Current{}, ErrEnded
	}
	r := &all[i]
	mark, err := s.Keep.Mark(ctx, account, r.Login)
	if err != nil && !errors.Is(err, ErrRefused) {
		return Current{}, err
	}
	if err != nil || subtle.ConstantTimeCompare(r.Mark, mark) == 0 {
		// It must not be of use again, should logins be allowed again.
		if err := s.save(ctx, account, slices.Delete(all, i, i+1)); err != nil {
			return Current{}, err
		}
		return Current{}, ErrEnded
	}
	c := Current{ID: r.ID, Account: account, Login: r.Login, CSRFToken: csrfToken(token)}
	if now := s.Now().UTC(); now.Sub(r.LastUsed) >= usePrecision {
		r.LastUsed = now
		if err := s.save(ctx, account, all); err != nil {
			// It is extended by the next use.
			s.Log.ErrorContext(ctx, "noting use of session", "err", err, "account", account)
		}
	}
	return c, nil
}

// edit changes the sessions of an account.
func (s *Sessions) edit(ctx context.Context, account string, f func(all []record) ([]record, error)) error {
	unlock, err := s.lock(ctx, account)
	if err != nil {
		return err
	}
	defer unlock()
	all, err := s.load(ctx, account)
	if err != nil {
		return err
	}
	n := len(all)
	if all, err = f(all); err != nil || n == 0 && len(all) == 0 {
		return err
	}
	if err := s.save(ctx, account, all); err != nil {
		return err
	}
	if s.Ended != nil {
		s.Ended(account)
	}
	return nil
}

// End ends a session of an account, or returns ErrNotFound.
func (s *Sessions) End(ctx context.Context, account, id string) error {
	return s.edit(ctx, account, func(all []record) ([]record, error) {
		i := slices.IndexFunc(all, func(r record) bool { return r.ID == id })
		if i < 0 {
			return nil, ErrNotFound
		}
		return slices.Delete(all, i, i+1), nil
	})
}

// EndOthers ends all sessions of the account but the current one, and returns how many.
func (s *Sessions) EndOthers(ctx context.Context, c Current) (ended int, err error) {
	err = s.edit(ctx, c.Account, func(all []record) ([]record, error) {
		n := len(all)
		all = slices.DeleteFunc(all, func(r record) bool { return r.ID != c.ID })
		ended = n - len(all)
		return all, nil
	})
	return ended, err
}

// EndAll ends all sessions of an account.
func (s *Sessions) EndAll(ctx context.Context, account string) error {
	return s.edit(ctx, account, func([]record) ([]record, error) { return nil, nil })
}

// ChangePassword changes the password by change, which ends all sessions but the current one. Checked is the mark of the
// password that was shown; ErrChanged: it is another one by now.
func (s *Sessions) ChangePassword(ctx context.Context, c Current, checked []byte, change func() error) error {
	return s.edit(ctx, c.Account, func(all []record) ([]record, error) {
		mark, err := s.Keep.Mark(ctx, c.Account, c.Login)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(mark, checked) {
			return nil, ErrChanged
		}
		if err := change(); err != nil {
			return nil, err
		}
		if mark, err = s.Keep.Mark(ctx, c.Account, c.Login); err != nil {
			return nil, err
		}
		all = slices.DeleteFunc(all, func(r record) bool { return r.ID != c.ID })
		for i := range all {
			all[i].Mark = mark
		}
		return all, nil
	})
}

// List returns the sessions of the account, that last used first.
func (s *Sessions) List(ctx context.Context, c Current) ([]Session, error) {
	unlock, err := s.lock(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	defer unlock()
	all, err := s.load(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	var l []Session
	for _, r := range all {
		mark, err := s.Keep.Mark(ctx, c.Account, r.Login)
		if errors.Is(err, ErrRefused) || err == nil && subtle.ConstantTimeCompare(r.Mark, mark) == 0 {
			continue // it has ended
		} else if err != nil {
			return nil, err
		}
		l = append(l, Session{ID: r.ID, Created: r.Created, LastUsed: r.LastUsed, Expires: r.LastUsed.Add(s.Life), RemoteIP: r.RemoteIP, UserAgent: r.Agent, Current: r.ID == c.ID})
	}
	slices.SortStableFunc(l, func(a, b Session) int { return b.LastUsed.Compare(a.LastUsed) })
	return l, nil
}
