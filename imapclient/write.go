package imapclient

import (
	"fmt"
	"io"
	"strconv"

	"mox/imap"
)

// arg adds a space and an astring: an atom, a quoted string, or a literal.
func (m *command) arg(s string) *command {
	m.out = append(m.out, ' ')
	return m.value(s)
}

func (m *command) value(s string) *command {
	var probe [64]byte
	b := imap.AppendAString(probe[:0], s)
	if len(b) > 0 && b[0] == '{' {
		return m.literal([]byte(s))
	}
	m.out = append(m.out, b...)
	return m
}

// mailbox adds a space and a mailbox name given in UTF-8.
func (m *command) mailbox(name string) *command {
	if m.c.utf8 {
		m.out = append(m.out, ' ')
		m.out = imap.AppendMailbox(m.out, name, true)
		return m
	}
	return m.arg(imap.EncodeUTF7(name))
}

// literal adds data as a literal; where the server does not take non-synchronizing
// ones, it is asked first.
func (m *command) literal(data []byte) *command {
	if m.err == nil {
		m.err = m.stream(int64(len(data)), func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	}
	return m
}

// stream sends what is gathered and a literal of size octets, which write gives.
func (m *command) stream(size int64, write func(w io.Writer) error) error {
	c := m.c
	// RFC 7888 5: LITERAL- allows up to 4096 octets.
	nonSync := c.Has("LITERAL+") || size <= 4096 && (c.Has("LITERAL-") || c.Has("IMAP4REV2"))
	m.out = append(m.out, '{')
	m.out = strconv.AppendInt(m.out, size, 10)
	if nonSync {
		m.out = append(m.out, '+')
	}
	m.out = append(m.out, "}\r\n"...)
	if _, err := c.conn.Write(m.out); err != nil {
		return c.fail(err)
	}
	m.out = m.out[:0]
	if !nonSync {
		if err := c.awaitContinuation(m.tag, m.on); err != nil {
			return err
		}
	}
	w := &counter{w: c.conn}
	if err := write(w); err != nil {
		// The server waits for octets that will not come.
		return c.fail(fmt.Errorf("writing literal: %w", err))
	}
	if w.n != size {
		return c.fail(fmt.Errorf("writing literal: %d octets of %d", w.n, size))
	}
	return nil
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// awaitContinuation flushes and waits for "+"; a tagged response instead refuses the
// command.
func (c *Client) awaitContinuation(tag string, on func(imap.Response) error) error {
	_, err := c.continuation(tag, on)
	return err
}

func (c *Client) continuation(tag string, on func(imap.Response) error) (*imap.Continuation, error) {
	if err := c.conn.Flush(); err != nil {
		return nil, c.fail(err)
	}
	for {
		r, err := c.read()
		if err != nil {
			return nil, err
		}
		switch r := r.(type) {
		case *imap.Continuation:
			return r, nil
		case *imap.StatusResponse:
			if r.Tag == tag {
				if err := statusError(r); err != nil {
					return nil, err
				}
				return nil, c.fail(fmt.Errorf("%w: OK before the end of the command", ErrProtocol))
			}
		}
		if on == nil {
			c.unsolicited(r)
		} else if err := on(r); err != nil {
			return nil, c.fail(err)
		}
	}
}
