package autotls

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mox/dns"
	"mox/upkeep"
)

// Records changes TXT records in DNS, for dns-01. It must be safe for concurrent use.
type Records interface {
	// Set adds a record. Name is in ASCII without final dot.
	Set(ctx context.Context, name, value string) error
	// Unset removes a record; it is no error if there is none.
	Unset(ctx context.Context, name, value string) error
}

// recordTTL is that of records for validation: nobody else needs them.
const recordTTL = time.Minute

// Updates are Records by dynamic updates (RFC 2136).
type Updates struct{ *dns.Updater }

// Set implements [Records].
func (u Updates) Set(ctx context.Context, name, value string) error {
	return u.SetTXT(ctx, name, value, recordTTL)
}

// Unset implements [Records].
func (u Updates) Unset(ctx context.Context, name, value string) error {
	return u.UnsetTXT(ctx, name, value)
}

// presentDNS puts up a record, at _acme-challenge.<name> or what that is an alias for.
func (a *attempt) presentDNS(ctx context.Context, value string) (withdraw func(), err error) {
	records := a.p.DNS
	if records == nil {
		return func() {}, errors.New("no way to change DNS records is configured")
	}
	name := a.p.m.challengeName(ctx, a.k.Name)
	withdraw = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if err := records.Unset(ctx, name, value); err != nil {
			a.p.log.Warn("removing DNS record of validation", "err", err, "name", name)
		}
	}
	if err := records.Set(ctx, name, value); err != nil {
		return withdraw, fmt.Errorf("DNS record %s: %w", name, err)
	}
	if a.p.Wait > 0 && !upkeep.Sleep(ctx, a.p.Wait) {
		return withdraw, ctx.Err()
	}
	return withdraw, nil
}

// challengeName is the name of the record: authorities follow aliases (RFC 8555 8.4 looks up TXT
// records as anybody does), which is how the validation is left to another zone.
func (m *Manager) challengeName(ctx context.Context, name string) string {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	record := "_acme-challenge." + name
	_, result, err := m.o.Resolver.LookupTXT(ctx, record)
	// An alias to a name without records is the usual case.
	if (err == nil || dns.IsNotFound(err)) && result.Name != "" {
		return result.Name
	}
	return record
}
