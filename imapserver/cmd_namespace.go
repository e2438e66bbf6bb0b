package imapserver

import (
	"context"

	"mox/imap"
)

// cmdNamespace is NAMESPACE, RFC 9051 6.3.10: the personal namespace, and that of what
// other users share.
func (s *session) cmdNamespace(context.Context, *imap.Request) error {
	if s.shares() {
		s.line(`* NAMESPACE (("" "/")) (("`, othersPrefix, `" "/")) NIL`)
		return nil
	}
	s.line(`* NAMESPACE (("" "/")) NIL NIL`)
	return nil
}
