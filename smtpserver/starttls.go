package smtpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"time"

	"mox/smtp"
)

// starttls is RFC 3207.
func (s *session) starttls(ctx context.Context, _ smtp.StartTLS) (smtp.Reply, error) {
	if s.peer.TLS != nil {
		return smtp.Reply{}, smtp.Errorf(503, "5.5.1", "TLS is in use already")
	}
	if s.srv.c.TLS == nil {
		return smtp.Reply{}, smtp.Errorf(502, "5.5.1", "TLS is not available on this server")
	}
	if s.principal != nil {
		// RFC 3207 4.2 has everything forgotten; to forget this would surprise.
		return smtp.Reply{}, smtp.Errorf(503, "5.5.1", "already authenticated")
	}
	// RFC 3207 4: STARTTLS is the last of a group of commands. What came along with it
	// was sent without protection and must not be taken for what is said with it.
	if s.c.Buffered() > 0 {
		s.closing = true
		return smtp.Reply{}, smtp.Errorf(503, "5.5.1", "something was sent after STARTTLS without waiting for TLS")
	}
	s.write(smtp.Reply{Code: 220, Enhanced: "2.0.0", Lines: []string{"go ahead"}})
	if err := s.c.Flush(); err != nil {
		return smtp.Reply{}, lost(err)
	}
	if s.srv.c.Metrics.StartTLS != nil {
		s.srv.c.Metrics.StartTLS(s.srv.c.Kind.String())
	}
	if err := s.handshake(ctx); err != nil {
		return smtp.Reply{}, fmt.Errorf("%w: %w", errGone, err)
	}
	// RFC 3207 4.2: what the client said before is forgotten.
	s.peer.Hello, s.peer.ESMTP = smtp.Host{}, false
	return smtp.Reply{}, nil
}

// handshake puts TLS on the connection, unless it has it already.
func (s *session) handshake(ctx context.Context) error {
	nc := s.c.NetConn()
	if err := nc.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("tls handshake: %w", err)
	}
	tc, has := nc.(*tls.Conn)
	if !has {
		tc = tls.Server(nc, s.srv.c.TLS)
	}
	ctx, cancel := context.WithTimeout(ctx, s.srv.c.Limits.Handshake)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		reason := tlsErrorReason(err)
		if s.srv.c.Metrics.StartTLSError != nil {
			s.srv.c.Metrics.StartTLSError(s.srv.c.Kind.String(), reason)
		}
		return fmt.Errorf("tls handshake: %w", err)
	}
	if err := s.c.Replace(tc); err != nil {
		return fmt.Errorf("starting tls: %w", err)
	}
	s.peer.TLS = connectionState(s.c)
	return nil
}

// tlsErrorReason returns what went wrong, in few words for metrics.
func tlsErrorReason(err error) string {
	var header tls.RecordHeaderError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	case errors.As(err, &header):
		if strings.Contains(header.Msg, "SSLv2") {
			return "sslv2"
		}
		return "nottls"
	case remoteAlert(err) != "":
		return remoteAlert(err)
	case strings.Contains(err.Error(), "unsupported versions"):
		return "unsupportedversions"
	}
	return "other"
}

// remoteAlert returns the alert by which the client has ended a handshake, as
// "alert-<number>-<words>", empty if it has not.
func remoteAlert(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return ""
	}
	// The type is not exported; its values are the numbers of RFC 8446 6.
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return ""
	}
	words := strings.TrimPrefix(op.Err.Error(), "tls: ")
	if strings.ContainsAny(words, "()") {
		words = "unknown"
	}
	return fmt.Sprintf("alert-%d-%s", v.Uint(), strings.ReplaceAll(words, " ", "-"))
}
