package spf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"mox/dns"
)

// Reasons for a status of none or permerror. Errors of Result wrap them or are a
// *SyntaxError or a failure of DNS.
var (
	ErrNoDomain        = errors.New("no domain to check")
	ErrNoAddress       = errors.New("no client address")
	ErrNoRecord        = errors.New("no SPF record")
	ErrMultipleRecords = errors.New("more than one SPF record")
	ErrTooManyLookups  = fmt.Errorf("more than %d terms that look up DNS", maxLookups)
	ErrTooManyVoid     = fmt.Errorf("more than %d lookups without records", maxVoid)
	ErrTooManyMX       = fmt.Errorf("more than %d MX records", maxNames)
	ErrInclude         = errors.New("include or redirect to a domain without SPF record")
)

// check is one evaluation: the arguments of check_host() that stay the same throughout, and
// what is counted.
type check struct {
	resolver     dns.Resolver
	args         *Args
	ip           netip.Addr // unmapped
	localpart    string
	senderDomain string

	lookups, voids int
	asked          bool // DNS was
	authentic      bool // all answers so far
	firstRecord    string

	// Names of the client by PTR, asked for once; validated is nil until the addresses of
	// names were looked up.
	ptrAsked  bool
	ptrVoid   bool
	ptrErr    error
	validated []string
}

// outcome is what check_host() returned for one domain.
type outcome struct {
	status    Status
	mechanism string
	domain    string // of the record that decided
	exp       string // its domain-spec
	err       error
}

// failure is the outcome of an error in the record of domain: temperror for a failure of DNS,
// permerror for all else.
func failure(domain, mechanism string, err error) outcome {
	status := StatusPermerror
	var de *dns.Error
	if errors.As(err, &de) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		status = StatusTemperror
	}
	return outcome{status: status, domain: domain, mechanism: mechanism, err: err}
}

// initial is the beginning of check_host() (RFC 7208 4.3).
func (c *check) initial(ctx context.Context, domain dns.Domain) outcome {
	if !c.ip.IsValid() {
		return outcome{status: StatusNone, err: ErrNoAddress}
	}
	if !isDomain(domain.ASCII) {
		return outcome{status: StatusNone, err: ErrNoDomain}
	}
	return c.host(ctx, domain.ASCII)
}

// isDomain tells whether check_host() has something to look up: a name that can be in
// DNS, of more than one label (RFC 7208 4.3).
func isDomain(s string) bool { return isName(s) && strings.IndexByte(s, '.') > 0 }

// isName tells whether s can be asked for in DNS (RFC 7208 4.8).
func isName(s string) bool {
	if s == "" || len(s) > dns.MaxDomain {
		return false
	}
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case c < ' ' || c > '~' || c == '\\':
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0
}

// host is check_host() for a domain (RFC 7208 4). A redirect is followed here; include
// comes here again, at most maxLookups deep since each counts as a lookup.
func (c *check) host(ctx context.Context, domain string) outcome {
	for redirected := false; ; redirected = true {
		txt, rec, err := c.lookupRecord(ctx, domain)
		if c.firstRecord == "" && c.lookups == 0 {
			c.firstRecord = txt
		}
		if errors.Is(err, ErrNoRecord) {
			if redirected {
				// RFC 7208 6.1: no record at the target is a permerror.
				return failure(domain, "", fmt.Errorf("%w: %s", ErrInclude, domain))
			}
			return outcome{status: StatusNone, domain: domain, err: err}
		} else if err != nil {
			return failure(domain, "", err)
		}
		if o, done := c.directives(ctx, rec, domain); done {
			return o
		}
		// RFC 7208 4.7, 6.1.
		end := outcome{status: StatusNeutral, mechanism: "default", domain: domain}
		if rec.Redirect == "" || rec.hasAll() {
			return end
		}
		next, ok, err := c.redirect(ctx, rec, domain)
		if errors.Is(err, errNotASCII) {
			return end // RFC 8616 4
		} else if err != nil {
			return failure(domain, "redirect="+rec.Redirect, err)
		} else if !ok {
			return failure(domain, "redirect="+rec.Redirect, fmt.Errorf("%w: %s", ErrInclude, next))
		}
		domain = next
	}
}

// redirect returns the domain that the record goes on with (RFC 7208 6.1).
func (c *check) redirect(ctx context.Context, rec *Record, domain string) (string, bool, error) {
	if err := c.countLookup(); err != nil {
		return "", false, err
	}
	next, _, err := c.target(ctx, rec.Redirect, domain)
	return next, isDomain(next), err
}

// lookupRecord gets the record of a domain (RFC 7208 4.4, 4.5).
func (c *check) lookupRecord(ctx context.Context, domain string) (string, *Record, error) {
	txt, rec, res, err := lookupRecord(ctx, c.resolver, domain)
	c.answer(res)
	return txt, rec, err
}

// answer notes whether an answer was authentic.
func (c *check) answer(res dns.Result) {
	c.asked = true
	c.authentic = c.authentic && res.Authentic
}

// countLookup counts a term that asks DNS (RFC 7208 4.6.4).
func (c *check) countLookup() error {
	if c.lookups >= maxLookups {
		return ErrTooManyLookups
	}
	c.lookups++
	return nil
}

// countVoid counts a term whose answer has no records (RFC 7208 4.6.4).
func (c *check) countVoid() error {
	if c.voids >= maxVoid {
		return ErrTooManyVoid
	}
	c.voids++
	return nil
}

// directives evaluates the directives from left to right (RFC 7208 4.6.2). done is false if
// none matched.
func (c *check) directives(ctx context.Context, rec *Record, domain string) (o outcome, done bool) {
	for i := range rec.Directives {
		d := &rec.Directives[i]
		match, err := c.match(ctx, d, domain)
		if err != nil {
			return failure(domain, d.String(), err), true
		}
		if match {
			return outcome{status: d.Qualifier.Status(), mechanism: d.String(), domain: domain, exp: rec.Exp}, true
		}
	}
	return outcome{}, false
}

// match evaluates a mechanism.
func (c *check) match(ctx context.Context, d *Directive, domain string) (bool, error) {
	switch d.Mechanism {
	case MechanismAll:
		return true, nil
	case MechanismIP4, MechanismIP6:
		// RFC 7208 5: an IPv4-mapped address is an IPv4 address, whatever ip6 says.
		return d.Prefix.Contains(c.ip), nil
	}
	if err := c.countLookup(); err != nil {
		return false, err
	}
	// RFC 7208 4.6.4: whatever resolvers do, the time limit ends the evaluation.
	if err := ctx.Err(); err != nil {
		return false, err
	}
	name, ok, err := c.target(ctx, d.DomainSpec, domain)
	if errors.Is(err, errNotASCII) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	switch d.Mechanism {
	case MechanismInclude:
		return c.include(ctx, name)
	case MechanismPTR:
		return c.ptr(ctx, name)
	}
	// RFC 7208 4.8: what comes of a name that cannot be is up to us: no match.
	if !ok {
		return false, nil
	}
	switch d.Mechanism {
	case MechanismA:
		return c.addresses(ctx, name, d, true)
	case MechanismMX:
		return c.mx(ctx, name, d)
	default:
		return c.exists(ctx, name)
	}
}

// target expands a domain-spec to the name that is meant, and tells whether DNS can be asked
// for it (RFC 7208 4.8, 7.3).
func (c *check) target(ctx context.Context, spec, domain string) (string, bool, error) {
	if spec == "" {
		return domain, true, nil
	}
	name := spec
	if strings.IndexByte(spec, '%') >= 0 {
		b, err := c.expand(ctx, make([]byte, 0, 128), spec, domain, maxTarget)
		if errors.Is(err, errTooLong) {
			return bound(spec, 80), false, nil
		} else if err != nil {
			return "", false, err
		}
		name = string(b)
	}
	name = strings.TrimSuffix(name, ".")
	// RFC 7208 7.3: labels are taken off the left of a name that is too long.
	for len(name) > dns.MaxDomain {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return bound(spec, 80), false, nil
		}
		name = rest
	}
	return name, isName(name), nil
}

// include is RFC 7208 5.2, with its table of results.
func (c *check) include(ctx context.Context, name string) (bool, error) {
	if !isDomain(name) {
		return false, fmt.Errorf("%w: %s", ErrInclude, name)
	}
	o := c.host(ctx, name)
	switch o.status {
	case StatusPass:
		return true, nil
	case StatusFail, StatusSoftfail, StatusNeutral:
		return false, nil
	case StatusNone:
		return false, fmt.Errorf("%w: %s", ErrInclude, name)
	}
	if o.mechanism != "" {
		return false, fmt.Errorf("%s of %s: %w", o.mechanism, o.domain, o.err)
	}
	return false, fmt.Errorf("record of %s: %w", name, o.err)
}

// addresses compares the client with the addresses of a name (RFC 7208 5, 5.3). With void, an
// answer without records counts.
func (c *check) addresses(ctx context.Context, name string, d *Directive, void bool) (bool, error) {
	network, bits := "ip4", d.IP4Bits
	if !c.ip.Is4() {
		network, bits = "ip6", d.IP6Bits
	}
	ips, res, err := c.resolver.LookupIP(ctx, network, name)
	c.answer(res)
	if err != nil && !dns.IsNotFound(err) {
		return false, err
	}
	if void && len(ips) == 0 {
		return false, c.countVoid()
	}
	for _, ip := range ips {
		if netip.PrefixFrom(ip.Unmap(), bits).Contains(c.ip) {
			return true, nil
		}
	}
	return false, nil
}

// mx is RFC 7208 5.4.
func (c *check) mx(ctx context.Context, name string, d *Directive) (bool, error) {
	mxs, res, err := c.resolver.LookupMX(ctx, name)
	c.answer(res)
	if err != nil && !dns.IsNotFound(err) {
		return false, err
	}
	if len(mxs) == 0 {
		return false, c.countVoid()
	}
	// RFC 7208 4.6.4: more than ten is a permerror, whether or not one matches.
	if len(mxs) > maxNames {
		return false, fmt.Errorf("%w: %s", ErrTooManyMX, name)
	}
	for _, mx := range mxs {
		host := strings.TrimSuffix(mx.Host, ".")
		if !isName(host) {
			continue // a null MX (RFC 7505), or none that can have addresses
		}
		if match, err := c.addresses(ctx, host, d, false); match || err != nil {
			return match, err
		}
	}
	return false, nil
}

// exists is RFC 7208 5.7: any A record, also for clients with IPv6.
func (c *check) exists(ctx context.Context, name string) (bool, error) {
	ips, res, err := c.resolver.LookupIP(ctx, "ip4", name)
	c.answer(res)
	if err != nil && !dns.IsNotFound(err) {
		return false, err
	}
	if len(ips) == 0 {
		return false, c.countVoid()
	}
	return true, nil
}

// explanation returns the text of a fail (RFC 7208 6.2): of any problem comes that there
// is none.
func (c *check) explanation(ctx context.Context, spec, domain string) string {
	// Names that explanations need are not limited, and must not count.
	c.lookups = 0
	authentic := c.authentic
	defer func() { c.authentic = authentic }()

	name, ok, err := c.target(ctx, spec, domain)
	if err != nil || !ok {
		return ""
	}
	txts, _, err := c.resolver.LookupTXT(ctx, name)
	if err != nil || len(txts) != 1 || len(txts[0]) > maxExplanation {
		return ""
	}
	if _, text := checkMacros(txts[0], lettersExp); text != "" {
		return ""
	}
	b, err := c.expand(ctx, nil, txts[0], domain, maxExplanation)
	if err != nil {
		return ""
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return string(b)
}
