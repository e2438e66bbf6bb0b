package sasl

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Mechanism names (IANA), and the SCRAM names without "-PLUS" that a Backend is asked
// with.
const (
	External        = "EXTERNAL"
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS"
	ScramSHA256     = "SCRAM-SHA-256"
	ScramSHA1Plus   = "SCRAM-SHA-1-PLUS"
	ScramSHA1       = "SCRAM-SHA-1"
	CRAMMD5         = "CRAM-MD5"
	Plain           = "PLAIN"
	Login           = "LOGIN"
	OAuthBearer     = "OAUTHBEARER" // client side only
	XOAuth2         = "XOAUTH2"     // likewise
)

// Errors. Those of a Backend are passed on as they are.
var (
	// ErrUnsupported: the mechanism is unknown, or not possible on this connection.
	ErrUnsupported = errors.New("mechanism not supported")
	// ErrProtocol: the peer's message is not of the mechanism. Errors wrap it.
	ErrProtocol = errors.New("malformed authentication exchange")
	// ErrCredentials: the proof that the client gave is wrong. It does not tell
	// whether the user exists.
	ErrCredentials = errors.New("bad credentials")
	// ErrChannelBinding: client and server do not see the same TLS connection, or the
	// client was made to believe that the server cannot bind to it.
	ErrChannelBinding = errors.New("channel binding failed")
	// ErrServer: to a client, the server failed to prove that it knows the secret.
	ErrServer = errors.New("server not authenticated")
)

// maxMessage is the most octets of a message of the peer.
const maxMessage = 8 << 10

// maxName is the most octets of an identity.
const maxName = 1 << 10

// SCRAMVerifier is what is stored for SCRAM (RFC 5802 3).
type SCRAMVerifier struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// CRAMMD5State is what is stored for CRAM-MD5: the states of MD5 after the inner and
// the outer padded key, as [encoding.BinaryMarshaler] of crypto/md5 gives them.
type CRAMMD5State struct {
	Inner, Outer []byte
}

// Backend answers for the secrets that are stored. Its errors must not tell whether a
// user exists. authcid is normalized with [NormalizeName].
type Backend interface {
	// Password checks a password, for PLAIN and LOGIN.
	Password(ctx context.Context, authcid, password string) error
	// SCRAM returns the verifier for mech, ScramSHA256 or ScramSHA1. For an unknown
	// user it returns one that stays the same; see [FakeVerifier].
	SCRAM(ctx context.Context, mech, authcid string) (SCRAMVerifier, error)
	// CRAMMD5 returns the state for CRAM-MD5.
	CRAMMD5(ctx context.Context, authcid string) (CRAMMD5State, error)
	// External checks that the client's TLS certificate allows authzid, which is empty
	// when the client leaves it to the server.
	External(ctx context.Context, authzid string) error
}

// Server is the server's side of one authentication.
type Server interface {
	// Next takes a response of the client and returns the next challenge, or that the
	// client is authenticated, and then there is no challenge. The first response is
	// nil when the client sent no initial response; an empty one is not nil. After an
	// error the exchange is over.
	Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error)
	// Authcid returns the authentication identity as far as known, also after an error.
	Authcid() string
	// Authzid returns the authorization identity, empty when the client named none.
	Authzid() string
}

// Config makes Servers.
type Config struct {
	Backend Backend
	// TLS is the state of the connection; nil without TLS, and then no mechanism with
	// channel binding is possible.
	TLS *tls.ConnectionState
	// Certificate is the server's certificate on this connection, in DER. With it,
	// channel bindings of type tls-server-end-point are possible too.
	Certificate []byte
	// Hostname is part of the challenge of CRAM-MD5.
	Hostname string

	nonce string // for test vectors
}

// NewServer returns the server's side of mech, a name in upper case. tls is nil
// without TLS.
func NewServer(mech string, b Backend, tls *tls.ConnectionState, hostname string) (Server, error) {
	return Config{Backend: b, TLS: tls, Hostname: hostname}.NewServer(mech)
}

var servers = map[string]func(c Config) Server{
	Plain:           func(c Config) Server { return &plainServer{b: c.Backend} },
	Login:           func(c Config) Server { return &loginServer{b: c.Backend} },
	CRAMMD5:         func(c Config) Server { return &cramServer{b: c.Backend, hostname: c.Hostname, challenge: c.nonce} },
	External:        func(c Config) Server { return &externalServer{b: c.Backend} },
	ScramSHA1:       func(c Config) Server { return newScramServer(c, ScramSHA1, false) },
	ScramSHA1Plus:   func(c Config) Server { return newScramServer(c, ScramSHA1, true) },
	ScramSHA256:     func(c Config) Server { return newScramServer(c, ScramSHA256, false) },
	ScramSHA256Plus: func(c Config) Server { return newScramServer(c, ScramSHA256, true) },
}

// NewServer returns the server's side of mech, a name in upper case. It fails with
// ErrUnsupported only.
func (c Config) NewServer(mech string) (Server, error) {
	newServer, ok := servers[mech]
	if !ok {
		return nil, fmt.Errorf("%w: unknown", ErrUnsupported)
	}
	plus := mech == ScramSHA1Plus || mech == ScramSHA256Plus
	if plus && !CanBind(c.TLS) {
		return nil, fmt.Errorf("%w: no channel to bind to", ErrUnsupported)
	}
	if mech == External && c.TLS == nil {
		return nil, fmt.Errorf("%w: no TLS", ErrUnsupported)
	}
	return newServer(c), nil
}

// identity is what all servers know about the client.
type identity struct {
	authcid, authzid string
}

func (i *identity) Authcid() string { return i.authcid }
func (i *identity) Authzid() string { return i.authzid }

// set normalizes and keeps the identities.
func (i *identity) set(authzid, authcid string) error {
	var err error
	if i.authcid, err = NormalizeName(authcid); err != nil {
		return err
	}
	if authzid != "" {
		i.authzid, err = NormalizeName(authzid)
	}
	return err
}

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

func checkMessage(b []byte) error {
	if len(b) > maxMessage {
		return protocolError("message too long")
	}
	if !utf8.Valid(b) {
		return protocolError("invalid UTF-8")
	}
	return nil
}

// nonce returns n random octets, encoded for use in a message.
func nonce() string { return rand.Text() }
