package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Inherited are the sockets and files that were opened before this process started:
// by the parent that ran as root, or by systemd. The zero value is none.
type Inherited struct {
	sockets map[string]net.Listener // by "ip:port"; nil if taken for another address
	files   map[string]*os.File     // by path
	packets map[string]*os.File     // sockets for UDP, by "ip:port"
	dual    []string                // ports of the sockets for [::] that serve 0.0.0.0 too
	all     bool                    // sockets has all: addresses not there are covered by others
	reader  *keyFileReader          // has files read by the parent as they are now; nil: there is none
}

// The environment by which the parent hands over: JSON lists of addresses and of paths.
// Descriptors start at 3, sockets first, then files, in the order of the lists.
const (
	envSockets = "MOX_SOCKETS"
	envFiles   = "MOX_FILES"

	firstFD = 3

	// udpPrefix is before addresses for UDP.
	udpPrefix = "udp/"
)

// errCovered is returned for an address that an inherited socket, which has another
// address too, already serves.
var errCovered = errors.New("served by another inherited socket")

// Inherit takes over what the environment says was handed to this process, and clears
// those variables. Without any, the result is empty.
func Inherit() (*Inherited, error) {
	h := &Inherited{sockets: map[string]net.Listener{}, files: map[string]*os.File{}, packets: map[string]*os.File{}}
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
		return fmt.Errorf("%s and %s are set: refusing to run the worker as root", envSockets, envFiles)
	}
	addrs, aerr := envList(envSockets)
	paths, perr := envList(envFiles)
	if err := errors.Join(aerr, perr); err != nil {
		return err
	}
	fd := uintptr(firstFD)
	for _, addr := range addrs {
		if udp, ok := strings.CutPrefix(addr, udpPrefix); ok {
			closeOnExec(fd)
			h.packets[udp] = os.NewFile(fd, addr)
			fd++
			continue
		}
		l, err := listenerFromFD(fd, addr)
		if err != nil {
			return err
		}
		h.sockets[addr] = l
		fd++
	}
	for _, path := range paths {
		closeOnExec(fd)
		h.files[path] = os.NewFile(fd, path)
		fd++
	}
	h.all = true
	var err error
	h.reader, err = inheritKeyFileReader(paths)
	return err
}

// envList takes a list from the environment.
func envList(name string) (list []string, err error) {
	if err := json.Unmarshal([]byte(os.Getenv(name)), &list); err != nil {
		return nil, fmt.Errorf("environment variable %s: %w", name, err)
	}
	os.Unsetenv(name)
	return list, nil
}

// fromSystemd takes the sockets of a .socket unit, whatever their order: they are
// recognised by their addresses (sd_listen_fds(3)), not by their names (LISTEN_FDNAMES).
func (h *Inherited) fromSystemd() error {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > 1000 {
		return fmt.Errorf("bad LISTEN_FDS %q", os.Getenv("LISTEN_FDS"))
	}
	for fd := uintptr(firstFD); fd < firstFD+uintptr(n); fd++ {
		if isPacket(fd) {
			if err := h.addPacket(fd); err != nil {
				return err
			}
			continue
		}
		dual := isDualStack(fd)
		l, err := listenerFromFD(fd, "socket unit")
		if err != nil {
			return err
		}
		h.sockets[l.Addr().String()] = l
		if tcp, ok := l.Addr().(*net.TCPAddr); ok && dual && tcp.IP.Equal(net.IPv6unspecified) {
			h.dual = append(h.dual, strconv.Itoa(tcp.Port))
		}
	}
	os.Unsetenv("LISTEN_FDS")
	os.Unsetenv("LISTEN_PID")
	os.Unsetenv("LISTEN_FDNAMES")
	return nil
}

// addPacket takes a socket for UDP.
func (h *Inherited) addPacket(fd uintptr) error {
	closeOnExec(fd)
	f := os.NewFile(fd, "socket unit")
	if f == nil {
		return fmt.Errorf("inherited socket: bad descriptor %d", fd)
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return fmt.Errorf("inherited socket: %w", err)
	}
	h.packets[c.LocalAddr().String()] = f
	return c.Close() // a duplicate
}

// ListenPacket returns the inherited socket for UDP on addr ("ip:port"), or binds one; a worker
// can do that for ports above 1023 only.
func (h *Inherited) ListenPacket(addr string) (net.PacketConn, error) {
	f, ok := h.packets[addr]
	if !ok {
		return net.ListenPacket("udp", addr)
	}
	delete(h.packets, addr)
	defer f.Close() // FilePacketConn has its own duplicate
	return net.FilePacketConn(f)
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

// listen returns the inherited socket for addr ("ip:port") or binds it. The error is
// errCovered when the socket for [::] serves 0.0.0.0 too: both are one then.
func (h *Inherited) listen(addr string) (net.Listener, error) {
	if l, ok := h.sockets[addr]; ok {
		delete(h.sockets, addr)
		if l == nil {
			return nil, errCovered
		}
		return l, nil
	}
	if h.all {
		return nil, errCovered
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	if !slices.Contains(h.dual, port) || !net.ParseIP(host).Equal(net.IPv4zero) {
		return bind(addr)
	}
	return h.listenDual(port)
}

// listenDual returns, for 0.0.0.0, the socket of [::] if that was not taken.
func (h *Inherited) listenDual(port string) (net.Listener, error) {
	both := net.JoinHostPort("::", port)
	l := h.sockets[both]
	if l == nil {
		return nil, errCovered
	}
	h.sockets[both] = nil // it may be asked for yet
	return l, nil
}

// unknown lists the inherited sockets that no endpoint is for.
func (h *Inherited) unknown(endpoints []endpoint) iter.Seq[string] {
	return func(yield func(string) bool) {
		for addr := range h.sockets {
			host, port, _ := net.SplitHostPort(addr)
			known := slices.ContainsFunc(endpoints, func(e endpoint) bool {
				return e.addr == addr || host == "::" && slices.Contains(h.dual, port) && e.addr == net.JoinHostPort("0.0.0.0", port)
			})
			if !known && !yield(addr) {
				return
			}
		}
	}
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

// fresh reads one of the files as it is now: the descriptor is that of a file that may have been
// replaced since.
func (h *Inherited) fresh(path string) ([]byte, error) {
	if h.reader != nil {
		return h.reader.read(path)
	}
	return os.ReadFile(path)
}

// close gives up what nobody took.
func (h *Inherited) close() {
	for _, l := range h.sockets {
		if l != nil {
			l.Close()
		}
	}
	for _, f := range h.files {
		f.Close()
	}
	for _, f := range h.packets {
		f.Close()
	}
	clear(h.packets)
	clear(h.sockets)
	clear(h.files)
}
