package smtpserver

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"mox/lineio"
	"mox/mlog"
	"mox/sasl"
	"mox/smtp"
)

// mechanisms returns the mechanisms that are possible now, in order of preference.
func (s *session) mechanisms() []string {
	if s.srv.c.Auth == nil {
		return nil
	}
	var l []string
	cs := s.peer.TLS
	if cs != nil && len(cs.PeerCertificates) > 0 {
		l = append(l, sasl.External)
	}
	plus := sasl.CanBind(cs)
	if plus {
		l = append(l, sasl.ScramSHA256Plus)
	}
	l = append(l, sasl.ScramSHA256)
	if plus {
		l = append(l, sasl.ScramSHA1Plus)
	}
	l = append(l, sasl.ScramSHA1, sasl.CRAMMD5)
	if cs != nil || s.srv.c.PlainAuth {
		l = append(l, sasl.Plain, sasl.Login)
	}
	return l
}

// auth is RFC 4954.
func (s *session) auth(ctx context.Context, c smtp.Auth) (smtp.Reply, error) {
	if s.srv.c.Auth == nil {
		return smtp.Reply{}, smtp.Errorf(502, "5.5.1", "authentication not available")
	}
	// RFC 4954 4: once only.
	if s.principal != nil {
		return smtp.Reply{}, smtp.Errorf(503, "5.5.1", "already authenticated")
	}
	if s.srv.c.RequireTLS && s.peer.TLS == nil {
		return smtp.Reply{}, smtp.Errorf(530, "5.7.0", "say STARTTLS first")
	}
	if !slices.Contains(s.mechanisms(), c.Mechanism) {
		if s.peer.TLS == nil && (c.Mechanism == sasl.Plain || c.Mechanism == sasl.Login) {
			// RFC 4954 6: the code says that the mechanism needs encryption.
			return smtp.Reply{}, smtp.Errorf(538, "5.7.11", "mechanism needs TLS, say STARTTLS first")
		}
		return smtp.Reply{}, smtp.Errorf(504, "5.5.4", "mechanism not available")
	}
	attempt, err := s.srv.c.Auth.Begin(ctx, s.peer)
	if err != nil {
		return smtp.Reply{}, authError(err)
	}
	mech, err := sasl.NewServer(c.Mechanism, attempt, s.peer.TLS, s.srv.c.Hostname.ASCII)
	if err != nil {
		return smtp.Reply{}, smtp.WrapErrorf(err, 504, "5.5.4", "mechanism not available")
	}
	err = s.exchange(ctx, mech, c.Initial)
	principal, ferr := attempt.Finish(ctx, c.Mechanism, mech.Authcid(), mech.Authzid(), canceled(err))
	if errors.Is(err, errGone) {
		return smtp.Reply{}, err
	}
	// Finish has the last word, about credentials that are right as well.
	if ferr != nil && (err == nil || !isReply(err)) {
		err = ferr
	}
	if err != nil {
		return smtp.Reply{}, s.authFailed(ctx, authError(err))
	}
	s.principal = principal
	s.peer.Auth = true
	s.authFailures = 0
	s.log.InfoContext(ctx, "authenticated", "mechanism", c.Mechanism, "login", mech.Authcid())
	return smtp.Reply{Code: 235, Enhanced: "2.7.0", Lines: []string{"authenticated"}}, nil
}

// errCanceled: the client gave up (RFC 4954 4).
var errCanceled = smtp.WrapErrorf(context.Canceled, 501, "5.7.0", "authentication cancelled")

// canceled makes an exchange that broke off one that was given up, for Finish.
func canceled(err error) error {
	if isReply(err) || errors.Is(err, errGone) {
		return fmt.Errorf("%w: %w", context.Canceled, err)
	}
	return err
}

// exchange carries the messages of the mechanism.
func (s *session) exchange(ctx context.Context, mech sasl.Server, response []byte) error {
	defer func(l slog.Level) { s.level = l }(s.level)
	s.level = mlog.LevelTraceauth
	for {
		challenge, done, err := mech.Next(ctx, response)
		if err != nil || done {
			return err
		}
		s.write(smtp.Reply{Code: 334, Lines: []string{base64.StdEncoding.EncodeToString(challenge)}})
		if response, err = s.readResponse(); err != nil {
			return err
		}
	}
}

// readResponse reads a response of the client.
func (s *session) readResponse() ([]byte, error) {
	if err := s.c.WaitInput(s.srv.c.Limits.Idle); err != nil && !errors.Is(err, lineio.ErrInterrupted) {
		return nil, lost(err)
	}
	line, err := s.readLine(s.srv.c.Limits.AuthLine)
	switch {
	case errors.Is(err, lineio.ErrLineTooLong):
		// RFC 4954 4.
		return nil, smtp.Errorf(500, "5.5.6", "authentication exchange line is too long")
	case lineError(err, s.srv.c.Pedantic) != nil:
		return nil, lineError(err, s.srv.c.Pedantic)
	case err != nil && !errors.Is(err, lineio.ErrBareLF):
		return nil, lost(err)
	case string(line) == "*":
		return nil, errCanceled
	}
	response := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(response, line)
	if err != nil {
		return nil, smtp.Errorf(501, "5.5.2", "bad base64")
	}
	return response[:n], nil
}

func isReply(err error) bool {
	var e *smtp.Error
	return errors.As(err, &e)
}

// authError makes an error of a mechanism or of an Authenticator a reply.
func authError(err error) *smtp.Error {
	var e *smtp.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, sasl.ErrProtocol):
		return smtp.WrapErrorf(err, 501, "5.5.2", "malformed authentication exchange")
	case errors.Is(err, sasl.ErrCredentials), errors.Is(err, sasl.ErrChannelBinding):
		return smtp.WrapErrorf(err, 535, "5.7.8", "bad credentials")
	}
	return smtp.WrapErrorf(err, 454, "4.7.0", "temporary authentication failure")
}

// authFailed counts a failure; who guesses passwords has to wait ever longer, and
// then to connect anew.
func (s *session) authFailed(ctx context.Context, e *smtp.Error) error {
	l := &s.srv.c.Limits
	s.authFailures++
	if s.authFailures >= l.AuthFailures {
		return smtp.WrapErrorf(e, 421, "4.7.0", "too many failed authentications")
	}
	s.slow(ctx, s.authFailures, time.Duration(s.authFailures-l.SlowAfter+1)*l.SlowDelay)
	return e
}
