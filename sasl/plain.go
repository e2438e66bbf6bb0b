package sasl

import (
	"context"
	"strings"
)

// plainServer is PLAIN, RFC 4616.
type plainServer struct {
	identity
	b Backend
}

func (s *plainServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	if err := checkMessage(response); err != nil {
		return nil, false, err
	}
	f := strings.Split(string(response), "\x00")
	if len(f) != 3 || f[2] == "" {
		return nil, false, protocolError("PLAIN message")
	}
	if err := s.set(f[0], f[1]); err != nil {
		return nil, false, err
	}
	if err := s.b.Password(ctx, s.authcid, f[2]); err != nil {
		return nil, false, err
	}
	return nil, true, nil
}

// loginServer is LOGIN, which some clients have as their only mechanism.
type loginServer struct {
	identity
	b     Backend
	asked bool
}

func (s *loginServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if response == nil && !s.asked {
		s.asked = true
		return []byte("Username:"), false, nil
	}
	s.asked = true
	if err := checkMessage(response); err != nil {
		return nil, false, err
	}
	if s.authcid == "" {
		if err := s.set("", string(response)); err != nil {
			return nil, false, err
		}
		return []byte("Password:"), false, nil
	}
	if len(response) == 0 || strings.ContainsRune(string(response), 0) {
		return nil, false, protocolError("bad password")
	}
	if err := s.b.Password(ctx, s.authcid, string(response)); err != nil {
		return nil, false, err
	}
	return nil, true, nil
}

// externalServer is EXTERNAL, RFC 4422 appendix A.
type externalServer struct {
	identity
	b Backend
}

func (s *externalServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil
	}
	if err := checkMessage(response); err != nil {
		return nil, false, err
	}
	if len(response) > 0 {
		authzid, err := NormalizeName(string(response))
		if err != nil {
			return nil, false, err
		}
		s.authzid = authzid
	}
	if err := s.b.External(ctx, s.authzid); err != nil {
		return nil, false, err
	}
	return nil, true, nil
}
