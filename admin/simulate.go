package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"mox/dns"
	"mox/inbound"
	"mox/smtp"
	"mox/trace"
)

// Simulation is a message that could come, see [Admin.Simulate].
type Simulation struct {
	From string // address of the reverse-path; empty: the null one
	To   string
	// Remote is the address of the client that would send it. Empty: one of those that
	// the domain of From gets mail at, which often send it too.
	Remote string
	// Hello is what the client calls itself; empty: the domain of From.
	Hello string
	TLS   bool
	// DKIM are domains whose signatures are taken to be valid.
	DKIM []string
	// Message is the whole message; empty: one with From and To only.
	Message string `json:"-"`
}

// Simulate returns what would happen to a message right now: a decision for each account
// that would get it, or the refusal. Nothing is delivered, counted or learned.
func (a *Admin) Simulate(ctx context.Context, s Simulation) ([]*trace.Trace, error) {
	if a.Inbound == nil {
		return nil, errors.New("this server receives no mail")
	}
	q := inbound.Query{TLS: s.TLS, Message: []byte(s.Message), Door: a.Door}
	var err error
	if s.From != "" {
		if q.From, err = path(s.From); err != nil {
			return nil, fmt.Errorf("sender: %w", err)
		}
	}
	if q.To, err = path(s.To); err != nil {
		return nil, fmt.Errorf("recipient: %w", err)
	}
	if s.Remote != "" {
		if q.Remote, err = netip.ParseAddr(s.Remote); err != nil {
			return nil, fmt.Errorf("%q is not an IP address", s.Remote)
		}
	}
	if s.Hello != "" {
		if q.Hello, err = dns.ParseDomainLax(s.Hello); err != nil {
			return nil, err
		}
	}
	for _, name := range s.DKIM {
		d, err := dns.ParseDomain(name)
		if err != nil {
			return nil, err
		}
		q.DKIM = append(q.DKIM, d)
	}
	return a.Inbound.Simulate(ctx, q)
}

func path(s string) (smtp.Path, error) { return smtp.ParsePath("<"+s+">", smtp.Options{}) }
