package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"mox/dane"
	"mox/dns"
	"mox/mtasts"
	"mox/mtastsdb"
)

// MTASTS has the policies of domains.
type MTASTS interface {
	// Get is [mtastsdb.DB.Get].
	Get(ctx context.Context, domain dns.Domain) (*mtasts.Policy, mtastsdb.Info, error)
}

// policies are what asks for TLS at a host.
type policies struct {
	domain    dns.Domain // of the recipient
	sts       *mtasts.Policy
	stsText   string // as it was fetched
	stsFailed error

	dane    daneState
	records dane.Records
	daneErr error
	// names are those that a certificate under a DANE authority may have (RFC 7672 3.2.2).
	names []dns.Domain
}

// hostInfo is what was found out about a host.
type hostInfo struct {
	host dns.Domain
	x    dns.Exchanges
	a    dns.Addresses
	port int
}

// domainPolicies looks up what the domain wants.
func (o *Outbound) domainPolicies(ctx context.Context, _ *transaction, domain dns.Domain) policies {
	p := policies{domain: domain}
	if o.c.MTASTS == nil {
		return p
	}
	policy, info, err := o.c.MTASTS.Get(ctx, domain)
	if err != nil {
		// RFC 8461 5.1, 10.2: where no policy is known, and none can be found, mail goes as if
		// there were none. To wait would help nobody whose DNS is broken for long.
		o.log.InfoContext(ctx, "policy of MTA-STS", "domain", domain.ASCII, "err", err)
		return p
	}
	var fetch *mtastsdb.FetchError
	switch {
	case policy == nil && errors.As(info.FetchError, &fetch):
		p.stsFailed = info.FetchError // announced, but not to be had
	case policy != nil && policy.Mode != mtasts.ModeNone: // RFC 8461 5: none is as if there were none
		p.sts, p.stsText = policy, info.Text
	}
	return p
}

// hostPolicies adds what a host wants. RFC 7672 2.2.1: TLSA records are looked up only if
// DNSSEC vouches for the way to the host, and for its address or its alias.
func (o *Outbound) hostPolicies(ctx context.Context, _ *transaction, p policies, h hostInfo) policies {
	if !h.x.Authentic || !h.a.Authentic && !h.a.AliasAuthentic {
		return p
	}
	r, err := dane.Lookup(ctx, o.c.Resolver, h.host, h.port, h.a)
	switch {
	case err != nil:
		p.dane, p.daneErr = daneError, err
		call(o.c.Metrics.TLSALookupError)
		o.log.InfoContext(ctx, "looking up TLSA records", "host", h.host.ASCII, "err", err)
	case len(r.All) == 0:
	case len(r.Usable()) == 0:
		p.dane, p.records = daneUnusable, r
	default:
		p.dane, p.records = daneUsable, r
	}
	p.names = r.Names(p.domain, h.x, h.host, h.a)
	return p
}

// facts are for the decision.
func (p *policies) facts(t *transaction, mxSecure bool, host dns.Domain) tlsFacts {
	f := tlsFacts{Wish: t.wish, MXSecure: mxSecure, DANE: p.dane, Report: isDMARC(t)}
	if p.sts != nil {
		f.STS, f.STSMatch = stsTesting, p.sts.Matches(host)
		if p.sts.Mode == mtasts.ModeEnforce {
			f.STS = stsEnforce
		}
	}
	return f
}

func isDMARC(t *transaction) bool { return t.msgs[0].Kind == "dmarcreport" }

// witness is what was seen of a certificate during the handshake. Nil: as it should be, or
// not looked at.
type witness struct{ pkix, dane error }

// tlsConfig is for a connection to a host. All verification is in VerifyConnection: what
// must hold fails the handshake, what is only to be reported does not.
func (o *Outbound) tlsConfig(t *transaction, h *hop, w *witness) *tls.Config {
	name := h.host.ASCII
	if h.policies.dane == daneUsable {
		name = h.policies.records.Base.ASCII // RFC 7672 8.1: SNI is the base domain
	}
	return &tls.Config{
		ServerName: name, MinVersion: tls.VersionTLS12, Time: o.c.Now,
		InsecureSkipVerify: true,
		VerifyConnection:   func(cs tls.ConnectionState) error { return o.verify(t, h, w, cs) },
	}
}

func (o *Outbound) verify(t *transaction, h *hop, w *witness, cs tls.ConnectionState) error {
	d := h.decision
	if d.DANE != checkNone {
		v := dane.Verifier{Records: h.policies.records, Names: h.policies.names, Now: o.c.Now}
		_, w.dane = v.Verify(cs.PeerCertificates)
		if w.dane != nil && d.DANE == checkRequire {
			return fmt.Errorf("certificate does not match TLSA records: %w", w.dane)
		}
	}
	if d.PKIX != checkNone {
		w.pkix = verifyPKIX(cs, h.host.ASCII, t.snapshot.RootCAs, o.c.Now())
		if w.pkix != nil && d.PKIX == checkRequire {
			return w.pkix
		}
	}
	return nil
}

var errNoCertificate = errors.New("server has no certificate")

// verifyPKIX is what crypto/tls does by itself otherwise. RFC 8461 4.2: the certificate is
// for the name in the MX record.
func verifyPKIX(cs tls.ConnectionState, name string, roots *x509.CertPool, now time.Time) error {
	if len(cs.PeerCertificates) == 0 {
		return errNoCertificate
	}
	o := x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(o)
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return nil
}
