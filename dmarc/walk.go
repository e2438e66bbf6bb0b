package dmarc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"mox/dns"
)

// walkLabels: RFC 9989 4.10: from a name with more labels, a walk goes on at its last 7,
// so that it takes at most 8 queries.
const walkLabels = 7

// Query is one lookup of a policy record, of the name "_dmarc." before Domain.
type Query struct {
	Domain dns.Domain
	// Record is nil when there is none, or more than one. Text is it as published.
	Record *Record
	Text   string
	// Problem says why there is no record although there are texts, "" otherwise.
	Problem   string
	Authentic bool
	// Err is the failure of the lookup. That there is no record is no failure.
	Err error
}

// Discovery is the outcome of policy discovery (RFC 9989 4.10.1) for a domain.
type Discovery struct {
	Domain dns.Domain // of the author
	// PolicyDomain is where the policy record was found: Domain, its organizational
	// domain or its public suffix domain. Zero, with a nil Record, if nowhere.
	PolicyDomain dns.Domain
	Record       *Record
	Text         string // of the record, as published
	// OrgDomain is the organizational domain of Domain, zero after an error.
	OrgDomain dns.Domain
	// Queries of the walk, from the longest name on, up to where it stopped.
	Queries []Query
	// Authentic: DNSSEC vouched for all answers.
	Authentic bool
	// Err is the temporary failure of a lookup that was needed: Record may be missing
	// or not the one that applies, and OrgDomain is not known.
	Err error
}

// Lookup walks the DNS tree for the policy that applies to mail from domain, and for its
// organizational domain. log may be nil.
func Lookup(ctx context.Context, log *slog.Logger, resolver dns.Resolver, domain dns.Domain) Discovery {
	w := newWalker(ctx, log, resolver)
	defer w.close()
	return w.discover(domain)
}

// OrganizationalDomain returns the organizational domain of a domain, found by a DNS
// tree walk (RFC 9989 4.10.2): the domain itself when no records are found. authentic
// tells whether DNSSEC vouched for all answers. An error is temporary.
func OrganizationalDomain(ctx context.Context, log *slog.Logger, resolver dns.Resolver, domain dns.Domain) (org dns.Domain, authentic bool, err error) {
	d := Lookup(ctx, log, resolver, domain)
	return d.OrgDomain, d.Authentic, d.Err
}

// walker does the lookups of one evaluation, each once.
type walker struct {
	ctx      context.Context
	cancel   context.CancelFunc
	log      *slog.Logger
	resolver dns.Resolver

	wg      sync.WaitGroup
	queries map[string]*pending // by domain in ASCII; used by one goroutine
	found   map[string]Discovery
}

// pending is a query under way; q may be read once done is closed.
type pending struct {
	done chan struct{}
	q    Query
}

func newWalker(ctx context.Context, log *slog.Logger, resolver dns.Resolver) *walker {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	return &walker{ctx: ctx, cancel: cancel, log: log, resolver: resolver, queries: map[string]*pending{}, found: map[string]Discovery{}}
}

// close ends lookups whose answers are not needed any more.
func (w *walker) close() {
	w.cancel()
	w.wg.Wait()
}

// start begins the query for a domain, unless it was.
func (w *walker) start(domain dns.Domain) *pending {
	if p := w.queries[domain.ASCII]; p != nil {
		return p
	}
	p := &pending{done: make(chan struct{})}
	w.queries[domain.ASCII] = p
	w.wg.Go(func() {
		defer close(p.done)
		p.q = query(w.ctx, w.resolver, domain)
	})
	return p
}

// query returns the answer of the query for a domain.
func (w *walker) query(domain dns.Domain) Query {
	p := w.start(domain)
	<-p.done
	return p.q
}

// query looks for the one policy record of a domain (RFC 9989 4.10, steps 1 and 2).
func query(ctx context.Context, resolver dns.Resolver, domain dns.Domain) Query {
	q := Query{Domain: domain}
	name := "_dmarc." + domain.ASCII
	if len(name) > dns.MaxDomain {
		q.Problem = "the name is too long to have a record"
		return q
	}
	texts, res, err := resolver.LookupTXT(ctx, name)
	q.Authentic = res.Authentic
	if dns.IsNotFound(err) {
		return q
	} else if err != nil {
		q.Err = fmt.Errorf("looking up the policy record of %s: %w", domain.ASCII, err)
		return q
	}
	n := 0
	for _, txt := range texts {
		if r, err := Parse(txt); err == nil {
			q.Record, q.Text = r, txt
			n++
		}
	}
	if n == 0 {
		q.Problem = "no text is a DMARC record"
	} else if n > 1 {
		q.Record, q.Text, q.Problem = nil, "", fmt.Sprintf("%d DMARC records, which makes all of them void", n)
	}
	return q
}

// parent returns a domain without its first label, zero if it has only one.
func parent(d dns.Domain) dns.Domain {
	_, ascii, _ := strings.Cut(d.ASCII, ".")
	_, unicode, _ := strings.Cut(d.Unicode, ".")
	if unicode == ascii {
		unicode = ""
	}
	return dns.Domain{ASCII: ascii, Unicode: unicode}
}

func labels(d dns.Domain) int { return strings.Count(d.ASCII, ".") + 1 }

// within tells whether d is domain or below it.
func within(d, domain dns.Domain) bool {
	rest, ok := strings.CutSuffix(d.ASCII, domain.ASCII)
	return ok && (rest == "" || strings.HasSuffix(rest, "."))
}

// ancestors returns the names that a walk from d asks for after d itself (RFC 9989 4.10,
// steps 3 to 7).
func ancestors(d dns.Domain) []dns.Domain {
	var l []dns.Domain
	for d = parent(d); !d.IsZero(); d = parent(d) {
		if labels(d) <= walkLabels {
			l = append(l, d)
		}
	}
	return l
}

// below returns the ancestor of d, or d, that has one label more than its ancestor top.
func below(d, top dns.Domain) dns.Domain {
	for labels(d) > labels(top)+1 {
		d = parent(d)
	}
	return d
}

// walk does a DNS tree walk, with the queries above the start all at once. It ends at
// the first that fails.
func (w *walker) walk(domain dns.Domain) ([]Query, error) {
	q := w.query(domain)
	l := []Query{q}
	if q.Err != nil || q.Record != nil && q.Record.PSD == PSDNo {
		return l, q.Err
	}
	up := ancestors(domain)
	for _, d := range up {
		w.start(d)
	}
	for _, d := range up {
		q := w.query(d)
		l = append(l, q)
		if q.Err != nil || q.Record != nil && q.Record.PSD != PSDUnknown {
			return l, q.Err
		}
	}
	return l, nil
}

// organizational selects the organizational domain from a walk (RFC 9989 4.10.2).
func organizational(l []Query) dns.Domain {
	org := l[0].Domain
	for i, q := range l {
		switch {
		case q.Record == nil:
		case q.Record.PSD == PSDNo:
			return q.Domain
		case q.Record.PSD == PSDYes && i > 0:
			return below(l[0].Domain, q.Domain)
		default:
			org = q.Domain
		}
	}
	return org
}

// discover is [Lookup], once for each domain.
func (w *walker) discover(domain dns.Domain) Discovery {
	if d, ok := w.found[domain.ASCII]; ok {
		return d
	}
	d := Discovery{Domain: domain, Authentic: true}
	d.Queries, d.Err = w.walk(domain)
	for _, q := range d.Queries {
		d.Authentic = d.Authentic && q.Authentic
	}
	if d.Err == nil {
		d.OrgDomain = organizational(d.Queries)
	}
	if q, ok := d.policyQuery(); ok {
		d.PolicyDomain, d.Record, d.Text = q.Domain, q.Record, q.Text
	}
	w.found[domain.ASCII] = d
	return d
}

// policyQuery returns the query that found the record to be applied. RFC 9989 4.10.1:
// that of the author domain, else of its organizational domain, else of its public
// suffix domain.
func (d *Discovery) policyQuery() (Query, bool) {
	if d.Queries[0].Record != nil {
		return d.Queries[0], true
	}
	if d.Err != nil {
		return Query{}, false
	}
	for _, q := range d.Queries[1:] {
		if q.Record != nil && q.Domain.ASCII == d.OrgDomain.ASCII {
			return q, true
		}
	}
	if last := d.Queries[len(d.Queries)-1]; last.Record != nil && last.Record.PSD == PSDYes {
		return last, true
	}
	return Query{}, false
}

// nonexistent tells whether a domain does not exist. RFC 9989 3.2.13: an answer
// NXDOMAIN, whatever the type that is asked for. A resolver that cannot tell NXDOMAIN
// from "no such records" makes all domains exist, to which the milder policy applies.
func (w *walker) nonexistent(domain dns.Domain) (bool, error) {
	_, _, err := w.resolver.LookupMX(w.ctx, domain.ASCII)
	if err == nil {
		return false, nil
	} else if !dns.IsNotFound(err) {
		return false, fmt.Errorf("looking up whether %s exists: %w", domain.ASCII, err)
	}
	var e *dns.Error
	return errors.As(err, &e) && e.NXDomain, nil
}
