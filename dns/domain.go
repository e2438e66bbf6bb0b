package dns

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrDomain: a string is not a domain name. Errors of ParseDomain wrap it.
var ErrDomain = errors.New("invalid domain name")

// MaxDomain is the most octets of a name in its ASCII form (RFC 1035 2.3.4: 255
// octets on the wire, with the length octets).
const MaxDomain = 253

// Domain is a domain name in canonical form: lower case, no final dot. Two values
// are equal exactly when the names are. The zero value is no name.
type Domain struct {
	// ASCII is the name with A-labels ("xn--..."), as DNS has it.
	ASCII string
	// Unicode is the name with U-labels; empty when it is the same as ASCII.
	Unicode string
}

// IsZero tells whether d is no name.
func (d Domain) IsZero() bool { return d == Domain{} }

// Name returns the name for people: with U-labels where it has any.
func (d Domain) Name() string {
	if d.Unicode != "" {
		return d.Unicode
	}
	return d.ASCII
}

// XName returns the name with U-labels if utf8 is set, and with A-labels if not: for
// protocols in which UTF-8 is negotiated.
func (d Domain) XName(utf8 bool) string {
	if utf8 {
		return d.Name()
	}
	return d.ASCII
}

// LogString returns the name in both forms where they differ, as "U-label/A-label".
func (d Domain) LogString() string {
	if d.Unicode != "" {
		return d.Unicode + "/" + d.ASCII
	}
	return d.ASCII
}

// String returns LogString.
func (d Domain) String() string { return d.LogString() }

var (
	// lookup maps (case, width) as UTS #46 does and then demands IDNA2008.
	//
	// Hyphens in third and fourth place are allowed: names like that exist in DNS
	// and receive mail (UTS #46 4: CheckHyphens is false for lookup).
	lookup = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.ValidateLabels(true),
		idna.CheckJoiners(true), idna.CheckHyphens(false), idna.StrictDomainName(true), idna.Transitional(false))
	lax = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.ValidateLabels(true),
		idna.CheckJoiners(true), idna.CheckHyphens(false), idna.StrictDomainName(false), idna.Transitional(false))
)

// ParseDomain parses a host name: letters, digits and hyphens (RFC 1123 2.1), or
// U-labels, without final dot. An address like "127.0.0.1" is not refused: whether
// its labels are numbers only is for the caller to ask with [Domain.Numeric].
func ParseDomain(s string) (Domain, error) { return parse(s, lookup, false) }

// ParseDomainLax also allows underscores, which names of DNS records have and, in
// the wild, names in EHLO.
func ParseDomainLax(s string) (Domain, error) { return parse(s, lax, true) }

func parse(s string, p *idna.Profile, underscore bool) (Domain, error) {
	if s == "" {
		return Domain{}, fmt.Errorf("%w: empty", ErrDomain)
	}
	// The longest label in UTF-8 that is at most 63 octets in Punycode.
	if len(s) > 4*MaxDomain {
		return Domain{}, fmt.Errorf("%w: too long", ErrDomain)
	}
	if strings.HasSuffix(s, ".") {
		return Domain{}, fmt.Errorf("%w: final dot", ErrDomain)
	}
	if !utf8.ValidString(s) {
		return Domain{}, fmt.Errorf("%w: invalid UTF-8", ErrDomain)
	}
	// UTS #46 maps capital sharp s to the small one, not to "ss", since Unicode 15.1.
	ascii, err := p.ToASCII(strings.ReplaceAll(s, "ẞ", "ß"))
	if err != nil {
		return Domain{}, fmt.Errorf("%w: to ASCII: %w", ErrDomain, err)
	}
	if err := checkASCII(ascii, underscore); err != nil {
		return Domain{}, err
	}
	unicode, err := p.ToUnicode(ascii)
	if err != nil {
		return Domain{}, fmt.Errorf("%w: to Unicode: %w", ErrDomain, err)
	}
	if unicode == ascii {
		unicode = ""
	} else if err := checkULabels(unicode); err != nil {
		return Domain{}, err
	}
	return Domain{ASCII: ascii, Unicode: unicode}, nil
}

// checkULabels checks hyphens in labels that are not ASCII, which are not seen in their
// A-labels.
//
// RFC 5891 4.2.3.1: none at start and end, and not two in third and fourth place.
func checkULabels(s string) error {
	for label := range strings.SplitSeq(s, ".") {
		if strings.IndexFunc(label, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
			continue
		}
		if r := []rune(label); r[0] == '-' || r[len(r)-1] == '-' || len(r) > 3 && r[2] == '-' && r[3] == '-' {
			return fmt.Errorf("%w: label with hyphen at its start or end, or in third and fourth place", ErrDomain)
		}
	}
	return nil
}

// checkASCII checks lengths and characters (RFC 1035 2.3.1, 2.3.4; RFC 1123 2.1).
func checkASCII(s string, underscore bool) error {
	if len(s) > MaxDomain {
		return fmt.Errorf("%w: too long", ErrDomain)
	}
	for label := range strings.SplitSeq(s, ".") {
		switch {
		case label == "":
			return fmt.Errorf("%w: empty label", ErrDomain)
		case len(label) > 63:
			return fmt.Errorf("%w: label too long", ErrDomain)
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Errorf("%w: label with hyphen at its start or end", ErrDomain)
		}
		for _, c := range []byte(label) {
			if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || underscore && c == '_' {
				continue
			}
			return fmt.Errorf("%w: character %q", ErrDomain, c)
		}
	}
	return nil
}

// Numeric tells whether the last label is a number, which no top-level domain is
// (RFC 3696 2): the name is more likely a broken IP address.
func (d Domain) Numeric() bool {
	last := d.ASCII[strings.LastIndexByte(d.ASCII, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789") == ""
}
