package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"mox/status"
)

// Process is what can be asked of the running server as a process. It is a *serve.Server.
type Process interface {
	Health(ctx context.Context) Health
	Upgrade(r UpgradeRequest) error
	UpgradeStatus() UpgradeStatus
	// Facts are what the server knows of itself, without what package admin knows.
	Facts(ctx context.Context) status.Facts
}

// Health is how a server is, as it finds out by using itself.
type Health struct {
	Version  string
	Program  string // where the file of the program is
	Uptime   time.Duration
	Problems []string `json:",omitempty"` // none: all is well

	// What was counted since the start.
	Panics    int
	Errors    int // lines logged at level error
	Logins    int // that succeeded
	NotLogins int // that failed by an error of the server, not for a wrong password
}

// OK tells whether the server does its work.
func (h Health) OK() bool { return len(h.Problems) == 0 }

func (h Health) String() string {
	if h.OK() {
		return "healthy"
	}
	return strings.Join(h.Problems, "; ")
}

// UpgradeRequest asks the parent process to go on with the program that is at its path now. The
// path itself cannot be chosen: a worker must not make a parent that is root run what it likes.
type UpgradeRequest struct {
	ID string // of who asks, to know the status by

	// Reversible: the program that serves now can use what the next one makes of the data, so that
	// it can be gone back to even after mail came in.
	Reversible bool
	// Snapshot are the names of databases ("account.db") to copy after the last commit of this
	// program, because the next one changes their schema; or AllDatabases, where that is not known.
	Snapshot []string `json:",omitempty"`

	Start time.Duration // for the next one to be ready; 0: 15 minutes
	Watch time.Duration // that it has to stay healthy; 0: 3 minutes
}

// AllDatabases in Snapshot are all but search indexes.
const AllDatabases = "*.db"

// States of an upgrade.
const (
	UpgradeDraining   = "draining"   // the old program stops
	UpgradeStarting   = "starting"   // the new one starts
	UpgradeWatching   = "watching"   // it serves, and is watched
	UpgradeDone       = "done"       // it stays
	UpgradeRolledBack = "rolledback" // the old one serves again
	UpgradeForward    = "forward"    // it failed after it had served, and stays: see Reason
)

// UpgradeStatus tells how far an upgrade is, or what became of the last one.
type UpgradeStatus struct {
	ID      string
	State   string // "" before the first one
	Reason  string `json:",omitempty"` // of what went wrong
	Version string // that serves
	Since   time.Time
}

// Final tells that the upgrade is over.
func (s UpgradeStatus) Final() bool {
	return s.State == UpgradeDone || s.State == UpgradeRolledBack || s.State == UpgradeForward
}

// ErrNoParent is returned where there is no parent process that could start another program.
var ErrNoParent = errors.New("this server runs without a parent process: stop it and start the new program")

// ErrNoProcess is returned where the server cannot be asked.
var ErrNoProcess = errors.New("not with this server")

// Health asks the server how it is.
func (a *Admin) Health(ctx context.Context) (Health, error) {
	if a.Process == nil {
		return Health{}, ErrNoProcess
	}
	return a.Process.Health(ctx), nil
}

// Upgrade begins to hand over to the program that is at the path of the server now, and returns
// at once.
func (a *Admin) Upgrade(ctx context.Context, actor Actor, r UpgradeRequest) error {
	err := ErrNoProcess
	if a.Process != nil {
		err = a.Process.Upgrade(r)
	}
	a.audit(ctx, actor, "upgrade", err, "id", r.ID)
	return err
}

// UpgradeStatus tells how far an upgrade is.
func (a *Admin) UpgradeStatus() (UpgradeStatus, error) {
	if a.Process == nil {
		return UpgradeStatus{}, ErrNoProcess
	}
	return a.Process.UpgradeStatus(), nil
}
