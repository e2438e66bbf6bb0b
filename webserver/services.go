package webserver

import (
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// secureHeaders are what no page of ours can do without. Applications replace what they need
// otherwise.
func secureHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
}

// Secure adds the header fields that no page of ours can do without; applications replace
// what they need otherwise. A [Router] does so for its services.
func Secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		h.ServeHTTP(w, r)
	})
}

//go:embed favicon.ico
var favicon []byte

// Favicon is the icon of our services, for the hosts that have them.
func Favicon(host func(host string) bool) Service {
	return Service{Name: "favicon", Path: "/favicon.ico", Host: host, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveContent(w, r, "image/vnd.microsoft.icon", "public, max-age=86400", favicon)
	})}
}

// securityTxtValid is for how long what /.well-known/security.txt says is valid. RFC 9116
// 2.5.5: less than a year.
const securityTxtValid = 90 * 24 * time.Hour

// SecurityTxt tells those who have found a hole where to report it (RFC 9116): to a mail
// address. Only by HTTPS (RFC 9116 3).
func SecurityTxt(address string, host func(host string) bool, now func() time.Time) Service {
	const path = "/.well-known/security.txt"
	return Service{Name: "securitytxt", Path: path, Host: host, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Scheme != "https" {
			http.Error(w, "404 - this is at the same place with https", http.StatusNotFound)
			return
		}
		text := fmt.Sprintf("Contact: mailto:%s\r\nExpires: %s\r\n", address, now().Add(securityTxtValid).UTC().Truncate(24*time.Hour).Format(time.RFC3339))
		serveContent(w, r, "text/plain; charset=utf-8", "max-age=86400", []byte(text))
	})}
}

// WellKnown leads programs from a path that they know, such as /.well-known/change-password, to where the thing is.
func WellKnown(name, path, target string, host func(host string) bool) Service {
	return Service{Name: name, Path: path, Host: host, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusSeeOther)
	})}
}

// serveContent serves what is in memory, to GET and HEAD.
func serveContent(w http.ResponseWriter, r *http.Request, contentType, cacheControl string, content []byte) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 - only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", cacheControl)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
}
