package imapclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"mox/imap"
	"mox/lineio"
)

// ErrBye wraps errors of a connection that the server ended with BYE.
var ErrBye = errors.New("server closed the connection")

// ErrProtocol wraps errors of servers that do not do what the protocol says.
var ErrProtocol = errors.New("unexpected response")

// Options of a [Client]. The zero value is usable.
type Options struct {
	Timeout time.Duration // for each read and write; 0: 2 minutes
	// Unsolicited is called with responses that no command asked for, and with
	// untagged OK, NO and BAD.
	Unsolicited func(r imap.Response)
	Trace       func(in bool, data []byte)
	Limits      imap.Limits // of responses; zero: imap.ReaderLimits
}

// TLSMode says how [Dial] makes a connection private.
type TLSMode uint8

// TLS modes.
const (
	Plain    TLSMode = iota // no TLS
	Implicit                // TLS from the start
	StartTLS                // STARTTLS, which must succeed
)

// Client is a connection to a server.
type Client struct {
	o     Options
	conn  *lineio.Conn
	r     *imap.ResponseReader
	tls   *tls.ConnectionState
	caps  map[string]bool // upper case; nil: not known
	tag   int
	err   error // after which the connection is of no use
	bye   string
	greet imap.StatusResponse
	utf8  bool
}

// Dial connects to a server and reads its greeting.
func Dial(ctx context.Context, addr string, mode TLSMode, tc *tls.Config, o Options) (*Client, error) {
	if tc == nil {
		tc = &tls.Config{}
	}
	if tc.ServerName == "" && !tc.InsecureSkipVerify {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("dialing: %w", err)
		}
		tc = tc.Clone()
		tc.ServerName = host
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dialing: %w", err)
	}
	if mode == Implicit {
		tlsConn := tls.Client(nc, tc)
		if err := tlsConn.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, fmt.Errorf("tls handshake: %w", err)
		}
		nc = tlsConn
	}
	c, err := New(ctx, nc, o)
	if err != nil {
		return nil, err
	}
	if mode == StartTLS {
		if err := c.StartTLS(ctx, tc); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// New makes a client of a connection and reads the greeting. It owns nc.
func New(ctx context.Context, nc net.Conn, o Options) (*Client, error) {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Minute
	}
	if o.Limits == (imap.Limits{}) {
		o.Limits = imap.ReaderLimits
	}
	c := &Client{o: o}
	c.conn = lineio.New(nc, lineio.Options{ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, ReadBuffer: 64 << 10, Trace: o.Trace})
	c.r = imap.NewResponseReader(input{c.conn})
	c.r.SetLimits(o.Limits)
	if tc, ok := nc.(*tls.Conn); ok {
		cs := tc.ConnectionState()
		c.tls = &cs
	}
	defer c.bound(ctx)()
	r, err := c.read()
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("reading greeting: %w", err)
	}
	s, ok := r.(*imap.StatusResponse)
	if !ok || s.Tag != "*" || s.Type != imap.OK && s.Type != imap.PREAUTH {
		c.Close()
		return nil, fmt.Errorf("%w: greeting", ErrProtocol)
	}
	c.greet = *s
	return c, nil
}

// input passes on lines with line ends that are not quite right.
type input struct{ *lineio.Conn }

func (in input) ReadLine(max int) ([]byte, error) {
	line, err := in.Conn.ReadLine(max)
	if errors.Is(err, lineio.ErrBareLF) || errors.Is(err, lineio.ErrBareCR) {
		err = nil
	}
	return line, err
}

// Greeting returns the server's first response: OK, or PREAUTH when login is not
// needed.
func (c *Client) Greeting() imap.StatusResponse { return c.greet }

// TLS returns the state of TLS, nil without.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// Close closes the connection without a word.
func (c *Client) Close() error {
	if c.err == nil {
		c.err = net.ErrClosed
	}
	err := c.conn.Close()
	c.conn.Release()
	return err
}

// bound makes the connection end with ctx, until the returned function is called.
func (c *Client) bound(ctx context.Context) func() {
	deadline, _ := ctx.Deadline()
	c.conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	return func() { stop() }
}

// read reads a response and notes what concerns the connection as a whole.
func (c *Client) read() (imap.Response, error) {
	r, err := c.r.Read()
	if err != nil {
		if c.bye != "" && errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: %s", ErrBye, c.bye)
		}
		c.err = err
		return nil, err
	}
	switch r := r.(type) {
	case *imap.StatusResponse:
		if r.Code == "CAPABILITY" {
			c.setCaps(strings.Fields(r.CodeArg))
		}
		if r.Type == imap.BYE {
			c.bye = r.Text
		}
	case *imap.Capability:
		c.setCaps(r.Names)
	}
	return r, nil
}

func (c *Client) setCaps(names []string) {
	c.caps = map[string]bool{}
	for _, n := range names {
		c.caps[strings.ToUpper(n)] = true
	}
}

// Has reports whether the server has announced a capability, as far as is known.
func (c *Client) Has(name string) bool { return c.caps[strings.ToUpper(name)] }

// Capabilities returns what the server offers, asking for it unless it is known.
func (c *Client) Capabilities(ctx context.Context) ([]string, error) {
	if c.caps == nil {
		if _, err := c.Do(ctx, "CAPABILITY"); err != nil {
			return nil, err
		}
	}
	names := make([]string, 0, len(c.caps))
	for n := range c.caps {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

// Result is the outcome of a command that was answered with OK.
type Result struct {
	Status   imap.StatusResponse
	Untagged []imap.Response
}

// Do sends a command given as text, without tag, and collects its responses. The text
// must not have literals.
func (c *Client) Do(ctx context.Context, command string) (*Result, error) {
	cmd := c.command(command)
	return c.collect(ctx, cmd)
}

// collect sends cmd and keeps all untagged responses.
func (c *Client) collect(ctx context.Context, cmd *command) (*Result, error) {
	res := &Result{}
	status, err := c.run(ctx, cmd, func(r imap.Response) error {
		res.Untagged = append(res.Untagged, r)
		return nil
	})
	if err != nil {
		return res, err
	}
	res.Status = *status
	return res, nil
}

// command is being sent.
type command struct {
	c   *Client
	tag string
	out []byte
	on  func(imap.Response) error
	err error
}

// command begins a command.
func (c *Client) command(name string) *command {
	c.tag++
	tag := "t" + strconv.Itoa(c.tag)
	return &command{c: c, tag: tag, out: []byte(tag + " " + name)}
}

func (m *command) text(s string) *command {
	m.out = append(m.out, s...)
	return m
}

// run sends the command and passes untagged responses to on, which may be nil, until
// the tagged response. An error of on is returned after that.
func (c *Client) run(ctx context.Context, m *command, on func(imap.Response) error) (*imap.StatusResponse, error) {
	if c.err != nil {
		return nil, c.err
	}
	defer c.bound(ctx)()
	if m.err != nil {
		return nil, m.err
	}
	m.out = append(m.out, "\r\n"...)
	if err := c.send(m); err != nil {
		return nil, err
	}
	return c.finish(m.tag, on)
}

// send writes what a command has gathered, with its literals waited for.
func (c *Client) send(m *command) error {
	if _, err := c.conn.Write(m.out); err != nil {
		return c.fail(err)
	}
	m.out = m.out[:0]
	return c.fail(c.conn.Flush())
}

func (c *Client) fail(err error) error {
	if err != nil {
		c.err = err
	}
	return err
}

// finish reads up to the tagged response.
func (c *Client) finish(tag string, on func(imap.Response) error) (*imap.StatusResponse, error) {
	var failure, limited error
	for {
		r, err := c.read()
		if err != nil {
			return nil, err
		}
		switch s := r.(type) {
		case *imap.StatusResponse:
			limited = cmp.Or(limitedError(s), limited)
			if s.Tag == tag {
				if failure != nil {
					return nil, failure
				}
				return s, cmp.Or(statusError(s), limited)
			} else if s.Tag != "*" {
				return nil, c.fail(fmt.Errorf("%w: tag %q", ErrProtocol, s.Tag))
			}
		case *imap.Continuation:
			return nil, c.fail(fmt.Errorf("%w: continuation request", ErrProtocol))
		}
		if on == nil {
			c.unsolicited(r)
		} else if err := on(r); err != nil && failure == nil {
			failure = err
		}
	}
}

func (c *Client) unsolicited(r imap.Response) {
	if c.o.Unsolicited != nil {
		c.o.Unsolicited(r)
	}
}

// statusError makes an error of NO and BAD.
func statusError(s *imap.StatusResponse) error {
	if s.Type == imap.OK {
		return nil
	}
	return &imap.Error{Type: s.Type, Code: s.Code, CodeArg: s.CodeArg, Text: s.Text}
}
