package websession

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// prepared is for how long a login is prepared.
const prepared = 30 * time.Second

// Prepare begins a login: it sets a cookie, and returns the token that the login has to come with.
func (s *Sessions) Prepare(w http.ResponseWriter, r *http.Request) string {
	text := strconv.FormatInt(s.Now().Unix(), 36) + "." + random(12)
	token := text + "." + s.sign(text)
	c := s.cookie(r, s.Name+"login", token)
	c.MaxAge = int(prepared / time.Second)
	http.SetCookie(w, c)
	return token
}

// sign returns a signature of this process.
func (s *Sessions) sign(text string) string {
	m := hmac.New(sha256.New, s.key[:])
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// CheckPrepared returns nil if a login with a token, that of Prepare, comes from a browser with its cookie,
// or ErrPrepared.
func (s *Sessions) CheckPrepared(r *http.Request, token string) error {
	c, err := r.Cookie(s.Name + "login")
	if err != nil || token == "" || subtle.ConstantTimeCompare([]byte(c.Value), []byte(token)) == 0 {
		return ErrPrepared
	}
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !hmac.Equal([]byte(s.sign(token[:i])), []byte(token[i+1:])) {
		return ErrPrepared
	}
	seconds, _, _ := strings.Cut(token, ".")
	at, err := strconv.ParseInt(seconds, 36, 64)
	if err != nil || s.Now().Sub(time.Unix(at, 0)) > prepared {
		return ErrPrepared
	}
	return nil
}

// Begin makes a session for somebody who has logged in, sets its cookie, and returns its CSRF token. Checked is that of
// Attempt.
func (s *Sessions) Begin(ctx context.Context, w http.ResponseWriter, r *http.Request, account, login string, checked []byte) (csrf string, err error) {
	token, err := s.Make(ctx, account, login, checked, Remote(r).String(), r.UserAgent())
	if err != nil {
		return "", err
	}
	s.forget(w, r, s.Name+"login")
	http.SetCookie(w, s.cookie(r, s.Name+"session", token+" "+url.QueryEscape(account)))
	return csrfToken(token), nil
}

// Find returns the session of a request; with csrf, the request must have the CSRF token in the header field of that
// name. Errors are ErrNone, ErrEnded and ErrCSRF, and others, which are our own failures.
func (s *Sessions) Find(r *http.Request, csrf string) (Current, error) {
	cookie, err := r.Cookie(s.Name + "session")
	if err != nil {
		return Current{}, ErrNone
	}
	token, text, ok := strings.Cut(cookie.Value, " ")
	account, err := url.QueryUnescape(text)
	if !ok || err != nil {
		return Current{}, ErrEnded
	}
	c, err := s.find(r.Context(), account, token)
	if err != nil {
		return Current{}, err
	}
	if csrf != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get(csrf)), []byte(c.CSRFToken)) == 0 {
		return Current{}, ErrCSRF
	}
	return c, nil
}

// Logout ends the session, and removes its cookie.
func (s *Sessions) Logout(ctx context.Context, w http.ResponseWriter, r *http.Request, c Current) error {
	if err := s.End(ctx, c.Account, c.ID); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	s.forget(w, r, s.Name+"session")
	return nil
}

// cookie returns a cookie for the pages that a request is for.
func (s *Sessions) cookie(r *http.Request, name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: basePath(r), HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.URL.Scheme == "https"}
}

// forget removes a cookie.
func (s *Sessions) forget(w http.ResponseWriter, r *http.Request, name string) {
	c := s.cookie(r, name, "")
	c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	http.SetCookie(w, c)
}

// basePath is where the pages are mounted: the path of the request as the browser has it, without that of
// the function below it. Browsers compare it as it is in the URL, escaped.
func basePath(r *http.Request) string {
	u, err := url.ParseRequestURI(r.RequestURI)
	if err != nil {
		return "/"
	}
	base, ok := strings.CutSuffix(u.EscapedPath(), "api"+r.URL.Path)
	// Where it cannot be in a cookie, that is sent to all paths.
	if !ok || !strings.HasPrefix(base, "/") || strings.ContainsAny(base, ";, \"\\") {
		return "/"
	}
	return base
}

// Remote is the address of the client.
func Remote(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
