package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/atomicfile"
)

// ManifestName is the file beside config and data in a backup that is a directory: what is
// there, with checksums. A backup without it was not finished.
const ManifestName = "manifest.json"

// manifestVersion is that of the format.
const manifestVersion = 1

// Blocks of files have checksums of their own: 16 pages of a database of the usual page size.
const (
	blockSize = 64 << 10
	blockSum  = 8 // octets of SHA-256
)

// DirManifest is the content of a manifest file.
type DirManifest struct {
	Version  int
	Mox      string // version of the program
	Started  time.Time
	Ended    time.Time
	Files    []DirFile
	Failures []string `json:",omitempty"` // what is missing, and why
}

// DirFile is a file of a backup that is a directory.
type DirFile struct {
	Path     string
	Size     int64
	Database bool   `json:",omitempty"`
	SHA256   []byte // of all of it
	Blocks   []byte // 8 octets of SHA-256 for each 64 KiB
}

// Dir is a Sink that writes a backup that is a directory: config, data, and the manifest.
// Nothing that exists is overwritten.
type Dir struct {
	Log func(text string) // told of each file; nil: nobody
	// Problem is told of what a person should look at, and of what is missing.
	Problem func(text string, missing bool)

	root string
	m    DirManifest
	made map[string]bool
}

// CreateDir begins a backup in a directory, which is made when it is missing.
func CreateDir(root, version string, now time.Time) (*Dir, error) {
	d := &Dir{root: root, made: map[string]bool{}, m: DirManifest{Version: manifestVersion, Mox: version, Started: now.UTC()}}
	if err := os.MkdirAll(root, 0o770); err != nil {
		return nil, fmt.Errorf("making backup: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(root, ManifestName)); err == nil {
		return nil, fmt.Errorf("making backup: %s has a backup already", root)
	}
	for _, name := range []string{"config", "data"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o770); err != nil {
			return nil, fmt.Errorf("making backup: %w", err)
		}
		d.made[name] = true
	}
	if err := d.write("data/moxversion", strings.NewReader(version+"\n"), time.Time{}, false); err != nil {
		return nil, err
	}
	return d, nil
}

// Unchanged implements [Sink]: nothing is there before.
func (d *Dir) Unchanged(Item) (bool, error) { return false, nil }

// File implements [Sink].
func (d *Dir) File(it Item, r io.Reader) error {
	if it.Path == "data/moxversion" {
		_, err := io.Copy(io.Discard, r) // that of this backup is there
		return err
	}
	if d.Log != nil {
		d.Log(fmt.Sprintf("%s (%d bytes)", it.Path, it.Size))
	}
	t := it.Time
	if it.Database {
		t = time.Time{}
	}
	return d.write(it.Path, r, t, it.Database)
}

// Warn implements [Sink].
func (d *Dir) Warn(text string) error {
	if d.Problem != nil {
		d.Problem(text, false)
	}
	return nil
}

// Fail implements [Sink].
func (d *Dir) Fail(text string) error {
	d.m.Failures = append(d.m.Failures, text)
	if d.Problem != nil {
		d.Problem(text, true)
	}
	return nil
}

// Failures is how much is missing.
func (d *Dir) Failures() int { return len(d.m.Failures) }

func (d *Dir) write(path string, r io.Reader, t time.Time, database bool) (rerr error) {
	if !validPath(path) {
		return fmt.Errorf("backup: %q is no path of a backup", path)
	}
	if err := d.mkdir(filepath.Dir(filepath.FromSlash(path))); err != nil {
		return err
	}
	name := filepath.Join(d.root, filepath.FromSlash(path))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if rerr != nil {
			os.Remove(name)
		}
	}()
	sums := newSums()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, sums)}, struct{ io.Reader }{r}, make([]byte, 256<<10))
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if !t.IsZero() {
		if err := os.Chtimes(name, t, t); err != nil {
			return err
		}
	}
	whole, blocks := sums.end()
	d.m.Files = append(d.m.Files, DirFile{Path: path, Size: n, Database: database, SHA256: whole, Blocks: blocks})
	return nil
}

// validPath tells whether a path is one of a backup: also those that others send.
func validPath(path string) bool {
	return fs.ValidPath(path) && filepath.IsLocal(filepath.FromSlash(path)) && (strings.HasPrefix(path, "config/") || strings.HasPrefix(path, "data/"))
}

func (d *Dir) mkdir(dir string) error {
	if dir == "." || d.made[dir] {
		return nil
	}
	if err := d.mkdir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(d.root, dir), 0o770); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d.made[dir] = true
	return nil
}

// Close makes all of it durable and writes the manifest: the backup is complete then, but for
// what Failures tells.
func (d *Dir) Close(now time.Time) error {
	for dir := range d.made {
		if err := atomicfile.SyncDir(filepath.Join(d.root, dir)); err != nil {
			return fmt.Errorf("making backup: %w", err)
		}
	}
	d.m.Ended = now.UTC()
	return writeManifest(d.root, &d.m)
}

func writeManifest(root string, m *DirManifest) error {
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(root, ManifestName), append(b, '\n'), 0o660); err != nil {
		return fmt.Errorf("writing manifest: %w", err)
	}
	return nil
}

// ReadManifest reads the manifest of a backup that is a directory. The error wraps
// fs.ErrNotExist when there is none.
func ReadManifest(root string) (*DirManifest, error) {
	b, err := os.ReadFile(filepath.Join(root, ManifestName))
	if err != nil {
		return nil, fmt.Errorf("manifest of backup: %w", err)
	}
	var m DirManifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("manifest of backup: %w", err)
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("manifest of backup: version %d is not known to this program", m.Version)
	}
	return &m, nil
}

// Problem is something wrong with a backup.
type Problem struct{ Path, Text string }

// CheckDir compares the files of a backup below a directory of it ("data", or "" for all) with
// its checksums.
func CheckDir(root, below string, m *DirManifest, problem func(Problem)) {
	for i := range m.Files {
		f := &m.Files[i]
		if below != "" && !strings.HasPrefix(f.Path, below+"/") {
			continue
		}
		for _, text := range f.check(root) {
			problem(Problem{f.Path, text})
		}
	}
	for _, text := range m.Failures {
		problem(Problem{below, "missing since the backup was made: " + text})
	}
}

// check returns what is wrong with a file.
func (f *DirFile) check(root string) []string {
	whole, blocks, n, err := sumFile(filepath.Join(root, filepath.FromSlash(f.Path)))
	if err != nil {
		return []string{err.Error()}
	}
	if string(whole) == string(f.SHA256) && n == f.Size {
		return nil
	}
	var l []string
	if n != f.Size {
		l = append(l, fmt.Sprintf("has %d bytes, not %d", n, f.Size))
	}
	for i := 0; i+blockSum <= min(len(blocks), len(f.Blocks)) && len(l) < 5; i += blockSum {
		if string(blocks[i:i+blockSum]) != string(f.Blocks[i:i+blockSum]) {
			at := int64(i) / blockSum * blockSize
			l = append(l, fmt.Sprintf("damaged: bytes %d to %d are not what was backed up", at, min(at+blockSize, n)-1))
		}
	}
	if len(l) == 0 {
		l = append(l, "damaged: checksum differs")
	}
	return l
}

// sumFile reads a file and returns its checksums.
func sumFile(path string) (whole, blocks []byte, n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, 0, err
	}
	defer f.Close()
	sums := newSums()
	n, err = io.CopyBuffer(struct{ io.Writer }{sums}, bufio.NewReaderSize(f, 256<<10), make([]byte, 256<<10))
	whole, blocks = sums.end()
	return whole, blocks, n, err
}

// RefreshDir notes the checksums of databases anew that a check has opened, and which are
// therefore not as they were. It is only right after CheckDir found nothing.
func RefreshDir(root string, m *DirManifest) error {
	changed := false
	for i := range m.Files {
		f := &m.Files[i]
		if !f.Database {
			continue
		}
		whole, blocks, n, err := sumFile(filepath.Join(root, filepath.FromSlash(f.Path)))
		if err != nil {
			return err
		}
		if !slices.Equal(whole, f.SHA256) {
			f.SHA256, f.Blocks, f.Size = whole, blocks, n
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return writeManifest(root, m)
}

// sums makes the checksums of a file and of its blocks.
type sums struct {
	whole, block hash.Hash
	in           int
	blocks       []byte
}

func newSums() *sums { return &sums{whole: sha256.New(), block: sha256.New()} }

func (s *sums) Write(p []byte) (int, error) {
	s.whole.Write(p)
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), blockSize-s.in)
		s.block.Write(p[:k])
		s.in += k
		p = p[k:]
		if s.in == blockSize {
			s.endBlock()
		}
	}
	return n, nil
}

func (s *sums) endBlock() {
	s.blocks = append(s.blocks, s.block.Sum(nil)[:blockSum]...)
	s.block.Reset()
	s.in = 0
}

func (s *sums) end() (whole, blocks []byte) {
	if s.in > 0 {
		s.endBlock()
	}
	return s.whole.Sum(nil), s.blocks
}
