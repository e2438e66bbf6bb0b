package smtpserver

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"mox/lineio"
	"mox/smtp"
)

// Burl is what BURL (RFC 4468) needs. Only listeners of kind Submit have it.
type Burl struct {
	// Servers are the IMAP servers, as "imap://HOST", whose URLs need no authorization when
	// they are of the user's own messages.
	Servers []string
	// Open opens what an imap URL stands for, for a client that authenticated as principal.
	// An [*smtp.Error] refuses; any other error is a failure of our own (451).
	Open func(ctx context.Context, principal any, url string) (r io.ReadCloser, size int64, err error)
}

// burlLine is the line of EHLO. RFC 4468 3.3: which servers are trusted, only once the
// client is authenticated.
func (s *session) burlLine() string {
	words := []string{"BURL", "imap"}
	if s.principal != nil {
		words = slices.Concat(words, s.srv.c.Burl.Servers)
	}
	return strings.Join(words, " ")
}

// burl is BURL, RFC 4468 3.2: a part of the message, or all of it, is what a URL stands
// for. It may be mixed with BDAT.
func (s *session) burl(ctx context.Context, c smtp.Burl) (smtp.Reply, error) {
	if err := s.chunkAllowed(0); err != nil {
		return s.failChunks(c.Last, err)
	}
	// RFC 4468 3.2: without recipients, the URL is not even looked at.
	r, size, err := s.srv.c.Burl.Open(ctx, s.principal, c.URL)
	if err != nil {
		return s.failChunks(c.Last, err)
	}
	defer r.Close()
	if err := s.chunkAllowed(size); err != nil {
		return s.failChunks(c.Last, err)
	}
	if err := s.beginChunks(ctx); err != nil {
		return s.failChunks(c.Last, err)
	}
	s.bdat.size += size
	werr, err := copyMessage(s.bdat.w, r)
	if err != nil {
		return s.failChunks(c.Last, smtp.WrapErrorf(err, 451, "4.3.0", "reading what the URL stands for failed"))
	}
	if werr == nil && c.Last && s.bdat.lines != nil {
		werr = s.bdat.lines.end()
	}
	if errors.Is(werr, lineio.ErrBareCR) || errors.Is(werr, lineio.ErrBareLF) {
		// RFC 4468 6: as for binary data.
		werr = smtp.WrapErrorf(werr, 554, "5.6.3", "what the URL stands for has lines that do not end with CRLF")
	}
	if werr != nil {
		return s.failChunks(c.Last, werr)
	}
	if !c.Last {
		return ok("2.5.0", "waiting for additional BURL or BDAT commands"), nil
	}
	return s.finish(ctx)
}
