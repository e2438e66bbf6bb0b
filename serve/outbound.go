package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"mox/dns"
	"mox/metrics"
	"mox/mlog"
	"mox/mtasts"
	"mox/mtastsdb"
	"mox/outbound"
	"mox/queue"
	"mox/smtp"
)

// openPolicies opens what is known of other domains' MTA-STS policies.
func (s *Server) openPolicies(path string) (err error) {
	snap := s.Config.Snapshot()
	gets, got := s.Registry.Histogram(metrics.MTASTSGet), s.Registry.Counter(metrics.MTASTSDBGet)
	dial := (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	s.Policies, err = mtastsdb.Open(path, mtastsdb.Options{
		Source: &mtasts.Client{
			Resolver: s.Resolver, Transport: mtasts.NewTransport(s.Resolver, snap.RootCAs, dial), Log: mlog.New("mtasts", s.Log),
			Observe: func(result string, d time.Duration) { gets.Observe(d, result) },
		},
		Log: s.Log, Now: s.Now,
		Observe: func(result string) { got.Inc(result) },
		Panic:   func() { s.Registry.Panic("mtastsdb") },
	})
	return err
}

// stsPolicies are the policies of mtastsdb as outbound wants them.
type stsPolicies struct{ *mtastsdb.DB }

// Policy implements outbound.MTASTS.
func (p stsPolicies) Policy(ctx context.Context, domain dns.Domain) (*mtasts.Policy, error) {
	policy, info, err := p.Get(ctx, domain)
	if err == nil {
		err = info.FetchError
	}
	return policy, err
}

// buildOutbound makes the flow that sends what is in the queue.
func (s *Server) buildOutbound() {
	s.outbound = outbound.New(outbound.Config{
		Queue: outbound.FromQueue(s.Queue), Config: s.Config.Snapshot, Resolver: s.Resolver, Dial: s.Dial,
		MTASTS: stsPolicies{s.Policies}, TLSResults: s.Reports,
		Local: func(ctx context.Context, m queue.Message, c outbound.Content) error {
			return s.submit.DeliverLocal(ctx, m, c)
		},
		HTTP: s.tokenClient(), Sign: s.sign, Metrics: s.outboundMetrics(), Spans: s.spans, Log: s.Log, Now: s.Now, Loopback: s.Loopback,
	})
}

// tokenClient asks for tokens where mox.conf says; its names are looked up like others.
func (s *Server) tokenClient() *http.Client {
	dial := (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	return &http.Client{
		Transport:     mtasts.NewTransport(s.Resolver, s.Config.Snapshot().RootCAs, dial),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would get the secret
		Timeout:       time.Minute,
	}
}

// sign returns the DKIM-Signature fields of a message of the server itself, "" for a domain
// without keys.
func (s *Server) sign(ctx context.Context, from dns.Domain, utf8 bool, content io.ReaderAt) (string, error) {
	return s.submit.Sign(ctx, s.Config.Snapshot(), []smtp.Address{{Localpart: "postmaster", Domain: from}}, utf8, content)
}

// notice composes a notification for the queue.
func (s *Server) notice(ctx context.Context, r queue.Reported) (*queue.NewMessage, error) {
	return outbound.Notices{Config: s.Config.Snapshot, Sign: s.sign, Now: s.Now}.Notice(ctx, r)
}

func (s *Server) outboundMetrics() outbound.Metrics {
	r := s.Registry
	counter := func(d metrics.CounterDef) func() {
		c := r.Counter(d)
		return func() { c.Inc() }
	}
	labelled := func(d metrics.CounterDef) func(string) {
		c := r.Counter(d)
		return func(label string) { c.Inc(label) }
	}
	deliveries, commands := r.Histogram(metrics.QueueDelivery), r.Histogram(metrics.SMTPClientCommand)
	destinations, authentic := counter(metrics.QueueDestinations), counter(metrics.QueueDestinationsAuthentic)
	daneIgnored := labelled(metrics.SMTPClientTLSRequiredNoIgnored)
	return outbound.Metrics{
		Connection: s.watch.connections(labelled(metrics.QueueConnection), s.Now),
		Delivery: func(attempt int, transport, tlsMode, result string, d time.Duration) {
			deliveries.Observe(d, strconv.Itoa(attempt), transport, tlsMode, result)
		},
		Destination: func(auth bool) {
			destinations()
			if auth {
				authentic()
			}
		},
		DANERequired:          counter(metrics.QueueDANERequired),
		DANEUnverified:        counter(metrics.QueueDANESTARTTLSUnverified),
		TLSALookupError:       counter(metrics.QueueDANEGatherTLSAErrors),
		TLSRequiredNoIgnored:  labelled(metrics.QueueTLSRequiredNoIgnored),
		DANEIgnored:           func() { daneIgnored("daneverification") },
		RequireTLSUnsupported: labelled(metrics.QueueRequireTLSUnsupported),
		PlaintextFallback:     counter(metrics.QueuePlaintextFallback),
		DMARCReportFailure:    counter(metrics.QueueDMARCReportFailure),
		Command: func(cmd string, code int, enhanced string, d time.Duration) {
			commands.Observe(d, cmd, strconv.Itoa(code), enhanced)
		},
	}
}
