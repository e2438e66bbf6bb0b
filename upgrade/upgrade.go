package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"mox/admin"
	"mox/atomicfile"
	"mox/db"
	"mox/ownership"
)

// Source gets a new program.
type Source interface {
	// Fetch writes the program that is to be upgraded to, and returns its version, "" if that is not
	// known before it was asked. from is what the program in use says its version is. When there is no
	// error, whoever implements it has verified that what was written is to be trusted; nothing of it
	// is executed before.
	Fetch(ctx context.Context, from string, w io.Writer) (version string, err error)
}

// File is a Source: a program that somebody put there, at a path.
type File string

// Fetch copies the file.
func (f File) Fetch(_ context.Context, _ string, w io.Writer) (string, error) {
	in, err := os.Open(string(f))
	if err != nil {
		return "", err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return "", err
}

// Server is the running server.
type Server interface {
	// Upgrade begins the handover; see [admin.Admin.Upgrade].
	Upgrade(ctx context.Context, r admin.UpgradeRequest) error
	// Status tells how far it is. It fails while no program answers.
	Status(ctx context.Context) (admin.UpgradeStatus, error)
}

// Options are what an upgrade needs. Those without a default are needed.
type Options struct {
	Source  Source
	Program string // path of the program that the server was started from
	Config  string // path of mox.conf
	Data    string // data directory
	Server  Server // nil: no server runs, the program is only replaced

	// As makes a command run as the user that the data belongs to. Nil: as this process.
	As func(cmd *exec.Cmd)
	// Tell gets a line of progress. Nil: nobody wants it.
	Tell func(format string, args ...any)
	// Free tells how many bytes there are for a copy in a directory. Nil: that is not checked.
	Free func(dir string) (uint64, error)
	// SkipRehearsal leaves out the second step; then the upgrade is not reversible, and all databases
	// but search indexes are copied at the handover.
	SkipRehearsal bool
	// Start and Watch are the times of the handover; 0: the server's defaults.
	Start, Watch time.Duration
	// Patience is how long to wait for the server's answer at the end. 0: what Start and Watch and the
	// way back take at most.
	Patience time.Duration
	ID       string // of this upgrade, any
}

// Result tells what an upgrade did. It is valid with an error too.
type Result struct {
	From, To   string // versions
	Rehearsed  bool
	Changed    []string // names of databases whose schema changes
	Reversible bool     // mail that came in after the handover is no hindrance to going back
	State      string   // of the server, a state of package admin; "" if it was not asked
	Reason     string   // of what went wrong there
	Installed  bool     // the new program is at the path
}

// Errors of Run.
var (
	// ErrProgram: the new program is not fit for use, and nothing was changed.
	ErrProgram = errors.New("the new program is not fit for use, nothing was changed")
	// ErrRolledBack: the old program serves again.
	ErrRolledBack = errors.New("went back to the program before")
	// ErrForward: the new program failed after it had served, and stays.
	ErrForward = errors.New("the new program failed after it had served; it stays, as only it can use the data")
)

// runner is one upgrade.
type runner struct {
	Options
	result Result
}

// Run upgrades. It is not to be called twice at a time for the same server.
func Run(ctx context.Context, o Options) (Result, error) {
	r := &runner{Options: o}
	if r.Tell == nil {
		r.Tell = func(string, ...any) {}
	}
	err := r.run(ctx)
	return r.result, err
}

func (r *runner) run(ctx context.Context) error {
	from, err := r.output(ctx, commandTime, r.Program, "version")
	if err != nil {
		return fmt.Errorf("the program in use: %w", err)
	}
	r.result.From, _, _ = strings.Cut(from, "\n")
	next := r.Program + ".new"
	version, err := r.stage(ctx, next)
	if err != nil {
		return err
	}
	defer os.Remove(next)
	if err := r.check(ctx, next, version); err != nil {
		return fmt.Errorf("%w: %w", ErrProgram, err)
	}
	if err := r.rehearse(ctx, next); err != nil {
		return err
	}
	if err := install(next, r.Program); err != nil {
		return err
	}
	r.result.Installed = true
	r.Tell("%s is %s now, the one before is %s.old", r.Program, r.result.To, r.Program)
	if r.Server == nil {
		return nil
	}
	return r.handOver(ctx)
}

// stage puts the new program beside the old one, with its mode and capabilities, and returns its version as the
// source has it. It cannot be executed before all of it is there and verified.
func (r *runner) stage(ctx context.Context, next string) (version string, err error) {
	info, err := os.Stat(r.Program)
	if err != nil {
		return "", fmt.Errorf("the program in use: %w", err)
	}
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	out, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("%w: upgrades must be run by who may replace %s", err, r.Program)
	}
	// Whether capabilities can be kept is known before anything is fetched; a change of content takes them away.
	if err = ownership.KeepCapabilities(out, r.Program); err != nil {
		err = fmt.Errorf("nothing was changed: %w", err)
	} else if version, err = r.Source.Fetch(ctx, r.result.From, out); err != nil {
		err = fmt.Errorf("getting the new program: %w", err)
	} else {
		err = errors.Join(keepOwner(out, info), out.Chmod(info.Mode().Perm()|0o100))
		err = errors.Join(err, ownership.KeepCapabilities(out, r.Program), out.Sync())
	}
	if err = errors.Join(err, out.Close()); err != nil {
		os.Remove(next)
	}
	return version, err
}

// commandTime is for a program to say its version or check a configuration.
const commandTime = 30 * time.Second

// check has the new program say its version, which has to be version unless that is "", and check
// the configuration.
func (r *runner) check(ctx context.Context, next, version string) error {
	to, err := r.output(ctx, commandTime, next, "version")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(to), "\n")
	if want := runtime.GOOS + "/" + runtime.GOARCH; len(lines) != 2 || lines[1] != want {
		return fmt.Errorf("it answers %.200q for its version, and not a version and %s", to, want)
	}
	r.result.To = lines[0]
	if v, _, _ := strings.Cut(lines[0], " "); version != "" && v != version {
		return fmt.Errorf("it says that it is %.100q, and was released as %s", lines[0], version)
	}
	if _, err := r.outputAs(ctx, nil, commandTime, next, "-config", r.Config, "config", "test"); err != nil {
		return err
	}
	r.Tell("from %s to %s", r.result.From, r.result.To)
	return nil
}

// rehearseTime is for checks of the copy.
const rehearseTime = 6 * time.Hour

// rehearse has the new program take over a copy of the data.
func (r *runner) rehearse(ctx context.Context, next string) error {
	if r.SkipRehearsal {
		return nil // what changes is not known
	}
	dir := filepath.Join(r.Data, Dir, "rehearsal")
	if err := r.space(); err != nil {
		return err
	}
	defer func() { _ = r.remove(dir) }()
	if err := r.remove(dir); err != nil {
		return err
	}
	start := time.Now()
	if _, err := r.output(ctx, rehearseTime, r.Program, "copydata", r.Data, dir); err != nil {
		return fmt.Errorf("copying the data: %w", err)
	}
	before, err := versions(dir)
	if err != nil {
		return err
	}
	r.Tell("data copied in %v, checking the copy with the new program", time.Since(start).Round(time.Millisecond))
	if _, err := r.output(ctx, rehearseTime, next, "verifydata", dir); err != nil {
		return fmt.Errorf("%w: on a copy of the data: %w", ErrProgram, err)
	}
	after, err := versions(dir)
	if err != nil {
		return err
	}
	r.result.Rehearsed, r.result.Changed = true, changed(before, after)
	if len(r.result.Changed) == 0 {
		r.result.Reversible = true
		r.Tell("the schema of databases stays")
		return nil
	}
	_, err = r.output(ctx, rehearseTime, r.Program, "verifydata", dir)
	r.result.Reversible = err == nil
	if ctx.Err() != nil {
		return ctx.Err()
	}
	how := "the program in use can use it as well"
	if !r.result.Reversible {
		how = "the program in use cannot use it: once the new one has served, there is no way back"
	}
	r.Tell("the schema changes of %s; %s", strings.Join(r.result.Changed, ", "), how)
	return nil
}

// changed lists the names of databases that have another version.
func changed(before, after map[string]db.Version) (names []string) {
	for _, rel := range slices.Sorted(maps.Keys(before)) {
		if name := filepath.Base(rel); before[rel] != after[rel] && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// space refuses when there is no room for the copy, and as much again for the new schema.
func (r *runner) space() error {
	if r.Free == nil {
		return nil
	}
	size, err := DataSize(r.Data)
	if err != nil {
		return err
	}
	free, err := r.Free(r.Data)
	if err != nil {
		return err
	}
	if need := uint64(size) + uint64(size)/4 + 64<<20; free < need {
		return fmt.Errorf("a rehearsal needs %d MB for a copy of the data, and %s has %d MB left: make room, or leave it out by -skip-rehearsal", need>>20, r.Data, free>>20)
	}
	return nil
}

// remove removes a directory of the data's owner, as that.
func (r *runner) remove(dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	// As that user, so that links in it lead nowhere else.
	cmd := exec.Command("rm", "-rf", "--", dir)
	if r.As == nil {
		if err := OnlyRoots(dir); err != nil {
			return err
		}
		return os.RemoveAll(dir)
	}
	r.As(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("removing %s: %w: %s", dir, err, out)
	}
	return nil
}

// output runs a program as the user of the data, and returns what it prints.
func (r *runner) output(ctx context.Context, limit time.Duration, program string, args ...string) (string, error) {
	return r.outputAs(ctx, r.As, limit, program, args...)
}

func (r *runner) outputAs(ctx context.Context, as func(*exec.Cmd), limit time.Duration, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	var err error
	for tries := 0; ; tries++ {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.WaitDelay = 5 * time.Second
		if as != nil {
			as(cmd)
		}
		// A process just forked may hold the program, written a moment ago, open for writing until it executes
		// its own. That passes.
		if err = cmd.Run(); !errors.Is(err, syscall.ETXTBSY) || tries == 100 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err == nil {
		return stdout.String(), nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no end in %v", limit)
	}
	text := strings.TrimSpace(stdout.String() + "\n" + stderr.String())
	return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), args[0], err, tail(text))
}

// tail is the end of an output.
func tail(s string) string {
	if len(s) > 2000 {
		return "... " + s[len(s)-2000:]
	}
	return s
}

// install puts the new program in the place of the old one, which stays beside it.
func install(next, program string) error {
	old := program + ".old"
	if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(program, old); err != nil {
		return fmt.Errorf("keeping the program in use: %w", err)
	}
	if err := os.Rename(next, program); err != nil {
		return fmt.Errorf("installing the new program: %w", err)
	}
	return atomicfile.SyncDir(filepath.Dir(program))
}

// Revert puts the program from before back in its place.
func Revert(program string) error {
	if err := os.Rename(program+".old", program); err != nil {
		return fmt.Errorf("putting back the program from before: %w", err)
	}
	return atomicfile.SyncDir(filepath.Dir(program))
}

// handOver asks the server, and follows what becomes of it.
func (r *runner) handOver(ctx context.Context) error {
	request := admin.UpgradeRequest{ID: r.ID, Reversible: r.result.Reversible, Start: r.Start, Watch: r.Watch}
	if !r.result.Reversible {
		request.Snapshot = r.result.Changed
		if !r.result.Rehearsed {
			request.Snapshot = []string{admin.AllDatabases}
		}
	}
	if err := r.Server.Upgrade(ctx, request); err != nil {
		r.result.Installed = false
		return errors.Join(fmt.Errorf("asking the server: %w", err), Revert(r.Program))
	}
	st, err := r.follow(ctx)
	if err != nil {
		return err
	}
	r.result.State, r.result.Reason = st.State, st.Reason
	switch st.State {
	case admin.UpgradeDone:
		return nil
	case admin.UpgradeForward:
		return fmt.Errorf("%w: %s", ErrForward, st.Reason)
	}
	r.result.Installed = false
	return errors.Join(fmt.Errorf("%w: %s", ErrRolledBack, st.Reason), Revert(r.Program))
}

// follow waits for the end of the handover.
func (r *runner) follow(ctx context.Context) (admin.UpgradeStatus, error) {
	patience := r.Patience
	if patience == 0 {
		or := func(d, otherwise time.Duration) time.Duration {
			if d == 0 {
				return otherwise
			}
			return d
		}
		// Twice to start, there and back, and the databases to copy.
		patience = 2*or(r.Start, 15*time.Minute) + or(r.Watch, 3*time.Minute) + 90*time.Minute
	}
	limit := time.Now().Add(patience)
	for state := ""; ; {
		st, err := r.Server.Status(ctx)
		if err == nil && st.ID == r.ID {
			if st.State != state {
				state = st.State
				r.Tell("server: %s", strings.TrimSuffix(state+": "+st.Reason, ": "))
			}
			if st.Final() {
				return st, nil
			}
		}
		if time.Now().After(limit) {
			return st, fmt.Errorf("no answer from the server in %v: see its log. %s is the new program, %s.old the one before", patience, r.Program, r.Program)
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return st, fmt.Errorf("%w: the server goes on with the upgrade by itself; \"mox upgrade -status\" tells of it", ctx.Err())
		}
	}
}
