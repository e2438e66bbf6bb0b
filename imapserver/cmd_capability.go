package imapserver

import (
	"context"

	"mox/imap"
)

// cmdCapability is CAPABILITY, RFC 9051 6.1.1.
func (s *session) cmdCapability(context.Context, *imap.Request) error {
	b := append(s.output(), "* CAPABILITY"...)
	s.out = append(s.appendCapabilities(b), "\r\n"...)
	return nil
}
