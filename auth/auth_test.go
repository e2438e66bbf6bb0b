package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mox/sasl"
)

// fakes are a directory, secrets and a limiter in memory.
type fakes struct {
	guesses  []uint64
	accounts map[string]Account // by login
	secrets  map[string][]byte
	failed   int
	blocked  bool
	err      error // of Secret
}

func (f *fakes) Login(name string) (Account, error) {
	a, ok := f.accounts[strings.ToLower(name)]
	if !ok {
		return Account{}, ErrCredentials
	}
	return a, nil
}
func (f *fakes) Secret(_ context.Context, account string) ([]byte, error) {
	return f.secrets[account], f.err
}
func (f *fakes) SetSecret(_ context.Context, account string, b []byte) error {
	f.secrets[account] = b
	return nil
}
func (f *fakes) Allowed(netip.Addr, time.Time) bool { return !f.blocked }
func (f *fakes) Failed(_ netip.Addr, _ time.Time, guess uint64) {
	f.failed++
	f.guesses = append(f.guesses, guess)
}
func (f *fakes) Succeeded(netip.Addr, time.Time) { f.failed = 0 }
func (f *fakes) result(r *string) Observer {
	return Observer{Attempt: func(_, _, res string) { *r = res }}
}

func newFakes() *fakes {
	return &fakes{
		accounts: map[string]Account{
			"mjl@mox.example":   {Name: "mjl"},
			"other@mox.example": {Name: "mjl"},
			"off@mox.example":   {Name: "off", LoginDisabled: "moved away"},
			"none@mox.example":  {Name: "none"},
			"eve@mox.example":   {Name: "eve"},
		},
		secrets: map[string][]byte{},
	}
}

func newService(t *testing.T, f *fakes, result *string) *Service {
	t.Helper()
	s := New(Config{Directory: f, Secrets: f, Limiter: f, Observer: f.result(result)})
	for _, acc := range []string{"mjl", "off", "eve"} {
		if err := s.SetPassword(t.Context(), acc, "correct horse "+acc); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

var remote = Info{Protocol: "imap", Remote: netip.MustParseAddr("192.0.2.1")}

func begin(t *testing.T, s *Service) *Attempt {
	t.Helper()
	a, err := s.Begin(t.Context(), remote)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLogin(t *testing.T) {
	f := newFakes()
	var result string
	s := newService(t, f, &result)
	for _, tc := range []struct {
		login, password string
		err             error
		result          string
	}{
		{"mjl@mox.example", "correct horse mjl", nil, "ok"},
		{"MJL@mox.example", "correct horse mjl", nil, "ok"},
		{"mjl@mox.example", "correct horse", ErrCredentials, "badcreds"},
		{"mjl@mox.example", "", ErrCredentials, "badcreds"},
		{"mjl@mox.example", strings.Repeat("x", 5000), ErrCredentials, "badcreds"},
		{"nobody@mox.example", "correct horse mjl", ErrCredentials, "badcreds"},
		{"none@mox.example", "correct horse mjl", ErrCredentials, "badcreds"},
		{"off@mox.example", "correct horse off", &DisabledError{}, "logindisabled"},
		{"off@mox.example", "wrong password", ErrCredentials, "badcreds"},
	} {
		p, err := begin(t, s).Login(t.Context(), tc.login, tc.password)
		var disabled *DisabledError
		if _, want := tc.err.(*DisabledError); want && !errors.As(err, &disabled) || !want && !errors.Is(err, tc.err) || result != tc.result {
			t.Errorf("%s: got %v, result %s", tc.login, err, result)
		}
		if tc.err == nil && (p == nil || p.Account != "mjl" || p.Login != tc.login) {
			t.Errorf("%s: got principal %v", tc.login, p)
		}
	}
}

func TestPasswordChangeForgetsCache(t *testing.T) {
	f := newFakes()
	var result string
	s := newService(t, f, &result)
	login := func(pw string) error {
		_, err := begin(t, s).Login(t.Context(), "mjl@mox.example", pw)
		return err
	}
	if err := login("correct horse mjl"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetPassword(t.Context(), "mjl", "another password"); err != nil {
		t.Fatal(err)
	}
	if err := login("correct horse mjl"); !errors.Is(err, ErrCredentials) {
		t.Errorf("old password after a change: %v", err)
	}
	if err := login("another password"); err != nil {
		t.Error(err)
	}
}

// countLimiter allows attempts until so many have failed.
type countLimiter struct {
	mu   sync.Mutex
	left int
}

func (l *countLimiter) Allowed(netip.Addr, time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left > 0
}

func (l *countLimiter) Failed(netip.Addr, time.Time, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left--
}

func (l *countLimiter) Succeeded(netip.Addr, time.Time) {}

// Attempts that begin at the same time, before any of them has failed, are no way around the limit.
func TestThrottledTogether(t *testing.T) {
	f := newFakes()
	var result string
	s := newService(t, f, &result)
	s.Limiter = &countLimiter{left: 3}
	s.Observer = Observer{}
	const attempts = 40
	var begun, ended sync.WaitGroup
	var wrong, throttled atomic.Int32
	begun.Add(attempts)
	for i := range attempts {
		ended.Go(func() {
			a, err := s.Begin(t.Context(), Info{Protocol: "test", Remote: netip.MustParseAddr("192.0.2.9")})
			begun.Done()
			begun.Wait()
			if err == nil {
				_, err = a.Login(t.Context(), "mjl@mox.example", fmt.Sprintf("wrong password %d", i))
			}
			switch {
			case errors.Is(err, ErrCredentials):
				wrong.Add(1)
			case errors.Is(err, ErrThrottled):
				throttled.Add(1)
			}
		})
	}
	ended.Wait()
	// What is being checked when the last failure is counted goes on.
	if n := wrong.Load(); n < 3 || n > 3+int32(cap(s.hashing)) || n+throttled.Load() != attempts {
		t.Errorf("%d were wrong, %d throttled", n, throttled.Load())
	}
}

// Who has shown a password that is not in use any more cannot change it.
func TestChangePassword(t *testing.T) {
	f := newFakes()
	var result string
	s := newService(t, f, &result)
	a := begin(t, s)
	if _, err := a.Login(t.Context(), "mjl@mox.example", "correct horse mjl"); err != nil {
		t.Fatal(err)
	}
	if err := s.ChangePassword(t.Context(), "mjl", "the second password", a.Checked()); err != nil {
		t.Fatal(err)
	}
	if err := s.ChangePassword(t.Context(), "mjl", "the third password", a.Checked()); err != ErrChanged {
		t.Error(err)
	}
	if _, err := begin(t, s).Login(t.Context(), "mjl@mox.example", "the second password"); err != nil {
		t.Error(err)
	}
}

func TestCacheExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newPasswordCache()
		k := c.key("stored", "password")
		c.add(k, time.Now())
		if !c.has(k, time.Now()) || c.has(c.key("other", "password"), time.Now()) {
			t.Error("cache does not tell keys apart")
		}
		time.Sleep(cacheTTL + time.Second)
		if c.has(k, time.Now()) {
			t.Error("entry did not expire")
		}
	})
}

func TestThrottle(t *testing.T) {
	f := newFakes()
	var result string
	s := newService(t, f, &result)
	begin(t, s).Login(t.Context(), "mjl@mox.example", "wrong password")
	begin(t, s).Login(t.Context(), "nobody@mox.example", "wrong password")
	if f.failed != 2 {
		t.Errorf("counted %d failures", f.failed)
	}
	begin(t, s).Login(t.Context(), "mjl@mox.example", "wrong password")
	if g := f.guesses; g[0] == 0 || g[0] == g[1] || g[0] != g[2] {
		t.Errorf("guesses %v", g)
	}
	f.blocked = true
	if _, err := s.Begin(t.Context(), remote); !errors.Is(err, ErrThrottled) {
		t.Errorf("got %v", err)
	}
	f.blocked = false
	if _, err := begin(t, s).Login(t.Context(), "mjl@mox.example", "correct horse mjl"); err != nil || f.failed != 0 {
		t.Errorf("got %v, %d failures", err, f.failed)
	}
}

// Our own failure is not counted against the peer.
func TestOwnFailure(t *testing.T) {
	f := newFakes()
	var result string
	s := newService(t, f, &result)
	f.err = errors.New("disk on fire")
	_, err := begin(t, s).Login(t.Context(), "mjl@mox.example", "correct horse mjl")
	if err == nil || errors.Is(err, ErrCredentials) || f.failed != 0 || result != "error" {
		t.Errorf("got %v, %d failures, result %s", err, f.failed, result)
	}
}

// TestMechanisms logs in with the client side of each mechanism.
func TestMechanisms(t *testing.T) {
	f := newFakes()
	var result string
	s := newService(t, f, &result)
	for _, mech := range []string{sasl.Plain, sasl.Login, sasl.CRAMMD5, sasl.ScramSHA1, sasl.ScramSHA256} {
		for _, tc := range []struct {
			login, password, authzid string
			err                      error
		}{
			{"mjl@mox.example", "correct horse mjl", "", nil},
			{"mjl@mox.example", "correct horse xyz", "", ErrCredentials},
			{"nobody@mox.example", "correct horse mjl", "", ErrCredentials},
			{"mjl@mox.example", "correct horse mjl", "other@mox.example", nil},
			{"mjl@mox.example", "correct horse mjl", "eve@mox.example", ErrAuthorization},
		} {
			if tc.authzid != "" && (mech == sasl.Login || mech == sasl.CRAMMD5) {
				continue // these have no authorization identity
			}
			p, err := exchange(t, s, mech, tc.login, tc.password, tc.authzid)
			if !errors.Is(err, tc.err) || (err == nil) != (p != nil) {
				t.Errorf("%s %s %s: got %v, %v", mech, tc.login, tc.authzid, p, err)
			}
		}
	}
}

// exchange runs a whole SASL exchange between both sides.
func exchange(t *testing.T, s *Service, mech, login, password, authzid string) (*Principal, error) {
	t.Helper()
	a := begin(t, s)
	server, err := sasl.NewServer(mech, a, nil, "mox.example")
	if err != nil {
		t.Fatal(err)
	}
	client, err := sasl.NewClient(mech, sasl.Credentials{Authcid: login, Password: password, Authzid: authzid})
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Start()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		challenge, done, err := server.Next(t.Context(), response)
		if done || err != nil {
			return a.Finish(t.Context(), mech, server.Authcid(), server.Authzid(), err)
		}
		if response, err = client.Next(challenge); err != nil {
			return a.Finish(t.Context(), mech, server.Authcid(), server.Authzid(), ErrAborted)
		}
	}
	t.Fatal("exchange does not end")
	return nil, nil
}

func TestNewPassword(t *testing.T) {
	for _, pw := range []string{"", "short", strings.Repeat("x", 2000), "bell\x07 inside it"} {
		if _, err := NewCredentials(pw); !errors.Is(err, ErrBadPassword) {
			t.Errorf("password %.10q: got %v", pw, err)
		}
	}
	// RFC 8265 4.2.2: OpaqueString maps non-ASCII spaces to ASCII space and normalises to NFC.
	c, err := NewCredentials("pa\u00a0ss wo\u0308rd")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := argonVerify(c.Argon2id, "pa ss w\u00f6rd"); !ok || err != nil {
		t.Errorf("normalised password does not fit: %v", err)
	}
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "ss w") {
		t.Error("password in stored credentials")
	}
}

func FuzzArgonVerify(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, hash string) {
		if strings.Contains(hash, "t=") && len(hash) > 60 {
			return // costly parameters are bounded, but slow for fuzzing
		}
		argonVerify(hash, "password")
	})
}

func BenchmarkLoginCached(b *testing.B) {
	f := newFakes()
	s := New(Config{Directory: f, Secrets: f})
	if err := s.SetPassword(b.Context(), "mjl", "correct horse mjl"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		a, err := s.Begin(b.Context(), remote)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := a.Login(b.Context(), "mjl@mox.example", "correct horse mjl"); err != nil {
			b.Fatal(err)
		}
	}
}

// Many connections with one password at once wait for each other; those with a wrong one are
// all refused, and one that gives up takes nobody with it.
func TestLoginsAtOnce(t *testing.T) {
	var result string
	s := newService(t, newFakes(), &result)
	login := func(ctx context.Context, password string) error {
		a, err := s.Begin(ctx, Info{Protocol: "imap"})
		if err != nil {
			return err
		}
		return a.Password(ctx, "mjl@mox.example", password)
	}
	for range cap(s.hashing) {
		s.hashing <- struct{}{} // nobody can compute
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { gone <- login(ctx, "correct horse mjl") }()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			password, want := "correct horse mjl", error(nil)
			if i%2 == 1 {
				password, want = "wrong password", ErrCredentials
			}
			if err := login(t.Context(), password); err != want {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for range cap(s.hashing) {
		<-s.hashing
	}
	wg.Wait()
	if n := len(s.cache.busy); n != 0 {
		t.Errorf("%d under way at the end", n)
	}
}
