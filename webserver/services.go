package webserver

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

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
}

// Port is what is served on a port: services, of which the longest path that fits counts,
// and what remains.
type Port struct {
	Services []Service
	Fallback http.Handler // nil: 404
	// Forwarded: requests come through a proxy that sets X-Forwarded-For and X-Forwarded-Proto.
	Forwarded bool
	Limiter   *ratelimit.Limiter // of requests, by address; nil: no limit
	Now       func() time.Time   // nil: time.Now
	// Observe is told of each request: durations until the header of the response and until its end.
	// Nil: nobody is.
	Observe func(o Observation)
}

// Observation is a request that was answered.
type Observation struct {
	Handler      string // name of the service, "(nohandler)", "(ratelimited)"
	Proto        string // "http", "https"
	Method       string // lower case; "(unknown)" for uncommon ones
	Code         int
	Header, Done time.Duration
}

// NewPort returns the handler of a port.
func NewPort(p Port) http.Handler {
	if p.Now == nil {
		p.Now = time.Now
	}
	p.Services = slices.Clone(p.Services)
	slices.SortStableFunc(p.Services, func(a, b Service) int { return cmp.Compare(len(b.Path), len(a.Path)) })
	return &p
}

// methods are those that metrics name.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "MKCOL"}

// ServeHTTP finds the service for a request.
func (p *Port) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: w, now: p.Now, start: p.Now()}
	r.URL.Scheme = "http"
	if r.TLS != nil {
		r.URL.Scheme = "https"
	}
	if p.Forwarded {
		forwarded(r)
	}
	name := p.serve(rec, r)
	if p.Observe == nil {
		return
	}
	o := Observation{Handler: name, Proto: r.URL.Scheme, Method: "(unknown)", Code: cmp.Or(rec.code, http.StatusOK), Done: p.Now().Sub(rec.start)}
	o.Header = cmp.Or(rec.header, o.Done)
	if slices.Contains(methods, r.Method) {
		o.Method = strings.ToLower(r.Method)
	}
	p.Observe(o)
}

func (p *Port) serve(w http.ResponseWriter, r *http.Request) string {
	if p.Limiter != nil && !p.Limiter.Add(remote(r), p.Now(), 1) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "429 - too many requests from your network, try again later", http.StatusTooManyRequests)
		return "(ratelimited)"
	}
	host := requestHost(r)
	for _, s := range p.Services {
		if s.Host != nil && !s.Host(host) {
			continue
		}
		if !strings.HasSuffix(s.Path, "/") {
			if r.URL.Path == s.Path {
				s.Handler.ServeHTTP(w, r)
				return s.Name
			}
			continue
		}
		if r.URL.Path+"/" == s.Path {
			redirect(w, r, s.Path)
			return s.Name
		}
		if strings.HasPrefix(r.URL.Path, s.Path) {
			http.StripPrefix(strings.TrimSuffix(s.Path, "/"), s.Handler).ServeHTTP(w, r)
			return s.Name
		}
	}
	if p.Fallback == nil {
		http.Error(w, "404 - nothing is here", http.StatusNotFound)
		return "(nohandler)"
	}
	p.Fallback.ServeHTTP(w, r)
	return "(default)"
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
// overwritten these fields.
func forwarded(r *http.Request) {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	if ip, err := netip.ParseAddr(strings.TrimSpace(first)); err == nil {
		r.RemoteAddr = netip.AddrPortFrom(ip, 0).String()
	}
	if strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		r.URL.Scheme = "https"
	}
}

// recorder notes what is answered.
type recorder struct {
	http.ResponseWriter
	now    func() time.Time
	start  time.Time
	code   int
	header time.Duration
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 && code >= 200 {
		r.code, r.header = code, r.now().Sub(r.start)
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.code, r.header = http.StatusOK, r.now().Sub(r.start)
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
