package webhandler

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mox/config"
)

// precompressed are the files beside a file that have it compressed, best first.
var precompressed = []struct{ coding, suffix string }{{"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}}

// static serves the files of a WebStatic.
type static struct {
	*Sites
	name     string
	conf     *config.WebStatic
	compress bool
}

func (s *Sites) newStatic(info *config.WebHandlerInfo) func(w http.ResponseWriter, r *http.Request) bool {
	h := &static{s, info.Name, info.Config.WebStatic, info.Config.Compress}
	return h.serve
}

// fileRequest is a request for a file, with what was found.
type fileRequest struct {
	*static
	w    http.ResponseWriter
	r    *http.Request
	in   *os.Root // the directory of the file, or the root of the site if it is a directory
	path string   // of in
	name string   // below in, with the separators of this system
	dir  bool     // the path ends with a slash
	file *os.File
	info fs.FileInfo
}

func (h *static) serve(w http.ResponseWriter, r *http.Request) (done bool) {
	if !reads(r) {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 - only GET and HEAD", http.StatusMethodNotAllowed)
		return true
	}
	rest, ok := strings.CutPrefix(r.URL.Path, h.conf.StripPrefix)
	name, err := filepath.Localize(localName(rest))
	if !ok || err != nil {
		return h.failed(w, fs.ErrNotExist)
	}
	root, err := os.OpenRoot(h.conf.Root)
	if err != nil {
		h.log.Error("opening root of web handler", "err", err, "handler", h.name)
		if h.conf.ContinueNotFound {
			return false
		}
		http.Error(w, "500 - the files of this site cannot be read", http.StatusInternalServerError)
		return true
	}
	defer root.Close()
	f := &fileRequest{static: h, w: w, r: r, in: root, path: h.conf.Root, name: name, dir: strings.HasSuffix(r.URL.Path, "/")}
	// The directory is opened once, for all that is looked at in it.
	if dir, base := filepath.Split(name); dir != "" && !f.dir {
		if f.in, err = root.OpenRoot(filepath.Clean(dir)); err != nil {
			return h.failed(w, err)
		}
		defer f.in.Close()
		f.path, f.name = filepath.Join(f.path, dir), base
	}
	return f.serve()
}

// localName is the path to look for below the root.
func localName(rest string) string {
	if name := strings.TrimPrefix(path.Clean("/"+rest), "/"); name != "" {
		return name
	}
	return "."
}

func (f *fileRequest) serve() (done bool) {
	if err := f.open(f.name); err != nil {
		return f.failed(f.w, err)
	}
	defer func() { f.file.Close() }()
	switch isDir := f.info.IsDir(); {
	case isDir && !f.dir:
		f.addSlash()
		return true
	case isDir:
		return f.serveDir()
	case f.dir:
		return f.failed(f.w, fs.ErrNotExist) // a file is no directory
	}
	f.serveFile()
	return true
}

// open opens a file or directory. Others, such as pipes, are not there.
func (f *fileRequest) open(name string) error {
	file, err := f.in.OpenFile(name, openFlags, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		file.Close()
		return err
	}
	f.file, f.info, f.name = file, info, name
	return nil
}

// failed answers for what cannot be opened. All but missing permission is as if it was not
// there: names that cannot be, links that lead out of the root.
func (h *static) failed(w http.ResponseWriter, err error) (done bool) {
	if errors.Is(err, fs.ErrPermission) {
		h.addHeaders(w)
		http.Error(w, "403 - this may not be read", http.StatusForbidden)
		return true
	}
	if h.conf.ContinueNotFound {
		return false
	}
	h.addHeaders(w)
	http.Error(w, "404 - there is no such file", http.StatusNotFound)
	return true
}

func (h *static) addHeaders(w http.ResponseWriter) {
	for name, value := range h.conf.ResponseHeaders {
		w.Header().Set(name, value)
	}
}

// addSlash sends to the path of a directory: relative, as a path that begins with two slashes
// would be another host.
func (f *fileRequest) addSlash() {
	f.addHeaders(f.w)
	u := url.URL{Path: "./" + path.Base(f.r.URL.Path) + "/", RawQuery: f.r.URL.RawQuery}
	location(f.w, u.String(), http.StatusTemporaryRedirect)
}

func (f *fileRequest) serveDir() (done bool) {
	dir, dirName := f.file, f.name
	err := f.open(filepath.Join(dirName, "index.html"))
	switch {
	case err == nil && !f.info.IsDir():
		dir.Close()
		f.serveFile()
		return true
	case err == nil:
		f.file.Close() // a directory of that name
	case !errors.Is(err, fs.ErrNotExist):
		f.file = dir
		return f.failed(f.w, err)
	}
	f.file, f.name = dir, dirName
	if !f.conf.ListFiles {
		if f.conf.ContinueNotFound {
			return false
		}
		f.addHeaders(f.w)
		http.Error(f.w, "403 - files of this directory are not listed", http.StatusForbidden)
		return true
	}
	f.addHeaders(f.w)
	f.serveListing()
	return true
}

// serveFile serves the open file, or it in compressed form.
func (f *fileRequest) serveFile() {
	f.addHeaders(f.w)
	h := f.w.Header()
	if h.Get("Content-Type") == "" {
		if t := mime.TypeByExtension(filepath.Ext(f.name)); t != "" {
			h.Set("Content-Type", t)
		}
	}
	content, coding := f.file, ""
	if c, other := f.coded(); other != nil {
		defer other.Close()
		content, coding = other, c
		h.Set("Content-Encoding", coding)
	}
	info := f.info
	if coding != "" {
		var err error
		if info, err = content.Stat(); err != nil {
			http.Error(f.w, "500 - the file cannot be read", http.StatusInternalServerError)
			return
		}
		// Known, but net/http leaves it out where there is a coding.
		if f.r.Header.Get("Range") == "" {
			h.Set("Content-Length", fmt.Sprint(info.Size()))
		}
		// Without a type its compressed octets would be looked at for one.
		if h.Get("Content-Type") == "" {
			h.Set("Content-Type", "application/octet-stream")
		}
	}
	if h.Get("ETag") == "" {
		h.Set("ETag", etag(f.info, coding))
	}
	http.ServeContent(f.w, f.r, f.name, f.info.ModTime(), inMemory(content, info.Size()))
}

// smallFile is what is read as a whole, so that it goes out with the header in one piece.
const smallFile = 16 << 10

// inMemory returns the content of a small file, read, that of others as it is.
func inMemory(file *os.File, size int64) io.ReadSeeker {
	if size > smallFile {
		return file
	}
	b := make([]byte, size)
	if n, err := file.ReadAt(b, 0); n != len(b) || err != nil && !errors.Is(err, io.EOF) {
		return file
	}
	return bytes.NewReader(b)
}

// etag is the validator of a file in a coding. RFC 9110 8.8.3: each coding has its own, so
// that they are strong ones, good for ranges.
func etag(info fs.FileInfo, coding string) string {
	tag := fmt.Sprintf("%x-%x", info.ModTime().UnixNano(), info.Size())
	if coding != "" {
		tag += "-" + coding
	}
	return `"` + tag + `"`
}

// coded is the file in a coding that the client accepts: one beside it, which must not be
// older (in seconds, as builds write files in any order), or one from the cache; nil for none.
func (f *fileRequest) coded() (coding string, _ *os.File) {
	if f.w.Header().Get("Content-Encoding") != "" {
		return "", nil // from ResponseHeaders
	}
	contentType := f.w.Header().Get("Content-Type")
	if !compressible(contentType) && contentType != "application/wasm" && filepath.Ext(f.name) != ".map" {
		return "", nil // images and such are not looked for
	}
	var there []string
	for _, p := range precompressed {
		info, err := f.in.Stat(f.name + p.suffix)
		if err == nil && info.Mode().IsRegular() && info.ModTime().Unix() >= f.info.ModTime().Unix() {
			there = append(there, p.coding)
		}
	}
	cached := f.compress && f.cache != nil && f.info.Size() >= minCompress && f.info.Size() <= maxCompress && compressible(contentType)
	if len(there) == 0 && !cached {
		return "", nil
	}
	// RFC 9110 12.5.5: whoever keeps the answer must know that another gets another one.
	f.w.Header().Add("Vary", "Accept-Encoding")
	accept := f.r.Header["Accept-Encoding"]
	coding = choose(accept, there)
	for _, p := range precompressed {
		if p.coding == coding {
			if file, err := f.in.OpenFile(f.name+p.suffix, openFlags, 0); err == nil {
				return coding, file
			}
		}
	}
	if !cached || accepted(accept, "gzip") == 0 {
		return "", nil
	}
	file, err := f.cache.open(f.r.Context(), filepath.Join(f.path, f.name), f.file, f.info)
	if err != nil {
		f.log.Warn("compressing file", "err", err, "handler", f.static.name)
		return "", nil
	}
	return "gzip", file
}
