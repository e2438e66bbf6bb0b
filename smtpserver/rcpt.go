package smtpserver

import (
	"context"

	"mox/smtp"
)

// manyRefused times the most recipients of a transaction may be refused in one, for
// whatever reason: a client that does not heed the limit, but goes on, is bounded too.
const manyRefused = 10

// rcpt is RFC 5321 4.1.1.3.
func (s *session) rcpt(ctx context.Context, c smtp.Rcpt) (smtp.Reply, error) {
	err := s.addRecipient(ctx, c)
	if err == nil {
		s.accepted++
		s.recipients++
		if f := s.srv.c.Accepted; f != nil {
			f(s.peer.Remote.Addr())
		}
		return ok("2.1.5", "recipient ok"), nil
	}
	return s.refuseRecipient(ctx, err)
}

// refuseRecipient is the reply to a recipient that cannot be one for err.
func (s *session) refuseRecipient(ctx context.Context, err error) (smtp.Reply, error) {
	s.refused++
	if s.refused > manyRefused*s.srv.c.Limits.Recipients {
		return smtp.Reply{}, smtp.WrapErrorf(err, 421, "4.5.3", "far too many recipients, send the message to fewer at a time")
	}
	if s.tx != nil {
		err = s.suspectTransaction(ctx, s.tx, err)
	}
	// That TLS is missing says nothing of the address.
	if code := smtp.AsError(err).Code; code/100 != 5 || code == 530 {
		return smtp.Reply{}, err
	}
	// Who tries addresses to see which exist is slowed down, and stopped.
	s.refusals++
	if f := s.srv.c.Metrics.Recipient; f != nil {
		f(s.srv.c.Kind.String())
	}
	if f := s.srv.c.Refused; f != nil {
		if ferr := f(s.peer.Remote.Addr(), s.from); ferr != nil {
			return smtp.Reply{}, ferr
		}
	}
	if s.refusals > s.srv.c.Limits.Refusals {
		return smtp.Reply{}, smtp.WrapErrorf(err, 421, "4.7.0", "too many refused recipients, check your list of addresses")
	}
	s.slow(ctx, s.refusals, s.srv.c.Limits.SlowDelay)
	return smtp.Reply{}, err
}

func (s *session) addRecipient(ctx context.Context, c smtp.Rcpt) error {
	p := c.Params
	if name := s.unknownRcptParam(p); name != "" {
		return smtp.Errorf(555, "5.5.4", "RCPT parameter %s not recognized", name)
	}
	if s.srv.c.RequireTLS && s.peer.TLS == nil && (s.srv.c.PlainRecipient == nil || !s.srv.c.PlainRecipient(c.To)) {
		return errPlain()
	}
	// RFC 6531 3.4: UTF-8 needs SMTPUTF8 at MAIL.
	if !s.utf8 && c.To.IsInternational() {
		return smtp.Errorf(553, "5.6.7", "address with UTF-8 needs SMTPUTF8 at MAIL")
	}
	// RFC 5321 4.5.3.1.10: too many recipients is 452, not 552.
	if s.accepted >= s.srv.c.Limits.Recipients {
		return smtp.Errorf(452, "4.5.3", "too many recipients, send the message to the others in another transaction")
	}
	return s.tx.Rcpt(ctx, c.To, p)
}

// unknownRcptParam is unknownParam for RCPT.
func (s *session) unknownRcptParam(p smtp.RcptParams) string {
	switch {
	case len(p.Other) > 0:
		return p.Other[0].Keyword
	case p.Notify != 0 && !s.srv.c.DSN:
		return "NOTIFY"
	case p.ORcpt != (smtp.ORcpt{}) && !s.srv.c.DSN:
		return "ORCPT"
	}
	return ""
}

// errNoRecipients is the reply to data for nobody.
func (s *session) errNoRecipients() *smtp.Error {
	if s.refused > 0 {
		// RFC 2920 3.1: a client that pipelines learns it here.
		return smtp.Errorf(554, "5.5.1", "no valid recipients")
	}
	return smtp.Errorf(503, "5.5.1", "say RCPT first")
}
