package dmarc

import (
	"context"
	"fmt"
	"log/slog"

	"mox/dns"
)

// maxDestinations is how many different hosts of external destinations are asked.
const maxDestinations = 10

// Destination is an address for reports, and whether it may get them.
type Destination struct {
	Tag string // "rua" or "ruf"
	URI URI    // as in the policy record
	// External: its host belongs to another organization than the policy record, so
	// that it has to agree.
	External bool
	// Accepted: reports may be sent, to Send.
	Accepted bool
	// Send is where to: URI itself, or what the record of an external destination has
	// instead (RFC 7489 7.1, step 8). Empty when not accepted.
	Send []URI
	// Record is the text by which an external destination agrees, "" if there is none.
	Record string
	// Authentic: DNSSEC vouched for all answers that led to this.
	Authentic bool
	// Problem says why it is not accepted.
	Problem string
	// Err is the temporary failure of a lookup; the destination is then not accepted
	// but may be later.
	Err error
}

// CheckReportURIs tells for each destination in the tags rua and ruf of a record whether
// reports may be sent to it. policyDomain is where the record was found. A destination in
// another organizational domain must have agreed with a record of its own (RFC 7489
// 7.1). Destinations other than "mailto:" are never accepted. log may be nil.
func CheckReportURIs(ctx context.Context, log *slog.Logger, resolver dns.Resolver, policyDomain dns.Domain, r *Record) []Destination {
	w := newWalker(ctx, log, resolver)
	defer w.close()
	c := consent{w: w, policy: policyDomain, asked: map[string]consentAnswer{}}
	var l []Destination
	for _, t := range []struct {
		tag  string
		uris []URI
	}{{"rua", r.RUA}, {"ruf", r.RUF}} {
		for _, u := range t.uris {
			d := c.check(t.tag, u)
			w.log.Debug("dmarc report destination checked", "domain", policyDomain, "tag", t.tag, "external", d.External, "accepted", d.Accepted, "err", d.Err)
			l = append(l, d)
		}
	}
	return l
}

// consent asks destinations whether they agree to get reports about a domain.
type consent struct {
	w      *walker
	policy dns.Domain
	asked  map[string]consentAnswer // by host
}

type consentAnswer struct {
	records   []*Record
	text      string
	authentic bool
	err       error
}

func (c *consent) check(tag string, u URI) Destination {
	d := Destination{Tag: tag, URI: u}
	addr, ok := u.Mailto()
	if !ok {
		d.Problem = "not a mailto: URI with one address"
		return d
	}
	host := addr.Domain
	if d.External, d.Authentic, d.Err = c.external(host); d.Err != nil {
		d.Problem = d.Err.Error()
		return d
	}
	if !d.External {
		d.Accepted, d.Send = true, []URI{u}
		return d
	}
	a, ok := c.ask(host)
	if !ok {
		d.Problem = fmt.Sprintf("more than %d external hosts", maxDestinations)
		return d
	}
	d.Authentic = d.Authentic && a.authentic
	d.Err, d.Record = a.err, a.text
	switch {
	case a.err != nil:
		d.Problem = a.err.Error()
	case len(a.records) == 0:
		d.Problem = fmt.Sprintf("%s has not agreed: there is no record at %s", host.ASCII, consentName(c.policy, host))
	default:
		d.Send, d.Problem = replace(tag, u, host, a.records)
		d.Accepted = len(d.Send) > 0
	}
	return d
}

// external tells whether a host belongs to another organization than the policy record.
func (c *consent) external(host dns.Domain) (external, authentic bool, err error) {
	if host.ASCII == c.policy.ASCII {
		return false, true, nil
	}
	if topLabel(host) != topLabel(c.policy) {
		return true, true, nil
	}
	policy := c.w.discover(c.policy)
	if policy.Err != nil {
		return true, false, policy.Err
	}
	if !within(host, policy.OrgDomain) {
		return true, policy.Authentic, nil
	}
	dest := c.w.discover(host)
	if dest.Err != nil {
		return true, false, dest.Err
	}
	return dest.OrgDomain.ASCII != policy.OrgDomain.ASCII, policy.Authentic && dest.Authentic, nil
}

func consentName(policy, host dns.Domain) string {
	return policy.ASCII + "._report._dmarc." + host.ASCII
}

// ask looks up the records by which a host agrees (RFC 7489 7.1, steps 2 to 6), and
// reports false when too many hosts were asked.
func (c *consent) ask(host dns.Domain) (consentAnswer, bool) {
	if a, ok := c.asked[host.ASCII]; ok {
		return a, true
	}
	if len(c.asked) == maxDestinations {
		return consentAnswer{}, false
	}
	var a consentAnswer
	name := consentName(c.policy, host)
	if len(name) <= dns.MaxDomain {
		texts, res, err := c.w.resolver.LookupTXT(c.w.ctx, name)
		a.authentic = res.Authentic
		if err != nil && !dns.IsNotFound(err) {
			a.err = fmt.Errorf("looking up %s: %w", name, err)
		}
		for _, txt := range texts {
			if r, err := Parse(txt); err == nil && len(a.records) < MaxURIs {
				a.records = append(a.records, r)
				if a.text == "" {
					a.text = txt
				}
			}
		}
	}
	c.asked[host.ASCII] = a
	return a, true
}

// replace returns where reports go according to the records of an external host: u, or
// what the first record with that tag has (RFC 7489 7.1, step 8). The host must be the
// same, else nothing is sent at all.
func replace(tag string, u URI, host dns.Domain, records []*Record) (send []URI, problem string) {
	for _, r := range records {
		l := r.RUA
		if tag == "ruf" {
			l = r.RUF
		}
		for _, o := range l {
			addr, ok := o.Mailto()
			if !ok {
				continue
			}
			if addr.Domain.ASCII != host.ASCII {
				return nil, fmt.Sprintf("the record of %s names an address at another host, %s", host.ASCII, addr.Domain.ASCII)
			}
			send = append(send, o)
		}
		if len(send) > 0 {
			return send, ""
		}
	}
	return []URI{u}, ""
}
