package spf

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"mox/dns"
	"mox/smtp"
)

// Status is a result of check_host() (RFC 7208 2.6).
type Status string

// The results.
const (
	StatusNone      Status = "none"      // no domain to check, or it has no record
	StatusNeutral   Status = "neutral"   // the domain does not say
	StatusPass      Status = "pass"      // authorized
	StatusFail      Status = "fail"      // not authorized
	StatusSoftfail  Status = "softfail"  // probably not authorized
	StatusTemperror Status = "temperror" // could not be found out now
	StatusPermerror Status = "permerror" // the domain's records cannot be understood
)

// Identity is what was checked (RFC 7208 2.3, 2.4).
type Identity string

// The identities.
const (
	IdentityMailFrom Identity = "mailfrom"
	IdentityHello    Identity = "helo"
)

// Limits of an evaluation (RFC 7208 4.6.4).
const (
	maxLookups = 10 // terms that look something up
	maxVoid    = 2  // of those, answers without records
	maxNames   = 10 // names of an MX or PTR answer that are looked up

	// DefaultTimeout is how long an evaluation may take; the RFC asks for at least 20
	// seconds.
	DefaultTimeout = 30 * time.Second
)

// Args are what is checked.
type Args struct {
	// IP is the address of the client. An IPv4-mapped address is taken as IPv4.
	IP netip.Addr
	// MailFrom is the reverse-path. With the null reverse-path, postmaster at Hello is
	// checked instead (RFC 7208 2.4).
	MailFrom smtp.Path
	// Hello is what the client called itself.
	Hello smtp.Host
	// LocalHostname is our name, for explanations and the header field; may be zero.
	LocalHostname dns.Domain
	// Timeout bounds the evaluation; 0: DefaultTimeout.
	Timeout time.Duration
	// Now is the time for explanations; zero: that of the clock.
	Now time.Time
}

func (a *Args) now() time.Time {
	if a.Now.IsZero() {
		return time.Now()
	}
	return a.Now
}

// Result is what a check gave.
type Result struct {
	Status   Status
	Identity Identity
	// Domain is the one that was checked; zero if there was none.
	Domain dns.Domain
	// Record is that of Domain, as it is in DNS; empty if there is none.
	Record string
	// Mechanism that decided, as in a record, "default" if none matched; with an error the
	// term that it came of; empty if no record could be evaluated. MechanismDomain is
	// the domain in whose record it is: another than Domain after a redirect.
	Mechanism       string
	MechanismDomain string
	// Explanation is the domain's own text for a fail: printable ASCII, at most 1024
	// octets, otherwise not to be trusted. Empty if there is none.
	Explanation string
	// Authentic: all answers from DNS that the result stands on were validated with
	// DNSSEC. False if nothing was looked up.
	Authentic bool
	// Lookups and VoidLookups are how many terms asked DNS, and how many of them got
	// no records.
	Lookups, VoidLookups int
	// Err is why the status is none, temperror or permerror; otherwise nil.
	Err error
}

// CheckMailFrom checks the MAIL FROM identity (RFC 7208 2.4).
func CheckMailFrom(ctx context.Context, log *slog.Logger, resolver dns.Resolver, args Args) Result {
	localpart, domain := string(args.MailFrom.Localpart), args.MailFrom.IPDomain.Domain
	if (args.MailFrom == smtp.Path{}) {
		localpart, domain = "", args.Hello.IPDomain.Domain
	}
	return run(ctx, log, resolver, args, IdentityMailFrom, localpart, domain)
}

// CheckHello checks the HELO identity (RFC 7208 2.3). The status is none when Hello is no
// domain name.
func CheckHello(ctx context.Context, log *slog.Logger, resolver dns.Resolver, args Args) Result {
	return run(ctx, log, resolver, args, IdentityHello, "", args.Hello.IPDomain.Domain)
}

// run evaluates an identity.
func run(ctx context.Context, log *slog.Logger, resolver dns.Resolver, args Args, identity Identity, localpart string, domain dns.Domain) Result {
	timeout := args.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	// RFC 7208 4.3: the localpart is "postmaster" where there is none.
	if localpart == "" {
		localpart = "postmaster"
	}
	c := &check{
		resolver:     resolver,
		args:         &args,
		ip:           args.IP.WithZone("").Unmap(),
		localpart:    localpart,
		senderDomain: domain.ASCII,
		authentic:    true,
	}
	o := c.initial(ctx, domain)
	res := Result{
		Status:          o.status,
		Identity:        identity,
		Domain:          domain,
		Record:          c.firstRecord,
		Mechanism:       o.mechanism,
		MechanismDomain: o.domain,
		Authentic:       c.authentic && c.asked,
		Lookups:         c.lookups,
		VoidLookups:     c.voids,
		Err:             o.err,
	}
	if o.status == StatusFail && o.exp != "" {
		res.Explanation = c.explanation(ctx, o.exp, o.domain)
	}
	if log != nil {
		log.DebugContext(ctx, "spf check", "identity", string(identity), "domain", domain.ASCII, "ip", c.ip.String(),
			"status", string(res.Status), "mechanism", res.Mechanism, "lookups", res.Lookups, "err", res.Err)
	}
	return res
}
