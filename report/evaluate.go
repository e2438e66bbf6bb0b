package report

import (
	"context"
	"net/netip"
	"time"

	"mox/config"
	"mox/dkim"
	"mox/dmarc"
	"mox/dmarcrpt"
	"mox/dns"
	"mox/msgauth"
	"mox/reportdb"
	"mox/spf"
)

// Evaluated is a message that DMARC was evaluated for, and what became of it.
type Evaluated struct {
	Snapshot *config.Snapshot
	Results  *msgauth.Results // nil: nothing is noted
	Remote   netip.Addr
	MailFrom dns.Domain // of the reverse-path; zero: null, or an address literal
	RcptTo   dns.Domain // of a recipient
	// Rejected: it was refused for what its DMARC policy asks for. Otherwise somebody
	// got it; a message that was refused for other reasons is not to be noted.
	Rejected bool
	// Reasons are why it was not refused although the policy asks for it.
	Reasons []dmarcrpt.Reason
	// Report: it came to an address for reports. Two servers would go on to report their
	// reports to each other: such a message alone is no reason for a report.
	Report bool
}

// Evaluate notes how DMARC was evaluated, for a report to the owner of the policy if that
// asks for reports.
func (r *Receiver) Evaluate(ctx context.Context, e Evaluated) {
	if e.Results == nil || e.Snapshot.Static.NoOutgoingDMARCReports {
		return
	}
	d := &e.Results.DMARC
	if d.Record == nil || len(d.Record.RUA) == 0 || d.From.IsZero() || d.Status != dmarc.StatusPass && d.Status != dmarc.StatusFail {
		return
	}
	err := r.c.DB.AddEvaluation(ctx, reportdb.Evaluation{
		Domain: d.PolicyDomain.ASCII, Interval: time.Duration(d.Record.RI) * time.Second, Optional: e.Report || fromReporter(e.Results),
		Policy: published(d), Record: e.record(),
	})
	if err != nil {
		r.c.Log.ErrorContext(ctx, "noting evaluation of DMARC", "domain", d.PolicyDomain, "err", err)
	}
}

// fromReporter tells whether a message is from an address that reports go to.
func fromReporter(res *msgauth.Results) bool {
	for _, u := range res.DMARC.Record.RUA {
		a, ok := u.Mailto()
		if ok && len(res.From) == 1 && a == res.From[0] {
			return true
		}
	}
	return false
}

// published is the policy as in a report.
func published(d *dmarc.Result) dmarcrpt.PolicyPublished {
	r := d.Record
	testing := "n"
	if r.Testing {
		testing = "y"
	}
	p, _ := r.PolicyFor(false, false)
	return dmarcrpt.PolicyPublished{
		Domain: d.PolicyDomain.ASCII, DiscoveryMethod: "treewalk", P: string(p), SP: string(r.SP), NP: string(r.NP),
		ADKIM: string(r.ADKIM), ASPF: string(r.ASPF), FO: fo(r.FO), Testing: testing,
	}
}

func fo(l []string) string {
	s := ""
	for i, o := range l {
		if i > 0 {
			s += ":"
		}
		s += o
	}
	return s
}

func result(pass bool) string {
	if pass {
		return "pass"
	}
	return "fail"
}

// maxDKIM is how many signatures of a message are in a report.
const maxDKIM = 10

// record is the message as in a report.
func (e *Evaluated) record() dmarcrpt.Record {
	res, d := e.Results, &e.Results.DMARC
	var rec dmarcrpt.Record
	aligned := false
	for _, ok := range d.AlignedDKIM {
		aligned = aligned || ok
	}
	rec.Row = dmarcrpt.Row{SourceIP: e.Remote.String(), Count: 1, PolicyEvaluated: dmarcrpt.PolicyEvaluated{
		Disposition: dmarcrpt.DispositionNone, DKIM: result(aligned), SPF: result(d.AlignedSPF),
	}}
	p := &rec.Row.PolicyEvaluated
	switch {
	case d.Status == dmarc.StatusPass:
		p.Disposition = dmarcrpt.DispositionPass
	case e.Rejected:
		p.Disposition = dmarcrpt.DispositionReject
	case d.Override == dmarcrpt.ReasonPolicyTestMode:
		p.Reasons = []dmarcrpt.Reason{{Type: d.Override}}
	case d.Override != "":
		p.Reasons = []dmarcrpt.Reason{{Type: dmarcrpt.ReasonOther, Comment: d.Override}}
	case d.Reject && len(e.Reasons) > 0:
		p.Reasons = e.Reasons
	case d.Reject:
		p.Reasons = []dmarcrpt.Reason{{Type: dmarcrpt.ReasonLocalPolicy}}
	}
	rec.Identifiers = dmarcrpt.Identifiers{EnvelopeTo: e.RcptTo.ASCII, EnvelopeFrom: e.MailFrom.ASCII, HeaderFrom: d.From.ASCII}
	for i, s := range res.DKIM {
		if i == maxDKIM {
			break
		}
		if s.Signature != nil {
			rec.AuthResults.DKIM = append(rec.AuthResults.DKIM, dmarcrpt.DKIMResult{Domain: s.Domain().ASCII, Selector: s.Signature.Selector.ASCII, Result: dkimResult(s)})
		}
	}
	rec.AuthResults.SPF = []dmarcrpt.SPFResult{spfResult(res)}
	return rec
}

// dkimResult: RFC 6376 3.6.1: with a key in testing it is as if the message were not signed.
func dkimResult(s dkim.Result) string {
	if s.Testing && s.Status == dkim.StatusPass {
		return "neutral"
	}
	return string(s.Status)
}

// spfResult is the one that DMARC looks at: of the reverse-path, or of EHLO for the null
// one, which RFC 7208 2.4 calls MAIL FROM too. RFC 9990 has no other scope.
func spfResult(res *msgauth.Results) dmarcrpt.SPFResult {
	r := res.SPF
	if r.Identity == "" {
		r = res.Hello
	}
	status := r.Status
	if status == "" {
		status = spf.StatusNone
	}
	return dmarcrpt.SPFResult{Domain: r.Domain.ASCII, Scope: "mfrom", Result: string(status)}
}
