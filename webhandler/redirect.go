package webhandler

import (
	"net/http"
	"net/url"
	"strings"

	"mox/config"
)

// newRedirect makes a WebRedirect. A request that would be sent to where it is, is for
// another handler: so one handler can move plain requests, and a later one serve the others.
func newRedirect(info *config.WebHandlerInfo) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		u, ok := redirectTarget(info, r)
		if !ok {
			http.Error(w, "404 - nothing is here", http.StatusNotFound)
			return true
		}
		if u.Scheme == r.URL.Scheme && authority(u.Scheme, u.Host) == authority(u.Scheme, r.Host) && u.Path == r.URL.Path {
			return false
		}
		location(w, u.String(), info.RedirectStatus)
		return true
	}
}

// redirectTarget is where a request is sent to; ok is false if its path is not one that is.
func redirectTarget(info *config.WebHandlerInfo, r *http.Request) (u *url.URL, ok bool) {
	u = &url.URL{Scheme: r.URL.Scheme, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if base := info.RedirectBase; base != nil {
		if base.Scheme != "" {
			u.Scheme = base.Scheme
		}
		u.Host, u.Fragment = base.Host, base.Fragment
		u.RawQuery = strings.Trim(base.RawQuery+"&"+r.URL.RawQuery, "&")
	}
	if re := info.RedirectPath; re != nil {
		if !re.MatchString(r.URL.Path) {
			return nil, false
		}
		// As the path of a URL with a host: one with two slashes names no other host.
		u.Path, u.RawPath = "/"+strings.TrimPrefix(re.ReplaceAllString(r.URL.Path, info.Config.WebRedirect.ReplacePath), "/"), ""
	}
	return u, true
}

// authority is a host as it is compared: in lower case, without the port that its scheme has
// anyway (RFC 9110 4.2.3).
func authority(scheme, host string) string {
	return strings.TrimSuffix(strings.ToLower(host), map[string]string{"http": ":80", "https": ":443"}[scheme])
}
