package imapserver

import (
	"context"
	"errors"

	"mox/imap"
)

var errLogout = errors.New("logout")

// cmdLogout is LOGOUT, RFC 9051 6.1.3: the only command whose tagged OK follows a
// BYE.
func (s *session) cmdLogout(_ context.Context, r *imap.Request) error {
	s.line("* BYE logging out")
	s.out = imap.AppendStatus(s.output(), r.Tag, imap.OK, "", "bye")
	if err := s.flush(); err != nil {
		return err
	}
	return &errClose{err: errLogout}
}
