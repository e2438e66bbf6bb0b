package serve

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"mox/dkim"
	"mox/metrics"
	"mox/mtasts"
	"mox/queue"
	"mox/report"
	"mox/reportdb"
	"mox/smtp"
)

// buildReports makes what receives and sends reports about mail between servers, of which
// localserve has none.
func (s *Server) buildReports() {
	if s.Local {
		return
	}
	evaluated, dkims, spfs := s.Registry.Counter(metrics.DMARCDBPolicyEvaluated), s.Registry.Counter(metrics.DMARCDBDKIMResult), s.Registry.Counter(metrics.DMARCDBSPFResult)
	sessions := s.Registry.Counter(metrics.TLSRPTDBSession)
	s.receiver = report.NewReceiver(report.ReceiverConfig{
		DB: s.Reports, Resolver: s.Resolver, Log: s.Log, Now: s.Now,
		Metrics: report.ReceiverMetrics{
			PolicyEvaluated: func(domain, disposition, dkim, spf string, n int64) {
				evaluated.Add(float64(n), domain, disposition, dkim, spf)
			},
			DKIMResult: func(result string, n int64) { dkims.Add(float64(n), result) },
			SPFResult:  func(result string, n int64) { spfs.Add(float64(n), result) },
			TLSSession: func(typ string, n int64) { sessions.Add(float64(n), typ) },
		},
	})
	queued := map[reportdb.Kind]metrics.CounterDef{reportdb.KindDMARC: metrics.DMARCDBReportQueued, reportdb.KindTLS: metrics.TLSRPTSendReportQueued}
	failed := map[reportdb.Kind]metrics.CounterDef{reportdb.KindDMARC: metrics.DMARCDBReportError, reportdb.KindTLS: metrics.TLSRPTSendReportError}
	s.reporter = report.New(report.Config{
		DB: s.Reports, Snapshot: s.Config.Snapshot, Resolver: s.Resolver, Sender: reportSender{s}, HTTP: s.reportClient(), Log: s.Log, Now: s.Now,
		Metrics: report.Metrics{
			Queued: func(k reportdb.Kind) { s.Registry.Counter(queued[k]).Inc() },
			Error:  func(k reportdb.Kind) { s.Registry.Counter(failed[k]).Inc() },
		},
	})
}

// reportClient sends reports to URLs that other domains name: it must not reach what is
// only for us.
func (s *Server) reportClient() *http.Client {
	return &http.Client{Transport: s.publicTransport(), Timeout: time.Minute}
}

// publicTransport calls URLs that others name, at addresses that are not only for us.
func (s *Server) publicTransport() *http.Transport {
	connect := (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	if s.Dial != nil {
		connect = func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.Dial(ctx, netip.Addr{}, network, address)
		}
	}
	// What is dialed is an address: names have been looked up.
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if a, err := netip.ParseAddrPort(address); err != nil || !s.isForeign(a.Addr()) {
			return nil, fmt.Errorf("address %s is not public", address)
		}
		return connect(ctx, network, address)
	}
	return mtasts.NewTransport(s.Resolver, s.Config.Snapshot().RootCAs, dial)
}

// isForeign tells whether an address is public and not one of this machine.
func (s *Server) isForeign(a netip.Addr) bool {
	ip := a.Unmap().WithZone("")
	return isPublic(ip) && !s.Config.Snapshot().IsOwnIP(ip)
}

// reportPriority has reports wait for mail of people.
const reportPriority = -1

// reportSender sends mails with reports.
type reportSender struct{ s *Server }

// Send implements report.Sender: the mail is signed and in the queue.
func (r reportSender) Send(ctx context.Context, m report.Mail) error {
	fields, err := r.sign(ctx, m)
	if err != nil {
		return err
	}
	kind := queue.DMARCReport
	if m.Kind == reportdb.KindTLS {
		kind = queue.TLSReport
	}
	base := queue.Message{Kind: kind, Sender: m.From.Path(), MaxAttempts: m.MaxAttempts, Notify: smtp.NotifyNever, Priority: reportPriority}
	if m.IgnoreTLS {
		base.RequireTLS = new(bool)
	}
	var msgs []queue.Message
	for _, to := range m.To {
		q := base
		q.Recipient, q.Local = to.Path(), r.s.dir.View().IsLocal(to.Domain)
		msgs = append(msgs, q)
	}
	c := queue.Content{Prefix: []byte(fields), Body: bytes.NewReader(m.Content), Size: int64(len(m.Content))}
	_, err = r.s.Queue.Add(ctx, c, msgs)
	return err
}

// sign signs a mail. RFC 8460 5.3, RFC 9990 4.6: nobody believes one without a signature.
func (r reportSender) sign(ctx context.Context, m report.Mail) (string, error) {
	d := r.s.Config.Snapshot().Signer(m.From.Domain)
	if d == nil {
		return "", fmt.Errorf("no DKIM keys for %s, from which reports are sent", m.From.Domain)
	}
	var selectors []dkim.Selector
	for _, sel := range d.Signers {
		headers := sel.Headers
		if headers == nil {
			headers = dkim.DefaultHeaders()
		}
		sel.Headers = append(append([]string{}, headers...), m.SignFields...)
		selectors = append(selectors, sel)
	}
	signed := r.s.Registry.Counter(metrics.DKIMSign)
	o := dkim.SignOptions{Domain: d.Domain, Identity: m.From, Now: r.s.Now, Observe: func(key string) { signed.Inc(key) }}
	return dkim.Sign(ctx, r.s.Log, o, selectors, bytes.NewReader(m.Content))
}

// reportFailed notes that a report could not be delivered: its address gets none for a while.
func (s *Server) reportFailed(e queue.Event) {
	kind := reportdb.KindDMARC
	switch e.Message.Kind {
	case queue.DMARCReport:
	case queue.TLSReport:
		kind = reportdb.KindTLS
	default:
		return
	}
	if e.Name != queue.EventFailed || s.ctx.Err() != nil {
		return // or the server ends, and nobody would wait for it
	}
	// We are inside a commit of the queue here.
	s.serving.Go(func() {
		if err := s.reporter.Failed(s.ctx, kind, e.Message.Recipient.Address(), e.Result.Error); err != nil {
			s.Log.Error("noting that reports cannot be delivered", "err", err, "recipient", e.Message.Recipient.LogString())
		}
	})
}

// forTLSReports tells whether an address is for reports about TLS.
func (s *Server) forTLSReports(to smtp.Path) bool {
	r, err := s.dir.View().ResolvePath(to)
	return err == nil && r.Destination != nil && (len(r.Destination.TLSReports) > 0 || r.Destination.HostTLSReports)
}
