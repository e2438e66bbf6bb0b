package sasl

import (
	"crypto/hmac"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Client is the client's side of one authentication.
type Client interface {
	// Start returns the initial response; nil if the mechanism has none, and then the
	// server speaks first.
	Start() ([]byte, error)
	// Next answers a challenge. After an error, cancel the exchange.
	Next(challenge []byte) ([]byte, error)
	// Complete tells whether the exchange is such that a success which the server now
	// reports can be believed: with SCRAM, the server has proved that it knows the
	// secret.
	Complete() bool
}

// Credentials are what a client authenticates with.
type Credentials struct {
	Authzid  string // usually empty
	Authcid  string
	Password string // or bearer token
	// Host and Port are where the connection leads, for OAUTHBEARER; zero: not said.
	Host string
	Port int
	// TLS is the state of the connection, nil without TLS.
	TLS *tls.ConnectionState
	// PlusOffered: the server offers a SCRAM mechanism with channel binding.
	PlusOffered bool

	nonce string // for test vectors
}

// preferred are the mechanisms from best to worst.
var preferred = []string{ScramSHA256Plus, ScramSHA256, ScramSHA1Plus, ScramSHA1, CRAMMD5, Plain, Login}

// Choose returns the best mechanism that the server offers, in upper case, for a
// client with a password; empty if there is none. PLAIN and LOGIN, which give the
// password away, are chosen with TLS only.
func Choose(offered []string, tls *tls.ConnectionState) string {
	for _, m := range preferred {
		if !slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, m) }) {
			continue
		}
		if (m == Plain || m == Login) && tls == nil || strings.HasSuffix(m, "-PLUS") && !CanBind(tls) {
			continue
		}
		return m
	}
	return ""
}

// NewClient returns the client's side of mech, a name in upper case.
func NewClient(mech string, c Credentials) (Client, error) {
	switch mech {
	case Plain:
		return &plainClient{c: c}, nil
	case Login:
		return &loginClient{c: c}, nil
	case CRAMMD5:
		return &cramClient{c: c}, nil
	case External:
		return &externalClient{c: c}, nil
	case OAuthBearer, XOAuth2:
		return &bearerClient{c: c, x: mech == XOAuth2}, nil
	case ScramSHA1, ScramSHA256:
		return newScramClient(mech, false, c)
	case ScramSHA1Plus, ScramSHA256Plus:
		return newScramClient(strings.TrimSuffix(mech, "-PLUS"), true, c)
	}
	return nil, ErrUnsupported
}

type plainClient struct {
	c    Credentials
	sent bool
}

func (p *plainClient) Start() ([]byte, error) {
	p.sent = true
	return []byte(p.c.Authzid + "\x00" + p.c.Authcid + "\x00" + p.c.Password), nil
}

func (p *plainClient) Next(challenge []byte) ([]byte, error) {
	// Where the protocol has no initial response, it is sent for an empty challenge.
	if p.sent || len(challenge) > 0 {
		return nil, protocolError("challenge with PLAIN")
	}
	return p.Start()
}

func (p *plainClient) Complete() bool { return p.sent }

type loginClient struct {
	c Credentials
	n int
}

func (l *loginClient) Start() ([]byte, error) { return nil, nil }

func (l *loginClient) Next([]byte) ([]byte, error) {
	l.n++
	switch l.n {
	case 1:
		return []byte(l.c.Authcid), nil
	case 2:
		return []byte(l.c.Password), nil
	}
	return nil, protocolError("challenge with LOGIN")
}

func (l *loginClient) Complete() bool { return l.n == 2 }

type externalClient struct {
	c    Credentials
	sent bool
}

func (e *externalClient) Start() ([]byte, error) {
	e.sent = true
	return append([]byte{}, e.c.Authzid...), nil
}

func (e *externalClient) Next(challenge []byte) ([]byte, error) {
	if e.sent || len(challenge) > 0 {
		return nil, protocolError("challenge with EXTERNAL")
	}
	return e.Start()
}

func (e *externalClient) Complete() bool { return e.sent }

type cramClient struct {
	c    Credentials
	done bool
}

func (c *cramClient) Start() ([]byte, error) { return nil, nil }

func (c *cramClient) Next(challenge []byte) ([]byte, error) {
	if c.done {
		return nil, protocolError("challenge with CRAM-MD5")
	}
	if len(challenge) > maxMessage {
		return nil, protocolError("message too long")
	}
	state, err := DeriveCRAMMD5(c.c.Password)
	if err != nil {
		return nil, err
	}
	digest, err := state.digest(challenge)
	if err != nil {
		return nil, err
	}
	c.done = true
	return []byte(c.c.Authcid + " " + hex.EncodeToString(digest)), nil
}

func (c *cramClient) Complete() bool { return c.done }

type scramClient struct {
	c        Credentials
	mech     string
	gs2      string
	bind     []byte
	nonce    string
	bare     string
	state    int
	expected []byte // server's signature
}

func newScramClient(mech string, plus bool, c Credentials) (Client, error) {
	flag := "n"
	var bind []byte
	switch {
	case plus:
		typ, data, err := clientBinding(c.TLS)
		if err != nil {
			return nil, err
		}
		flag, bind = "p="+typ, data
	case !c.PlusOffered && CanBind(c.TLS):
		flag = "y"
	}
	s := &scramClient{c: c, mech: mech, bind: bind, nonce: c.nonce}
	if s.nonce == "" {
		s.nonce = nonce()
	}
	s.gs2 = flag + ","
	if c.Authzid != "" {
		s.gs2 += "a=" + escapeName(c.Authzid)
	}
	s.gs2 += ","
	return s, nil
}

// clientBinding chooses the type of channel binding: RFC 9266 4.2 has tls-exporter as
// the default with TLS 1.3.
func clientBinding(cs *tls.ConnectionState) (string, []byte, error) {
	if cs == nil {
		return "", nil, ErrUnsupported
	}
	types := []string{bindExporter}
	if cs.Version < tls.VersionTLS13 {
		types = []string{bindUnique, bindExporter}
	}
	var err error
	for _, typ := range types {
		var data []byte
		if data, err = bindingData(typ, cs, nil); err == nil {
			return typ, data, nil
		}
	}
	return "", nil, err
}

func (s *scramClient) Start() ([]byte, error) {
	name, err := NormalizeName(s.c.Authcid)
	if err != nil {
		return nil, err
	}
	s.bare = "n=" + escapeName(name) + ",r=" + s.nonce
	s.state = 1
	return []byte(s.gs2 + s.bare), nil
}

func (s *scramClient) Next(challenge []byte) ([]byte, error) {
	if err := checkMessage(challenge); err != nil {
		return nil, err
	}
	switch s.state {
	case 0:
		if len(challenge) > 0 {
			return nil, protocolError("challenge before client-first-message")
		}
		return s.Start()
	case 1:
		s.state = 2
		return s.final(string(challenge))
	case 2:
		s.state = 3
		return []byte{}, s.verify(string(challenge))
	}
	return nil, protocolError("challenge after the exchange")
}

func (s *scramClient) Complete() bool { return s.state == 3 }

// final takes server-first-message and returns client-final-message.
func (s *scramClient) final(serverFirst string) ([]byte, error) {
	f := strings.Split(serverFirst, ",")
	if len(f) < 3 || !strings.HasPrefix(f[0], "r=") || !strings.HasPrefix(f[1], "s=") || !strings.HasPrefix(f[2], "i=") {
		return nil, protocolError("server-first-message")
	}
	full := f[0][2:]
	// RFC 5802 5.1: the server's nonce begins with ours and adds to it.
	if !strings.HasPrefix(full, s.nonce) || len(full) == len(s.nonce) || !validNonce(full) {
		return nil, protocolError("server nonce")
	}
	salt, err := base64.StdEncoding.DecodeString(f[1][2:])
	if err != nil || len(salt) == 0 || len(salt) > maxSalt {
		return nil, protocolError("salt")
	}
	iterations, err := strconv.Atoi(f[2][2:])
	if err != nil || iterations < minIterations || iterations > maxIterations {
		return nil, protocolError("iteration count")
	}
	salted, err := saltedPassword(s.mech, s.c.Password, salt, iterations)
	if err != nil {
		return nil, err
	}
	h := hashes[s.mech]
	withoutProof := "c=" + b64(append([]byte(s.gs2), s.bind...)) + ",r=" + full
	authMessage := s.bare + "," + serverFirst + "," + withoutProof
	clientKey := mac(h, salted, "Client Key")
	proof := make([]byte, len(clientKey))
	subtle.XORBytes(proof, clientKey, mac(h, sum(h, clientKey), authMessage))
	s.expected = mac(h, mac(h, salted, "Server Key"), authMessage)
	return []byte(withoutProof + ",p=" + b64(proof)), nil
}

// verify takes server-final-message.
func (s *scramClient) verify(msg string) error {
	attr, _, _ := strings.Cut(msg, ",")
	if v, ok := strings.CutPrefix(attr, "e="); ok {
		s.state = 4
		return fmt.Errorf("%w: %q", ErrCredentials, v)
	}
	v, ok := strings.CutPrefix(attr, "v=")
	got, err := base64.StdEncoding.DecodeString(v)
	if !ok || err != nil || !hmac.Equal(got, s.expected) {
		s.state = 4
		return ErrServer
	}
	return nil
}
