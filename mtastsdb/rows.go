package mtastsdb

import (
	"context"
	"fmt"
	"time"

	"mox/db"
	"mox/dns"
	"mox/mtasts"
)

// row is a domain as it is stored.
type row struct {
	domain, recordID, policy string
	fetched, expires         int64
	tried                    int64
	triedID, error, reason   string
	used                     int64
}

const columns = "domain, record_id, policy, fetched, expires, tried, tried_id, error, reason, used"

func scan(s *db.Stmt) row {
	return row{s.Text(0), s.Text(1), s.Text(2), s.Int64(3), s.Int64(4), s.Int64(5), s.Text(6), s.Text(7), s.Text(8), s.Int64(9)}
}

// valid tells whether the policy of the row is in force.
func (r row) valid(now time.Time) bool { return r.policy != "" && now.Unix() < r.expires }

// find returns the row of a domain, with only its name set if there is none.
func find(c *db.Conn, domain string) (row, error) {
	s := c.Query("SELECT "+columns+" FROM policy WHERE domain = ?", domain)
	r := row{domain: domain}
	if s.Next() {
		r = scan(s)
	}
	return r, s.Close()
}

func (d *DB) find(ctx context.Context, domain string) (r row, _ error) {
	err := d.db.Read(ctx, func(c *db.Conn) (err error) {
		r, err = find(c, domain)
		return err
	})
	return r, err
}

// store replaces the row of a domain.
func store(c *db.Conn, r row) error {
	return c.Exec("INSERT OR REPLACE INTO policy ("+columns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.domain, r.recordID, r.policy, r.fetched, r.expires, r.tried, r.triedID, r.error, r.reason, r.used)
}

// usedWithin is how exactly it is remembered when a policy was last used.
const usedWithin = time.Hour

// markUsed remembers that the policy is used now.
func (d *DB) markUsed(ctx context.Context, r row) {
	now := d.o.Now().Unix()
	if r.policy == "" || now-r.used < int64(usedWithin/time.Second) {
		return
	}
	err := d.db.Write(ctx, func(c *db.Conn) error {
		return c.Exec("UPDATE policy SET used = ? WHERE domain = ?", now, r.domain)
	})
	if err != nil {
		d.o.Log.WarnContext(ctx, "remembering use of mta-sts policy", "domain", r.domain, "err", err)
	}
}

// Entry is what is known of a domain.
type Entry struct {
	Domain dns.Domain
	// Policy is nil when there is none: it could not be fetched.
	Policy *mtasts.Policy
	Info
	Tried time.Time // last try to fetch the policy
	Used  time.Time // last delivery, within an hour
}

// List returns all entries, by domain.
func (d *DB) List(ctx context.Context) ([]Entry, error) {
	var rows []row
	err := d.db.Read(ctx, func(c *db.Conn) error {
		s := c.Query("SELECT " + columns + " FROM policy ORDER BY domain")
		for s.Next() {
			rows = append(rows, scan(s))
		}
		return s.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading mta-sts policies: %w", err)
	}
	var l []Entry
	for _, r := range rows {
		domain, err := dns.ParseDomainLax(r.domain)
		if err != nil {
			return nil, fmt.Errorf("domain in database: %w", err)
		}
		e := Entry{Domain: domain, Info: r.info(), Tried: unix(r.tried), Used: unix(r.used)}
		if p, err := mtasts.ParsePolicy(r.policy); err == nil {
			e.Policy = &p
		}
		l = append(l, e)
	}
	return l, nil
}

func unix(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(n, 0)
}

// info is what Get tells beside the policy.
func (r row) info() Info {
	i := Info{RecordID: r.recordID, Text: r.policy, Fetched: unix(r.fetched), Expires: unix(r.expires)}
	if r.error != "" {
		i.FetchError = &FetchError{mtasts.Reason(r.reason), r.error}
	}
	return i
}
