package imapserver

import (
	"context"
	"time"

	"mox/deflate"
	"mox/imap"
)

// cmdUnauthenticate is UNAUTHENTICATE, RFC 8437: everything is as after the greeting, but for
// TLS. Failed logins count on.
func (s *session) cmdUnauthenticate(_ context.Context, r *imap.Request) error {
	// RFC 8437 4.1: compression ends behind this command and its answer.
	if s.compressed && s.conn.Buffered() > 0 {
		return &errClose{bye: "[CLIENTBUG] compressed data after UNAUTHENTICATE"}
	}
	s.forget()
	s.out = imap.AppendStatus(s.output(), r.Tag, imap.OK, s.capabilityCode(), "logged out")
	if err := s.flush(); err != nil {
		return err
	}
	if dc, ok := s.conn.NetConn().(*deflate.Conn); ok && s.compressed {
		dc.End()
	}
	s.endCompression()
	return errAnswered
}

// forget takes back all that login and what came after it have changed.
func (s *session) forget() {
	s.closeAccount()
	s.srv.loggedIn(s, "")
	s.state, s.principal, s.disabled = stateNotAuthenticated, Principal{}, nil
	s.condstore, s.qresync, s.utf8, s.utf8only, s.rev2, s.uidonly = false, false, false, false, false, false
	s.comparator = comparator{}
	s.keyReset.Store(0)
	lim := s.limits()
	s.dec.SetUTF8(false)
	s.dec.SetLimits(imap.LoginLimits)
	s.conn.SetReadTimeout(lim.LoginTimeout)
	s.conn.SetWriteTimeout(lim.LoginTimeout)
	s.conn.SetDeadline(time.Now().Add(lim.LoginDeadline))
}
