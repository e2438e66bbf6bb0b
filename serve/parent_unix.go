//go:build unix

package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"mox/config"
	"mox/ownership"
)

// supervise is the parent part of "mox serve", which stays: it repairs permissions (as root),
// binds all sockets that were not inherited, opens the TLS key files, runs the worker, as the
// configured user if it is root, and waits for it. It returns the worker's exit status.
func supervise(o MainOptions, inherited *Inherited) (int, error) {
	runtime.GOMAXPROCS(1)
	log, snap, user, err := believedConfig(o)
	if err != nil {
		return 1, err
	}
	h, err := gather(log, snap, user, inherited)
	if err != nil {
		return 1, err
	}
	exe, err := os.Executable()
	if err != nil {
		return 1, fmt.Errorf("finding own executable: %w", err)
	}
	if err := checkProgram(exe, user); err != nil {
		log.Warn("root runs this program", "err", err)
	}
	return (&parent{exe: exe, configPath: snap.Path, handover: h}).run()
}

// handover is what the parent opens for its workers, and keeps: connections wait at the sockets
// while there is no worker.
type handover struct {
	log          *slog.Logger
	user         *ownership.User // that workers are, and who is not believed; nil: who the parent is
	addrs, paths []string
	sockets      []*os.File // of addrs
	files        []*os.File // of paths
}

// gather binds the sockets and opens the key files of snap.
func gather(log *slog.Logger, snap *config.Snapshot, user *ownership.User, inherited *Inherited) (*handover, error) {
	h := &handover{log: log, user: user}
	for addr := range inherited.unknown(endpoints(snap)) {
		log.Warn("inherited socket is not used by any listener", "addr", addr)
	}
	if err := h.bind(snap, inherited); err != nil {
		return nil, err
	}
	inherited.close()
	return h, h.open(snap)
}

// bind adds the sockets that are missing.
func (h *handover) bind(snap *config.Snapshot, inherited *Inherited) error {
	wanted := Sockets(snap)
	for _, e := range endpoints(snap) {
		if slices.Contains(h.addrs, e.addr) || h.shares(e.addr, wanted) {
			continue
		}
		l, err := inherited.listen(e.addr)
		if errors.Is(err, errCovered) {
			continue
		} else if err != nil {
			return e.error(err)
		}
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			return e.error(fmt.Errorf("inherited socket %s is not for TCP", l.Addr()))
		}
		f, err := tcp.File()
		l.Close()
		if err != nil {
			return e.error(err)
		}
		h.addrs, h.sockets = append(h.addrs, e.addr), append(h.sockets, f)
	}
	for addr, f := range inherited.packets {
		h.addrs, h.sockets = append(h.addrs, udpPrefix+addr), append(h.sockets, f)
	}
	clear(inherited.packets)
	return nil
}

// shares tells whether addr, of all of IPv4 or of IPv6, is served by the socket of the other, as one
// that was inherited may be for both. If only addr is wanted now, the socket gets its name.
func (h *handover) shares(addr string, wanted []string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	other, ok := map[string]string{"0.0.0.0": "::", "::": "0.0.0.0"}[host]
	if !ok {
		return false
	}
	other = net.JoinHostPort(other, port)
	i := slices.Index(h.addrs, other)
	if i < 0 {
		return false
	}
	fd, err := rawFD(h.sockets[i])
	if err != nil || !isDualStack(uintptr(fd)) {
		return false
	}
	if !slices.Contains(wanted, other) {
		h.addrs[i] = addr
	}
	return true
}

// open opens the key files, as they are now. Those that the worker's user could have put there in
// place of others are not opened: the worker does so itself, and gets no others than it may read.
func (h *handover) open(snap *config.Snapshot) error {
	var files []*os.File
	var paths []string
	for _, path := range keyFiles(snap) {
		f, err := ownership.Open(path, h.user)
		if changeable, ok := errors.AsType[*ownership.ChangeableError](err); ok {
			h.log.Warn("tls file is not opened by root, only by the user of the server", "err", changeable)
			continue
		} else if err != nil {
			for _, f := range files {
				f.Close()
			}
			return fmt.Errorf("opening tls file: %w", err)
		}
		files, paths = append(files, f), append(paths, path)
	}
	for _, f := range h.files {
		f.Close()
	}
	h.paths, h.files = paths, files
	return nil
}

// closeFrom closes the sockets from number n on.
func (h *handover) closeFrom(n int) {
	for _, f := range h.sockets[n:] {
		f.Close()
	}
	h.addrs, h.sockets = h.addrs[:n], h.sockets[:n]
}

// parent runs workers, one after the other.
type parent struct {
	exe        string // where the program is
	configPath string
	*handover

	signals chan os.Signal
	worker  *worker
	status  UpgradeStatus
	late    <-chan time.Time // when a worker that is to stop has had its time; nil: it is not to
	ended   os.Signal        // what it was told to end by, while an upgrade is under way
}

// worker is a process that serves.
type worker struct {
	process  *os.Process
	link     *link
	keys     *os.File // at which it asks for key files
	messages chan linkMessage
	end      chan error // gets its end, once
	ended    bool       // that was taken
	ready    bool
	hangup   bool // it is to read its configuration when it is ready
	handover bool // it is to hand over when it is ready
	stopping bool // it is to stop
	silent   bool // it does not answer
	version  string
}

// How long the service manager is to have patience with a worker that starts, and how often it
// is asked.
const (
	patience      = time.Minute
	patienceEvery = 15 * time.Second
)

// stopTime is for a worker to stop by itself.
const stopTime = 45 * time.Second

// run starts the worker, unless there is one, passes signals on and waits for its end.
func (p *parent) run() (int, error) {
	p.takeSignals()
	defer signal.Stop(p.signals)
	if p.worker == nil {
		w, err := p.start(p.exe, false)
		if err != nil {
			return 1, err
		}
		p.worker = w
	}
	tick := time.NewTicker(min(patienceEvery, cmpPositive(watchdogInterval(), patienceEvery)))
	defer tick.Stop()
	for {
		select {
		case sig := <-p.signals:
			if sig != syscall.SIGUSR2 && sig != syscall.SIGHUP {
				p.late = time.After(stopTime)
			}
			switch {
			case sig == syscall.SIGHUP:
				p.reload()
			case sig != syscall.SIGUSR2:
				p.pass(sig)
			default:
				if p.worker.handover = true; !p.worker.ready {
					p.log.Info("handing over once the worker is ready")
				}
				p.handOverAsked()
			}
		case m := <-p.worker.messages:
			p.got(p.worker, m)
			if m.Kind == linkUpgrade && m.Upgrade != nil && p.worker.ready {
				p.upgrade(*m.Upgrade)
			}
			p.handOverAsked()
		case err := <-p.worker.end:
			p.worker.over()
			return workerStatus(err)
		case <-p.late:
			p.log.Error("worker does not stop: killing it")
			_ = p.worker.process.Kill()
		case <-tick.C:
			if !p.worker.ready {
				p.extend()
			}
		}
		if p.worker == nil {
			return 1, errors.New("no worker could be started, see the log")
		}
	}
}

// handOverAsked does what SIGUSR2 asks for, once the worker is ready: one that starts does not listen to the
// parent yet. Whoever sends the signal when it sees mail served may be faster than the worker's message.
func (p *parent) handOverAsked() {
	w := p.worker
	if w == nil || !w.handover || !w.ready || w.ended || p.late != nil {
		return
	}
	w.handover = false
	p.upgrade(UpgradeRequest{ID: "signal"})
}

// takeSignals has signals wait for run.
func (p *parent) takeSignals() {
	if p.signals != nil {
		return
	}
	p.signals = make(chan os.Signal, 4)
	signal.Notify(p.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR2)
}

func cmpPositive(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// extend asks the service manager for patience while nothing is served.
func (p *parent) extend() {
	notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d\nWATCHDOG=1", patience.Microseconds()))
}

// pass gives a signal to the worker.
func (p *parent) pass(sig os.Signal) {
	if err := p.worker.process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.log.Error("passing on signal", "err", err)
	}
}

// reload has the worker read its configuration: once it is ready, since the signal would end it before
// that. One that is to stop is let be: the next one reads the configuration anyway.
func (p *parent) reload() {
	switch w := p.worker; {
	case w == nil || w.stopping || w.ended:
	case w.ready:
		p.pass(syscall.SIGHUP)
	default:
		w.hangup = true
	}
}

// got notes what a worker says.
func (p *parent) got(w *worker, m linkMessage) {
	if m.Kind == linkReady && !w.ready {
		w.ready, w.version = true, m.Version
		if p.status.State != "" {
			p.tell(w)
		}
		if w.hangup {
			w.hangup = false
			p.reload()
		}
	}
}

// tell lets a worker know of the upgrade.
func (p *parent) tell(w *worker) {
	st := p.status
	if err := w.link.send(linkMessage{Kind: linkStatus, Status: &st}); err != nil {
		p.log.Error("telling the worker", "err", err)
	}
}

// start runs a program as the worker.
func (p *parent) start(exe string, restore bool) (*worker, error) {
	mine, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("starting worker: %w", err)
	}
	defer theirs.Close()
	keys, workersKeys, err := keyFileSockets()
	if err != nil {
		mine.Close()
		return nil, err
	}
	defer workersKeys.Close()
	cmd, err := p.spawn(exe, theirs, workersKeys, restore)
	if err != nil {
		mine.Close()
		keys.Close()
		return nil, fmt.Errorf("starting worker: %w", err)
	}
	w, err := p.newWorker(cmd.Process, mine, keys, p.paths)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	p.log.Debug("worker started", "pid", w.process.Pid, "program", exe)
	return w, nil
}

// newWorker follows a process that was started. It takes over f and keys, by which the process
// gets the files at paths.
func (p *parent) newWorker(process *os.Process, f, keys *os.File, paths []string) (*worker, error) {
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		keys.Close()
		return nil, err
	}
	go func() {
		serveKeyFiles(keys, paths, p.user)
		keys.Close()
	}()
	w := &worker{process: process, link: &link{conn: conn}, keys: keys, messages: make(chan linkMessage, 64), end: make(chan error, 1)}
	silent := make(chan struct{})
	go func() {
		defer close(silent)
		_ = w.link.receive(func(m linkMessage) {
			select {
			case w.messages <- m:
			default: // more than any worker has to say
			}
		})
	}()
	go func() {
		state, err := process.Wait()
		if err == nil && !state.Success() {
			err = &exec.ExitError{ProcessState: state}
		}
		select {
		case <-silent: // its last words are read
		case <-time.After(time.Second):
		}
		w.end <- err
	}()
	return w, nil
}

// over notes that the worker has ended.
func (w *worker) over() {
	w.ended = true
	w.link.close()
}

// socketPair returns connected unix sockets.
func socketPair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return os.NewFile(uintptr(fds[0]), "parent"), os.NewFile(uintptr(fds[1]), "worker"), nil
}

// spawn executes a program as the worker.
func (p *parent) spawn(exe string, link, keys *os.File, restore bool) (*exec.Cmd, error) {
	env, err := handoverEnv(p.addrs, p.paths)
	if err != nil {
		return nil, err
	}
	command := func(exe string) *exec.Cmd {
		cmd := exec.Command(exe)
		cmd.Args = os.Args
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.ExtraFiles = slices.Concat(p.sockets, p.files, []*os.File{keys, link})
		cmd.Env = append(slices.Clone(env), envKeyFiles+"="+strconv.Itoa(firstFD+len(cmd.ExtraFiles)-2), envParent+"="+strconv.Itoa(firstFD+len(cmd.ExtraFiles)-1))
		if restore {
			cmd.Env = append(cmd.Env, envRestore+"=1")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.credential()}
		return cmd
	}
	cmd := command(exe)
	err = startWithoutRights(cmd, exe)
	switch {
	case (errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)) && p.status.State == "" && selfThere():
		cmd = command(selfExe) // the path is not the worker's to enter, or not there any more
		err = startWithoutRights(cmd, selfExe)
	case errors.Is(err, fs.ErrPermission) && selfThere():
		// A new program in such a place.
		f, ferr := ownership.OpenRoots(exe, p.user)
		if ferr != nil {
			p.log.Warn("program is not opened by root", "err", ferr)
			break
		}
		defer f.Close()
		cmd = command(exe)
		cmd.Path = fmt.Sprintf("/proc/self/fd/%d", firstFD+len(cmd.ExtraFiles))
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		err = startWithoutRights(cmd, exe)
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: the user of mox.conf must be allowed to execute %s", err, exe)
	}
	return cmd, err
}

// handoverEnv is the environment of a worker, with the addresses of sockets and paths of files that it
// gets.
func handoverEnv(addrs, paths []string) ([]string, error) {
	a, aerr := json.Marshal(addrs)
	f, ferr := json.Marshal(paths)
	return append(os.Environ(), envSockets+"="+string(a), envFiles+"="+string(f)), errors.Join(aerr, ferr)
}

func selfThere() bool {
	_, err := os.Stat(selfExe)
	return err == nil
}

// startWithoutRights starts a command, whose program is at exe, from a thread that gives up what it could
// pass on, and ends with that. This process keeps its rights.
func startWithoutRights(cmd *exec.Cmd, exe string) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread is of no use to others
		if err := dropRights(exe); err != nil {
			done <- fmt.Errorf("giving up capabilities: %w", err)
			return
		}
		done <- cmd.Start()
	}()
	return <-done
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
