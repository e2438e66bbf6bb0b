package smtpserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"mox/lineio"
	"mox/smtp"
)

// chunks is the state of a message that comes by BDAT or BURL.
type chunks struct {
	w      io.Writer
	lines  *lines // w unless the message is binary, which comes byte for byte
	size   int64
	failed error // the reply to all chunks from now on
}

// chunk is BDAT, RFC 3030 2. Whatever the reply, the octets of the chunk are read:
// a client that pipelines sends them without waiting.
func (s *session) chunk(ctx context.Context, c smtp.Bdat) (smtp.Reply, error) {
	defer s.during()()
	r := s.c.Literal(c.Size)
	if err := s.chunkAllowed(c.Size); err != nil {
		return s.refuseChunk(r, c, err)
	}
	if err := s.beginChunks(ctx); err != nil {
		return s.refuseChunk(r, c, err)
	}
	s.bdat.size += c.Size
	werr, err := copyMessage(s.bdat.w, r)
	if err != nil {
		return smtp.Reply{}, s.chunkLost(err)
	}
	if werr == nil && c.Last && s.bdat.lines != nil {
		werr = s.bdat.lines.end()
	}
	if errors.Is(werr, lineio.ErrBareCR) || errors.Is(werr, lineio.ErrBareLF) {
		werr = s.dataError(werr)
	}
	if werr != nil {
		return s.refuseChunk(r, c, werr)
	}
	if !c.Last {
		return ok("2.0.0", fmt.Sprintf("%d octets received", c.Size)), nil
	}
	return s.finish(ctx)
}

// beginChunks begins the message, at its first chunk.
func (s *session) beginChunks(ctx context.Context) error {
	if s.bdat != nil {
		return nil
	}
	w, err := s.tx.Data(ctx)
	if err != nil {
		return err
	}
	s.bdat = &chunks{w: w}
	if !s.binary {
		s.bdat.lines = &lines{w: w, strict: s.srv.c.Pedantic}
		s.bdat.w = s.bdat.lines
	}
	return nil
}

// chunkAllowed checks the state, BDAT needs recipients, and whether so many octets more
// are not too many.
func (s *session) chunkAllowed(size int64) error {
	switch {
	case s.bdat != nil && s.bdat.failed != nil:
		return s.bdat.failed
	case s.tx == nil:
		return errSequence(s.state())
	case s.accepted == 0:
		return s.errNoRecipients()
	case size > s.srv.c.Size || s.size()+size > s.srv.c.Size:
		return s.errTooLarge()
	}
	return nil
}

func (s *session) size() int64 {
	if s.bdat == nil {
		return 0
	}
	return s.bdat.size
}

// refuseChunk reads the rest of a chunk away and fails the message: its further chunks
// get the same reply, up to the last one or RSET.
func (s *session) refuseChunk(r *lineio.Literal, c smtp.Bdat, why error) (smtp.Reply, error) {
	if r.Remaining() > s.srv.c.Limits.DiscardData {
		s.closing = true
	} else if err := r.Discard(); err != nil {
		return smtp.Reply{}, s.chunkLost(err)
	}
	return s.failChunks(c.Last, why)
}

// failChunks fails the message, as refuseChunk does once the chunk has been read.
func (s *session) failChunks(last bool, why error) (smtp.Reply, error) {
	inTransaction := s.tx != nil || s.bdat != nil
	s.endTransaction()
	if inTransaction && !last {
		s.bdat = &chunks{failed: why}
	}
	return smtp.Reply{}, why
}

// chunkLost is for an error of the connection.
func (s *session) chunkLost(err error) error {
	s.endTransaction()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return smtp.WrapErrorf(err, 421, "4.4.2", "timeout, the message did not come to its end")
	}
	return lost(err)
}

// lines writes text to w, completing a bare LF to CRLF and refusing a bare CR: without
// BINARYMIME a message that comes by BDAT is of lines too, and further on its way it
// may come by DATA (RFC 3030 2).
type lines struct {
	w      io.Writer
	strict bool
	cr     bool // CR written, its LF not seen
	bol    bool // at the start of a line
	some   bool
}

func (l *lines) Write(p []byte) (int, error) {
	i, start := 0, 0 // what comes next; what is not written yet
	if l.cr && len(p) > 0 {
		if p[0] != '\n' {
			return 0, lineio.ErrBareCR
		}
		l.cr, l.bol, i = false, true, 1
	}
	for i < len(p) {
		line := p[i:]
		end := bytes.IndexByte(line, '\n')
		if end >= 0 {
			line = line[:end]
		}
		cr := bytes.IndexByte(line, '\r')
		switch {
		case cr >= 0 && cr < len(line)-1:
			return start, lineio.ErrBareCR
		case end < 0:
			l.cr, l.bol = cr >= 0, false
			i = len(p)
			continue
		case cr < 0 && l.strict:
			return start, lineio.ErrBareLF
		case cr < 0:
			if err := l.put(append(bytes.Clone(p[start:i+end]), '\r', '\n')); err != nil {
				return start, err
			}
			start = i + end + 1
		}
		l.bol = true
		i += end + 1
	}
	if start == len(p) {
		return len(p), nil
	}
	return len(p), l.put(p[start:])
}

func (l *lines) put(b []byte) error {
	l.some = true
	_, err := l.w.Write(b)
	return err
}

// end completes the last line.
func (l *lines) end() error {
	switch {
	case l.cr:
		return lineio.ErrBareCR
	case l.some && !l.bol:
		return l.put([]byte("\r\n"))
	}
	return nil
}
