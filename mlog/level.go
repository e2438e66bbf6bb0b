package mlog

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// Levels in addition to those of slog. LevelDebug to LevelError are slog's own
// values, repeated so that a caller needs one package for all.
const (
	LevelTracedata slog.Level = -16 // Protocol traces with message data.
	LevelTraceauth slog.Level = -12 // Protocol traces with credentials.
	LevelTrace     slog.Level = -8  // Protocol traces, credentials and data redacted.
	LevelDebug                = slog.LevelDebug
	LevelInfo                 = slog.LevelInfo
	LevelWarn                 = slog.LevelWarn
	LevelError                = slog.LevelError
	LevelFatal     slog.Level = 12 // Always written; the process ends.
	LevelPrint     slog.Level = 16 // Always written; not a problem.
)

// levelNames is in order of level.
var levelNames = []struct {
	level slog.Level
	name  string
}{
	{LevelTracedata, "tracedata"},
	{LevelTraceauth, "traceauth"},
	{LevelTrace, "trace"},
	{LevelDebug, "debug"},
	{LevelInfo, "info"},
	{LevelWarn, "warn"},
	{LevelError, "error"},
	{LevelFatal, "fatal"},
	{LevelPrint, "print"},
}

// ErrLevel is returned by [ParseLevel] for a name that is no level.
var ErrLevel = errors.New("unknown log level")

// ParseLevel returns the level with this name. Names are lower-case. The error wraps
// [ErrLevel] and lists the names.
func ParseLevel(name string) (slog.Level, error) {
	for _, l := range levelNames {
		if l.name == name {
			return l.level, nil
		}
	}
	return 0, fmt.Errorf("%w %q, known are %s", ErrLevel, name, strings.Join(LevelNames(), ", "))
}

// LevelName returns the name of the highest known level that is not above level,
// "tracedata" for anything lower than that.
func LevelName(level slog.Level) string {
	for i := len(levelNames) - 1; i > 0; i-- {
		if level >= levelNames[i].level {
			return levelNames[i].name
		}
	}
	return levelNames[0].name
}

// LevelNames returns the names of all levels from low to high.
func LevelNames() []string {
	names := make([]string, len(levelNames))
	for i, l := range levelNames {
		names[i] = l.name
	}
	return names
}

// Levels holds the default level and the levels of packages. It is shared by all
// loggers made from one handler; a change is seen by all of them with their next
// line. Reading takes no lock. The zero value has default level info and no levels
// for packages. Do not copy after first use.
type Levels struct {
	mu    sync.Mutex // Serializes writers.
	table atomic.Pointer[levelTable]
}

// levelTable does not change once published.
type levelTable struct {
	generation uint32 // Increased with each table, 0 only for the table of a zero Levels.
	fallback   slog.Level
	pkgs       map[string]slog.Level
}

var zeroTable = &levelTable{}

// NewLevels returns levels with this default and a copy of pkgs, which may be nil.
func NewLevels(fallback slog.Level, pkgs map[string]slog.Level) *Levels {
	l := &Levels{}
	l.Replace(fallback, pkgs)
	return l
}

func (l *Levels) load() *levelTable {
	if t := l.table.Load(); t != nil {
		return t
	}
	return zeroTable
}

// Replace sets the default level and all package levels at once.
func (l *Levels) Replace(fallback slog.Level, pkgs map[string]slog.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table.Store(&levelTable{l.load().generation + 1, fallback, maps.Clone(pkgs)})
}

// Set sets the level of a package, or with an empty pkg the default level.
func (l *Levels) Set(pkg string, level slog.Level) {
	l.change(func(t *levelTable) {
		if pkg == "" {
			t.fallback = level
		} else {
			t.pkgs[pkg] = level
		}
	})
}

// Clear removes the level of a package, which then follows the default level.
func (l *Levels) Clear(pkg string) {
	l.change(func(t *levelTable) { delete(t.pkgs, pkg) })
}

func (l *Levels) change(fn func(t *levelTable)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.load()
	t := &levelTable{old.generation + 1, old.fallback, maps.Clone(old.pkgs)}
	if t.pkgs == nil {
		t.pkgs = map[string]slog.Level{}
	}
	fn(t)
	l.table.Store(t)
}

// Default returns the default level.
func (l *Levels) Default() slog.Level {
	return l.load().fallback
}

// Packages returns a copy of the levels of packages.
func (l *Levels) Packages() map[string]slog.Level {
	return maps.Clone(l.load().pkgs)
}

// effective returns the level that decides for a logger of these packages, which are
// ordered from outermost to innermost.
func (t *levelTable) effective(pkgs []string) slog.Level {
	if len(t.pkgs) > 0 {
		for i := len(pkgs) - 1; i >= 0; i-- {
			if level, ok := t.pkgs[pkgs[i]]; ok {
				return level
			}
		}
	}
	return t.fallback
}
