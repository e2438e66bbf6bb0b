package acme

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits of what is read and kept.
const (
	maxAnswer  = 1 << 20 // octets of an answer
	maxNonces  = 20
	nonceTries = 10 // requests that are made for one whose nonces are refused: a replica of an authority may lag
	// requestTimeout is for one request, if the caller's context has no earlier end.
	requestTimeout = 30 * time.Second
)

// Client talks to one ACME server for one account. Fields are set before use; safe for
// concurrent use.
type Client struct {
	DirectoryURL string
	Key          crypto.Signer // of the account: ECDSA P-256 or RSA
	AccountURL   string        // set by Register; given to use an account from before
	UserAgent    string
	HTTP         *http.Client     // nil: http.DefaultClient
	Now          func() time.Time // nil: time.Now

	mu        sync.Mutex // guards what follows, and AccountURL
	directory *Directory
	nonces    []string
}

// Directory has the resources of a server (RFC 8555 7.1.1).
type Directory struct {
	NewNonce   string `json:"newNonce"`
	NewAccount string `json:"newAccount"`
	NewOrder   string `json:"newOrder"`
	RevokeCert string `json:"revokeCert"`
	// RenewalInfo is empty for a server without (RFC 9773 3).
	RenewalInfo string `json:"renewalInfo"`
	Meta        struct {
		TermsOfService          string   `json:"termsOfService"`
		Website                 string   `json:"website"`
		CAAIdentities           []string `json:"caaIdentities"`
		ExternalAccountRequired bool     `json:"externalAccountRequired"`
	} `json:"meta"`
}

// Error is what a server refused a request with: a problem document (RFC 8555 6.7, RFC 7807).
type Error struct {
	Status      int     `json:"-"`      // of HTTP; 0 in problems of objects
	Type        string  `json:"type"`   // such as "urn:ietf:params:acme:error:rateLimited"
	Detail      string  `json:"detail"` // for people
	Subproblems []Error `json:"subproblems"`
	Identifier  struct {
		Value string `json:"value"`
	} `json:"identifier"` // of a subproblem
	// RetryAfter is when to try again, zero if the server did not say.
	RetryAfter time.Time `json:"-"`
}

const problemPrefix = "urn:ietf:params:acme:error:"

// HasType tells whether a problem is of a type, such as "rateLimited".
func (e *Error) HasType(typ string) bool { return e.Type == problemPrefix+typ }

func (e *Error) Error() string {
	s := strings.TrimPrefix(e.Type, problemPrefix)
	if s == "" || s == "about:blank" {
		s = "status " + strconv.Itoa(e.Status)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	for i := range e.Subproblems {
		sub := &e.Subproblems[i]
		s += "; "
		if sub.Identifier.Value != "" {
			s += sub.Identifier.Value + ": "
		}
		s += sub.Error()
	}
	return s
}

// UnavailableError wraps an error without a sensible answer: no connection, a timeout, a server
// that is broken or does not speak ACME. It costs no limit to try again.
type UnavailableError struct {
	Err error
}

func (e *UnavailableError) Error() string {
	return "certificate authority is not available: " + e.Err.Error()
}
func (e *UnavailableError) Unwrap() error { return e.Err }

// Directory returns the server's directory, asking for it the first time.
func (c *Client) Directory(ctx context.Context) (*Directory, error) {
	c.mu.Lock()
	d := c.directory
	c.mu.Unlock()
	if d != nil {
		return d, nil
	}
	a, err := c.get(ctx, c.DirectoryURL)
	if err != nil {
		return nil, err
	}
	d = &Directory{}
	if err := a.decode(d); err != nil {
		return nil, err
	}
	if d.NewNonce == "" || d.NewAccount == "" || d.NewOrder == "" {
		return nil, &UnavailableError{fmt.Errorf("%s is not an ACME directory", c.DirectoryURL)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.directory = d
	return d, nil
}

// Forget drops the directory, so that it is asked for again.
func (c *Client) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.directory, c.nonces = nil, nil
}

// Account returns the URL of the account, "" before Register.
func (c *Client) Account() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.AccountURL
}

// answer is a response, whole.
type answer struct {
	url    string
	status int
	header http.Header
	body   []byte
	now    time.Time
}

func (a *answer) decode(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return &UnavailableError{fmt.Errorf("answer of %s: %w", a.url, err)}
	}
	return nil
}

// resolve makes a URL of a header field absolute.
func (a *answer) resolve(ref string) string {
	base, err := url.Parse(a.url)
	if err != nil || ref == "" {
		return ref
	}
	u, err := base.Parse(ref)
	if err != nil {
		return ref
	}
	return u.String()
}

// retryAfter is when the header says to try again (RFC 9110 10.2.3), or zero.
func retryAfter(h http.Header, now time.Time) time.Time {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return now.Add(time.Duration(n) * time.Second)
	}
	if t, err := http.ParseTime(v); err == nil {
		return t
	}
	return time.Time{}
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// do makes a request. Answers other than of success are errors.
func (c *Client) do(req *http.Request) (*answer, error) {
	ctx, cancel := context.WithTimeout(req.Context(), requestTimeout)
	defer cancel()
	req = req.WithContext(ctx)
	// RFC 8555 6.1: User-Agent is a must.
	req.Header.Set("User-Agent", cmp.Or(c.UserAgent, "mox"))
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, &UnavailableError{err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errors.New("answer is too long")
	}
	if err != nil {
		return nil, &UnavailableError{fmt.Errorf("reading answer of %s: %w", req.URL, err)}
	}
	c.keepNonce(resp.Header.Get("Replay-Nonce"))
	a := &answer{req.URL.String(), resp.StatusCode, resp.Header, body, c.now()}
	if resp.StatusCode/100 == 2 {
		return a, nil
	}
	return a, a.problem()
}

// problem is the error of an answer.
func (a *answer) problem() error {
	e := &Error{}
	if err := json.Unmarshal(a.body, e); err != nil || e.Type == "" {
		*e = Error{Detail: fmt.Sprintf("%s answered %d %s", a.url, a.status, http.StatusText(a.status))}
	}
	e.Status, e.RetryAfter = a.status, retryAfter(a.header, a.now)
	if a.status >= 500 || a.status == http.StatusNotFound && e.Type == "" || e.HasType("serverInternal") {
		return &UnavailableError{e}
	}
	return e
}

func (c *Client) get(ctx context.Context, url string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	return c.do(req)
}

// post signs a request with the account's key. A nil payload is POST-as-GET (RFC 8555 6.3).
func (c *Client) post(ctx context.Context, url string, payload any) (*answer, error) {
	kid := c.Account()
	if kid == "" {
		return nil, errors.New("acme: no account is registered")
	}
	return c.postWith(ctx, url, protected{KID: kid}, payload)
}

// postWith signs a request with this header, to which a nonce and the URL are added.
func (c *Client) postWith(ctx context.Context, url string, h protected, payload any) (*answer, error) {
	var body []byte
	if payload != nil {
		var err error
		if body, err = json.Marshal(payload); err != nil {
			return nil, fmt.Errorf("acme: %w", err)
		}
	}
	h.URL = url
	for try := 1; ; try++ {
		var err error
		if h.Nonce, err = c.nonce(ctx); err != nil {
			return nil, err
		}
		s, err := sign(c.Key, h, body)
		if err != nil {
			return nil, err
		}
		a, err := c.postJWS(ctx, url, s)
		// RFC 8555 6.5: the refusal of a nonce comes with a new one, to try again with.
		if e, ok := errors.AsType[*Error](err); ok && e.HasType("badNonce") && try < nonceTries {
			continue
		}
		return a, err
	}
}

func (c *Client) postJWS(ctx context.Context, url string, s *signed) (*answer, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	req.Header.Set("Content-Type", "application/jose+json") // RFC 8555 6.2
	return c.do(req)
}

// nonce takes one that came with an answer, or asks for one (RFC 8555 7.2).
func (c *Client) nonce(ctx context.Context) (string, error) {
	if n := c.takeNonce(); n != "" {
		return n, nil
	}
	d, err := c.Directory(ctx)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, d.NewNonce, nil)
	if err != nil {
		return "", fmt.Errorf("acme: %w", err)
	}
	if _, err := c.do(req); err != nil {
		return "", err
	}
	if n := c.takeNonce(); n != "" {
		return n, nil
	}
	return "", &UnavailableError{errors.New("no nonce was given")}
}

func (c *Client) takeNonce() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.nonces) == 0 {
		return ""
	}
	// The newest is the likeliest to be good still.
	n := c.nonces[len(c.nonces)-1]
	c.nonces = c.nonces[:len(c.nonces)-1]
	return n
}

func (c *Client) keepNonce(nonce string) {
	// RFC 8555 6.5.1: base64url.
	if nonce == "" || len(nonce) > 1000 || strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.nonces) < maxNonces {
		c.nonces = append(c.nonces, nonce)
	}
}
