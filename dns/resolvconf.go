package dns

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds of resolv.conf, those of resolv.conf(5) where it has any.
const (
	maxServers   = 8
	maxTry       = 30 * time.Second
	maxAttempts  = 5
	maxConfBytes = 64 << 10
)

// conf is which servers are asked, and how. It does not change but for the servers'
// own state.
type conf struct {
	servers  []*server
	try      time.Duration // For one server to answer once.
	attempts int           // Rounds over all servers.
	rotate   bool          // Begin with another server each time.
	tcp      bool          // Never ask over UDP.
}

// close closes sockets that are kept.
func (c *conf) close() {
	for _, s := range c.servers {
		for {
			select {
			case conn := <-s.idle:
				conn.Close()
				continue
			default:
			}
			break
		}
	}
}

type server struct {
	addr    netip.AddrPort
	name    string // addr as text
	trusted bool   // Its AD bit is believed.
	// failed is when it last did not answer, in Unix nanoseconds; 0: it did answer.
	failed atomic.Int64
	// idle are UDP sockets to be used again; nil: each query has one of its own.
	idle chan net.Conn
}

// maxIdle is how many sockets to a server are kept.
const maxIdle = 8

func newServer(addr netip.AddrPort, trusted bool) *server {
	s := &server{addr: addr, name: addr.String(), trusted: trusted}
	if addr.Addr().Unmap().IsLoopback() {
		s.idle = make(chan net.Conn, maxIdle)
	}
	return s
}

// ParseServer parses the address of a server: an IP address, or one with a port as in
// "127.0.0.1:5353" or "[::1]:5353". Without port it is 53.
func ParseServer(s string) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, 53), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("bad address of DNS resolver %q, need an IP address, with or without port", s)
	}
	return ap, nil
}

// parseConf reads resolv.conf. As other resolvers do, it passes over what it does not
// know, and takes a server on this machine when none is named.
func parseConf(r io.Reader) (*conf, error) {
	c := &conf{try: 5 * time.Second, attempts: 2}
	var addrs []netip.AddrPort
	trustAD := false
	sc := bufio.NewScanner(io.LimitReader(r, maxConfBytes))
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 2 || f[0][0] == '#' || f[0][0] == ';' {
			continue
		}
		switch f[0] {
		case "nameserver":
			ap, err := ParseServer(f[1])
			if err == nil && len(addrs) < maxServers && !slices.Contains(addrs, ap) {
				addrs = append(addrs, ap)
			}
		case "options":
			for _, o := range f[1:] {
				trustAD = trustAD || o == "trust-ad"
				c.option(o)
			}
		}
	}
	if len(addrs) == 0 {
		addrs = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	}
	for _, ap := range addrs {
		c.servers = append(c.servers, newServer(ap, trustAD || ap.Addr().Unmap().IsLoopback()))
	}
	return c, sc.Err()
}

func (c *conf) option(o string) {
	name, value, _ := strings.Cut(o, ":")
	n, err := strconv.Atoi(value)
	number := err == nil && n > 0
	switch {
	case name == "timeout" && number:
		c.try = min(time.Duration(min(n, 3600))*time.Second, maxTry)
	case name == "attempts" && number:
		c.attempts = min(n, maxAttempts)
	case o == "rotate":
		c.rotate = true
	case o == "use-vc":
		c.tcp = true
	}
}

// same tells whether other asks the same servers in the same way.
func (c *conf) same(other *conf) bool {
	return c.try == other.try && c.attempts == other.attempts && c.rotate == other.rotate && c.tcp == other.tcp &&
		slices.EqualFunc(c.servers, other.servers, func(a, b *server) bool { return a.addr == b.addr && a.trusted == b.trusted })
}

// current returns the servers to ask. It looks at resolv.conf, if that is where they
// are from, at most every few seconds. A file that cannot be read any more, for a moment
// or because of confinement, leaves what was read before.
func (c *Client) current() *conf {
	if c.o.ResolvConf == "" {
		return c.conf
	}
	now := c.o.Now()
	c.confMu.Lock()
	defer c.confMu.Unlock()
	if c.conf != nil && now.Sub(c.confChecked) < confInterval {
		return c.conf
	}
	c.confChecked = now
	fi, err := os.Stat(c.o.ResolvConf)
	if c.conf != nil && (err != nil || fi.ModTime().Equal(c.confModTime) && fi.Size() == c.confSize) {
		return c.conf
	}
	next, err := readConf(c.o.ResolvConf)
	if err != nil {
		c.o.Log.Warn("reading resolver configuration", "path", c.o.ResolvConf, "err", err)
		if c.conf != nil {
			return c.conf
		}
		next, _ = parseConf(strings.NewReader(""))
	}
	if fi != nil {
		c.confModTime, c.confSize = fi.ModTime(), fi.Size()
	}
	if c.conf == nil || !c.conf.same(next) {
		if c.conf != nil {
			// Others may be trusted for DNSSEC now.
			c.cache.clear()
		}
		if c.conf != nil {
			c.conf.close()
		}
		c.conf = next
	}
	return c.conf
}

const confInterval = 5 * time.Second

func readConf(path string) (*conf, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseConf(f)
}
