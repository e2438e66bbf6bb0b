// Package httpauth is how programs log in by HTTP: with an address and its password (RFC 7617), or with a token
// (RFC 6750), in the field Authorization of each request.
//
// Goroutines and files: none.
package httpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"mox/auth"
)

// Refusal is an error that the client is told of.
type Refusal struct {
	Status int
	Text   string
}

func (e *Refusal) Error() string { return e.Text }

// Login finds out who sends a request. A [*Refusal] says that it is nobody who may; any other error is our own failure.
// protocol is for limits and records of logins.
func Login(ctx context.Context, service *auth.Service, protocol string, r *http.Request, cid int64) (*auth.Principal, error) {
	remote := netip.Addr{}
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		remote = ap.Addr()
	}
	user, password, basic := r.BasicAuth()
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer := strings.EqualFold(scheme, "Bearer")
	if !basic && !bearer {
		return nil, &Refusal{http.StatusUnauthorized, "credentials are needed: an address with password, or a token"}
	}
	attempt, err := service.Begin(ctx, auth.Info{Protocol: protocol, CID: cid, Remote: remote, TLS: r.TLS, Agent: r.UserAgent()})
	var who *auth.Principal
	if err == nil {
		if basic {
			who, err = attempt.Basic(ctx, user, password)
		} else {
			who, err = attempt.Token(ctx, strings.TrimSpace(token))
		}
	}
	var disabled *auth.DisabledError
	switch {
	case errors.Is(err, auth.ErrThrottled):
		return nil, &Refusal{http.StatusTooManyRequests, err.Error()}
	case errors.Is(err, auth.ErrCredentials):
		return nil, &Refusal{http.StatusUnauthorized, "bad credentials"}
	case errors.As(err, &disabled):
		return nil, &Refusal{http.StatusForbidden, err.Error()}
	}
	return who, err
}

// Answer tells the client of a refusal. realm is for those who show a form for a password; it is of letters.
func (e *Refusal) Answer(w http.ResponseWriter, realm string) {
	if e.Status == http.StatusUnauthorized {
		// RFC 9110 11.6.1: each way in, so that browsers ask for a password. 11.5: the realm is a quoted string.
		w.Header().Add("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", realm))
		w.Header().Add("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q", realm))
	}
	http.Error(w, fmt.Sprintf("%d - %s", e.Status, e.Text), e.Status)
}
