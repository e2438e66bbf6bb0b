package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"mox/accountapi"
	"mox/admin"
	"mox/adminapi"
	"mox/auth"
	"mox/config"
	"mox/discovery"
	"mox/mailapi"
	"mox/mlog"
	"mox/upgrade"
	"mox/webaccount"
	"mox/webadmin"
	"mox/webmail"
	"mox/websession"
)

// Settings of an account that have its sessions of the account pages, and of the webmail.
const (
	accountSessionsName = "web/sessions"
	mailSessionsName    = "webmail/sessions"
)

// accountSessions is the [websession.Keep] of pages for users: each account keeps its own.
type accountSessions struct {
	*Server
	setting string // name
}

func (k accountSessions) Load(ctx context.Context, account string) ([]byte, error) {
	// The name comes from a cookie: no other files than those of accounts are to be opened.
	if k.Config.Snapshot().Accounts[account] == nil {
		return nil, nil
	}
	return k.secrets().setting(ctx, account, k.setting)
}

func (k accountSessions) Save(ctx context.Context, account string, b []byte) error {
	return k.secrets().setSetting(ctx, account, k.setting, b)
}

func (k accountSessions) Mark(ctx context.Context, account, login string) ([]byte, error) {
	a, err := logins{k.dir}.Login(login)
	switch {
	case errors.Is(err, auth.ErrCredentials), err == nil && a.Name != account:
		return nil, fmt.Errorf("%w: the address is not of the account", websession.ErrRefused)
	case err != nil:
		return nil, err
	case a.LoginDisabled != "":
		return nil, fmt.Errorf("%w: %s", websession.ErrRefused, a.LoginDisabled)
	}
	secret, err := k.secrets().Secret(ctx, account)
	if err != nil {
		return nil, err
	}
	return auth.Mark(secret), nil
}

// panicked returns what counts panics of a part.
func (s *Server) panicked(part string) func() { return func() { s.Registry.Panic(part) } }

// userSessions makes the sessions of pages for users.
func (s *Server) userSessions(name, setting string, life time.Duration, max int) *websession.Sessions {
	return websession.New(websession.Config{
		Name: name, Life: life, Max: max, Keep: accountSessions{s, setting}, Now: s.Now, Log: mlog.New("websession", s.Log),
		Wrong: "The address or the password is wrong.",
		Ended: func(account string) { s.jmap.Recheck(account) },
	})
}

// buildPages makes the webmail, account and admin pages.
func (s *Server) buildPages() error {
	for name, build := range map[string]func() error{"webmail": s.buildWebmail, "account pages": s.buildAccountPages, "admin pages": s.buildAdminPages} {
		if err := build(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (s *Server) buildWebmail() error {
	s.MailSessions = s.userSessions("webmail", mailSessionsName, mailapi.SessionLife, mailapi.MaxSessions)
	api, err := mailapi.New(mailapi.Config{
		Auth: s.Auth, Store: s.Store, Sessions: s.MailSessions, Version: s.Version, Log: s.Log, NextID: s.cids.Next, Panic: s.panicked("mailapi"),
	})
	if err != nil {
		return err
	}
	s.webmail, err = webmail.Handler(api, s.jmap.Handler(api.Login, true), api.HTML())
	return err
}

func (s *Server) buildAccountPages() error {
	s.AccountSessions = s.userSessions("webaccount", accountSessionsName, accountapi.SessionLife, accountapi.MaxSessions)
	var err error
	s.accountAPI, err = accountapi.New(accountapi.Config{
		Admin: s.Admin, Sessions: s.AccountSessions, Version: s.Version, QR: discovery.QR, Log: s.Log, NextID: s.cids.Next, Panic: s.panicked("accountapi"),
		TempDir: s.Config.Snapshot().DataPath("tmp"), Free: upgrade.FreeSpace,
	})
	if err != nil {
		return err
	}
	s.accountPages, err = webaccount.Handler(s.accountAPI)
	return err
}

func (s *Server) buildAdminPages() error {
	password := func(context.Context) ([]byte, error) {
		file, err := s.Admin.AdminPasswordFile()
		if errors.Is(err, admin.ErrNoAdminPassword) {
			return nil, fmt.Errorf("%w: %w", websession.ErrRefused, err)
		} else if err != nil {
			return nil, err
		}
		return auth.Mark(file), nil
	}
	sessions := websession.New(websession.Config{
		Name: "webadmin", Life: adminapi.SessionLife, Max: adminapi.MaxSessions, Keep: &websession.Memory{Password: password}, Now: s.Now, Log: mlog.New("websession", s.Log),
		Wrong: "The password is wrong.",
	})
	api, err := adminapi.New(adminapi.Config{
		Admin: s.Admin, Sessions: sessions, Resolver: s.Resolver, Version: s.Version, Log: s.Log, NextID: s.cids.Next, Panic: s.panicked("adminapi"),
	})
	if err != nil {
		return err
	}
	s.adminPages, err = webadmin.Handler(api)
	return err
}

// syncSessions ends the sessions of accounts whose logins are disabled from now on, so that they are of no use when
// logins are allowed again. It waits for nothing: nobody is let in meanwhile.
func (s *Server) syncSessions(old, snap *config.Snapshot) {
	for name, after := range snap.Accounts {
		before := old.Accounts[name]
		if after.Config.LoginDisabled == "" || before == nil || before.Config.LoginDisabled != "" {
			continue
		}
		s.serving.Go(func() {
			for _, sessions := range []*websession.Sessions{s.AccountSessions, s.MailSessions} {
				if err := sessions.EndAll(s.ctx, name); err != nil {
					s.Log.Error("ending sessions of account whose logins are disabled", "err", err, "account", name)
				}
			}
			s.jmap.Disconnect(name)
		})
	}
}

// application is one of a listener.
type application struct {
	name    string
	conf    config.WebService
	handler http.Handler
	admin   bool
}

// applications are those of a listener, on a port.
func (s *Server) applications(l *config.ListenerInfo, port int) []application {
	all := []application{
		{"account", l.AccountHTTP, s.accountPages, false}, {"account", l.AccountHTTPS, s.accountPages, false},
		{"admin", l.AdminHTTP, s.adminPages, true}, {"admin", l.AdminHTTPS, s.adminPages, true},
		{"webmail", l.WebmailHTTP, s.webmail, false}, {"webmail", l.WebmailHTTPS, s.webmail, false},
		{"webapi", l.WebAPIHTTP, s.webapi, false}, {"webapi", l.WebAPIHTTPS, s.webapi, false},
		{"jmap", l.JMAPHTTP, s.jmapDoor, false}, {"jmap", l.JMAPHTTPS, s.jmapDoor, false},
	}
	return slices.DeleteFunc(all, func(a application) bool { return !a.conf.Enabled || a.conf.Port != port })
}
