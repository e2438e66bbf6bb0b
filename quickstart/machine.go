package quickstart

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/dns"
	"mox/ownership"
	"mox/rdap"
)

// Machine tells about the machine. Fields that are nil ask this one. Safe for concurrent use.
type Machine struct {
	Hostname   func() (string, error)
	Interfaces func() ([]Interface, error)
	// Listening lists what others listen on, of TCP.
	Listening func() ([]Socket, error)
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	// Synchronised tells whether the clock is kept right, and whether that is known.
	Synchronised func() (synchronised, known bool)
	// DomainAge returns when a domain was registered, and the time at the server that told,
	// zero if it did not. Errors are those of [rdap.Client.DomainAge].
	DomainAge func(ctx context.Context, domain dns.Domain) (registered, date time.Time, err error)
	Memory    func() (bytes uint64, known bool)
	Disk      func(dir string) (free uint64, known bool)
	OpenFiles func() (limit uint64, known bool)
	HasUser   func(name string) bool
	UserID    func(name string) (ownership.User, error)
	IsRoot    func() bool
	OS        string // as runtime.GOOS
	Program   string // path of the running program
}

// Interface is a network interface that is up.
type Interface struct {
	Name  string
	Addrs []netip.Addr
}

// Socket is one that a process listens on.
type Socket struct {
	Addr    netip.AddrPort
	PID     int    // 0: unknown
	Process string // name of its program; "": unknown
	Unit    string // of systemd; "": unknown
}

func (m *Machine) setDefaults() {
	def := func(isNil bool, set func()) {
		if isNil {
			set()
		}
	}
	def(m.Hostname == nil, func() { m.Hostname = os.Hostname })
	def(m.Interfaces == nil, func() { m.Interfaces = interfaces })
	def(m.Listening == nil, func() { m.Listening = listening })
	def(m.Dial == nil, func() { m.Dial = (&net.Dialer{}).DialContext })
	def(m.Synchronised == nil, func() { m.Synchronised = synchronised })
	def(m.DomainAge == nil, func() { m.DomainAge = domainAge })
	def(m.Memory == nil, func() { m.Memory = memory })
	def(m.Disk == nil, func() { m.Disk = diskFree })
	def(m.OpenFiles == nil, func() { m.OpenFiles = openFiles })
	def(m.HasUser == nil, func() { m.HasUser = hasUser })
	def(m.UserID == nil, func() { m.UserID = ownership.Lookup })
	def(m.IsRoot == nil, func() { m.IsRoot = func() bool { return os.Geteuid() == 0 } })
	def(m.OS == "", func() { m.OS = runtime.GOOS })
	def(m.Program == "", func() { m.Program, _ = os.Executable() })
}

// domainAge asks the registry, the server of which is found in a list of IANA.
func domainAge(ctx context.Context, domain dns.Domain) (registered, date time.Time, err error) {
	r, err := (&rdap.Client{}).DomainAge(ctx, domain)
	return r.Registered, r.ServerTime, err
}

func hasUser(name string) bool {
	if _, err := strconv.Atoi(name); err == nil {
		return true
	}
	_, err := user.Lookup(name)
	return err == nil
}

func interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var l []Interface
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 {
			continue
		}
		one := Interface{Name: i.Name}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				one.Addrs = append(one.Addrs, p.Addr().Unmap().WithZone(""))
			}
		}
		l = append(l, one)
	}
	return l, nil
}

// listening reads the tables of the kernel, on Linux; elsewhere nothing is known.
func listening() ([]Socket, error) {
	inodes := map[string]netip.AddrPort{}
	var sockets []Socket
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			// Local address, remote address, state (0A is LISTEN), ..., inode.
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" {
				continue
			}
			if ap, ok := parseProcAddr(f[1]); ok {
				inodes[f[9]] = ap
			}
		}
	}
	owners := socketOwners(inodes)
	for inode, ap := range inodes {
		s := owners[inode]
		s.Addr = ap
		sockets = append(sockets, s)
	}
	slices.SortFunc(sockets, func(a, b Socket) int { return a.Addr.Compare(b.Addr) })
	return sockets, nil
}

// parseProcAddr parses "0100007F:0019": words of 32 bits in the byte order of the machine,
// and a port.
func parseProcAddr(s string) (netip.AddrPort, bool) {
	host, port, found := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if !found || err != nil || len(host) != 8 && len(host) != 32 {
		return netip.AddrPort{}, false
	}
	var b []byte
	for i := 0; i < len(host); i += 8 {
		w, err := strconv.ParseUint(host[i:i+8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(w))
	}
	ip, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
}

// socketOwners finds the processes of sockets, as far as we may see them.
func socketOwners(inodes map[string]netip.AddrPort) map[string]Socket {
	owners := map[string]Socket{}
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		fds, _ := filepath.Glob(proc + "/fd/*")
		for _, fd := range fds {
			target, err := os.Readlink(fd)
			if err != nil {
				continue
			}
			inode := strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")
			if _, ok := inodes[inode]; !ok || inode == target {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(proc))
			// Of several processes with the socket the first has made it.
			if s, ok := owners[inode]; ok && s.PID < pid && s.PID != 1 {
				continue
			}
			comm, _ := os.ReadFile(proc + "/comm")
			owners[inode] = Socket{PID: pid, Process: strings.TrimSpace(string(comm)), Unit: systemdUnit(proc)}
		}
	}
	return owners
}

// systemdUnit returns the service that a process belongs to, or "".
func systemdUnit(proc string) string {
	b, err := os.ReadFile(proc + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		for elem := range strings.SplitSeq(strings.TrimSpace(line), "/") {
			if name, ok := strings.CutSuffix(elem, ".service"); ok && !strings.HasPrefix(name, "user@") {
				return elem
			}
		}
	}
	return ""
}
