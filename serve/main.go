package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"mox/config"
	"mox/logfile"
	"mox/metrics"
	"mox/mlog"
	"mox/updates"
)

// MainOptions are what the command line gives to a server.
type MainOptions struct {
	ConfigPath       string
	LogLevel         string        // over the configured one, unless empty
	Pedantic         bool          // over the configured one, when true
	CheckConsistency bool          // check all accounts when the server stops
	Drain            time.Duration // as in Options
	Log              io.Writer
	Version          string
	Feed             updates.Feed // of the release; zero: none
}

// LogDir is the directory with the log, in the data directory.
const LogDir = "log"

// selfExe is the running program on Linux, also where its path is not the worker's to enter
// (as that of "go run"), or has a newer program since.
const selfExe = "/proc/self/exe"

// process is what a serving process has besides its Server.
type process struct {
	MainOptions
	levels   *mlog.Levels
	registry *metrics.Registry
	log      *slog.Logger
	lines    *logfile.Tee // what log writes to
	manager  *config.Manager
}

// Main runs "mox serve" and returns its exit status: 0 after "mox stop", the signal's
// number after a signal.
func Main(ctx context.Context, o MainOptions) (int, error) {
	if runtime.GOOS == "windows" {
		return supervise(o, nil)
	}
	if os.Getenv(envAdopt) != "" {
		return adopt(o)
	}
	inherited, err := Inherit()
	if err != nil {
		return 1, err
	}
	parent, err := parentLink()
	if err != nil {
		return 1, err
	}
	if !inherited.all {
		return supervise(o, inherited)
	}
	try := os.Getenv(envTry) != ""
	os.Unsetenv(envTry)
	if try {
		o.Log = io.Discard // warnings come when it counts
	}
	p, err := newProcess(o, inherited)
	if err != nil {
		return 1, err
	}
	if try {
		p.manager.Close()
		return 0, nil
	}
	restrictUmask()
	if err := checkRights(); err != nil {
		return 1, err
	}
	if err := p.restore(); err != nil {
		return 1, err
	}
	return p.serve(ctx, Options{Inherited: inherited, parent: parent, Confine: true}, func() {})
}

// restore puts back the databases from before an upgrade that failed, if that is to be done.
func (p *process) restore() error {
	ask := os.Getenv(envRestore) != ""
	os.Unsetenv(envRestore)
	n, err := restoreSnapshot(p.manager.Snapshot().DataPath("."), ask)
	if err != nil {
		return err
	}
	if n > 0 {
		p.log.Warn("databases are those from before the upgrade again", "databases", n)
	}
	return nil
}

// newProcess is of a worker: it reads the configuration and sets up logging.
func newProcess(o MainOptions, inherited *Inherited) (*process, error) {
	p := &process{MainOptions: o, registry: metrics.New(), levels: mlog.NewLevels(mlog.LevelInfo, nil)}
	p.lines = logfile.New(o.Log, toJournal(o.Log))
	handler := mlog.NewHandler(p.lines, mlog.Options{Levels: p.levels, Count: p.registry.Log})
	p.log = slog.New(handler)
	var err error
	p.manager, err = config.Open(o.ConfigPath, p.log, config.Options{ReadFile: inherited.ReadFile})
	if err != nil {
		return nil, err
	}
	info := p.manager.Snapshot().StaticInfo
	level := info.LogLevel
	if o.LogLevel != "" {
		if level, err = mlog.ParseLevel(o.LogLevel); err != nil {
			return nil, err
		}
	}
	p.levels.Replace(level, info.PackageLogLevels)
	if p.manager.Snapshot().Static.LogFormat == "json" {
		handler.SetFormat(mlog.JSON)
	}
	return p, nil
}

// toJournal tells whether lines go to the journal of systemd, which then can have their priority: systemd.exec(5),
// JOURNAL_STREAM.
func toJournal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	return isStream(f, os.Getenv("JOURNAL_STREAM"))
}

// keepLines begins to keep the log in files, where that is wanted. The server is good without.
func (p *process) keepLines() {
	snap := p.manager.Snapshot()
	if snap.Static.LogFileSize < 0 {
		return
	}
	if err := p.lines.Open(snap.DataPath(LogDir), snap.Static.LogFileSize); err != nil {
		p.log.Error("keeping the log in files", "err", err)
	}
}

// serve runs a server until it is asked to stop, and returns the exit status. started is
// called once it serves.
func (p *process) serve(ctx context.Context, o Options, started func()) (int, error) {
	o.Config, o.Log, o.Levels, o.Registry, o.Version, o.Feed = p.manager, p.log, p.levels, p.registry, p.Version, p.Feed
	p.keepLines()
	defer p.lines.Close()
	o.Pedantic = p.Pedantic || p.manager.Snapshot().Static.Pedantic
	o.CheckConsistency, o.Drain = p.CheckConsistency, p.Drain
	opened := make(chan struct{})
	if o.parent != nil {
		go func() {
			if o.parent.waitEnd(opened) {
				os.Exit(1) // in the middle of whatever opening takes; databases bear that
			}
		}()
	}
	s, err := New(o)
	close(opened)
	if err != nil {
		return 1, err
	}
	if o.Local {
		if err := s.ensureLocalPassword(ctx); err != nil {
			s.abandon()
			return 1, err
		}
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := s.Start(); err != nil {
		s.abandon()
		return 1, err
	}
	started()
	defer collectGarbage()()
	status := s.wait(ctx, signals)
	if err := s.Stop(); err != nil {
		return 1, fmt.Errorf("stopping: %w", err)
	}
	return status, nil
}

// wait returns the exit status when the server has to stop.
func (s *Server) wait(ctx context.Context, signals <-chan os.Signal) int {
	for {
		select {
		case <-s.Stopping():
			return 0 // by "mox stop", or for another program to take over
		case <-ctx.Done():
			return 0
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				notify("RELOADING=1" + monotonic())
				s.certFiles.Check()
				if err := s.Config.Check(); err != nil {
					s.Log.Error("reloading configuration, the old one stays", "err", err)
				}
				notify("READY=1")
				continue
			}
			s.Log.Info("signal", "signal", sig.String())
			if n, ok := sig.(syscall.Signal); ok {
				return int(n)
			}
			return 1
		}
	}
}
