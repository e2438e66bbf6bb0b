package autotls

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mox/acme"
	"mox/acme/acmetest"
	"mox/dns"
	"mox/mlog"
)

// world is a Manager with all that is around it.
type world struct {
	t     *testing.T
	ca    *acmetest.Server
	zone  *dns.MockResolver
	txt   *records
	dir   string
	o     Options
	hosts []Host
	m     *Manager

	zoneMu sync.Mutex // guards zone
	mu     sync.Mutex
	counts map[string]int
	alarms []CertStatus
}

// records are TXT records that change.
type records struct {
	mu   sync.Mutex
	have map[string]string
	fail error
}

func (r *records) Set(_ context.Context, name, value string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.have[name] = value
	return nil
}

func (r *records) Unset(_ context.Context, name, value string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.have[name] == value {
		delete(r.have, name)
	}
	return nil
}

// rsaKeys are made once: that takes long.
var rsaKeys = sync.OnceValue(func() (l []crypto.Signer) {
	for range 3 {
		key, err := rsa.GenerateKey(rand.Reader, 1024) // quicker
		if err != nil {
			panic(err)
		}
		l = append(l, key)
	}
	return l
})

func newWorld(t *testing.T, names ...string) *world {
	w := &world{
		t: t, ca: acmetest.New(), txt: &records{have: map[string]string{}}, dir: filepath.Join(tempDir(t), "acme"),
		zone: &dns.MockResolver{A: map[string][]string{}}, counts: map[string]int{},
	}
	w.ca.Validate = w.validate
	count := func(what string) func() {
		return func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.counts[what]++
		}
	}
	keys := rsaKeys()
	n := 0
	w.o = Options{
		Log: mlog.Discard(), Resolver: lockedResolver{w.zone, &w.zoneMu}, HTTP: w.ca.Client(), UserAgent: "test",
		Own: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.1")} },
		NewKey: func(kind Kind) (crypto.Signer, error) {
			if kind == RSA {
				w.mu.Lock()
				defer w.mu.Unlock()
				n++
				return keys[n%len(keys)], nil
			}
			return newKey(kind)
		},
		Alarm: func(_ context.Context, s CertStatus) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.alarms = append(w.alarms, s)
			return nil
		},
		Metrics:   Metrics{Missing: count("missing"), Unknown: count("unknown"), Error: count("error"), Stored: count("stored")},
		Providers: []Provider{{Name: "ca", DirectoryURL: w.ca.DirectoryURL(), Contact: "x@d.example", Challenges: []string{acme.TLSALPN01, acme.HTTP01}, DNS: w.txt}},
	}
	for _, name := range names {
		w.hosts = append(w.hosts, Host{Name: name, Provider: "ca", AtStart: true})
		w.zone.A[name] = []string{"192.0.2.1"}
	}
	return w
}

// start opens a Manager on the directory.
func (w *world) start() {
	w.t.Helper()
	var err error
	if w.m, err = Open(w.dir, w.o); err != nil {
		w.t.Fatal(err)
	}
	w.m.SetNames(w.hosts)
	w.m.Start()
}

func (w *world) stop() {
	w.t.Helper()
	if err := w.m.Close(); err != nil {
		w.t.Error(err)
	}
}

// validate does what an authority does.
func (w *world) validate(typ, name, token, auth string) error {
	switch typ {
	case acme.HTTP01:
		rec := httptest.NewRecorder()
		if !w.m.HTTPChallenge(rec, httptest.NewRequest("GET", acme.ChallengePath+token, nil)) || rec.Body.String() != auth {
			return fmt.Errorf("http: %q", rec.Body)
		}
	case acme.TLSALPN01:
		cs, err := w.dial(name, &tls.Config{NextProtos: []string{acme.ALPNProto}})
		if err != nil {
			return err
		}
		want, err := acme.ALPNCertificate(name, auth, time.Now())
		if err != nil {
			return err
		}
		wantLeaf, err := x509.ParseCertificate(want.Certificate[0])
		if err != nil {
			return err
		}
		leaf := cs.PeerCertificates[0]
		find := func(c *x509.Certificate) string {
			for _, e := range c.Extensions {
				if e.Id.String() == "1.3.6.1.5.5.7.1.31" && e.Critical {
					return string(e.Value)
				}
			}
			return ""
		}
		if cs.NegotiatedProtocol != acme.ALPNProto || leaf.VerifyHostname(name) != nil || find(leaf) == "" || find(leaf) != find(wantLeaf) {
			return errors.New("tls-alpn-01: not the answer")
		}
	case acme.DNS01:
		w.txt.mu.Lock()
		defer w.txt.mu.Unlock()
		if got := w.txt.have["_acme-challenge."+name]; got != acme.DNSRecord(auth) {
			return fmt.Errorf("dns: %q", got)
		}
	}
	return nil
}

var testPolicy = NamePolicy{Provider: "ca", Host: "mail.d.example"}

// dial does a handshake with the Manager.
func (w *world) dial(name string, c *tls.Config, policy ...NamePolicy) (tls.ConnectionState, error) {
	p := testPolicy
	if len(policy) > 0 {
		p = policy[0]
	}
	c.ServerName, c.InsecureSkipVerify = name, true
	server := &tls.Config{
		NextProtos:     []string{"h2", acme.ALPNProto},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return w.m.GetCertificate(hello, p) },
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		err := tls.Server(a, server).Handshake()
		if err != nil {
			a.Close()
		}
		done <- err
	}()
	conn := tls.Client(b, c)
	err := conn.Handshake()
	if err == nil {
		// Of TLS 1.3, the server may still be at it.
		go conn.Read(make([]byte, 1))
	} else {
		b.Close()
	}
	return conn.ConnectionState(), errors.Join(err, <-done)
}

// serial gets the serial number of the certificate for a name.
func (w *world) serial(name string, c *tls.Config) string {
	w.t.Helper()
	cs, err := w.dial(name, c)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	if _, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: w.ca.Roots()}); err != nil {
		w.t.Errorf("%s at %s: %v", name, time.Now(), err)
	}
	return cs.PeerCertificates[0].SerialNumber.String()
}

// onlyRSA is a client that cannot do ECDSA.
func onlyRSA() *tls.Config {
	return &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
}

func (w *world) orders() int {
	w.ca.Lock()
	defer w.ca.Unlock()
	return w.ca.Orders
}

func (w *world) count(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[what]
}

// run runs a test with a clock of its own.
func run(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	rsaKeys()
	synctest.Test(t, fn)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// failing counts requests, none of which comes through.
type failing struct{ n *int }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) {
	*f.n++
	return nil, errors.New("no route to host")
}

// tempDir is one in memory if there is such: a year has many writes.
func tempDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "autotls")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// valid gets the certificate for a name as a handshake would, and checks that it has not ended.
func (w *world) valid(name string, kind Kind) {
	w.t.Helper()
	hello := &tls.ClientHelloInfo{ServerName: name, SupportedVersions: []uint16{tls.VersionTLS12}, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	if kind == ECDSA {
		hello.SignatureSchemes, hello.SupportedVersions = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, []uint16{tls.VersionTLS13}
	}
	cert, err := w.m.GetCertificate(hello, testPolicy)
	if err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	now := time.Now()
	if got, _ := kindOf(cert.PrivateKey.(crypto.Signer)); got != kind || now.After(cert.Leaf.NotAfter) || now.Before(cert.Leaf.NotBefore) || cert.Leaf.VerifyHostname(name) != nil {
		w.t.Fatalf("%s %s at %s: certificate for %q until %s", name, kind, now, cert.Leaf.DNSNames, cert.Leaf.NotAfter)
	}
}

// pause lets time pass; after it nothing goes on, until the next.
func pause(d time.Duration) {
	synctest.Wait()
	time.Sleep(d)
	synctest.Wait()
}

// lockedResolver is a mock whose records change.
type lockedResolver struct {
	*dns.MockResolver
	mu *sync.Mutex
}

func (r lockedResolver) LookupIP(ctx context.Context, network, host string) ([]netip.Addr, dns.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.MockResolver.LookupIP(ctx, network, host)
}

func (r lockedResolver) LookupTLSA(ctx context.Context, name string) ([]dns.TLSA, dns.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.MockResolver.LookupTLSA(ctx, name)
}

func (r lockedResolver) LookupTXT(ctx context.Context, name string) ([]string, dns.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.MockResolver.LookupTXT(ctx, name)
}

// change changes records.
func (w *world) change(fn func()) {
	w.zoneMu.Lock()
	defer w.zoneMu.Unlock()
	fn()
}
