package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"unicode/utf8"

	"mox/atomicfile"
	"mox/auth"
	"mox/config"
	"mox/dns"
	"mox/loginlog"
	"mox/sconf"
)

// AccountSaveFullName changes the name of the user of an account; empty: none.
func (a *Admin) AccountSaveFullName(ctx context.Context, actor Actor, account, name string) (rerr error) {
	defer func() { a.audit(ctx, actor, "set full name", rerr, "account", account) }()
	const most = 200
	bad := func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }
	if utf8.RuneCountInString(name) > most || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%w: a name has at most %d characters, and no control characters", ErrBadName, most)
	}
	return a.editAccount(account, func(acc *config.Account) error {
		acc.FullName = strings.TrimSpace(name)
		return nil
	})
}

// ErrBadName: a name cannot be used; the text says why.
var ErrBadName = errors.New("unacceptable name")

// ErrNoAdminPassword: no password for administration is set.
var ErrNoAdminPassword = errors.New("no password for administration is set: run mox setadminpassword on the server")

// AdminPasswordFile returns the content of the file of the admin password, or ErrNoAdminPassword.
func (a *Admin) AdminPasswordFile() ([]byte, error) {
	path, err := a.adminPasswordPath()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(b) == 0 {
		return nil, ErrNoAdminPassword
	}
	return b, err
}

func (a *Admin) adminPasswordPath() (string, error) {
	snap := a.Config.Snapshot()
	if snap.Static.AdminPasswordFile == "" {
		return "", ErrNoAdminPassword
	}
	return snap.ConfigPath(snap.Static.AdminPasswordFile), nil
}

// SetAdminPassword changes the password for administration.
func (a *Admin) SetAdminPassword(ctx context.Context, actor Actor, password string) (rerr error) {
	defer func() { a.audit(ctx, actor, "set admin password", rerr) }()
	path, err := a.adminPasswordPath()
	if err != nil {
		return err
	}
	hash, err := HashPassword(password)
	if err != nil {
		return err
	}
	// The server may write the file, but not its directory.
	return atomicfile.Replace(path, hash)
}

// DiskUsage returns how many octets the files of an account have.
func (a *Admin) DiskUsage(account string) (int64, error) {
	entries, err := os.ReadDir(a.Config.Snapshot().DataPath("accounts/" + account))
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return 0, err
		}
		if info.Mode().IsRegular() {
			sum += info.Size()
		}
	}
	return sum, nil
}

// TLSKeyUpdate changes the name of a key of an account, and NoIMAPPreauth, to those of k.
func (a *Admin) TLSKeyUpdate(ctx context.Context, actor Actor, k auth.TLSKey) (rerr error) {
	defer func() {
		a.audit(ctx, actor, "update tls public key", rerr, "account", k.Account, "fingerprint", k.Fingerprint, "name", k.Name)
	}()
	return noTLSKey(k.Fingerprint, a.Auth.UpdateTLSKey(ctx, k))
}

// Webserver is the part of domains.conf about web sites.
type Webserver struct {
	Redirects map[string]string
	Handlers  []config.WebHandler
}

// ErrConfigChanged: what is to be changed is not what it was.
var ErrConfigChanged = errors.New("the configuration was changed meanwhile, by somebody else: load it again")

// InvalidError says what is wrong with a changed configuration.
type InvalidError struct{ Problems []string }

func (e *InvalidError) Error() string { return strings.Join(e.Problems, "\n") }

// Webserver returns what is configured, and whether a listener serves web sites.
func (a *Admin) Webserver() (w Webserver, enabled bool) {
	snap := a.Config.Snapshot()
	for _, l := range snap.Listeners {
		enabled = enabled || l.WebserverHTTP.Enabled || l.WebserverHTTPS.Enabled
	}
	return Webserver{snap.Dynamic.WebDomainRedirects, snap.Dynamic.WebHandlers}, enabled
}

// WebserverSave changes what is configured from old to changed. An error wraps ErrConfigChanged if it is not
// old; an *InvalidError says that the change is not possible.
func (a *Admin) WebserverSave(ctx context.Context, actor Actor, old, changed Webserver) (rerr error) {
	defer func() { a.audit(ctx, actor, "change webserver", rerr) }()
	err := a.Config.Edit(func(d *config.Dynamic) error {
		if !old.equal(Webserver{d.WebDomainRedirects, d.WebHandlers}) {
			return ErrConfigChanged
		}
		d.WebDomainRedirects, d.WebHandlers = changed.Redirects, changed.Handlers
		return nil
	})
	if errs, ok := errors.AsType[sconf.Errors](err); ok && !errors.Is(err, config.ErrChanged) {
		e := &InvalidError{}
		for _, p := range errs {
			e.Problems = append(e.Problems, fmt.Sprintf("%s: %s", p.Path, p.Msg))
		}
		return e
	}
	return err
}

// equal compares what is written in the configuration: an empty list or map is none.
func (w Webserver) equal(o Webserver) bool {
	return reflect.DeepEqual(withoutEmpty(w), withoutEmpty(o))
}

func withoutEmpty(w Webserver) Webserver {
	w.Redirects = someHeaders(w.Redirects)
	var l []config.WebHandler
	for _, h := range w.Handlers {
		if h.WebStatic != nil {
			s := *h.WebStatic
			s.ResponseHeaders = someHeaders(s.ResponseHeaders)
			h.WebStatic = &s
		}
		if h.WebForward != nil {
			f := *h.WebForward
			f.ResponseHeaders = someHeaders(f.ResponseHeaders)
			h.WebForward = &f
		}
		l = append(l, h)
	}
	w.Handlers = l
	return w
}

func someHeaders(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// Bounds of LoginAttempts.
const (
	defaultAttempts = 50
	maxAttempts     = 500
)

// ErrLimit: a limit is out of bounds.
var ErrLimit = errors.New("bad limit")

// LoginAttempts returns the last attempts to log in to an account, or to all for "", newest first: limit of them
// at most, 0 is 50.
func (a *Admin) LoginAttempts(ctx context.Context, account string, limit int) ([]loginlog.Attempt, error) {
	switch {
	case limit < 0 || limit > maxAttempts:
		return nil, fmt.Errorf("%w: it must be from 1 to %d, or 0 for %d", ErrLimit, maxAttempts, defaultAttempts)
	case limit == 0:
		limit = defaultAttempts
	}
	if a.Logins == nil {
		return nil, nil
	}
	return a.Logins.List(ctx, account, limit)
}

// DiscoveryURL is the beginning of URLs, up to the path, at which mail programs of a domain's users find settings. An
// error says that there is none.
func (a *Admin) DiscoveryURL(domain dns.Domain) (string, error) {
	snap := a.Config.Snapshot()
	d := snap.Domain(domain)
	if d == nil {
		return "", fmt.Errorf("domain %s: %w", domain, ErrNotFound)
	}
	return inviteBase(snap, d)
}
