package dkim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mox/dns"
)

// Kind is a kind of signature field: they share syntax and differ in tags.
type Kind int

// The kinds.
const (
	KindDKIM       Kind = iota // DKIM-Signature (RFC 6376 3.5)
	KindARCMessage             // ARC-Message-Signature (RFC 8617 4.1.2): i= is an instance, v= is ignored
	KindARCSeal                // ARC-Seal (RFC 8617 4.1.3): no body, no list of fields
)

// required are the tags that must be there.
func (k Kind) required() []string {
	switch k {
	case KindARCMessage:
		return []string{"i", "a", "b", "bh", "d", "h", "s"}
	case KindARCSeal:
		return []string{"i", "a", "b", "cv", "d", "s"}
	}
	return []string{"v", "a", "b", "bh", "d", "h", "s"}
}

// Algorithms of signatures (a=).
const (
	RSASHA256     = "rsa-sha256"
	Ed25519SHA256 = "ed25519-sha256"
)

// Signature is a signature field, parsed.
type Signature struct {
	Kind      Kind
	Algorithm string // a=, as "rsa-sha256"
	Signature []byte // b=
	BodyHash  []byte // bh=
	// Canonicalization of header and body, c=; both are Simple by default, for ARC Relaxed.
	HeaderCanonicalization, BodyCanonicalization Canonicalization
	Domain                                       dns.Domain // d=, the SDID
	Selector                                     dns.Domain // s=
	SignedHeaders                                []string   // h=, in order, as written
	// Identity is i=, the AUID. Without i= it is "@" and Domain.
	Identity Identity
	// Length is l=, how much of the canonicalized body is signed, -1 for all of it.
	Length int64
	// SignTime and ExpireTime are t= and x= in seconds since 1970, -1 if not there.
	SignTime, ExpireTime int64
	CopiedHeaders        []string // z=, decoded, for people only

	Tags Tags // all of the field
}

// Identity is the Agent or User Identifier of a signature.
type Identity struct {
	Localpart string // may be empty
	Domain    dns.Domain
}

// String returns "localpart@domain", as it is in the message of an ASCII signer.
func (i Identity) String() string { return i.Localpart + "@" + i.Domain.ASCII }

// Signed tells how many fields of that name h= lists.
func (s *Signature) Signed(name string) int {
	n := 0
	for _, h := range s.SignedHeaders {
		if strings.EqualFold(h, name) {
			n++
		}
	}
	return n
}

// Times returns SignTime and ExpireTime, zero times where they are not there.
func (s *Signature) Times() (signed, expires time.Time) {
	at := func(sec int64) time.Time {
		if sec < 0 {
			return time.Time{}
		}
		return time.Unix(min(sec, maxSeconds), 0)
	}
	return at(s.SignTime), at(s.ExpireTime)
}

// maxSeconds is what RFC 6376 3.5 wants to be understood, 12 digits.
const maxSeconds = 999999999999

// tagParsers has what is done with the tags of a signature field; others are ignored.
var tagParsers = map[string]func(*Signature, string) error{
	"v":  (*Signature).parseVersion,
	"a":  (*Signature).parseAlgorithm,
	"b":  (*Signature).parseSignature,
	"bh": (*Signature).parseBodyHash,
	"c":  (*Signature).parseCanonicalization,
	"d":  func(s *Signature, v string) (err error) { s.Domain, err = parseDomain(v); return err },
	"s":  func(s *Signature, v string) (err error) { s.Selector, err = parseDomain(v); return err },
	"h":  (*Signature).parseSignedHeaders,
	"i":  (*Signature).parseIdentity,
	"l":  func(s *Signature, v string) (err error) { s.Length, err = number(v); return err },
	"t":  func(s *Signature, v string) (err error) { s.SignTime, err = number(v); return err },
	"x":  func(s *Signature, v string) (err error) { s.ExpireTime, err = number(v); return err },
	"q":  (*Signature).parseQuery,
	"z":  (*Signature).parseCopiedHeaders,
}

// ParseSignature parses the value of a signature field. The error wraps one of those
// for which a signature is neutral or permerror. With an error other than ErrSyntax the
// Signature beside it is what could be understood.
func ParseSignature(value string, kind Kind) (*Signature, error) {
	tags, err := ParseTags(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	s := &Signature{
		Kind: kind, Tags: tags, HeaderCanonicalization: Simple, BodyCanonicalization: Simple,
		Length: -1, SignTime: -1, ExpireTime: -1,
	}
	if kind != KindDKIM {
		// RFC 8617 4.1.3 for seals. For ARC-Message-Signature without c= it refers to DKIM,
		// whose default is simple; sealers and the published suite take it as relaxed.
		s.HeaderCanonicalization, s.BodyCanonicalization = Relaxed, Relaxed
	}
	for _, name := range kind.required() {
		if _, ok := tags.Get(name); !ok {
			return nil, fmt.Errorf("%w: no tag %s", ErrSyntax, name)
		}
	}
	var semantic error
	for _, tag := range tags {
		parse := tagParsers[tag.Name]
		if parse == nil || kind != KindDKIM && (tag.Name == "v" || tag.Name == "i") ||
			kind == KindARCSeal && strings.Contains(" c l h bh q z ", " "+tag.Name+" ") {
			continue
		}
		if err := parse(s, tag.Value); errors.Is(err, ErrVersion) || errors.Is(err, ErrAlgorithm) || errors.Is(err, ErrHistoric) || errors.Is(err, ErrQuery) {
			semantic = err
		} else if err != nil {
			return nil, fmt.Errorf("%w: tag %s: %w", ErrSyntax, tag.Name, err)
		}
	}
	if semantic == nil && s.BodyHash != nil && len(s.BodyHash) != 32 {
		return nil, fmt.Errorf("%w: bh is not a SHA-256", ErrSyntax)
	}
	if s.Identity.Domain.IsZero() {
		s.Identity.Domain = s.Domain
	}
	if semantic != nil {
		return s, semantic
	}
	return s, s.validate()
}

// validate checks what RFC 6376 6.1.1 asks of the tags together.
func (s *Signature) validate() error {
	if s.ExpireTime >= 0 && s.SignTime >= s.ExpireTime {
		return ErrTimes
	}
	if s.Kind != KindDKIM {
		return nil
	}
	if !below(s.Identity.Domain, s.Domain) {
		return ErrIdentity
	}
	if s.Signed("From") == 0 {
		return ErrFromMissing
	}
	return nil
}

// below tells whether d is parent or a name below it.
func below(d, parent dns.Domain) bool {
	return d == parent || strings.HasSuffix(d.ASCII, "."+parent.ASCII)
}

// parseDomain parses a domain or selector with A-labels or U-labels (RFC 8616 5).
// Underscores are in selectors of the wild.
func parseDomain(v string) (dns.Domain, error) { return dns.ParseDomainLax(v) }

func (s *Signature) parseVersion(v string) error {
	if v != "1" {
		return fmt.Errorf("%w: %.20q", ErrVersion, v)
	}
	return nil
}

func (s *Signature) parseAlgorithm(v string) error {
	s.Algorithm = v
	key, hash, ok := strings.Cut(v, "-")
	switch {
	case v == RSASHA256 || v == Ed25519SHA256:
		return nil
	case v == "rsa-sha1":
		return fmt.Errorf("%w: %s", ErrHistoric, v)
	case !ok || !isTagName(key) || !isTagName(hash):
		return fmt.Errorf("%.20q is not an algorithm", v)
	}
	return fmt.Errorf("%w: %.20q", ErrAlgorithm, v)
}

func (s *Signature) parseSignature(v string) (err error) {
	if s.Signature, err = decodeBase64(v); err == nil && len(s.Signature) == 0 {
		err = errors.New("is empty")
	}
	return err
}

func (s *Signature) parseBodyHash(v string) (err error) {
	if s.BodyHash, err = decodeBase64(v); err == nil && len(s.BodyHash) == 0 {
		err = errors.New("is empty")
	}
	return err
}

func (s *Signature) parseCanonicalization(v string) error {
	header, body, ok := strings.Cut(v, "/")
	if !ok {
		body = string(Simple)
	}
	s.HeaderCanonicalization = Canonicalization(strings.Trim(header, fws))
	s.BodyCanonicalization = Canonicalization(strings.Trim(body, fws))
	if !s.HeaderCanonicalization.valid() || !s.BodyCanonicalization.valid() {
		return fmt.Errorf("unknown canonicalization %.40q", v)
	}
	return nil
}

func (s *Signature) parseSignedHeaders(v string) error {
	s.SignedHeaders = list(v)
	if len(s.SignedHeaders) == 0 && s.Kind == KindDKIM {
		return errors.New("is empty")
	}
	for _, h := range s.SignedHeaders {
		if !isFieldName(h) {
			return fmt.Errorf("%.50q is not the name of a field", h)
		}
	}
	return nil
}

// isFieldName is field-name of RFC 5322 3.6.8.
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })
}

func (s *Signature) parseIdentity(v string) error {
	v, err := decodeQP(v)
	if err != nil {
		return err
	}
	at := strings.LastIndexByte(v, '@')
	if at < 0 || !utf8.ValidString(v) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("is not an identity")
	}
	s.Identity.Localpart = v[:at]
	s.Identity.Domain, err = parseDomain(v[at+1:])
	return err
}

func (s *Signature) parseQuery(v string) error {
	// RFC 6376 3.5: unknown methods are ignored. "dns" alone is what signers of drafts
	// wrote.
	known := func(m string) bool { return strings.EqualFold(m, "dns/txt") || strings.EqualFold(m, "dns") }
	if !slices.ContainsFunc(list(v), known) {
		return fmt.Errorf("%w: %.50q", ErrQuery, v)
	}
	return nil
}

// parseCopiedHeaders takes what can be understood: nothing depends on it.
func (s *Signature) parseCopiedHeaders(v string) error {
	for copied := range strings.SplitSeq(v, "|") {
		if text, err := decodeQP(copied); err == nil && len(s.CopiedHeaders) < 100 {
			s.CopiedHeaders = append(s.CopiedHeaders, strings.ToValidUTF8(text, "\ufffd"))
		}
	}
	return nil
}
