package config

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"mime"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"mox/dns"
	"mox/mlog"
	"mox/sconf"
	"mox/smtp"
	"mox/updates"
)

// checkStatic checks all that can be said without domains.conf.
func (c *checker) checkStatic(s *Static) *StaticInfo {
	root := sconf.Path(nil)
	info := &StaticInfo{
		ClientCertificates: map[string]tls.Certificate{},
		PackageLogLevels:   map[string]slog.Level{},
		ACME:               map[string]*ACMEInfo{},
		Listeners:          map[string]*ListenerInfo{},
		Hostnames:          map[dns.Domain]bool{},
	}
	c.filePath(root.Key("DataDir"), s.DataDir)
	c.checkLogging(root, s, info)
	info.Hostname, _ = c.domain(root.Key("Hostname"), s.Hostname)
	if s.User == "root" || s.User == "0" {
		c.errorf(root.Key("User"), "must not be root, from which the server gets away after its start")
	}
	info.Hostnames[info.Hostname] = true
	if s.TLS.CA != nil {
		info.RootCAs = c.checkCA(root.Key("TLS", "CA"), s.TLS.CA)
	}
	if s.Updates != nil {
		info.Updates = c.checkUpdates(root.Key("Updates"), s.Updates)
	}
	for _, name := range sorted(s.ACME) {
		info.ACME[name] = c.checkACME(root.Key("ACME", name), name, s.ACME[name])
	}
	c.checkResolvers(root.Key("DNSResolvers"), s.DNSResolvers)
	c.checkListeners(root.Key("Listeners"), s, info)
	c.mailbox(root.Key("Postmaster", "Mailbox"), s.Postmaster.Mailbox)
	if t := s.HostTLSRPT; t != nil {
		p := root.Key("HostTLSRPT")
		info.HostTLSRPT = &ReportAddress{Account: t.Account, Mailbox: c.mailbox(p.Key("Mailbox"), t.Mailbox)}
		lp, _ := c.localpart(p.Key("Localpart"), t.Localpart)
		info.HostTLSRPT.Address = smtp.Address{Localpart: lp, Domain: info.Hostname}
	}
	info.initialMailboxes = c.checkInitialMailboxes(root, s)
	for _, name := range sorted(s.Transports) {
		if cert := c.checkTransport(root.Key("Transports", name), s.Transports[name]); cert != nil {
			info.ClientCertificates[name] = *cert
		}
	}
	for _, name := range sorted(s.Relay) {
		info.Relays = append(info.Relays, c.checkRelay(root.Key("Relay", name), name, s.Relay[name]))
	}
	for i, d := range s.DocumentText {
		c.checkDocumentText(root.Key("DocumentText").Index(i), d)
	}
	info.AllowedNetworks = c.checkAutoBan(root.Key("AutoBan"), s.AutoBan)
	if s.Backup != nil {
		c.checkBackup(root.Key("Backup"), s.Backup)
	}
	if s.Tracing != nil {
		info.TracesURL = c.checkTracing(root.Key("Tracing"), s.Tracing)
	}
	c.checkLimits(root, s)
	return info
}

// checkLogging sets what is logged.
func (c *checker) checkLogging(root sconf.Path, s *Static, info *StaticInfo) {
	info.LogLevel = c.logLevel(root.Key("LogLevel"), s.LogLevel)
	for _, pkg := range sorted(s.PackageLogLevels) {
		info.PackageLogLevels[pkg] = c.logLevel(root.Key("PackageLogLevels", pkg), s.PackageLogLevels[pkg])
	}
	if s.LogFormat != "" {
		c.oneOf(root.Key("LogFormat"), s.LogFormat, "logfmt", "json")
	}
	if s.LogFileSize > 0 && s.LogFileSize < 1<<20 {
		c.errorf(root.Key("LogFileSize"), "must be at least 1048576 (1 MiB), or negative for none")
	}
}

// checkLimits refuses limits below zero.
func (c *checker) checkLimits(root sconf.Path, s *Static) {
	for _, q := range []struct {
		name  string
		limit int64
	}{{"QuotaMessageSize", s.QuotaMessageSize}, {"QuotaMessages", s.QuotaMessages}, {"QuotaMailboxes", s.QuotaMailboxes}, {"IMAPMessageLimit", int64(s.IMAPMessageLimit)}, {"IMAPSaveLimit", int64(s.IMAPSaveLimit)}, {"KeepExpunged", int64(s.KeepExpunged)}} {
		if q.limit < 0 {
			c.errorf(root.Key(q.name), "must not be negative; leave it out for no limit")
		}
	}
}

func (c *checker) logLevel(p sconf.Path, name string) slog.Level {
	level, err := mlog.ParseLevel(name)
	if err != nil {
		c.oneOf(p, name, mlog.LevelNames()...)
	}
	return level
}

func (c *checker) checkResolvers(p sconf.Path, addrs []string) {
	seen := map[netip.AddrPort]bool{}
	for i, s := range addrs {
		ap, err := dns.ParseServer(s)
		switch {
		case err != nil:
			c.errorf(p.Index(i), "%v", err)
		case ap.Addr().IsUnspecified() || ap.Addr().IsMulticast():
			c.errorf(p.Index(i), "address %s is not that of a host", ap.Addr())
		case seen[ap]:
			c.errorf(p.Index(i), "resolver %s is listed twice", ap)
		}
		seen[ap] = err == nil
	}
}

func (c *checker) checkCA(p sconf.Path, ca *CA) *x509.CertPool {
	if len(ca.CertFiles) == 0 {
		c.errorf(p.Key("CertFiles"), "no certificate files are given")
		return nil
	}
	pool := x509.NewCertPool()
	if ca.AdditionalToSystem {
		system, err := x509.SystemCertPool()
		if err != nil {
			c.errorf(p.Key("AdditionalToSystem"), "getting certificate authorities of the system: %v", err)
			return nil
		}
		pool = system
	}
	for i, path := range ca.CertFiles {
		fp := p.Key("CertFiles").Index(i)
		if data, ok := c.readFile(fp, path); ok && !pool.AppendCertsFromPEM(data) {
			c.errorf(fp, "no PEM certificate in file")
		}
	}
	return pool
}

// ReadRoots reads the authorities that TLS.CA names, for commands that load the configuration
// without files. Nil: those of the system.
func (s *Snapshot) ReadRoots() (*x509.CertPool, error) {
	if s.Static.TLS.CA == nil {
		return nil, nil
	}
	doc, err := sconf.Parse(nil, s.Path, &struct{}{}) // for errors, without lines
	if err != nil {
		return nil, err
	}
	c := checker{doc: doc, opts: Options{}.withDefaults(), dir: filepath.Dir(s.Path)}
	pool := c.checkCA(sconf.Path(nil).Key("TLS", "CA"), s.Static.TLS.CA)
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	return pool, nil
}

// checkUpdates makes the feed of Updates.
func (c *checker) checkUpdates(p sconf.Path, u *Updates) updates.Feed {
	d, ok := c.domain(p.Key("Domain"), u.Domain)
	if u.URL != "" {
		if err := updates.CheckURL(u.URL); err != nil {
			c.errorf(p.Key("URL"), "%v", err)
			ok = false
		}
	}
	for i, k := range u.PublicKeys {
		if _, err := updates.ParsePublicKey(k); err != nil {
			c.errorf(p.Key("PublicKeys").Index(i), "%v", err)
			ok = false
		}
	}
	if !ok {
		return updates.Feed{}
	}
	f, err := updates.NewFeed(d.ASCII, u.URL, u.PublicKeys)
	if err != nil {
		c.errorf(p.Key("PublicKeys"), "%v", err)
	}
	return f
}

// Issuer returns the name for CAA records, or "".
func (a ACME) Issuer() string {
	if a.IssuerDomainName != "" {
		return a.IssuerDomainName
	}
	u, err := url.Parse(a.DirectoryURL)
	if err == nil && (u.Hostname() == "letsencrypt.org" || strings.HasSuffix(u.Hostname(), ".letsencrypt.org")) {
		return "letsencrypt.org"
	}
	return ""
}

func (c *checker) checkInitialMailboxes(root sconf.Path, s *Static) InitialMailboxes {
	m, p := s.InitialMailboxes, root.Key("InitialMailboxes")
	configured := c.doc.Has(p)
	if len(s.DefaultMailboxes) > 0 {
		if configured {
			c.errorf(root.Key("DefaultMailboxes"), "cannot be together with InitialMailboxes; remove DefaultMailboxes")
		}
		c.warnf(root.Key("DefaultMailboxes"), "is deprecated, use InitialMailboxes")
		return c.checkDefaultMailboxes(root.Key("DefaultMailboxes"), s.DefaultMailboxes)
	}
	if !configured {
		m.SpecialUse = SpecialUseMailboxes{"Sent", "Archive", "Trash", "Drafts", "Junk"}
	}
	seen := map[string]string{}
	uses := m.SpecialUse.byUse()
	for _, u := range uses {
		if *u.name == "" {
			continue
		}
		*u.name = c.mailboxNotInbox(p.Key("SpecialUse", u.use), *u.name)
		if other := seen[*u.name]; other != "" {
			c.errorf(p.Key("SpecialUse", u.use), "mailbox %q already is for %s", *u.name, other)
		}
		seen[*u.name] = u.use
	}
	m.Regular = nil
	for i, name := range s.InitialMailboxes.Regular {
		p := p.Key("Regular").Index(i)
		name = c.mailboxNotInbox(p, name)
		if seen[name] != "" {
			c.errorf(p, "mailbox %q is listed twice", name)
		}
		seen[name] = "Regular"
		m.Regular = append(m.Regular, name)
	}
	return m
}

type specialUse struct {
	use  string
	name *string
}

func (m *SpecialUseMailboxes) byUse() []specialUse {
	return []specialUse{{"Sent", &m.Sent}, {"Archive", &m.Archive}, {"Trash", &m.Trash}, {"Draft", &m.Draft}, {"Junk", &m.Junk}}
}

func (c *checker) checkDefaultMailboxes(p sconf.Path, names []string) InitialMailboxes {
	var m InitialMailboxes
	for i, name := range names {
		name = c.mailbox(p.Index(i), name)
		switch name {
		case Inbox:
		case "Sent":
			m.SpecialUse.Sent = name
		case "Archive":
			m.SpecialUse.Archive = name
		case "Trash":
			m.SpecialUse.Trash = name
		case "Drafts":
			m.SpecialUse.Draft = name
		case "Junk":
			m.SpecialUse.Junk = name
		default:
			m.Regular = append(m.Regular, name)
		}
	}
	return m
}

func (c *checker) checkDocumentText(p sconf.Path, d DocumentText) {
	for i, t := range d.Types {
		parsed, _, err := mime.ParseMediaType(t)
		if err != nil || parsed != t || !strings.Contains(t, "/") {
			c.errorf(p.Key("Types").Index(i), "%q is no media type in lower case, such as application/pdf", t)
		}
	}
	if len(d.Types) == 0 {
		c.errorf(p.Key("Types"), "must have a media type")
	}
	if len(d.Command) == 0 || !filepath.IsAbs(d.Command[0]) {
		c.errorf(p.Key("Command"), "must begin with the whole path of a program")
	}
}
