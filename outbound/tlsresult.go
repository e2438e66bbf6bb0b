package outbound

import (
	"context"
	"errors"
	"strings"

	"mox/dane"
	"mox/mtastsdb"
	"mox/queue"
	"mox/reportdb"
	"mox/smtpclient"
	"mox/tlsrpt"
)

// TLSResults takes what became of sessions, for reports to the domains of their policies
// (RFC 8460).
type TLSResults interface {
	// AddTLSResult is [reportdb.DB.AddTLSResult]. It must be quick.
	AddTLSResult(ctx context.Context, l []reportdb.TLSResult) error
}

// tlsOutcome is what became of one session, as far as TLS goes.
type tlsOutcome struct {
	started bool // TLS was established
	lost    bool // the host had STARTTLS before, and does not offer it any more
	err     error
	w       witness
	local   string // addresses
	remote  string
}

// reportRefused counts a host that was not connected to because of a policy. The others
// say nothing about it.
func (o *Outbound) reportRefused(ctx context.Context, t *transaction, h *hop) {
	p := *h
	switch h.decision.Refused {
	case refusedDANE:
		p.policies.sts, p.policies.stsFailed = nil, nil
	case refusedSTS:
		p.policies.dane = daneNone
	default:
		return // it is the message that asks for what nobody promises
	}
	o.reportTLS(ctx, t, &p, tlsOutcome{})
}

// reportTLS counts a session.
func (o *Outbound) reportTLS(ctx context.Context, t *transaction, h *hop, s tlsOutcome) {
	// RFC 8460 3: sessions for TLS reports do not count.
	if o.c.TLSResults == nil || h.smart != nil || h.host.IsZero() || t.msgs[0].Kind == queue.TLSReport {
		return
	}
	r := reportdb.TLSResult{Day: o.c.Now(), RecipientDomain: h.policies.domain, SendReport: !isReport(&t.msgs[0])}
	host := r
	host.Host = true
	p := &h.policies
	if p.sts != nil || p.stsFailed != nil {
		r.Results = append(r.Results, o.stsResult(h, s))
	}
	if p.dane != daneNone {
		res := o.tlsaResult(h, s)
		r.Results, host.Results = append(r.Results, res), append(host.Results, res)
	}
	if len(r.Results) == 0 {
		// RFC 8460 4.4: no-policy-found.
		res := tlsrpt.Result{Policy: tlsrpt.Policy{Type: tlsrpt.PolicyNone, Domain: p.domain.ASCII}}
		typ, reason := sessionFailure(s, nil)
		r.Results = append(r.Results, count1(res, h, s, typ, reason))
	}
	l := []reportdb.TLSResult{r}
	if len(host.Results) > 0 {
		l = append(l, host)
	}
	if err := o.c.TLSResults.AddTLSResult(context.WithoutCancel(ctx), l); err != nil {
		o.log.ErrorContext(ctx, "storing TLS results", "domain", r.RecipientDomain.ASCII, "err", err)
	}
}

// stsResult is about the policy of the domain.
func (o *Outbound) stsResult(h *hop, s tlsOutcome) tlsrpt.Result {
	p := &h.policies
	r := tlsrpt.Result{Policy: tlsrpt.Policy{Type: tlsrpt.PolicySTS, Domain: p.domain.ASCII}}
	if p.sts != nil {
		r.Policy.String, r.Policy.MXHost = stsStrings(p)
	}
	switch typ, reason := sessionFailure(s, s.w.pkix); {
	case p.sts == nil:
		typ, reason = stsFailure(p.stsFailed)
		return count1(r, h, s, typ, reason)
	case !h.facts.STSMatch:
		return count1(r, h, s, tlsrpt.ResultValidationFailure, "mx-mismatch")
	default:
		return count1(r, h, s, typ, reason)
	}
}

// tlsaResult is about the records of the host.
func (o *Outbound) tlsaResult(h *hop, s tlsOutcome) tlsrpt.Result {
	p := &h.policies
	base := p.records.Base.ASCII
	orElse(&base, h.host.ASCII)
	r := tlsrpt.Result{Policy: tlsrpt.Policy{Type: tlsrpt.PolicyTLSA, Domain: base}}
	for _, rec := range p.records.All {
		r.Policy.String = append(r.Policy.String, rec.Record())
	}
	typ, reason := sessionFailure(s, s.w.dane)
	switch {
	case p.dane == daneError:
		typ, reason = tlsrpt.ResultDNSSECInvalid, ""
	case p.dane == daneUnusable && typ == "":
		typ, reason = tlsrpt.ResultTLSAInvalid, "no-usable-records"
	}
	return count1(r, h, s, typ, reason)
}

// sessionFailure returns how a session failed under a policy; "": it did not. cert is
// what the policy has against the certificate.
func sessionFailure(s tlsOutcome, cert error) (tlsrpt.ResultType, string) {
	switch {
	case s.lost:
		return tlsrpt.ResultSTARTTLSNotSupported, "starttls-offered-before"
	case errors.Is(s.err, smtpclient.ErrNoSTARTTLS):
		return tlsrpt.ResultSTARTTLSNotSupported, ""
	case cert != nil:
		return certFailure(cert)
	case s.err != nil:
		return tlsrpt.Failure(s.err)
	case !s.started:
		return tlsrpt.ResultSTARTTLSNotSupported, ""
	}
	return "", ""
}

// certFailure returns what is wrong with a certificate.
func certFailure(err error) (tlsrpt.ResultType, string) {
	if e := (*dane.Error)(nil); errors.As(err, &e) {
		return tlsrpt.ResultType(e.Reason), e.Code
	}
	return tlsrpt.Failure(err)
}

// stsFailure says why there is no policy (RFC 8460 4.3.2.2).
func stsFailure(err error) (tlsrpt.ResultType, string) {
	if e := (*mtastsdb.FetchError)(nil); errors.As(err, &e) && e.Reason != "" {
		return tlsrpt.ResultType(e.Reason), ""
	}
	return tlsrpt.ResultSTSPolicyFetch, ""
}

// count1 counts one session.
func count1(r tlsrpt.Result, h *hop, s tlsOutcome, typ tlsrpt.ResultType, reason string) tlsrpt.Result {
	if typ == "" {
		r.Summary.Success = 1
		return r
	}
	r.Summary.Failure = 1
	r.FailureDetails = []tlsrpt.FailureDetails{{
		ResultType: typ, SendingMTAIP: s.local, ReceivingMXHostname: h.host.ASCII, ReceivingIP: s.remote,
		FailedSessionCount: 1, FailureReasonCode: reason,
	}}
	return r
}

// stsStrings returns the policy as reports have it.
func stsStrings(p *policies) (lines, mx []string) {
	for _, m := range p.sts.MX {
		mx = append(mx, m.String())
	}
	text := p.stsText
	orElse(&text, p.sts.String())
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, mx
}
