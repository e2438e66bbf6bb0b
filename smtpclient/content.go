package smtpclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mox/lineio"
	"mox/mlog"
	"mox/smtp"
)

// content sends the message and reads the final replies.
func (t *transaction) content(ctx context.Context) error {
	c := t.c
	if c.buf == nil {
		c.buf = make([]byte, 32<<10)
	}
	c.open = true
	var err error
	if t.bdat() {
		err = t.sendChunks(ctx)
	} else {
		err = t.sendData(ctx)
	}
	c.level = mlog.LevelTrace
	if err != nil {
		return err
	}
	// RFC 5321 4.1.1.4: whatever the reply, the transaction is over.
	c.open = false
	if c.o.LMTP {
		return t.finishLMTP(ctx)
	}
	verb := VerbEnd
	if t.bdat() {
		verb = "BDAT"
	}
	r, err := c.want(ctx, verb, c.o.Limits.DataEnd, 2)
	if err != nil {
		// RFC 3030 2: after a refused chunk there is RSET.
		c.open = verb == "BDAT"
		return t.lost(err)
	}
	c.last = r
	return nil
}

// lost marks an error without reply that comes after the end of the message.
func (t *transaction) lost(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Code == 0 && t.ended {
		e.MayBeDelivered = true
	}
	return err
}

// finishLMTP reads a reply for each recipient that was accepted (RFC 2033 4.2).
func (t *transaction) finishLMTP(ctx context.Context) error {
	t.done = map[int]bool{}
	for _, i := range t.accepted {
		r, err := t.c.want(ctx, VerbEnd, t.c.o.Limits.DataEnd, 2)
		if t.c.err != nil {
			return t.lost(err)
		}
		t.results[i], t.done[i] = err, true
		if err == nil {
			t.c.last = r
		}
	}
	return nil
}

// sendData sends the content after DATA.
func (t *transaction) sendData(ctx context.Context) error {
	c := t.c
	c.level = mlog.LevelTracedata
	c.conn.SetDeadline(time.Now().Add(c.o.Limits.Content))
	w := lineio.NewDotWriter(c.conn)
	src := &exact{r: t.m.Content, left: t.m.Size, known: t.m.Size > 0}
	for {
		n, rerr := src.Read(c.buf)
		if _, err := w.Write(c.buf[:n]); err != nil {
			return t.cut(ctx, VerbEnd, err)
		}
		if rerr == io.EOF {
			break
		} else if rerr != nil {
			return t.unreadable(ctx, VerbEnd, rerr)
		}
	}
	t.ended = true
	err := w.Close()
	c.sent = time.Now()
	if err == nil {
		err = c.conn.Flush()
	}
	if err != nil {
		return t.cut(ctx, VerbEnd, err)
	}
	return nil
}

// sendChunks sends the content by BDAT (RFC 3030 2), and reads the replies to all chunks
// but the last.
func (t *transaction) sendChunks(ctx context.Context) error {
	c := t.c
	var src io.Reader = &exact{r: t.m.Content, left: t.m.Size, known: true}
	if t.params.Body != smtp.BodyBinaryMIME {
		src = &textual{r: src}
	}
	deadline := time.Now().Add(c.o.Limits.Content)
	for left := t.m.Size; ; {
		n := min(left, c.o.Limits.Chunk)
		left -= n
		c.conn.SetDeadline(deadline)
		if err := t.chunk(ctx, src, n, left == 0); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		if _, err := c.want(ctx, "BDAT", c.o.Limits.DataEnd, 2); err != nil {
			return err
		}
	}
}

// chunk sends n octets of src.
func (t *transaction) chunk(ctx context.Context, src io.Reader, n int64, last bool) error {
	c := t.c
	c.level = mlog.LevelTrace
	if err := c.write(ctx, "BDAT", smtp.Bdat{Size: n, Last: last}.String()); err != nil {
		return err
	}
	c.level = mlog.LevelTracedata
	for n > 0 {
		k, err := io.ReadFull(src, c.buf[:min(n, int64(len(c.buf)))])
		if err != nil {
			return t.unreadable(ctx, "BDAT", err)
		}
		n -= int64(k)
		t.ended = t.ended || last && n == 0
		if _, err := c.conn.Write(c.buf[:k]); err != nil {
			return t.cut(ctx, "BDAT", err)
		}
	}
	c.sent = time.Now()
	c.level = mlog.LevelTrace
	if err := c.conn.Flush(); err != nil {
		return t.cut(ctx, "BDAT", err)
	}
	return nil
}

// unreadable is for content that cannot be read or sent to its end. The server must not
// take what it has for the message.
func (t *transaction) unreadable(ctx context.Context, verb string, err error) error {
	e := t.c.fail(ctx, verb, err)
	if ctx.Err() == nil {
		e.Enhanced = "4.3.0"
		if errors.Is(err, ErrLineEnd) {
			e.Enhanced, e.Permanent = "5.6.0", true
		}
	}
	return e
}

// cut is for a connection that fails while the content is sent. The server may have
// said why.
func (t *transaction) cut(ctx context.Context, verb string, err error) error {
	c := t.c
	c.level = mlog.LevelTrace
	if ctx.Err() == nil {
		c.conn.SetDeadline(time.Now().Add(c.o.Limits.Quit))
		if r, rerr := smtp.ReadReply(c.lines()); rerr == nil && r.Code >= 400 {
			e := refused(verb, r)
			e.Err = err
			c.err = e
			c.raw.Close()
			return e
		}
	}
	return t.lost(c.fail(ctx, verb, err))
}

// exact reads content of a known size: it fails at its end if there is less or more.
// The last octets are only given out when it is known to end there.
type exact struct {
	r     io.Reader
	left  int64
	known bool
	err   error
}

func (e *exact) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	if e.known && int64(len(p)) > e.left {
		p = p[:e.left]
	}
	if e.known && e.left == 0 {
		return 0, io.EOF
	}
	n, err := readSome(e.r, p)
	e.left -= int64(n)
	switch {
	case err != nil && err != io.EOF:
		e.err = fmt.Errorf("%w: %w", ErrContent, err)
	case !e.known, e.left == 0 && err == io.EOF:
		e.err = err
	case err == io.EOF && e.left > 0:
		e.err = fmt.Errorf("%w: %d octets less than its size", ErrContent, e.left)
	case e.left == 0 && err == nil:
		e.err = e.end()
	}
	if e.err != nil && e.err != io.EOF {
		return 0, e.err
	}
	return n, e.err
}

// readSome is Read, but of a reader that gives nothing it is an error.
func readSome(r io.Reader, p []byte) (int, error) {
	for range 100 {
		if n, err := r.Read(p); n != 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// end gives io.EOF if the content is at its end.
func (e *exact) end() error {
	var b [1]byte
	n, err := readSome(e.r, b[:])
	switch {
	case n > 0:
		return fmt.Errorf("%w: more octets than its size", ErrContent)
	case err != io.EOF:
		return fmt.Errorf("%w: %w", ErrContent, err)
	}
	return io.EOF
}

// textual fails at a CR or LF that is not part of CRLF.
type textual struct {
	r  io.Reader
	cr bool // CR read, its LF not
}

func (t *textual) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	for b := p[:n]; len(b) > 0; {
		if t.cr {
			if b[0] != '\n' {
				return 0, ErrLineEnd
			}
			t.cr, b = false, b[1:]
			continue
		}
		i := bytes.IndexByte(b, '\n')
		line := b
		if i >= 0 {
			line = b[:i]
		}
		k := bytes.IndexByte(line, '\r')
		switch {
		case i >= 0 && k != i-1, i < 0 && k >= 0 && k != len(line)-1, i == 0:
			return 0, ErrLineEnd
		case i < 0:
			t.cr = k >= 0
			b = nil
		default:
			b = b[i+1:]
		}
	}
	if err == io.EOF && t.cr {
		return 0, ErrLineEnd
	}
	return n, err
}
