// Package mailapi is what the webmail needs beside JMAP: sessions of browsers, and the text of HTML messages made harmless for a frame.
//
// [Server] has the functions, calls of package jsoncall at paths of the names of [Describe], with sessions of package
// websession. [Server.Login] lets those sessions use JMAP: everything that the webmail does with mail is done by package
// jmapserver, as any other client does it. [Server.HTML] (html.go) shows a message.
//
// Goroutines: none. A [Server] is safe for concurrent use.
package mailapi

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"mox/auth"
	"mox/jmapserver"
	"mox/jsoncall"
	"mox/mlog"
	"mox/store"
	"mox/websession"
)

// SessionLife is how long a session of the webmail lasts without being used, MaxSessions how many an account can have.
const (
	SessionLife = 7 * 24 * time.Hour
	MaxSessions = 100
)

// Config is what a Server needs. It must not change once in use.
type Config struct {
	Auth     *auth.Service
	Store    *store.Store
	Sessions *websession.Sessions
	Version  string
	Log      *slog.Logger
	NextID   func() int64 // ids of calls for the log
	Panic    func()       // is told of panics; nil: nobody is
}

// Server has the functions.
type Server struct {
	c     Config
	turns turns
	*jsoncall.Server[websession.Current]
}

// SessionRequest is for Session.
type SessionRequest struct{}

// SessionResult is the session.
type SessionResult struct {
	CSRFToken    string `doc:"For header x-mox-csrf of other calls and of JMAP, for a page that was loaded anew."`
	Account      string `doc:"Name of the account."`
	LoginAddress string `doc:"Address that was logged in with."`
}

// Describe returns the description of the functions.
func Describe() jsoncall.API {
	return jsoncall.API{
		Class: "MailAPI", Title: "mox webmail API", Cookie: "webmailsession",
		Description: "Sessions of the webmail. They begin with LoginPrep and Login. Mail is read and sent by JMAP, whose session resource is at jmap/session, with the same cookie and header.",
		Functions: append(websession.Functions(),
			websession.LoginFunction(SessionLife, MaxSessions),
			jsoncall.Function{Name: "Session", Request: SessionRequest{}, Result: SessionResult{}, Access: jsoncall.NeedsSession, Summary: "Return the session.", Doc: "It needs no CSRF token, but returns it: a page that was loaded anew begins with this call."},
		),
	}
}

// New returns a Server.
func New(c Config) (*Server, error) {
	c.Log = mlog.New("mailapi", c.Log)
	s := &Server{c: c, turns: turns{accounts: map[string]*turn{}}}
	all := c.Sessions.Handlers(c.Version)
	maps.Copy(all, map[string]jsoncall.Handler[websession.Current]{
		"Login": c.Sessions.LoginHandler(c.Auth),
		"Session": jsoncall.Handle(func(_ context.Context, call *jsoncall.Call[websession.Current], _ *SessionRequest) (SessionResult, error) {
			return SessionResult{CSRFToken: call.Who.CSRFToken, Account: call.Who.Account, LoginAddress: call.Who.Login}, nil
		}),
	})
	var err error
	s.Server, err = jsoncall.NewServer(jsoncall.Config[websession.Current]{
		API: Describe(), Handlers: all, Session: c.Sessions.Session, Log: c.Log, NextID: c.NextID, Panic: c.Panic,
	})
	return s, err
}

// errRefused: a request was answered with a refusal.
var errRefused = errors.New("refused")

// Login is the [jmapserver.Login] of sessions: requests have their cookie, and the CSRF token in header x-mox-csrf.
func (s *Server) Login(w http.ResponseWriter, r *http.Request, cid int64) (jmapserver.User, error) {
	who, ok := s.Enter(w, r, jsoncall.NeedsCSRF, cid, "jmap")
	if !ok {
		return jmapserver.User{}, errRefused
	}
	return jmapserver.User{Account: who.Account, Login: who.Login, Page: true}, nil
}
