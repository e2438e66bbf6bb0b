package serve

import (
	"fmt"

	"mox/config"
	"mox/metrics"
	"mox/mlog"
	"mox/report"
	"mox/reportdb"
	"mox/smtp"
)

// openReports opens what reports of and to other servers are kept in.
func (s *Server) openReports(snap *config.Snapshot) error {
	var err error
	s.Reports, err = reportdb.Open(snap.DataPath(reportdb.FileName), reportdb.Options{Log: mlog.New("reportdb", s.Log), Now: s.Now})
	if err != nil {
		return fmt.Errorf("database of reports: %w", err)
	}
	return nil
}

// newReportReceiver makes what takes reports of others. That of localserve would have none
// to take.
func (s *Server) newReportReceiver() *report.Receiver {
	if s.Local {
		return nil
	}
	rows, dkims, spfs := s.Registry.Counter(metrics.DMARCDBPolicyEvaluated), s.Registry.Counter(metrics.DMARCDBDKIMResult), s.Registry.Counter(metrics.DMARCDBSPFResult)
	sessions := s.Registry.Counter(metrics.TLSRPTDBSession)
	return report.NewReceiver(report.ReceiverConfig{
		DB: s.Reports, Resolver: s.Resolver, Log: s.Log, Now: s.Now,
		Metrics: report.ReceiverMetrics{
			PolicyEvaluated: func(domain, disposition, dkim, spf string, n int64) {
				rows.Add(float64(n), domain, disposition, dkim, spf)
			},
			DKIMResult: func(result string, n int64) { dkims.Add(float64(n), result) },
			SPFResult:  func(result string, n int64) { spfs.Add(float64(n), result) },
			TLSSession: func(typ string, n int64) { sessions.Add(float64(n), typ) },
		},
	})
}

// forTLSReports tells whether an address is for reports about TLS.
func (s *Server) forTLSReports(to smtp.Path) bool {
	r, err := s.dir.View().ResolvePath(to)
	return err == nil && r.Destination != nil && (len(r.Destination.TLSReports) > 0 || r.Destination.HostTLSReports)
}
