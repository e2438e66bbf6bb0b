package inbound

import (
	"context"
	"sync"

	"mox/deliver"
	"mox/dmarcrpt"
	"mox/report"
	"mox/trace"
)

// received looks for a report in a message to an address for reports.
func (j *judge) received(ctx context.Context, c deliver.Case) report.Received {
	d := c.Target.Destination
	if j.in.c.Reports == nil || !report.IsAddress(d) || j.wordless {
		return report.Received{}
	}
	return j.in.c.Reports.Check(ctx, report.Incoming{Snapshot: j.dir.Snapshot, Destination: d, Part: j.m.Spool.Part(), Content: j.m.Spool, Results: j.res})
}

// outcome is what became of a message for all of its accounts, as far as reports of DMARC
// tell.
type outcome struct {
	mu       sync.Mutex // guards the below
	accepted bool
	rejected bool // for its policy
	reasons  []dmarcrpt.Reason
	report   bool // an address was one for reports
}

// add notes a decision that was carried out.
func (o *outcome) add(t *trace.Trace) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case t.Verdict.Action != trace.Reject:
		o.accepted = true
		o.reasons = overrides(t)
	case t.Verdict.Reason == "dmarc-policy":
		o.rejected = true
	}
}

// overrides are why a message was not refused although its policy asks for it.
func overrides(t *trace.Trace) []dmarcrpt.Reason {
	f := &t.Facts
	switch {
	case f.DMARC == nil || !f.DMARC.Reject:
		return nil
	case t.Verdict.Reason == "list-allow":
		return []dmarcrpt.Reason{{Type: dmarcrpt.ReasonMailingList}}
	case f.Ruleset != nil && f.Ruleset.Forward:
		return []dmarcrpt.Reason{{Type: dmarcrpt.ReasonTrustedForwarder}}
	case f.ARC != nil && f.ARC.Trusted:
		return []dmarcrpt.Reason{{Type: dmarcrpt.ReasonTrustedForwarder, Comment: "arc"}}
	}
	return []dmarcrpt.Reason{{Type: dmarcrpt.ReasonLocalPolicy}}
}

// evaluated notes how DMARC was evaluated, for reports to the owner of the policy: of what
// somebody got, and of what was refused for it.
func (tx *Transaction) evaluated(ctx context.Context, j *judge) {
	o := &j.outcome
	o.mu.Lock()
	defer o.mu.Unlock()
	if tx.in.c.Reports == nil || j.res == nil || !o.accepted && !o.rejected {
		return
	}
	tx.in.c.Reports.Evaluate(ctx, report.Evaluated{
		Snapshot: tx.dir.Snapshot, Results: j.res, Remote: j.facts.Remote, MailFrom: tx.from.IPDomain.Domain, RcptTo: tx.rcpts[0].To.IPDomain.Domain,
		Rejected: !o.accepted, Reasons: o.reasons, Report: o.report,
	})
}
