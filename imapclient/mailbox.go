package imapclient

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"mox/imap"
	"mox/lineio"
)

// Selected is what SELECT says about a mailbox.
type Selected struct {
	Exists         uint32
	UIDValidity    uint32
	UIDNext        uint32
	HighestModSeq  uint64
	Flags          []string
	PermanentFlags []string
	ReadOnly       bool
	MailboxID      string
	Vanished       []imap.Vanished // with QRESYNC
	Changed        []*imap.FetchResponse
}

// Select opens a mailbox. params is empty or the parenthesized parameters, such as
// "(CONDSTORE)".
func (c *Client) Select(ctx context.Context, mailbox, params string) (*Selected, error) {
	return c.selectMailbox(ctx, "SELECT", mailbox, params)
}

// Examine is Select for reading only.
func (c *Client) Examine(ctx context.Context, mailbox, params string) (*Selected, error) {
	return c.selectMailbox(ctx, "EXAMINE", mailbox, params)
}

func (c *Client) selectMailbox(ctx context.Context, name, mailbox, params string) (*Selected, error) {
	defer c.bound(ctx)()
	m := c.command(name).mailbox(mailbox)
	if params != "" {
		m.text(" " + params)
	}
	s := &Selected{}
	status, err := c.run(ctx, m, func(r imap.Response) error {
		s.note(c, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.ReadOnly = status.Code == imap.CodeReadOnly
	return s, nil
}

// note takes what a response to SELECT says.
func (s *Selected) note(c *Client, r imap.Response) {
	switch r := r.(type) {
	case *imap.NumberResponse:
		if r.Name == "EXISTS" {
			s.Exists = r.N
		}
	case *imap.Flags:
		s.Flags = r.Flags
	case *imap.Vanished:
		s.Vanished = append(s.Vanished, *r)
	case *imap.FetchResponse:
		s.Changed = append(s.Changed, r)
	case *imap.StatusResponse:
		s.noteCode(r)
	case *imap.ListResponse:
	default:
		c.unsolicited(r)
	}
}

func (s *Selected) noteCode(r *imap.StatusResponse) {
	arg := strings.Trim(r.CodeArg, "()")
	n, err := strconv.ParseUint(arg, 10, 64)
	switch {
	case r.Code == "CLOSED":
		*s = Selected{} // what came before was of the mailbox before
	case r.Code == "PERMANENTFLAGS":
		s.PermanentFlags = strings.Fields(arg)
	case r.Code == "MAILBOXID":
		s.MailboxID = arg
	case err != nil:
	case r.Code == "UIDVALIDITY":
		s.UIDValidity = uint32(n)
	case r.Code == "UIDNEXT":
		s.UIDNext = uint32(n)
	case r.Code == "HIGHESTMODSEQ":
		s.HighestModSeq = n
	}
}

// simple sends a command whose argument is a mailbox.
func (c *Client) simple(ctx context.Context, name, mailbox string) error {
	defer c.bound(ctx)()
	_, err := c.run(ctx, c.command(name).mailbox(mailbox), nil)
	return err
}

// Create makes a mailbox.
func (c *Client) Create(ctx context.Context, mailbox string) error {
	return c.simple(ctx, "CREATE", mailbox)
}

// Delete removes a mailbox.
func (c *Client) Delete(ctx context.Context, mailbox string) error {
	return c.simple(ctx, "DELETE", mailbox)
}

// Subscribe subscribes to a mailbox.
func (c *Client) Subscribe(ctx context.Context, mailbox string) error {
	return c.simple(ctx, "SUBSCRIBE", mailbox)
}

// Unsubscribe ends a subscription.
func (c *Client) Unsubscribe(ctx context.Context, mailbox string) error {
	return c.simple(ctx, "UNSUBSCRIBE", mailbox)
}

// Rename renames a mailbox.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	defer c.bound(ctx)()
	_, err := c.run(ctx, c.command("RENAME").mailbox(from).mailbox(to), nil)
	return err
}

// List lists mailboxes; options is empty or what follows the pattern, such as
// "RETURN (SPECIAL-USE)".
func (c *Client) List(ctx context.Context, reference, pattern, options string) ([]*imap.ListResponse, error) {
	defer c.bound(ctx)()
	m := c.command("LIST").mailbox(reference).mailbox(pattern)
	if options != "" {
		m.text(" " + options)
	}
	var l []*imap.ListResponse
	_, err := c.run(ctx, m, func(r imap.Response) error {
		if e, ok := r.(*imap.ListResponse); ok {
			l = append(l, e)
		} else {
			c.unsolicited(r)
		}
		return nil
	})
	return l, err
}

// Status asks for status items, "MESSAGES UIDNEXT", of a mailbox.
func (c *Client) Status(ctx context.Context, mailbox, items string) (*imap.MailboxStatus, error) {
	defer c.bound(ctx)()
	var st *imap.MailboxStatus
	_, err := c.run(ctx, c.command("STATUS").mailbox(mailbox).text(" ("+items+")"), func(r imap.Response) error {
		if s, ok := r.(*imap.MailboxStatus); ok {
			st = s
		} else {
			c.unsolicited(r)
		}
		return nil
	})
	if err == nil && st == nil {
		err = ErrProtocol
	}
	return st, err
}

// AppendMessage is a message for Append.
type AppendMessage struct {
	Flags []string
	Date  time.Time // zero: now, for the server to say
	Size  int64
	Data  io.Reader // exactly Size octets
	// Parts is what the message is put together from, in place of Size and Data; it needs
	// CATENATE (RFC 4469).
	Parts []Part
}

// Part is a part of a message: what a URL of the server leads to, or text.
type Part struct {
	URL  string
	Text []byte // when URL is empty
}

// Append adds messages to a mailbox; more than one needs MULTIAPPEND. It returns the
// argument of APPENDUID, when the server has UIDPLUS.
func (c *Client) Append(ctx context.Context, mailbox string, msgs ...AppendMessage) (appendUID string, err error) {
	defer c.bound(ctx)()
	if c.err != nil {
		return "", c.err
	}
	m := c.command("APPEND").mailbox(mailbox)
	for _, msg := range msgs {
		if m.err != nil {
			break
		}
		m.message(msg)
	}
	return c.appended(ctx, m)
}

// appended runs a command that adds messages.
func (c *Client) appended(ctx context.Context, m *command) (appendUID string, err error) {
	on := func(r imap.Response) error {
		// RFC 8508 3.2: REPLACE has it in an untagged response.
		if s, ok := r.(*imap.StatusResponse); ok && s.Code == imap.CodeAppendUID {
			appendUID = s.CodeArg
		}
		c.unsolicited(r)
		return nil
	}
	status, err := c.run(ctx, m, on)
	if err != nil {
		return "", err
	}
	if status.Code == imap.CodeAppendUID {
		appendUID = status.CodeArg
	}
	return appendUID, nil
}

// message adds what follows the mailbox in APPEND: flags, date, and content.
func (m *command) message(msg AppendMessage) {
	m.text(" ")
	if len(msg.Flags) > 0 {
		m.out = append(imap.AppendFlags(m.out, msg.Flags), ' ')
	}
	if !msg.Date.IsZero() {
		m.text(msg.Date.Format(`"` + imap.DateTimeLayout + `" `))
	}
	if len(msg.Parts) > 0 {
		m.parts(msg.Parts)
		return
	}
	if m.err == nil {
		m.err = m.stream(msg.Size, func(w io.Writer) error {
			_, err := io.Copy(w, msg.Data)
			return err
		})
	}
}

// parts adds what a message is made of.
func (m *command) parts(parts []Part) {
	m.text("CATENATE (")
	for i, p := range parts {
		if i > 0 {
			m.text(" ")
		}
		if p.URL != "" {
			m.text("URL ").value(p.URL)
			continue
		}
		m.text("TEXT ")
		m.literal(p.Text)
	}
	m.text(")")
}

// Idle waits for responses of the server and passes them to on, until ctx ends or on
// returns false. Ending ctx is no error.
func (c *Client) Idle(ctx context.Context, on func(r imap.Response) bool) error {
	if c.err != nil {
		return c.err
	}
	c.conn.SetDeadline(time.Time{})
	m := c.command("IDLE\r\n")
	if err := c.send(m); err != nil {
		return err
	}
	pass := func(r imap.Response) error { on(r); return nil }
	if err := c.awaitContinuation(m.tag, pass); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, c.conn.Interrupt)
	for more := true; more && ctx.Err() == nil; {
		if err := c.conn.WaitInput(0); errors.Is(err, lineio.ErrInterrupted) {
			continue
		} else if err != nil {
			stop()
			return c.fail(err)
		}
		r, err := c.read()
		if err != nil {
			stop()
			return err
		}
		more = on(r)
	}
	stop()
	if _, err := c.conn.WriteString("DONE\r\n"); err != nil {
		return c.fail(err)
	}
	if err := c.conn.Flush(); err != nil {
		return c.fail(err)
	}
	_, err := c.finish(m.tag, pass)
	return err
}
