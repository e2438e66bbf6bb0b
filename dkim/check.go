package dkim

import (
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Sizes of RSA keys, in bits. RFC 8301 3.2: shorter ones count for nothing. Longer ones
// than any signer has would only take time.
const (
	minRSABits = 1024
	maxRSABits = 8192
)

// Check verifies a signature over a digest with the records of its key. It returns the
// record that verified, or else the one that the error is about, nil if there is none.
func (s *Signature) Check(digest [32]byte, key Key) (*Record, error) {
	if key.Err != nil {
		return nil, key.Err
	}
	var record *Record
	var err error = ErrNoKey
	for _, r := range key.Records {
		e := s.checkRecord(digest, r, cmp.Or(key.Service, "email"))
		if e == nil {
			return r, nil
		}
		// That a usable key did not verify says more than that another is not usable.
		if record == nil || errors.Is(e, ErrSignature) {
			record, err = r, e
		}
	}
	return record, err
}

// checkRecord follows RFC 6376 6.1.2, steps 6 to 8, and 6.1.3.
func (s *Signature) checkRecord(digest [32]byte, r *Record, service string) error {
	if len(r.Services) > 0 && !slices.Contains(r.Services, "*") && !slices.Contains(r.Services, service) {
		return ErrKeyService
	}
	if len(r.Hashes) > 0 && !slices.Contains(r.Hashes, "sha256") {
		return fmt.Errorf("%w: for %.50q only", ErrKeyHash, strings.Join(r.Hashes, ":"))
	}
	if len(r.KeyData) == 0 {
		return ErrKeyRevoked
	}
	if s.Kind == KindDKIM && r.Strict() && s.Identity.Domain != s.Domain {
		return ErrKeyStrict
	}
	if keyType, _, _ := strings.Cut(s.Algorithm, "-"); keyType != r.KeyType {
		return fmt.Errorf("%w: key type is %.20q", ErrKeyAlgorithm, r.KeyType)
	}
	switch key := r.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("%w: %d bits", ErrKeySize, bits)
		}
		if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], s.Signature); err != nil {
			return ErrSignature
		}
	case ed25519.PublicKey:
		if !ed25519.Verify(key, digest[:], s.Signature) {
			return ErrSignature
		}
	default:
		return ErrKeyAlgorithm
	}
	return nil
}

// CheckBody compares the hash of the body with that of the signature. With l= it must be
// there in full, and ErrBodyPartial says that there is more of it.
func (s *Signature) CheckBody(digests map[BodyFormat]BodyDigest) error {
	d := digests[s.BodyFormat()]
	// RFC 6376 3.5: l= must not be larger than the body.
	if s.Length > d.Length {
		return fmt.Errorf("%w: body is shorter than l", ErrBodyHash)
	}
	if string(d.Sum[:]) != string(s.BodyHash) {
		return ErrBodyHash
	}
	if s.Length >= 0 && s.Length < d.Length {
		return fmt.Errorf("%w: %d of %d bytes", ErrBodyPartial, s.Length, d.Length)
	}
	return nil
}

// BodyFormat is what of the body the signature is about.
func (s *Signature) BodyFormat() BodyFormat {
	return BodyFormat{s.BodyCanonicalization, s.Length}
}
