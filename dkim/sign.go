package dkim

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"mox/dns"
	"mox/smtp"
)

// ErrSign says that a message cannot be signed: it has no From field, or a key or
// selector is not usable.
var ErrSign = errors.New("cannot sign message")

// DefaultHeaders returns the names of fields that are signed by default.
func DefaultHeaders() []string {
	return []string{"From", "To", "Cc", "Bcc", "Reply-To", "References", "In-Reply-To", "Subject", "Date", "Message-Id", "Content-Type"}
}

// Selector is a key to sign with, and how.
type Selector struct {
	Name dns.Domain // s=
	// Key is RSA of at least 1024, better 2048 bits, or Ed25519.
	Key crypto.Signer
	// Canonicalization of header and body; empty is Relaxed.
	HeaderCanonicalization, BodyCanonicalization Canonicalization
	// Headers are the names of fields that are signed where they are present, all of them.
	// Nil is DefaultHeaders. From must be among them.
	Headers []string
	// Seal also signs that there are no more fields of these names than the message has
	// (RFC 6376 5.4: "oversigning").
	Seal bool
	// Expiration is how long the signature is valid, 0 for no end.
	Expiration time.Duration
}

// SignOptions say for whom is signed.
type SignOptions struct {
	Domain dns.Domain // d=
	// Identity is i=, an address of Domain or below it, zero for none.
	Identity smtp.Address
	// UTF8 writes internationalized names and localparts as they are (RFC 8616), for
	// messages sent with SMTPUTF8.
	UTF8 bool
	// MaxHeader is how large a header may be, in bytes. Default DefaultMaxHeader.
	MaxHeader int
	// Now is the clock, nil for time.Now.
	Now func() time.Time
	// Observe, if set, is called for each signature with its kind of key: rsa, ed25519.
	Observe func(key string)
}

// Sign returns DKIM-Signature fields, one for each selector in their order, for the
// message that r has from its offset 0 to its end. They are to be put on top of it. The
// error is ErrSign, that of a key, or that of r.
func Sign(ctx context.Context, log *slog.Logger, o SignOptions, selectors []Selector, r io.ReaderAt) (string, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if o.Domain.IsZero() {
		return "", fmt.Errorf("%w: no domain", ErrSign)
	}
	if !o.Identity.IsZero() && !below(o.Identity.Domain, o.Domain) {
		return "", fmt.Errorf("%w: identity is not of the domain", ErrSign)
	}
	m, err := ReadMessage(r, o.MaxHeader)
	if err != nil {
		return "", err
	}
	if err := m.Signable(); err != nil {
		return "", err
	}
	var formats []BodyFormat
	for _, s := range selectors {
		formats = append(formats, s.BodyFormat())
	}
	digests, err := m.HashBody(formats)
	if err != nil {
		return "", err
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	var b strings.Builder
	for _, s := range selectors {
		field, err := o.sign(m, s, digests[s.BodyFormat()], now())
		if err != nil {
			return "", fmt.Errorf("selector %s: %w", s.Name.Name(), err)
		}
		b.WriteString(field)
		if o.Observe != nil {
			key, _, _ := strings.Cut(s.Algorithm(), "-")
			o.Observe(key)
		}
		log.DebugContext(ctx, "message signed", "domain", o.Domain, "selector", s.Name, "algorithm", s.Algorithm())
	}
	return b.String(), nil
}

// Signable returns ErrSign for a message without From field, and for one that does not
// begin with a field, on top of which no other can be put.
func (m *Message) Signable() error {
	// RFC 6376 5.4.
	if m.Count("From") == 0 {
		return fmt.Errorf("%w: no From field", ErrSign)
	}
	if m.odd {
		return fmt.Errorf("%w: does not begin with a header field", ErrSign)
	}
	return nil
}

func (o SignOptions) sign(m *Message, s Selector, body BodyDigest, now time.Time) (string, error) {
	headers := s.SignedHeaders(m)
	if (&Signature{SignedHeaders: headers}).Signed("From") == 0 {
		return "", fmt.Errorf("%w: From is not among the fields to sign", ErrSign)
	}
	tags := Tags{{"v", "1"}}
	tags = append(tags, s.Tags(o.Domain, o.UTF8)...)
	if !o.Identity.IsZero() {
		tags = append(tags, Tag{"i", encodeQP(o.Identity.Localpart.String(), o.UTF8) + "@" + o.Identity.Domain.XName(o.UTF8)})
	}
	return s.SignField(m, "DKIM-Signature", append(tags, s.TimeTags(now)...), headers, body)
}

// Algorithm is what the selector signs with, "" if its key is of another type.
func (s Selector) Algorithm() string {
	if s.Key == nil {
		return ""
	}
	switch s.Key.Public().(type) {
	case *rsa.PublicKey:
		return RSASHA256
	case ed25519.PublicKey:
		return Ed25519SHA256
	}
	return ""
}

func (s Selector) header() Canonicalization { return cmp.Or(s.HeaderCanonicalization, Relaxed) }

// BodyFormat is the form of the body that the selector signs.
func (s Selector) BodyFormat() BodyFormat {
	return BodyFormat{cmp.Or(s.BodyCanonicalization, Relaxed), -1}
}

// SignedHeaders returns the names for h=, for a message.
func (s Selector) SignedHeaders(m *Message) []string {
	names := s.Headers
	if names == nil {
		names = DefaultHeaders()
	}
	var l []string
	seen := map[string]bool{}
	for _, name := range names {
		if lower := strings.ToLower(name); seen[lower] {
			continue
		} else {
			seen[lower] = true
		}
		for range m.Count(name) {
			l = append(l, name)
		}
		// RFC 6376 5.4: once more than there are, and no more can be added.
		if s.Seal {
			l = append(l, name)
		}
	}
	return l
}

// Tags returns the tags a, c, d and s.
func (s Selector) Tags(domain dns.Domain, utf8 bool) Tags {
	c := string(s.header()) + "/" + string(s.BodyFormat().Canonicalization)
	return Tags{{"a", s.Algorithm()}, {"c", c}, {"d", domain.XName(utf8)}, {"s", s.Name.XName(utf8)}}
}

// TimeTags returns the tags t and, with an Expiration, x.
func (s Selector) TimeTags(now time.Time) Tags {
	tags := Tags{{"t", strconv.FormatInt(now.Unix(), 10)}}
	if s.Expiration > 0 {
		// RFC 6376 3.5: x= is greater than t=.
		expires := max(now.Add(s.Expiration).Unix(), now.Unix()+1)
		tags = append(tags, Tag{"x", strconv.FormatInt(expires, 10)})
	}
	return tags
}

// SignField returns a signature field with the tags, h=, bh= and b=.
func (s Selector) SignField(m *Message, name string, tags Tags, headers []string, body BodyDigest) (string, error) {
	tags = append(tags, Tag{"h", strings.Join(headers, ":")}, Tag{"bh", base64.StdEncoding.EncodeToString(body.Sum[:])}, Tag{"b", ""})
	field := FormatField(name, tags)
	digest := m.HeaderDigest(&Signature{HeaderCanonicalization: s.header(), SignedHeaders: headers}, []byte(field))
	signature, err := s.SignDigest(digest)
	if err != nil {
		return "", err
	}
	return FormatSignature(field, signature), nil
}

// SignDigest signs a SHA-256. The error is ErrSign for a key that must not be used, or
// that of the key.
func (s Selector) SignDigest(digest [32]byte) ([]byte, error) {
	if s.Key == nil {
		return nil, fmt.Errorf("%w: no key", ErrSign)
	}
	var opts crypto.Hash
	switch key := s.Key.Public().(type) {
	case *rsa.PublicKey:
		// RFC 8301 3.2.
		if bits := key.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("%w: RSA key has %d bits, must have %d", ErrSign, bits, minRSABits)
		}
		opts = crypto.SHA256
	case ed25519.PublicKey:
		// RFC 8463 3: the hash is the message, which Ed25519 hashes on its own.
	default:
		return nil, fmt.Errorf("%w: key of type %T", ErrSign, key)
	}
	signature, err := s.Key.Sign(rand.Reader, digest[:], opts)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return signature, nil
}
