package dmarc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"mox/dns"
)

// Status is the result of an evaluation, with the words of RFC 8601 and RFC 9989 8.2.
type Status string

// Statuses.
const (
	StatusNone      Status = "none"      // no policy record: DMARC does not apply
	StatusPass      Status = "pass"      // an authenticated identifier is aligned
	StatusFail      Status = "fail"      // none is
	StatusTemperror Status = "temperror" // a lookup failed, another time may give another result
	StatusPermerror Status = "permerror" // the policy record has no valid policy
)

// Bounds of one evaluation.
const (
	// MaxAuthors is how many author domains of a message are evaluated.
	MaxAuthors = 4
	// MaxIdentifiers is how many different authenticated domains are compared with
	// the author's.
	MaxIdentifiers = 16
)

// ErrBadPolicy is the Err of a result with [StatusPermerror].
var ErrBadPolicy = errors.New("DMARC record with an invalid policy")

// SPF is what SPF found.
type SPF struct {
	// Status in the words of RFC 8601, "pass" and "temperror" mattering here.
	Status string
	// Domain is that of the MAIL FROM identity: of the reverse-path, or what the client
	// called itself when that is null (RFC 9989 3.2.4). Zero if there is none.
	Domain dns.Domain
}

// DKIM is what became of one signature.
type DKIM struct {
	// Status in the words of RFC 8601, "pass" and "temperror" mattering here. Whether a
	// pass under a key in testing (t=y) is given as one is up to the caller: RFC 6376
	// 3.6.1 has such mail taken as unsigned.
	Status string
	Domain dns.Domain // tag d
}

// Input is all that an evaluation needs to know of a message.
type Input struct {
	// From has the domains of all addresses of all From fields. Without any, DMARC does
	// not apply (RFC 9989 5.3.1): whether to take such a message is for the caller. With
	// several different ones, each is evaluated and the worst result counts: a failure
	// by how strict its policy is, then temperror, a failure with policy none,
	// permerror, none, pass.
	From []dns.Domain
	SPF  SPF
	DKIM []DKIM
	// Sample tells whether the message is among the pct percent that the policy is to
	// be applied to. It is called for a failing message and a pct below 100. Nil: the
	// tag is ignored, as RFC 9989 has it.
	Sample func(pct int) bool
}

// Result is the outcome of an evaluation.
type Result struct {
	Status Status
	// From is the author domain that the result is about, zero if there is none.
	From dns.Domain
	// OrgDomain is its organizational domain. Zero after errors, and where it was not
	// needed (RFC 9989 4.10.2): the author domain has its own record, and no identifier
	// or only that very domain is to be compared with it, or alignment is strict.
	OrgDomain dns.Domain

	// PolicyDomain is where Record was found; RecordText is it as published. Zero if
	// there is none.
	PolicyDomain dns.Domain
	Record       *Record
	RecordText   string
	// Tag is the one that Policy is from: "p", "sp" or "np".
	Tag    string
	Policy Policy
	// Nonexistent: the author domain does not exist. Only looked up when the message
	// fails and the record has a tag np that may apply.
	Nonexistent bool

	// Wanted is what the owner wants done with this message: PolicyNone unless it
	// fails, and otherwise Policy, or a step below it because of Override.
	Wanted Policy
	// Override says why Wanted is below Policy: "policy_test_mode" (t=y) or
	// "sampled_out" (pct). Words of aggregate reports.
	Override string
	// Reject: the owner does not want the message delivered. True also for quarantine:
	// a refusal tells the sender, where a message put aside is likely lost. False with
	// an Override.
	Reject bool

	// AlignedSPF and AlignedDKIM (one for each DKIM of the input) tell which results
	// were a pass of an aligned domain.
	AlignedSPF  bool
	AlignedDKIM []bool

	// Authentic: DNSSEC vouched for the record and for all answers that led to it.
	Authentic bool

	// Problem says in words what is wrong or remarkable, "" if nothing is.
	Problem string
	// Err is the cause of a temperror or permerror.
	Err error

	// FromDomains is how many different author domains the message has; Authors has
	// their results when there are several, at most MaxAuthors.
	FromDomains int
	Authors     []Result
}

// Verify evaluates a message (RFC 9989 5.3). It does not fail otherwise than by the
// status of its result. log may be nil.
func Verify(ctx context.Context, log *slog.Logger, resolver dns.Resolver, in Input) Result {
	w := newWalker(ctx, log, resolver)
	defer w.close()
	from := distinct(in.From)
	if len(from) == 0 {
		return Result{Status: StatusNone, Wanted: PolicyNone, AlignedDKIM: make([]bool, len(in.DKIM)), Problem: "the message has no author domain"}
	}
	var all []Result
	for _, d := range from[:min(len(from), MaxAuthors)] {
		r := w.verify(d, in)
		r.FromDomains = len(from)
		w.log.Debug("dmarc evaluated", "domain", d, "status", r.Status, "policy", r.Policy, "err", r.Err)
		all = append(all, r)
	}
	worst := all[0]
	if len(from) == 1 {
		return worst
	}
	for _, r := range all[1:] {
		if severity(r) > severity(worst) {
			worst = r
		}
	}
	// RFC 9989 10.5: not all evaluated is incomplete; what is not known is no pass.
	if len(from) > MaxAuthors && severity(worst) < severity(Result{Status: StatusPermerror}) {
		worst = Result{Status: StatusPermerror, From: from[MaxAuthors], FromDomains: len(from), Wanted: PolicyNone, AlignedDKIM: make([]bool, len(in.DKIM)), Err: errTooManyAuthors}
	}
	worst.Problem = join(worst.Problem, fmt.Sprintf("the message has %d author domains", len(from)))
	worst.Authors = all
	return worst
}

var errTooManyAuthors = fmt.Errorf("more than %d author domains", MaxAuthors)

func join(problems ...string) string {
	var l []string
	for _, p := range problems {
		if p != "" {
			l = append(l, p)
		}
	}
	return strings.Join(l, "; ")
}

func distinct(l []dns.Domain) []dns.Domain {
	var out []dns.Domain
	seen := map[string]bool{"": true}
	for _, d := range l {
		if !seen[d.ASCII] {
			seen[d.ASCII] = true
			out = append(out, d)
		}
	}
	return out
}

// severity orders results, see [Input].
func severity(r Result) int {
	strictness := map[Policy]int{PolicyNone: 0, PolicyQuarantine: 1, PolicyReject: 2}[r.Wanted]
	switch {
	case r.Reject:
		return 6 + strictness
	case r.Status == StatusTemperror:
		return 5
	case r.Status == StatusFail:
		return 3 + strictness
	case r.Status == StatusPermerror:
		return 2
	case r.Status == StatusNone:
		return 1
	}
	return 0
}

// verify evaluates one author domain.
func (w *walker) verify(from dns.Domain, in Input) Result {
	r := Result{Status: StatusNone, From: from, Wanted: PolicyNone, AlignedDKIM: make([]bool, len(in.DKIM))}
	if from.Numeric() {
		r.Problem = "the author domain is a number, which no domain is"
		return r
	}
	if !w.policy(&r) {
		return r
	}
	r.Policy, r.Tag = r.Record.PolicyFor(r.PolicyDomain.ASCII != from.ASCII, false)

	c := comparison{w: w, r: &r}
	c.compare(in)
	switch {
	case r.AlignedSPF || anyTrue(r.AlignedDKIM):
		r.Status = StatusPass
	case c.err != nil:
		// RFC 9989 5.3.6: without an answer the message neither passes nor fails.
		r.Status, r.Err, r.Problem = StatusTemperror, c.err, join(r.Problem, c.err.Error())
	default:
		r.Status = StatusFail
		w.apply(&r, in.Sample)
	}
	return r
}

func anyTrue(l []bool) bool {
	for _, b := range l {
		if b {
			return true
		}
	}
	return false
}

// policy discovers the policy record, and reports whether the mechanism applies; if not,
// the status of r says why.
func (w *walker) policy(r *Result) bool {
	if q := w.query(r.From); q.Record != nil {
		// Its own record: whether a walk is needed depends on the identifiers.
		r.PolicyDomain, r.Record, r.RecordText, r.Authentic = q.Domain, q.Record, q.Text, q.Authentic
		if q.Record.PSD == PSDNo {
			r.OrgDomain = r.From
		}
	} else {
		d := w.discover(r.From)
		r.PolicyDomain, r.Record, r.RecordText, r.Authentic, r.OrgDomain = d.PolicyDomain, d.Record, d.Text, d.Authentic, d.OrgDomain
		r.Problem = q.Problem
		if d.Err != nil {
			r.Status, r.Err, r.Problem = StatusTemperror, d.Err, join(r.Problem, d.Err.Error())
		}
	}
	if r.Record == nil {
		return false
	}
	r.Problem = join(append([]string{r.Problem}, r.Record.Problems...)...)
	if !r.Record.Applies() {
		// RFC 9989 4.10.1: no DMARC processing is applied.
		if r.Record.BadPolicy {
			r.Status, r.Err = StatusPermerror, ErrBadPolicy
		}
		return false
	}
	return true
}

// apply says what the owner wants done with a message that fails.
func (w *walker) apply(r *Result, sample func(int) bool) {
	rec := r.Record
	if r.PolicyDomain.ASCII != r.From.ASCII && rec.NP != PolicyAbsent {
		var err error
		if r.Nonexistent, err = w.nonexistent(r.From); err != nil {
			r.Status, r.Err, r.Problem = StatusTemperror, err, join(r.Problem, err.Error())
			return
		}
		r.Policy, r.Tag = rec.PolicyFor(true, r.Nonexistent)
	}
	r.Wanted = r.Policy
	if r.Policy == PolicyNone {
		return
	}
	// RFC 9989 4.7, tag t; RFC 7489 6.6.4, tag pct: one level below.
	if rec.Testing {
		r.Override = "policy_test_mode"
	} else if rec.Pct < 100 && sample != nil && !sample(rec.Pct) {
		r.Override = "sampled_out"
	}
	if r.Override == "" {
		r.Reject = true
	} else if r.Policy == PolicyReject {
		r.Wanted = PolicyQuarantine
	} else {
		r.Wanted = PolicyNone
	}
}

// comparison finds which identifiers are aligned with the author domain.
type comparison struct {
	w    *walker
	r    *Result
	err  error              // of a lookup on which a pass may depend
	seen map[string]verdict // of domains compared before
}

type verdict struct {
	aligned bool
	err     error
}

// compare sets the alignments of r (RFC 9989 5.3.4).
func (c *comparison) compare(in Input) {
	c.seen = map[string]verdict{}
	c.prefetch(in)
	rec := c.r.Record
	c.r.AlignedSPF = in.SPF.Status == "pass" && c.aligned(in.SPF.Domain, rec.ASPF)
	for i, s := range in.DKIM {
		c.r.AlignedDKIM[i] = s.Status == "pass" && c.aligned(s.Domain, rec.ADKIM)
	}
	if c.r.AlignedSPF || anyTrue(c.r.AlignedDKIM) {
		return
	}
	// A mechanism that did not come to an end and might have made the difference.
	if in.SPF.Status == "temperror" && c.aligned(in.SPF.Domain, rec.ASPF) {
		c.undecided("SPF", in.SPF.Domain)
	}
	for _, s := range in.DKIM {
		if s.Status == "temperror" && c.aligned(s.Domain, rec.ADKIM) {
			c.undecided("DKIM", s.Domain)
		}
	}
}

// prefetch begins the first query of each walk that a comparison will need.
func (c *comparison) prefetch(in Input) {
	var l []dns.Domain
	add := func(status string, d dns.Domain, mode Alignment) {
		if status == "pass" && mode == Relaxed && d.ASCII != c.r.From.ASCII && topLabel(d) == topLabel(c.r.From) {
			l = append(l, d)
		}
	}
	add(in.SPF.Status, in.SPF.Domain, c.r.Record.ASPF)
	for _, s := range in.DKIM {
		add(s.Status, s.Domain, c.r.Record.ADKIM)
	}
	l = distinct(l)
	if len(l) < 2 {
		return
	}
	author := c.w.discover(c.r.From)
	for _, d := range l[:min(len(l), MaxIdentifiers)] {
		if author.Err == nil && within(d, author.OrgDomain) {
			c.w.start(d)
		}
	}
}

func (c *comparison) undecided(mechanism string, d dns.Domain) {
	if c.err == nil {
		c.err = fmt.Errorf("%s of %s had a temporary error", mechanism, d.ASCII)
	}
}

// aligned tells whether an identifier is aligned with the author domain. It is not after
// an error, which is kept.
func (c *comparison) aligned(d dns.Domain, mode Alignment) bool {
	switch {
	case d.IsZero():
		return false
	case d.ASCII == c.r.From.ASCII:
		return true
	case mode == Strict:
		return false
	}
	v, ok := c.seen[d.ASCII]
	if !ok {
		if len(c.seen) == MaxIdentifiers {
			c.r.Problem = join(c.r.Problem, fmt.Sprintf("more than %d authenticated domains, the others are not compared", MaxIdentifiers))
		}
		if len(c.seen) < MaxIdentifiers {
			v.aligned, v.err = c.relaxed(d)
		}
		c.seen[d.ASCII] = v
	}
	if v.err != nil && c.err == nil {
		c.err = v.err
	}
	return v.aligned
}

// relaxed tells whether a domain has the author's organizational domain (RFC 9989
// 3.2.10.1). As that is always the domain itself or above it, most domains are known to
// have another without asking.
func (c *comparison) relaxed(d dns.Domain) (bool, error) {
	if topLabel(d) != topLabel(c.r.From) {
		return false, nil
	}
	author := c.w.discover(c.r.From)
	if author.Err != nil {
		return false, author.Err
	}
	c.r.OrgDomain = author.OrgDomain
	c.r.Authentic = c.r.Authentic && author.Authentic
	if !within(d, author.OrgDomain) {
		return false, nil
	}
	other := c.w.discover(d)
	if other.Err != nil {
		return false, other.Err
	}
	c.r.Authentic = c.r.Authentic && other.Authentic
	return other.OrgDomain.ASCII == author.OrgDomain.ASCII, nil
}

func topLabel(d dns.Domain) string { return d.ASCII[strings.LastIndexByte(d.ASCII, '.')+1:] }
