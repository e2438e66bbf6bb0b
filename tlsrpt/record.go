package tlsrpt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"mox/dns"
	"mox/smtp"
)

// Errors of records and lookups.
var (
	ErrNotTLSRPT = errors.New("not a TLSRPT record")        // of a version that is known: to be ignored
	ErrSyntax    = errors.New("TLSRPT record is malformed") // and as if there were none
	ErrNoRecord  = errors.New("no TLSRPT record")
	ErrMultiple  = errors.New("several TLSRPT records") // RFC 8460 3: as if there were none
)

// Bounds of records.
const (
	MaxRecord = 16 << 10 // octets
	MaxURIs   = 16
)

// Record is a request for reports (RFC 8460 3).
type Record struct {
	// RUA has the URIs that reports go to, at least one: "mailto:" or "https:", or of
	// other schemes, which nobody can use.
	RUA []string
	// Extensions are other fields, "name=value".
	Extensions []string
}

// ParseRecord reads a record. The error is [ErrNotTLSRPT] for other texts, or [ErrSyntax].
func ParseRecord(s string) (*Record, error) {
	if len(s) > MaxRecord {
		return nil, fmt.Errorf("%w: longer than %d octets", ErrNotTLSRPT, MaxRecord)
	}
	version, rest, more := strings.Cut(s, ";")
	// RFC 8460 3: the version is exact, and some field follows.
	if trim(version) != "v=TLSRPTv1" {
		return nil, fmt.Errorf("%w: does not start with v=TLSRPTv1;", ErrNotTLSRPT)
	}
	var r Record
	for field := ""; more; {
		field, rest, more = strings.Cut(rest, ";")
		if field = trim(field); field == "" {
			if more {
				return nil, fmt.Errorf("%w: empty field", ErrSyntax)
			}
			break
		}
		name, value, ok := strings.Cut(field, "=")
		switch {
		case !ok || !isName(name) || value == "":
			return nil, fmt.Errorf("%w: %.60q is not of the form name=value", ErrSyntax, field)
		case name != "rua":
			r.Extensions = append(r.Extensions, field)
		case r.RUA != nil:
			return nil, fmt.Errorf("%w: several fields rua", ErrSyntax)
		default:
			if err := r.uris(value); err != nil {
				return nil, err
			}
		}
	}
	if r.RUA == nil {
		return nil, fmt.Errorf("%w: no field rua", ErrSyntax)
	}
	return &r, nil
}

func trim(s string) string { return strings.Trim(s, " \t") }

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		switch {
		case c >= 'a' && c <= 'z', s[i] >= '0' && s[i] <= '9':
		case i > 0 && strings.IndexByte("_-.", s[i]) >= 0:
		default:
			return false
		}
	}
	return s != "" && len(s) <= 32
}

func (r *Record) uris(list string) error {
	for s := range strings.SplitSeq(list, ",") {
		s = trim(s)
		u, err := url.Parse(s)
		if err != nil || u.Scheme == "" || strings.ContainsAny(s, " \t!") {
			return fmt.Errorf("%w: invalid URI %.60q", ErrSyntax, s)
		}
		if u.Scheme == "mailto" {
			if _, ok := smtp.ParseMailto(s); !ok {
				return fmt.Errorf("%w: invalid address in %.60q", ErrSyntax, s)
			}
		}
		if len(r.RUA) < MaxURIs {
			r.RUA = append(r.RUA, s)
		}
	}
	return nil
}

// String returns the record as published.
func (r *Record) String() string {
	s := "v=TLSRPTv1; rua=" + strings.Join(r.RUA, ",")
	for _, e := range r.Extensions {
		s += "; " + e
	}
	return s
}

// Lookup finds the record of a domain, its text as published, and whether DNSSEC vouched
// for the answer. The error is [ErrNoRecord], [ErrMultiple], [ErrSyntax], or a temporary one
// that is none of these. log may be nil.
func Lookup(ctx context.Context, log *slog.Logger, resolver dns.Resolver, domain dns.Domain) (_ *Record, text string, authentic bool, rerr error) {
	if log != nil {
		defer func() {
			log.DebugContext(ctx, "tlsrpt record looked up", "domain", domain, "record", text, "authentic", authentic, "err", rerr)
		}()
	}
	name := "_smtp._tls." + domain.ASCII
	if len(name) > dns.MaxDomain {
		return nil, "", false, fmt.Errorf("%w: the name is too long to have one", ErrNoRecord)
	}
	texts, res, err := resolver.LookupTXT(ctx, name)
	if dns.IsNotFound(err) {
		return nil, "", res.Authentic, fmt.Errorf("%w at %s", ErrNoRecord, name)
	} else if err != nil {
		return nil, "", false, fmt.Errorf("looking up %s: %w", name, err)
	}
	var r *Record
	var syntax error
	n := 0
	for _, t := range texts {
		have, err := ParseRecord(t)
		if errors.Is(err, ErrNotTLSRPT) {
			continue
		}
		n++
		r, text, syntax = have, t, err
	}
	switch {
	case n == 0:
		return nil, "", res.Authentic, fmt.Errorf("%w at %s", ErrNoRecord, name)
	case n > 1:
		return nil, "", res.Authentic, fmt.Errorf("%w at %s, which makes all of them void", ErrMultiple, name)
	}
	return r, text, res.Authentic, syntax
}
