package quickstart

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"mox/admin"
	"mox/dns"
	"mox/smtp"
)

// Options are what a person says, and where facts come from.
type Options struct {
	Address string // first address, whose domain is the first domain
	User    string // to run the server as, a name or number; "" is mox

	Hostname  string       // "": found out
	PublicIPs []netip.Addr // addresses by which the machine is reached; none: found out

	ExistingWebserver bool // another web server has ports 80 and 443
	SkipDial          bool // make no connection to port 25 and RDAP
	Offline           bool // ask nobody: no DNS, and what SkipDial skips
	Docker            bool // in a container: no service unit

	Dir      string        // directory of the installation; "" is the working directory
	Resolver dns.Resolver  // needed but for Offline
	Machine  Machine       // fields that are nil are about this machine
	Timeout  time.Duration // for all checks together; 0: 20 seconds
	Now      func() time.Time
	Rand     io.Reader // for passwords; nil: crypto/rand

	wanted []netip.AddrPort // to listen on, of an installation
	config string           // directory of mox.conf, of an installation
	lists  []dns.Domain     // further block lists to ask

	// Found, if not nil, is told what each check found, in the order of [Checks], as soon as
	// it and those before it are done. From one goroutine.
	Found func(check Check, found []Finding)
}

// Errors of Survey and Write, for which nothing was written.
var (
	ErrAddress  = errors.New("bad address")
	ErrResolver = errors.New("DNS does not work")
	ErrExists   = errors.New("there is an installation already")
)

// resolverTimeout bounds the first question, without an answer to which nothing else can be
// found out: cli reference, section 3.
const resolverTimeout = 10 * time.Second

func (o *Options) setDefaults() {
	o.User = cmp.Or(o.User, "mox")
	o.Dir = cmp.Or(o.Dir, ".")
	o.Timeout = cmp.Or(o.Timeout, 20*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	o.SkipDial = o.SkipDial || o.Offline
	o.Machine.setDefaults()
}

// Plan is what will be written. Fields may be changed before Write.
type Plan struct {
	Options Options
	Address smtp.Address
	Account string

	Hostname dns.Domain
	// IPs are the addresses to listen on for the world; NATIPs, if there are any, those by
	// which the world reaches them. Both unspecified: all addresses.
	IPs, NATIPs []netip.Addr
	// InternalIPs are for services that the world must not reach.
	InternalIPs []netip.Addr

	// Authentic: DNSSEC vouches for the host name, so that TLSA records count.
	Authentic bool

	Findings []Finding
}

// Run checks and writes.
func Run(ctx context.Context, o Options) (*Result, error) {
	p, err := Survey(ctx, o)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return p.Write(ctx)
}

// parseAddress parses the first address; the account is named after its localpart.
func parseAddress(s string) (smtp.Address, string, error) {
	a, err := smtp.ParseAddress(strings.TrimSpace(s))
	switch {
	case err != nil:
		return a, "", fmt.Errorf("%w %q: %w", ErrAddress, s, err)
	case !strings.Contains(a.Domain.ASCII, "."):
		return a, "", fmt.Errorf("%w %q: need a domain that can be registered, such as example.org", ErrAddress, s)
	case strings.Contains(string(a.Localpart), "+"):
		return a, "", fmt.Errorf("%w %q: what follows a + is free for its user to choose, so give the address without it", ErrAddress, s)
	}
	for _, taken := range []string{"dmarcreports", "tlsreports"} {
		if strings.EqualFold(string(a.Localpart), taken) {
			return a, "", fmt.Errorf("%w %q: %s is for reports of other servers, give another", ErrAddress, s, taken)
		}
	}
	return a, admin.AccountName(a.Localpart), nil
}

func (o *Options) path(elem ...string) string {
	return filepath.Join(append([]string{o.Dir}, elem...)...)
}

// ParsePublicIP parses an address by which others may reach a machine.
func ParsePublicIP(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil || ip.IsUnspecified() || ip.IsLoopback() || ip.IsMulticast() || ip.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%w: %.50q is not an IP address by which others reach this machine", ErrAddress, s)
	}
	return ip.Unmap(), nil
}
