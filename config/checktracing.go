package config

import (
	"net/url"

	"golang.org/x/net/http/httpguts"

	"mox/sconf"
)

// checkTracing returns the URL that spans are posted to.
func (c *checker) checkTracing(p sconf.Path, t *Tracing) string {
	for name, value := range t.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			c.errorf(p.Key("Headers", name), "no valid header field of HTTP")
		}
	}
	if t.IMAPAfter < 0 {
		c.errorf(p.Key("IMAPAfter"), "must not be negative")
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil:
		c.errorf(p.Key("Endpoint"), "%v", err)
		return ""
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "":
		c.errorf(p.Key("Endpoint"), "must be the http or https URL of a collector, such as http://127.0.0.1:4318")
		return ""
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	return u.String()
}
