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
	d.beginAppend(false)
	return a
}

// parseReplace: RFC 8508 5: replace, up to the mailbox.
func parseReplace(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	a := &Replace{Number: p.seqNumber()}
	p.space()
	a.Mailbox = p.mailbox()
	d.beginAppend(true)
	return a
}

// beginAppend leaves the messages of a command to NextAppend.
func (d *Decoder) beginAppend(single bool) {
	p := &d.s
	if p.err != nil {
		return
	}
	if p.end() {
		p.fail("unexpected end of line, expected message")
	}
	d.appending, d.single, d.messages = p.err == nil, single, 0
}

// NextAppend reads what stands before the next message of an APPEND. It returns
// nil at the end of the command. After a message the caller must either call
// AcceptAppend, read the whole returned reader and call FinishAppend, or call
// SkipAppend. Of one with Catenate set it reads the parts by NextPart first. Errors
// are as from Decode.
func (d *Decoder) NextAppend() (*AppendMessage, error) {
	p := &d.s
	if p.err == nil && p.end() {
		d.appending = false
		return nil, nil
	}
	// RFC 8508 4.7: REPLACE has one message.
	if d.single && d.messages > 0 {
		d.finish()
		return nil, d.failed()
	}
	d.messages++
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
	if p.acceptWord("ANNOTATION ") {
		m.Annotations = p.annotationValues()
		p.space()
	}
	if p.acceptWord("CATENATE") {
		// RFC 4469 5: append-data.
		p.space()
		p.expect('(')
		m.Catenate, d.parts = true, 0
		return
	}
	d.appendLiteral(&m.MessageLiteral)
}

// appendLiteral reads the head of a literal, or of one within UTF8 (...).
func (d *Decoder) appendLiteral(a *MessageLiteral) {
	p := &d.s
	if p.acceptWord("UTF8 (") {
		a.UTF8 = true
		if p.peek() != '~' {
			p.fail("expected literal8 after UTF8")
		}
	}
	l := p.literalHead()
	if p.err != nil {
		return
	}
	a.Size, a.NonSync, a.Binary = l.size, l.nonSync, l.binary
	if l.size > p.limits.Append {
		// RFC 7889 4: a message above APPENDLIMIT is refused with TOOBIG.
		p.err = No(CodeTooBig, "message too big")
	}
}

// NextPart reads what stands before the next part of a message by CATENATE, nil at
// its end. For a part that is text, what is said at NextAppend holds.
func (d *Decoder) NextPart() (*CatPart, error) {
	p := &d.s
	if d.parts > 0 {
		if p.accept(')') {
			d.afterMessage()
			if p.err != nil {
				return nil, d.failed()
			}
			return nil, nil
		}
		p.space()
	}
	d.parts++
	c := &CatPart{}
	d.catPart(c)
	if p.err != nil {
		return nil, d.failed()
	}
	return c, nil
}

// catPart: RFC 4469 5: cat-part; RFC 6855 4 for UTF8.
func (d *Decoder) catPart(c *CatPart) {
	p := &d.s
	p.count()
	switch {
	case p.acceptWord("URL "):
		if c.URL = p.astring("URL"); c.URL == "" {
			p.fail("URL is empty")
		}
	case p.acceptWord("TEXT "):
		d.appendLiteral(&c.MessageLiteral)
	case p.acceptWord("UTF8"):
		p.pos -= len("UTF8")
		d.appendLiteral(&c.MessageLiteral)
	default:
		p.fail("expected TEXT or URL")
	}
}

// afterMessage checks that a message ends here: the command does, or another follows.
func (d *Decoder) afterMessage() {
	if d.s.err == nil && !d.s.end() && d.s.peek() != ' ' {
		d.finish()
	}
}

// AcceptAppend asks for the data of a literal when the client waits for that, and
// returns the reader of exactly its size. After it is read, FinishAppend must be
// called, or FinishPart for a part.
func (d *Decoder) AcceptAppend(a *MessageLiteral) (io.Reader, error) {
	if !a.NonSync {
		if err := d.Continue(); err != nil {
			return nil, err
		}
	}
	return io.LimitReader(d.in, a.Size), nil
}

// FinishAppend reads what follows the data of a message.
func (d *Decoder) FinishAppend(m *AppendMessage) error {
	if err := d.afterLiteral(&m.MessageLiteral); err != nil {
		return err
	}
	d.afterMessage()
	if d.s.err != nil {
		return d.failed()
	}
	return nil
}

// FinishPart reads what follows the data of a part.
func (d *Decoder) FinishPart(c *CatPart) error {
	if err := d.afterLiteral(&c.MessageLiteral); err != nil {
		return err
	}
	if d.s.err != nil {
		return d.failed()
	}
	return nil
}

func (d *Decoder) afterLiteral(a *MessageLiteral) error {
	if err := d.nextLine(); err != nil {
		return err
	}
	if a.UTF8 {
		d.s.expect(')')
	}
	return nil
}

// maxRefused is how much of messages that a client sends without waiting is read
// away after a refusal; above it closing is cheaper for both sides.
const maxRefused = 256 << 20

// SkipAppend skips the rest of an APPEND or REPLACE from where it has been read to:
// nothing when the client waits, otherwise the data and all that follows. It is
// called after the mailbox, after the head of a message or part that is not accepted,
// or after the end of one. The caller then sends its refusal.
func (d *Decoder) SkipAppend() error {
	d.appending = false
	budget := int64(maxRefused)
	for {
		size, nonSync, ok := trailingLiteral(d.s.line)
		if !ok || !nonSync {
			d.s.line, d.s.pos = nil, 0
			return nil
		}
		if budget -= size; budget < 0 {
			return fmt.Errorf("%w: %w", ErrUnrecoverable, No(CodeTooBig, "refused message is too big to skip"))
		}
		if _, err := io.CopyN(io.Discard, d.in, size); err != nil {
			return err
		}
		if err := d.nextLine(); err != nil {
			return err
		}
	}
}
