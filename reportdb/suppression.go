package reportdb

import (
	"context"
	"fmt"
	"time"

	"mox/db"
	"mox/smtp"
)

// Kind is which reports a suppression is for.
type Kind string

// Kinds of reports.
const (
	KindDMARC Kind = "dmarc"
	KindTLS   Kind = "tls"
)

// Suppression is an address that gets no reports of a kind for a time.
type Suppression struct {
	ID      int64
	Kind    Kind
	Address string // lower case
	Added   time.Time
	Until   time.Time
	Comment string
}

// Suppress adds an address, or changes Until and Comment of one that is there. ID and Added
// are ignored. It returns the id.
func (d *DB) Suppress(ctx context.Context, s Suppression) (id int64, err error) {
	// Parsed, so that it is found however it is written.
	a, err := smtp.ParseAddressLax(s.Address)
	if err != nil {
		return 0, fmt.Errorf("suppressing reports: %w", err)
	}
	address := suppressed(a)
	err = d.db.Write(ctx, func(c *db.Conn) error {
		err := c.Exec("INSERT INTO suppression (kind, address, added, until, comment) VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, address) DO UPDATE SET until = excluded.until, comment = excluded.comment",
			string(s.Kind), address, d.o.Now().Unix(), s.Until.Unix(), s.Comment)
		if err == nil {
			id, _, err = c.QueryInt64("SELECT id FROM suppression WHERE kind = ? AND address = ?", string(s.Kind), address)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("suppressing reports: %w", err)
	}
	return id, nil
}

func suppressed(a smtp.Address) string { return lower(a.Path().XString(false)) }

// Unsuppress removes a suppression, or returns [ErrNotFound].
func (d *DB) Unsuppress(ctx context.Context, id int64) error {
	err := d.db.Write(ctx, func(c *db.Conn) error {
		if err := c.Exec("DELETE FROM suppression WHERE id = ?", id); err != nil || c.Changes() > 0 {
			return err
		}
		return ErrNotFound
	})
	if err != nil {
		return fmt.Errorf("removing suppression: %w", err)
	}
	return nil
}

// UnsuppressAddress removes the suppression of an address, or returns [ErrNotFound].
func (d *DB) UnsuppressAddress(ctx context.Context, k Kind, address string) error {
	a, err := smtp.ParseAddressLax(address)
	if err == nil {
		err = d.db.Write(ctx, func(c *db.Conn) error {
			if err := c.Exec("DELETE FROM suppression WHERE kind = ? AND address = ?", string(k), suppressed(a)); err != nil || c.Changes() > 0 {
				return err
			}
			return ErrNotFound
		})
	}
	if err != nil {
		return fmt.Errorf("removing suppression of %s: %w", address, err)
	}
	return nil
}

// Suppressions returns those of a kind that have not ended, by address.
func (d *DB) Suppressions(ctx context.Context, k Kind) ([]Suppression, error) {
	var l []Suppression
	err := d.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT id, address, added, until, comment FROM suppression WHERE kind = ? AND until > ? ORDER BY address", string(k), d.o.Now().Unix())
		for rows.Next() {
			l = append(l, Suppression{rows.Int64(0), k, rows.Text(1), time.Unix(rows.Int64(2), 0).UTC(), time.Unix(rows.Int64(3), 0).UTC(), rows.Text(4)})
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("reading suppressions: %w", err)
	}
	return l, nil
}

// Suppressed tells whether an address gets no reports of a kind for now.
func (d *DB) Suppressed(ctx context.Context, k Kind, a smtp.Address) (found bool, err error) {
	err = d.db.Read(ctx, func(c *db.Conn) (err error) {
		_, found, err = c.QueryInt64("SELECT 1 FROM suppression WHERE kind = ? AND address = ? AND until > ?", string(k), suppressed(a), d.o.Now().Unix())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("reading suppressions: %w", err)
	}
	return found, nil
}
