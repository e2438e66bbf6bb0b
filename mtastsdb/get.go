package mtastsdb

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"mox/db"
	"mox/dns"
	"mox/mtasts"
)

// Info is what is known beside a policy.
type Info struct {
	RecordID string // of the record in DNS when the policy was fetched
	Text     string // the policy as it was fetched
	Fetched  time.Time
	Expires  time.Time
	// FetchError is why the policy could not be looked for or fetched last, nil if it
	// could: a *FetchError, or what the lookup of the record gave.
	FetchError error
}

// FetchError is the failure of a fetch, which may have been made for another caller or
// before a restart.
type FetchError struct {
	Reason mtasts.Reason // for TLS reports; may be empty
	Text   string
}

func (e *FetchError) Error() string { return e.Text }

// Get returns the policy that is in force for a domain, with any mode; nil: there is none,
// or it cannot be fetched and none is known, which counts as none (RFC 8461 3.3).
//
// An error is temporary, and there is no policy beside it: nothing is known of the
// domain, and not even whether it has a policy could be found out. With a known policy
// failures are only in Info.
func (d *DB) Get(ctx context.Context, domain dns.Domain) (*mtasts.Policy, Info, error) {
	p, info, result, err := d.get(ctx, domain)
	if err != nil {
		result = "error"
	}
	d.o.Observe(result)
	return p, info, err
}

func (d *DB) get(ctx context.Context, domain dns.Domain) (_ *mtasts.Policy, _ Info, result string, _ error) {
	known, err := d.find(ctx, domain.ASCII)
	if err != nil {
		return nil, Info{}, "", fmt.Errorf("reading mta-sts policy: %w", err)
	}
	if _, err := mtasts.ParsePolicy(known.policy); known.policy != "" && err != nil {
		// It was parsed when it was stored: the file is damaged.
		d.o.Log.ErrorContext(ctx, "known mta-sts policy cannot be used", "domain", domain, "err", err)
		known = row{domain: known.domain}
	}
	now := d.o.Now()
	record, err := d.o.Source.Lookup(ctx, domain)
	switch {
	case err != nil && known.valid(now):
		// RFC 8461 5.1: the known policy stays in force, with a record or without.
		return d.inForce(ctx, known, err, "kept")
	case errors.Is(err, mtasts.ErrNoRecord) || errors.Is(err, mtasts.ErrRecord):
		return nil, Info{FetchError: err}, "none", nil
	case err != nil:
		return nil, Info{}, "", err
	case known.valid(now) && known.recordID == record.ID:
		return d.inForce(ctx, known, nil, "hit")
	case known.error != "" && known.triedID == record.ID && now.Unix()-known.tried < int64(d.o.RetryAfter/time.Second):
		return d.failed(ctx, known, nil)
	}
	fresh, err := d.fetch(ctx, domain, record.ID)
	if err != nil || fresh.error != "" {
		if err == nil {
			known = fresh
		}
		return d.failed(ctx, known, err)
	}
	// Also one that is over at once (max_age 0) is for this delivery.
	return d.inForce(ctx, fresh, nil, "fetched")
}

// failed is the outcome when a newer policy could not be had.
func (d *DB) failed(ctx context.Context, known row, err error) (*mtasts.Policy, Info, string, error) {
	if known.valid(d.o.Now()) {
		return d.inForce(ctx, known, err, "kept")
	}
	if err != nil {
		return nil, Info{}, "", err
	}
	return nil, Info{FetchError: known.info().FetchError}, "fetcherror", nil
}

// inForce returns the policy of a row.
func (d *DB) inForce(ctx context.Context, r row, err error, result string) (*mtasts.Policy, Info, string, error) {
	p, perr := mtasts.ParsePolicy(r.policy)
	if perr != nil {
		return nil, Info{}, "", fmt.Errorf("known policy: %w", perr)
	}
	d.markUsed(ctx, r)
	info := r.info()
	switch {
	case err != nil:
		info.FetchError = err
	case result == "hit":
		info.FetchError = nil // of an attempt to get what is known anyway
	}
	return &p, info, result, nil
}

// flight is a fetch under way.
type flight struct {
	done chan struct{} // closed when the others are set
	row  row
	err  error
}

// fetch fetches the policy of a domain, whose record has the id, and stores what comes of
// it: a policy or an error. Who asks meanwhile gets the same. An error is one of ours: of
// the database or ctx.
func (d *DB) fetch(ctx context.Context, domain dns.Domain, id string) (row, error) {
	key := domain.ASCII + " " + id
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return row{}, ErrClosed
	}
	f := d.flights[key]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		d.flights[key] = f
		d.wg.Go(func() { d.fly(f, key, domain, id) })
	}
	d.mu.Unlock()
	select {
	case <-f.done:
		return f.row, f.err
	case <-ctx.Done():
		return row{}, ctx.Err()
	}
}

// fly does the fetch of a flight. It goes on when nobody waits any more: the next
// delivery has use for the policy.
func (d *DB) fly(f *flight, key string, domain dns.Domain, id string) {
	defer func() {
		if x := recover(); x != nil {
			d.o.Log.Error("panic fetching mta-sts policy", "domain", domain, "panic", x, "stack", string(debug.Stack()))
			d.o.Panic()
			f.err = errors.New("internal error")
		}
		d.mu.Lock()
		delete(d.flights, key)
		d.mu.Unlock()
		close(f.done)
	}()
	ctx, cancel := context.WithTimeout(d.ctx, d.o.FetchTimeout)
	defer cancel()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		f.err = ctx.Err()
		return
	}
	got, err := d.o.Source.Fetch(ctx, domain)
	if d.ctx.Err() != nil {
		f.err = ErrClosed
		return
	}
	f.row, f.err = d.keep(domain.ASCII, id, got, err)
}

// keep stores the outcome of a fetch.
func (d *DB) keep(domain, id string, got mtasts.Fetched, fetchErr error) (r row, _ error) {
	now := d.o.Now().Unix()
	err := d.db.Write(d.ctx, func(c *db.Conn) (err error) {
		if r, err = find(c, domain); err != nil {
			return err
		}
		r.tried, r.triedID, r.error, r.reason = now, id, "", ""
		if fetchErr == nil {
			r.recordID, r.policy, r.fetched = id, got.Text, now
			r.expires = now + int64(got.Policy.MaxAge/time.Second)
		} else {
			r.error = fetchErr.Error()
			if e := (*mtasts.Error)(nil); errors.As(fetchErr, &e) {
				r.reason = string(e.Reason)
			}
		}
		if r.used == 0 {
			r.used = now
		}
		return store(c, r)
	})
	if err != nil {
		return row{}, fmt.Errorf("storing mta-sts policy: %w", err)
	}
	return r, nil
}
