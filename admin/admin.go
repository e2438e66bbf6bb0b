package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/secure/precis"

	"mox/atomicfile"
	"mox/auth"
	"mox/backup"
	"mox/ban"
	"mox/config"
	"mox/inbound"
	"mox/invite"
	"mox/loginlog"
	"mox/mlog"
	"mox/queue"
	"mox/reportdb"
	"mox/smtp"
	"mox/store"
	"mox/tracelog"
)

// Actor names who asked, for audit lines: "ctl", or an admin's login.
type Actor string

// Admin holds what the operations act on. All fields but Traces and Queue are needed.
type Admin struct {
	Config *config.Manager
	Store  *store.Store
	Auth   *auth.Service
	Levels *mlog.Levels
	Log    *slog.Logger
	Now    func() time.Time
	// Process is the server; nil: it cannot be asked.
	Process Process
	Stop    func()        // begins a graceful stop and returns at once
	Traces  *tracelog.Log // of decisions about messages; nil: not kept

	Queue *queue.Queue // of outgoing messages; nil: there is none
	// Retry forgets which destinations could not be reached, before messages are tried again
	// because someone wants it; nil: nothing is remembered.
	Retry func()

	// Reports are those of others, and what is to be reported; nil: there are none.
	Reports *reportdb.DB

	// Bans are the networks that are refused; nil: none ever is.
	Bans *ban.Bans

	// Logins are those of users, and attempts; nil: not recorded.
	Logins *loginlog.Log

	// Put delivers to an address of this server without checks.
	Put func(ctx context.Context, to smtp.Address, message io.Reader) error
	// Invites are links by which users set their password; nil: there are none.
	Invites *invite.Book
	// Submit sends for accounts; nil: nothing can be sent.
	Submit Submitter
	// IMAP serves a connection, which it closes, as someone who has logged in.
	IMAP func(ctx context.Context, conn net.Conn, account, login string)
	// Inbound and Door are for simulations, see [Admin.Simulate]; nil: there are none.
	Inbound *inbound.Inbound
	Door    inbound.Door

	// HoldLocal holds deliveries from the queue to accounts back for moments, for backups; see
	// outbound. nil: there are none.
	HoldLocal func(ctx context.Context) (release func(), err error)

	// Backups makes backups in a repository; nil: none is configured.
	Backups *backup.Manager

	// Junk is the junk filters of accounts.
	Junk Retrainer

	// Index is the search indexes of accounts.
	Index Rebuilder

	// Certificates are those for TLS; nil: there are none.
	Certificates Certificates

	// Disconnect ends all sessions of an account, and whatever else keeps its files open,
	// before its data is removed. It need not wait for the sessions.
	Disconnect func(account string)
}

// Retrainer makes all that the junk filter of an account has learned anew of its messages,
// and returns when that is done, or when ctx ends; then it goes on in the background. It is
// a *junk.Manager.
type Retrainer interface {
	Retrain(ctx context.Context, account string) error
}

// Errors by which callers can tell what is wrong with a request. Their texts, and those
// of errors that wrap them, are for the person who asked.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrInUse    = errors.New("still in use")
)

// audit writes the line that says who did what.
func (a *Admin) audit(ctx context.Context, actor Actor, action string, err error, args ...any) {
	args = append([]any{"actor", string(actor), "action", action}, args...)
	if err != nil {
		a.Log.WarnContext(ctx, "administration failed", append([]any{"err", err}, args...)...)
		return
	}
	a.Log.InfoContext(ctx, "administration", args...)
}

// PackageLevel is the log level of a package; the default level has "(default)".
type PackageLevel struct{ Package, Level string }

// LogLevels returns the default level and those of packages that have their own.
func (a *Admin) LogLevels() []PackageLevel {
	levels := []PackageLevel{{"(default)", mlog.LevelName(a.Levels.Default())}}
	packages := a.Levels.Packages()
	for _, pkg := range slices.Sorted(mapKeys(packages)) {
		levels = append(levels, PackageLevel{pkg, mlog.LevelName(packages[pkg])})
	}
	return levels
}

// SetLogLevel changes the level of a package, or the default for "". An empty level
// clears that of a package. The change lasts until the next start.
func (a *Admin) SetLogLevel(ctx context.Context, actor Actor, pkg, level string) (rerr error) {
	defer func() { a.audit(ctx, actor, "set log level", rerr, "package", pkg, "level", level) }()
	if level == "" {
		if pkg == "" {
			return errors.New("the default level cannot be cleared")
		}
		a.Levels.Clear(pkg)
		return nil
	}
	l, err := mlog.ParseLevel(level)
	if err != nil {
		return err
	}
	a.Levels.Set(pkg, l)
	return nil
}

// SetAccountPassword sets the password of an account; it is durable on return.
func (a *Admin) SetAccountPassword(ctx context.Context, actor Actor, account, password string) (rerr error) {
	defer func() { a.audit(ctx, actor, "set account password", rerr, "account", account) }()
	if _, ok := a.Config.Snapshot().Dynamic.Accounts[account]; !ok {
		return fmt.Errorf("account %q: %w", account, ErrNotFound)
	}
	return a.Auth.SetPassword(ctx, account, password)
}

// ChangeAccountPassword is SetAccountPassword for a user who has shown the password in use, see [auth.Service.ChangePassword].
func (a *Admin) ChangeAccountPassword(ctx context.Context, actor Actor, account, password string, over []byte) (rerr error) {
	defer func() { a.audit(ctx, actor, "change account password", rerr, "account", account) }()
	return a.Auth.ChangePassword(ctx, account, password, over)
}

// SetAdminPassword writes the bcrypt hash of password to path with mode 0660. It needs no
// running server.
func SetAdminPassword(path, password string) error {
	hash, err := HashPassword(password)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, hash, 0o660)
}

// HashPassword returns what is in the file of the admin password, a line with its bcrypt hash.
func HashPassword(password string) ([]byte, error) {
	pw, err := precis.OpaqueString.String(password)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", auth.ErrBadPassword, err)
	}
	if len(pw) < auth.MinPasswordLength {
		return nil, fmt.Errorf("%w: shorter than %d characters", auth.ErrBadPassword, auth.MinPasswordLength)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(pw), bcrypt.DefaultCost)
	if errors.Is(err, bcrypt.ErrPasswordTooLong) {
		return nil, fmt.Errorf("%w: longer than 72 bytes", auth.ErrBadPassword)
	} else if err != nil {
		return nil, fmt.Errorf("hashing password: %w", err)
	}
	return append(hash, '\n'), nil
}

// mapKeys iterates the keys of m.
func mapKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// inUse joins the users of something into an error.
func inUse(what string, users []string) error {
	return fmt.Errorf("%s: %w by %s", what, ErrInUse, strings.Join(users, ", "))
}
