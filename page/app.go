package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"mox/licenses"
)

// appCSP: all of an application comes from its own site, and nothing is in line.
const appCSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:"

// MailCSP is for [App.SetCSP] of an application that shows messages in frames and images that it has loaded.
const MailCSP = appCSP + " blob:; frame-src 'self'"

// appTypes are the media types of files of applications; those of the machine may differ.
var appTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".png": "image/png",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8", ".woff2": "font/woff2",
}

// App serves an application of the browser, with the API that is all it knows, below the path where it is
// mounted, which must be stripped:
//
//	/             index.html
//	/assets/      files whose names have a hash of their content, kept by browsers for good
//	/licenses.txt the licenses of all that is in mox
//	/api/         the API
//
// and what [App.Handle] adds.
// The files refer to each other by relative URLs, so that they can be at any path.
type App struct {
	files map[string]*appFile // by path
	api   http.Handler
	csp   string
	// others are handlers beside the files, by path.
	others map[string]http.HandlerFunc
}

// Handle has h serve a path, before it is served. Headers are for h to set, but Referrer-Policy.
func (a *App) Handle(path string, h http.HandlerFunc) { a.others[path] = h }

// SetCSP sets the Content-Security-Policy of the files, before they are served.
func (a *App) SetCSP(csp string) { a.csp = csp }

// appFile is one that is served. What is made of it is made when somebody asks for it first.
type appFile struct {
	contentType string
	caching     string // Cache-Control
	load        func() (appContent, error)
	gzipped     func() []byte // nil if that is not smaller
}

// appContent is what is in a file.
type appContent struct {
	bytes []byte
	etag  string
}

// NewApp returns an App of the files of a build. It is an error if there is no index.html.
func NewApp(files fs.FS, api http.Handler) (*App, error) {
	a := &App{files: map[string]*appFile{}, api: http.StripPrefix("/api", api), csp: appCSP, others: map[string]http.HandlerFunc{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		caching := "no-cache"
		if strings.HasPrefix(name, "assets/") {
			caching = "public, max-age=31536000, immutable"
		}
		a.add("/"+name, caching, func() ([]byte, error) { return fs.ReadFile(files, name) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	if a.files["/index.html"] == nil {
		return nil, errors.New("there is no index.html")
	}
	a.files["/"] = a.files["/index.html"]
	delete(a.files, "/index.html") // it has one address
	a.add("/licenses.txt", "no-cache", func() ([]byte, error) {
		var b bytes.Buffer
		err := licenses.Write(&b)
		return b.Bytes(), err
	})
	return a, nil
}

func (a *App) add(name, caching string, read func() ([]byte, error)) {
	typ := appTypes[path.Ext(name)]
	if typ == "" {
		typ = mime.TypeByExtension(path.Ext(name))
	}
	load := sync.OnceValues(func() (appContent, error) {
		b, err := read()
		hash := sha256.Sum256(b)
		return appContent{b, base64.RawURLEncoding.EncodeToString(hash[:12])}, err
	})
	gzipped := sync.OnceValue(func() []byte {
		c, err := load()
		if err != nil {
			return nil
		}
		return compress(c.bytes)
	})
	a.files[name] = &appFile{typ, caching, load, gzipped}
}

// compress returns the content compressed, or nil if that does not make it smaller.
func compress(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := w.Write(content); err != nil || w.Close() != nil || b.Len() >= len(content) {
		return nil
	}
	return b.Bytes()
}

// ServeHTTP answers a request.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "same-origin")
	if strings.HasPrefix(r.URL.Path, "/api/") {
		a.api.ServeHTTP(w, r)
		return
	}
	if h := a.others[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	f := a.files[r.URL.Path]
	switch {
	case f == nil:
		http.Error(w, "404 - nothing is here", http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 - only GET and HEAD", http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Security-Policy", a.csp)
		f.serve(w, r)
	}
}

func (f *appFile) serve(w http.ResponseWriter, r *http.Request) {
	c, err := f.load()
	if err != nil {
		http.Error(w, "500 - internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", f.caching)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	content, etag := c.bytes, c.etag
	// RFC 9110 12.5.3: "gzip;q=0" refuses it, but no browser says that.
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		if b := f.gzipped(); b != nil {
			content, etag = b, etag+"-gzip"
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
