package dkim

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"mox/dns"
)

// Options are for verifying. The zero value is what servers use.
type Options struct {
	// MaxSignatures is how many signatures are verified, from the top. Default 10.
	MaxSignatures int
	// MaxHeader is how large a header may be, in bytes. Default DefaultMaxHeader.
	MaxHeader int
	// Timeout is for the lookup of all keys. Default 15 seconds.
	Timeout time.Duration
	// ClockSkew is how far in the future a signature may be. Default 10 minutes.
	ClockSkew time.Duration
	// Service is what keys must be for (RFC 6376 3.6.1, s=): "email", the default, or another
	// such as "tlsrpt" (RFC 8460 3).
	Service string
	// Now is the clock, nil for time.Now.
	Now func() time.Time
	// Observe, if set, is called for each signature, with the algorithm ("" if not known)
	// and how long it took.
	Observe func(algorithm string, status Status, took time.Duration)
}

func (o Options) withDefaults() Options {
	o.MaxSignatures = cmp.Or(o.MaxSignatures, 10)
	o.MaxHeader = cmp.Or(o.MaxHeader, DefaultMaxHeader)
	o.Timeout = cmp.Or(o.Timeout, 15*time.Second)
	o.ClockSkew = cmp.Or(o.ClockSkew, 10*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Result is the outcome for one signature.
type Result struct {
	Status Status
	// Signature is nil if it could not be parsed.
	Signature *Signature
	// Record is the key record that was used, nil if there was none.
	Record *Record
	// Authentic: the key record was vouched for by DNSSEC.
	Authentic bool
	// Testing: the domain only tries DKIM out. The status is as it would be without; who
	// decides by it must take the message as unsigned (RFC 6376 3.6.1).
	Testing bool
	// BodyPartial: the signature verified for the start of the body only. The status is
	// policy.
	BodyPartial bool
	// FromSigned and SubjectSigned: all of these fields that the message has are signed.
	// They say something only if the signature verified.
	FromSigned, SubjectSigned bool
	// Err says why the status is not pass.
	Err error
}

// Domain is d= of the signature, zero if it was not understood.
func (r Result) Domain() dns.Domain {
	if r.Signature == nil {
		return dns.Domain{}
	}
	return r.Signature.Domain
}

// Verify checks the signatures of the message that r has from its offset 0 to its end,
// and returns a result for each DKIM-Signature field, in their order. There is none for a
// message that is not signed. The error is for a message that could not be read, or
// whose header is too large.
func Verify(ctx context.Context, log *slog.Logger, resolver dns.Resolver, o Options, r io.ReaderAt) ([]Result, error) {
	o = o.withDefaults()
	start := o.Now()
	m, err := ReadMessage(r, o.MaxHeader)
	if err != nil {
		return nil, err
	}
	fields := m.Named("DKIM-Signature")
	if len(fields) == 0 {
		return nil, nil
	}
	keys := NewLookups(ctx, log, resolver, o.Timeout)
	defer keys.Close()
	results := make([]Result, len(fields))
	var formats []BodyFormat
	for i, f := range fields {
		res := &results[i]
		if i >= o.MaxSignatures {
			res.Err = ErrTooMany
			continue
		}
		res.Signature, res.Err = ParseSignature(signatureValue(f.Raw()), KindDKIM)
		if res.Err == nil {
			res.Err = res.Signature.CheckTimes(start, o.ClockSkew)
		}
		if res.Err == nil {
			keys.Start(res.Signature)
			formats = append(formats, res.Signature.BodyFormat())
		}
	}
	digests, err := m.HashBody(formats)
	if err != nil {
		return nil, err
	}
	for i := range results {
		res := &results[i]
		if res.Err == nil {
			res.verify(m, fields[i].Raw(), keys, digests, o.Service)
		}
		res.Status = StatusOf(res.Err)
		o.report(ctx, log, res, start)
	}
	return results, nil
}

// verify follows RFC 6376 6.1.2 and 6.1.3, the body hash being there.
func (r *Result) verify(m *Message, raw []byte, keys *Lookups, digests map[BodyFormat]BodyDigest, service string) {
	s := r.Signature
	key := keys.Key(s)
	key.Service = service
	r.Authentic = key.Authentic
	r.FromSigned = s.Signed("From") >= m.Count("From")
	r.SubjectSigned = s.Signed("Subject") >= m.Count("Subject")
	r.Record, r.Err = s.Check(m.HeaderDigest(s, raw), key)
	r.Testing = r.Record != nil && r.Record.Testing()
	if r.Err != nil {
		return
	}
	r.Err = s.CheckBody(digests)
	r.BodyPartial = errors.Is(r.Err, ErrBodyPartial)
	// RFC 6376 8.15: a From on top of the signed one is what readers see.
	if r.Err == nil && !r.FromSigned {
		r.Err = ErrFromExtra
	}
}

func (o Options) report(ctx context.Context, log *slog.Logger, r *Result, start time.Time) {
	algorithm, selector := "", dns.Domain{}
	if r.Signature != nil {
		algorithm, selector = r.Signature.Algorithm, r.Signature.Selector
	}
	took := o.Now().Sub(start)
	if o.Observe != nil {
		if algorithm != RSASHA256 && algorithm != Ed25519SHA256 && algorithm != "rsa-sha1" {
			algorithm = "" // no labels of others' making
		}
		o.Observe(algorithm, r.Status, took)
	}
	log.DebugContext(ctx, "dkim signature verified", "domain", r.Domain(), "selector", selector, "algorithm", algorithm,
		"status", string(r.Status), "testing", r.Testing, "duration", took, "err", r.Err)
}

// CheckTimes tells whether a signature is expired or too far in the future.
func (s *Signature) CheckTimes(now time.Time, skew time.Duration) error {
	if s.ExpireTime >= 0 && now.Unix() > s.ExpireTime {
		return ErrExpired
	}
	if s.SignTime >= 0 && s.SignTime > now.Add(skew).Unix() {
		return ErrFuture
	}
	return nil
}

// signatureValue is the value of a field as it is, folding included.
func signatureValue(raw []byte) string {
	for i, c := range raw {
		if c == ':' {
			return string(raw[i+1:])
		}
	}
	return ""
}
