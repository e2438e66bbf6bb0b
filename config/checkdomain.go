package config

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rsa"
	"slices"
	"strings"
	"time"

	"mox/dns"
	"mox/mtasts"
	"mox/sconf"
	"mox/smtp"
)

// DefaultDKIMHeaders returns the header fields signed when Selector.Headers is empty.
func DefaultDKIMHeaders() []string {
	return []string{"From", "To", "Cc", "Bcc", "Reply-To", "References", "In-Reply-To", "Subject", "Date", "Message-Id", "Content-Type"}
}

// dynamicChecker checks domains.conf.
type dynamicChecker struct {
	checker
	static *Static
	conf   *Dynamic
	snap   *Snapshot
}

func (c *dynamicChecker) checkDomain(p sconf.Path, name string) {
	conf := c.conf.Domains[name]
	domain, ok := c.domainKey(p, name)
	d := &DomainInfo{Domain: domain, Config: &conf, ClientSettingsDomain: c.snap.Hostname, Selectors: map[string]*SelectorInfo{}}
	if conf.ClientSettingsDomain != "" {
		d.ClientSettingsDomain, _ = c.domain(p.Key("ClientSettingsDomain"), conf.ClientSettingsDomain)
	}
	c.checkSeparators(p, d)
	c.checkDKIM(p.Key("DKIM"), d)
	if m := conf.DMARC; m != nil {
		d.DMARC = c.checkReport(p.Key("DMARC"), domain, m.Localpart, m.Domain, m.Account, m.Mailbox)
	}
	if t := conf.TLSRPT; t != nil {
		d.TLSRPT = c.checkReport(p.Key("TLSRPT"), domain, t.Localpart, t.Domain, t.Account, t.Mailbox)
	}
	if conf.MTASTS != nil {
		c.checkMTASTS(p.Key("MTASTS"), d)
	}
	d.Routes = c.checkRoutes(p.Key("Routes"), conf.Routes)
	if ok {
		c.snap.Domains[name] = d
	}
}

func (c *dynamicChecker) checkSeparators(p sconf.Path, d *DomainInfo) {
	one, several := d.Config.LocalpartCatchallSeparator, d.Config.LocalpartCatchallSeparators
	if one != "" && len(several) > 0 {
		c.errorf(p.Key("LocalpartCatchallSeparator"), "cannot be together with LocalpartCatchallSeparators; remove one of them")
	}
	check := func(p sconf.Path, sep string) {
		switch {
		case sep == "":
			c.errorf(p, "separator is empty")
		case strings.ContainsFunc(sep, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`@"\(),:;<>[]`, r) }):
			c.errorf(p, "bad separator %q, must be characters that can be in a localpart without quotes", sep)
		case slices.Contains(d.Separators, sep):
			c.errorf(p, "separator %q is listed twice", sep)
		default:
			d.FirstSeparator = cmp.Or(d.FirstSeparator, sep)
			if !d.Config.LocalpartCaseSensitive {
				sep = strings.ToLower(sep)
			}
			d.Separators = append(d.Separators, sep)
		}
	}
	if one != "" {
		check(p.Key("LocalpartCatchallSeparator"), one)
	}
	for i, sep := range several {
		check(p.Key("LocalpartCatchallSeparators").Index(i), sep)
	}
	slices.SortStableFunc(d.Separators, func(a, b string) int { return len(b) - len(a) })
}

func (c *dynamicChecker) checkDKIM(p sconf.Path, d *DomainInfo) {
	for _, name := range sorted(d.Config.DKIM.Selectors) {
		d.Selectors[name] = c.checkSelector(p.Key("Selectors", name), name, d.Config.DKIM.Selectors[name])
	}
	for i, name := range d.Config.DKIM.Sign {
		p := p.Key("Sign").Index(i)
		if !known(&c.checker, p, "selector", name, d.Selectors) {
			continue
		}
		if slices.Contains(d.Config.DKIM.Sign[:i], name) {
			c.errorf(p, "selector %q is listed twice", name)
		}
		s := d.Selectors[name]
		d.Sign = append(d.Sign, s)
		if s.Key != nil {
			d.Signers = append(d.Signers, s.signer())
		}
	}
}

func (c *dynamicChecker) checkSelector(p sconf.Path, name string, conf Selector) *SelectorInfo {
	s := &SelectorInfo{
		Name: name, Hash: cmp.Or(conf.Hash, "sha256"), Seal: !conf.DontSealHeaders, Headers: conf.Headers,
		HeaderRelaxed: conf.Canonicalization.HeaderRelaxed, BodyRelaxed: conf.Canonicalization.BodyRelaxed,
	}
	// A selector can have several labels (RFC 6376 3.1), and people use numbers alone.
	domain, err := dns.ParseDomainLax(name)
	if err != nil {
		c.errorf(p, "bad selector: %s", cause(err, dns.ErrDomain))
	}
	s.Domain = domain
	if c.oneOf(p.Key("Hash"), s.Hash, "sha256", "sha1") && s.Hash == "sha1" {
		// RFC 8301 3.1.
		c.warnf(p.Key("Hash"), "sha1 is not accepted by others (RFC 8301): signatures are made with sha256")
	}
	c.checkSignedHeaders(p.Key("Headers"), s)
	if conf.Expiration != "" {
		exp, err := time.ParseDuration(conf.Expiration)
		if err != nil || exp < 0 {
			c.errorf(p.Key("Expiration"), "bad duration %q, an example is 72h", conf.Expiration)
		}
		s.Expiration = exp
	}
	if data, ok := c.readFile(p.Key("PrivateKeyFile"), conf.PrivateKeyFile); ok {
		c.checkDKIMKey(p, s, data)
	}
	return s
}

func (c *dynamicChecker) checkSignedHeaders(p sconf.Path, s *SelectorInfo) {
	if len(s.Headers) == 0 {
		s.Headers = DefaultDKIMHeaders()
		return
	}
	from := false
	for i, h := range s.Headers {
		from = from || strings.EqualFold(h, "From")
		if !isHeaderName(h) {
			c.errorf(p.Index(i), "bad name of a header field %q", h)
		}
	}
	if !from {
		// RFC 6376 5.4.
		c.errorf(p, "From must be signed")
	}
}

// isHeaderName tells whether s is a field-name (RFC 5322 3.6.8).
func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })
}

func (c *dynamicChecker) checkDKIMKey(p sconf.Path, s *SelectorInfo, data []byte) {
	key, err := parsePrivateKey(data)
	if err != nil {
		c.errorf(p.Key("PrivateKeyFile"), "%v", err)
		return
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		// RFC 8301 3.2.
		if bits := k.N.BitLen(); bits < 1024 {
			c.errorf(p.Key("PrivateKeyFile"), "RSA key has %d bits, at least 1024 are needed, 2048 are better", bits)
		}
		s.Algorithm = "rsa"
	case ed25519.PrivateKey:
		// RFC 8463 3.
		if s.Hash != "sha256" {
			c.errorf(p.Key("Hash"), "must be sha256 for an ed25519 key")
		}
		s.Algorithm = "ed25519"
	default:
		c.errorf(p.Key("PrivateKeyFile"), "key of type %T, need RSA or ed25519", key)
		return
	}
	s.Key = key
}

func (c *dynamicChecker) checkReport(p sconf.Path, own dns.Domain, localpart, domain, account, mailbox string) *ReportAddress {
	r := &ReportAddress{Account: account}
	lp, ok := c.localpart(p.Key("Localpart"), localpart)
	if ok && lp.IsInternational() {
		c.errorf(p.Key("Localpart"), "must be ASCII")
	}
	r.Address = smtp.Address{Localpart: lp, Domain: own}
	if domain != "" {
		if d, ok := c.domain(p.Key("Domain"), domain); ok && known(&c.checker, p.Key("Domain"), "domain", d.Name(), c.conf.Domains) {
			r.Address.Domain = d
		}
	}
	known(&c.checker, p.Key("Account"), "account", account, c.conf.Accounts)
	r.Mailbox = c.mailbox(p.Key("Mailbox"), mailbox)
	return r
}

func (c *dynamicChecker) checkMTASTS(p sconf.Path, d *DomainInfo) {
	m := d.Config.MTASTS
	// RFC 8461 3.1: 1*32(ALPHA / DIGIT).
	if m.PolicyID == "" {
		c.errorf(p.Key("PolicyID"), "is empty")
	} else if len(m.PolicyID) > 32 || strings.ContainsFunc(m.PolicyID, notAlphanumeric) {
		c.warnf(p.Key("PolicyID"), "bad id %q, others expect at most 32 letters and digits", m.PolicyID)
	}
	c.oneOf(p.Key("Mode"), m.Mode, "none", "testing", "enforce")
	c.notNegative(p.Key("MaxAge"), m.MaxAge)
	if m.MaxAge > mtasts.MaxAge {
		c.warnf(p.Key("MaxAge"), "is more than the most that others accept, 8766h")
	}
	// With more than others accept, they would not take the policy at all.
	d.MTASTS = &mtasts.Policy{Mode: mtasts.Mode(m.Mode), MaxAge: min(m.MaxAge, mtasts.MaxAge)}
	for i, pattern := range m.MX {
		base, wild := strings.CutPrefix(pattern, "*.")
		if mx, ok := c.domain(p.Key("MX").Index(i), base); ok {
			d.MTASTS.MX = append(d.MTASTS.MX, mtasts.MX{Wildcard: wild, Domain: mx})
		}
	}
	if len(m.MX) == 0 {
		d.MTASTS.MX = []mtasts.MX{{Domain: c.snap.Hostname}}
	}
	if !c.snap.HasMTASTS() {
		c.errorf(p, "no listener has MTASTSHTTPS enabled, so the policy could not be fetched")
	} else if host := "mta-sts." + d.Domain.ASCII; !c.snap.mayServePolicy(host) {
		c.warnf(p, "no listener with MTASTSHTTPS has a certificate for %s, so the policy cannot be fetched", host)
	}
}

func notAlphanumeric(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

func (c *dynamicChecker) checkRoutes(p sconf.Path, routes []Route) []RouteInfo {
	var infos []RouteInfo
	for i, r := range routes {
		p := p.Index(i)
		info := RouteInfo{Config: r}
		info.FromDomain = c.domainPatterns(p.Key("FromDomain"), r.FromDomain)
		info.ToDomain = c.domainPatterns(p.Key("ToDomain"), r.ToDomain)
		if r.MinimumAttempts < 0 {
			c.errorf(p.Key("MinimumAttempts"), "must not be negative")
		}
		c.checkPace(p, r.Retry, r.MaxConnections)
		if known(&c.checker, p.Key("Transport"), "transport", r.Transport, c.static.Transports) {
			t := c.static.Transports[r.Transport]
			info.Transport = &t
		}
		infos = append(infos, info)
	}
	return infos
}

func (c *dynamicChecker) domainPatterns(p sconf.Path, patterns []string) []string {
	var l []string
	for i, s := range patterns {
		if d, ok := c.domain(p.Index(i), strings.TrimPrefix(s, ".")); ok {
			if strings.HasPrefix(s, ".") {
				l = append(l, "."+d.ASCII)
			} else {
				l = append(l, d.ASCII)
			}
		}
	}
	return l
}

func (c *dynamicChecker) checkAliases(p sconf.Path, d *DomainInfo) {
	for _, key := range sorted(d.Config.Aliases) {
		p := p.Key(key)
		conf := d.Config.Aliases[key]
		lp, ok := c.localpart(p, key)
		if !ok {
			continue
		}
		k := d.Key(lp)
		a := &AliasInfo{Address: smtp.Address{Localpart: lp, Domain: d.Domain}, Config: conf}
		if _, _, ok := d.SplitLocalpart(k.Localpart); ok {
			c.errorf(p, "alias has a separator of its domain")
		}
		if dest := c.snap.addresses[k]; dest != nil {
			c.errorf(p, "alias is also %s", dest.describe())
		} else if c.snap.aliases[k] != nil {
			c.errorf(p, "alias is the same as another of this domain, which differs only in case")
		}
		c.aliasMembers(p.Key("Addresses"), a)
		c.snap.aliases[k] = a
	}
}

func (c *dynamicChecker) aliasMembers(p sconf.Path, a *AliasInfo) {
	if len(a.Config.Addresses) == 0 {
		c.errorf(p, "an alias needs at least one address")
	}
	seen := map[*DestinationInfo]bool{}
	for i, s := range a.Config.Addresses {
		p := p.Index(i)
		addr, d := c.ownAddress(p, s)
		if d == nil {
			continue
		}
		dest := c.snap.addresses[d.Key(addr.Localpart)]
		if dest == nil || dest.Key == "" {
			c.errorf(p, "%s is not an address of an account", s)
			continue
		}
		if seen[dest] {
			c.errorf(p, "address %s is listed twice", s)
		}
		seen[dest] = true
		a.Members = append(a.Members, AliasMember{addr, dest.Account, dest})
		if acc := c.snap.Accounts[dest.Account]; acc != nil && !slices.Contains(acc.Aliases, a) {
			acc.Aliases = append(acc.Aliases, a)
		}
	}
}
