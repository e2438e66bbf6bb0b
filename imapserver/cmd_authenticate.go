package imapserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mox/imap"
	"mox/sasl"
)

const (
	maxSASLLine   = 16 << 10
	maxSASLRounds = 10
)

// mechanisms are the SASL mechanisms by name, and when each is usable. The table of
// extensions announces the same.
var mechanisms = map[string]func(s *session) bool{
	"SCRAM-SHA-256-PLUS": (*session).canBind,
	"SCRAM-SHA-256":      nil,
	"SCRAM-SHA-1-PLUS":   (*session).canBind,
	"SCRAM-SHA-1":        nil,
	"CRAM-MD5":           nil,
	"PLAIN":              (*session).plaintextAllowed,
	"EXTERNAL":           (*session).hasClientCert,
}

// cmdAuthenticate is AUTHENTICATE, RFC 9051 6.2.2.
func (s *session) cmdAuthenticate(ctx context.Context, r *imap.Request) error {
	a := r.Args.(*imap.Authenticate)
	usable, ok := mechanisms[a.Mechanism]
	if !ok {
		return imap.No(imap.CodeCannot, "mechanism is not supported")
	}
	if usable != nil && !usable(s) {
		if a.Mechanism == "PLAIN" {
			return imap.No(imap.CodePrivacyRequired, "TLS is required for PLAIN")
		}
		return imap.No(imap.CodeCannot, "mechanism is not available on this connection")
	}
	attempt, err := s.beginAuth(ctx)
	if err != nil {
		return err
	}
	server, err := sasl.NewServer(a.Mechanism, attempt, s.tls, s.srv.cfg.Hostname)
	if err != nil {
		return fmt.Errorf("starting mechanism: %w", err)
	}
	err = s.exchange(ctx, server, a)
	p, finishErr := attempt.Finish(ctx, a.Mechanism, server.Authcid(), server.Authzid(), err)
	var ierr *imap.Error
	if err != nil && (isNetError(err) || errors.As(err, &ierr)) {
		// The attempt is recorded; the client hears what was wrong with its lines.
		return err
	}
	return s.authenticated(ctx, p, finishErr)
}

// exchange runs challenges and responses until the mechanism is done.
func (s *session) exchange(ctx context.Context, server sasl.Server, a *imap.Authenticate) error {
	var response []byte // RFC 4422 3.3: none yet, so that the server may have to ask
	if a.HasInitial {
		response = append([]byte{}, a.Initial...)
	}
	for range maxSASLRounds {
		challenge, done, err := server.Next(ctx, response)
		if err != nil || done {
			return err
		}
		if response, err = s.challenge(challenge); err != nil {
			return err
		}
	}
	return imap.Bad("too many SASL rounds")
}

// challenge sends one and reads the response. RFC 9051 6.2.2: "*" cancels.
func (s *session) challenge(challenge []byte) ([]byte, error) {
	b := append(s.output(), "+ "...)
	b = imap.AppendBase64(b, challenge)
	s.out = append(b, "\r\n"...)
	if err := s.flush(); err != nil {
		return nil, err
	}
	line, err := lineInput{s.conn}.ReadLine(maxSASLLine)
	if err != nil {
		return nil, err
	}
	if string(line) == "*" {
		return nil, errCancelled
	}
	if len(line) == 0 {
		return []byte{}, nil
	}
	return imap.DecodeBase64(string(line))
}

var errCancelled = imap.Bad("authentication cancelled")

// authFailure makes the error to show: refusals as they are, failures of ours as
// UNAVAILABLE.
func (s *session) authFailure(err error) error {
	var ierr *imap.Error
	if errors.As(err, &ierr) {
		return err
	}
	return &imap.Error{Type: imap.NO, Code: imap.CodeUnavailable, Text: "cannot authenticate now", Err: err}
}

// authenticated ends an attempt: with err nil the session enters authenticated state.
func (s *session) authenticated(ctx context.Context, p Principal, err error) error {
	if err != nil {
		s.loginFailures++
		if s.loginFailures >= s.limits().LoginFailures {
			return &errClose{bye: "too many failed logins", err: err}
		}
		return s.authFailure(err)
	}
	account, err := s.srv.cfg.Accounts.Account(ctx, p.Account)
	if err != nil {
		return fmt.Errorf("opening account: %w", err)
	}
	s.principal, s.account, s.state = p, account, stateAuthenticated
	s.srv.loggedIn(s, p.Account)
	s.disable(p.Account)
	lim := s.limits()
	s.conn.SetReadTimeout(lim.ReadTimeout)
	s.conn.SetWriteTimeout(lim.WriteTimeout)
	s.conn.SetDeadline(time.Time{})
	s.dec.SetLimits(lim.Command)
	s.reply = reply{code: s.capabilityCode(), text: "logged in"}
	return nil
}
