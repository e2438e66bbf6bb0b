package autotls

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"mox/acme"
	"mox/atomicfile"
	"mox/dns"
	"mox/mlog"
)

// Provider is a certificate authority.
type Provider struct {
	Name         string // also of its files
	DirectoryURL string
	Contact      string // e-mail address, may be empty
	// RenewBefore is how long before its end a certificate is renewed at the latest; 0: 30
	// days, or a later time that the authority wants. At most a third of a certificate's life.
	RenewBefore     time.Duration
	ExternalAccount *acme.ExternalAccount // nil: none
	Challenges      []string              // to be used, in order of preference: acme.TLSALPN01 and so on
	DNS             Records               // needed for acme.DNS01
	// Wait is how long name servers get to have a record.
	Wait time.Duration
}

// Options of a Manager. Resolver is needed.
type Options struct {
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
	Resolver  dns.Resolver
	HTTP      *http.Client // to providers; nil: one that takes no more than it should
	UserAgent string
	Providers []Provider
	// Own returns the addresses that names must have for the authority to find us. Empty: not
	// known, so that only names without any address are not asked for.
	Own func() []netip.Addr
	// NewKey makes a key; nil: of the standard library.
	NewKey func(Kind) (crypto.Signer, error)
	// Alarm is called once for a certificate that ends soon and is not renewed. Nil: nobody.
	Alarm   func(ctx context.Context, s CertStatus) error
	Metrics Metrics

	// FirstDelay is when the first orders are made; 0: 1 second.
	FirstDelay time.Duration
	// OrderTimeout bounds one order; 0: 5 minutes.
	OrderTimeout time.Duration
	// HandshakeWait is how long clients wait for a certificate that has to be gotten first; 0:
	// 25 seconds.
	HandshakeWait time.Duration
}

// Metrics are told what happens; each may be nil.
type Metrics struct {
	Missing func() // connection refused: no server name
	Unknown func() // connection refused: server name is not ours
	Error   func() // request for a certificate failed
	Stored  func() // certificate stored
	// Expiry is when a certificate ends, zero when there is none any more.
	Expiry func(source, name, kind string, notAfter time.Time)
	Panic  func(any)
}

// Manager gets and renews certificates by ACME, and chooses them for connections. Make one with
// [Open], then call SetNames and Start. Safe for concurrent use.
type Manager struct {
	dir       string
	o         Options
	log       *slog.Logger
	providers map[string]*provider
	names     []string // of providers, sorted

	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	waiting chan struct{} // a slot for each handshake that waits

	mu     sync.RWMutex // guards what follows, and states of providers
	hosts  map[certHost]*host
	byName map[string][]*host // the same
	tokens map[string]string  // answers to http-01, by token
	alpn   map[string]*tls.Certificate
}

// maxWaiting is how many handshakes may wait for certificates.
const maxWaiting = 200

// Open reads what there is in a directory, which is made if it does not exist.
func Open(dir string, o Options) (*Manager, error) {
	m := &Manager{
		dir: dir, o: o, providers: map[string]*provider{}, waiting: make(chan struct{}, maxWaiting),
		hosts: map[certHost]*host{}, byName: map[string][]*host{}, tokens: map[string]string{}, alpn: map[string]*tls.Certificate{},
	}
	m.defaults()
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if err := os.MkdirAll(filepath.Join(dir, "keycerts"), 0o700); err != nil {
		return nil, fmt.Errorf("directory of certificates: %w", err)
	}
	if err := atomicfile.Clean(dir); err != nil {
		return nil, err
	}
	for _, conf := range m.o.Providers {
		p := &provider{Provider: conf, m: m, wake: make(chan struct{}, 1), configured: map[string]*host{}, tokens: burst, log: m.log.With("provider", conf.Name)}
		var err error
		if p.state, err = p.loadState(); err != nil {
			return nil, err
		}
		m.providers[conf.Name] = p
	}
	m.names = slices.Sorted(maps.Keys(m.providers))
	return m, nil
}

func (m *Manager) defaults() {
	o := &m.o
	m.log = mlog.New("autotls", cmp.Or(o.Log, mlog.Discard()))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewKey == nil {
		o.NewKey = newKey
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{
			// A directory elsewhere is fine; ACME has no other redirects.
			CheckRedirect: func(_ *http.Request, via []*http.Request) error {
				if len(via) > 3 {
					return errors.New("too many redirects")
				}
				return nil
			},
		}
	}
	o.FirstDelay = cmp.Or(o.FirstDelay, time.Second)
	o.OrderTimeout = cmp.Or(o.OrderTimeout, 5*time.Minute)
	o.HandshakeWait = cmp.Or(o.HandshakeWait, 25*time.Second)
}

func newKey(kind Kind) (crypto.Signer, error) {
	if kind == RSA {
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// Start begins to ask for what is missing, and to renew.
func (m *Manager) Start() {
	for _, name := range m.names {
		p := m.providers[name]
		p.started = m.o.Now()
		m.wg.Go(p.run)
	}
	m.wg.Go(m.watchExpiry)
}

// Close ends what is under way and waits.
func (m *Manager) Close() error {
	m.cancel()
	m.wg.Wait()
	return nil
}

// SetNames tells which names there are, in place of those before. What there is on disk for
// new ones is read.
func (m *Manager) SetNames(hosts []Host) {
	wanted := map[certHost]Host{}
	for _, h := range hosts {
		if m.providers[h.Provider] != nil {
			wanted[certHost{h.Provider, h.Name}] = h
		}
	}
	// Files are read without the lock.
	fresh := map[certHost]*host{}
	for k, conf := range wanted {
		if m.host(k) == nil {
			fresh[k] = m.loadHost(conf)
		}
	}
	m.mu.Lock()
	for k, h := range m.hosts {
		if _, ok := wanted[k]; !ok {
			m.drop(h)
		}
	}
	for k, conf := range wanted {
		if h := m.hosts[k]; h != nil {
			h.Host = conf
			h.wantAtStart()
			continue
		}
		m.adopt(fresh[k])
	}
	m.mu.Unlock()
	for _, p := range m.providers {
		p.kick()
	}
}

// host returns what there is for a name, or nil.
func (m *Manager) host(k certHost) *host {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.hosts[k]
}

// AccountURI returns the URL of the account with the first provider (by name) that there is one
// with, for CAA records (RFC 8657 3); empty if there is none yet.
func (m *Manager) AccountURI() string {
	for _, name := range m.names {
		if uri := m.AccountURIOf(name); uri != "" {
			return uri
		}
	}
	return ""
}

// AccountURIOf returns the URL of the account with a provider, or "".
func (m *Manager) AccountURIOf(name string) string {
	p := m.providers[name]
	if p == nil {
		return ""
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if p.state.Directory != p.DirectoryURL {
		return ""
	}
	return p.state.Account
}

// StoredAccountURI returns the URL of the account with a provider from the files of a Manager,
// whether that runs or not; "" if there is none.
func StoredAccountURI(dir, providerName, directoryURL string) (string, error) {
	data, err := readFile(filepath.Join(dir, providerName+".json"), maxState)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	s, err := parseState(data)
	if err != nil || s.Directory != directoryURL {
		return "", err
	}
	return s.Account, nil
}
