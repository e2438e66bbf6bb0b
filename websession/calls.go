package websession

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"mox/jsoncall"
	"mox/webapi"
)

// LoginPrepRequest is for LoginPrep.
type LoginPrepRequest struct{}

// LoginPrepResult has what Login needs.
type LoginPrepResult struct {
	Token string `doc:"For Login, within 30 seconds. The cookie for the login has it too."`
}

// LogoutRequest is for Logout.
type LogoutRequest struct{}

// LogoutResult has nothing.
type LogoutResult struct{}

// VersionRequest is for Version.
type VersionRequest struct{}

// VersionResult says what runs.
type VersionResult struct {
	Version   string `doc:"Of mox."`
	GoVersion string `doc:"Of Go that it was built with, with operating system and machine."`
}

// SessionsRequest is for Sessions.
type SessionsRequest struct{}

// SessionsResult has sessions.
type SessionsResult struct {
	Sessions []Session `doc:"That there are, that last used first."`
}

// SessionEndRequest is for SessionEnd.
type SessionEndRequest struct {
	ID string `doc:"Of the session." required:"true"`
}

// SessionEndResult has nothing.
type SessionEndResult struct{}

// SessionsEndOthersRequest is for SessionsEndOthers.
type SessionsEndOthersRequest struct{}

// SessionsEndOthersResult says what was done.
type SessionsEndOthersResult struct {
	Ended int `doc:"How many sessions."`
}

// Functions describes the functions about sessions, which the APIs of all pages have.
func Functions() []jsoncall.Function {
	return []jsoncall.Function{
		{Name: "LoginPrep", Request: LoginPrepRequest{}, Result: LoginPrepResult{}, Access: jsoncall.NeedsNothing, Summary: "Return a token that Login needs.", Doc: "It is also set as a cookie, which shows that both are of one browser."},
		{Name: "Logout", Request: LogoutRequest{}, Result: LogoutResult{}, Summary: "End the session."},
		{Name: "Version", Request: VersionRequest{}, Result: VersionResult{}, Summary: "Tell which mox this is."},
		{Name: "Sessions", Request: SessionsRequest{}, Result: SessionsResult{}, Summary: "List the sessions of these pages."},
		{Name: "SessionEnd", Request: SessionEndRequest{}, Result: SessionEndResult{}, Summary: "End a session, as Logout would in its browser."},
		{Name: "SessionsEndOthers", Request: SessionsEndOthersRequest{}, Result: SessionsEndOthersResult{}, Summary: "End all sessions but this one."},
	}
}

// call is a call of somebody. Who is zero for functions that need no session.
type call = jsoncall.Call[Current]

// Handlers does what Functions describes.
func (s *Sessions) Handlers(version string) map[string]jsoncall.Handler[Current] {
	return map[string]jsoncall.Handler[Current]{
		"LoginPrep": jsoncall.Handle(func(_ context.Context, c *call, _ *LoginPrepRequest) (LoginPrepResult, error) {
			return LoginPrepResult{s.Prepare(c.W, c.R)}, nil
		}),
		"Logout": jsoncall.Handle(func(ctx context.Context, c *call, _ *LogoutRequest) (LogoutResult, error) {
			return LogoutResult{}, s.Logout(ctx, c.W, c.R, c.Who)
		}),
		"Version": jsoncall.Handle(func(context.Context, *call, *VersionRequest) (VersionResult, error) {
			return VersionResult{Version: version, GoVersion: fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)}, nil
		}),
		"Sessions": jsoncall.Handle(func(ctx context.Context, c *call, _ *SessionsRequest) (SessionsResult, error) {
			l, err := s.List(ctx, c.Who)
			return SessionsResult{l}, err
		}),
		"SessionEnd": jsoncall.Handle(func(ctx context.Context, c *call, r *SessionEndRequest) (SessionEndResult, error) {
			return SessionEndResult{}, jsoncall.ForUser(s.End(ctx, c.Who.Account, r.ID), ErrNotFound)
		}),
		"SessionsEndOthers": jsoncall.Handle(func(ctx context.Context, c *call, _ *SessionsEndOthersRequest) (SessionsEndOthersResult, error) {
			n, err := s.EndOthers(ctx, c.Who)
			return SessionsEndOthersResult{n}, err
		}),
	}
}

// CurrentPassword makes of the error of an attempt with the current password, for a change, one that says so.
func CurrentPassword(err error) error {
	var e *webapi.Error
	if errors.As(err, &e) && e.Code == jsoncall.CodeLoginFailed {
		return &webapi.Error{Code: e.Code, Message: "The current password is wrong."}
	}
	return err
}
