package imap

import (
	"fmt"
	"io"
)

// parseAppend: RFC 9051 9: append, up to the mailbox; RFC 3502 for several messages.
func parseAppend(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	a := &Append{Mailbox: p.mailbox()}
	if p.err == nil {
		if p.end() {
			p.fail("unexpected end of line, expected message")
		}
		d.appending = p.err == nil
	}
	return a
}

// NextAppend reads what stands before the next message of an APPEND. It returns
// nil at the end of the command. After a message the caller must either call
// AcceptAppend and read the whole returned reader, or call RefuseAppend. Errors are
// as from Decode.
func (d *Decoder) NextAppend() (*AppendMessage, error) {
	p := &d.s
	if p.err == nil && p.end() {
		d.appending = false
		return nil, nil
	}
	m := &AppendMessage{}
	d.appendMessage(m)
	if p.err != nil {
		return nil, d.failed()
	}
	return m, nil
}

func (d *Decoder) appendMessage(m *AppendMessage) {
	p := &d.s
	p.space()
	if p.peek() == '(' {
		m.Flags = p.flagList()
		p.space()
	}
	if p.peek() == '"' {
		m.Date = p.dateTime()
		p.space()
	}
	if p.acceptWord("UTF8 (") {
		m.UTF8 = true
		if p.peek() != '~' {
			p.fail("expected literal8 after UTF8")
		}
	} else if p.acceptWord("CATENATE") {
		p.fail("CATENATE is not supported")
	}
	l := p.literalHead()
	if p.err != nil {
		return
	}
	m.Size, m.NonSync, m.Binary = l.size, l.nonSync, l.binary
	if l.size > p.limits.Append {
		// RFC 7889 4: a message above APPENDLIMIT is refused with TOOBIG.
		p.err = No(CodeTooBig, "message too big")
	}
}

// AcceptAppend asks for the data of the message when the client waits for that,
// and returns the reader of exactly its size. After it is read, FinishAppend must
// be called.
func (d *Decoder) AcceptAppend(m *AppendMessage) (io.Reader, error) {
	if !m.NonSync {
		if err := d.Continue(); err != nil {
			return nil, err
		}
	}
	return io.LimitReader(d.in, m.Size), nil
}

// FinishAppend reads what follows the data of a message.
func (d *Decoder) FinishAppend(m *AppendMessage) error {
	if err := d.nextLine(); err != nil {
		return err
	}
	if m.UTF8 {
		d.s.expect(')')
	}
	if d.s.err == nil && !d.s.end() && d.s.peek() != ' ' {
		d.finish()
	}
	if d.s.err != nil {
		return d.failed()
	}
	return nil
}

// maxRefused is how much of messages that a client sends without waiting is read
// away after a refusal; above it closing is cheaper for both sides.
const maxRefused = 256 << 20

// RefuseAppend skips the rest of the APPEND after the head of m was read: nothing
// when the client waits, otherwise the data and all that follows. The caller then
// sends its refusal.
func (d *Decoder) RefuseAppend(m *AppendMessage) error {
	d.appending = false
	budget := int64(maxRefused)
	size, nonSync := m.Size, m.NonSync
	for nonSync {
		if budget -= size; budget < 0 {
			return fmt.Errorf("%w: %w", ErrUnrecoverable, No(CodeTooBig, "refused message is too big to skip"))
		}
		if _, err := io.CopyN(io.Discard, d.in, size); err != nil {
			return err
		}
		if err := d.nextLine(); err != nil {
			return err
		}
		var ok bool
		if size, nonSync, ok = trailingLiteral(d.s.line); !ok {
			break
		}
	}
	d.s.line, d.s.pos = nil, 0
	return nil
}

// SkipAppend skips the rest of an APPEND none of whose messages will be read, for
// an error known from the mailbox alone.
func (d *Decoder) SkipAppend() error {
	d.appending = false
	size, nonSync, ok := trailingLiteral(d.s.line)
	if !ok {
		d.s.line, d.s.pos = nil, 0
		return nil
	}
	return d.RefuseAppend(&AppendMessage{Size: size, NonSync: nonSync})
}
