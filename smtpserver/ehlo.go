package smtpserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mox/dns"
	"mox/smtp"
)

// hello notes who the client says it is. RFC 5321 4.1.4: it is also a RSET.
func (s *session) hello(h smtp.Host, esmtp bool) {
	s.endTransaction()
	s.peer.Hello, s.peer.ESMTP, s.peer.LMTP = h, esmtp, s.srv.c.Kind == LMTP
}

// checkHello refuses who says that it is us. RFC 5321 4.1.4 has the name no reason to
// refuse mail when it does not fit the address; this one cannot be right for anybody.
func (s *session) checkHello(h smtp.Host) error {
	remote, local := s.peer.Remote.Addr(), s.peer.Local.Addr()
	if s.srv.c.Kind != Deliver || s.srv.c.Own == nil || !remote.IsValid() || remote.IsLoopback() {
		return nil
	}
	// The address that the client connected to is ours, whatever is configured.
	own := func(d smtp.IPDomain) bool { return d.IP.IsValid() && d.IP == local || s.srv.c.Own(d) }
	if d, err := dns.ParseDomain(strings.TrimSuffix(h.Raw, ".")); err == nil {
		h.IPDomain.Domain = d // a name with final dot, as no name has it in SMTP
	}
	if h.IPDomain == (smtp.IPDomain{}) || own(smtp.IPDomain{IP: remote}) || !own(h.IPDomain) {
		return nil
	}
	return smtp.Errorf(550, "5.7.1", "you say that you are %s, which is this server: use the name of your own host in EHLO", h)
}

// helo is RFC 5321 4.1.1.1, without extensions.
func (s *session) helo(_ context.Context, c smtp.Helo) (smtp.Reply, error) {
	if err := s.checkHello(c.Host); err != nil {
		return smtp.Reply{}, err
	}
	s.hello(c.Host, false)
	return ok("", s.srv.c.Hostname.ASCII), nil
}

// lhlo is RFC 2033 4.1.
func (s *session) lhlo(ctx context.Context, c smtp.Lhlo) (smtp.Reply, error) {
	return s.ehlo(ctx, smtp.Ehlo(c))
}

// ehlo is RFC 5321 4.1.1.1: the reply announces the extensions.
func (s *session) ehlo(_ context.Context, c smtp.Ehlo) (smtp.Reply, error) {
	if err := s.checkHello(c.Host); err != nil {
		return smtp.Reply{}, err
	}
	s.hello(c.Host, true)
	cfg := &s.srv.c
	lines := []string{
		cfg.Hostname.ASCII,
		"PIPELINING",
		fmt.Sprintf("SIZE %d", cfg.Size),
	}
	if cfg.TLS != nil && s.peer.TLS == nil {
		lines = append(lines, "STARTTLS")
	}
	// RFC 8689 2: only once there is TLS.
	if cfg.RequireTLSExtension && s.peer.TLS != nil {
		lines = append(lines, "REQUIRETLS")
	}
	if m := s.mechanisms(); len(m) > 0 {
		lines = append(lines, "AUTH "+strings.Join(m, " "))
	}
	lines = append(lines,
		"ENHANCEDSTATUSCODES",
		"8BITMIME",
		"CHUNKING",
	)
	if cfg.BinaryMIME {
		lines = append(lines, "BINARYMIME")
	}
	if cfg.hasBurl() {
		lines = append(lines, s.burlLine())
	}
	if cfg.DSN {
		lines = append(lines, "DSN")
	}
	if cfg.FutureRelease > 0 {
		// RFC 4865 4: the longest interval in seconds, and the latest time.
		until := time.Now().UTC().Add(cfg.FutureRelease)
		lines = append(lines, fmt.Sprintf("FUTURERELEASE %d %s", int64(cfg.FutureRelease/time.Second), until.Format(time.RFC3339)))
	}
	lines = append(lines,
		fmt.Sprintf("LIMITS RCPTMAX=%d", cfg.Limits.Recipients),
		"SMTPUTF8",
	)
	// RFC 2034 4: the reply to EHLO has no enhanced code.
	return smtp.Reply{Code: 250, Lines: lines}, nil
}
