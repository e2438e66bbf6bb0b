package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"mox/admin"
	"mox/atomicfile"
	"mox/config"
	"mox/webserver"
)

// LocalOptions are those of "mox localserve".
type LocalOptions struct {
	MainOptions
	Dir      string // "" is mox-localserve in the user's configuration directory
	IP       string // "" is 127.0.0.1 and ::1; matters when the files are written
	InitOnly bool
	Out      io.Writer // what to try next is printed here
}

// What localserve is known by.
const (
	LocalLogin         = "mox@localhost"
	LocalPassword      = "moxmoxmox"
	LocalAdminPassword = "moxadmin"

	localAccount     = "mox"
	localCertificate = "localhost.crt"
	localKey         = "localhost.key"
	localDKIMKey     = "dkim.localserve.privatekey.pkcs8.pem"
)

// localPorts are the usual ports plus 1000.
var localPorts = struct{ smtp, submission, submissions, imap, imaps, http, metrics int }{1025, 1587, 1465, 1143, 1993, 1080, 1081}

// Local runs "mox localserve": it writes configuration, certificate and account where
// there are none, and serves as the current user.
func Local(ctx context.Context, o LocalOptions) (int, error) {
	if o.Dir == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return 1, fmt.Errorf("finding user configuration directory (give one with -dir): %w", err)
		}
		o.Dir = filepath.Join(dir, "mox-localserve")
	}
	if err := initLocal(o); err != nil {
		return 1, err
	}
	o.ConfigPath = filepath.Join(o.Dir, "mox.conf")
	p, err := newProcess(o.MainOptions, &Inherited{})
	if err != nil {
		return 1, err
	}
	if o.InitOnly {
		return 0, p.initOnly(ctx, o)
	}
	overview := localOverview(p.manager.Snapshot(), o.Version)
	return p.serve(ctx, Options{Local: true, Overview: overview}, func() { printLocal(o.Out, overview) })
}

// initOnly makes the account's data, for a later start, and reports.
func (p *process) initOnly(ctx context.Context, o LocalOptions) error {
	s, err := New(Options{Config: p.manager, Log: p.log, Levels: p.levels, Registry: p.registry, Local: true, Listen: NoListen})
	if err != nil {
		return err
	}
	defer s.abandon()
	if err := s.ensureLocalPassword(ctx); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "mox localserve is set up in %s\n", o.Dir)
	return nil
}

// NoListen stands in for sockets that will not be served, as Options.Listen.
func NoListen(string, string) (net.Listener, error) { return closedListener{}, nil }

// closedListener is a socket that nobody can connect to.
type closedListener struct{}

func (closedListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (closedListener) Close() error              { return nil }
func (closedListener) Addr() net.Addr            { return &net.TCPAddr{} }

// ensureLocalPassword gives the account of localserve its password if it has none.
func (s *Server) ensureLocalPassword(ctx context.Context) error {
	secret, err := s.secrets().Secret(ctx, localAccount)
	if err != nil || secret != nil {
		return err
	}
	return s.Auth.SetPassword(ctx, localAccount, LocalPassword)
}

// initLocal writes the files that are missing. An existing mox.conf stays as it is.
func initLocal(o LocalOptions) error {
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return fmt.Errorf("making directory: %w", err)
	}
	path := func(name string) string { return filepath.Join(o.Dir, name) }
	if _, err := os.Stat(path("mox.conf")); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ips := []string{"127.0.0.1", "::1"}
	if !hasIPv6Loopback() {
		ips = ips[:1]
	}
	if o.IP != "" {
		if net.ParseIP(o.IP) == nil {
			return fmt.Errorf("%q is not an IP address", o.IP)
		}
		ips = []string{o.IP}
	}
	if err := writeLocalCertificate(path(localCertificate), path(localKey), o.IP); err != nil {
		return fmt.Errorf("making certificate: %w", err)
	}
	if err := writeDKIMKey(path(localDKIMKey)); err != nil {
		return fmt.Errorf("making dkim key: %w", err)
	}
	if err := admin.SetAdminPassword(path("adminpasswd"), LocalAdminPassword); err != nil {
		return fmt.Errorf("setting admin password: %w", err)
	}
	dynamic, static := localConfig(ips)
	var b bytes.Buffer
	if err := config.WriteDynamic(&b, dynamic); err != nil {
		return err
	}
	if err := atomicfile.Write(path("domains.conf"), b.Bytes(), 0o640); err != nil {
		return err
	}
	b.Reset()
	if err := config.WriteStatic(&b, static); err != nil {
		return err
	}
	// Last: where mox.conf is, the rest is.
	return atomicfile.Write(path("mox.conf"), b.Bytes(), 0o640)
}

// hasIPv6Loopback reports whether ::1 can be listened on.
func hasIPv6Loopback() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// localConfig is the configuration that localserve starts with.
func localConfig(ips []string) (*config.Dynamic, *config.Static) {
	l := config.Listener{IPs: ips, Hostname: "localhost"}
	l.TLS = &config.TLS{KeyCerts: []config.KeyCert{{CertFile: localCertificate, KeyFile: localKey}}}
	l.SMTP = config.SMTP{Enabled: true, Port: localPorts.smtp}
	l.Submission = config.Submission{Enabled: true, Port: localPorts.submission, NoRequireSTARTTLS: true}
	l.Submissions = config.Submissions{Enabled: true, Port: localPorts.submissions}
	l.IMAP = config.IMAP{Enabled: true, Port: localPorts.imap, NoRequireSTARTTLS: true}
	l.IMAPS = config.IMAPS{Enabled: true, Port: localPorts.imaps}
	l.WebserverHTTP = config.WebserverService{Enabled: true, Port: localPorts.http}
	l.AutoconfigHTTPS = config.DiscoveryService{Enabled: true, Port: localPorts.http, NonTLS: true}
	l.AccountHTTP = config.WebService{Enabled: true, Port: localPorts.http, Path: "/account/"}
	l.AdminHTTP = config.WebService{Enabled: true, Port: localPorts.http}
	l.WebmailHTTP = config.WebService{Enabled: true, Port: localPorts.http}
	l.WebAPIHTTP = config.WebService{Enabled: true, Port: localPorts.http}
	l.JMAPHTTP = config.WebService{Enabled: true, Port: localPorts.http}
	l.MetricsHTTP = config.PlainService{Enabled: true, Port: localPorts.metrics}
	static := &config.Static{
		DataDir:           ".",
		LogLevel:          "traceauth",
		Hostname:          "localhost",
		Pedantic:          true,
		AdminPasswordFile: "adminpasswd",
		Listeners:         map[string]config.Listener{"local": l},
		Postmaster:        config.Postmaster{Account: localAccount, Mailbox: "Inbox"},
		TLS:               config.GlobalTLS{CA: &config.CA{AdditionalToSystem: true, CertFiles: []string{localCertificate}}},
	}
	dynamic := &config.Dynamic{
		Domains: map[string]config.Domain{"localhost": {
			LocalpartCatchallSeparator: "+",
			DKIM: config.DKIM{
				Selectors: map[string]config.Selector{"localserve": {PrivateKeyFile: localDKIMKey}},
				Sign:      []string{"localserve"},
			},
		}},
		Accounts: map[string]config.Account{localAccount: {
			Domain:                   "localhost",
			Destinations:             map[string]config.Destination{LocalLogin: {}},
			RejectsMailbox:           "Rejects",
			NoFirstTimeSenderDelay:   true,
			KeepRetiredMessagePeriod: 72 * time.Hour,
			KeepRetiredWebhookPeriod: 72 * time.Hour,
		}},
	}
	return dynamic, static
}

// writeLocalCertificate makes a self-signed ECDSA P-256 certificate for localhost and the
// loopback addresses, valid for four years.
func writeLocalCertificate(certPath, keyPath, ip string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "localhost", Organization: []string{"mox localserve"}},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(4, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	if extra := net.ParseIP(ip); extra != nil && !extra.IsLoopback() {
		template.IPAddresses = append(template.IPAddresses, extra)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	if err := writeKey(keyPath, key); err != nil {
		return err
	}
	return atomicfile.Write(certPath, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o640)
}

func writeDKIMKey(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	return writeKey(path, key)
}

// writeKey writes a private key, PKCS 8 in PEM.
func writeKey(path string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o640)
}

// localOverview is the page, and what is printed, about a localserve configuration.
func localOverview(snap *config.Snapshot, version string) *webserver.Overview {
	l, ok := snap.Listeners["local"]
	if !ok {
		l = &config.ListenerInfo{} // someone edited mox.conf
	}
	host := "localhost"
	if len(l.IPs) > 0 && !l.IPs[0].IsLoopback() && !l.IPs[0].IsUnspecified() {
		host = l.IPs[0].String()
	}
	o := &webserver.Overview{
		Version:  version,
		Host:     host,
		Login:    LocalLogin,
		Password: LocalPassword,
		CertFile: snap.ConfigPath(localCertificate),
		Metrics:  fmt.Sprintf("http://%s/metrics", net.JoinHostPort(host, fmt.Sprint(l.MetricsHTTP.Port))),
	}
	at := func(w config.WebService) string {
		if !w.Enabled {
			return ""
		}
		return fmt.Sprintf("http://%s%s", net.JoinHostPort(host, fmt.Sprint(w.Port)), w.Path)
	}
	o.API, o.Webmail, o.Account, o.Admin, o.AdminPassword = at(l.WebAPIHTTP), at(l.WebmailHTTP), at(l.AccountHTTP), at(l.AdminHTTP), LocalAdminPassword
	for _, s := range []struct {
		enabled bool
		webserver.OverviewService
	}{
		{l.SMTP.Enabled, webserver.OverviewService{Name: "SMTP", Port: l.SMTP.Port, Security: "none or STARTTLS", Use: "deliver mail, as another server does"}},
		{l.Submission.Enabled, webserver.OverviewService{Name: "Submission", Port: l.Submission.Port, Security: "none or STARTTLS", Use: "send mail after login"}},
		{l.Submissions.Enabled, webserver.OverviewService{Name: "Submissions", Port: l.Submissions.Port, Security: "TLS", Use: "send mail after login"}},
		{l.IMAP.Enabled, webserver.OverviewService{Name: "IMAP", Port: l.IMAP.Port, Security: "none or STARTTLS", Use: "read mail"}},
		{l.IMAPS.Enabled, webserver.OverviewService{Name: "IMAPS", Port: l.IMAPS.Port, Security: "TLS", Use: "read mail"}},
		{l.WebserverHTTP.Enabled, webserver.OverviewService{Name: "HTTP", Port: l.WebserverHTTP.Port, Security: "none", Use: "this overview"}},
		{l.WebAPIHTTP.Enabled, webserver.OverviewService{Name: "HTTP API", Port: l.WebAPIHTTP.Port, Security: "none", Use: "send mail from programs, at path " + l.WebAPIHTTP.Path}},
		{l.JMAPHTTP.Enabled, webserver.OverviewService{Name: "JMAP", Port: l.JMAPHTTP.Port, Security: "none", Use: "read and send mail, at path " + l.JMAPHTTP.Path}},
	} {
		if s.enabled {
			o.Services = append(o.Services, s.OverviewService)
		}
	}
	return o
}

// printLocal tells how to use a localserve.
func printLocal(w io.Writer, o *webserver.Overview) {
	fmt.Fprintf(w, "mox localserve: any sender and any recipient is accepted; all mail arrives in one account.\n\n")
	fmt.Fprintf(w, "  login %s, password %s\n\n", o.Login, o.Password)
	for _, s := range o.Services {
		fmt.Fprintf(w, "  %-12s %s:%-6d %-18s %s\n", s.Name, o.Host, s.Port, s.Security, s.Use)
	}
	if o.Webmail != "" {
		fmt.Fprintf(w, "  %-12s %s\n", "Webmail", o.Webmail)
	}
	if o.Account != "" {
		fmt.Fprintf(w, "  %-12s %s\n", "Account", o.Account)
	}
	if o.Admin != "" {
		fmt.Fprintf(w, "  %-12s %s (password %s)\n", "Admin", o.Admin, o.AdminPassword)
	}
	fmt.Fprintf(w, "  %-12s %s\n\nCertificate to trust: %s\n\nTry:\n\n", "Metrics", o.Metrics, o.CertFile)
	for _, line := range o.Try() {
		fmt.Fprintf(w, "  %s\n", line)
	}
	fmt.Fprintf(w, "\nMail to or from a localpart that ends in temperror, permerror, timeout or a code like 552 is answered so.\n\n")
}

// ControlPath is where the control socket of a configuration is.
func ControlPath(configPath string) (string, error) {
	// A server that runs is to be reached while domains.conf has errors.
	static, _, err := config.CheckStatic(configPath, config.Options{SkipFiles: true})
	if err != nil {
		return "", err
	}
	return (&config.Snapshot{Path: configPath, Static: static}).DataPath("ctl"), nil
}
