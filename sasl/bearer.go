package sasl

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// bearerClient is OAUTHBEARER (RFC 7628), and XOAUTH2, which came before it.
type bearerClient struct {
	c       Credentials
	x       bool // XOAUTH2
	sent    bool
	refused bool
	problem error
}

func (b *bearerClient) Start() ([]byte, error) {
	// RFC 6750 2.1: b64token, so nothing that could end the field.
	if b.c.Password == "" || strings.ContainsFunc(b.c.Password, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("%w: the token is empty or not printable ASCII", ErrCredentials)
	}
	if strings.ContainsFunc(b.c.Authcid, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, fmt.Errorf("%w: control character in user name", ErrCredentials)
	}
	b.sent = true
	if b.x {
		return []byte("user=" + b.c.Authcid + "\x01auth=Bearer " + b.c.Password + "\x01\x01"), nil
	}
	// RFC 7628 3.1: the gs2-header has the user name.
	s := "n,"
	if b.c.Authcid != "" {
		s += "a=" + escapeName(b.c.Authcid)
	}
	s += ",\x01"
	if b.c.Host != "" {
		s += "host=" + b.c.Host + "\x01"
	}
	if b.c.Port != 0 {
		s += "port=" + strconv.Itoa(b.c.Port) + "\x01"
	}
	return []byte(s + "auth=Bearer " + b.c.Password + "\x01\x01"), nil
}

// Next answers the only challenge there is after the token: why it was refused. RFC 7628 3.2.3:
// with a dummy response, upon which the server fails.
func (b *bearerClient) Next(challenge []byte) ([]byte, error) {
	if !b.sent && len(challenge) == 0 {
		return b.Start()
	}
	if !b.sent || b.refused {
		return nil, protocolError("challenge with a bearer token")
	}
	if err := checkMessage(challenge); err != nil {
		return nil, err
	}
	b.refused = true
	b.problem = bearerProblem(challenge)
	if b.x {
		return []byte{}, nil
	}
	return []byte{1}, nil
}

// bearerProblem is what a server has against a token (RFC 7628 3.2.2).
func bearerProblem(challenge []byte) error {
	var e struct{ Status, Scope string }
	if json.Unmarshal(challenge, &e) != nil || e.Status == "" {
		return fmt.Errorf("%w: the server refuses the token", ErrCredentials)
	}
	s := fmt.Sprintf("the server refuses the token: %q", e.Status)
	if e.Scope != "" {
		s += fmt.Sprintf(", it wants scope %q", e.Scope)
	}
	return fmt.Errorf("%w: %s", ErrCredentials, s)
}

func (b *bearerClient) Complete() bool { return b.sent && !b.refused }

// Problem implements [Explainer].
func (b *bearerClient) Problem() error { return b.problem }

// Explainer is implemented by a Client that may know more of why it was refused than the reply
// of the server says.
type Explainer interface {
	// Problem returns that, or nil.
	Problem() error
}
