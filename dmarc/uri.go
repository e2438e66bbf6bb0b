package dmarc

import (
	"math"
	"net/url"
	"strconv"
	"strings"

	"mox/smtp"
)

// URI is a destination of reports (RFC 9989 4.6).
type URI struct {
	// Address is the URI, mostly "mailto:address", with percent-encoding as published.
	Address string
	// MaxSize is the most octets of a report that its receiver wants; 0: no bound. RFC
	// 7489 6.2 has it as a suffix, "!10m", which RFC 9989 removed.
	MaxSize uint64
}

// String returns the URI as in a record.
func (u URI) String() string {
	if u.MaxSize == 0 {
		return u.Address
	}
	return u.Address + "!" + strconv.FormatUint(u.MaxSize, 10)
}

func joinURIs(l []URI) string {
	var s []string
	for _, u := range l {
		s = append(s, u.String())
	}
	return strings.Join(s, ",")
}

// Mailto returns the address of a "mailto:" URI, and false for any other URI and for
// one that does not have exactly one valid address.
func (u URI) Mailto() (smtp.Address, bool) { return smtp.ParseMailto(u.Address) }

// uris takes a list of URIs. Those that are invalid are left out; the list is valid when
// one of them is.
func (p *recordParser) uris(to *[]URI, tag, value string) bool {
	for s := range strings.SplitSeq(value, ",") {
		u, ok := parseURI(trim(s))
		switch {
		case !ok:
			p.problem("invalid URI %q in tag %s%s", shorten(trim(s)), tag, hintURI(s))
		case len(*to) == MaxURIs:
			p.problem("more than %d URIs in tag %s, the others are ignored", MaxURIs, tag)
			return true
		default:
			*to = append(*to, u)
		}
	}
	return len(*to) > 0
}

func hintURI(s string) string {
	if strings.Contains(s, "@") && !strings.Contains(s, ":") {
		return ", mailto: is missing"
	}
	return ""
}

// parseURI takes a URI with scheme and an optional size. One of scheme mailto must have
// an address; other schemes are kept, though no reports are sent to them.
func parseURI(s string) (URI, bool) {
	addr, size, sized := strings.Cut(s, "!")
	u := URI{Address: addr}
	if sized {
		var ok bool
		if u.MaxSize, ok = parseSize(size); !ok {
			return URI{}, false
		}
	}
	scheme, rest, ok := strings.Cut(addr, ":")
	if !ok || rest == "" || strings.ContainsAny(addr, " \t\"<>") {
		return URI{}, false
	}
	if strings.EqualFold(scheme, "mailto") {
		_, ok = u.Mailto()
		return u, ok
	}
	parsed, err := url.Parse(addr)
	return u, err == nil && parsed.Scheme != ""
}

// parseSize takes a number of octets with a unit (RFC 7489 6.4).
func parseSize(s string) (uint64, bool) {
	shift := 0
	if s != "" {
		if i := strings.IndexByte("kmgt", s[len(s)-1]|0x20); i >= 0 {
			shift = 10 * (i + 1)
			s = s[:len(s)-1]
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n > math.MaxUint64>>shift {
		return 0, false
	}
	return n << shift, true
}
