package imapserver

import (
	"context"

	"mox/imap"
)

// cmdNamespace is NAMESPACE, RFC 9051 6.3.10: one personal namespace.
func (s *session) cmdNamespace(context.Context, *imap.Request) error {
	s.line(`* NAMESPACE (("" "/")) NIL NIL`)
	return nil
}
