package websession

import (
	"context"
	"errors"
	"net/http"
	"time"

	"mox/auth"
	"mox/jsoncall"
	"mox/webapi"
)

// loginDelay is how long the answer to a wrong password waits.
const loginDelay = time.Second

// Attempt begins an attempt to log in by a page, and finishes it with check. An error that wraps a
// [*webapi.Error] is for the user; those of wrong passwords are returned after a second. Checked is the mark of the password
// that was checked.
func (s *Sessions) Attempt(ctx context.Context, service *auth.Service, w http.ResponseWriter, r *http.Request, cid int64, check func(a *auth.Attempt) error) (checked []byte, err error) {
	a, err := service.Begin(ctx, auth.Info{Protocol: s.Name, CID: cid, Remote: Remote(r), TLS: r.TLS, Agent: r.UserAgent()})
	if err == nil {
		err = check(a)
	}
	var disabled *auth.DisabledError
	switch {
	case err == nil:
		return a.Checked(), nil
	case errors.Is(err, auth.ErrThrottled):
		w.Header().Set("Retry-After", "60")
		return nil, &webapi.Error{Code: jsoncall.CodeTooMany, Message: "There were too many failed logins from your network. Try again in some minutes."}
	case errors.Is(err, auth.ErrCredentials):
		select {
		case <-time.After(loginDelay):
		case <-ctx.Done():
		}
		return nil, &webapi.Error{Code: jsoncall.CodeLoginFailed, Message: s.Wrong}
	case errors.As(err, &disabled):
		return nil, &webapi.Error{Code: jsoncall.CodeLoginFailed, Message: "Logins to this account are disabled: " + disabled.Text}
	}
	return nil, err
}

// Session returns the session of a call, as [jsoncall.Config] wants it.
func (s *Sessions) Session(r *http.Request, access jsoncall.Access) (Current, error) {
	csrf := jsoncall.HeaderCSRF
	switch access {
	case jsoncall.NeedsNothing:
		return Current{}, nil
	case jsoncall.NeedsSession:
		csrf = ""
	}
	c, err := s.Find(r, csrf)
	for _, e := range []struct {
		err  error
		code webapi.Code
	}{{ErrNone, jsoncall.CodeNoAuth}, {ErrEnded, jsoncall.CodeBadAuth}, {ErrCSRF, jsoncall.CodeBadCSRF}} {
		if err == e.err {
			return c, &webapi.Error{Code: e.code, Message: e.err.Error()}
		}
	}
	return c, err
}
