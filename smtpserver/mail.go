package smtpserver

import (
	"context"

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
		return smtp.Reply{}, smtp.Errorf(421, "4.7.0", "too many failed transactions")
	}
	s.failed++ // until one is accepted
	tx, err := s.srv.c.Begin(ctx, s.peer, s.principal)
	if err != nil {
		return smtp.Reply{}, err
	}
	if err := tx.Mail(ctx, c.From, c.Params); err != nil {
		tx.Abort()
		return smtp.Reply{}, err
	}
	s.tx, s.utf8 = tx, c.Params.SMTPUTF8
	return ok("2.1.0", "sender ok"), nil
}

// mayMail checks what has to come before a transaction.
func (s *session) mayMail() error {
	if s.srv.c.RequireTLS && s.peer.TLS == nil {
		// RFC 3207 4.
		return smtp.Errorf(530, "5.7.0", "say STARTTLS first")
	}
	if s.srv.c.Kind == Submit && s.principal == nil {
		// RFC 6409 4.3, RFC 4954 6.
		return smtp.Errorf(530, "5.7.0", "authentication required")
	}
	return nil
}

// mailParams refuses parameters that were not announced (RFC 5321 4.1.1.11), and
// messages that are too large by their own account.
func (s *session) mailParams(p smtp.MailParams) error {
	unknown := len(p.Other) > 0 || p.RequireTLS || p.Ret != "" || p.EnvID != "" || p.HoldFor != 0 || !p.HoldUntil.IsZero() ||
		p.Auth != "" && s.srv.c.Auth == nil
	any := p.HasSize || p.Body != "" || p.SMTPUTF8 || p.Auth != ""
	switch {
	case unknown, any && s.srv.c.Pedantic && !s.peer.ESMTP:
		return smtp.Errorf(555, "5.5.4", "MAIL parameter not recognized")
	case p.Body == smtp.BodyBinaryMIME:
		// RFC 3030 3: only where announced.
		return smtp.Errorf(504, "5.5.4", "BINARYMIME not supported")
	case p.Size > s.srv.c.Size:
		// RFC 1870 6.1.
		return s.errTooLarge()
	}
	return nil
}

func (s *session) errTooLarge() *smtp.Error {
	return smtp.Errorf(552, "5.3.4", "message too large, at most %d octets", s.srv.c.Size)
}
