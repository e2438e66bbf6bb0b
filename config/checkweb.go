package config

import (
	"cmp"
	"strconv"
	"strings"

	"mox/dns"
	"mox/sconf"
)

func (c *dynamicChecker) checkWeb() {
	root := sconf.Path(nil)
	c.snap.WebDomainRedirects = map[dns.Domain]dns.Domain{}
	for _, from := range sorted(c.conf.WebDomainRedirects) {
		p := root.Key("WebDomainRedirects", from)
		fd, fok := c.domainKey(p, from)
		td, tok := c.domain(p, c.conf.WebDomainRedirects[from])
		if fok && tok && fd == td {
			c.errorf(p, "redirects to itself")
		}
		c.snap.WebDomainRedirects[fd] = td
	}
	for i, h := range c.conf.WebHandlers {
		c.snap.WebHandlers = append(c.snap.WebHandlers, c.checkHandler(root.Key("WebHandlers").Index(i), i, h))
	}
	web := c.snap.anyListener(func(l *ListenerInfo) bool { return l.WebserverHTTP.Enabled || l.WebserverHTTPS.Enabled })
	if !web && len(c.conf.WebHandlers) > 0 {
		c.errorf(root.Key("WebHandlers"), "no listener has WebserverHTTP or WebserverHTTPS enabled")
	}
	if !web && len(c.conf.WebDomainRedirects) > 0 {
		c.errorf(root.Key("WebDomainRedirects"), "no listener has WebserverHTTP or WebserverHTTPS enabled")
	}
}

func (c *dynamicChecker) checkHandler(p sconf.Path, i int, h WebHandler) *WebHandlerInfo {
	info := &WebHandlerInfo{Name: cmp.Or(h.LogName, strconv.Itoa(i)), Config: h}
	info.Domain, _ = c.domain(p.Key("Domain"), h.Domain)
	if !strings.HasPrefix(h.PathRegexp, "^") {
		c.errorf(p.Key("PathRegexp"), "must start with ^")
	}
	info.Path = c.regexp(p.Key("PathRegexp"), h.PathRegexp)
	n := 0
	if w := h.WebStatic; w != nil {
		n++
		c.checkStaticFiles(p.Key("WebStatic"), w)
	}
	if w := h.WebRedirect; w != nil {
		n++
		c.checkRedirect(p.Key("WebRedirect"), w, info)
	}
	if w := h.WebForward; w != nil {
		n++
		c.checkForward(p.Key("WebForward"), w, info)
	}
	if w := h.WebInternal; w != nil {
		n++
		p := p.Key("WebInternal")
		c.oneOf(p.Key("Service"), w.Service, "admin", "account", "webmail", "webapi")
		public := func(l *ListenerInfo) bool { return (l.WebserverHTTP.Enabled || l.WebserverHTTPS.Enabled) && l.public() }
		if w.Service == "admin" && c.snap.anyListener(public) {
			c.warnf(p.Key("Service"), "the admin pages can be reached from everywhere")
		}
		if !strings.HasPrefix(w.BasePath, "/") || !strings.HasSuffix(w.BasePath, "/") {
			c.errorf(p.Key("BasePath"), "must start and end with a slash")
		}
	}
	if n != 1 {
		c.errorf(p, "exactly one of WebStatic, WebRedirect, WebForward and WebInternal is needed")
	}
	return info
}

func (c *dynamicChecker) checkStaticFiles(p sconf.Path, w *WebStatic) {
	if w.Root == "" {
		c.errorf(p.Key("Root"), "is empty")
	}
	if w.StripPrefix != "" && !strings.HasPrefix(w.StripPrefix, "/") {
		c.errorf(p.Key("StripPrefix"), "must start with a slash")
	}
	c.responseHeaders(p.Key("ResponseHeaders"), w.ResponseHeaders)
}

func (c *dynamicChecker) responseHeaders(p sconf.Path, headers map[string]string) {
	for _, name := range sorted(headers) {
		// RFC 9110 5.6.2: token.
		if name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return notAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
		}) {
			c.errorf(p.Key(name), "bad name of a header field %q", name)
		}
	}
}

func (c *dynamicChecker) checkRedirect(p sconf.Path, w *WebRedirect, info *WebHandlerInfo) {
	if w.BaseURL != "" {
		s := w.BaseURL
		if strings.HasPrefix(s, "//") {
			s = "https:" + s
		}
		if u, ok := c.httpURL(p.Key("BaseURL"), s, "https", "http"); ok {
			if u.Path != "" {
				c.errorf(p.Key("BaseURL"), "must have no path, not even a slash")
			}
			if s != w.BaseURL {
				u.Scheme = ""
			}
			info.RedirectBase = u
		}
	}
	if (w.OrigPathRegexp == "") != (w.ReplacePath == "") {
		c.errorf(p, "OrigPathRegexp and ReplacePath are needed both or neither")
	}
	if w.BaseURL == "" && w.OrigPathRegexp == "" {
		c.errorf(p, "BaseURL, or OrigPathRegexp and ReplacePath, is needed: the request would be redirected to itself")
	}
	info.RedirectPath = c.regexp(p.Key("OrigPathRegexp"), w.OrigPathRegexp)
	info.RedirectStatus = cmp.Or(w.StatusCode, 308)
	if w.StatusCode != 0 && (w.StatusCode < 300 || w.StatusCode > 399) {
		c.errorf(p.Key("StatusCode"), "bad status %d, must be from 300 to 399", w.StatusCode)
	}
}

func (c *dynamicChecker) checkForward(p sconf.Path, w *WebForward, info *WebHandlerInfo) {
	if u, ok := c.httpURL(p.Key("URL"), w.URL, "http", "https"); ok {
		if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			c.errorf(p.Key("URL"), "must have no query and no fragment")
		}
		info.ForwardURL = u
	}
	c.responseHeaders(p.Key("ResponseHeaders"), w.ResponseHeaders)
}
