package mtastsdb

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"mox/db"
	"mox/dns"
	"mox/mtasts"
)

// firstRound is how long after the start the first round of refreshes begins.
const firstRound = 10 * time.Minute

// removeAfter is how long what is not in force any more is kept, for people to see.
const removeAfter = 24 * time.Hour

// Run removes what is of no use and refreshes the policies, in rounds (RFC 8461 3.3, 10.2: at
// least once a day), until ctx ends. It is called once.
func (d *DB) Run(ctx context.Context) {
	if !sleep(ctx, firstRound) {
		return
	}
	for {
		start := time.Now()
		d.round(ctx)
		if !sleep(ctx, max(time.Minute, d.o.RefreshEvery-time.Since(start))) {
			return
		}
	}
}

func sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// round removes and refreshes once.
func (d *DB) round(ctx context.Context) {
	defer func() {
		if x := recover(); x != nil {
			d.o.Log.Error("panic refreshing mta-sts policies", "panic", x, "stack", string(debug.Stack()))
			d.o.Panic()
		}
	}()
	if err := d.remove(ctx); err != nil && ctx.Err() == nil {
		d.o.Log.WarnContext(ctx, "removing unused mta-sts policies", "err", err)
	}
	domains, err := d.due(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.o.Log.WarnContext(ctx, "looking for mta-sts policies to refresh", "err", err)
		}
		return
	}
	if len(domains) == 0 {
		return
	}
	// They are spread, so that no server that has the policies of many domains is asked for
	// all at once.
	each := d.o.RefreshSpread / time.Duration(len(domains))
	next := time.Now()
	for _, domain := range domains {
		at := next.Add(time.Duration(d.o.Random() * float64(each)))
		next = next.Add(each)
		if !sleep(ctx, time.Until(at)) {
			return
		}
		d.refresh(ctx, domain)
	}
}

// remove forgets what is of no use.
func (d *DB) remove(ctx context.Context) error {
	now := d.o.Now()
	over := now.Add(-removeAfter).Unix()
	return d.db.Write(ctx, func(c *db.Conn) error {
		return c.Exec("DELETE FROM policy WHERE used < ? OR expires < ? AND tried < ?", now.Add(-d.o.Unused).Unix(), over, over)
	})
}

// due returns the domains whose policies are to be refreshed, those first that were tried
// longest ago.
func (d *DB) due(ctx context.Context) ([]dns.Domain, error) {
	now := d.o.Now()
	var l []dns.Domain
	err := d.db.Read(ctx, func(c *db.Conn) error {
		s := c.Query("SELECT domain FROM policy WHERE policy <> '' AND expires > ? AND tried <= ? ORDER BY tried, domain", now.Unix(), now.Add(-d.o.RefreshAge).Unix())
		for s.Next() {
			if domain, err := dns.ParseDomainLax(s.Text(0)); err == nil {
				l = append(l, domain)
			}
		}
		return s.Close()
	})
	return l, err
}

// refresh fetches a policy anew, so that it is kept for longer. Without a record in DNS it
// is let expire; when that cannot be looked up, the policy is fetched all the same.
func (d *DB) refresh(ctx context.Context, domain dns.Domain) {
	record, err := d.o.Source.Lookup(ctx, domain)
	if errors.Is(err, mtasts.ErrNoRecord) || errors.Is(err, mtasts.ErrRecord) {
		d.o.Log.InfoContext(ctx, "domain of mta-sts policy has no record any more", "domain", domain, "err", err)
		return
	}
	id := record.ID
	if err != nil {
		known, err := d.find(ctx, domain.ASCII)
		if err != nil || known.policy == "" {
			return
		}
		id = known.recordID
	}
	r, err := d.fetch(ctx, domain, id)
	if err == nil && r.error != "" {
		err = r.info().FetchError
	}
	// RFC 8461 3.3: people should hear of policies that cannot be refreshed.
	if err != nil && ctx.Err() == nil {
		d.o.Log.WarnContext(ctx, "refreshing mta-sts policy, which stays in force until it expires", "domain", domain, "err", err)
	}
}
