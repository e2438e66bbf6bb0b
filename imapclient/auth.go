package imapclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"mox/deflate"
	"mox/imap"
	"mox/sasl"
)

// StartTLS puts TLS on the connection. tc needs a ServerName.
func (c *Client) StartTLS(ctx context.Context, tc *tls.Config) error {
	if _, err := c.run(ctx, c.command("STARTTLS"), nil); err != nil {
		return fmt.Errorf("starttls: %w", err)
	}
	defer c.bound(ctx)()
	// RFC 9051 11.3: what was sent before TLS cannot be trusted.
	tlsConn := tls.Client(c.conn.NetConn(), tc)
	if err := c.conn.Replace(tlsConn); err != nil {
		return c.fail(fmt.Errorf("starttls: %w", err))
	}
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		return c.fail(fmt.Errorf("tls handshake: %w", err))
	}
	cs := tlsConn.ConnectionState()
	c.tls, c.caps = &cs, nil
	return nil
}

// Compress compresses the connection: RFC 4978.
func (c *Client) Compress(ctx context.Context) error {
	if _, err := c.run(ctx, c.command("COMPRESS").arg("DEFLATE"), nil); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err := c.conn.Replace(deflate.New(c.conn.NetConn())); err != nil {
		return c.fail(fmt.Errorf("compress: %w", err))
	}
	return nil
}

// Unauthenticate goes back to before the login: RFC 8437.
func (c *Client) Unauthenticate(ctx context.Context) error {
	if _, err := c.run(ctx, c.command("UNAUTHENTICATE"), nil); err != nil {
		return fmt.Errorf("unauthenticate: %w", err)
	}
	if dc, ok := c.conn.NetConn().(*deflate.Conn); ok {
		dc.End()
	}
	c.utf8 = false
	return nil
}

// Login logs in with a password, by the LOGIN command.
func (c *Client) Login(ctx context.Context, username, password string) error {
	defer c.bound(ctx)()
	_, err := c.run(ctx, c.command("LOGIN").arg(username).arg(password), nil)
	return err
}

// ErrNoMechanism is returned by Authenticate when no mechanism is common to both sides.
var ErrNoMechanism = errors.New("no common authentication mechanism")

// Authenticate logs in with a SASL mechanism, the best the server offers when
// mechanism is empty. cred.TLS is filled in.
func (c *Client) Authenticate(ctx context.Context, mechanism string, cred sasl.Credentials) error {
	names, err := c.Capabilities(ctx)
	if err != nil {
		return err
	}
	var offered []string
	for _, n := range names {
		if m, ok := strings.CutPrefix(n, "AUTH="); ok {
			offered = append(offered, m)
			cred.PlusOffered = cred.PlusOffered || strings.HasSuffix(m, "-PLUS")
		}
	}
	cred.TLS = c.tls
	if mechanism == "" {
		if mechanism = sasl.Choose(offered, c.tls); mechanism == "" {
			return ErrNoMechanism
		}
	}
	s, err := sasl.NewClient(mechanism, cred)
	if err != nil {
		return fmt.Errorf("authenticating: %w", err)
	}
	return c.exchange(ctx, mechanism, s)
}

// exchange runs AUTHENTICATE.
func (c *Client) exchange(ctx context.Context, mechanism string, s sasl.Client) error {
	initial, err := s.Start()
	if err != nil {
		return fmt.Errorf("authenticating: %w", err)
	}
	defer c.bound(ctx)()
	m := c.command("AUTHENTICATE " + mechanism)
	if initial != nil && c.Has("SASL-IR") {
		m.out = appendInitial(append(m.out, ' '), initial)
		initial = nil
	}
	m.text("\r\n")
	if err := c.send(m); err != nil {
		return err
	}
	for {
		r, err := c.read()
		if err != nil {
			return err
		}
		switch r := r.(type) {
		case *imap.StatusResponse:
			if r.Tag != m.tag {
				continue
			}
			if err := statusError(r); err != nil {
				return err
			}
			if !s.Complete() {
				return c.fail(fmt.Errorf("authenticating: %w", sasl.ErrServer))
			}
			return nil
		case *imap.Continuation:
			if err := c.answer(s, r.Text, &initial); err != nil {
				return err
			}
		}
	}
}

func appendInitial(b, initial []byte) []byte {
	if len(initial) == 0 {
		return append(b, '=')
	}
	return imap.AppendBase64(b, initial)
}

// answer sends the response to a challenge, or cancels.
func (c *Client) answer(s sasl.Client, challenge string, initial *[]byte) error {
	response := *initial
	if response != nil {
		*initial = nil
	} else {
		data, err := imap.DecodeBase64(challenge)
		if err == nil {
			response, err = s.Next(data)
		}
		if err != nil {
			if _, werr := c.conn.WriteString("*\r\n"); werr == nil {
				// The tagged BAD does not matter: the cause is returned.
				_ = c.conn.Flush()
			}
			return c.fail(fmt.Errorf("authenticating: %w", err))
		}
	}
	line := append(imap.AppendBase64(nil, response), "\r\n"...)
	if _, err := c.conn.Write(line); err != nil {
		return c.fail(err)
	}
	return c.fail(c.conn.Flush())
}

// Logout ends the session and closes the connection.
func (c *Client) Logout(ctx context.Context) error {
	_, err := c.run(ctx, c.command("LOGOUT"), nil)
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return err
}

// Enable switches extensions on and returns those that the server has enabled.
func (c *Client) Enable(ctx context.Context, names ...string) ([]string, error) {
	var enabled []string
	_, err := c.run(ctx, c.command("ENABLE "+strings.Join(names, " ")), func(r imap.Response) error {
		if e, ok := r.(*imap.Enabled); ok {
			enabled = append(enabled, e.Names...)
			return nil
		}
		c.unsolicited(r)
		return nil
	})
	for _, n := range enabled {
		if strings.EqualFold(n, "UTF8=ACCEPT") || strings.EqualFold(n, "IMAP4rev2") {
			c.utf8 = true
			c.r.SetUTF8(true)
		}
	}
	return enabled, err
}

// ID tells the server who the client is, and returns what the server says of itself.
func (c *Client) ID(ctx context.Context, fields ...imap.IDParam) ([]imap.IDParam, error) {
	m := c.command("ID ")
	if len(fields) == 0 {
		m.text("NIL")
	} else {
		m.text("(")
		for i, f := range fields {
			if i > 0 {
				m.text(" ")
			}
			m.out = imap.AppendString(m.out, f.Key, false)
			m.text(" ")
			m.out = imap.AppendString(m.out, f.Value, false)
		}
		m.text(")")
	}
	var got []imap.IDParam
	_, err := c.run(ctx, m, func(r imap.Response) error {
		if id, ok := r.(*imap.IDResponse); ok {
			got = id.Params
			return nil
		}
		c.unsolicited(r)
		return nil
	})
	return got, err
}
