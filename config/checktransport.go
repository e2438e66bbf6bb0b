package config

import (
	"net"
	"strconv"
	"strings"
	"time"

	"mox/sconf"
)

func (c *checker) checkTransport(p sconf.Path, t Transport) {
	kinds := map[string]bool{
		"Submissions": t.Submissions != nil, "Submission": t.Submission != nil, "SMTP": t.SMTP != nil,
		"Socks": t.Socks != nil, "Direct": t.Direct != nil, "Fail": t.Fail != nil,
	}
	var set []string
	for _, name := range sorted(kinds) {
		if kinds[name] {
			set = append(set, name)
		}
	}
	if len(set) > 1 {
		c.errorf(p, "only one of %s can be set", strings.Join(set, ", "))
	}
	c.checkTransportSMTP(p.Key("Submissions"), t.Submissions, true)
	c.checkTransportSMTP(p.Key("Submission"), t.Submission, false)
	c.checkTransportSMTP(p.Key("SMTP"), t.SMTP, false)
	if t.Socks != nil {
		c.checkSocks(p.Key("Socks"), t.Socks)
	}
	if t.Direct != nil && t.Direct.DisableIPv4 && t.Direct.DisableIPv6 {
		c.errorf(p.Key("Direct"), "DisableIPv4 and DisableIPv6 together leave no way to connect")
	}
	c.checkPace(p, t.Retry, t.MaxConnections)
	if t.Fail != nil {
		p := p.Key("Fail")
		if code := t.Fail.SMTPCode; code != 0 && (code < 400 || code > 599) {
			c.errorf(p.Key("SMTPCode"), "bad code %d, must be from 400 to 599", code)
		}
		c.replyText(p.Key("SMTPMessage"), t.Fail.SMTPMessage)
	}
}

// Bounds of Retry: RFC 5321 4.5.4.1 speaks of intervals of at least 30 minutes and of
// giving up after 4 to 5 days. Shorter intervals are common, but not of seconds.
const (
	minRetry      = 10 * time.Second
	maxRetry      = 7 * 24 * time.Hour // of one interval
	maxRetries    = 100
	maxConcurrent = 1000
)

// checkPace checks how often and how much at a time is tried.
func (c *checker) checkPace(p sconf.Path, retry []time.Duration, connections int) {
	if len(retry) > maxRetries {
		c.errorf(p.Key("Retry"), "%d times are too many, at most %d", len(retry), maxRetries)
	}
	for i, d := range retry {
		if d < minRetry || d > maxRetry {
			c.errorf(p.Key("Retry").Index(i), "bad time %s, must be from %s to %s", d, minRetry, maxRetry)
		}
	}
	if connections < 0 || connections > maxConcurrent {
		c.errorf(p.Key("MaxConnections"), "bad number %d, must be from 1 to %d, or 0 for the default", connections, maxConcurrent)
	}
}

// authMechanisms are those a client can use with a password.
var authMechanisms = []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}

// DefaultAuthMechanisms returns what is allowed if SMTPAuth.Mechanisms is empty, in
// order of preference.
func DefaultAuthMechanisms() []string {
	return append([]string(nil), authMechanisms[:len(authMechanisms)-2]...)
}

func (c *checker) checkTransportSMTP(p sconf.Path, t *TransportSMTP, immediate bool) {
	if t == nil {
		return
	}
	c.domain(p.Key("Host"), t.Host)
	c.port(p.Key("Port"), t.Port)
	if immediate && t.NoSTARTTLS {
		c.errorf(p.Key("NoSTARTTLS"), "has no meaning for Submissions, where TLS starts at once")
	}
	if immediate && t.STARTTLSInsecureSkipVerify {
		c.errorf(p.Key("STARTTLSInsecureSkipVerify"), "has no meaning for Submissions, where TLS starts at once")
	}
	if t.NoSTARTTLS && t.STARTTLSInsecureSkipVerify {
		c.errorf(p.Key("STARTTLSInsecureSkipVerify"), "has no meaning with NoSTARTTLS")
	}
	if t.Auth == nil {
		return
	}
	p = p.Key("Auth")
	if t.Auth.Username == "" {
		c.errorf(p.Key("Username"), "is empty")
	}
	if t.Auth.Password == "" {
		c.errorf(p.Key("Password"), "is empty")
	}
	for i, m := range t.Auth.Mechanisms {
		c.oneOf(p.Key("Mechanisms").Index(i), m, authMechanisms...)
	}
}

func (c *checker) checkSocks(p sconf.Path, t *TransportSocks) {
	host, port, err := net.SplitHostPort(t.Address)
	n, nerr := strconv.Atoi(port)
	if err != nil || nerr != nil || host == "" || n < 1 || n > 65535 {
		c.errorf(p.Key("Address"), "bad address %q, must be host:port", t.Address)
	}
	if len(t.RemoteIPs) == 0 {
		c.errorf(p.Key("RemoteIPs"), "at least one address is needed")
	}
	for i, s := range t.RemoteIPs {
		c.ip(p.Key("RemoteIPs").Index(i), s)
	}
	c.domain(p.Key("RemoteHostname"), t.RemoteHostname)
}
