package outbound

import (
	"context"
	"errors"
	"os"
	"time"
)

// Metrics are called when set. They must be quick and safe for concurrent use.
type Metrics struct {
	// Connection is called for each: "ok", "timeout", "canceled" or "error".
	Connection func(result string)
	// Delivery is called for each attempt for a recipient: its number, the first being 1; the
	// transport, "" for direct; how TLS was: "immediate", "requiredstarttls",
	// "opportunistic" or "skip", with "+mtasts" and "+dane"; "ok", "timeout", "canceled",
	// "temperror", "permerror" or "error".
	Delivery func(attempt int, transport, tlsMode, result string, d time.Duration)
	// Destination is called for each host that is about to be tried, and whether DNSSEC
	// vouches for it being one of the domain.
	Destination func(authentic bool)

	DANERequired    func() // at a host
	DANEUnverified  func() // TLSA records, none usable
	TLSALookupError func()
	// TLSRequiredNoIgnored is called with "mtastspolicy", "mtastsmx", "badtls" or
	// "badtlsa" for what TLS-Required: No has set aside.
	TLSRequiredNoIgnored func(ignored string)
	// DANEIgnored: likewise, for a certificate that does not match TLSA records.
	DANEIgnored func()
	// RequireTLSUnsupported is called with "nopolicy" or "norequiretls".
	RequireTLSUnsupported func(reason string)
	PlaintextFallback     func()
	DMARCReportFailure    func() // that is permanent
	// Command is for each reply of a server, see [smtpclient.Options.Command].
	Command func(cmd string, code int, enhanced string, d time.Duration)
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func count[T any](f func(T), v T) {
	if f != nil {
		f(v)
	}
}

// countDecision counts what a host asks for.
func (o *Outbound) countDecision(h *hop) {
	m := &o.c.Metrics
	switch h.facts.DANE {
	case daneUsable:
		call(m.DANERequired)
	case daneUnusable:
		call(m.DANEUnverified)
	}
	for _, s := range h.decision.Ignored {
		count(m.TLSRequiredNoIgnored, s)
	}
	if h.decision.Refused == refusedNoPolicy {
		count(m.RequireTLSUnsupported, "nopolicy")
	}
}

// result names how something ended.
func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, errTooLong):
		return "timeout"
	}
	return "error"
}

func (f *failure) result() string {
	switch {
	case f == nil:
		return "ok"
	case f.err != nil && f.code == 0, !f.diagnostic && f.unreachable:
		return result(f.err)
	case f.permanent:
		return "permerror"
	}
	return "temperror"
}
