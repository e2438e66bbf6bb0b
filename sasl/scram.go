package sasl

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

var hashes = map[string]func() hash.Hash{ScramSHA1: sha1.New, ScramSHA256: sha256.New}

// Bounds of a salt and of the iteration count that a client accepts: a hostile server
// must not be able to keep it busy.
const (
	maxSalt       = 1 << 10
	maxIterations = 2_000_000
	// minIterations is RFC 5802 5.1 and RFC 7677 4.
	minIterations = 4096
	maxNonce      = 1 << 10
)

// DeriveSCRAM returns what is stored of a password for mech, ScramSHA1 or
// ScramSHA256 (RFC 5802 3).
func DeriveSCRAM(mech, password string, salt []byte, iterations int) (SCRAMVerifier, error) {
	salted, err := saltedPassword(mech, password, salt, iterations)
	if err != nil {
		return SCRAMVerifier{}, err
	}
	h := hashes[mech]
	return SCRAMVerifier{
		Salt:       salt,
		Iterations: iterations,
		StoredKey:  sum(h, mac(h, salted, "Client Key")),
		ServerKey:  mac(h, salted, "Server Key"),
	}, nil
}

func saltedPassword(mech, password string, salt []byte, iterations int) ([]byte, error) {
	h, ok := hashes[mech]
	if !ok {
		return nil, ErrUnsupported
	}
	b, err := pbkdf2.Key(h, NormalizePassword(password), salt, iterations, h().Size())
	if err != nil {
		return nil, fmt.Errorf("deriving scram key: %w", err)
	}
	return b, nil
}

// FakeVerifier returns a verifier that no password fits, the same for each name as
// long as secret is the same: so that an unknown user looks like one that exists. The
// salt has 16 octets.
func FakeVerifier(secret []byte, mech, authcid string, iterations int) SCRAMVerifier {
	h := hashes[mech]
	if h == nil {
		h = sha256.New
	}
	part := func(label string) []byte { return mac(h, secret, label+"\x00"+mech+"\x00"+authcid) }
	return SCRAMVerifier{Salt: part("salt")[:16], Iterations: iterations, StoredKey: part("stored"), ServerKey: part("server")}
}

func mac(h func() hash.Hash, key []byte, s string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(s))
	return m.Sum(nil)
}

func sum(h func() hash.Hash, b []byte) []byte {
	w := h()
	w.Write(b)
	return w.Sum(nil)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// scramServer is SCRAM, RFC 5802, with the states first, final and end.
type scramServer struct {
	identity
	c    Config
	mech string // without -PLUS
	plus bool

	state       int
	verifier    SCRAMVerifier
	gs2         string // gs2-header
	bindType    string // with channel binding
	nonce       string
	clientFirst string // client-first-message-bare
	serverFirst string
}

func newScramServer(c Config, mech string, plus bool) *scramServer {
	return &scramServer{c: c, mech: mech, plus: plus}
}

func (s *scramServer) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if response == nil && s.state == 0 {
		return []byte{}, false, nil
	}
	if err := checkMessage(response); err != nil {
		return nil, false, err
	}
	s.state++
	switch s.state {
	case 1:
		b, err := s.first(ctx, string(response))
		return b, false, err
	case 2:
		b, err := s.final(string(response))
		return b, false, err
	case 3:
		// The client acknowledges the server's signature with an empty message.
		if len(response) != 0 {
			return nil, false, protocolError("text after the exchange")
		}
		return nil, true, nil
	}
	return nil, false, protocolError("message after the exchange")
}

// first takes client-first-message and returns server-first-message.
func (s *scramServer) first(ctx context.Context, msg string) ([]byte, error) {
	bare, authzid, err := s.gs2Header(msg)
	if err != nil {
		return nil, err
	}
	s.clientFirst = bare
	attrs := strings.Split(bare, ",")
	// RFC 5802 5.1: "m=" announces an extension that must be understood, and none is.
	if len(attrs) < 2 || !strings.HasPrefix(attrs[0], "n=") || !strings.HasPrefix(attrs[1], "r=") {
		return nil, protocolError("client-first-message")
	}
	name, err := unescapeName(attrs[0][2:])
	if err != nil {
		return nil, err
	}
	if err := s.set(authzid, name); err != nil {
		return nil, err
	}
	clientNonce := attrs[1][2:]
	if !validNonce(clientNonce) {
		return nil, protocolError("client nonce")
	}
	s.verifier, err = s.c.Backend.SCRAM(ctx, s.mech, s.authcid)
	if err != nil {
		return nil, err
	}
	s.nonce = s.c.nonce
	if s.nonce == "" {
		s.nonce = nonce()
	}
	s.nonce = clientNonce + s.nonce
	s.serverFirst = "r=" + s.nonce + ",s=" + b64(s.verifier.Salt) + ",i=" + strconv.Itoa(s.verifier.Iterations)
	return []byte(s.serverFirst), nil
}

// gs2Header takes the header off msg and checks what it says about channel binding.
func (s *scramServer) gs2Header(msg string) (bare, authzid string, err error) {
	f := strings.SplitN(msg, ",", 3)
	if len(f) != 3 {
		return "", "", protocolError("gs2 header")
	}
	s.gs2 = f[0] + "," + f[1] + ","
	switch {
	case strings.HasPrefix(f[0], "p="):
		s.bindType = f[0][2:]
		if !s.plus {
			return "", "", protocolError("channel binding without -PLUS")
		}
	case f[0] != "n" && f[0] != "y":
		return "", "", protocolError("gs2 header")
	case s.plus:
		return "", "", fmt.Errorf("%w: -PLUS without channel binding", ErrChannelBinding)
	case f[0] == "y" && CanBind(s.c.TLS):
		// RFC 5802 6: the client can bind and did not see that this server can: someone
		// between took -PLUS off the list.
		return "", "", fmt.Errorf("%w: downgraded", ErrChannelBinding)
	}
	if f[1] != "" {
		if !strings.HasPrefix(f[1], "a=") {
			return "", "", protocolError("authorization identity")
		}
		if authzid, err = unescapeName(f[1][2:]); err != nil {
			return "", "", err
		}
	}
	return f[2], authzid, nil
}

// final takes client-final-message and returns server-final-message.
func (s *scramServer) final(msg string) ([]byte, error) {
	i := strings.LastIndex(msg, ",p=")
	if i < 0 {
		return nil, protocolError("client-final-message")
	}
	withoutProof := msg[:i]
	proof, err := base64.StdEncoding.DecodeString(msg[i+3:])
	if err != nil {
		return nil, protocolError("proof")
	}
	attrs := strings.Split(withoutProof, ",")
	if len(attrs) < 2 || !strings.HasPrefix(attrs[0], "c=") || !strings.HasPrefix(attrs[1], "r=") {
		return nil, protocolError("client-final-message")
	}
	if attrs[1][2:] != s.nonce {
		return nil, protocolError("nonce")
	}
	if err := s.checkBinding(attrs[0][2:]); err != nil {
		return nil, err
	}
	h := hashes[s.mech]
	authMessage := s.clientFirst + "," + s.serverFirst + "," + withoutProof
	signature := mac(h, s.verifier.StoredKey, authMessage)
	if len(proof) != len(signature) {
		return nil, protocolError("proof")
	}
	clientKey := make([]byte, len(proof))
	subtle.XORBytes(clientKey, proof, signature)
	if subtle.ConstantTimeCompare(sum(h, clientKey), s.verifier.StoredKey) != 1 {
		return nil, ErrCredentials
	}
	return []byte("v=" + b64(mac(h, s.verifier.ServerKey, authMessage))), nil
}

// checkBinding compares cbind-input with what this side sees.
func (s *scramServer) checkBinding(v string) error {
	got, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return protocolError("channel binding")
	}
	want := []byte(s.gs2)
	if s.plus {
		data, err := bindingData(s.bindType, s.c.TLS, s.c.Certificate)
		if err != nil {
			return err
		}
		want = append(want, data...)
	}
	if !bytes.Equal(got, want) {
		return ErrChannelBinding
	}
	return nil
}

func validNonce(s string) bool {
	// RFC 5802 7: printable, without comma.
	return s != "" && len(s) <= maxNonce && !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' || r == ',' })
}

// escapeName is saslname of RFC 5802 7.
func escapeName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}

func unescapeName(s string) (string, error) {
	var b strings.Builder
	for len(s) > 0 {
		i := strings.IndexByte(s, '=')
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		switch {
		case strings.HasPrefix(s[i:], "=2C"):
			b.WriteByte(',')
		case strings.HasPrefix(s[i:], "=3D"):
			b.WriteByte('=')
		default:
			return "", protocolError("bad escape in name")
		}
		s = s[i+3:]
	}
	return b.String(), nil
}
