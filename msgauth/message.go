package msgauth

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"mox/arc"
	"mox/authres"
	"mox/dkim"
	"mox/dmarc"
	"mox/dns"
	"mox/dnsbl"
	"mox/message"
	"mox/smtp"
	"mox/spf"
	"mox/trace"
)

// Results are what was found out about the sender of a message.
type Results struct {
	hostname dns.Domain
	peer     smtp.Peer
	args     spf.Args

	// From are the addresses of the author; FromProblem says why there is not exactly one.
	From        []smtp.Address
	FromProblem string

	ReverseName string
	iprev       trace.IPRev
	SPF, Hello  spf.Result // SPF has no Domain with the null reverse-path
	DKIM        []dkim.Result
	DMARC       dmarc.Result
	ARC         arc.Result
	OrgDomain   dns.Domain // of From; zero if not known
	Validation  trace.Validation
	dkimProblem string
}

// Message checks a message that came as a whole, whose parts are part, and returns all
// results, those that began with MAIL too.
func (k *Check) Message(ctx context.Context, part *message.Part, r io.ReaderAt) *Results {
	ctx, cancel := context.WithTimeout(ctx, k.c.c.Timeout)
	defer cancel()
	res := &Results{hostname: k.c.c.Hostname, peer: k.peer, args: k.args}
	h := res.readFrom(part, r)
	type dkimDone struct {
		l   []dkim.Result
		err error
	}
	dkims, arcs := done(dkimDone{}), done(arc.Result{Status: arc.StatusNone})
	// Most mail has one of them, and reading it again is saved for what has not.
	if h == nil || h.Has("DKIM-Signature") {
		dkims = start(ctx, k, "dkimverify", dkimDone{}, func(ctx context.Context) (d dkimDone) {
			d.l, d.err = dkim.Verify(ctx, k.c.c.Log, k.c.c.Resolver, dkim.Options{Timeout: k.c.c.Timeout, Now: k.c.c.Now, Observe: k.observeDKIM}, r)
			return d
		})
	}
	if h == nil || h.Has("ARC-Seal") || h.Has("ARC-Message-Signature") || h.Has("ARC-Authentication-Results") {
		arcs = start(ctx, k, "arcverify", arc.Result{Status: arc.StatusNone}, func(ctx context.Context) arc.Result {
			a, err := arc.Verify(ctx, k.c.c.Log, k.c.c.Resolver, arc.Options{Timeout: k.c.c.Timeout, Now: k.c.c.Now}, r)
			if err != nil {
				return arc.Result{Status: arc.StatusNone, Err: err}
			}
			return a
		})
	}
	d := dkims.wait()
	res.DKIM = d.l
	for _, d := range k.assumed {
		res.DKIM = append(res.DKIM, dkim.Result{Status: dkim.StatusPass, Signature: &dkim.Signature{Domain: d}})
	}
	if d.err != nil {
		res.dkimProblem = d.err.Error()
	}
	res.Hello = k.hello.wait()
	if k.spf != nil {
		res.SPF = k.spf.wait()
	}
	k.dmarc(ctx, res)
	res.validate(ctx, k.c)
	res.ARC = arcs.wait()
	ip := k.iprev.wait()
	res.ReverseName = k.Reverse()
	res.iprev = trace.IPRev{Status: string(ip.Status), Name: ip.Name, Authentic: ip.Authentic, Problem: problem(ip.Err)}
	return res
}

func (k *Check) observeDKIM(algorithm string, status dkim.Status, took time.Duration) {
	if m := k.c.c.Metrics.DKIM; m != nil {
		m(algorithm, string(status), took)
	}
}

// MaxHeader is how much of a header is looked at for From, in octets. Messages with a larger
// one must not come here: nothing would be known of their author.
const MaxHeader = 1 << 20

// readFrom finds the author, and returns the header, nil if it is too large.
func (res *Results) readFrom(part *message.Part, r io.ReaderAt) *message.Header {
	h, err := message.ReadHeader(bufio.NewReader(part.Header(r)), MaxHeader)
	if err != nil {
		res.FromProblem = "header too large"
		return nil
	}
	res.From, res.FromProblem = message.Authors(h)
	switch {
	case len(res.From) == 1:
		// There is no doubt who the author is, however it is written.
		res.FromProblem = ""
	case len(res.From) == message.MaxAuthors:
		res.FromProblem = "multiple authors in From, too many to verify"
	case severalDomains(res.From):
		res.FromProblem = "multiple domains in From"
	case len(res.From) > 1:
		res.FromProblem = "more than one author in From"
	}
	return h
}

func severalDomains(l []smtp.Address) bool {
	for _, a := range l {
		if a.Domain != l[0].Domain {
			return true
		}
	}
	return false
}

// author returns the one address of From, zero when there is not exactly one.
func (res *Results) author() smtp.Address {
	if len(res.From) != 1 {
		return smtp.Address{}
	}
	return res.From[0]
}

// dmarc evaluates the policy of the author's domain.
func (k *Check) dmarc(ctx context.Context, res *Results) {
	begin := time.Now()
	in := dmarc.Input{SPF: dmarc.SPF{Status: string(res.SPF.Status), Domain: res.SPF.Domain}}
	if k.spf == nil {
		in.SPF = dmarc.SPF{Status: string(res.Hello.Status), Domain: res.Hello.Domain}
	}
	for _, a := range res.From {
		in.From = append(in.From, a.Domain)
	}
	for _, d := range res.DKIM {
		if !d.Testing {
			in.DKIM = append(in.DKIM, dmarc.DKIM{Status: string(d.Status), Domain: d.Domain()})
		}
	}
	res.DMARC = dmarc.Verify(ctx, k.c.c.Log, k.c.c.Resolver, in)
	if m := k.c.c.Metrics.DMARC; m != nil {
		m(string(res.DMARC.Status), res.DMARC.Reject, time.Since(begin))
	}
}

// validate says how far From is verified.
func (res *Results) validate(ctx context.Context, c *Checker) {
	from := res.author().Domain
	if from.IsZero() {
		return
	}
	res.OrgDomain = res.DMARC.OrgDomain
	if res.OrgDomain.IsZero() {
		res.OrgDomain = c.organizationalDomain(ctx, from)
	}
	switch {
	case slices.Contains(res.Verified(), from):
		res.Validation = trace.ValidationStrict
	case res.DMARC.Status == dmarc.StatusPass:
		res.Validation = trace.ValidationDMARC
	}
}

// organizationalDomain returns zero when it cannot be found out.
func (c *Checker) organizationalDomain(ctx context.Context, d dns.Domain) dns.Domain {
	org, _, err := dmarc.OrganizationalDomain(ctx, c.c.Log, c.c.Resolver, d)
	if err != nil {
		return dns.Domain{}
	}
	return org
}

// Verified returns the domains that SPF and DKIM verified: that someone has shown to act
// for.
func (res *Results) Verified() []dns.Domain {
	var l []dns.Domain
	if res.SPF.Status == spf.StatusPass {
		l = append(l, res.SPF.Domain)
	}
	if res.Hello.Status == spf.StatusPass {
		l = append(l, res.Hello.Domain)
	}
	for _, d := range res.DKIM {
		if d.Status == dkim.StatusPass && !d.Testing {
			l = append(l, d.Domain())
		}
	}
	return l
}

// Facts adds what was found to the facts of a message.
func (res *Results) Facts(f *trace.Facts) {
	a := res.author()
	if !a.IsZero() {
		f.From = a.String()
	}
	f.FromProblem = res.FromProblem
	f.OrgDomain = res.OrgDomain.ASCII
	f.Validation = res.Validation
	ip := res.iprev
	f.IPRev = &ip
	f.SPF = nil
	if res.SPF.Identity != "" {
		f.SPF = append(f.SPF, spfFact(res.SPF))
	}
	f.SPF = append(f.SPF, spfFact(res.Hello))
	f.DKIM = nil
	for _, d := range res.DKIM {
		f.DKIM = append(f.DKIM, dkimFact(d))
	}
	m := &res.DMARC
	f.DMARC = &trace.DMARC{
		Status: string(m.Status), Domain: m.PolicyDomain.ASCII, Policy: string(m.Policy), Reject: m.Reject,
		Testing: m.Override != "", Authentic: m.Authentic, Problem: m.Problem,
	}
	f.ARC = &trace.ARC{Status: string(res.ARC.Status), Sealer: res.ARC.Domain().ASCII, Problem: problem(res.ARC.Err)}
}

func spfFact(r spf.Result) trace.SPF {
	return trace.SPF{Identity: string(r.Identity), Domain: r.Domain.ASCII, Status: string(r.Status), Mechanism: r.Mechanism, Authentic: r.Authentic, Problem: problem(r.Err)}
}

func dkimFact(r dkim.Result) trace.DKIM {
	f := trace.DKIM{Domain: r.Domain().ASCII, Status: string(r.Status), Authentic: r.Authentic, Problem: problem(r.Err)}
	if r.Signature != nil {
		f.Selector = r.Signature.Selector.ASCII
	}
	if r.Testing && r.Status == dkim.StatusPass {
		// RFC 6376 3.6.1: as if it were not signed.
		f.Status = "testing"
	}
	return f
}

// maxProblem is how much of an error is kept in a trace, in octets.
const maxProblem = 200

func problem(err error) string {
	if err == nil {
		return ""
	}
	s := err.Error()
	if len(s) > maxProblem {
		s = strings.ToValidUTF8(s[:maxProblem], "") + "..."
	}
	return s
}

// Vouched tells whether a chain of seals is valid and its last sealer, who is trusted,
// says that From was verified by DMARC when the message came to it (RFC 8617 7.2). The
// author's domain is the same as then.
func (res *Results) Vouched(trusted func(sealer dns.Domain) bool) bool {
	if res.ARC.Status != arc.StatusPass || !trusted(res.ARC.Domain()) {
		return false
	}
	sets := res.ARC.Sets
	results, err := authres.Parse(sets[len(sets)-1].AuthResults)
	if err != nil {
		return false
	}
	from := res.author().Domain
	for _, m := range results.Methods {
		if m.Method != "dmarc" || m.Result != "pass" {
			continue
		}
		v, _ := m.Prop("header", "from")
		d, err := dns.ParseDomain(v[strings.LastIndexByte(v, '@')+1:])
		if err == nil && !from.IsZero() && d == from {
			return true
		}
	}
	return false
}

// DNSBL asks block lists about the client, once for a message.
func (k *Check) DNSBL(ctx context.Context, zones []dns.Domain) []trace.DNSBL {
	l := []trace.DNSBL{}
	if k.c.c.DNSBL == nil {
		return l
	}
	k.startDNSBL(ctx, zones)
	listed := map[dns.Domain]string{}
	for _, r := range k.dnsbl.wait() {
		listed[r.Zone] = r.Explanation
	}
	for _, z := range zones {
		if text, ok := listed[z]; ok {
			l = append(l, trace.DNSBL{Zone: z.ASCII, Status: string(dnsbl.StatusFail), Problem: text})
		} else {
			l = append(l, trace.DNSBL{Zone: z.ASCII, Status: string(dnsbl.StatusPass)})
		}
	}
	return l
}
