package webserver

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"mox/mlog"
	"mox/ratelimit"
)

// Service is an application at a path of a port, such as the HTTP API.
type Service struct {
	Name string // in metrics and logs
	// Path begins with a slash. One that ends with a slash too is for all below it, another
	// for itself only.
	Path string
	// Handler gets the path below Path, with a slash before it, or Path where that is all.
	// [http.Request.RequestURI] has the whole; URL.Scheme is set.
	Handler http.Handler
	// Host tells for which hosts of requests it is, in lower case, without port; nil: for all.
	Host func(host string) bool
	// Body is the most octets of a request; 0: 1 MiB; negative: Handler has its own limit.
	Body int64
}

// serviceBody is the default of Service.Body.
const serviceBody = 1 << 20

// Sites are web sites that come after system services and before the others.
type Sites interface {
	// Serve answers a request, whose URL.Scheme is set, for a host (in lower case, without
	// port), and tells which handler has, for metrics and logs; "" if it is for none, and then
	// has done nothing. Plain requests that have to be secure are sent to httpsPort.
	Serve(w http.ResponseWriter, r *http.Request, host string, httpsPort int) (handler string)
}

// Router is what is served on a port. What fits first counts: a service of the system, a web
// site, a service; of services, that with the longest path. What is left is Fallback's.
//
// Nothing of a Router may change once it serves.
type Router struct {
	Systems   []Service // see System
	Sites     Sites     // nil: none
	HTTPSPort int       // for Sites; 0: 443
	Services  []Service
	Fallback  http.Handler // nil: 404
	// Forwarded: requests come through a proxy that sets X-Forwarded-For and X-Forwarded-Proto.
	Forwarded bool
	Limiter   *ratelimit.Limiter // of requests, by address; nil: no limit
	// Secrets are paths after which secrets follow, such as of invitations: the rest is not logged, whoever
	// answers. A port that has no such service may get such requests all the same.
	Secrets []string
	// Banned tells which clients get 403 only; nil: none.
	Banned func(client netip.Addr) bool
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // gets a line for each request; nil: none
	NextID func() int64     // ids of requests for the log; nil: none
	Panic  func()           // is told of each panic of a handler; nil: nobody is
	// Observe is told of each request: durations until the header of the response and until its end.
	// Nil: nobody is.
	Observe func(o Observation)
}

// System adds a service that comes before web sites, such as /.well-known/mta-sts.txt.
func (p *Router) System(name, path string, host func(host string) bool, h http.Handler) {
	p.Systems = append(p.Systems, Service{Name: name, Path: path, Host: host, Handler: h})
}

// Observation is a request that was answered.
type Observation struct {
	Handler      string // name of the service or web handler, "(nohandler)", "(ratelimited)", "(banned)", "(badrequest)"
	Proto        string // "http", "https", "ws", "wss"
	Method       string // lower case; "(unknown)" for uncommon ones
	Code         int
	Header, Done time.Duration
	Start        time.Time
	Remote       netip.Addr
	CID          int64 // of the log line; 0: none
	// Client is not valid where only the address of a proxy is known.
	Client netip.Addr
	Path   string // of the request
}

// NewRouter returns the handler of a port.
func NewRouter(p Router) http.Handler {
	if p.Now == nil {
		p.Now = time.Now
	}
	p.Log = cmp.Or(p.Log, mlog.Discard())
	p.Systems, p.Services = longestFirst(p.Systems), longestFirst(p.Services)
	return &p
}

func longestFirst(services []Service) []Service {
	services = slices.Clone(services)
	slices.SortStableFunc(services, func(a, b Service) int { return cmp.Compare(len(b.Path), len(a.Path)) })
	return services
}

// methods are those that metrics name.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "MKCOL"}

// ServeHTTP finds who serves a request.
func (p *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := newRecorder(w, r, p.Now)
	r.URL.Scheme = "http"
	if r.TLS != nil {
		r.URL.Scheme = "https"
	}
	if !p.Forwarded || forwarded(r) {
		rec.client = remote(r)
	}
	path := r.URL.Path // handlers change it
	name, problem := p.guarded(rec, r)
	rec.finish()
	p.observe(rec, r, name, path)
	if problem == http.ErrAbortHandler || problem != nil && rec.code != 0 {
		// What was sent must not look complete.
		panic(http.ErrAbortHandler)
	} else if problem != nil {
		http.Error(rec, "500 - internal error", http.StatusInternalServerError)
	}
}

// guarded serves a request and returns what it has panicked with.
func (p *Router) guarded(rec *recorder, r *http.Request) (name string, problem any) {
	defer func() {
		problem = recover()
		if problem == nil || problem == http.ErrAbortHandler {
			return
		}
		p.Log.Error("panic of web handler", "panic", problem, "handler", rec.handler, "stack", string(debug.Stack()))
		if p.Panic != nil {
			p.Panic()
		}
	}()
	return p.serve(rec, r), nil
}

// observe tells of a request that was answered.
func (p *Router) observe(rec *recorder, r *http.Request, name, path string) {
	name = cmp.Or(name, rec.handler, "(panic)")
	o := Observation{Handler: name, Proto: r.URL.Scheme, Method: "(unknown)", Code: cmp.Or(rec.code, http.StatusOK), Done: p.Now().Sub(rec.start), Client: rec.client, Path: path}
	o.Header = cmp.Or(rec.header, o.Done)
	o.Start, o.Remote = rec.start, remote(r)
	if p.NextID != nil {
		o.CID = p.NextID()
	}
	if slices.Contains(methods, r.Method) {
		o.Method = strings.ToLower(r.Method)
	}
	if rec.hijacked {
		o.Proto = map[string]string{"http": "ws", "https": "wss"}[o.Proto]
	}
	if p.Observe != nil {
		p.Observe(o)
	}
	level := slog.LevelInfo
	if name == "(ratelimited)" || name == "(banned)" {
		level = slog.LevelDebug // a flood is not to fill the log
	}
	if !p.Log.Enabled(r.Context(), level) {
		return
	}
	// Without query: what is in there is often secret.
	path = p.withoutSecret(path)
	attrs := []slog.Attr{
		slog.String("handler", name), slog.String("remote", o.Remote.String()), slog.String("proto", o.Proto), slog.String("version", r.Proto),
		slog.String("method", r.Method), slog.String("host", r.Host), slog.String("path", path), slog.Int("code", o.Code),
		slog.Int64("received", rec.received.Load()), slog.Int64("sent", rec.sent.Load()), slog.Duration("header", o.Header), slog.Duration("duration", o.Done),
	}
	if p.NextID != nil {
		attrs = append(attrs, slog.Int64("cid", o.CID))
	}
	p.Log.LogAttrs(context.WithoutCancel(r.Context()), level, "http request", attrs...)
}

// withoutSecret is a path for the log.
func (p *Router) withoutSecret(path string) string {
	// Slashes that are doubled, and upper case, are mistakes of somebody who has a secret.
	clean := "/" + strings.ToLower(strings.TrimLeft(path, "/"))
	for _, s := range p.Secrets {
		if strings.HasPrefix(clean, strings.ToLower(s)) {
			return s + "..."
		}
	}
	return path
}

func (p *Router) serve(w *recorder, r *http.Request) string {
	if p.Banned != nil && p.Banned(w.client) {
		w.Header().Set("Connection", "close")
		http.Error(w, "403 - your network is banned for some time, the administrator can tell why", http.StatusForbidden)
		return "(banned)"
	}
	if p.Limiter != nil && !p.Limiter.Add(remote(r), p.Now(), 1) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "429 - too many requests from your network, try again later", http.StatusTooManyRequests)
		return "(ratelimited)"
	}
	// Paths of an URL without are "/" (RFC 9110 4.2.3).
	r.URL.Path = cmp.Or(r.URL.Path, "/")
	if r.URL.Path[0] != '/' || r.Method == http.MethodConnect {
		http.Error(w, "400 - only requests for a path", http.StatusBadRequest)
		return "(badrequest)"
	}
	host := requestHost(r)
	if name := serveFrom(p.Systems, w, r, host, false); name != "" {
		return name
	}
	if p.Sites != nil {
		if name := p.Sites.Serve(w, r, host, p.HTTPSPort); name != "" {
			return name
		}
	}
	if name := serveFrom(p.Services, w, r, host, true); name != "" {
		return name
	}
	secureHeaders(w.Header())
	if p.Fallback == nil {
		http.Error(w, "404 - nothing is here", http.StatusNotFound)
		return "(nohandler)"
	}
	p.Fallback.ServeHTTP(w, r)
	return "(default)"
}

// serveFrom has the service with the longest path serve, and returns its name; "" if there
// is none. With slash, the path of a directory without its slash is redirected.
func serveFrom(services []Service, w *recorder, r *http.Request, host string, slash bool) string {
	for _, s := range services {
		exact := !strings.HasSuffix(s.Path, "/")
		add := slash && r.URL.Path+"/" == s.Path
		fits := exact && r.URL.Path == s.Path || !exact && strings.HasPrefix(r.URL.Path, s.Path) || add
		if !fits || s.Host != nil && !s.Host(host) {
			continue
		}
		w.handler = s.Name
		secureHeaders(w.Header())
		if s.Body >= 0 {
			r.Body = http.MaxBytesReader(w.ResponseWriter, r.Body, cmp.Or(s.Body, serviceBody))
		}
		h := s.Handler
		switch {
		case add:
			redirect(w, r, s.Path)
			return s.Name
		case !exact:
			h = http.StripPrefix(strings.TrimSuffix(s.Path, "/"), h)
		}
		h.ServeHTTP(w, r)
		return s.Name
	}
	return ""
}

// redirect sends the client to a path, with the query that it has.
func redirect(w http.ResponseWriter, r *http.Request, target string) {
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// requestHost is the host that a request is for, in lower case and without port.
func requestHost(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(strings.TrimSuffix(host, "."), "[]")
}

// remote is the address of the client.
func remote(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// forwarded takes from the header what a proxy says about the client. It must have
// overwritten these fields. It tells whether the address of the client is known.
func forwarded(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	ip, err := netip.ParseAddr(strings.TrimSpace(first))
	if err == nil {
		r.RemoteAddr = netip.AddrPortFrom(ip, 0).String()
	}
	if strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		r.URL.Scheme = "https"
	}
	return err == nil
}
