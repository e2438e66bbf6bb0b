package updates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"mox/atomicfile"
	"mox/upkeep"
)

// Times of a Watcher.
const (
	watchFirst = time.Minute // after the start, at the earliest
	watchEvery = 24 * time.Hour
	// watchJitter is by how much a check may be earlier or later, so that servers do not ask all at
	// once.
	watchJitter = time.Hour
	// watchRetry is the first wait after a failure; it doubles, up to watchEvery.
	watchRetry = time.Hour
	// watchSilent is for how long failures are no concern.
	watchSilent = 7 * 24 * time.Hour
)

// StateFile is the name of a Watcher's file in a data directory.
const StateFile = "lastknownversion"

// Notice tells of new releases.
type Notice struct {
	Newest   Version
	Running  string    // what the program says its version is
	Releases []Release // that are newer, newest first; at least one
}

// WatchOptions are what a Watcher needs; all but Newer are needed.
type WatchOptions struct {
	Client  *Client
	Running string // what the program says its version is
	Path    string // of the file, see StateFile
	// Deliver tells people. It may be called again for one version if the process ended just after it:
	// then it must do nothing.
	Deliver func(ctx context.Context, n Notice) error
	// Newer is told with each check of the newest version, if it is newer than Running; else of the zero
	// value.
	Newer  func(Version)
	Now    func() time.Time
	Random func() float64 // from 0 to 1
	Log    *slog.Logger
}

// Watcher looks once a day whether there is a newer version. It belongs to one goroutine.
type Watcher struct {
	o        WatchOptions
	etag     string    // of a changelog that had not the version wanted
	wanted   Version   // what DNS said then
	failures int       // in a row
	failed   time.Time // when they began
	warned   bool      // of them
}

// NewWatcher returns a Watcher, for Run.
func NewWatcher(o WatchOptions) *Watcher {
	if o.Newer == nil {
		o.Newer = func(Version) {}
	}
	return &Watcher{o: o}
}

// Run checks once a day, until ctx ends: also when the server was restarted between.
func (w *Watcher) Run(ctx context.Context) {
	for wait := w.firstWait(); upkeep.Sleep(ctx, wait); {
		err := w.Check(ctx)
		if ctx.Err() != nil {
			return
		}
		wait = w.after(ctx, err)
	}
}

// firstWait is the time to the first check: a day after the one before the start.
func (w *Watcher) firstWait() time.Duration {
	_, at, err := w.load()
	if err != nil || at.After(w.o.Now()) { // a clock that was wrong
		at = time.Time{}
	}
	wait := at.Add(watchEvery).Sub(w.o.Now())
	return max(wait, watchFirst) + w.jitter(10*time.Minute)
}

// jitter is a random part of d.
func (w *Watcher) jitter(d time.Duration) time.Duration {
	return time.Duration(w.o.Random() * float64(d))
}

// after logs how a check went, and returns the time to the next.
func (w *Watcher) after(ctx context.Context, err error) time.Duration {
	now := w.o.Now()
	if err == nil {
		if w.warned {
			w.o.Log.InfoContext(ctx, "looking for newer versions works again")
		}
		w.failures, w.warned = 0, false
		return watchEvery - watchJitter + w.jitter(2*watchJitter)
	}
	if w.failures == 0 {
		w.failed = now
	}
	w.failures++
	level := slog.LevelDebug
	if now.Sub(w.failed) >= watchSilent && !w.warned {
		level, w.warned = slog.LevelWarn, true
	}
	w.o.Log.Log(ctx, level, "looking for a newer version", "err", err, "failures", w.failures, "since", w.failed)
	return min(watchRetry<<min(w.failures-1, 5), watchEvery) + w.jitter(watchRetry)
}

// Check looks once, and has people told of a version that they were not told of.
func (w *Watcher) Check(ctx context.Context) error {
	latest, err := w.o.Client.Lookup(ctx)
	if err != nil {
		return err
	}
	running, isRelease := VersionOf(w.o.Running)
	known, _, err := w.load()
	if errors.Is(err, fs.ErrNotExist) && !isRelease {
		known = latest // a build from a checkout: what was there before it is no news
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if running.Newer(known) {
		known = running
	}
	if isRelease && latest.Newer(running) {
		w.o.Newer(latest)
	} else {
		w.o.Newer(Version{})
	}
	if !latest.Newer(known) {
		return w.save(known)
	}
	since := known
	if isRelease {
		since = running
	}
	n, err := w.fetch(ctx, latest, since)
	if err != nil {
		return err
	}
	if err := w.o.Deliver(ctx, n); err != nil {
		return fmt.Errorf("telling of version %s: %w", latest, err)
	}
	w.o.Log.InfoContext(ctx, "there is a newer version, postmaster was told", "version", latest.String())
	return w.save(latest)
}

// fetch gets what is new since a version.
func (w *Watcher) fetch(ctx context.Context, latest, since Version) (Notice, error) {
	if w.wanted != latest {
		w.etag, w.wanted = "", latest // a changelog without one version may have another
	}
	f, err := w.o.Client.Changelog(ctx, w.etag)
	if err != nil && !errors.Is(err, ErrNotModified) {
		return Notice{}, err
	}
	l, has := Between(f.Releases, since, latest)
	if !has {
		w.etag = cmp.Or(f.ETag, w.etag)
		return Notice{}, fmt.Errorf("DNS has version %s, and the changelog no entry of it that is signed", latest)
	}
	w.etag = ""
	return Notice{Newest: latest, Running: w.o.Running, Releases: l}, nil
}

// load returns the version that was told of last, and when the last check was.
func (w *Watcher) load() (Version, time.Time, error) {
	f, err := os.Open(w.o.Path)
	if err != nil {
		return Version{}, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Version{}, time.Time{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 2*maxVersion))
	if err != nil {
		return Version{}, time.Time{}, err
	}
	if len(strings.TrimSpace(string(text))) == 0 { // of a file that was made by hand
		return Version{}, info.ModTime(), nil
	}
	v, err := ParseVersion(strings.TrimSpace(string(text)))
	if err != nil {
		return Version{}, time.Time{}, fmt.Errorf("%s: %w: remove it, or write the version that is known into it", w.o.Path, err)
	}
	return v, info.ModTime(), nil
}

// save remembers that a version was told of, and that now was a check.
func (w *Watcher) save(v Version) error {
	if err := atomicfile.Write(w.o.Path, []byte(v.String()+"\n"), 0o660); err != nil {
		return err
	}
	now := w.o.Now()
	return os.Chtimes(w.o.Path, now, now)
}

// Subject is the subject of a message that has the notice.
func (n Notice) Subject() string {
	return fmt.Sprintf("mox %s is available", n.Newest)
}

// Text is the text of that message.
func (n Notice) Text() string {
	running, isRelease := VersionOf(n.Running)
	this := "This server runs " + cmp.Or(n.Running, "a version that is not known") + "."
	commands := "\tmox upgrade -version " + n.Newest.String() + "\n"
	if isRelease && n.Newest.Pre == "" {
		this = "This server runs " + running.String() + "."
		commands = "\tmox upgrade\n"
	}
	return fmt.Sprintf(`%s Version %s is available.

To upgrade, as who may replace the program (usually root):

%s
That fetches the program, verifies who released it, tries it on a copy
of the data, and goes over to it without refusing a connection. If it
fails, the one before serves again. A mox that was installed by a package
manager is upgraded by that. "mox checkupdate" prints what is new.

What is new:

%s`, this, n.Newest, commands, Notes(n.Releases))
}
