package imapserver

import (
	"context"

	"mox/imap"
)

// enabling has what ENABLE can switch on, RFC 5161 3.1; what cannot be enabled is
// ignored.
var enabling = map[string]func(s *session){
	"CONDSTORE": (*session).enableCondstore,
	"QRESYNC": func(s *session) {
		// RFC 7162 3.2.3: ENABLE QRESYNC is a CONDSTORE enabling command.
		s.enableCondstore()
		s.qresync = true
	},
	"METADATA":        func(s *session) { s.follow().metadata = true },
	"METADATA-SERVER": func(s *session) { s.follow().serverMetadata = true },
	"UIDONLY":         (*session).enableUIDOnly,
	"UTF8=ACCEPT": func(s *session) {
		s.utf8, s.utf8only = true, true
		s.dec.SetUTF8(true)
	},
	"IMAP4REV2": func(s *session) {
		// RFC 9051 A.1: mailbox names are UTF-8 from here.
		s.rev2, s.utf8 = true, true
		s.dec.SetUTF8(true)
	},
}

// enabledNames are the names as they are announced.
var enabledNames = map[string]string{"IMAP4REV2": "IMAP4rev2"}

// cmdEnable is ENABLE, RFC 9051 6.3.1.
func (s *session) cmdEnable(_ context.Context, r *imap.Request) error {
	b := append(s.output(), "* ENABLED"...)
	var run []func(*session)
	done := map[string]bool{}
	for _, name := range r.Args.(*imap.Enable).Capabilities {
		f := enabling[name]
		if f == nil || done[name] || s.isDisabled(name) {
			continue
		}
		done[name] = true
		run = append(run, f)
		if n := enabledNames[name]; n != "" {
			name = n
		}
		b = append(b, ' ')
		b = append(b, name...)
	}
	s.out = append(b, "\r\n"...)
	for _, f := range run {
		f(s)
	}
	return nil
}
