package serve

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"mox/ban"
	"mox/config"
	"mox/metrics"
	"mox/ratelimit"
	"mox/smtp"
	"mox/webserver"
)

// Networks of this machine, which are never banned, and of those around it, which are only if that is
// configured.
var (
	loopbackNetworks = prefixes("127.0.0.0/8", "::1/128")
	privateNetworks  = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)

func prefixes(l ...string) (networks []netip.Prefix) {
	for _, s := range l {
		networks = append(networks, netip.MustParsePrefix(s))
	}
	return networks
}

// openBans opens the networks that are refused. Those of localserve are made by hand only.
func (s *Server) openBans(snap *config.Snapshot) error {
	conf := snap.Static.AutoBan
	made, held := s.Registry.Counter(metrics.Banned), s.Registry.Gauge(metrics.BanNetworks)
	o := ban.Options{
		Log: s.Log, Now: s.Now, Manual: conf.Disabled || s.Local, Limits: ban.Limits{LoginFailures: conf.LoginFailures}, Durations: conf.Durations,
		Exempt: neverBanned(snap),
		Banned: func(d ban.Door, r ban.Reason) { made.Inc(d.String(), string(r)) },
		Held:   func(d ban.Door, n int) { held.Set(float64(n), d.String()) },
	}
	if conf.ExportFile != "" {
		o.Export.Path, o.Export.Ports = snap.DataPath(conf.ExportFile), doorPorts(snap)
		o.Export.Format, _ = ban.FormatOf(conf.ExportFile) // config has checked it
	}
	var err error
	s.Bans, err = ban.Open(snap.DataPath(ban.FileName), o)
	return err
}

// neverBanned are the networks that are not banned, whatever they do.
func neverBanned(snap *config.Snapshot) []netip.Prefix {
	l := slices.Clone(loopbackNetworks)
	if !snap.Static.AutoBan.BanPrivate {
		l = append(l, privateNetworks...)
	}
	for _, ip := range slices.SortedFunc(maps.Keys(snap.OwnIPs), netip.Addr.Compare) {
		l = append(l, netip.PrefixFrom(ip, ip.BitLen()))
	}
	for _, name := range slices.Sorted(maps.Keys(snap.Listeners)) {
		l = append(l, snap.Listeners[name].Proxies...)
	}
	for _, r := range snap.Relays {
		l = append(l, r.Networks...)
	}
	return append(l, snap.AllowedNetworks...)
}

// doorPorts are the ports behind which the doors are, for a packet filter.
func doorPorts(snap *config.Snapshot) (ports [2][]int) {
	for _, e := range endpoints(snap) {
		var door ban.Door
		switch e.service {
		case serviceSMTP:
			door = ban.Mail
		case serviceSubmission, serviceSubmissions, serviceIMAP, serviceIMAPS, serviceWeb, serviceWebTLS:
			door = ban.Logins
		default:
			continue
		}
		_, text, _ := net.SplitHostPort(e.addr)
		port, err := strconv.Atoi(text)
		if err == nil && port > 0 {
			ports[door] = append(ports[door], port)
		}
	}
	for door := range ports {
		slices.Sort(ports[door])
		ports[door] = slices.Compact(ports[door])
	}
	return ports
}

// banned returns the ban of an address, and counts that it is refused.
func (s *Server) banned(remote netip.Addr, door ban.Door, protocol string) (ban.Ban, bool) {
	x, ok := s.Bans.Lookup(remote, door)
	if ok {
		s.Registry.Counter(metrics.BanRefused).Inc(protocol)
	}
	return x, ok
}

// bannedSMTP is what a client of SMTP is told. RFC 5321 3.1: 554 says that there is no service for it,
// and the mail that it has is returned; so this is for those whom an administrator has banned. A
// ban that was made by counting may be wrong, and ends: with 421 the mail waits.
func bannedSMTP(x ban.Ban) error {
	if x.Reason == ban.Manual {
		return smtp.Errorf(554, "5.7.1", "no service for your network %s, which the administrator has banned", x.Network)
	}
	return smtp.Errorf(421, "4.7.0", "%s", bannedText(x))
}

// bannedText is what others are told.
func bannedText(x ban.Ban) string {
	text := fmt.Sprintf("your network %s is banned %s", x.Network, x.Reason.Text())
	if !x.Expires.IsZero() {
		text += " until " + x.Expires.UTC().Format("2006-01-02 15:04 UTC")
	}
	return text + ": ask the administrator if that is wrong"
}

// bannedIMAP is for imapserver.
func (s *Server) bannedIMAP(remote netip.Addr) (string, bool) {
	x, ok := s.banned(remote, ban.Logins, "imap")
	if !ok {
		return "", false
	}
	return bannedText(x), true
}

// bannedWeb is for connections and requests of HTTP.
func (s *Server) bannedWeb(client netip.Addr) bool {
	_, ok := s.banned(client, ban.Logins, "http")
	return ok
}

// probed counts a request for what holes of other programs are called. What a web site has there is
// not one.
func (s *Server) probed(o webserver.Observation) {
	if (o.Code == 404 || o.Code == 400) && webserver.Probe(o.Path) {
		s.Bans.Offence(o.Client, ban.Logins, ban.Scan)
	}
}

// failureLimiter is told of logins of all doors; it is an [auth.Limiter].
type failureLimiter struct {
	failures *ratelimit.Limiter
	bans     *ban.Bans
}

// Allowed also ends what goes on in connections that were there before the ban.
func (l failureLimiter) Allowed(ip netip.Addr, now time.Time) bool {
	_, banned := l.bans.Lookup(ip, ban.Logins)
	return !banned && l.failures.Allowed(ip, now, 1)
}

func (l failureLimiter) Failed(ip netip.Addr, now time.Time, guess uint64) {
	l.failures.Count(ip, now, 1)
	l.bans.LoginFailed(ip, guess)
}

func (l failureLimiter) Succeeded(ip netip.Addr, now time.Time) {
	l.failures.Reset(ip, now)
	l.bans.LoginSucceeded(ip)
}
