package autotls

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/atomicfile"
	"mox/mlog"
)

// FilePair is a certificate in files.
type FilePair struct{ Cert, Key string } // paths

// FilesOptions are for [NewFiles]. ReadFile is needed.
type FilesOptions struct {
	Log *slog.Logger
	Now func() time.Time // nil: time.Now
	// ReadFile reads one of the files, as it is now.
	ReadFile func(path string) ([]byte, error)
	// Every is how often files are looked at; 0: 1 minute.
	Every time.Duration
	// Alarm is called once for a certificate that ends soon. Nil: nobody.
	Alarm   func(ctx context.Context, s CertStatus) error
	Metrics Metrics
	// AlarmedPath is a file with the certificates that Alarm was called for; empty: not kept.
	AlarmedPath string
}

// Files has certificates from files that others renew, and takes over new ones as they come. A
// file that is not what it should be changes nothing but the log. Safe for concurrent use.
type Files struct {
	o   FilesOptions
	log *slog.Logger

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	check  sync.Mutex // held while files are looked at

	mu    sync.RWMutex // guards what follows; no file is read while it is held
	pairs map[FilePair]*filePair
	order []FilePair

	alarmed map[string]time.Time // when, by fingerprint; for check
}

// filePair is a certificate that is in use.
type filePair struct {
	cert    *tls.Certificate
	sum     [sha256.Size]byte // of the files that it is from
	bad     [sha256.Size]byte // of files that are no good
	err     error             // why
	errTime time.Time
	logged  time.Time // that it ends soon
}

// NewFiles returns one without certificates; see [Files.Add].
func NewFiles(o FilesOptions) *Files {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Every = cmp.Or(o.Every, time.Minute)
	f := &Files{o: o, log: mlog.New("autotls", cmp.Or(o.Log, mlog.Discard())), pairs: map[FilePair]*filePair{}}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Add tells of a certificate as it was read at start.
func (f *Files) Add(pair FilePair, cert *tls.Certificate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pairs[pair] == nil {
		f.pairs[pair] = &filePair{cert: cert}
		f.order = append(f.order, pair)
		f.observe(f.pairs[pair])
	}
}

// Start begins to look for new files.
func (f *Files) Start() {
	f.mu.RLock()
	none := len(f.pairs) == 0
	f.mu.RUnlock()
	if none {
		return
	}
	f.wg.Go(func() {
		t := time.NewTicker(f.o.Every)
		defer t.Stop()
		for {
			f.Check()
			select {
			case <-t.C:
			case <-f.ctx.Done():
				return
			}
		}
	})
}

// Close ends looking and waits.
func (f *Files) Close() error {
	f.cancel()
	f.wg.Wait()
	return nil
}

// Get returns the certificate of files, or nil.
func (f *Files) Get(pair FilePair) *tls.Certificate {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if p := f.pairs[pair]; p != nil {
		return p.cert
	}
	return nil
}

// Check looks at the files now.
func (f *Files) Check() {
	f.check.Lock()
	defer f.check.Unlock()
	f.mu.RLock()
	order := slices.Clone(f.order)
	f.mu.RUnlock()
	for _, pair := range order {
		f.checkPair(pair)
	}
}

func (f *Files) checkPair(pair FilePair) {
	cert, sum, err := f.load(pair)
	now := f.o.Now()
	f.mu.Lock()
	p := f.pairs[pair]
	same := err == nil && sum == p.sum
	// The first time it is what the configuration was read with, or a later one.
	changed := err == nil && !same && !bytes.Equal(cert.Certificate[0], p.cert.Certificate[0])
	news := err != nil && (sum != p.bad || p.err == nil || p.err.Error() != err.Error())
	switch {
	case err != nil:
		p.bad, p.err = sum, err
		if news {
			p.errTime = now
		}
	case !same:
		if changed {
			p.logged = time.Time{}
		}
		p.cert, p.sum, p.err = cert, sum, nil
		f.observe(p)
	default:
		p.err = nil
	}
	current := p.cert.Leaf
	f.mu.Unlock()
	switch {
	case news:
		f.log.Error("certificate from files cannot be used, the one from before stays", "err", err, "path", pair.Cert, "keypath", pair.Key, "notafter", current.NotAfter)
	case changed:
		f.log.Info("new certificate from files", "path", pair.Cert, "names", strings.Join(current.DNSNames, ","), "notafter", current.NotAfter)
	}
	f.alarm(pair, p, now)
}

// load reads files. The sum is of what was read, also for an error.
func (f *Files) load(pair FilePair) (cert *tls.Certificate, sum [sha256.Size]byte, err error) {
	certPEM, err := f.o.ReadFile(pair.Cert)
	if err != nil {
		return nil, sum, err
	}
	keyPEM, err := f.o.ReadFile(pair.Key)
	if err != nil {
		return nil, sum, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d ", len(certPEM))
	h.Write(certPEM)
	h.Write(keyPEM)
	h.Sum(sum[:0])
	c, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, sum, err
	}
	f.mu.RLock()
	old := f.pairs[pair].cert.Leaf
	f.mu.RUnlock()
	now := f.o.Now()
	if now.After(c.Leaf.NotAfter) && now.Before(old.NotAfter) {
		return nil, sum, fmt.Errorf("certificate ended at %s", c.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(c.Leaf.NotBefore) && now.After(old.NotBefore) && now.Before(old.NotAfter) {
		return nil, sum, errors.New("certificate is not valid yet")
	}
	return &c, sum, nil
}

// alarm tells when a certificate ends soon.
func (f *Files) alarm(pair FilePair, p *filePair, now time.Time) {
	f.mu.RLock()
	s := f.status(pair, p)
	logged := p.logged
	f.mu.RUnlock()
	if !s.Soon {
		return
	}
	if now.Sub(logged) >= alarmEvery {
		f.log.Error("certificate from files ends soon: whoever renews it has not", "path", pair.Cert, "names", strings.Join(s.Names, ","), "notafter", s.NotAfter)
		f.mu.Lock()
		p.logged = now
		f.mu.Unlock()
	}
	if f.o.Alarm == nil || f.wasAlarmed(s.Fingerprint) {
		return
	}
	if err := f.o.Alarm(f.ctx, s); err != nil {
		f.log.Error("telling postmaster about a certificate that ends soon", "err", err, "path", pair.Cert)
		return
	}
	if err := f.setAlarmed(s.Fingerprint, now); err != nil {
		f.log.Error("noting that postmaster was told about a certificate", "err", err, "path", f.o.AlarmedPath)
	}
}

// wasAlarmed tells whether there was an alarm about a certificate. It needs check.
func (f *Files) wasAlarmed(fingerprint string) bool {
	if f.alarmed == nil {
		f.alarmed = map[string]time.Time{}
		var kept map[string]time.Time
		// Of a file that is damaged, one more message.
		if data, err := readFile(f.o.AlarmedPath, maxStored); err == nil && json.Unmarshal(data, &kept) == nil && kept != nil {
			f.alarmed = kept
		}
	}
	_, ok := f.alarmed[fingerprint]
	return ok
}

// setAlarmed notes an alarm. It needs check.
func (f *Files) setAlarmed(fingerprint string, now time.Time) error {
	maps.DeleteFunc(f.alarmed, func(_ string, at time.Time) bool { return now.Sub(at) > 2*keepState })
	f.alarmed[fingerprint] = now
	if f.o.AlarmedPath == "" {
		return nil
	}
	data, err := json.Marshal(f.alarmed)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.o.AlarmedPath), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(f.o.AlarmedPath, data, 0o600)
}

// Status returns what there is, in the order of Add.
func (f *Files) Status() []CertStatus {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var all []CertStatus
	for _, pair := range f.order {
		all = append(all, f.status(pair, f.pairs[pair]))
	}
	return all
}

// status needs the lock for reading.
func (f *Files) status(pair FilePair, p *filePair) CertStatus {
	leaf := p.cert.Leaf
	s := CertStatus{
		Source: "file", File: pair.Cert, Names: leaf.DNSNames, Kind: strings.ToLower(leaf.PublicKeyAlgorithm.String()),
		Issuer: issuer(leaf), Fingerprint: fingerprint(leaf), KeyHash: leafKeyHash(leaf), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
		Soon: endsSoon(leaf, 0, f.o.Now()),
	}
	if len(s.Names) == 0 {
		s.Names = []string{leaf.Subject.CommonName}
	}
	if p.err != nil {
		s.LastError, s.LastErrorTime = p.err.Error(), p.errTime
	}
	return s
}

func (f *Files) observe(p *filePair) {
	if fn := f.o.Metrics.Expiry; fn != nil {
		leaf := p.cert.Leaf
		name := leaf.Subject.CommonName
		if len(leaf.DNSNames) > 0 {
			name = leaf.DNSNames[0]
		}
		fn("file", name, strings.ToLower(leaf.PublicKeyAlgorithm.String()), leaf.NotAfter)
	}
}

// issuer names who made a certificate.
func issuer(leaf *x509.Certificate) string {
	if name := leaf.Issuer.CommonName; name != "" {
		return name
	}
	return leaf.Issuer.String()
}
