package smtpserver

import (
	"context"
	"time"

	"mox/smtp"
)

// mail is RFC 5321 4.1.1.2: it begins a transaction.
func (s *session) mail(ctx context.Context, c smtp.Mail) (smtp.Reply, error) {
	if err := s.mayMail(); err != nil {
		return smtp.Reply{}, err
	}
	if err := s.mailParams(c.Params); err != nil {
		return smtp.Reply{}, err
	}
	if s.failed >= s.srv.c.Limits.FailedTransactions {
		return smtp.Reply{}, smtp.Errorf(421, "4.7.0", "too many failed transactions, try again later")
	}
	if f := s.srv.c.Transaction; f != nil {
		if err := f(s.peer.Remote.Addr()); err != nil {
			return smtp.Reply{}, err
		}
	}
	s.failed++ // until one is accepted
	tx, err := s.srv.c.Begin(ctx, s.peer, s.principal)
	if err != nil {
		return smtp.Reply{}, err
	}
	if err := tx.Mail(ctx, c.From, c.Params); err != nil {
		tx.Abort()
		return smtp.Reply{}, s.suspectTransaction(ctx, tx, err)
	}
	s.tx, s.from, s.utf8, s.binary = tx, c.From, c.Params.SMTPUTF8, c.Params.Body == smtp.BodyBinaryMIME
	return ok("2.1.0", "sender ok"), nil
}

// mayMail checks what has to come before a transaction.
func (s *session) mayMail() error {
	if s.srv.c.RequireTLS && s.peer.TLS == nil && s.srv.c.PlainRecipient == nil {
		return errPlain()
	}
	if s.srv.c.Kind == Submit && s.principal == nil {
		// RFC 6409 4.3, RFC 4954 6.
		return smtp.Errorf(530, "5.7.0", "authentication required, say AUTH first")
	}
	return nil
}

// errPlain: RFC 3207 4.
func errPlain() error {
	return smtp.Errorf(530, "5.7.0", "this server takes mail over TLS only, say STARTTLS first")
}

// mailParams refuses parameters that were not announced (RFC 5321 4.1.1.11), and
// messages that are too large by their own account.
func (s *session) mailParams(p smtp.MailParams) error {
	cfg := &s.srv.c
	later := p.HoldFor != 0 || !p.HoldUntil.IsZero()
	any := p.HasSize || p.Body != "" || p.SMTPUTF8 || p.Auth != "" || p.RequireTLS || p.Ret != "" || p.EnvID != "" || later
	switch name := s.unknownParam(p); {
	case name != "":
		return smtp.Errorf(555, "5.5.4", "MAIL parameter %s not recognized", name)
	case any && cfg.Pedantic && !s.peer.ESMTP:
		return smtp.Errorf(555, "5.5.4", "MAIL parameters need EHLO")
	case later && s.pastRelease(p):
		return smtp.Errorf(501, "5.5.4", "message can be held for at most %d seconds", int64(cfg.FutureRelease/time.Second))
	case p.RequireTLS && s.peer.TLS == nil:
		// RFC 8689 2, 4.1; the code is the one registered for 5.7.10.
		return smtp.Errorf(523, "5.7.10", "REQUIRETLS needs TLS, say STARTTLS first")
	case p.Body == smtp.BodyBinaryMIME && !cfg.BinaryMIME:
		// RFC 3030 3: only where announced.
		return smtp.Errorf(504, "5.5.4", "BODY=BINARYMIME not supported, encode the message")
	case p.Size > cfg.Size:
		// RFC 1870 6.1.
		return s.errTooLarge()
	}
	return nil
}

// unknownParam returns the name of a parameter that was not announced, empty if there is
// none.
func (s *session) unknownParam(p smtp.MailParams) string {
	cfg := &s.srv.c
	switch {
	case len(p.Other) > 0:
		return p.Other[0].Keyword
	case p.RequireTLS && !cfg.RequireTLSExtension:
		return "REQUIRETLS"
	case p.Ret != "" && !cfg.DSN:
		return "RET"
	case p.EnvID != "" && !cfg.DSN:
		return "ENVID"
	case p.HoldFor != 0 && cfg.FutureRelease == 0:
		return "HOLDFOR"
	case !p.HoldUntil.IsZero() && cfg.FutureRelease == 0:
		return "HOLDUNTIL"
	case p.Auth != "" && cfg.Auth == nil:
		return "AUTH"
	}
	return ""
}

// pastRelease tells whether a message is to be sent later than was announced.
func (s *session) pastRelease(p smtp.MailParams) bool {
	most := s.srv.c.FutureRelease
	return p.HoldFor > int64(most/time.Second) || p.HoldUntil.After(time.Now().Add(most))
}

func (s *session) errTooLarge() *smtp.Error {
	return smtp.Errorf(552, "5.3.4", "message too large, at most %d octets", s.srv.c.Size)
}
