package serve

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// Inherited are the sockets and files that were opened before this process started:
// by the parent that ran as root, or by systemd.
type Inherited struct {
	sockets map[string]net.Listener // by "ip:port"
	files   map[string]*os.File     // by path
}

// The environment by which the parent hands over. Descriptors start at 3, sockets
// first, then files, in the order of the two lists.
const (
	envSockets = "MOX_SOCKETS"
	envFiles   = "MOX_FILES"

	firstFD = 3
)

// Inherit takes over what the environment says was handed to this process, and clears
// those variables. Without any, the result is empty.
func Inherit() (*Inherited, error) {
	h := &Inherited{map[string]net.Listener{}, map[string]*os.File{}}
	if os.Getenv(envSockets) != "" || os.Getenv(envFiles) != "" {
		return h, h.fromParent()
	}
	if os.Getenv("LISTEN_FDS") != "" && os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		return h, h.fromSystemd()
	}
	return h, nil
}

func (h *Inherited) fromParent() error {
	if os.Geteuid() == 0 {
		return errors.New("refusing to run the worker as root")
	}
	fd := uintptr(firstFD)
	for addr := range splitList(os.Getenv(envSockets)) {
		l, err := listenerFromFD(fd, addr)
		if err != nil {
			return err
		}
		h.sockets[addr] = l
		fd++
	}
	for path := range splitList(os.Getenv(envFiles)) {
		h.files[path] = os.NewFile(fd, path)
		fd++
	}
	os.Unsetenv(envSockets)
	os.Unsetenv(envFiles)
	return nil
}

// fromSystemd takes the sockets of a .socket unit, whatever their order: they are
// recognised by their addresses.
func (h *Inherited) fromSystemd() error {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1000 {
		return fmt.Errorf("bad LISTEN_FDS %q", os.Getenv("LISTEN_FDS"))
	}
	for fd := uintptr(firstFD); fd < firstFD+uintptr(n); fd++ {
		l, err := listenerFromFD(fd, "socket unit")
		if err != nil {
			return err
		}
		h.sockets[l.Addr().String()] = l
	}
	os.Unsetenv("LISTEN_FDS")
	os.Unsetenv("LISTEN_PID")
	os.Unsetenv("LISTEN_FDNAMES")
	return nil
}

func listenerFromFD(fd uintptr, name string) (net.Listener, error) {
	f := os.NewFile(fd, name)
	if f == nil {
		return nil, fmt.Errorf("inherited socket %s: bad descriptor %d", name, fd)
	}
	defer f.Close() // FileListener has its own duplicate
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("inherited socket %s: %w", name, err)
	}
	return l, nil
}

func splitList(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(s, ",") {
			if part != "" && !yield(part) {
				return
			}
		}
	}
}

// listen returns the inherited socket for addr ("ip:port") or binds it.
func (h *Inherited) listen(addr string) (net.Listener, error) {
	if l, ok := h.take(addr); ok {
		return l, nil
	}
	return bind(addr)
}

// any reports whether anything was inherited.
func (h *Inherited) any() bool { return len(h.sockets)+len(h.files) > 0 }

// take finds an inherited socket. systemd may have bound [::]:25 for 0.0.0.0:25 and
// the like: an unspecified address matches any other of that port.
func (h *Inherited) take(addr string) (net.Listener, bool) {
	if l, ok := h.sockets[addr]; ok {
		delete(h.sockets, addr)
		return l, true
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !net.ParseIP(host).IsUnspecified() {
		return nil, false
	}
	for have, l := range h.sockets {
		if hhost, hport, err := net.SplitHostPort(have); err == nil && hport == port && net.ParseIP(hhost).IsUnspecified() {
			delete(h.sockets, have)
			return l, true
		}
	}
	return nil, false
}

// bind listens on a TCP address; 0.0.0.0 means IPv4 only and :: IPv6 only, so that both
// can be named for one port.
func bind(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	network := "tcp6"
	if ip := net.ParseIP(host); ip != nil && ip.To4() != nil {
		network = "tcp4"
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, explainBind(err))
	}
	return l, nil
}

// ReadFile reads an inherited file, or one from disk. For [config.Options].
func (h *Inherited) ReadFile(path string) ([]byte, error) {
	f, ok := h.files[path]
	if !ok {
		return os.ReadFile(path)
	}
	// The descriptor's offset is shared with whoever read before.
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(info.Size(), 1<<20))
	n, err := f.ReadAt(b, 0)
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}

// close gives up what nobody took.
func (h *Inherited) close() {
	for _, l := range h.sockets {
		l.Close()
	}
	for _, f := range h.files {
		f.Close()
	}
}
