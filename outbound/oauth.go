package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"mox/atomicfile"
	"mox/config"
	"mox/smtpclient"
)

// Bounds of what token endpoints and files give.
const (
	maxTokenFile   = 64 << 10
	maxTokenAnswer = 64 << 10
	tokenTimeout   = 30 * time.Second
	// tokenMargin is how long before its end a token is renewed.
	tokenMargin = 2 * time.Minute
)

// tokens gets the tokens of transports that log in with OAuth 2, and remembers them as long as
// they are valid. It is safe for concurrent use.
type tokens struct {
	http *http.Client
	now  func() time.Time

	mu   sync.Mutex
	kept map[string]*token // by name of the transport
}

// token is that of a transport. Its mutex is held while one is asked for, so that several
// connections ask once.
type token struct {
	mu      sync.Mutex
	access  string
	until   time.Time
	used    bool   // access was given before
	refresh string // newer than in the file, which could not be written; "": that of the file
}

// errToken: there is no token. The text is for the administrator.
var errToken = errors.New("getting a token")

// get returns a token for a transport; paths of the configuration are relative to a snapshot's.
func (t *tokens) get(ctx context.Context, s *config.Snapshot, name string, o *config.SMTPOAuth) (string, error) {
	if o.TokenFile != "" {
		return readSecret(s.ConfigPath(o.TokenFile))
	}
	k := t.of(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.access != "" && t.now().Before(k.until) {
		k.used = true
		return k.access, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	return t.renew(ctx, s, k, o)
}

func (t *tokens) of(name string) *token {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil {
		t.kept = map[string]*token{}
	}
	if t.kept[name] == nil {
		t.kept[name] = &token{}
	}
	return t.kept[name]
}

// refused forgets a token that the server did not want, so that another is asked for the next
// time. It tells whether that is worth it now: not for one that is new.
func (t *tokens) refused(name, access string) (again bool) {
	k := t.of(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.access != access {
		return k.access != "" // somebody else has got another
	}
	again = k.used
	k.access = ""
	return again
}

// readSecret reads a file with one word.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errToken, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	s := strings.TrimSpace(string(b))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", errToken, err)
	case s == "" || len(b) > maxTokenFile:
		return "", fmt.Errorf("%w: %s is empty or too large", errToken, path)
	}
	return s, nil
}

// tokenAnswer is what a token endpoint says (RFC 6749 5.1, 5.2).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token"`
	Error        string `json:"error"`
	Description  string `json:"error_description"`
}

// renew asks for a token (RFC 6749 6). k.mu is held.
func (t *tokens) renew(ctx context.Context, s *config.Snapshot, k *token, o *config.SMTPOAuth) (string, error) {
	file := s.ConfigPath(o.RefreshTokenFile)
	refresh, err := k.refresh, error(nil)
	if refresh == "" {
		if refresh, err = readSecret(file); err != nil {
			return "", err
		}
	}
	// Clients that are in the form are known to more servers than those in the header
	// (RFC 6749 2.3.1), and it is the only way for those without a secret.
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {o.ClientID}}
	if o.ClientSecretFile != "" {
		secret, err := readSecret(s.ConfigPath(o.ClientSecretFile))
		if err != nil {
			return "", err
		}
		form.Set("client_secret", secret)
	}
	if o.Scope != "" {
		form.Set("scope", o.Scope)
	}
	a, err := t.ask(ctx, o.TokenURL, form)
	if err != nil {
		return "", fmt.Errorf("%w from %s: %w", errToken, o.TokenURL, err)
	}
	if a.RefreshToken != "" && a.RefreshToken != refresh {
		// The one before may be worth nothing now: it is kept for as long as we run.
		k.refresh = a.RefreshToken
		if err := atomicfile.Replace(file, []byte(a.RefreshToken+"\n")); err != nil {
			return "", fmt.Errorf("%w: writing the new refresh token: %w", errToken, err)
		}
		k.refresh = ""
	}
	k.used = false
	k.access, k.until = a.AccessToken, t.now().Add(lifetime(a.ExpiresIn))
	return k.access, nil
}

// lifetime is for how long a token is used that expires in seconds. RFC 6749 5.1: 0 is not
// known; an hour is what most have.
func lifetime(seconds int64) time.Duration {
	if seconds <= 0 || seconds > 1<<30 {
		seconds = 3600
	}
	d := time.Duration(seconds) * time.Second
	return max(d-tokenMargin, d/2)
}

// ask makes the request to a token endpoint. Errors have no secrets in them.
func (t *tokens) ask(ctx context.Context, endpoint string, form url.Values) (a tokenAnswer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := t.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return a, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
	if err != nil {
		return a, err
	}
	err = json.Unmarshal(b, &a)
	switch {
	case a.Error != "":
		return a, fmt.Errorf("%q %q", a.Error, a.Description)
	case resp.StatusCode != http.StatusOK:
		return a, fmt.Errorf("HTTP status %s", resp.Status)
	case err != nil:
		return a, errors.New("answer is not JSON")
	case a.AccessToken == "":
		return a, errors.New("no token in the answer")
	case a.TokenType != "" && !strings.EqualFold(a.TokenType, "bearer"):
		// RFC 6749 7.1: a token of a type that is not known must not be used.
		return a, fmt.Errorf("token of type %q", a.TokenType)
	}
	return a, nil
}

// errTokenOld: a server did not want a token, and there may be another.
var errTokenOld = errors.New("token was refused")

// tokenRefused marks the error of a session whose token the server did not want, when that was
// kept from before: a server may take a token back at any time, and a new one is worth another
// connection.
func (o *Outbound) tokenRefused(t *transaction, token string, err error) error {
	var e *smtpclient.Error
	if !errors.As(err, &e) || e.Verb != "AUTH" || e.Code == 0 {
		return err
	}
	if o.tokens.refused(t.b.route.name, token) {
		return fmt.Errorf("%w: %w", errTokenOld, err)
	}
	return err
}
