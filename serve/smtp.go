package serve

import (
	"context"
	"crypto/tls"
	"net/netip"
	"strconv"
	"time"

	"mox/auth"
	"mox/ban"
	"mox/deliver"
	"mox/inbound"
	"mox/metrics"
	"mox/smtp"
	"mox/smtpserver"
	"mox/submit"
)

// Refusals for what an address or its network has done too often.
var (
	errTooManyConnections  = smtp.Errorf(421, "4.7.0", "too many connections from your network, try again in a minute")
	errTooManyTransactions = smtp.Errorf(452, "4.7.0", "too many messages from your network, try again in a minute")
	errHarvest             = smtp.Errorf(421, "4.7.0", "too many refused recipients from your network, check your list of addresses and try again in an hour")
)

// buildSMTP makes the flows behind the SMTP doors.
func (s *Server) buildSMTP() {
	hostname := s.Config.Snapshot().Hostname
	forwarder := s.buildForwarder()
	deliverer := deliver.New(deliver.Config{Store: s.Store, Hostname: hostname, Forwarder: forwarder, ID: s.receivedID.Encode, Log: s.Log, Panic: func(any) { s.Registry.Panic("deliver") }})
	s.buildSubmit(deliverer, forwarder)
	s.buildInbound(deliverer, forwarder)
	s.smtpMetrics = s.newSMTPMetrics()
	s.smtpLimiter = newConnectionLimiter(s.Local, s.Now)
	if !s.Local {
		s.mailLimiter = newMailLimiter(s.Now)
	}
}

func (s *Server) newSMTPMetrics() smtpserver.Metrics {
	connections, commands := s.Registry.Counter(metrics.SMTPServerConnection), s.Registry.Histogram(metrics.SMTPServerCommand)
	starttls, starttlsErrors := s.Registry.Counter(metrics.SMTPServerDeliverySTARTTLS), s.Registry.Counter(metrics.SMTPServerDeliverySTARTTLSErrors)
	refused, recipients := s.Registry.Counter(metrics.SMTPServerConnectionRefused), s.Registry.Counter(metrics.SMTPServerRecipientRefused)
	slow, slowSessions := s.Registry.Counter(metrics.SMTPServerSlow), s.Registry.Gauge(metrics.SMTPServerSlowSessions)
	deliver := smtpserver.Deliver.String()
	return smtpserver.Metrics{
		Connection: func(kind string) { connections.Inc(kind) },
		Command: func(kind, verb string, code int, enhanced string, d time.Duration) {
			commands.Observe(d, kind, verb, strconv.Itoa(code), enhanced)
		},
		StartTLS: func(kind string) {
			if kind == deliver {
				starttls.Inc()
			}
		},
		StartTLSError: func(kind, reason string) {
			if kind == deliver {
				starttlsErrors.Inc(reason)
			}
		},
		Refused:   func(kind, reason string) { refused.Inc(kind, reason) },
		Recipient: func(kind string) { recipients.Inc(kind) },
		Slow: func(kind, reason string, n int) {
			slowSessions.Add(float64(n), kind)
			switch n {
			case 0:
				slow.Inc(kind, reason, "closed")
			case 1:
				slow.Inc(kind, reason, "slow")
			}
		},
		Panic: func(any) { s.Registry.Panic("smtpserver") },
	}
}

// smtpConfig is what the SMTP listeners have in common.
func (s *Server) smtpConfig(o openSocket, kind smtpserver.Kind, tlsConf *tls.Config) smtpserver.Config {
	c := smtpserver.Config{
		Kind:     kind,
		Hostname: o.conf.Hostname,
		TLS:      tlsConf,
		Size:     o.conf.SMTPMaxMessageSize,
		Pedantic: s.Pedantic,
		Own:      s.own,
		Log:      s.Log,
		NewCID:   s.cids.Next,
		CID:      s.receivedID.Encode,
		Metrics:  s.smtpMetrics,
	}
	if s.Local || s.NoSlow {
		// Who tries things out makes mistakes.
		c.Limits.SlowSessions = -1
	}
	return c
}

// own tells whether a name or address is of this server.
func (s *Server) own(d smtp.IPDomain) bool {
	snap := s.Config.Snapshot()
	if d.IP.IsValid() {
		return snap.IsOwnIP(d.IP)
	}
	return snap.IsHostname(d.Domain)
}

// limit puts the limits for clients that can be anybody on a listener.
func (s *Server) limit(c *smtpserver.Config) {
	c.Admit = func(remote netip.Addr) (func(), error) { return s.admit(c.Kind, remote) }
	l := s.mailLimiter
	if l == nil {
		return
	}
	rated, harvest := s.Registry.Counter(metrics.SMTPServerRateLimited), s.Registry.Counter(metrics.SMTPServerHarvest)
	kind := c.Kind.String()
	door := doorOf(c.Kind)
	c.Nonsense = func(remote netip.Addr) { s.Bans.Offence(remote, door, ban.Protocol) }
	c.Transaction = func(remote netip.Addr) error {
		if !l.Transaction(remote) {
			rated.Inc(kind)
			return errTooManyTransactions
		}
		return nil
	}
	if c.Kind == smtpserver.Deliver {
		c.Accepted = func(remote netip.Addr) { s.Bans.Accepted(remote, ban.Mail, ban.Recipients) }
		c.Refused = func(remote netip.Addr, from smtp.Path) error {
			// With the null reverse-path come the notifications about spam that others have sent with our
			// addresses: the servers that send them do what they must (RFC 5321 6.1).
			if !from.IsZero() {
				s.Bans.Offence(remote, ban.Mail, ban.Recipients)
			}
			if !l.Refused(remote) {
				harvest.Inc("rcpt")
				return errHarvest
			}
			return nil
		}
	}
}

// admit decides about a new connection.
func (s *Server) admit(kind smtpserver.Kind, remote netip.Addr) (release func(), _ error) {
	protocol := "submission"
	if kind == smtpserver.Deliver {
		protocol = "smtp"
	}
	if x, ok := s.banned(remote, doorOf(kind), protocol); ok {
		return nil, bannedSMTP(x)
	}
	if l := s.mailLimiter; l != nil && kind == smtpserver.Deliver && l.Harvested(remote) {
		s.Registry.Counter(metrics.SMTPServerHarvest).Inc("connection")
		return nil, errHarvest
	}
	release, ok := s.smtpLimiter.Accept(remote)
	if !ok {
		return nil, errTooManyConnections
	}
	return release, nil
}

// doorOf is the door of a kind of listener that anybody can be a client of.
func doorOf(kind smtpserver.Kind) ban.Door {
	if kind == smtpserver.Deliver {
		return ban.Mail
	}
	return ban.Logins
}

// startSMTP serves mail from other servers.
func (s *Server) startSMTP(o openSocket) {
	c := s.smtpConfig(o, smtpserver.Deliver, s.smtpTLSConfig(o.conf))
	c.RequireTLS = o.conf.SMTP.RequireSTARTTLS
	c.PlainRecipient = s.forTLSReports
	c.RequireTLSExtension = !o.conf.SMTP.NoRequireTLS
	c.BinaryMIME, c.DSN = true, true
	s.limit(&c)
	c.Begin = func(ctx context.Context, peer smtp.Peer, _ any) (smtpserver.Transaction, error) {
		return &relayed{s: s, peer: peer, door: door(o.conf)}, nil
	}
	s.startSMTPServer(o, c)
}

// startLMTP serves other mail servers and programs of ours, which are trusted.
func (s *Server) startLMTP(o openSocket) {
	c := s.smtpConfig(o, smtpserver.LMTP, s.tlsConfig(o.conf, tlsMail))
	c.RequireTLSExtension, c.BinaryMIME = true, true
	// A server keeps a connection for as long as it has mail, whatever becomes of it.
	c.Limits.NonMail, c.Limits.FailedTransactions, c.Limits.Refusals = 100_000, 100_000, 100_000
	c.Limits.BadCommands, c.Limits.SlowAfter = 100, 100_000
	c.Limits.Greeting, c.Limits.Idle, c.Limits.Session = 5*time.Minute, 15*time.Minute, 24*time.Hour
	c.Begin = func(ctx context.Context, peer smtp.Peer, _ any) (smtpserver.Transaction, error) {
		return s.inbound.Begin(ctx, peer, inbound.Door{})
	}
	s.startSMTPServer(o, c)
}

// startSubmission serves the mail programs of users, with STARTTLS or TLS from the start.
func (s *Server) startSubmission(o openSocket) {
	s.startSMTPServer(o, s.submissionConfig(o, o.service == serviceSubmissions))
}

// submissionConfig is what the listeners for submission have in common.
func (s *Server) submissionConfig(o openSocket, implicitTLS bool) smtpserver.Config {
	c := s.smtpConfig(o, smtpserver.Submit, s.loginTLSConfig(o.conf))
	c.ImplicitTLS = implicitTLS
	c.PlainAuth = !c.ImplicitTLS && o.conf.Submission.NoRequireSTARTTLS
	c.RequireTLS = !c.ImplicitTLS && !o.conf.Submission.NoRequireSTARTTLS
	c.Auth = smtpAuth{s.Auth}
	c.DSN, c.RequireTLSExtension, c.FutureRelease = true, true, submit.DefaultFutureRelease
	c.Burl = s.burl(o.conf.Hostname)
	s.limit(&c)
	c.Begin = func(ctx context.Context, peer smtp.Peer, principal any) (smtpserver.Transaction, error) {
		p, ok := principal.(*auth.Principal)
		if !ok {
			return nil, smtp.Errorf(530, "5.7.0", "authentication required")
		}
		return s.submit.Begin(ctx, peer, submit.Sender{Account: p.Account, Login: p.Login})
	}
	return c
}

func (s *Server) startSMTPServer(o openSocket, c smtpserver.Config) {
	server := smtpserver.New(c)
	s.smtp = append(s.smtp, server)
	s.accept(func() {
		if err := server.Serve(s.ctx, o); err != nil {
			s.ended("smtp", o, err)
		}
	})
}
