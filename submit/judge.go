package submit

import (
	"context"
	"slices"

	"mox/deliver"
	"mox/dns"
	"mox/policy"
	"mox/publicsuffix"
	"mox/trace"
)

// judge tells for each account why it gets the message. It is safe for concurrent use.
type judge struct {
	s     *Submit
	m     *deliver.Message
	id    string
	facts trace.Facts // that are the same for all accounts
}

// newJudge returns the judge of a message. What recipients can see of it does not tell
// where it was sent from, just as the header does not.
func (tx *Transaction) newJudge(m *deliver.Message) *judge {
	j := &judge{s: tx.s, m: m, id: tx.s.c.ID(tx.peer.CID)}
	f := &j.facts
	f.Trusted = "submission"
	if !tx.from.IsZero() {
		f.MailFrom = tx.from.XString(true)
	}
	m.Facts(f)
	if len(tx.authors) > 1 {
		f.FromProblem = "multiple addresses in From"
		return j
	}
	// The user may send as this address: nobody could verify it better.
	f.From, f.Validation = tx.authors[0].String(), trace.ValidationStrict
	f.OrgDomain = publicsuffix.OrganizationalDomain(tx.authors[0].Domain).ASCII
	return j
}

// verified are the domains that the user has shown to act for.
func (tx *Transaction) verified() []dns.Domain {
	var l []dns.Domain
	for _, a := range append(slices.Clone(tx.authors), tx.from.Address()) {
		if !a.IsZero() && !slices.Contains(l, a.Domain) {
			l = append(l, a.Domain)
		}
	}
	return l
}

// judge decides for one account: everything is accepted.
func (j *judge) judge(ctx context.Context, c deliver.Case) deliver.Judgment {
	t := &trace.Trace{Time: j.m.Received, ID: j.id, Account: c.Account.Name(), Facts: j.facts}
	c.Facts(&t.Facts, j.m)
	t.Verdict = policy.Decide(&t.Facts, policy.Settings{}).Verdict
	b, err := t.Encode()
	if err != nil {
		j.s.c.Log.ErrorContext(ctx, "encoding trace", "err", err)
	}
	return deliver.Judgment{Mailbox: t.Verdict.Mailbox, Trace: b, Done: func(err error) { j.report(t, err) }}
}

func (j *judge) report(t *trace.Trace, err error) {
	if j.s.c.Trace != nil {
		t, _ = deliver.Outcome(t, err)
		j.s.c.Trace(t)
	}
}
