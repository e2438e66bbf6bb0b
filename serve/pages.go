package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"mox/accountapi"
	"mox/admin"
	"mox/adminapi"
	"mox/auth"
	"mox/config"
	"mox/discovery"
	"mox/mlog"
	"mox/webaccount"
	"mox/webadmin"
	"mox/websession"
)

// sessionsName is the setting of an account that has its sessions of the account pages.
const sessionsName = "web/sessions"

// accountSessions is the [websession.Keep] of the account pages: each account keeps its own.
type accountSessions struct{ *Server }

func (k accountSessions) Load(ctx context.Context, account string) ([]byte, error) {
	// The name comes from a cookie: no other files than those of accounts are to be opened.
	if k.Config.Snapshot().Accounts[account] == nil {
		return nil, nil
	}
	return k.secrets().setting(ctx, account, sessionsName)
}

func (k accountSessions) Save(ctx context.Context, account string, b []byte) error {
	return k.secrets().setSetting(ctx, account, sessionsName, b)
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

// buildPages makes the account and admin pages.
func (s *Server) buildPages() error {
	panicked := func(name string) func() { return func() { s.Registry.Panic(name) } }
	s.AccountSessions = websession.New(websession.Config{
		Name: "webaccount", Life: accountapi.SessionLife, Max: accountapi.MaxSessions, Keep: accountSessions{s}, Now: s.Now, Log: mlog.New("websession", s.Log),
		Wrong: "The address or the password is wrong.",
	})
	forAccounts, err := accountapi.New(accountapi.Config{
		Admin: s.Admin, Sessions: s.AccountSessions, Version: s.Version, QR: discovery.QR, Log: s.Log, NextID: s.cids.Next, Panic: panicked("accountapi"),
	})
	if err != nil {
		return err
	}
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
	forAdmin, err := adminapi.New(adminapi.Config{
		Admin: s.Admin, Sessions: sessions, Resolver: s.Resolver, Version: s.Version, Log: s.Log, NextID: s.cids.Next, Panic: panicked("adminapi"),
	})
	if err != nil {
		return err
	}
	if s.accountPages, err = webaccount.Handler(forAccounts); err != nil {
		return fmt.Errorf("account pages: %w", err)
	}
	if s.adminPages, err = webadmin.Handler(forAdmin); err != nil {
		return fmt.Errorf("admin pages: %w", err)
	}
	return nil
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
			if err := s.AccountSessions.EndAll(s.ctx, name); err != nil {
				s.Log.Error("ending sessions of account whose logins are disabled", "err", err, "account", name)
			}
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
		{"webapi", l.WebAPIHTTP, s.webapi, false}, {"webapi", l.WebAPIHTTPS, s.webapi, false},
	}
	return slices.DeleteFunc(all, func(a application) bool { return !a.conf.Enabled || a.conf.Port != port })
}
