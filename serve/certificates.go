package serve

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/acme"
	"mox/autotls"
	"mox/config"
	"mox/dns"
	"mox/message"
	"mox/metrics"
	"mox/smtp"
	"mox/webserver"
)

// ACMEDir is where keys and certificates gotten by ACME are, in the data directory.
const ACMEDir = "acme"

// commandRunnerArg is the command of this program that runs [CommandRunner].
const commandRunnerArg = "acmecommand"

// openCertificates opens what has the certificates of the listeners.
func (s *Server) openCertificates(snap *config.Snapshot) error {
	s.certFiles = autotls.NewFiles(autotls.FilesOptions{
		Log: s.Log, Now: s.Now, ReadFile: s.Inherited.fresh, Alarm: s.certificateAlarm, Metrics: s.certificateMetrics(),
		AlarmedPath: snap.DataPath(filepath.Join(ACMEDir, "alarmed-files")),
	})
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(snap.Listeners)) {
		l := snap.Listeners[name]
		for i := range l.Certificates {
			s.certFiles.Add(filePair(snap, l, i), &l.Certificates[i])
		}
		if l.TLS != nil && l.TLS.ACME != "" {
			used[l.TLS.ACME] = true
		}
	}
	if len(used) == 0 {
		return nil
	}
	o := autotls.Options{
		Log: s.Log, Now: s.Now, Resolver: s.Resolver, HTTP: acmeClient(snap), UserAgent: "mox/" + cmp.Or(s.Version, "dev"),
		Own:   func() []netip.Addr { return publicAddresses(snap) },
		Alarm: s.certificateAlarm, Metrics: s.certificateMetrics(),
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		p, err := s.acmeProvider(snap, snap.ACME[name])
		if err != nil {
			return fmt.Errorf("ACME provider %s: %w", name, err)
		}
		o.Providers = append(o.Providers, p)
	}
	var err error
	if s.Certificates, err = autotls.Open(snap.DataPath(ACMEDir), o); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	s.Certificates.SetNames(autotls.NamesOf(snap))
	return nil
}

// closeCertificates closes what openCertificates opened.
func (s *Server) closeCertificates() error {
	var errs []error
	if s.Certificates != nil {
		errs = append(errs, s.Certificates.Close())
	}
	if s.certFiles != nil {
		errs = append(errs, s.certFiles.Close())
	}
	for _, c := range s.acmeCommands {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// filePair names the files of certificate number i of a listener.
func filePair(snap *config.Snapshot, l *config.ListenerInfo, i int) autotls.FilePair {
	kc := l.TLS.KeyCerts[i]
	return autotls.FilePair{Cert: snap.ConfigPath(kc.CertFile), Key: snap.ConfigPath(kc.KeyFile)}
}

// acmeClient makes connections to certificate authorities.
func acmeClient(snap *config.Snapshot) *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{RootCAs: snap.RootCAs},
		TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: time.Minute,
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 * 1024,
	}}
}

// acmeProvider makes a provider of its configuration.
func (s *Server) acmeProvider(snap *config.Snapshot, a *config.ACMEInfo) (autotls.Provider, error) {
	p := autotls.Provider{
		Name: a.Name, DirectoryURL: a.DirectoryURL, Contact: a.ContactEmail, RenewBefore: a.RenewBefore,
		Challenges: servedChallenges(snap, a),
	}
	if eab := a.ExternalAccountBinding; eab != nil {
		p.ExternalAccount = &acme.ExternalAccount{KeyID: eab.KeyID, Key: a.EABKey}
	}
	if a.DNS == nil {
		return p, nil
	}
	p.Wait = a.DNS.Wait
	if u := a.DNS.RFC2136; u != nil {
		p.DNS = autotls.Updates{Updater: &dns.Updater{
			Server: u.Server, Zone: u.Zone, KeyName: u.KeyName, Algorithm: u.KeyAlgorithm, Secret: a.TSIGSecret, Now: s.Now,
		}}
		return p, nil
	}
	if p.Wait == 0 {
		p.Wait = config.DefaultCommandWait
	}
	c, err := s.startCommands(a.DNS.Command)
	if err != nil {
		return p, err
	}
	p.DNS = c
	return p, nil
}

// servedChallenges are those of a provider without http-01 where no listener can answer it,
// unless there is no other.
func servedChallenges(snap *config.Snapshot, a *config.ACMEInfo) []string {
	if slices.ContainsFunc(endpoints(snap), func(e endpoint) bool { return e.service == serviceWeb }) {
		return a.Challenges
	}
	l := slices.DeleteFunc(slices.Clone(a.Challenges), func(ch string) bool { return ch == acme.HTTP01 })
	if len(l) == 0 {
		return a.Challenges
	}
	return l
}

// startCommands starts the process that runs a program, as long as this one may start others.
func (s *Server) startCommands(argv []string) (*autotls.Commands, error) {
	if _, err := os.Stat(argv[0]); err != nil {
		s.Log.Warn("program for DNS records is not there", "program", argv[0], "err", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding own executable: %w", err)
	}
	if _, err := os.Stat(selfExe); err == nil {
		exe = selfExe // also where the path is not ours to enter, or has a newer program
	}
	c, err := autotls.StartCommands(exe, []string{commandRunnerArg}, argv)
	if err == nil {
		s.acmeCommands = append(s.acmeCommands, c)
	}
	return c, err
}

// publicAddresses are those that names of ours have in DNS; none if that is not known.
func publicAddresses(snap *config.Snapshot) []netip.Addr {
	l := snap.Listeners["public"]
	if l == nil || l.IPsNATed {
		return nil
	}
	if len(l.NATIPs) > 0 {
		return l.NATIPs
	}
	for _, ip := range l.IPs {
		// Of all addresses, or of a network behind address translation that we are not told of.
		if ip.IsUnspecified() || ip.IsPrivate() {
			return nil
		}
	}
	return l.IPs
}

func (s *Server) certificateMetrics() autotls.Metrics {
	missing, unknown := s.Registry.Counter(metrics.AutoTLSMissingServerName), s.Registry.Counter(metrics.AutoTLSUnknownServerName)
	failed, stored := s.Registry.Counter(metrics.AutoTLSCertRequestErrors), s.Registry.Counter(metrics.AutoTLSCertPut)
	expiry := s.Registry.Gauge(metrics.TLSCertificateExpiry)
	return autotls.Metrics{
		Missing: func() { missing.Inc() }, Unknown: func() { unknown.Inc() },
		Error: func() { failed.Inc() }, Stored: func() { stored.Inc() },
		Expiry: func(source, name, kind string, notAfter time.Time) {
			if notAfter.IsZero() {
				expiry.Delete(source, name, kind)
				return
			}
			expiry.Set(float64(notAfter.Unix()), source, name, kind)
		},
		Panic: func(x any) {
			s.Log.Error("panic", "panic", fmt.Sprint(x), "pkg", "autotls")
			s.Registry.Panic("autotls")
		},
	}
}

// certificateAlarm writes to postmaster about a certificate that ends soon.
func (s *Server) certificateAlarm(ctx context.Context, c autotls.CertStatus) error {
	host := s.Config.Snapshot().Hostname
	id, err := message.NewMessageID(host.ASCII, nil)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	m := message.NewComposer(&b, message.ComposeOptions{})
	m.Addresses("From", []message.Address{{Name: "Mail server", Mailbox: "postmaster", Host: host.ASCII}})
	m.Addresses("To", []message.Address{{Mailbox: "postmaster", Host: host.ASCII}})
	m.Text("Subject", "TLS certificate of "+c.Names[0]+" ends "+c.NotAfter.UTC().Format("2 January"))
	m.Date(s.Now())
	m.MessageIDs("Message-ID", id)
	m.Raw("Auto-Submitted", "auto-generated")
	if err := m.WriteBody(message.TextBody(alarmText(c), false)); err != nil {
		return err
	}
	return s.submit.Put(ctx, smtp.Address{Localpart: "postmaster", Domain: host}, &b)
}

// alarmText is what postmaster reads.
func alarmText(c autotls.CertStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The TLS certificate (%s) for %s ends at %s.\n\n", c.Kind, strings.Join(c.Names, ", "), c.NotAfter.UTC().Format(time.RFC1123))
	if c.Source == "file" {
		fmt.Fprintf(&b, "It is from the file %s. Whatever renews that file has not done so.\nOnce there is a new one, it is used within a minute.\n", c.File)
		if c.LastError != "" {
			fmt.Fprintf(&b, "\nWhat is in the file now cannot be used: %s\n", c.LastError)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "It should have been renewed with the provider %s, which goes on being tried.\n", c.Provider)
	if c.LastError != "" {
		fmt.Fprintf(&b, "\nThe last attempt, at %s, failed: %s\n", c.LastErrorTime.UTC().Format(time.RFC1123), c.LastError)
	}
	fmt.Fprintf(&b, "\n\"mox certificates list\" shows the state, \"mox certificates renew %s\" tries again now.\n", c.Names[0])
	return b.String()
}

// certificateDirs are the directories of certificates from files, which are read again when they
// change: also those that links lead to.
func certificateDirs(snap *config.Snapshot) []string {
	var dirs []string
	add := func(path string) {
		if dir := filepath.Dir(path); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, path := range keyFiles(snap) {
		add(path)
		if to, err := filepath.EvalSymlinks(path); err == nil {
			add(to)
		}
	}
	return dirs
}

// acmeProtocol ends connections of authorities, for which the handshake is all there is (RFC
// 8737 4).
func acmeProtocol() webserver.Protocol {
	return webserver.Protocol{Name: acme.ALPNProto, Serve: func(conn *tls.Conn) { conn.Close() }}
}

// addACME adds the answers to http-01.
func (s *Server) addACME(p *webserver.Router) {
	if s.Certificates == nil {
		return
	}
	p.System("acme", acme.ChallengePath, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The path below, as the router has it, is not the whole.
		whole := r.Clone(r.Context())
		whole.URL.Path = acme.ChallengePath + strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, acme.ChallengePath), "/")
		if !s.Certificates.HTTPChallenge(w, whole) {
			http.NotFound(w, r)
		}
	}))
}

// RenewCertificate asks for a certificate anew: see [autotls.Manager.Renew].
func (s *Server) RenewCertificate(name string, force bool) error {
	if s.Certificates == nil {
		return autotls.ErrNoName
	}
	return s.Certificates.Renew(name, force)
}

// CertificateStatus returns all certificates: those gotten by ACME, then those from files.
func (s *Server) CertificateStatus() []autotls.CertStatus {
	var all []autotls.CertStatus
	if s.Certificates != nil {
		all = s.Certificates.Status()
	}
	return append(all, s.certFiles.Status()...)
}

// CommandRunner is the process that runs the program for DNS records of a provider.
func CommandRunner(ctx context.Context, argv []string, in io.Reader, out io.Writer) error {
	return autotls.RunCommands(ctx, argv, in, out)
}
