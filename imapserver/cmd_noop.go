package imapserver

import (
	"context"

	"mox/imap"
)

// cmdNoop is NOOP (RFC 9051 6.1.2) and CHECK (RFC 3501 6.4.1): what they do is what
// follows every command.
func (s *session) cmdNoop(context.Context, *imap.Request) error { return nil }
