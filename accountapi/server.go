package accountapi

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"mox/admin"
	"mox/auth"
	"mox/jsoncall"
	"mox/mlog"
	"mox/webimport"
	"mox/websession"
)

// Config is what a Server needs. It must not change once in use.
type Config struct {
	Admin    *admin.Admin
	Sessions *websession.Sessions
	Version  string
	// QR makes a PNG with a QR code of a text.
	QR     func(text string) ([]byte, error)
	Log    *slog.Logger
	NextID func() int64 // ids of calls for the log
	Panic  func()       // is told of panics; nil: nobody is
	// TempDir is a directory for files that are imported, and for what is written while mail is exported.
	TempDir string
	Free    func(dir string) (uint64, error) // octets that the disk of a directory has free; nil: it is not looked at
	Imports webimport.Limits
}

// SessionLife is how long a session of the account pages lasts without being used, MaxSessions how many an
// account can have.
const (
	SessionLife = 24 * time.Hour
	MaxSessions = 100
)

// Server is the API. Close must be called.
type Server struct {
	c Config
	*jsoncall.Server[websession.Current]
	imports   *webimport.Imports
	listeners chan struct{} // has one for each who listens to an import
	exports   exports
}

// call is a call of somebody. Who is zero for functions that need no session.
type call = jsoncall.Call[websession.Current]

// New returns a Server.
func New(c Config) (*Server, error) {
	c.Log = mlog.New("accountapi", c.Log)
	s := &Server{c: c, listeners: make(chan struct{}, maxListeners), exports: exports{all: map[*export]struct{}{}}}
	s.imports = webimport.New(webimport.Config{
		Import: c.Admin.Import, Dir: c.TempDir, Free: c.Free, Limits: c.Imports, NextID: c.NextID, Panic: c.Panic, Log: c.Log,
	})
	var err error
	s.Server, err = jsoncall.NewServer(jsoncall.Config[websession.Current]{
		API: Describe(), Handlers: s.handlers(), Session: c.Sessions.Session, Log: c.Log, NextID: c.NextID, Panic: c.Panic,
	})
	return s, err
}

// Detach ends imports and exports of an account that is removed. It does not wait for that.
func (s *Server) Detach(account string) {
	s.imports.Detach(account)
	s.exports.detach(account)
}

// Close ends all imports, and waits for that. What they have added stays.
func (s *Server) Close() { s.imports.Close() }

func (s *Server) handlers() map[string]jsoncall.Handler[websession.Current] {
	all := s.c.Sessions.Handlers(s.c.Version)
	maps.Copy(all, map[string]jsoncall.Handler[websession.Current]{
		"Login":               s.c.Sessions.LoginHandler(s.c.Admin.Auth),
		"Account":             jsoncall.Handle(s.account),
		"AccountSaveFullName": jsoncall.Handle(s.accountSaveFullName),
		"SetPassword":         jsoncall.Handle(s.setPassword),
		"GeneratePassword":    jsoncall.Handle(s.generatePassword),
		"LoginAttempts":       jsoncall.Handle(s.loginAttempts),
		"ClientConfig":        jsoncall.Handle(s.clientConfig),
		"TLSPublicKeys":       jsoncall.Handle(s.tlsPublicKeys),
		"TLSPublicKeyAdd":     jsoncall.Handle(s.tlsPublicKeyAdd),
		"TLSPublicKeyUpdate":  jsoncall.Handle(s.tlsPublicKeyUpdate),
		"TLSPublicKeyRemove":  jsoncall.Handle(s.tlsPublicKeyRemove),
		"Tokens":              jsoncall.Handle(s.tokens),
		"TokenAdd":            jsoncall.Handle(s.tokenAdd),
		"TokenRemove":         jsoncall.Handle(s.tokenRemove),
		"Mailboxes":           jsoncall.Handle(s.mailboxes),
		"ImportLimits":        jsoncall.Handle(s.importLimits),
		"ImportAbort":         jsoncall.Handle(s.importAbort),
	})
	return all
}

// actor names who does something, in audit lines.
func actor(c *call) admin.Actor { return actorOf(c.Who) }

func actorOf(who websession.Current) admin.Actor { return admin.Actor("account " + who.Login) }

func (s *Server) account(ctx context.Context, c *call, _ *AccountRequest) (AccountResult, error) {
	r := AccountResult{CSRFToken: c.Who.CSRFToken, Account: c.Who.Account, LoginAddress: c.Who.Login}
	var err error
	if r.Addresses, err = s.c.Admin.AccountAddresses(c.Who.Account); err != nil {
		return r, err
	}
	r.FullName = s.c.Admin.Config.Snapshot().Dynamic.Accounts[c.Who.Account].FullName
	changed, err := s.c.Admin.Auth.PasswordChanged(ctx, c.Who.Account)
	if err != nil {
		return r, err
	}
	r.PasswordChanged = jsoncall.OrNull(changed)
	acc, err := s.c.Admin.Store.Account(ctx, c.Who.Account)
	if err != nil {
		return r, err
	}
	defer acc.Release()
	q := acc.Quota()
	r.QuotaUsed, r.QuotaLimit = q.Used, q.Limit
	return r, nil
}

func (s *Server) accountSaveFullName(ctx context.Context, c *call, r *AccountSaveFullNameRequest) (AccountSaveFullNameResult, error) {
	err := s.c.Admin.AccountSaveFullName(ctx, actor(c), c.Who.Account, r.FullName)
	return AccountSaveFullNameResult{}, jsoncall.ForUser(err, admin.ErrBadName)
}

func (s *Server) setPassword(ctx context.Context, c *call, r *SetPasswordRequest) (SetPasswordResult, error) {
	checked, err := s.c.Sessions.Attempt(ctx, s.c.Admin.Auth, c.W, c.R, c.CID, func(a *auth.Attempt) error {
		_, err := a.Web(ctx, c.Who.Login, r.CurrentPassword)
		return err
	})
	if err != nil {
		return SetPasswordResult{}, websession.CurrentPassword(err)
	}
	err = s.c.Sessions.ChangePassword(ctx, c.Who, checked, func() error {
		return s.c.Admin.ChangeAccountPassword(ctx, actor(c), c.Who.Account, r.Password, checked)
	})
	return SetPasswordResult{}, jsoncall.ForUser(err, auth.ErrBadPassword, auth.ErrChanged, websession.ErrChanged)
}

func (s *Server) generatePassword(context.Context, *call, *GeneratePasswordRequest) (GeneratePasswordResult, error) {
	p, err := auth.GeneratePassword(rand.Reader)
	return GeneratePasswordResult{p}, err
}

func (s *Server) loginAttempts(ctx context.Context, c *call, r *LoginAttemptsRequest) (LoginAttemptsResult, error) {
	l, err := s.c.Admin.LoginAttempts(ctx, c.Who.Account, r.Limit)
	return LoginAttemptsResult{l}, jsoncall.ForUser(err, admin.ErrLimit)
}

// dataURL returns a QR code of a text.
func (s *Server) dataURL(text string) (string, error) {
	png, err := s.c.QR(text)
	if err != nil {
		return "", err
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(png), nil
}

var _ http.Handler = (*Server)(nil)
