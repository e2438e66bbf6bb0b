package smtpserver

import (
	"context"

	"mox/smtp"
)

// rset is RFC 5321 4.1.1.5.
func (s *session) rset(context.Context, smtp.Rset) (smtp.Reply, error) {
	s.endTransaction()
	return ok("2.0.0", "reset"), nil
}

// noop is RFC 5321 4.1.1.9.
func (s *session) noop(context.Context, smtp.Noop) (smtp.Reply, error) {
	return ok("2.0.0", "ok"), nil
}

// help is RFC 5321 4.1.1.8.
func (s *session) help(context.Context, smtp.Help) (smtp.Reply, error) {
	return smtp.Reply{Code: 214, Enhanced: "2.0.0", Lines: []string{"see RFC 5321"}}, nil
}

// vrfy is RFC 5321 4.1.1.6. 7.3: to say who exists helps those who should not know.
func (s *session) vrfy(context.Context, smtp.Vrfy) (smtp.Reply, error) {
	return smtp.Reply{Code: 252, Enhanced: "2.5.2", Lines: []string{"cannot verify, send mail to find out"}}, nil
}

// expn is RFC 5321 4.1.1.7; 7.3 as with VRFY.
func (s *session) expn(context.Context, smtp.Expn) (smtp.Reply, error) {
	return smtp.Reply{Code: 252, Enhanced: "2.5.2", Lines: []string{"cannot expand, send mail to find out"}}, nil
}

// quit is RFC 5321 4.1.1.10.
func (s *session) quit(context.Context, smtp.Quit) (smtp.Reply, error) {
	s.endTransaction()
	s.closing, s.quitting = true, true
	return smtp.Reply{Code: 221, Enhanced: "2.0.0", Lines: []string{"bye"}}, nil
}
