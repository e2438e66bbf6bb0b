package imapserver

import (
	"context"

	"mox/imap"
)

// cmdGetJMAPAccess is GETJMAPACCESS, RFC 9698: where JMAP has the same mail, under the same ids (RFC 8474), for the same
// credentials.
func (s *session) cmdGetJMAPAccess(context.Context, *imap.Request) error {
	if !s.hasJMAP() {
		return imap.No("", "there is no JMAP here")
	}
	s.line(`* JMAPACCESS "`, s.listener.JMAP, `"`)
	return nil
}

func (s *session) hasJMAP() bool { return s.listener.JMAP != "" }
