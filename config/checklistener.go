package config

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"mox/dns"
	"mox/sconf"
)

// Defaults of listeners.
const (
	DefaultMaxMessageSize       = 100 << 20 // Bytes.
	DefaultFirstTimeSenderDelay = 15 * time.Second
)

// binding is what listens on an address and port.
type binding struct {
	listener string
	path     sconf.Path
	http     bool // May share the port with others of the listener for which this holds.
	solo     bool
}

func (c *checker) checkListeners(p sconf.Path, s *Static, info *StaticInfo) {
	if len(s.Listeners) == 0 {
		c.warnf(p, "no listeners are configured, so nobody can connect")
	}
	info.OwnIPs = map[netip.Addr]bool{}
	bound := map[netip.AddrPort]binding{}
	for _, name := range sorted(s.Listeners) {
		l := c.checkListener(p.Key(name), name, s, info.Hostname)
		info.Listeners[name] = l
		info.Hostnames[l.Hostname] = true
		for _, ip := range slices.Concat(l.IPs, l.NATIPs) {
			if !ip.IsUnspecified() {
				info.OwnIPs[ip] = true
			}
		}
		c.checkPorts(p.Key(name), l, bound)
	}
}

func (c *checker) checkListener(p sconf.Path, name string, s *Static, hostname dns.Domain) *ListenerInfo {
	conf := s.Listeners[name]
	l := &ListenerInfo{Name: name, Listener: conf, Hostname: hostname, MinTLSVersion: tls.VersionTLS12}
	c.listenerIPs(p, l)
	c.proxies(p.Key("ProxyProtocol"), l)
	if conf.Hostname != "" {
		l.Hostname, _ = c.domain(p.Key("Hostname"), conf.Hostname)
	}
	if conf.TLS != nil {
		c.checkTLS(p.Key("TLS"), s, l)
	}
	if conf.SMTPMaxMessageSize < 0 {
		c.errorf(p.Key("SMTPMaxMessageSize"), "must not be negative")
	}
	l.SMTPMaxMessageSize = cmp.Or(conf.SMTPMaxMessageSize, DefaultMaxMessageSize)
	c.checkSMTP(p.Key("SMTP"), l)
	c.checkLMTP(p.Key("LMTP"), l)
	c.listenerServices(p, l)
	return l
}

func (c *checker) listenerIPs(p sconf.Path, l *ListenerInfo) {
	if len(l.Listener.IPs) == 0 {
		c.errorf(p.Key("IPs"), "at least one address is needed")
	}
	for i, s := range l.Listener.IPs {
		p := p.Key("IPs").Index(i)
		if ip, ok := c.ip(p, s); ok {
			if slices.Contains(l.IPs, ip) {
				c.errorf(p, "address %s is listed twice", ip)
				continue
			}
			l.IPs = append(l.IPs, ip)
		}
	}
	for i, s := range l.Listener.NATIPs {
		p := p.Key("NATIPs").Index(i)
		if ip, ok := c.ip(p, s); ok {
			if ip.IsLoopback() || ip.IsUnspecified() {
				c.errorf(p, "address %s is not a public one", ip)
			}
			l.NATIPs = append(l.NATIPs, ip)
		}
	}
	if l.IPsNATed && len(l.Listener.NATIPs) > 0 {
		c.errorf(p.Key("IPsNATed"), "cannot be together with NATIPs; remove IPsNATed")
	} else if l.IPsNATed {
		c.warnf(p.Key("IPsNATed"), "is deprecated, use NATIPs")
	}
}

// proxies parses ProxyProtocol.
func (c *checker) proxies(p sconf.Path, l *ListenerInfo) {
	for i, s := range l.ProxyProtocol {
		p := p.Index(i)
		network, ok := c.network(p, s)
		if !ok {
			continue
		}
		if network.Bits() == 0 {
			// Anyone could then be anyone.
			c.errorf(p, "network %s is everybody: list the addresses of proxies only", s)
			continue
		}
		l.Proxies = append(l.Proxies, network)
	}
}

// network parses an address or network.
func (c *checker) network(p sconf.Path, s string) (netip.Prefix, bool) {
	network, err := netip.ParsePrefix(s)
	if err != nil {
		ip, ok := c.ip(p, s)
		if !ok {
			return netip.Prefix{}, false
		}
		network = netip.PrefixFrom(ip, ip.BitLen())
	}
	if network.Masked() != network || network.Addr().Is4In6() {
		c.errorf(p, "network %s must be written as %s", s, unmapped(network).Masked())
		return netip.Prefix{}, false
	}
	return network, true
}

// unmapped returns a network of IPv4 addresses in IPv6 form as one of IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	if !p.Addr().Is4In6() {
		return p
	}
	return netip.PrefixFrom(p.Addr().Unmap(), max(0, p.Bits()-96))
}

var tlsVersions = map[string]uint16{
	"TLSv1.0": tls.VersionTLS10,
	"TLSv1.1": tls.VersionTLS11,
	"TLSv1.2": tls.VersionTLS12,
	"TLSv1.3": tls.VersionTLS13,
}

func (c *checker) checkTLS(p sconf.Path, s *Static, l *ListenerInfo) {
	t := l.TLS
	switch {
	case t.ACME != "" && len(t.KeyCerts) > 0:
		c.errorf(p.Key("ACME"), "cannot be together with KeyCerts; remove one of them")
	case t.ACME != "":
		known(c, p.Key("ACME"), "ACME provider", t.ACME, s.ACME)
	case len(t.KeyCerts) == 0:
		c.errorf(p, "either ACME or KeyCerts is needed")
	}
	for i, kc := range t.KeyCerts {
		c.checkKeyCert(p.Key("KeyCerts").Index(i), kc, l)
	}
	if t.MinVersion != "" && c.oneOf(p.Key("MinVersion"), t.MinVersion, sorted(tlsVersions)...) {
		l.MinTLSVersion = tlsVersions[t.MinVersion]
		if l.MinTLSVersion < tls.VersionTLS12 {
			// RFC 8996 4, 5.
			c.warnf(p.Key("MinVersion"), "TLS before version 1.2 is not secure")
		}
	}
	for i, file := range t.HostPrivateKeyFiles {
		c.checkHostKey(p.Key("HostPrivateKeyFiles").Index(i), file, &l.HostRSAKey, &l.HostECDSAKey)
	}
	for i, file := range t.NextHostPrivateKeyFiles {
		c.checkHostKey(p.Key("NextHostPrivateKeyFiles").Index(i), file, &l.NextHostRSAKey, &l.NextHostECDSAKey)
	}
	if a, ok := s.ACME[t.ACME]; ok && t.ACME != "" && (len(a.Challenges) == 0 && a.DNS == nil || slices.Contains(a.Challenges, ChallengeTLSALPN)) {
		l.ACMEPort = cmp.Or(a.Port, 443)
	}
}

func (c *checker) checkKeyCert(p sconf.Path, kc KeyCert, l *ListenerInfo) {
	certPEM, certOK := c.readFile(p.Key("CertFile"), kc.CertFile)
	keyPEM, keyOK := c.readFile(p.Key("KeyFile"), kc.KeyFile)
	if !certOK || !keyOK {
		return
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		c.errorf(p.Key("CertFile"), "loading certificate and key: %v", err)
		return
	}
	if now := c.opts.Now(); now.After(cert.Leaf.NotAfter) {
		c.warnf(p.Key("CertFile"), "certificate expired at %s", cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	l.Certificates = append(l.Certificates, cert)
}

// checkHostKey reads a key into the field for its type, if that has none yet.
func (c *checker) checkHostKey(p sconf.Path, file string, rsaKey, ecdsaKey *crypto.Signer) {
	data, ok := c.readFile(p, file)
	if !ok {
		return
	}
	key, err := parsePrivateKey(data)
	if err != nil {
		c.errorf(p, "%v", err)
		return
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() == 2048 && *rsaKey == nil {
			*rsaKey = k
			return
		}
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() && *ecdsaKey == nil {
			*ecdsaKey = k
			return
		}
	}
	c.warnf(p, "key is not used: only the first RSA key of 2048 bits and the first ECDSA P-256 key are")
}

// parsePrivateKey parses a PKCS8 key in PEM.
func parsePrivateKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM data in file")
	}
	if block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("PEM data in file is %q, need a PKCS8 \"PRIVATE KEY\"", block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("private key of type %T cannot sign", key)
	}
	return signer, nil
}

func (c *checker) checkSMTP(p sconf.Path, l *ListenerInfo) {
	l.DNSBLs = c.domains(p.Key("DNSBLs"), l.SMTP.DNSBLs)
	if l.SMTP.NoSTARTTLS && l.SMTP.RequireSTARTTLS {
		c.errorf(p.Key("RequireSTARTTLS"), "cannot be together with NoSTARTTLS")
	}
	delay := DefaultFirstTimeSenderDelay
	if l.SMTP.FirstTimeSenderDelay == nil {
		l.SMTP.FirstTimeSenderDelay = &delay
	}
	c.notNegative(p.Key("FirstTimeSenderDelay"), *l.SMTP.FirstTimeSenderDelay)
	l.SMTP.Port = cmp.Or(l.SMTP.Port, 25)
	if l.SMTP.TLSSessionTicketsDisabled == nil {
		off := l.SMTP.Port == 25
		l.SMTP.TLSSessionTicketsDisabled = &off
	}
}

// checkLMTP keeps LMTP, whose clients are trusted, off the internet.
func (c *checker) checkLMTP(p sconf.Path, l *ListenerInfo) {
	if !l.LMTP.Enabled {
		return
	}
	if l.LMTP.Port == 25 {
		// RFC 2033 5.
		c.errorf(p.Key("Port"), "LMTP must not be on port 25")
	}
	public := func(ip netip.Addr) bool { return !ip.IsLoopback() && !ip.IsPrivate() && !ip.IsLinkLocalUnicast() }
	if i := slices.IndexFunc(l.IPs, public); i >= 0 {
		c.errorf(p, "clients of LMTP are trusted: not on %s, only on loopback and private addresses", l.IPs[i])
	} else if len(l.Listener.NATIPs) > 0 || l.IPsNATed {
		c.errorf(p, "clients of LMTP are trusted: not on a listener that is public through address translation")
	}
}

// service is one of the services of a listener, for checks that are the same for all.
type service struct {
	name     string
	enabled  bool
	port     *int
	fallback int
	tls      bool // Needs certificates.
	http     bool
	path     *string // For web applications.
	pathDef  string
	// operators: only they have to reach it.
	operators bool
}

func services(l *Listener) []service {
	web := func(name string, w *WebService, secure bool, path string) service {
		return service{name, w.Enabled, &w.Port, map[bool]int{false: 80, true: 443}[secure], secure, true, &w.Path, path, strings.HasPrefix(name, "Admin")}
	}
	plain := func(name string, enabled bool, port *int, fallback int, tls bool) service {
		return service{name: name, enabled: enabled, port: port, fallback: fallback, tls: tls}
	}
	discovery := func(name string, d *DiscoveryService) service {
		return service{name: name, enabled: d.Enabled, port: &d.Port, fallback: map[bool]int{false: 443, true: 80}[d.NonTLS], tls: !d.NonTLS, http: true}
	}
	site := func(name string, enabled bool, port *int, fallback int, tls bool) service {
		return service{name: name, enabled: enabled, port: port, fallback: fallback, tls: tls, http: true}
	}
	operators := func(name string, enabled bool, port *int, fallback int) service {
		return service{name: name, enabled: enabled, port: port, fallback: fallback, http: true, operators: true}
	}
	return []service{
		plain("SMTP", l.SMTP.Enabled, &l.SMTP.Port, 25, !l.SMTP.NoSTARTTLS),
		plain("LMTP", l.LMTP.Enabled, &l.LMTP.Port, 24, false),
		plain("Submission", l.Submission.Enabled, &l.Submission.Port, 587, !l.Submission.NoRequireSTARTTLS),
		plain("Submissions", l.Submissions.Enabled, &l.Submissions.Port, 465, true),
		plain("IMAP", l.IMAP.Enabled, &l.IMAP.Port, 143, !l.IMAP.NoRequireSTARTTLS),
		plain("IMAPS", l.IMAPS.Enabled, &l.IMAPS.Port, 993, true),
		web("AccountHTTP", &l.AccountHTTP, false, "/"),
		web("AccountHTTPS", &l.AccountHTTPS, true, "/"),
		web("AdminHTTP", &l.AdminHTTP, false, "/admin/"),
		web("AdminHTTPS", &l.AdminHTTPS, true, "/admin/"),
		web("WebmailHTTP", &l.WebmailHTTP, false, "/webmail/"),
		web("WebmailHTTPS", &l.WebmailHTTPS, true, "/webmail/"),
		web("WebAPIHTTP", &l.WebAPIHTTP, false, "/webapi/"),
		web("WebAPIHTTPS", &l.WebAPIHTTPS, true, "/webapi/"),
		web("JMAPHTTP", &l.JMAPHTTP, false, "/jmap/"),
		web("JMAPHTTPS", &l.JMAPHTTPS, true, "/jmap/"),
		operators("MetricsHTTP", l.MetricsHTTP.Enabled, &l.MetricsHTTP.Port, 8010),
		operators("PprofHTTP", l.PprofHTTP.Enabled, &l.PprofHTTP.Port, 8011),
		discovery("AutoconfigHTTPS", &l.AutoconfigHTTPS),
		discovery("MTASTSHTTPS", &l.MTASTSHTTPS),
		site("WebserverHTTP", l.WebserverHTTP.Enabled, &l.WebserverHTTP.Port, 80, false),
		site("WebserverHTTPS", l.WebserverHTTPS.Enabled, &l.WebserverHTTPS.Port, 443, true),
	}
}

// public tells whether a listener has an address that others than this machine and its
// networks can reach.
func (l *ListenerInfo) public() bool {
	nated := len(l.NATIPs) > 0 || l.IPsNATed
	return slices.ContainsFunc(l.IPs, func(ip netip.Addr) bool {
		private := ip.IsPrivate() || ip.IsLinkLocalUnicast() || sharedAddresses.Contains(ip)
		return !ip.IsLoopback() && (nated || !private)
	})
}

// sharedAddresses are of RFC 6598; overlay networks have them.
var sharedAddresses = netip.MustParsePrefix("100.64.0.0/10")

func (c *checker) listenerServices(p sconf.Path, l *ListenerInfo) {
	https := false
	for _, s := range services(&l.Listener) {
		p := p.Key(s.name)
		c.port(p.Key("Port"), *s.port)
		*s.port = cmp.Or(*s.port, s.fallback)
		if s.path != nil {
			if *s.path != "" {
				*s.path = c.slashPath(p.Key("Path"), *s.path)
			} else {
				*s.path = s.pathDef
			}
		}
		if s.enabled && s.tls && l.TLS == nil {
			c.errorf(p, "needs section TLS on this listener")
		}
		https = https || s.enabled && s.http && s.tls
		if s.enabled && s.operators && l.public() {
			c.warnf(p, "can be reached from everywhere; better on a listener of its own with loopback or private addresses")
		}
	}
	c.onHTTPS(p.Key("Submissions", "EnabledOnHTTPS"), l, l.Submissions.EnabledOnHTTPS, l.Submissions.Enabled, https)
	c.onHTTPS(p.Key("IMAPS", "EnabledOnHTTPS"), l, l.IMAPS.EnabledOnHTTPS, l.IMAPS.Enabled, https)
}

// onHTTPS warns of an EnabledOnHTTPS that does nothing.
func (c *checker) onHTTPS(p sconf.Path, l *ListenerInfo, on, enabled, https bool) {
	if !on {
		return
	}
	if !enabled {
		c.warnf(p, "has no effect without Enabled")
	} else if !https && (l.TLS == nil || l.TLS.ACME == "") {
		c.warnf(p, "has no effect, there is no HTTPS service on this listener")
	}
}

// checkPorts finds services that want the same port and cannot share it.
func (c *checker) checkPorts(p sconf.Path, l *ListenerInfo, bound map[netip.AddrPort]binding) {
	all := services(&l.Listener)
	// Its port is that of HTTPS, or is opened for it alone: http reference, section 1.1.
	all = append(all, service{name: "TLS", enabled: l.ACMEPort != 0, port: &l.ACMEPort, http: true})
	for _, s := range all {
		if !s.enabled || *s.port < 0 || *s.port > 65535 {
			continue
		}
		b := binding{l.Name, p.Key(s.name), s.http, s.name == "PprofHTTP"}
		for _, ip := range l.IPs {
			ap := netip.AddrPortFrom(ip, uint16(*s.port))
			other, taken := bound[ap]
			switch {
			case !taken:
				bound[ap] = b
			case b.listener != other.listener && b.http && other.http:
				c.errorf(b.path, "address and port %s are already used by %s: services share a port within one listener only, so put them into one, or give them other ports", ap, other.path)
			case b.solo || other.solo || !b.http || !other.http:
				c.errorf(b.path, "address and port %s are already used by %s", ap, other.path)
			}
		}
	}
}
