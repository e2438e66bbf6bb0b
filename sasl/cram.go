package sasl

import (
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// cramServer is CRAM-MD5, RFC 2195.
type cramServer struct {
	identity
	b         Backend
	hostname  string
	challenge string
	asked     bool
}

func (s *cramServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if !s.asked {
		// RFC 4954 4: a mechanism in which the server speaks first has no initial response.
		if response != nil {
			return nil, false, protocolError("initial response with CRAM-MD5")
		}
		s.asked = true
		if s.challenge == "" {
			s.challenge = "<" + nonce() + "@" + s.hostname + ">"
		}
		return []byte(s.challenge), false, nil
	}
	if err := checkMessage(response); err != nil {
		return nil, false, err
	}
	i := strings.LastIndexByte(string(response), ' ')
	if i < 0 {
		return nil, false, protocolError("CRAM-MD5 response")
	}
	if err := s.set("", string(response[:i])); err != nil {
		return nil, false, err
	}
	digest, err := hex.DecodeString(string(response[i+1:]))
	if err != nil || len(digest) != md5.Size {
		return nil, false, protocolError("CRAM-MD5 digest")
	}
	state, err := s.b.CRAMMD5(ctx, s.authcid)
	if err != nil {
		return nil, false, err
	}
	want, err := state.digest([]byte(s.challenge))
	if err != nil {
		return nil, false, err
	}
	if subtle.ConstantTimeCompare(digest, want) != 1 {
		return nil, false, ErrCredentials
	}
	return nil, true, nil
}

// DeriveCRAMMD5 returns what is stored of a password for CRAM-MD5.
func DeriveCRAMMD5(password string) (CRAMMD5State, error) {
	key := []byte(NormalizePassword(password))
	if len(key) > md5.BlockSize {
		sum := md5.Sum(key)
		key = sum[:]
	}
	state := func(pad byte) ([]byte, error) {
		block := make([]byte, md5.BlockSize)
		copy(block, key)
		for i := range block {
			block[i] ^= pad
		}
		h := md5.New()
		h.Write(block)
		return h.(encoding.BinaryMarshaler).MarshalBinary()
	}
	inner, err := state(0x36)
	if err != nil {
		return CRAMMD5State{}, fmt.Errorf("deriving cram-md5: %w", err)
	}
	outer, err := state(0x5c)
	if err != nil {
		return CRAMMD5State{}, fmt.Errorf("deriving cram-md5: %w", err)
	}
	return CRAMMD5State{inner, outer}, nil
}

func restoreMD5(state []byte) (hash.Hash, error) {
	h := md5.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return nil, fmt.Errorf("restoring cram-md5 state: %w", err)
	}
	return h, nil
}

// digest returns HMAC-MD5 of the challenge.
func (s CRAMMD5State) digest(challenge []byte) ([]byte, error) {
	inner, err := restoreMD5(s.Inner)
	if err != nil {
		return nil, err
	}
	outer, err := restoreMD5(s.Outer)
	if err != nil {
		return nil, err
	}
	inner.Write(challenge)
	outer.Write(inner.Sum(nil))
	return outer.Sum(nil), nil
}
