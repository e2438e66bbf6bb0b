package config

import (
	"encoding/base64"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mox/dns"
	"mox/sconf"
)

// Challenges of ACME.
const (
	ChallengeTLSALPN = "tls-alpn-01"
	ChallengeHTTP    = "http-01"
	ChallengeDNS     = "dns-01"
)

// DefaultRenewBefore is how long before its end a certificate is renewed.
const DefaultRenewBefore = 30 * 24 * time.Hour

// DefaultCommandWait is how long name servers get for a record that a command has set.
const DefaultCommandWait = 30 * time.Second

func (c *checker) checkACME(p sconf.Path, name string, a ACME) *ACMEInfo {
	info := &ACMEInfo{Name: name, ACME: a}
	// It is the name of files.
	if name == "" || name[0] == '.' || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '/' || r == '\\' || r == ':' }) {
		c.errorf(p, "bad name %q: files are named after it", name)
	}
	c.httpURL(p.Key("DirectoryURL"), a.DirectoryURL, "https", "http")
	c.notNegative(p.Key("RenewBefore"), a.RenewBefore)
	c.address(p.Key("ContactEmail"), a.ContactEmail)
	c.port(p.Key("Port"), a.Port)
	if a.IssuerDomainName != "" {
		c.domain(p.Key("IssuerDomainName"), a.IssuerDomainName)
	}
	if eab := a.ExternalAccountBinding; eab != nil {
		p := p.Key("ExternalAccountBinding")
		if eab.KeyID == "" {
			c.errorf(p.Key("KeyID"), "is empty")
		}
		if data, ok := c.readFile(p.Key("KeyFile"), eab.KeyFile); ok {
			var err error
			if info.EABKey, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(string(data)), "=")); err != nil {
				c.errorf(p.Key("KeyFile"), "file does not hold a key in base64url")
			}
		}
	}
	c.checkACMEDNS(p.Key("DNS"), info)
	c.checkChallenges(p.Key("Challenges"), info)
	return info
}

// checkChallenges checks Challenges and applies the default.
func (c *checker) checkChallenges(p sconf.Path, info *ACMEInfo) {
	info.Challenges = info.ACME.Challenges
	if len(info.Challenges) == 0 {
		info.Challenges = []string{ChallengeTLSALPN, ChallengeHTTP}
		if info.DNS != nil {
			info.Challenges = []string{ChallengeDNS}
		}
	}
	for i, ch := range info.ACME.Challenges {
		p := p.Index(i)
		switch {
		case !c.oneOf(p, ch, ChallengeTLSALPN, ChallengeHTTP, ChallengeDNS):
		case slices.Contains(info.ACME.Challenges[:i], ch):
			c.errorf(p, "%s is listed twice", ch)
		case ch == ChallengeDNS && info.DNS == nil:
			c.errorf(p, "needs section DNS")
		}
	}
	if info.DNS != nil && !slices.Contains(info.Challenges, ChallengeDNS) {
		c.warnf(p, "section DNS has no effect without dns-01")
	}
}

func (c *checker) checkACMEDNS(p sconf.Path, info *ACMEInfo) {
	d := info.DNS
	if d == nil {
		return
	}
	c.notNegative(p.Key("Wait"), d.Wait)
	if (d.RFC2136 == nil) == (len(d.Command) == 0) {
		c.errorf(p, "exactly one of RFC2136 and Command is needed")
	}
	if len(d.Command) > 0 && !filepath.IsAbs(d.Command[0]) {
		c.errorf(p.Key("Command").Index(0), "program %q must be given with its whole path", d.Command[0])
	}
	if d.RFC2136 != nil {
		c.checkRFC2136(p.Key("RFC2136"), info)
	}
}

func (c *checker) checkRFC2136(p sconf.Path, info *ACMEInfo) {
	u := info.DNS.RFC2136
	if host, port, err := net.SplitHostPort(u.Server); err != nil || host == "" || port == "" {
		c.errorf(p.Key("Server"), "bad address %q: need host:port, such as 192.0.2.53:53", u.Server)
	}
	if u.Zone != "" {
		c.domain(p.Key("Zone"), u.Zone)
	}
	if u.KeyName == "" {
		c.errorf(p.Key("KeyName"), "is empty")
	}
	if u.KeyAlgorithm != "" {
		c.oneOf(p.Key("KeyAlgorithm"), u.KeyAlgorithm, dns.TSIGAlgorithms()...)
	}
	data, ok := c.readFile(p.Key("KeySecretFile"), u.KeySecretFile)
	if !ok {
		return
	}
	var err error
	if info.TSIGSecret, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(data))); err != nil || len(info.TSIGSecret) == 0 {
		c.errorf(p.Key("KeySecretFile"), "file does not hold a key in base64")
	}
}
