package updates

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Handler serves a changelog at /changelog.json, and the programs that it names from the
// directory that it is in; nothing else. Requests may be conditional and for ranges. A changelog
// that was replaced is served at once, unless it is not valid: then the one before still is. Safe
// for concurrent use.
type Handler struct {
	path string
	root *os.Root // its directory
	log  *slog.Logger

	mu      sync.Mutex
	served  served
	bad     os.FileInfo // the file that cannot be used, as it was read; nil: none
	problem string      // of it, logged already
	reads   int         // of the file
}

// served is a changelog as it was read.
type served struct {
	data  []byte
	etag  string
	info  os.FileInfo
	files map[string]File // by path
}

// NewHandler reads a changelog file, which must be valid.
func NewHandler(path string, log *slog.Logger) (*Handler, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	h := &Handler{path: path, root: root, log: log}
	if h.served, err = readServed(path); err != nil {
		root.Close()
		return nil, err
	}
	return h, nil
}

// Close ends access to the directory.
func (h *Handler) Close() error { return h.root.Close() }

// ReadChangelog reads a changelog file.
func ReadChangelog(path string) (Changelog, []byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return Changelog{}, nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxChangelog+1))
	if err != nil {
		return Changelog{}, nil, err
	}
	c, err := ParseChangelog(data)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return c, data, err
}

// readServed reads and checks a changelog: each entry by the keys that it names itself.
func readServed(path string) (served, error) {
	info, err := os.Stat(path)
	if err != nil {
		return served{}, err
	}
	c, data, err := ReadChangelog(path)
	if err != nil {
		return served{}, err
	}
	s := served{data: data, info: info, files: map[string]File{}}
	sum := sha256.Sum256(data)
	s.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	releases, bad := c.Verified(c.ownKeys())
	for i, err := range bad {
		return served{}, fmt.Errorf("%s: entry %d: %w", path, i, err)
	}
	for _, r := range releases {
		for _, f := range r.Files {
			s.files[f.Path] = f
		}
	}
	return s, nil
}

// ownKeys are those that entries are signed by, as they say.
func (c Changelog) ownKeys() []ed25519.PublicKey {
	var keys []ed25519.PublicKey
	for _, e := range c.Entries {
		for _, s := range e.Signatures {
			if k, err := ParsePublicKey(s.PublicKey); err == nil && !known(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// current returns what is to be served.
func (h *Handler) current() served {
	h.mu.Lock()
	defer h.mu.Unlock()
	info, err := os.Stat(h.path)
	// Checking what is signed takes long: a file that cannot be used is not read again either.
	if err == nil && (unchanged(info, h.served.info) || unchanged(info, h.bad)) {
		return h.served
	}
	h.reads++
	s, err := readServed(h.path)
	if err != nil {
		h.bad = info
		if h.problem != err.Error() {
			h.problem = err.Error()
			h.log.Error("changelog cannot be used, still serving the one before", "err", err)
		}
		return h.served
	}
	h.served, h.bad, h.problem = s, nil, ""
	h.log.Info("changelog was read", "entries", bytes.Count(s.data, []byte(`"Release"`)), "bytes", len(s.data))
	return s
}

// unchanged tells whether a file is what it was before; nil: there was none.
func unchanged(now, before os.FileInfo) bool {
	return before != nil && os.SameFile(now, before) && now.ModTime().Equal(before.ModTime()) && now.Size() == before.Size()
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are possible here", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	s := h.current()
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == ChangelogName {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", s.etag)
		w.Header().Set("Cache-Control", "max-age=300")
		http.ServeContent(w, r, "", s.info.ModTime(), bytes.NewReader(s.data))
		return
	}
	f, ok := s.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h.serveFile(w, r, f)
}

func (h *Handler) serveFile(w http.ResponseWriter, r *http.Request, f File) {
	file, err := h.root.Open(filepath.FromSlash(f.Path))
	var info os.FileInfo
	if err == nil {
		defer file.Close()
		info, err = file.Stat()
	}
	if err == nil && (!info.Mode().IsRegular() || info.Size() != f.Size) {
		err = errors.New("it is not the file that was signed: another size")
	}
	if err != nil {
		h.log.Error("file of the changelog", "err", err, "path", f.Path)
		http.Error(w, "this file of the changelog is missing", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+f.SHA256+`"`)
	w.Header().Set("Cache-Control", "max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, file)
}
