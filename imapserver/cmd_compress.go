package imapserver

import (
	"context"

	"mox/deflate"
	"mox/imap"
)

// cmdCompress is COMPRESS, RFC 4978. It is for those who have logged in: there is nothing to
// win before, and memory for everyone to take.
func (s *session) cmdCompress(_ context.Context, r *imap.Request) error {
	if r.Args.(*imap.Compress).Algorithm != "DEFLATE" {
		return imap.Bad("algorithm is not known")
	}
	if s.compressed {
		return &imap.Error{Type: imap.BAD, Code: imap.CodeCompressionActive, Text: "DEFLATE is active already"}
	}
	// RFC 4978 3: the client must wait for the answer. What it has not waited with may be
	// compressed or not.
	if s.conn.Buffered() > 0 {
		return &errClose{bye: "[CLIENTBUG] data after COMPRESS"}
	}
	if s.srv.compressed.Add(1) > int64(s.limits().Compressed) {
		s.srv.compressed.Add(-1)
		return imap.No(imap.CodeLimit, "too many connections are compressed")
	}
	s.compressed = true
	s.out = imap.AppendStatus(s.output(), r.Tag, imap.OK, "", "DEFLATE active")
	if err := s.flush(); err != nil {
		return err
	}
	if dc, ok := s.conn.NetConn().(*deflate.Conn); ok {
		if err := dc.Restart(); err != nil {
			return &errClose{bye: "[CLIENTBUG] data after COMPRESS", err: err}
		}
		return errAnswered
	}
	if err := s.conn.Replace(deflate.New(s.conn.NetConn())); err != nil {
		return &errClose{err: err}
	}
	return errAnswered
}

// canCompress reports whether COMPRESS is of use.
func (s *session) canCompress() bool { return !s.compressed && s.limits().Compressed > 0 }

// endCompression ends the count of the session; the connection goes on as it was.
func (s *session) endCompression() {
	if s.compressed {
		s.compressed = false
		s.srv.compressed.Add(-1)
	}
}
