package arc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"time"

	"mox/dkim"
	"mox/dns"
)

// Options are for verifying. The zero value is what servers use.
type Options struct {
	// MaxHeader is how large a header may be, in bytes. Default dkim.DefaultMaxHeader.
	MaxHeader int
	// Timeout is for the lookup of all keys. Default 15 seconds.
	Timeout time.Duration
	// ClockSkew is how far in the future a signature may be. Default 10 minutes.
	ClockSkew time.Duration
	// Now is the clock, nil for time.Now.
	Now func() time.Time
}

// Result is the outcome for a message.
type Result struct {
	Status Status
	// Sets by instance, from 1. When the structure is not valid, what could be read of
	// them.
	Sets []Set
	// OldestPass is the lowest instance of those whose message signature, like all newer
	// ones, verifies; 0 when all do (RFC 8617 5.2 step 5). Set only with StatusPass.
	OldestPass int
	// Temporary: the chain failed because a key could not be looked up now.
	Temporary bool
	// Err says why the chain failed.
	Err error

	// highest is the highest instance of any ARC field.
	highest int
}

// Domain returns the sealing domain of the newest set, zero if there is none.
func (r Result) Domain() dns.Domain {
	if len(r.Sets) == 0 {
		return dns.Domain{}
	}
	return r.Sets[len(r.Sets)-1].Domain()
}

// Verify checks the chain of the message that r has from its offset 0 to its end. The
// error is for a message that could not be read, or whose header is too large.
func Verify(ctx context.Context, log *slog.Logger, resolver dns.Resolver, o Options, r io.ReaderAt) (Result, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.ClockSkew = cmp.Or(o.ClockSkew, 10*time.Minute)
	m, err := dkim.ReadMessage(r, o.MaxHeader)
	if err != nil {
		return Result{}, err
	}
	c := readChain(m)
	if c.count == 0 {
		return Result{Status: StatusNone}, nil
	}
	res := Result{Status: StatusFail, Sets: c.sets, highest: c.highest, Err: c.err}
	if c.err == nil {
		keys := dkim.NewLookups(ctx, log, resolver, cmp.Or(o.Timeout, 15*time.Second))
		defer keys.Close()
		v := verifier{m: m, sets: c.sets, keys: keys, o: o}
		res.OldestPass, res.Err, err = v.verify()
		if err != nil {
			return Result{}, err
		}
	}
	if res.Err == nil {
		res.Status = StatusPass
	}
	res.Temporary = errors.Is(res.Err, dkim.ErrKeyLookup)
	log.DebugContext(ctx, "arc chain verified", "status", string(res.Status), "sets", len(res.Sets), "domain", res.Domain(), "err", res.Err)
	return res, nil
}

// verifier does the cryptographic steps for a chain whose structure is valid.
type verifier struct {
	m    *dkim.Message
	sets []Set
	keys *dkim.Lookups
	o    Options
}

// verify does steps 4 to 6 of RFC 8617 5.2. The first error is why the chain failed, the
// second that of reading the message.
func (v *verifier) verify() (oldestPass int, chainErr, err error) {
	var formats []dkim.BodyFormat
	for _, s := range v.sets {
		v.keys.Start(s.Seal)
		v.keys.Start(s.MessageSignature)
		formats = append(formats, s.MessageSignature.BodyFormat())
	}
	digests, err := v.m.HashBody(formats)
	if err != nil {
		return 0, nil, err
	}
	n := len(v.sets)
	if err := v.message(&v.sets[n-1], digests); err != nil {
		return 0, fmt.Errorf("%w: instance %d: %w", ErrMessage, n, err), nil
	}
	for i := n - 1; i >= 1; i-- {
		if v.message(&v.sets[i-1], digests) != nil {
			oldestPass = i + 1
			break
		}
	}
	seals := sealDigests(v.sets)
	for i := n; i >= 1; i-- {
		if err := v.seal(&v.sets[i-1], seals[i-1]); err != nil {
			return 0, fmt.Errorf("%w: instance %d: %w", ErrSeal, i, err), nil
		}
	}
	return oldestPass, nil, nil
}

// message verifies an ARC-Message-Signature. One that leaves the end of the body open
// does not count: it could be another message.
func (v *verifier) message(s *Set, digests map[dkim.BodyFormat]dkim.BodyDigest) error {
	sig := s.MessageSignature
	if err := sig.CheckTimes(v.o.Now(), v.o.ClockSkew); err != nil {
		return err
	}
	key := v.keys.Key(sig)
	s.Authentic = key.Authentic
	if _, err := sig.Check(v.m.HeaderDigest(sig, s.rawMessage), key); err != nil {
		return err
	}
	return sig.CheckBody(digests)
}

// seal verifies an ARC-Seal.
func (v *verifier) seal(s *Set, digest [sha256.Size]byte) error {
	key := v.keys.Key(s.Seal)
	s.Authentic = s.Authentic && key.Authentic
	_, err := s.Seal.Check(digest, key)
	return err
}

// sealDigests returns for each of sets what its ARC-Seal is over (RFC 8617 5.1.1): all
// fields up to itself.
func sealDigests(sets []Set) [][sha256.Size]byte {
	sums := make([][sha256.Size]byte, len(sets))
	h := sha256.New()
	var buf []byte
	for i, s := range sets {
		buf = dkim.AppendField(buf[:0], s.rawResults, dkim.Relaxed)
		buf = dkim.AppendField(buf, s.rawMessage, dkim.Relaxed)
		h.Write(buf)
		// The SHA-256 of the standard library can always be cloned.
		last, _ := h.(hash.Cloner).Clone()
		last.Write(dkim.AppendSignatureField(buf[:0], s.rawSeal, dkim.Relaxed))
		last.Sum(sums[i][:0])
		h.Write(dkim.AppendField(buf[:0], s.rawSeal, dkim.Relaxed))
	}
	return sums
}
