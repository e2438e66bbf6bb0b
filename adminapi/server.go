package adminapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"mox/admin"
	"mox/auth"
	"mox/dns"
	"mox/jsoncall"
	"mox/mlog"
	"mox/webapi"
	"mox/websession"
)

// Config is what a Server needs. It must not change once in use.
type Config struct {
	Admin    *admin.Admin
	Sessions *websession.Sessions
	Resolver dns.Resolver
	Version  string
	Log      *slog.Logger
	NextID   func() int64 // ids of calls for the log
	Panic    func()       // is told of panics; nil: nobody is
}

// SessionLife is how long a session of the admin pages lasts without being used, MaxSessions how many there
// can be.
const (
	SessionLife = 12 * time.Hour
	MaxSessions = 10
)

// Server is the API.
type Server struct {
	c Config
	*jsoncall.Server[websession.Current]
}

// call is a call of an administrator. Who is zero for functions that need no session.
type call = jsoncall.Call[websession.Current]

// New returns a Server.
func New(c Config) (*Server, error) {
	c.Log = mlog.New("adminapi", c.Log)
	s := &Server{c: c}
	var err error
	s.Server, err = jsoncall.NewServer(jsoncall.Config[websession.Current]{
		API: Describe(), Handlers: s.handlers(), Session: c.Sessions.Session, Log: c.Log, NextID: c.NextID, Panic: c.Panic,
	})
	return s, err
}

func (s *Server) handlers() map[string]jsoncall.Handler[websession.Current] {
	return map[string]jsoncall.Handler[websession.Current]{
		"LoginPrep":           jsoncall.Handle(s.loginPrep),
		"Login":               jsoncall.Handle(s.login),
		"Logout":              jsoncall.Handle(s.logout),
		"Admin":               jsoncall.Handle(s.admin),
		"Version":             jsoncall.Handle(s.version),
		"Sessions":            jsoncall.Handle(s.sessions),
		"SessionEnd":          jsoncall.Handle(s.sessionEnd),
		"AdminSetPassword":    jsoncall.Handle(s.adminSetPassword),
		"Status":              jsoncall.Handle(s.status),
		"Domains":             jsoncall.Handle(s.domains),
		"DomainRecords":       jsoncall.Handle(s.domainRecords),
		"ClientConfigsDomain": jsoncall.Handle(s.clientConfigsDomain),
		"Accounts":            jsoncall.Handle(s.accounts),
		"WebserverConfig":     jsoncall.Handle(s.webserverConfig),
		"WebserverConfigSave": jsoncall.Handle(s.webserverConfigSave),
		"LogLevels":           jsoncall.Handle(s.logLevels),
		"LogLevelSet":         jsoncall.Handle(s.logLevelSet),
		"LogLevelRemove":      jsoncall.Handle(s.logLevelRemove),
		"LoginAttempts":       jsoncall.Handle(s.loginAttempts),
	}
}

// actor names who does something, in audit lines.
func actor(c *call) admin.Actor {
	return admin.Actor("admin pages from " + websession.Remote(c.R).String())
}

// userError returns an error for the administrator if it is one of those, else as it is.
func userError(err error, known ...error) error {
	for _, k := range known {
		if errors.Is(err, k) {
			return jsoncall.UserError("%v", err)
		}
	}
	return err
}

func (s *Server) loginPrep(_ context.Context, c *call, _ *LoginPrepRequest) (LoginPrepResult, error) {
	return LoginPrepResult{s.c.Sessions.Prepare(c.W, c.R)}, nil
}

func (s *Server) login(ctx context.Context, c *call, r *LoginRequest) (LoginResult, error) {
	if err := s.c.Sessions.CheckPrepared(c.R, r.Token); err != nil {
		return LoginResult{}, jsoncall.UserError("%v", err)
	}
	if err := s.password(ctx, c, r.Password); err != nil {
		return LoginResult{}, err
	}
	csrf, err := s.c.Sessions.Begin(ctx, c.W, c.R, auth.Administrator, "")
	return LoginResult{csrf}, err
}

// password checks the password for administration.
func (s *Server) password(ctx context.Context, c *call, password string) error {
	file, err := s.c.Admin.AdminPasswordFile()
	if errors.Is(err, admin.ErrNoAdminPassword) {
		return &webapi.Error{Code: jsoncall.CodeLoginFailed, Message: err.Error()}
	} else if err != nil {
		return err
	}
	return s.c.Sessions.Attempt(ctx, s.c.Admin.Auth, c.W, c.R, c.CID, func(a *auth.Attempt) error { return a.Admin(ctx, file, password) })
}

func (s *Server) logout(ctx context.Context, c *call, _ *LogoutRequest) (LogoutResult, error) {
	return LogoutResult{}, s.c.Sessions.Logout(ctx, c.W, c.R, c.Who)
}

func (s *Server) admin(_ context.Context, c *call, _ *AdminRequest) (AdminResult, error) {
	return AdminResult{CSRFToken: c.Who.CSRFToken, Hostname: s.c.Admin.Config.Snapshot().Hostname.Name()}, nil
}

func (s *Server) version(context.Context, *call, *VersionRequest) (VersionResult, error) {
	return VersionResult{Version: s.c.Version, GoVersion: fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)}, nil
}

func (s *Server) sessions(ctx context.Context, c *call, _ *SessionsRequest) (SessionsResult, error) {
	l, err := s.c.Sessions.List(ctx, c.Who)
	return SessionsResult{l}, err
}

func (s *Server) sessionEnd(ctx context.Context, c *call, r *SessionEndRequest) (SessionEndResult, error) {
	return SessionEndResult{}, userError(s.c.Sessions.End(ctx, c.Who.Account, r.ID), websession.ErrNotFound)
}

func (s *Server) adminSetPassword(ctx context.Context, c *call, r *AdminSetPasswordRequest) (AdminSetPasswordResult, error) {
	err := s.password(ctx, c, r.CurrentPassword)
	var e *webapi.Error
	if errors.As(err, &e) && e.Code == jsoncall.CodeLoginFailed {
		return AdminSetPasswordResult{}, &webapi.Error{Code: e.Code, Message: "The current password is wrong."}
	} else if err != nil {
		return AdminSetPasswordResult{}, err
	}
	if err := s.c.Admin.SetAdminPassword(ctx, actor(c), r.Password); err != nil {
		return AdminSetPasswordResult{}, userError(err, auth.ErrBadPassword)
	}
	return AdminSetPasswordResult{}, s.c.Sessions.Renew(ctx, c.Who)
}

func (s *Server) loginAttempts(ctx context.Context, _ *call, r *LoginAttemptsRequest) (LoginAttemptsResult, error) {
	l, err := s.c.Admin.LoginAttempts(ctx, "", r.Limit)
	return LoginAttemptsResult{l}, userError(err, admin.ErrLimit)
}

var _ http.Handler = (*Server)(nil)
