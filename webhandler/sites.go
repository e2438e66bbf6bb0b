package webhandler

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"mox/config"
	"mox/mlog"
)

// Config is what Sites need. Nothing of it may change once in use.
type Config struct {
	Log *slog.Logger // nil: none
	// Internal are mox's own applications by name ("admin", "account", "webmail", "webapi").
	// They get paths below their base path. Those that are missing answer 404.
	Internal map[string]http.Handler
	// CacheDir is for compressed files; it is made if it is not there. Empty: files are not
	// compressed, but those that are there in compressed form are used.
	CacheDir string
	RootCAs  *x509.CertPool // of servers to forward to; nil: those of the system
	Limits   Limits
}

// Limits bound what requests may take. Zero fields have the defaults.
type Limits struct {
	Dial           time.Duration // connecting to a server to forward to, TLS included; 0: 10 s
	ResponseHeader time.Duration // until it answers; 0: 60 s
	Idle           time.Duration // nothing comes from it, or in either direction of a WebSocket; 0: 10 min
	HeaderBytes    int64         // of its answer; 0: 64 KiB
	IdleConns      int           // kept open to each server; 0: 64
	CacheBytes     int64         // of compressed files; 0: 512 MiB
	ListEntries    int           // of a directory; 0: 10,000
}

func (l *Limits) setDefaults() {
	l.Dial = cmp.Or(l.Dial, 10*time.Second)
	l.ResponseHeader = cmp.Or(l.ResponseHeader, time.Minute)
	l.Idle = cmp.Or(l.Idle, 10*time.Minute)
	l.HeaderBytes = cmp.Or(l.HeaderBytes, 64<<10)
	l.IdleConns = cmp.Or(l.IdleConns, 64)
	l.CacheBytes = cmp.Or(l.CacheBytes, 512<<20)
	l.ListEntries = cmp.Or(l.ListEntries, 10000)
}

// Sites are the web sites of a server. Safe for concurrent use.
type Sites struct {
	conf    Config
	log     *slog.Logger
	cache   *compressCache // nil: none
	gzip    gzipPool
	forward *forwarder
	current atomic.Pointer[sites]
}

// sites are those of one configuration.
type sites struct {
	redirects map[string]string // of domains, both as in a request
	handlers  []*handler
}

// handler is one of WebHandlers.
type handler struct {
	*config.WebHandlerInfo
	host string
	// serve answers the request, or tells that it is for another handler.
	serve func(w http.ResponseWriter, r *http.Request) (done bool)
}

// New returns Sites without any; see Prepare.
func New(c Config) (*Sites, error) {
	c.Limits.setDefaults()
	if c.Log == nil {
		c.Log = mlog.Discard()
	}
	s := &Sites{conf: c, log: c.Log}
	if c.CacheDir != "" {
		var err error
		if s.cache, err = openCompressCache(c.CacheDir, c.Limits.CacheBytes); err != nil {
			return nil, fmt.Errorf("cache of compressed files: %w", err)
		}
	}
	s.forward = newForwarder(s)
	s.current.Store(&sites{})
	return s, nil
}

// Close closes connections that are kept to other servers. Requests may still be served.
func (s *Sites) Close() { s.forward.close() }

// Prepare makes the sites of a configuration; commit has them served. What is doubtful is
// logged, nothing refuses.
func (s *Sites) Prepare(snap *config.Snapshot) (commit func()) {
	next := &sites{redirects: map[string]string{}}
	for from, to := range snap.WebDomainRedirects {
		next.redirects[from.ASCII] = to.ASCII
	}
	for _, info := range snap.WebHandlers {
		next.handlers = append(next.handlers, s.newHandler(info))
	}
	return func() { s.current.Store(next) }
}

func (s *Sites) newHandler(info *config.WebHandlerInfo) *handler {
	h := &handler{WebHandlerInfo: info, host: info.Domain.ASCII}
	switch c := info.Config; {
	case c.WebStatic != nil:
		h.serve = s.newStatic(info)
		if root, err := os.OpenRoot(c.WebStatic.Root); err == nil {
			root.Close()
		} else {
			s.log.Warn("root of web handler cannot be read; one that was added since the start of a confined server is readable after a restart only", "err", err, "handler", info.Name)
		}
	case c.WebRedirect != nil:
		h.serve = newRedirect(info)
	case c.WebForward != nil:
		h.serve = s.compressing(info, s.forward.handler(info))
	default:
		internal := s.conf.Internal[c.WebInternal.Service]
		if internal == nil {
			s.log.Warn("service of web handler is not there, requests for it are answered with 404", "handler", info.Name, "service", c.WebInternal.Service)
		}
		h.serve = s.compressing(info, newInternal(c.WebInternal.BasePath, internal))
	}
	return h
}

// Serve answers a request, whose URL.Scheme is set, and tells by which handler; "" if it is
// for none, and nothing is done. host is that of the request, in lower case and without
// port; httpsPort is where plain requests are sent to.
func (s *Sites) Serve(w http.ResponseWriter, r *http.Request, host string, httpsPort int) (name string) {
	current := s.current.Load()
	named, _ := w.(interface{ SetHandler(name string) })
	if to, ok := current.redirects[host]; ok {
		sendTo(w, r, "https", to, http.StatusPermanentRedirect)
		return "(domainredirect)"
	}
	for _, h := range current.handlers {
		if h.host != host || !h.Path.MatchString(r.URL.Path) {
			continue
		}
		if static := h.Config.WebStatic; static != nil && static.ContinueNotFound && !reads(r) {
			continue
		}
		if hasDotSegment(r.URL.Path) {
			http.Error(w, "400 - path has a segment . or ..", http.StatusBadRequest)
			return h.Name
		}
		if r.URL.Scheme == "http" && !h.Config.DontRedirectPlainHTTP {
			sendTo(w, r, "https", secureHost(host, httpsPort), http.StatusPermanentRedirect)
			return h.Name
		}
		if named != nil {
			named.SetHandler(h.Name) // also if it ends in a panic
		}
		if h.serve(w, r) {
			return h.Name
		}
	}
	return ""
}

// reads tells whether a request only reads.
func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// secureHost is a host with the port of HTTPS, unless that is the usual one.
func secureHost(host string, port int) string {
	if port == 0 || port == 443 {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// sendTo redirects to the same path and query at another scheme or host.
func sendTo(w http.ResponseWriter, r *http.Request, scheme, host string, status int) {
	u := url.URL{Scheme: scheme, Host: host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	location(w, u.String(), status)
}

// location redirects. RFC 9110 15.4: with a note for those that do not follow.
func location(w http.ResponseWriter, target string, status int) {
	w.Header().Set("Location", target)
	if status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	http.Error(w, strconv.Itoa(status)+" - this is at "+target, status)
}

// hasDotSegment tells whether a path, decoded, has a segment that means its directory or
// the one above (RFC 3986 5.2.4), for servers that take a backslash for a slash too, and for
// those that cut parameters off segments ("..;x").
func hasDotSegment(path string) bool {
	if !strings.Contains(path, ".") {
		return false
	}
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		segment, _, _ = strings.Cut(segment, ";")
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// newInternal serves one of mox's own applications below a path.
func newInternal(base string, h http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case h == nil:
			http.Error(w, "404 - this service is not there", http.StatusNotFound)
		case r.URL.Path+"/" == base:
			sendPath(w, r, base)
		case !strings.HasPrefix(r.URL.Path, base):
			http.Error(w, "404 - nothing is here", http.StatusNotFound)
		default:
			http.StripPrefix(strings.TrimSuffix(base, "/"), h).ServeHTTP(w, r)
		}
	}
}

// sendPath sends to another path of the same host, with the query.
func sendPath(w http.ResponseWriter, r *http.Request, path string) {
	u := url.URL{Path: path, RawQuery: r.URL.RawQuery}
	location(w, u.String(), http.StatusSeeOther)
}

func (s *Sites) limits() Limits { return s.conf.Limits }
