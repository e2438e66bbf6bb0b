package smtpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"mox/lineio"
	"mox/mlog"
	"mox/smtp"
)

// closeNotify is how long the end of TLS may take.
const closeNotify = 50 * time.Millisecond

// Client is a connection to a server.
type Client struct {
	o     Options
	log   *slog.Logger
	raw   net.Conn // below TLS
	conn  *lineio.Conn
	level slog.Level // of what is sent and received now, for traces
	sent  time.Time  // of the commands whose replies are read now

	ext   Extensions
	tls   *tls.ConnectionState
	last  smtp.Reply
	buf   []byte // for content
	open  bool   // the server may have a transaction open
	mails int    // MAIL commands sent
	err   *Error // after which the connection is of no use
}

// New makes a client of a connection: it reads the greeting, and does EHLO (HELO if
// that is refused), STARTTLS with EHLO again, and AUTH, as o says. It owns conn, which
// is closed if there is an error, an *Error.
func New(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	o.Limits.defaults()
	c := &Client{o: o, log: mlog.New("smtpclient", o.Log), raw: conn, level: mlog.LevelTrace}
	c.conn = lineio.New(conn, lineio.Options{WriteTimeout: o.Limits.DataBlock})
	if c.o.Trace != nil || c.log.Enabled(ctx, mlog.LevelTrace) {
		c.conn.SetTrace(func(in bool, data []byte) { c.trace(ctx, in, data) })
	}
	if err := c.begin(ctx); err != nil {
		c.end(ctx)
		return nil, err
	}
	return c, nil
}

// trace logs what goes over the wire.
func (c *Client) trace(ctx context.Context, in bool, data []byte) {
	prefix := "LC: "
	if in {
		prefix = "RS: "
	}
	mlog.Trace(ctx, c.log, c.level, prefix, data)
	if c.o.Trace != nil {
		c.o.Trace(in, c.level, data)
	}
}

// begin settles everything before the first message.
func (c *Client) begin(ctx context.Context) error {
	defer c.bound(ctx)()
	if c.o.Hello == "" || !plain(c.o.Hello) || strings.Contains(c.o.Hello, " ") {
		return c.fail(ctx, "EHLO", fmt.Errorf("%w: name for EHLO", ErrArgument))
	}
	if c.o.TLS != TLSNone && c.o.TLSConfig == nil {
		return c.fail(ctx, "TLS", fmt.Errorf("%w: no configuration for TLS", ErrArgument))
	}
	if c.o.TLS == TLSImmediate {
		if err := c.handshake(ctx); err != nil {
			return err
		}
	}
	c.sent = time.Now()
	// RFC 5321 3.1: with 554 in place of 220 the server takes no mail.
	if _, err := c.want(ctx, "CONNECT", c.o.Limits.Greeting, 2); err != nil {
		return err
	}
	if err := c.hello(ctx); err != nil {
		return err
	}
	if c.o.TLS == TLSOpportunistic || c.o.TLS == TLSRequired {
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	if c.o.Auth != nil {
		return c.authenticate(ctx)
	}
	return nil
}

// hello is EHLO, HELO or LHLO.
func (c *Client) hello(ctx context.Context) error {
	verb := "EHLO"
	if c.o.LMTP {
		verb = "LHLO"
	}
	r, err := c.command(ctx, verb, verb+" "+c.o.Hello, 2)
	if err == nil {
		c.ext = parseExtensions(r.Lines)
		return nil
	}
	// RFC 5321 3.2: an old server knows HELO only. There is no TLS and no AUTH with it.
	c.ext = Extensions{}
	var e *Error
	if c.err != nil || c.o.LMTP || !errors.As(err, &e) || !e.Permanent || c.o.Auth != nil || c.o.TLS == TLSRequired && c.tls == nil {
		return err
	}
	if _, errHelo := c.command(ctx, "HELO", "HELO "+c.o.Hello, 2); errHelo != nil {
		return err
	}
	return nil
}

// startTLS is STARTTLS, as the mode asks.
func (c *Client) startTLS(ctx context.Context) error {
	if !c.ext.StartTLS {
		if c.o.TLS == TLSOpportunistic {
			return nil
		}
		return &Error{Enhanced: "4.7.10", Verb: "STARTTLS", TLS: true, Err: ErrNoSTARTTLS}
	}
	if _, err := c.command(ctx, "STARTTLS", "STARTTLS", 2); err != nil {
		// RFC 3207 4: the client decides whether to go on without.
		if c.o.TLS == TLSOpportunistic && c.err == nil {
			return nil
		}
		var e *Error
		if errors.As(err, &e) {
			e.TLS = true
		}
		return err
	}
	if err := c.handshake(ctx); err != nil {
		return err
	}
	// RFC 3207 4.2: what the server said before TLS may be someone else's.
	c.ext = Extensions{}
	return c.hello(ctx)
}

// handshake begins TLS.
func (c *Client) handshake(ctx context.Context) error {
	// What came before TLS is not of it: whoever put it there wants it to be taken for a
	// reply after the handshake.
	if c.conn.Buffered() > 0 {
		return c.failTLS(ctx, lineio.ErrBuffered)
	}
	tc := tls.Client(c.raw, c.o.TLSConfig)
	deadline, cancel := context.WithTimeout(ctx, c.o.Limits.Handshake)
	defer cancel()
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		return c.failTLS(ctx, err)
	}
	if err := tc.HandshakeContext(deadline); err != nil {
		return c.failTLS(ctx, err)
	}
	if err := c.conn.Replace(tc); err != nil {
		return c.failTLS(ctx, err)
	}
	cs := tc.ConnectionState()
	c.tls = &cs
	return nil
}

func (c *Client) failTLS(ctx context.Context, err error) error {
	e := c.fail(ctx, "TLS", err)
	e.TLS = true
	if ctx.Err() == nil {
		e.Enhanced = "4.7.5" // RFC 3463 3.8: cryptographic failure
	}
	return e
}

// Extensions returns what the server announced last. Its slices must not be changed.
func (c *Client) Extensions() Extensions { return c.ext }

// TLS returns the state of TLS; nil without. In mode TLSOpportunistic, Extensions then
// tell whether the server offered STARTTLS and refused the command.
func (c *Client) TLS() *tls.ConnectionState { return c.tls }

// LastReply returns the last reply to a message as a whole: on success it often has
// the server's queue id.
func (c *Client) LastReply() smtp.Reply { return c.last }

// Usable tells whether another message can be sent on this connection, as far as is
// known.
func (c *Client) Usable() bool {
	return c.err == nil && (c.ext.Limits.MailMax == 0 || c.mails < c.ext.Limits.MailMax)
}

// Hijack returns the connection, for a caller that will speak itself from now on, and
// must close it. The Client is of no use any more.
func (c *Client) Hijack() *lineio.Conn {
	if c.err == nil {
		c.err = &Error{Verb: "CONNECT", Enhanced: "4.4.2", Err: net.ErrClosed}
	}
	c.conn.SetDeadline(time.Time{})
	c.conn.SetTrace(nil)
	return c.conn
}

// Reset gives up a transaction (RSET), and so shows that the connection is alive.
func (c *Client) Reset(ctx context.Context) error {
	defer c.bound(ctx)()
	return c.reset(ctx)
}

func (c *Client) reset(ctx context.Context) error {
	if _, err := c.command(ctx, "RSET", "RSET", 2); err != nil {
		return err
	}
	c.open = false
	return nil
}

// Close says QUIT, waits for the reply for a moment, and closes the connection.
func (c *Client) Close() error { return c.end(context.Background()) }

// end closes the connection, with QUIT if it is still of use.
func (c *Client) end(ctx context.Context) error {
	if c.err == nil {
		stop := c.bound(ctx)
		c.quit(ctx)
		stop()
	}
	// TLS says that it ends, which is quick unless nobody reads; then it would wait for 5 s.
	stop := time.AfterFunc(closeNotify, func() { c.raw.Close() })
	err := c.conn.Close()
	stop.Stop()
	c.conn.Release()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		err = nil
	}
	return err
}

func (c *Client) quit(ctx context.Context) {
	c.conn.SetDeadline(time.Now().Add(c.o.Limits.Quit))
	if c.write(ctx, "QUIT", "QUIT") == nil && c.flush(ctx, "QUIT") == nil {
		c.want(ctx, "QUIT", c.o.Limits.Quit, 2)
	}
	if c.err == nil {
		c.err = &Error{Verb: "QUIT", Enhanced: "4.4.2", Err: net.ErrClosed}
	}
}

// bound closes the connection when ctx ends, until the returned function is called.
func (c *Client) bound(ctx context.Context) func() bool {
	// Closing TLS would wait to say so.
	return context.AfterFunc(ctx, func() { c.raw.Close() })
}

// fail notes that the connection is of no use any more, and closes it.
func (c *Client) fail(ctx context.Context, verb string, err error) *Error {
	e := &Error{Enhanced: "4.4.2", Verb: verb, Err: err}
	switch {
	case ctx.Err() != nil:
		e.Err = context.Cause(ctx)
	case errors.Is(err, ErrArgument):
		e.Enhanced, e.Permanent = "5.5.4", true
	case errors.Is(err, ErrProtocol), errors.Is(err, smtp.ErrReply), errors.Is(err, lineio.ErrLineTooLong), errors.Is(err, lineio.ErrEndless):
		e.Enhanced = "4.5.0"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		e.Err = fmt.Errorf("connection closed by server: %w", io.EOF)
	}
	c.err = e
	c.raw.Close()
	return e
}

// plain tells whether s can be part of a command.
func plain(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }

// sendable checks that a line is one command: addresses and parameters come from others.
func sendable(verb, line string) error {
	if plain(line) {
		return nil
	}
	return &Error{Verb: verb, Enhanced: "5.5.4", Permanent: true, Err: fmt.Errorf("%w: control character in command", ErrArgument)}
}

// write adds a command to the output.
func (c *Client) write(ctx context.Context, verb, line string) error {
	if c.err != nil {
		return c.err
	}
	if err := sendable(verb, line); err != nil {
		return err
	}
	if _, err := c.conn.WriteString(line + "\r\n"); err != nil {
		return c.fail(ctx, verb, err)
	}
	return nil
}

// flush sends the output.
func (c *Client) flush(ctx context.Context, verb string) error {
	if c.err != nil {
		return c.err
	}
	c.sent = time.Now()
	if err := c.conn.Flush(); err != nil {
		return c.fail(ctx, verb, err)
	}
	return nil
}

// command sends a command and reads its reply, the first digit of whose code must be
// class.
func (c *Client) command(ctx context.Context, verb, line string, class int) (smtp.Reply, error) {
	r, err := c.exchange(ctx, verb, line)
	if err != nil {
		return r, err
	}
	return c.check(ctx, verb, r, class)
}

// exchange sends a line and reads the reply, whatever it is.
func (c *Client) exchange(ctx context.Context, verb, line string) (smtp.Reply, error) {
	if err := c.stray(ctx, verb); err != nil {
		return smtp.Reply{}, err
	}
	c.conn.SetDeadline(time.Now().Add(c.o.Limits.Command))
	if err := c.write(ctx, verb, line); err != nil {
		return smtp.Reply{}, err
	}
	if err := c.flush(ctx, verb); err != nil {
		return smtp.Reply{}, err
	}
	return c.read(ctx, verb, c.o.Limits.Command)
}

// stray looks for a reply that no command asked for. 421 may come at any time; after
// any other it cannot be known which reply belongs to which command.
func (c *Client) stray(ctx context.Context, verb string) error {
	if c.err != nil {
		return c.err
	}
	if c.conn.Buffered() == 0 {
		return nil
	}
	if _, err := c.read(ctx, verb, c.o.Limits.Quit); err != nil {
		return err
	}
	return c.fail(ctx, verb, fmt.Errorf("%w: reply without command", ErrProtocol))
}

// want reads the reply to a command. A refusal is an error, after which the connection
// can still be used.
func (c *Client) want(ctx context.Context, verb string, timeout time.Duration, class int) (smtp.Reply, error) {
	r, err := c.read(ctx, verb, timeout)
	if err != nil {
		return r, err
	}
	return c.check(ctx, verb, r, class)
}

// check makes an error of a reply that is not of the class. Any but a refusal ends the
// connection: client and server no longer mean the same.
func (c *Client) check(ctx context.Context, verb string, r smtp.Reply, class int) (smtp.Reply, error) {
	switch {
	case r.Code/100 == class:
		return r, nil
	case r.Code >= 400:
		return r, refused(verb, r)
	}
	return r, c.fail(ctx, verb, fmt.Errorf("%w: code %d", ErrProtocol, r.Code))
}

// read reads a reply. RFC 5321 3.8: after 421 the server closes the connection.
func (c *Client) read(ctx context.Context, verb string, timeout time.Duration) (smtp.Reply, error) {
	if c.err != nil {
		return smtp.Reply{}, c.err
	}
	c.conn.SetDeadline(time.Now().Add(timeout))
	r, err := smtp.ReadReply(c.lines())
	if err != nil {
		return smtp.Reply{}, c.fail(ctx, verb, err)
	}
	if c.o.Command != nil {
		c.o.Command(strings.ToLower(verb), r.Code, r.Enhanced, time.Since(c.sent))
	}
	if r.Code == 421 {
		c.err = refused(verb, r)
		c.raw.Close()
		return r, c.err
	}
	return r, nil
}

// lines returns a reader of the lines of a reply. A server that ends them with LF alone
// is understood too, and of too much text only the codes are kept.
func (c *Client) lines() func() ([]byte, error) {
	room := c.o.Limits.ReplyText
	return func() ([]byte, error) {
		line, err := c.conn.ReadLine(c.o.Limits.ReplyLine)
		if errors.Is(err, lineio.ErrBareLF) || errors.Is(err, lineio.ErrBareCR) {
			err = nil
		}
		if room -= len(line); room < 0 && len(line) > 4 {
			line = line[:4]
		}
		return line, err
	}
}
