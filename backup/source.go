package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/ban"
	"mox/db"
)

// Item is a file of a backup, or to be backed up.
type Item struct {
	Path     string    // with slashes: "config/mox.conf", "data/accounts/NAME/account.db"
	Size     int64     // bytes
	Time     time.Time // of its last change; of a database, when it was read
	Database bool
	PageSize int    // of a database
	Mark     string // equal marks: equal content; empty: not known
}

// Sink takes what a [Source] sends. An error of its methods ends the Source. Methods are called
// one after the other.
type Sink interface {
	// Unchanged is asked before a file is read: true when its content is known already, by
	// Path and Mark.
	Unchanged(it Item) (bool, error)
	// File reads r to its end. An error of r is of this file alone: File keeps nothing of it and
	// returns the error as it is.
	File(it Item, r io.Reader) error
	// Warn tells of something that a person should look at; Fail of something that is missing in
	// the backup.
	Warn(text string) error
	Fail(text string) error
}

// Source is the configuration and the data directory of a server, which may be running, also
// in this process.
type Source struct {
	ConfigPath string          // of mox.conf
	DataDir    string          // absolute
	Accounts   map[string]bool // those of the configuration; nil: not known
	Exclude    []string        // absolute paths that are left out, with what is below
	Rate       int64           // bytes a second that are read at most; 0: 64 MiB
	Now        func() time.Time

	// Moving stops mail from moving from the queue to accounts until release is called, and
	// returns accounts for which mail is in the queue. nil: there is no server that moves any.
	Moving func(ctx context.Context) (accounts []string, release func(), err error)
}

// Of the data directory: what belongs to the running process, and what is made anew of other
// files when it is missing. An index for searches follows the change log of its account, and
// would be wrong beside an older account.
var skipped = map[string]bool{"lock": true, "ctl": true, "tmp": true, "shares": true, "tlspubkeys.json": true, "jmappush.json": true}

// skippedFile is the index for searches of an account.
const skippedFile = "search.db"

// known are the names of files and directories at the top of the data directory; others are
// copied too, with a warning.
var known = map[string]bool{
	"accounts": true, "acme": true, "autotls": true, "backup": true, "queue.db": true, "report.db": true, "mtasts.db": true, "trace.db": true, "ban.db": true, "login.db": true,
	"receivedid.key": true, "srs.key": true, "lastknownversion": true, "moxversion": true, "updates": true, "tlspubkeys.json": true, "jmappush.json": true,
	"mox.conf": true, "domains.conf": true, "adminpasswd": true, "dkim": true, "hostkeys": true, "web": true,
}

// Send sends all files. What cannot be read is told to the sink, and the rest is sent
// nevertheless.
//
// The order matters: mail moves from the queue to accounts. The queue is read first, so that
// a message that is delivered meanwhile is in the queue, and perhaps also in the account, never
// in neither. So that it is not in both, the queue and the accounts that mail in it is for are
// read as of one moment, in which none moves. What follows the change log of an account (junk filter) is read before the account:
// it may be older, not newer.
func (s *Source) Send(ctx context.Context, to Sink) error {
	x := &sending{s: s, ctx: ctx, to: to, limit: newLimiter(s.Rate), now: s.Now}
	if x.now == nil {
		x.now = time.Now
	}
	defer x.unpin()
	if err := x.config(); err != nil {
		return err
	}
	if err := x.pin(); err != nil {
		return err
	}
	return x.data()
}

// sending is one run of a Source.
type sending struct {
	s     *Source
	ctx   context.Context
	to    Sink
	limit *limiter
	now   func() time.Time

	pinned map[string]pinned // by path
	first  map[string]bool   // accounts of which databases are in it
}

// pinned is a database that is open as it was at one moment.
type pinned struct {
	pages *db.Pages
	mark  string
	at    time.Time
}

// Bounds of the moment in which no mail moves.
const (
	maxPinned  = 100 // accounts
	pinTimeout = 5 * time.Second
)

// pin opens the queue, and the accounts that mail in it is for, as of one moment.
func (x *sending) pin() error {
	if x.s.Moving == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(x.ctx, pinTimeout)
	defer cancel()
	accounts, release, err := x.s.Moving(ctx)
	if err != nil {
		return x.to.Warn(fmt.Sprintf("what is delivered from the queue while the backup is made may be twice in it: %v", err))
	}
	defer release()
	x.pinned, x.first = map[string]pinned{}, map[string]bool{}
	x.open(filepath.Join(x.s.DataDir, "queue.db"))
	for _, name := range accounts[:min(len(accounts), maxPinned)] {
		dir := filepath.Join(x.s.DataDir, "accounts", name)
		x.first[name] = true
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // told when its turn comes
		}
		slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return last(a) - last(b) })
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".db") && e.Name() != skippedFile && e.Type().IsRegular() {
				x.open(filepath.Join(dir, e.Name()))
			}
		}
	}
	return nil
}

// open pins a database; one that cannot be opened is tried again when its turn comes.
func (x *sending) open(path string) {
	p := pinned{mark: db.Mark(path, x.now()), at: x.now()}
	var err error
	if p.pages, err = db.OpenPages(x.ctx, path); err == nil {
		x.pinned[path] = p
	}
}

func (x *sending) unpin() {
	for _, p := range x.pinned {
		p.pages.Close()
	}
}

// config sends the directory of mox.conf, or only the two files when it is also the data
// directory or above it by more than one level.
func (x *sending) config() error {
	dir := filepath.Dir(x.s.ConfigPath)
	if same(dir, x.s.DataDir) {
		for _, name := range []string{filepath.Base(x.s.ConfigPath), "domains.conf"} {
			if err := x.plain(filepath.Join(dir, name), "config/"+name); err != nil {
				return err
			}
		}
		return nil
	}
	return x.tree(dir, "config", 0)
}

func same(a, b string) bool {
	fa, err := os.Stat(a)
	if err != nil {
		return false
	}
	fb, err := os.Stat(b)
	return err == nil && os.SameFile(fa, fb)
}

// data sends the data directory.
func (x *sending) data() error {
	entries, err := os.ReadDir(x.s.DataDir)
	if err != nil {
		return x.to.Fail(fmt.Sprintf("data directory: %v", err))
	}
	rank := func(e os.DirEntry) int {
		switch name := e.Name(); {
		case name == "queue.db":
			return 0
		case strings.HasSuffix(name, ".db"):
			return 1
		case name == "accounts":
			return 2
		}
		return 3
	}
	slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return rank(a) - rank(b) })
	for _, e := range entries {
		name := e.Name()
		if _, ok := ban.FormatOf(name); ok || skipped[name] {
			continue // the bans for a packet filter are in the database too
		}
		path := filepath.Join(x.s.DataDir, name)
		if x.excluded(path) {
			continue
		}
		base := strings.TrimSuffix(strings.TrimSuffix(name, "-wal"), "-shm")
		if !known[base] {
			if err := x.to.Warn(fmt.Sprintf("data/%s: not a file that mox makes; it is copied too", name)); err != nil {
				return err
			}
		}
		if name == "accounts" && e.IsDir() {
			err = x.accounts(path)
		} else {
			err = x.entry(path, "data/"+name, e, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *sending) accounts(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return x.to.Fail(fmt.Sprintf("data/accounts: %v", err))
	}
	rank := func(e os.DirEntry) int {
		if x.first[e.Name()] {
			return 0 // their logs grow until they are read
		}
		return 1
	}
	slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return rank(a) - rank(b) })
	for _, e := range entries {
		if x.s.Accounts != nil && !x.s.Accounts[e.Name()] {
			if err := x.to.Warn(fmt.Sprintf("data/accounts/%s: the account is not in the configuration; it is copied too", e.Name())); err != nil {
				return err
			}
		}
		if err := x.entry(filepath.Join(dir, e.Name()), "data/accounts/"+e.Name(), e, 0); err != nil {
			return err
		}
	}
	return nil
}

// maxDepth bounds how deep directories are followed.
const maxDepth = 16

// tree sends a directory.
func (x *sending) tree(dir, as string, depth int) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) && depth > 0 {
		return nil // removed meanwhile
	} else if err != nil {
		return x.to.Fail(fmt.Sprintf("%s: %v", as, err))
	}
	// account.db is the last of its directory.
	slices.SortStableFunc(entries, func(a, b os.DirEntry) int { return last(a) - last(b) })
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if x.excluded(path) || same(path, x.s.DataDir) || e.Name() == skippedFile || strings.HasPrefix(e.Name(), skippedFile+"-") {
			continue
		}
		if err := x.entry(path, as+"/"+e.Name(), e, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func last(e os.DirEntry) int {
	if e.Name() == "account.db" {
		return 1
	}
	return 0
}

func (x *sending) excluded(path string) bool {
	return slices.ContainsFunc(x.s.Exclude, func(p string) bool { return path == p || strings.HasPrefix(path, p+string(filepath.Separator)) })
}

// entry sends a file or directory.
func (x *sending) entry(path, as string, e os.DirEntry, depth int) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	name := e.Name()
	switch {
	case depth > maxDepth:
		return x.to.Fail(as + ": too deep")
	case e.IsDir():
		return x.tree(path, as, depth)
	case e.Type()&fs.ModeSocket != 0:
		return nil
	case !e.Type().IsRegular():
		// A link may lead to anything; what it leads to within the directories is copied anyway.
		return x.linked(path, as)
	case strings.HasSuffix(name, ".db"):
		return x.database(path, as)
	case strings.HasSuffix(name, ".db-wal"), strings.HasSuffix(name, ".db-shm"):
		return nil // of the database beside it
	}
	return x.plain(path, as)
}

// linked sends the file that a symbolic link leads to, as file of the link's name.
func (x *sending) linked(path, as string) error {
	fi, err := os.Stat(path)
	if err == nil && fi.Mode().IsRegular() && !strings.HasSuffix(path, ".db") {
		return x.plain(path, as)
	}
	return x.to.Warn(as + ": not a regular file; it is left out")
}

// plain sends a file that is not a database.
func (x *sending) plain(path, as string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return x.to.Fail(fmt.Sprintf("%s: %v", as, err))
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return x.to.Fail(fmt.Sprintf("%s: %v", as, err))
	}
	it := Item{Path: as, Size: fi.Size(), Time: fi.ModTime().UTC(), Mark: fileMark(path, x.now())}
	return x.file(it, f)
}

// fileMark is db.Mark for a file that is not a database.
func fileMark(path string, now time.Time) string { return db.Mark(path, now) }

// database sends a database as it is at one moment.
func (x *sending) database(path, as string) error {
	it := Item{Path: as, Database: true, Time: x.now().UTC(), Mark: db.Mark(path, x.now())}
	pin, isPinned := x.pinned[path]
	if isPinned {
		delete(x.pinned, path)
		defer pin.pages.Close()
		it.Time, it.Mark = pin.at.UTC(), pin.mark
	}
	if done, err := x.unchanged(it); done || err != nil {
		return err
	}
	if isPinned {
		it.Size, it.PageSize = pin.pages.Size(), pin.pages.PageSize()
		return x.send(it, pin.pages)
	}
	pages, err := db.OpenPages(x.ctx, path)
	if err != nil {
		if _, serr := os.Stat(path); errors.Is(serr, fs.ErrNotExist) {
			return x.to.Warn(as + ": was removed meanwhile")
		}
		return x.to.Fail(fmt.Sprintf("%s: %v", as, err))
	}
	defer pages.Close()
	it.Size, it.PageSize = pages.Size(), pages.PageSize()
	return x.send(it, pages)
}

func (x *sending) file(it Item, r io.Reader) error {
	if done, err := x.unchanged(it); done || err != nil {
		return err
	}
	return x.send(it, r)
}

func (x *sending) unchanged(it Item) (bool, error) {
	if it.Mark == "" {
		return false, nil
	}
	return x.to.Unchanged(it)
}

// send sends a file that is open.
func (x *sending) send(it Item, r io.Reader) error {
	lr := &limitedReader{ctx: x.ctx, r: r, l: x.limit}
	err := x.to.File(it, lr)
	if err != nil && lr.err != nil && x.ctx.Err() == nil {
		return x.to.Fail(fmt.Sprintf("%s: %v", it.Path, lr.err))
	}
	return err
}

// limiter bounds how much is read in a second.
type limiter struct {
	rate  float64 // bytes a second
	owed  float64 // bytes
	since time.Time
}

func newLimiter(rate int64) *limiter {
	if rate == 0 {
		rate = 64 << 20
	}
	return &limiter{rate: float64(rate), since: time.Now()}
}

// pause is how long to wait after reading n bytes. Half a megabyte at a time is free.
func (l *limiter) pause(n int) time.Duration {
	now := time.Now()
	l.owed = max(l.owed-now.Sub(l.since).Seconds()*l.rate, 0) + float64(n)
	l.since = now
	if l.owed < 512<<10 {
		return 0
	}
	return time.Duration(l.owed / l.rate * float64(time.Second))
}

// limitedReader reads with pauses, and remembers an error.
type limitedReader struct {
	ctx context.Context
	r   io.Reader
	l   *limiter
	err error
}

func (r *limitedReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	if d := r.l.pause(n); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.ctx.Done():
			r.err = r.ctx.Err()
			return n, r.err
		}
	}
	return n, err
}
