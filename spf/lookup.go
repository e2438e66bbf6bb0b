package spf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"mox/dns"
)

// Lookup gets the SPF record of a domain. Without error the status is none, the empty
// text meaning nothing; with one it is what an evaluation would give: none if there is no
// record (ErrNoRecord) or domain cannot have one (ErrNoDomain), permerror if there are several
// (ErrMultipleRecords) or it is not valid (*SyntaxError; txt is returned), temperror if DNS fails.
// authentic tells whether DNSSEC vouches for the answer, negative ones included.
func Lookup(ctx context.Context, log *slog.Logger, resolver dns.Resolver, domain dns.Domain) (txt string, rec *Record, authentic bool, status Status, err error) {
	if !isDomain(domain.ASCII) {
		return "", nil, false, StatusNone, ErrNoDomain
	}
	txt, rec, res, err := lookupRecord(ctx, resolver, domain.ASCII)
	status = StatusNone
	if err != nil && !errors.Is(err, ErrNoRecord) {
		status = failure(domain.ASCII, "", err).status
	}
	if log != nil {
		log.DebugContext(ctx, "spf record lookup", "domain", domain.ASCII, "status", string(status), "err", err)
	}
	return txt, rec, res.Authentic, status, err
}

// lookupRecord gets the record of a name (RFC 7208 4.4, 4.5). Records of type SPF are not
// looked for: RFC 7208 3.1 ended them.
func lookupRecord(ctx context.Context, resolver dns.Resolver, name string) (string, *Record, dns.Result, error) {
	txts, res, err := resolver.LookupTXT(ctx, name)
	if err != nil && !dns.IsNotFound(err) {
		return "", nil, res, err
	}
	found := ""
	for _, txt := range txts {
		if !isSPF(txt) {
			continue
		}
		if found != "" {
			return "", nil, res, fmt.Errorf("%w at %s", ErrMultipleRecords, name)
		}
		found = txt
	}
	if found == "" {
		return "", nil, res, fmt.Errorf("%w at %s", ErrNoRecord, name)
	}
	rec, _, err := Parse(found)
	return found, rec, res, err
}
