package smtpclient

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mox/mlog"
	"mox/sasl"
	"mox/smtp"
)

// maxAuthLine is the most octets of an AUTH command, without CRLF. RFC 4954 4: a longer
// initial response must wait for a challenge.
const maxAuthLine = 510

// authenticate is AUTH (RFC 4954).
func (c *Client) authenticate(ctx context.Context) error {
	c.level = mlog.LevelTraceauth
	defer func() { c.level = mlog.LevelTrace }()
	mech, client, err := c.o.Auth(c.ext.Auth, c.tls)
	if err != nil {
		return authError(err)
	} else if client == nil {
		return nil
	}
	initial, err := client.Start()
	if err != nil {
		return authError(err)
	}
	line := smtp.Auth{Mechanism: mech, Initial: initial}.String()
	if len(line) > maxAuthLine {
		line = smtp.Auth{Mechanism: mech}.String()
	} else {
		initial = nil
	}
	r, err := c.authStep(ctx, line)
	for err == nil && r.Code/100 == 3 {
		var response []byte
		response, err = answer(client, r, &initial)
		if err != nil {
			// RFC 4954 4: the exchange is cancelled.
			c.authStep(ctx, "*")
			return authError(err)
		}
		r, err = c.authStep(ctx, base64.StdEncoding.EncodeToString(response))
	}
	if err != nil {
		return explained(err, client)
	}
	// With SCRAM, a server that has not shown that it knows the password is another one.
	if !client.Complete() {
		return c.fail(ctx, "AUTH", fmt.Errorf("%w: success before the exchange was complete", sasl.ErrServer))
	}
	return nil
}

// explained adds what the mechanism was told about a refusal.
func explained(err error, client sasl.Client) error {
	x, ok := client.(sasl.Explainer)
	if !ok || x.Problem() == nil {
		return err
	}
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	c := *e
	c.Text = strings.TrimSpace(c.Text + " (" + printable(x.Problem().Error()) + ")")
	return &c
}

// answer gives the response to a challenge. An initial response that was too long for
// the command is the first.
func answer(client sasl.Client, r smtp.Reply, initial *[]byte) ([]byte, error) {
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Lines[0]))
	if first := *initial; first != nil {
		*initial = nil
		return first, nil
	}
	// Servers may put text where a mechanism has no challenge.
	if err != nil {
		challenge = []byte(r.Lines[0])
	}
	return client.Next(challenge)
}

// authStep sends a line of an authentication and reads the reply, 2xx or 334.
func (c *Client) authStep(ctx context.Context, line string) (smtp.Reply, error) {
	r, err := c.exchange(ctx, "AUTH", line)
	if err != nil || r.Code == 334 {
		return r, err
	}
	return c.check(ctx, "AUTH", r, 2)
}

func authError(err error) *Error {
	return &Error{Enhanced: "4.7.0", Verb: "AUTH", Err: fmt.Errorf("%w: %w", ErrAuth, err)}
}

// Login authenticates with a name and password, or with Mechanisms that name OAUTHBEARER or
// XOAUTH2 with a token.
type Login struct {
	Username, Password string
	// Mechanisms are those to use, in upper case, the best first; empty: any for
	// passwords that package sasl has, the best that the server offers.
	Mechanisms []string
	// Host and Port are where the connection leads, for OAUTHBEARER; zero: not said.
	Host string
	Port int
	// Cleartext allows PLAIN and LOGIN, which give the password away, and tokens, without TLS.
	Cleartext bool
}

// ErrNoMechanism: the server offers no mechanism that may be used.
var ErrNoMechanism = errors.New("server offers no authentication mechanism that may be used")

// Auth is for Options.Auth.
func (l Login) Auth(offered []string, cs *tls.ConnectionState) (string, sasl.Client, error) {
	mech := l.choose(offered, cs)
	if mech == "" {
		return "", nil, fmt.Errorf("%w: offered: %s", ErrNoMechanism, strings.Join(offered, ", "))
	}
	plus := slices.ContainsFunc(offered, func(m string) bool { return strings.HasSuffix(m, "-PLUS") })
	client, err := sasl.NewClient(mech, sasl.Credentials{Authcid: l.Username, Password: l.Password, Host: l.Host, Port: l.Port, TLS: cs, PlusOffered: plus})
	return mech, client, err
}

func (l Login) choose(offered []string, cs *tls.ConnectionState) string {
	want := l.Mechanisms
	if len(want) == 0 {
		want = []string{sasl.ScramSHA256Plus, sasl.ScramSHA256, sasl.ScramSHA1Plus, sasl.ScramSHA1, sasl.CRAMMD5, sasl.Plain, sasl.Login}
	}
	for _, m := range want {
		gives := m == sasl.Plain || m == sasl.Login || m == sasl.OAuthBearer || m == sasl.XOAuth2
		if !slices.Contains(offered, m) || gives && cs == nil && !l.Cleartext || strings.HasSuffix(m, "-PLUS") && !sasl.CanBind(cs) {
			continue
		}
		return m
	}
	return ""
}
