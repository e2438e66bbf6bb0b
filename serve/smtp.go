package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"strconv"
	"time"

	"mox/auth"
	"mox/deliver"
	"mox/inbound"
	"mox/metrics"
	"mox/smtp"
	"mox/smtpserver"
	"mox/submit"
)

// errTooManyConnections closes a new connection with 421.
var errTooManyConnections = errors.New("too many connections from your address, try again later")

// buildSMTP makes the flows behind the SMTP doors.
func (s *Server) buildSMTP() {
	hostname := s.Config.Snapshot().Hostname
	deliverer := deliver.New(deliver.Config{Store: s.Store, Hostname: hostname, ID: s.receivedID.Encode, Log: s.Log, Panic: func(any) { s.Registry.Panic("deliver") }})
	s.buildInbound(deliverer)
	submissions := s.Registry.Counter(metrics.SMTPServerSubmission)
	s.submit = submit.New(submit.Config{
		Hostname: hostname, Directory: s.dir, Deliverer: deliverer, Store: s.Store, Simulate: s.Local, Log: s.Log, Now: s.Now,
		Metrics: submit.Metrics{Submission: func(result string) { submissions.Inc(result) }},
	})
	s.smtpMetrics = s.newSMTPMetrics()
	s.smtpLimiter = newConnectionLimiter(s.Local, s.Now)
}

func (s *Server) newSMTPMetrics() smtpserver.Metrics {
	connections, commands := s.Registry.Counter(metrics.SMTPServerConnection), s.Registry.Histogram(metrics.SMTPServerCommand)
	starttls, starttlsErrors := s.Registry.Counter(metrics.SMTPServerDeliverySTARTTLS), s.Registry.Counter(metrics.SMTPServerDeliverySTARTTLSErrors)
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
		Panic: func(any) { s.Registry.Panic("smtpserver") },
	}
}

// smtpConfig is what the SMTP listeners have in common.
func (s *Server) smtpConfig(o openSocket, kind smtpserver.Kind, tlsConf *tls.Config) smtpserver.Config {
	return smtpserver.Config{
		Kind:     kind,
		Hostname: o.conf.Hostname,
		TLS:      tlsConf,
		Size:     o.conf.SMTPMaxMessageSize,
		Pedantic: s.Pedantic,
		Admit:    s.admit(s.smtpLimiter),
		Log:      s.Log,
		NewCID:   s.cids.Next,
		CID:      s.receivedID.Encode,
		Metrics:  s.smtpMetrics,
	}
}

// startSMTP serves mail from other servers.
func (s *Server) startSMTP(o openSocket) {
	c := s.smtpConfig(o, smtpserver.Deliver, smtpTLSConfig(o.conf))
	c.RequireTLS = o.conf.SMTP.RequireSTARTTLS
	door := inbound.Door{DNSBLs: o.conf.DNSBLs, Delay: *o.conf.SMTP.FirstTimeSenderDelay}
	c.Begin = func(ctx context.Context, peer smtp.Peer, _ any) (smtpserver.Transaction, error) {
		return s.inbound.Begin(ctx, peer, door)
	}
	s.startSMTPServer(o, c)
}

// startSubmission serves the mail programs of users, with STARTTLS or TLS from the start.
func (s *Server) startSubmission(o openSocket) {
	c := s.smtpConfig(o, smtpserver.Submit, tlsConfig(o.conf))
	c.ImplicitTLS = o.service == serviceSubmissions
	c.PlainAuth = !c.ImplicitTLS && o.conf.Submission.NoRequireSTARTTLS
	c.RequireTLS = !c.ImplicitTLS && !o.conf.Submission.NoRequireSTARTTLS
	c.Auth = smtpAuth{s.Auth}
	c.Begin = func(ctx context.Context, peer smtp.Peer, principal any) (smtpserver.Transaction, error) {
		p, ok := principal.(*auth.Principal)
		if !ok {
			return nil, smtp.Errorf(530, "5.7.0", "authentication required")
		}
		return s.submit.Begin(ctx, peer, submit.Sender{Account: p.Account, Login: p.Login})
	}
	s.startSMTPServer(o, c)
}

func (s *Server) startSMTPServer(o openSocket, c smtpserver.Config) {
	server := smtpserver.New(c)
	s.smtp = append(s.smtp, server)
	s.serving.Go(func() {
		if err := server.Serve(s.ctx, o); err != nil {
			s.ended("smtp", o, err)
		}
	})
}
