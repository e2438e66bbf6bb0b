package imapserver

import (
	"context"

	"mox/imap"
)

// cmdStartTLS is STARTTLS, RFC 9051 6.2.1.
func (s *session) cmdStartTLS(ctx context.Context, r *imap.Request) error {
	if s.tls != nil {
		return imap.Bad("TLS is active already")
	}
	if !s.canStartTLS() {
		return imap.No(imap.CodeUnavailable, "TLS is not available here")
	}
	// RFC 9051 6.2.1: what was pipelined behind STARTTLS would be taken as said under
	// TLS (command injection).
	if s.conn.Buffered() > 0 {
		return &errClose{bye: "[CLIENTBUG] data after STARTTLS"}
	}
	s.out = imap.AppendStatus(s.output(), r.Tag, imap.OK, "", "begin TLS negotiation")
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.handshake(ctx); err != nil {
		return err
	}
	return errAnswered
}
