package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mox/atomicfile"
	"mox/upkeep"
)

// ManagerConfig is what a [Manager] needs.
type ManagerConfig struct {
	Open     func(ctx context.Context) (*Repository, error)
	Source   func() *Source
	Keep     Keep
	Interval time.Duration // between backups
	Drill    *Drill
	// DrillInterval is the time between drills; 0: there are none but those that are asked for.
	DrillInterval time.Duration
	StateFile     string // when backups were made; its directory is made
	Version       string // of the program
	Now           func() time.Time
	Log           *slog.Logger

	// Made is called after each backup or attempt at one, Drilled after each drill. nil: nothing.
	Made    func(r Result)
	Drilled func(p Proven)
	// Alarm tells a person that something has failed. nil: only the log does.
	Alarm func(ctx context.Context, subject, text string)
}

// Result is the outcome of a backup.
type Result struct {
	Time     time.Time // when it began
	Ended    time.Time
	Snapshot string // empty: none was made
	Err      string // empty: all is in it
	Stats    RunStats
}

// Manager makes backups and drills by a schedule, and when asked. It is safe for concurrent use.
type Manager struct {
	c ManagerConfig

	work  sync.Mutex // held while one is made
	mu    sync.Mutex // guards what follows
	read  bool
	state ManagerState
}

// ManagerState is what is kept of backups.
type ManagerState struct {
	Last Result // the last, failed or not
	Good Result // the last with all in it
}

// NewManager returns a Manager; Run makes it work.
func NewManager(c ManagerConfig) *Manager { return &Manager{c: c} }

// Drill is what does drills.
func (m *Manager) Drill() *Drill { return m.c.Drill }

// ReadState reads what a Manager keeps in its StateFile; nothing, if there is none.
func ReadState(path string) (st ManagerState, err error) {
	err = readState(path, &st)
	return st, err
}

// ReadDrillState reads what a Drill keeps in its StateFile; nothing, if there is none.
func ReadDrillState(path string) (st DrillState, err error) {
	err = readState(path, &st)
	return st, err
}

func readState(path string, to any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// State returns the outcomes of the last backups, also of earlier processes.
func (m *Manager) State() ManagerState {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.read {
		m.read = true
		var err error
		if m.state, err = ReadState(m.c.StateFile); err != nil {
			m.c.Log.Error("reading when the last backup was made", "err", err)
		}
	}
	return m.state
}

// Backup makes a backup now, and removes those that are not to be kept.
func (m *Manager) Backup(ctx context.Context, progress func(string)) (Result, error) {
	m.work.Lock()
	defer m.work.Unlock()
	m.State()
	res := Result{Time: m.c.Now().UTC()}
	err := m.backup(ctx, &res, progress)
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	res.Ended = m.c.Now().UTC()
	if err != nil {
		res.Err = err.Error()
		m.c.Log.ErrorContext(ctx, "backup failed", "err", err, "snapshot", res.Snapshot)
	} else {
		m.c.Log.InfoContext(ctx, "backup is made", "snapshot", res.Snapshot, "size", res.Stats.Size, "read", res.Stats.Read, "stored", res.Stats.NewStored, "duration", res.Ended.Sub(res.Time))
	}
	if m.c.Made != nil {
		m.c.Made(res)
	}
	return res, errors.Join(err, m.keep(res))
}

func (m *Manager) backup(ctx context.Context, res *Result, progress func(string)) error {
	r, err := m.c.Open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	snap, err := r.Run(ctx, m.c.Source(), m.c.Version, progress)
	if snap != nil {
		res.Snapshot, res.Stats = snap.Name, snap.Stats
	}
	if err != nil || !m.c.Keep.Any() {
		return err
	}
	p, err := r.Prune(ctx, m.c.Keep)
	if errors.Is(err, ErrLocked) {
		m.c.Log.WarnContext(ctx, "old backups are removed another time", "err", err)
		return nil
	} else if err != nil {
		return fmt.Errorf("the backup is made, but old ones could not be removed: %w", err)
	}
	m.c.Log.DebugContext(ctx, "old backups removed", "removed", p.Removed, "kept", p.Kept, "freed", p.Freed)
	return nil
}

func (m *Manager) keep(res Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Last = res
	if res.Err == "" {
		m.state.Good = res
	}
	b, err := json.MarshalIndent(m.state, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.c.StateFile), 0o700); err != nil {
		return fmt.Errorf("keeping outcome of backup: %w", err)
	}
	return atomicfile.Write(m.c.StateFile, append(b, '\n'), 0o600)
}

// RunDrill does a drill now, and tells of a failure.
func (m *Manager) RunDrill(ctx context.Context) (Proven, error) {
	p, err := m.c.Drill.Run(ctx)
	if ctx.Err() != nil {
		return p, ctx.Err()
	}
	if m.c.Drilled != nil {
		m.c.Drilled(p)
	}
	if err != nil {
		m.c.Log.ErrorContext(ctx, "the newest backup could not be restored and proven", "err", err, "snapshot", p.Snapshot, "failures", p.Failures)
		m.alarm(ctx, "The backup of this mail server cannot be relied on", drillFailed(p, m.c.Drill.Last()))
	} else {
		m.c.Log.InfoContext(ctx, "the newest backup was restored and proven", "snapshot", p.Snapshot, "accounts", p.Accounts, "compared", p.Compared, "duration", p.Ended.Sub(p.Time))
	}
	return p, err
}

func (m *Manager) alarm(ctx context.Context, subject, text string) {
	if m.c.Alarm != nil {
		m.c.Alarm(ctx, subject, text)
	}
}

func drillFailed(p, proven Proven) string {
	text := "The newest backup was restored into a scratch directory, as is done regularly, and did not\r\npass its checks.\r\n\r\nBackup: " + p.Snapshot + "\r\nWhat is wrong:\r\n"
	for _, f := range p.Failures {
		text += "- " + f + "\r\n"
	}
	text += "\r\nLast proven restore: " + proven.String() + ".\r\n\r\n" +
		"What to do: run \"mox backup check\", which tells what is damaged. If storage is, \"mox backup check\r\n-repair\" and then \"mox backup run\" store again what is missing. Then \"mox backup drill\" once\r\nmore. Look at the disk or store that the backups are on.\r\n"
	return text
}

// Times of the schedule.
const (
	scheduleTick = time.Minute
	retryAfter   = 30 * time.Minute // after a failure, doubled each time up to the interval
)

// Run makes backups and drills when they are due, until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	var failed, drillFailed int
	for upkeep.Sleep(ctx, scheduleTick) {
		if m.due(m.State().Last.Time, m.c.Interval, m.State().Last.Err != "", failed) {
			if _, err := m.Backup(ctx, nil); err != nil && ctx.Err() == nil {
				if failed++; failed == 2 {
					m.alarm(ctx, "This mail server cannot make backups", "Making a backup has failed twice:\r\n\r\n"+err.Error()+"\r\n\r\nIt is tried again. \"mox backup run\" shows more.\r\n")
				}
			} else {
				failed = 0
			}
		}
		s := m.c.Drill.State()
		if m.c.DrillInterval > 0 && m.State().Good.Snapshot != "" && m.due(s.Last.Time, m.c.DrillInterval, !s.Last.Time.IsZero() && !s.Last.OK, drillFailed) {
			if _, err := m.RunDrill(ctx); err != nil {
				drillFailed++
			} else {
				drillFailed = 0
			}
		}
	}
}

// due tells whether something is due again.
func (m *Manager) due(last time.Time, interval time.Duration, failed bool, times int) bool {
	if failed {
		interval = min(interval, retryAfter<<min(times, 10))
	}
	d := m.c.Now().Sub(last)
	return d >= interval || d < 0
}
