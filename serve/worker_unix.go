//go:build unix

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"runtime"
	"strconv"
	"syscall"

	"mox/config"
)

// Supervise is the part of "mox serve" that runs as root: it repairs permissions, binds
// all sockets that were not inherited, opens the TLS key files, runs the worker as the
// configured user and waits for it. It returns the worker's exit status.
func Supervise(ctx context.Context, log *slog.Logger, snap *config.Snapshot, inherited *Inherited) (int, error) {
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
	h, err := gather(snap, inherited)
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
func gather(snap *config.Snapshot, inherited *Inherited) (*handover, error) {
	h := &handover{}
	for _, e := range endpoints(snap) {
		l, err := inherited.listen(e.addr)
		if errors.Is(err, errCovered) {
			continue
		} else if err != nil {
			return nil, e.error(err)
		}
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			return nil, e.error(fmt.Errorf("inherited socket %s is not for TCP", l.Addr()))
		}
		f, err := tcp.File()
		l.Close()
		if err != nil {
			return nil, e.error(err)
		}
		h.addrs = append(h.addrs, e.addr)
		h.fds = append(h.fds, f)
	}
	inherited.close()
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
	// The worker is told when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	cmd, err := h.start(ctx, cred)
	if err != nil {
		return 1, fmt.Errorf("starting worker as user %d: %w", cred.Uid, err)
	}
	for _, f := range h.fds {
		f.Close()
	}
	log.Debug("worker started", "pid", cmd.Process.Pid, "uid", cred.Uid, "gid", cred.Gid)
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

// start executes this program again as the worker.
func (h *handover) start(ctx context.Context, cred *syscall.Credential) (*exec.Cmd, error) {
	addrs, err := json.Marshal(h.addrs)
	if err != nil {
		return nil, err
	}
	paths, err := json.Marshal(h.paths)
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding own executable: %w", err)
	}
	command := func(exe string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, exe)
		cmd.Args = os.Args
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.ExtraFiles = h.fds
		cmd.Env = append(os.Environ(), envSockets+"="+string(addrs), envFiles+"="+string(paths))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		endWithParent(cmd.SysProcAttr)
		return cmd
	}
	cmd := command(exe)
	err = cmd.Start()
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		if _, serr := os.Stat(selfExe); serr == nil {
			cmd = command(selfExe)
			err = cmd.Start()
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: the user of mox.conf must be allowed to execute %s", err, exe)
	}
	return cmd, err
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
	if name == "" {
		return nil, errors.New("mox.conf has no User to run the server as: set it, or start mox as another user than root")
	}
	uidText, gidText := name, name
	u, err := user.Lookup(name)
	if err == nil {
		uidText, gidText = u.Uid, u.Gid
	}
	uid, uerr := strconv.ParseUint(uidText, 10, 32)
	gid, gerr := strconv.ParseUint(gidText, 10, 32)
	switch {
	case errors.Join(uerr, gerr) == nil && uid == 0:
		return nil, errors.New("user of mox.conf must not be root")
	case errors.Join(uerr, gerr) == nil:
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	case err != nil:
		return nil, fmt.Errorf("user of mox.conf: %w (make that user, or set a number)", err)
	}
	return nil, fmt.Errorf("user %q: %w", name, errors.Join(uerr, gerr))
}
