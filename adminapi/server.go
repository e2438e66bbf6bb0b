package adminapi

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
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
	all := s.c.Sessions.Handlers(s.c.Version)
	maps.Copy(all, map[string]jsoncall.Handler[websession.Current]{
		"Login":               jsoncall.Handle(s.login),
		"Admin":               jsoncall.Handle(s.admin),
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
	})
	return all
}

// actor names who does something, in audit lines.
func actor(c *call) admin.Actor {
	return admin.Actor("admin pages from " + websession.Remote(c.R).String())
}

func (s *Server) login(ctx context.Context, c *call, r *LoginRequest) (LoginResult, error) {
	if err := s.c.Sessions.CheckPrepared(c.R, r.Token); err != nil {
		return LoginResult{}, jsoncall.UserError("%v", err)
	}
	checked, err := s.password(ctx, c, r.Password)
	if err != nil {
		return LoginResult{}, err
	}
	csrf, err := s.c.Sessions.Begin(ctx, c.W, c.R, auth.Administrator, "", checked)
	return LoginResult{csrf}, jsoncall.ForUser(err, websession.ErrChanged)
}

// password checks the password for administration, and returns its mark.
func (s *Server) password(ctx context.Context, c *call, password string) (checked []byte, err error) {
	file, err := s.c.Admin.AdminPasswordFile()
	if errors.Is(err, admin.ErrNoAdminPassword) {
		return nil, &webapi.Error{Code: jsoncall.CodeLoginFailed, Message: err.Error()}
	} else if err != nil {
		return nil, err
	}
	return s.c.Sessions.Attempt(ctx, s.c.Admin.Auth, c.W, c.R, c.CID, func(a *auth.Attempt) error { return a.Admin(ctx, file, password) })
}

func (s *Server) admin(_ context.Context, c *call, _ *AdminRequest) (AdminResult, error) {
	return AdminResult{CSRFToken: c.Who.CSRFToken, Hostname: s.c.Admin.Config.Snapshot().Hostname.Name()}, nil
}

func (s *Server) adminSetPassword(ctx context.Context, c *call, r *AdminSetPasswordRequest) (AdminSetPasswordResult, error) {
	checked, err := s.password(ctx, c, r.CurrentPassword)
	if err != nil {
		return AdminSetPasswordResult{}, websession.CurrentPassword(err)
	}
	err = s.c.Sessions.ChangePassword(ctx, c.Who, checked, func() error { return s.c.Admin.SetAdminPassword(ctx, actor(c), r.Password) })
	return AdminSetPasswordResult{}, jsoncall.ForUser(err, auth.ErrBadPassword, websession.ErrChanged)
}

func (s *Server) loginAttempts(ctx context.Context, _ *call, r *LoginAttemptsRequest) (LoginAttemptsResult, error) {
	l, err := s.c.Admin.LoginAttempts(ctx, "", r.Limit)
	return LoginAttemptsResult{l}, jsoncall.ForUser(err, admin.ErrLimit)
}

var _ http.Handler = (*Server)(nil)
