//go:build unix

package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"mox/config"
)

// Supervise is the part of "mox serve" that runs as root: it repairs permissions, binds
// all sockets, opens the TLS key files, runs the worker as the configured user and waits
// for it. It returns the worker's exit status.
func Supervise(ctx context.Context, log *slog.Logger, snap *config.Snapshot) (int, error) {
	if os.Getenv(envSockets) != "" || os.Getenv(envFiles) != "" {
		return 1, fmt.Errorf("%s and %s are set: refusing to start as root with inherited sockets", envSockets, envFiles)
	}
	runtime.GOMAXPROCS(1)
	cred, err := lookupUser(snap.Static.User)
	if err != nil {
		return 1, err
	}
	if !snap.Static.NoFixPermissions {
		if err := fixPermissions(log, snap, cred); err != nil {
			return 1, fmt.Errorf("repairing permissions: %w", err)
		}
	}
	h, err := gather(snap)
	if err != nil {
		return 1, err
	}
	return h.run(ctx, log, cred)
}

// handover is what the parent opens for the worker.
type handover struct {
	addrs, paths []string
	fds          []*os.File // sockets, then files
}

// gather binds the sockets and opens the key files of snap.
func gather(snap *config.Snapshot) (*handover, error) {
	h := &handover{}
	for _, addr := range listenAddresses(snap) {
		l, err := bind(addr)
		if err != nil {
			return nil, err
		}
		f, err := l.(*net.TCPListener).File()
		l.Close()
		if err != nil {
			return nil, fmt.Errorf("socket %s: %w", addr, err)
		}
		h.addrs = append(h.addrs, addr)
		h.fds = append(h.fds, f)
	}
	for _, path := range keyFiles(snap) {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("opening tls file: %w", err)
		}
		h.paths = append(h.paths, path)
		h.fds = append(h.fds, f)
	}
	return h, nil
}

// run starts the worker, passes signals on and waits for its end.
func (h *handover) run(ctx context.Context, log *slog.Logger, cred *syscall.Credential) (int, error) {
	exe, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("finding own executable: %w", err)
	}
	cmd := exec.CommandContext(ctx, exe, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, os.Stdout, os.Stderr
	cmd.ExtraFiles = h.fds
	cmd.Env = append(os.Environ(), envSockets+"="+strings.Join(h.addrs, ","), envFiles+"="+strings.Join(h.paths, ","))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("starting worker: %w", err)
	}
	for _, f := range h.fds {
		f.Close()
	}
	log.Debug("worker started", "pid", cmd.Process.Pid, "uid", cred.Uid, "gid", cred.Gid)

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
				log.Error("passing on signal", "err", err)
			}
		case err := <-done:
			return workerStatus(err)
		}
	}
}

// workerStatus is the status to exit with for the worker's end.
func workerStatus(err error) (int, error) {
	var exit *exec.ExitError
	if err == nil {
		return 0, nil
	} else if !errors.As(err, &exit) {
		return 1, fmt.Errorf("waiting for worker: %w", err)
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 1, fmt.Errorf("worker was killed: %s", ws.Signal())
	}
	return exit.ExitCode(), nil
}

// lookupUser finds the user to run the worker as; a name that does not exist is taken
// as a number for both uid and gid.
func lookupUser(name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		n, nerr := strconv.ParseUint(name, 10, 32)
		if nerr != nil {
			return nil, fmt.Errorf("user %q of mox.conf: %w (create it, or set User to a number)", name, err)
		}
		if n == 0 {
			return nil, errors.New("user of mox.conf must not be root")
		}
		return &syscall.Credential{Uid: uint32(n), Gid: uint32(n)}, nil
	}
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(uerr, gerr); err != nil {
		return nil, fmt.Errorf("user %q: %w", name, err)
	}
	if uid == 0 {
		return nil, errors.New("user of mox.conf must not be root")
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// fixPermissions makes the config and data directories the worker's: owned by it and
// group root, directories 0750 and files 0640 with nothing for others. TLS keys that
// root alone may read are left alone: they are handed over as descriptors.
func fixPermissions(log *slog.Logger, snap *config.Snapshot, cred *syscall.Credential) error {
	keep := map[string]bool{}
	for _, path := range keyFiles(snap) {
		keep[path] = true
	}
	for _, dir := range []string{filepath.Dir(snap.Path), snap.DataPath(".")} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if keep[path] || d.Type()&os.ModeSymlink != 0 {
				return nil
			}
			return fixOne(log, path, d, cred)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fixOne sets owner and mode of one file or directory where they differ.
func fixOne(log *slog.Logger, path string, d os.DirEntry, cred *syscall.Credential) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	want := os.FileMode(0o640)
	if d.IsDir() {
		want = 0o750
	} else if !info.Mode().IsRegular() {
		return nil
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid != cred.Uid {
		log.Info("fixing owner", "path", path, "from", st.Uid, "to", cred.Uid)
		if err := os.Lchown(path, int(cred.Uid), 0); err != nil {
			return err
		}
	}
	// More than wanted for group or others is too much; less for the owner is too little.
	if mode := info.Mode().Perm(); mode&0o007 != 0 || mode&want&0o700 != want&0o700 {
		log.Info("fixing mode", "path", path, "from", mode, "to", want)
		return os.Chmod(path, want)
	}
	return nil
}
