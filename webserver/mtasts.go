package webserver

import (
	"net/http"
	"strconv"

	"mox/mtasts"
)

// MTASTSPath is where the MTA-STS policy of a domain is, at host mta-sts.<domain> (RFC 8461 3.3).
const MTASTSPath = "/.well-known/mta-sts.txt"

// MTASTS serves the policies of domains. policy returns that of the domain whose policies
// are at a host (in lower case, without port), nil if there is none.
func MTASTS(policy func(host string) *mtasts.Policy) Service {
	return Service{
		Name: "mtasts", Path: MTASTSPath,
		Host: func(host string) bool { return policy(host) != nil },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := policy(requestHost(r))
			if p == nil {
				// It was there when the service was chosen.
				http.NotFound(w, r)
				return
			}
			serveText(w, r, p.String())
		}),
	}
}

func serveText(w http.ResponseWriter, r *http.Request, text string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 - only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	// RFC 8461 3.2: exactly this type; some compare it with its parameters.
	w.Header().Set("Content-Type", "text/plain")
	// RFC 8461 3.3: a policy is not taken from caches of HTTP.
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method == http.MethodGet {
		// The client is gone if this fails.
		_, _ = w.Write([]byte(text))
	}
}
