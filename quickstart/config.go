package quickstart

import (
	"bytes"
	"net/netip"
	"slices"

	"mox/config"
	"mox/smtp"
)

// Ports of services behind another web server: cli reference, section 3.
const (
	forwardedWebPort = 1080 // applications
	forwardedPort    = 81   // what others ask for at names of the domain
)

// staticConfig is mox.conf. keys are those of the host.
func (p *Plan) staticConfig(keys []config.NewKey) *config.Static {
	public := config.Listener{IPs: texts(p.IPs), NATIPs: texts(p.NATIPs), TLS: p.tls(keys)}
	public.SMTP = config.SMTP{Enabled: true, DNSBLs: dnsbls}
	public.Submissions.Enabled = true
	public.IMAPS.Enabled = true
	internal := config.Listener{IPs: texts(p.InternalIPs), Hostname: "localhost"}
	app := config.WebService{Enabled: true}
	metrics := config.PlainService{Enabled: true}
	if p.Options.ExistingWebserver {
		app = config.WebService{Enabled: true, Port: forwardedWebPort, Forwarded: true}
		forwarded := config.DiscoveryService{Enabled: true, Port: forwardedPort, NonTLS: true, Forwarded: true}
		internal.AutoconfigHTTPS, internal.MTASTSHTTPS = forwarded, forwarded
		internal.WebserverHTTP = config.WebserverService{Enabled: true, Port: forwardedPort}
	} else {
		public.Submissions.EnabledOnHTTPS, public.IMAPS.EnabledOnHTTPS = true, true
		public.AutoconfigHTTPS.Enabled, public.MTASTSHTTPS.Enabled = true, true
		public.WebserverHTTP.Enabled, public.WebserverHTTPS.Enabled = true, true
		// The admin pages stay on internal addresses.
		public.AccountHTTPS.Enabled, public.WebmailHTTPS.Enabled, public.JMAPHTTPS.Enabled = true, true, true
		if slices.ContainsFunc(p.IPs, netip.Addr.IsUnspecified) {
			app.Port = forwardedWebPort // port 80 is taken on all addresses
		}
	}
	internal.AccountHTTP, internal.AdminHTTP, internal.WebmailHTTP, internal.WebAPIHTTP, internal.JMAPHTTP, internal.MetricsHTTP = app, app, app, app, app, metrics
	s := &config.Static{
		DataDir:           "../data",
		LogLevel:          "debug",
		User:              p.Options.User,
		Hostname:          p.Hostname.Name(),
		CheckUpdates:      true,
		AdminPasswordFile: "adminpasswd",
		Listeners:         map[string]config.Listener{"public": public, "internal": internal},
		Postmaster:        config.Postmaster{Account: p.Account, Mailbox: "Postmaster"},
		HostTLSRPT:        &config.HostTLSRPT{Account: p.Account, Mailbox: "TLSRPT", Localpart: "tlsreports"},
	}
	if !p.Options.ExistingWebserver {
		s.ACME = map[string]config.ACME{"letsencrypt": {
			DirectoryURL: "https://acme-v02.api.letsencrypt.org/directory", ContactEmail: p.contact(), IssuerDomainName: "letsencrypt.org",
		}}
	}
	return s
}

// tls is where certificates come from.
func (p *Plan) tls(keys []config.NewKey) *config.TLS {
	if p.Options.ExistingWebserver {
		t := &config.TLS{}
		for _, name := range p.certificateNames() {
			t.KeyCerts = append(t.KeyCerts, config.KeyCert{CertFile: placeholderDir + name + "-chain.crt.pem", KeyFile: placeholderDir + name + ".key.pem"})
		}
		return t
	}
	t := &config.TLS{ACME: "letsencrypt"}
	for _, key := range keys {
		t.HostPrivateKeyFiles = append(t.HostPrivateKeyFiles, key.Path)
	}
	return t
}

// placeholderDir begins the paths of certificates that a person fills in.
const placeholderDir = "path/to/"

// certificateNames are names at which others want a certificate, each once.
func (p *Plan) certificateNames() []string {
	d := p.Address.Domain.ASCII
	var names []string
	for _, name := range []string{p.Hostname.ASCII, "mta-sts." + d, "autoconfig." + d, "mail." + d} {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// contact is the address for the provider of certificates, which takes ASCII only.
func (p *Plan) contact() string {
	a := p.Address
	if a.Localpart.IsInternational() {
		a.Localpart = "postmaster"
	}
	return smtp.Address{Localpart: a.Localpart, Domain: a.Domain}.Pack(false)
}

// dynamicConfig is domains.conf, with the DKIM keys that it refers to.
func (p *Plan) dynamicConfig() (*config.Dynamic, []config.NewKey) {
	domain, keys := config.NewDomain(config.NewDomainOptions{Domain: p.Address.Domain, Account: p.Account, Hostname: p.Hostname, MTASTS: true, Now: p.Options.Now()})
	account := config.NewAccount(p.Address.Domain.Name(), p.Address.String())
	account.Destinations[p.Address.String()] = config.Destination{Rulesets: []config.Ruleset{{
		MsgFromRegexp: `@lists\.example\.net$`, VerifiedDomain: "lists.example.net", HeadersRegexp: map[string]string{"^list-id$": `<announce\.lists\.example\.net>`},
		ListAllowDomain: "lists.example.net", Mailbox: "Lists/Announcements", Comment: "Mail of a list into its own mailbox, if its domain is verified",
	}}}
	return &config.Dynamic{
		Domains:       map[string]config.Domain{p.Address.Domain.Name(): domain},
		Accounts:      map[string]config.Account{p.Account: account},
		MonitorDNSBLs: dnsbls,
	}, keys
}

// ports lists those of a listener that are in use.
func ports(l config.Listener) []uint16 {
	var all []uint16
	add := func(enabled bool, port, fallback int) {
		if port == 0 {
			port = fallback
		}
		if enabled && !slices.Contains(all, uint16(port)) {
			all = append(all, uint16(port))
		}
	}
	add(l.SMTP.Enabled, l.SMTP.Port, 25)
	add(l.Submissions.Enabled, l.Submissions.Port, 465)
	add(l.IMAPS.Enabled, l.IMAPS.Port, 993)
	add(l.AccountHTTP.Enabled, l.AccountHTTP.Port, 80)
	add(l.AutoconfigHTTPS.Enabled, l.AutoconfigHTTPS.Port, 443)
	add(l.MTASTSHTTPS.Enabled, l.MTASTSHTTPS.Port, 443)
	add(l.WebserverHTTP.Enabled, l.WebserverHTTP.Port, 80)
	add(l.WebserverHTTPS.Enabled, l.WebserverHTTPS.Port, 443)
	add(l.MetricsHTTP.Enabled, l.MetricsHTTP.Port, 8010)
	return all
}

func texts(ips []netip.Addr) []string {
	var l []string
	for _, ip := range ips {
		l = append(l, ip.String())
	}
	return l
}

const staticHeader = `# mox.conf, made by "mox quickstart": what the server is. It is read at start, so changes need a restart. Check them
# with "mox config test". Domains, accounts and addresses are in domains.conf.
#
# Indentation is by tabs. A comment is a line of its own. Where a # stands directly before a name, a setting is
# switched off, and on again without it. "mox config describe-static" has all that can be here.

`

const dynamicHeader = `# domains.conf, made by "mox quickstart": domains, accounts and addresses. It is read again within seconds of a
# change; a change with an error is refused and logged. "mox config domain", "account", "address" and "alias" change
# it too, and keep comments.
#
# Where a # stands directly before a name, a setting is switched off, and on again without it. "mox config
# describe-domains" has all that can be here.

`

// staticText is mox.conf as written.
func (p *Plan) staticText(keys []config.NewKey) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(staticHeader)
	if err := config.WriteStatic(&b, p.staticConfig(keys)); err != nil {
		return nil, err
	}
	return commentOut(b.Bytes(), "CheckUpdates", "DNSBLs", "EnabledOnHTTPS"), nil
}

// dynamicText is domains.conf as written.
func dynamicText(d *config.Dynamic) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(dynamicHeader)
	if err := config.WriteDynamic(&b, d); err != nil {
		return nil, err
	}
	return commentOut(b.Bytes(), "Rulesets"), nil
}

// commentOut switches settings off by a # before each of their lines, as the references
// have it. Comments stay what they are.
func commentOut(text []byte, keys ...string) []byte {
	var out bytes.Buffer
	level := -1 // of the setting that is being switched off
	for line := range bytes.Lines(text) {
		rest := bytes.TrimLeft(line, "\t")
		indent := len(line) - len(rest)
		blank := len(bytes.TrimSpace(rest)) == 0
		isComment := bytes.HasPrefix(rest, []byte("#"))
		if level >= 0 && !blank && !isComment && indent <= level {
			level = -1
		}
		key, _, _ := bytes.Cut(rest, []byte(":"))
		if level < 0 && !isComment && slices.Contains(keys, string(key)) {
			level = indent
		}
		if level >= 0 && !blank && !isComment {
			out.Write(line[:indent])
			out.WriteByte('#')
			out.Write(rest)
			continue
		}
		out.Write(line)
	}
	return out.Bytes()
}
