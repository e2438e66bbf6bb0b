package quickstart

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mox/admin"
	"mox/atomicfile"
	"mox/auth"
	"mox/config"
	"mox/dnsrecords"
	"mox/ownership"
	"mox/service"
	"mox/store"
)

// Result is what was made.
type Result struct {
	Plan            *Plan
	Files           []string // relative to the directory of the installation, with slashes
	AdminPassword   string
	AccountPassword string
	Records         []dnsrecords.Record
	Snapshot        *config.Snapshot

	writer *writer
}

// WriteLog writes the file with what was printed. It has passwords, and is for its owner only.
// It is for before they are shown: when it fails, all that was made is removed.
func (r *Result) WriteLog(text []byte) error {
	if err := r.writer.file(LogFile, text, 0o600); err != nil {
		return errors.Join(fmt.Errorf("writing log: %w", err), r.writer.undo())
	}
	return nil
}

// Names of files, relative to the directory of the installation.
const (
	configFile = "config/mox.conf"
	domainFile = "config/domains.conf"
	adminFile  = "config/adminpasswd"
	unitFile   = "mox.service"
	LogFile    = "quickstart.log" // what was printed
)

// Existing returns the files of an installation that is there already, of which Write would
// complain.
func (p *Plan) Existing() ([]string, error) {
	var there []string
	for _, name := range append(p.fixedFiles(), "data/accounts/"+p.Account, LogFile) {
		if _, err := os.Lstat(p.Options.path(filepath.FromSlash(name))); err == nil {
			there = append(there, name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return there, nil
}

// CheckNew returns [ErrExists] when there is an installation already, [ErrAddress] for a bad
// address, and otherwise nothing: nobody is asked and nothing is made.
func CheckNew(o Options) error {
	o.setDefaults()
	p := &Plan{Options: o}
	var err error
	if p.Address, p.Account, err = parseAddress(o.Address); err != nil {
		return err
	}
	return p.checkNew()
}

func (p *Plan) checkNew() error {
	there, err := p.Existing()
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return fmt.Errorf("%w, nothing was changed: in %s %s %s. To begin anew, move %s away", ErrExists, p.Dir(), plural(len(there), "is", "are"), join(there), plural(len(there), "it", "them"))
	}
	return nil
}

// fixedFiles are those whose names are known beforehand.
func (p *Plan) fixedFiles() []string {
	l := []string{configFile, domainFile, adminFile}
	if p.hasUnit() {
		l = append(l, unitFile)
	}
	return l
}

func (p *Plan) hasUnit() bool { return p.Options.Machine.OS == "linux" && !p.Options.Docker }

// Write makes the installation, or nothing: [ErrExists] tells that there is one already.
func (p *Plan) Write(ctx context.Context) (_ *Result, rerr error) {
	if err := p.checkNew(); err != nil {
		return nil, err
	}
	w := &writer{plan: p}
	defer func() {
		if rerr != nil {
			rerr = errors.Join(rerr, w.undo())
		}
	}()
	r := &Result{Plan: p, writer: w}
	var err error
	if r.AdminPassword, err = auth.GeneratePassword(p.Options.Rand); err != nil {
		return nil, err
	}
	if r.AccountPassword, err = auth.GeneratePassword(p.Options.Rand); err != nil {
		return nil, err
	}
	if err := w.configuration(r); err != nil {
		return nil, err
	}
	if r.Snapshot, err = p.load(); err != nil {
		return nil, fmt.Errorf("checking what was written: %w", err)
	}
	if err := w.account(ctx, r); err != nil {
		return nil, err
	}
	if r.Records, err = p.records(r.Snapshot); err != nil {
		return nil, err
	}
	if p.hasUnit() {
		if err := w.unit(); err != nil {
			return nil, err
		}
	}
	if err := p.owners(); err != nil {
		return nil, err
	}
	r.Files = w.files
	return r, nil
}

// owners gives the files to whom they belong, as the server does at each start: mox.conf to root, all
// else to the user of the server. Who has to be there for that.
func (p *Plan) owners() error {
	u, err := p.Options.Machine.UserID(p.Options.User)
	if err != nil || !p.Options.Machine.IsRoot() || p.Options.Docker {
		return nil
	}
	err = ownership.Fix(ownership.Layout{
		Config: filepath.Join(p.Dir(), filepath.FromSlash(configFile)), Data: filepath.Join(p.Dir(), "data"),
		User: u, Log: slog.New(slog.DiscardHandler),
	})
	if _, ok := errors.AsType[*ownership.ChangeableError](err); ok {
		return nil // told as a problem, see checkUser
	}
	return err
}

// Dir is the directory of the installation, absolute.
func (p *Plan) Dir() string {
	dir, err := filepath.Abs(p.Options.Dir)
	if err != nil {
		return p.Options.Dir
	}
	return dir
}

// writer makes files, and takes them away again.
type writer struct {
	plan  *Plan
	files []string
	made  []string // paths of files and directories, in the order in which they were made
}

// configuration writes keys, passwords, and the two files, mox.conf last.
func (w *writer) configuration(r *Result) error {
	p := w.plan
	dynamic, keys := p.dynamicConfig()
	var hostKeys []config.NewKey
	if !p.Options.ExistingWebserver {
		hostKeys = config.HostKeys(p.Hostname, p.Options.Now())
	}
	if err := w.dir("config", 0o750); err != nil {
		return err
	}
	if err := w.keys(slices.Concat(keys, hostKeys)); err != nil {
		return err
	}
	hash, err := admin.HashPassword(r.AdminPassword)
	if err != nil {
		return err
	}
	if err := w.file(adminFile, hash, 0o660); err != nil {
		return err
	}
	text, err := dynamicText(dynamic)
	if err != nil {
		return err
	}
	if err := w.file(domainFile, text, 0o660); err != nil {
		return err
	}
	if text, err = p.staticText(hostKeys); err != nil {
		return err
	}
	return w.file(configFile, text, 0o660)
}

// keys generates keys, side by side as that takes a while, and writes them.
func (w *writer) keys(keys []config.NewKey) error {
	texts, errs := make([][]byte, len(keys)), make([]error, len(keys))
	var wg sync.WaitGroup
	for i, key := range keys {
		wg.Go(func() { texts[i], errs[i] = key.Generate() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, key := range keys {
		name, mode := "config/"+key.Path, fs.FileMode(0o660)
		if strings.HasPrefix(key.Path, "hostkeys/") {
			mode = 0o600
		}
		if err := w.dir(filepath.ToSlash(filepath.Dir(name)), 0o750); err != nil {
			return err
		}
		if err := w.file(name, texts[i], mode); err != nil {
			return err
		}
	}
	return nil
}

// account makes the data of the first account, with its password.
func (w *writer) account(ctx context.Context, r *Result) error {
	p := w.plan
	for _, dir := range []string{"data", "data/accounts", "data/tmp"} {
		if err := w.dir(dir, 0o770); err != nil {
			return err
		}
	}
	before := w.entries("data")
	w.made = append(w.made, "data/accounts/"+p.Account)
	s, err := store.Open(p.Options.path("data"), store.Options{Now: p.Options.Now})
	if err != nil {
		return err
	}
	err = createAccount(ctx, s, p.Account, r)
	err = errors.Join(err, s.Close())
	for _, name := range w.entries("data") {
		if !slices.Contains(before, name) {
			w.made = append(w.made, "data/"+name)
		}
	}
	if err != nil {
		return err
	}
	w.files = append(w.files, "data/accounts/"+p.Account+"/account.db")
	return os.Chmod(p.Options.path("data", "accounts", p.Account, "account.db"), 0o660)
}

func createAccount(ctx context.Context, s *store.Store, name string, r *Result) error {
	if err := s.Create(ctx, name, admin.InitialMailboxes(r.Snapshot)); err != nil {
		return err
	}
	cred, err := auth.NewCredentials(r.AccountPassword)
	if err != nil {
		return err
	}
	secret, err := cred.Marshal()
	if err != nil {
		return err
	}
	a, err := s.Account(ctx, name)
	if err != nil {
		return err
	}
	defer a.Release()
	return a.SetCredentials(ctx, secret)
}

func (w *writer) entries(dir string) []string {
	l, _ := os.ReadDir(w.plan.Options.path(filepath.FromSlash(dir)))
	var names []string
	for _, e := range l {
		names = append(names, e.Name())
	}
	return names
}

// unit writes the service unit.
func (w *writer) unit() error {
	p := w.plan
	files, err := service.Print("systemd", service.Options{Dir: p.Dir(), User: p.Options.User})
	if err != nil {
		return fmt.Errorf("making service unit: %w", err)
	}
	return w.file(unitFile, []byte(files[0].Content), 0o644)
}

// dir makes a directory if there is none.
func (w *writer) dir(name string, mode fs.FileMode) error {
	path := w.plan.Options.path(filepath.FromSlash(name))
	if err := os.Mkdir(path, mode); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	w.made = append(w.made, name)
	return os.Chmod(path, mode)
}

// file makes a file that must not be there, durably, with exactly this mode.
func (w *writer) file(name string, text []byte, mode fs.FileMode) error {
	path := w.plan.Options.path(filepath.FromSlash(name))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w.made = append(w.made, name)
	w.files = append(w.files, name)
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// undo removes what was made.
func (w *writer) undo() error {
	var errs []error
	for _, name := range slices.Backward(w.made) {
		path := w.plan.Options.path(filepath.FromSlash(name))
		err := os.Remove(path)
		if strings.HasPrefix(name, "data/") {
			err = os.RemoveAll(path) // of the account, and what the store keeps beside
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("removing what was made: %w", err))
		}
	}
	return errors.Join(errs...)
}

// load checks what was written. Certificates that a person has to fill in are taken to be
// there.
func (p *Plan) load() (*config.Snapshot, error) {
	stand, err := placeholder(p.Options.Now())
	if err != nil {
		return nil, err
	}
	path := p.Options.path(filepath.FromSlash(configFile))
	return config.LoadOptions(path, config.Options{Now: p.Options.Now, ReadFile: func(path string) ([]byte, error) {
		if strings.Contains(filepath.ToSlash(path), "/"+placeholderDir) {
			return stand, nil
		}
		return os.ReadFile(path)
	}})
}

// placeholder is a certificate with its key that nobody trusts.
func placeholder(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = errors.Join(pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return b.Bytes(), err
}

// records are those to publish.
func (p *Plan) records(snap *config.Snapshot) ([]dnsrecords.Record, error) {
	l, err := dnsrecords.For(snap, p.Address.Domain.ASCII, dnsrecords.Options{Authentic: p.Authentic})
	if err != nil {
		return nil, fmt.Errorf("making dns records: %w", err)
	}
	return l, nil
}
