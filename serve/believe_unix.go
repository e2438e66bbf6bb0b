//go:build unix

package serve

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"mox/config"
	"mox/mlog"
	"mox/ownership"
	"mox/sconf"
)

// As root, the parent believes what is in mox.conf, and nothing that the worker could have changed:
// whoever has taken over the worker must not get more from the parent than the worker has. So
// mox.conf has to be root's, with all on the way to it, and domains.conf, which is the worker's,
// is not read here.

// parentLog is the log of the parent.
func parentLog(o MainOptions) (*slog.Logger, *mlog.Levels) {
	levels := mlog.NewLevels(mlog.LevelInfo, nil)
	return slog.New(mlog.NewHandler(o.Log, mlog.Options{Levels: levels})), levels
}

// setLevels sets what is logged.
func setLevels(o MainOptions, snap *config.Snapshot, levels *mlog.Levels) {
	level := snap.LogLevel
	if l, err := mlog.ParseLevel(o.LogLevel); err == nil && o.LogLevel != "" {
		level = l
	}
	levels.Replace(level, snap.PackageLogLevels)
}

// believedConfig reads mox.conf, which as root it makes root's if it is that of an installation
// where it was not yet, and repairs owners and modes. The user is nil if this is not root. If the user could
// change mox.conf by a directory above, or because nothing is to be repaired, the log tells so, and it is believed.
func believedConfig(o MainOptions) (*slog.Logger, *config.Snapshot, *ownership.User, error) {
	log, levels := parentLog(o)
	snap, err := readConfig(o.ConfigPath, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	setLevels(o, snap, levels)
	if os.Geteuid() != 0 {
		return log, snap, nil, nil
	}
	user, err := ownership.Lookup(snap.Static.User)
	if err != nil {
		return nil, nil, nil, err
	}
	first := snap
	snap, err = fixConfig(log, first, &user)
	if changeable, ok := errors.AsType[*ownership.ChangeableError](err); ok {
		// An update of mox must not end the mail of who has it so.
		log.Error("whoever takes over the unprivileged process of this server could become root by changing mox.conf", "err", changeable)
		user.Believed = true
		snap, err = fixConfig(log, first, &user)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	return log, snap, &user, nil
}

// fixConfig repairs owners and modes, and returns the configuration that may be believed.
func fixConfig(log *slog.Logger, first *config.Snapshot, user *ownership.User) (*config.Snapshot, error) {
	fix := !first.Static.NoFixPermissions
	if fix {
		if err := guardConfig(log, first.Path, user); err != nil {
			return nil, err
		}
	}
	snap, err := readConfig(first.Path, user)
	if err != nil {
		return nil, err
	}
	if a, b := first.Static, snap.Static; a.User != b.User || a.NoFixPermissions != b.NoFixPermissions {
		return nil, fmt.Errorf("%s was changed while it was read", first.Path)
	}
	if !fix {
		return snap, nil
	}
	l, err := layout(log, snap, user)
	if err == nil {
		err = ownership.Fix(l)
	}
	if err != nil {
		return nil, fmt.Errorf("repairing permissions: %w", err)
	}
	return snap, nil
}

// guardConfig makes mox.conf root's.
func guardConfig(log *slog.Logger, path string, user *ownership.User) error {
	if user == nil {
		return nil
	}
	path, err := filepath.Abs(path)
	if err == nil {
		err = ownership.Guard(ownership.Layout{Config: path, Data: filepath.Dir(path), User: *user, Log: log})
	}
	if err != nil {
		return fmt.Errorf("repairing permissions of mox.conf: %w", err)
	}
	return nil
}

// CheckPlace tells, for root, whether the user of mox.conf can put another directory into the place of that of
// mox.conf: "mox serve" as root would have to believe that user. What else is wrong with owners is repaired.
func CheckPlace(snap *config.Snapshot) error {
	if os.Geteuid() != 0 {
		return nil
	}
	user, err := ownership.Lookup(snap.Static.User)
	if err != nil {
		return nil // who never starts it as root needs none
	}
	err = ownership.CheckDir(filepath.Dir(snap.Path), user)
	if _, ok := errors.AsType[*ownership.ChangeableError](err); ok {
		return err
	}
	return nil
}

// readConfig reads mox.conf, which must not be user's to change or replace; a nil user is believed.
func readConfig(path string, user *ownership.User) (*config.Snapshot, error) {
	f, err := ownership.OpenRoots(path, user)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, sconf.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	// Keys and other files that it names are for the worker to check.
	return config.LoadStatic(path, text, config.Options{SkipFiles: true})
}

// layout is what there is to repair.
func layout(log *slog.Logger, snap *config.Snapshot, user *ownership.User) (l ownership.Layout, err error) {
	l = ownership.Layout{User: *user, Log: log}
	for _, path := range slices.Concat(keyFiles(snap), programs(snap)) {
		if path, err = filepath.Abs(path); err != nil {
			return l, err
		}
		l.Keep = append(l.Keep, path)
	}
	if l.Config, err = filepath.Abs(snap.Path); err == nil {
		l.Data, err = filepath.Abs(snap.DataPath("."))
	}
	return l, err
}

// programs are those that mox.conf names, by their whole path. They are run by processes of the
// worker's user, but before these are confined.
func programs(snap *config.Snapshot) []string {
	var paths []string
	for _, a := range snap.Static.ACME {
		if a.DNS != nil && len(a.DNS.Command) > 0 {
			paths = append(paths, a.DNS.Command[0])
		}
	}
	for _, d := range snap.Static.DocumentText {
		if len(d.Command) > 0 {
			paths = append(paths, d.Command[0])
		}
	}
	return paths
}

// checkProgram refuses a program that root is to run and user could change.
func checkProgram(path string, user *ownership.User) error {
	if user == nil {
		return nil
	}
	f, err := ownership.OpenRoots(path, user)
	if err != nil {
		return err
	}
	return f.Close()
}

// credential is that of workers; nil: that of this process.
func (h *handover) credential() *syscall.Credential {
	if h.user == nil {
		return nil
	}
	return &syscall.Credential{Uid: h.user.UID, Gid: h.user.GID}
}

// envTry has a worker end when it has read its configuration.
const envTry = "MOX_TRY"

// tryTime is for that.
const tryTime = time.Minute

// tryConfig has a process with the rights of the worker read the whole configuration, as the next
// worker would. The error has what is wrong with it.
func (p *parent) tryConfig() error {
	exe := p.exe
	if selfThere() {
		exe = selfExe
	}
	var out tailWriter
	cmd := exec.Command(exe)
	cmd.Args, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Args, &out, &out, p.files
	env, err := handoverEnv(nil, p.paths)
	if err != nil {
		return err
	}
	cmd.Env = append(env, envTry+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.credential()}
	cmd.WaitDelay = 5 * time.Second
	if err := startWithoutRights(cmd, exe); err != nil {
		return fmt.Errorf("checking configuration: %w", err)
	}
	defer time.AfterFunc(tryTime, func() { cmd.Process.Kill() }).Stop()
	if err := cmd.Wait(); err != nil {
		return errors.New("configuration: " + strings.TrimSpace(out.String()+"\n("+err.Error()+")"))
	}
	return nil
}

// tailWriter keeps the end of what is written to it.
type tailWriter struct{ text []byte }

// maxTail is how much, in bytes.
const maxTail = 2000

func (w *tailWriter) Write(p []byte) (int, error) {
	w.text = append(w.text, p...)
	if n := len(w.text); n > maxTail {
		w.text = append(w.text[:0], w.text[n-maxTail:]...)
	}
	return len(p), nil
}

func (w *tailWriter) String() string { return string(w.text) }
