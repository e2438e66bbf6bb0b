//go:build unix

package serve

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"mox/ownership"
)

// adopted is what a parent passes to the program that takes its place.
type adopted struct {
	Pid          int
	Link, Keys   int
	Config       string
	Addrs, Paths []string
	Sockets      []int
	UID, GID     uint32
	Root         bool
	Status       UpgradeStatus
	Version      string
}

// envAdopt is that, in JSON.
const envAdopt = "MOX_ADOPT"

// replace executes the program at the parent's path in place of this one, which keeps its process
// id, with its worker.
func (p *parent) replace() error {
	if err := checkProgram(p.exe, p.user); err != nil {
		return err
	}
	conn, ok := p.worker.link.conn.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("connection of the worker is a %T", p.worker.link.conn)
	}
	linkFile, err := conn.File()
	if err != nil {
		return err
	}
	defer linkFile.Close()
	a := adopted{Pid: p.worker.process.Pid, Config: p.configPath, Addrs: p.addrs, Paths: p.paths, Status: p.status, Version: p.worker.version}
	if p.user != nil {
		a.UID, a.GID, a.Root = p.user.UID, p.user.GID, true
	}
	keep := slices.Concat([]*os.File{linkFile, p.worker.keys}, p.sockets)
	var fds []int
	for _, f := range keep {
		fd, err := rawFD(f)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	a.Link, a.Keys, a.Sockets = fds[0], fds[1], fds[2:]
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, envAdopt+"=") })
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return err
		}
	}
	if p.lastSignals() {
		return nil
	}
	// Until the next program takes signals, these would end it.
	signal.Ignore(syscall.SIGHUP, syscall.SIGUSR2)
	err = syscall.Exec(p.exe, os.Args, append(env, envAdopt+"="+string(b)))
	signal.Notify(p.signals, syscall.SIGHUP, syscall.SIGUSR2)
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	runtime.KeepAlive(keep)
	return fmt.Errorf("executing %s: %w", p.exe, err)
}

// lastSignals does what signals ask for that came up to now. It tells whether to stop is among it.
func (p *parent) lastSignals() (stop bool) {
	for {
		select {
		case sig := <-p.signals:
			switch sig {
			case syscall.SIGHUP:
				p.reload()
			case syscall.SIGUSR2: // it was done a moment ago
			default:
				p.ended = sig
				p.stopNow()
				return true
			}
		default:
			return false
		}
	}
}

// rawFD is the number of a file's descriptor. Not by Fd: that would make sockets block, which
// the worker has too.
func rawFD(f *os.File) (fd int, err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = c.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

// adopt goes on as the parent that replaced itself with this program.
func adopt(o MainOptions) (int, error) {
	var a adopted
	err := json.Unmarshal([]byte(os.Getenv(envAdopt)), &a)
	os.Unsetenv(envAdopt)
	if err != nil {
		return 1, fmt.Errorf("environment variable %s: %w", envAdopt, err)
	}
	runtime.GOMAXPROCS(1)
	process, err := os.FindProcess(a.Pid)
	if err != nil {
		return 1, err
	}
	exe, err := os.Executable()
	if err != nil {
		return 1, err
	}
	p := &parent{exe: exe, configPath: a.Config, status: a.Status, handover: &handover{addrs: a.Addrs}}
	p.takeSignals()
	if a.Root {
		user := ownership.ByID(a.UID, a.GID)
		p.user = &user
	}
	p.log = p.adoptLog(o)
	for i, fd := range a.Sockets {
		unix.CloseOnExec(fd)
		p.sockets = append(p.sockets, os.NewFile(uintptr(fd), a.Addrs[i]))
	}
	unix.CloseOnExec(a.Link)
	unix.CloseOnExec(a.Keys)
	if p.worker, err = p.newWorker(process, os.NewFile(uintptr(a.Link), "parent"), os.NewFile(uintptr(a.Keys), "key files"), a.Paths); err != nil {
		return 1, err
	}
	p.worker.ready, p.worker.version = true, a.Version
	p.log.Info("parent process is the new program, too", "version", o.Version)
	return p.run()
}

// adoptLog is the log as mox.conf wants it, or a plain one: an error there is no reason to end. A
// mox.conf of before it had to be root's becomes that.
func (p *parent) adoptLog(o MainOptions) *slog.Logger {
	log, levels := parentLog(o)
	snap, err := readConfig(p.configPath, nil)
	if err == nil {
		setLevels(o, snap, levels)
		if !snap.Static.NoFixPermissions {
			err = guardConfig(log, p.configPath, p.user)
		}
	}
	if err == nil {
		_, err = readConfig(p.configPath, p.user)
	}
	if err != nil {
		log.Error("mox.conf: the next start will fail", "err", err)
	}
	return log
}
