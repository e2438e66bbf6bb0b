package moxtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"mox/config"
	"mox/dns"
	"mox/imapclient"
	"mox/metrics"
	"mox/mlog"
	"mox/serve"
)

// Hostname and Domain are those of the test server. DNS resolves neither.
const (
	Hostname = "mail.mox.example"
	Domain   = "mox.example"
)

// Password is that of every account.
const Password = "moxmoxmox"

// Option changes a test server before it starts.
type Option func(*options)

type options struct {
	accounts  map[string][]string // name to addresses
	configure []func(*config.Static, *config.Dynamic)
	network   bool
	level     slog.Level
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
}

// WithAccount adds an account with addresses. Without this option there is one, "mox" with
// address mox@mox.example.
func WithAccount(name string, addresses ...string) Option {
	return func(o *options) { o.accounts[name] = addresses }
}

// WithConfig changes the configuration.
func WithConfig(f func(*config.Static, *config.Dynamic)) Option {
	return func(o *options) { o.configure = append(o.configure, f) }
}

// WithoutNetwork opens no ports: only [Server.Dial] connects. The control socket is there
// all the same, so that time stands still in a testing/synctest bubble.
func WithoutNetwork() Option { return func(o *options) { o.network = false } }

// WithDial makes the connections to other mail servers and push services, whose names and addresses are
// those of [Server.DNS]. Without it there are none to be reached: mail for others waits in
// the queue.
func WithDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(o *options) { o.dial = dial }
}

// WithLog sets the level from which log lines appear in the test's output; the default
// is errors.
func WithLog(level slog.Level) Option { return func(o *options) { o.level = level } }

// Server is a running mox.
type Server struct {
	*serve.Server
	// DNS is what its lookups see. Loopback addresses have a name in it, and there is
	// the domain remote.example, for mail from outside. It may be changed before the lookups.
	DNS     *dns.MockResolver
	RootCAs *x509.CertPool // to verify its certificate, for Hostname and 127.0.0.1
	Dir     string         // of configuration and data

	t         testing.TB
	accounts  []string // names, sorted
	addresses map[string][]string
	listeners map[string]*listener // by service
}

// New returns a running server that ends with the test. At the end, each account's
// consistency is checked.
func New(t testing.TB, opts ...Option) *Server {
	t.Helper()
	o := options{accounts: map[string][]string{}, network: true, level: slog.LevelError, dial: unreachable}
	for _, opt := range opts {
		opt(&o)
	}
	if len(o.accounts) == 0 {
		o.accounts["mox"] = []string{"mox@" + Domain}
	}
	s := &Server{
		DNS: zone(), Dir: t.TempDir(), t: t,
		accounts: slices.Sorted(maps.Keys(o.accounts)), addresses: o.accounts, listeners: map[string]*listener{},
	}
	s.writeFiles(o)
	s.start(o)
	return s
}

// unreachable is what connecting gives where there is nobody.
func unreachable(_ context.Context, network, _ string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
}

// zone is DNS as it is to begin with.
func zone() *dns.MockResolver {
	return &dns.MockResolver{
		A:    map[string][]string{"localhost": {"127.0.0.1"}, "remote.example": {"127.0.0.1"}},
		AAAA: map[string][]string{"localhost": {"::1"}},
		PTR:  map[string][]string{"127.0.0.1": {"localhost"}, "::1": {"localhost"}},
		MX:   map[string][]dns.MX{"remote.example": {{Preference: 10, Host: "remote.example"}}},
		TXT:  map[string][]string{"remote.example": {"v=spf1 ip4:127.0.0.0/8 ip6:::1 -all"}},
	}
}

// start composes and starts the server, and sees to its end.
func (s *Server) start(o options) {
	t := s.t
	t.Helper()
	log := mlog.NewTest(t, o.level)
	manager, err := config.Open(filepath.Join(s.Dir, "mox.conf"), log, config.Options{})
	if err != nil {
		t.Fatalf("moxtest: configuration: %v", err)
	}
	s.Server, err = serve.New(serve.Options{
		Config: manager, Log: log, Levels: mlog.NewLevels(o.level, nil), Registry: metrics.New(),
		Resolver: s.DNS, Version: "(test)", NoSlow: true, Loopback: true,
		Dial: func(ctx context.Context, _ netip.Addr, network, address string) (net.Conn, error) {
			return o.dial(ctx, network, address)
		},
		Listen: func(service, _ string) (net.Listener, error) {
			l, err := newListener(o.network)
			s.listeners[service] = l
			return l, err
		},
	})
	if err != nil {
		t.Fatalf("moxtest: %v", err)
	}
	for _, name := range s.accounts {
		if err := s.Auth.SetPassword(context.Background(), name, Password); err != nil {
			t.Fatalf("moxtest: setting password: %v", err)
		}
	}
	if err := s.Start(); err != nil {
		t.Fatalf("moxtest: starting: %v", err)
	}
	t.Cleanup(func() {
		s.check()
		if err := s.Stop(); err != nil {
			t.Errorf("moxtest: stopping: %v", err)
		}
	})
}

// check reports every inconsistency of every account, those excepted that the test has removed.
func (s *Server) check() {
	for _, name := range s.accounts {
		if _, ok := s.Config.Snapshot().Dynamic.Accounts[name]; !ok {
			continue
		}
		acc, err := s.Store.Account(context.Background(), name)
		if err != nil {
			s.t.Errorf("moxtest: opening account %s to check it: %v", name, err)
			continue
		}
		problems, err := acc.Check(context.Background())
		if err != nil {
			s.t.Errorf("moxtest: checking account %s: %v", name, err)
		}
		for _, p := range problems {
			s.t.Errorf("moxtest: account %s: %v", name, p)
		}
		acc.Release()
	}
}

// writeFiles writes configuration and certificate.
func (s *Server) writeFiles(o options) {
	s.t.Helper()
	s.writeCertificate()
	l := config.Listener{IPs: []string{"127.0.0.1"}, Hostname: Hostname}
	l.TLS = &config.TLS{KeyCerts: []config.KeyCert{{CertFile: "cert.pem", KeyFile: "key.pem"}}}
	l.SMTP = config.SMTP{Enabled: true, FirstTimeSenderDelay: new(time.Duration)}
	l.Submission = config.Submission{Enabled: true, NoRequireSTARTTLS: true}
	l.Submissions = config.Submissions{Enabled: true}
	l.IMAP = config.IMAP{Enabled: true, NoRequireSTARTTLS: true}
	l.IMAPS = config.IMAPS{Enabled: true}
	l.MetricsHTTP = config.PlainService{Enabled: true}
	l.WebAPIHTTP = config.WebService{Enabled: true}
	static := &config.Static{
		DataDir: "data", LogLevel: "error", Hostname: Hostname,
		Listeners:  map[string]config.Listener{"test": l},
		Postmaster: config.Postmaster{Account: s.accounts[0], Mailbox: "Postmaster"},
	}
	dynamic := &config.Dynamic{
		Domains:  map[string]config.Domain{Domain: {LocalpartCatchallSeparator: "+"}},
		Accounts: map[string]config.Account{},
	}
	for name, addresses := range o.accounts {
		acc := config.NewAccount(Domain, "")
		for _, address := range addresses {
			acc.Destinations[address] = config.Destination{}
		}
		dynamic.Accounts[name] = acc
	}
	for _, f := range o.configure {
		f(static, dynamic)
	}
	var b bytes.Buffer
	s.must(config.WriteStatic(&b, static))
	s.write("mox.conf", b.Bytes())
	b.Reset()
	s.must(config.WriteDynamic(&b, dynamic))
	s.write("domains.conf", b.Bytes())
}

func (s *Server) must(err error) {
	if err != nil {
		s.t.Helper()
		s.t.Fatalf("moxtest: %v", err)
	}
}

func (s *Server) write(name string, data []byte) {
	s.t.Helper()
	s.must(os.WriteFile(filepath.Join(s.Dir, name), data, 0o600))
}

// writeCertificate makes a self-signed certificate.
func (s *Server) writeCertificate() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: Hostname},
		DNSNames:     []string{Hostname},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		// Around any clock, also that of a synctest bubble.
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:  time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:      true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	s.must(err)
	cert, err := x509.ParseCertificate(der)
	s.must(err)
	s.RootCAs = x509.NewCertPool()
	s.RootCAs.AddCert(cert)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	s.must(err)
	s.write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	s.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// TLSConfig is a client's configuration that trusts the server.
func (s *Server) TLSConfig() *tls.Config {
	return &tls.Config{RootCAs: s.RootCAs, ServerName: Hostname}
}

// Addr is the loopback "ip:port" of a service: smtp, submission, submissions, imap, imaps
// or metrics.
func (s *Server) Addr(service string) string {
	s.t.Helper()
	l := s.listener(service)
	if l.tcp == nil {
		s.t.Fatalf("moxtest: service %q has no port: the server was made WithoutNetwork", service)
	}
	return l.tcp.Addr().String()
}

// SMTPAddr is where mail is delivered to.
func (s *Server) SMTPAddr() string { s.t.Helper(); return s.Addr("smtp") }

// IMAPAddr is where mail is read.
func (s *Server) IMAPAddr() string { s.t.Helper(); return s.Addr("imap") }

func (s *Server) listener(service string) *listener {
	s.t.Helper()
	l, ok := s.listeners[service]
	if !ok {
		s.t.Fatalf("moxtest: no service %q; there are %v", service, slices.Sorted(maps.Keys(s.listeners)))
	}
	return l
}

// Dial connects to a service in memory. The connection is closed with the test.
func (s *Server) Dial(t testing.TB, service string) net.Conn {
	t.Helper()
	conn, err := s.listener(service).dial()
	if err != nil {
		t.Fatalf("moxtest: connecting to %s: %v", service, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// DialIMAP connects in memory and logs in with the first address of an account, by
// default the first account. It is logged out with the test.
func (s *Server) DialIMAP(t testing.TB, account ...string) *imapclient.Client {
	t.Helper()
	name := s.accounts[0]
	if len(account) > 0 {
		name = account[0]
	}
	c, err := imapclient.New(context.Background(), s.Dial(t, "imap"), imapclient.Options{})
	if err != nil {
		t.Fatalf("moxtest: imap: %v", err)
	}
	if err := c.Login(context.Background(), s.addresses[name][0], Password); err != nil {
		t.Fatalf("moxtest: imap login: %v", err)
	}
	return c
}

// Send delivers a message by SMTP, in memory, as another server would.
func (s *Server) Send(t testing.TB, from, to, msg string) {
	t.Helper()
	if err := s.TrySend(t, from, to, msg); err != nil {
		t.Fatalf("moxtest: sending to %s: %v", to, err)
	}
}

// TrySend is Send that returns the refusal, a *textproto.Error.
func (s *Server) TrySend(t testing.TB, from, to, msg string) error {
	c, err := smtp.NewClient(s.Dial(t, "smtp"), Hostname)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(msg)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}
