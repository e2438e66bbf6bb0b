package discovery

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"mox/clientconf"
	"mox/config"
	"mox/dns"
	"mox/mlog"
)

// Config is what a Discovery needs.
type Config struct {
	Snapshot func() *config.Snapshot
	// Certificate returns that of a host, to sign profiles with. Nil, or an error: profiles are
	// not signed.
	Certificate func(host dns.Domain) (*tls.Certificate, error)
	Now         func() time.Time // nil: time.Now
	Log         *slog.Logger     // nil: none
	// Autoconf and Autodiscover, if not nil, are told of the configured domain of each answer.
	Autoconf, Autodiscover func(domain string)
}

// Discovery serves settings.
type Discovery struct {
	Config
}

// New returns a Discovery.
func New(c Config) *Discovery {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = mlog.Discard()
	}
	if c.Autoconf == nil {
		c.Autoconf = func(string) {}
	}
	if c.Autodiscover == nil {
		c.Autodiscover = func(string) {}
	}
	return &Discovery{c}
}

// Endpoint is a path that is served.
type Endpoint struct {
	Name string // in metrics and logs
	// Path is for itself only, or with a slash at its end for all below it: of that, the handler
	// gets what comes after, with a slash before.
	Path string
	// Host tells for which hosts of requests it is, in lower case, without port.
	Host    func(host string) bool
	Handler http.Handler
}

// Endpoints returns what is served.
func (d *Discovery) Endpoints() []Endpoint {
	e := func(name, path string, serve http.HandlerFunc) Endpoint {
		return Endpoint{name, path, d.isHost, serve}
	}
	return []Endpoint{
		e("autoconf", "/mail/config-v1.1.xml", d.autoconfig),
		e("autoconf", "/.well-known/autoconfig/mail/config-v1.1.xml", d.autoconfig),
		e("autodiscover", "/autodiscover/autodiscover.xml", d.autodiscover),
		// Outlook asks for it in this spelling.
		e("autodiscover", "/Autodiscover/Autodiscover.xml", d.autodiscover),
		e("autodiscover", "/autodiscover/autodiscover.json", d.autodiscoverJSON),
		e("autodiscover", "/autodiscover/autodiscover.json/", d.autodiscoverJSON), // with v1.0/<address>
		e("mobileconfig", "/profile.mobileconfig", d.withProfile(d.profile)),
		e("mobileconfigqrcodepng", "/profile.mobileconfig.qrcode.png", d.withProfile(d.profileQR)),
	}
}

// isHost tells whether settings are served at a host: those of the server, client settings
// domains, and of each domain itself, autoconfig. and autodiscover. below it.
func (d *Discovery) isHost(host string) bool {
	name, err := dns.ParseDomain(host)
	if err != nil {
		return false
	}
	snap := d.Snapshot()
	if snap.IsHostname(name) || mailDomain(snap, name) {
		return true
	}
	if of, ok := hostDomain(host); ok && mailDomain(snap, of) {
		return true
	}
	for _, info := range snap.Domains {
		if info.ClientSettingsDomain == name && !info.ReportsOnly {
			return true
		}
	}
	return false
}

// hostDomain returns the domain below which a host autoconfig or autodiscover is.
func hostDomain(host string) (dns.Domain, bool) {
	for _, prefix := range []string{"autoconfig.", "autodiscover."} {
		if name, ok := strings.CutPrefix(host, prefix); ok {
			of, err := dns.ParseDomain(name)
			return of, err == nil
		}
	}
	return dns.Domain{}, false
}

func mailDomain(snap *config.Snapshot, d dns.Domain) bool {
	info := snap.Domain(d)
	return info != nil && !info.ReportsOnly
}

// requestHost is the host that a request is for, in lower case and without port.
func requestHost(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(host, ".")
}

// settings returns those for an address. An error is for the client to read.
func (d *Discovery) settings(address string) (*clientconf.Settings, error) {
	if !strings.Contains(address, "@") {
		return nil, fmt.Errorf("%w: no @", clientconf.ErrAddress)
	}
	return clientconf.For(d.Snapshot(), address)
}

// allow answers requests with other methods than those, and tells whether it has.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return false
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	http.Error(w, "405 - only "+strings.Join(methods, " and "), http.StatusMethodNotAllowed)
	return true
}

// bad answers a request that is wrong.
func bad(w http.ResponseWriter, why string) { http.Error(w, "400 - "+why, http.StatusBadRequest) }

// send sends an answer. It may be about an address, and changes with the configuration, so it is
// not for caches.
func send(w http.ResponseWriter, contentType string, code int, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client is gone if this fails
}

// fail answers when we cannot.
func (d *Discovery) fail(ctx context.Context, w http.ResponseWriter, what string, err error) {
	d.Log.ErrorContext(ctx, what, "err", err)
	http.Error(w, "500 - "+what, http.StatusInternalServerError)
}
