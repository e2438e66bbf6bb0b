package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mox/db"
	"mox/smtp"
)

// DSNReport is what a notification from elsewhere says about a message that was sent: a DSN,
// or a feedback report.
type DSNReport struct {
	Account string // whose message it must be; "": any
	FromID  string // without regard to case; "": MessageID counts
	// MessageID is that of the original, without angle brackets. Recipients are the addresses
	// that the notification names for one recipient; the message must have been sent to one of
	// them. Without any, it must have been sent to a single recipient.
	MessageID  string
	Recipients []string
	// Event is EventDelivered, EventDelayed, EventFailed, EventRelayed, EventExpanded or
	// EventComplained; or EventUnrecognized for a message that came to the unique sender and
	// is no DSN that is understood: then webhooks are told, and nothing else changes.
	Event  string
	Result Result // its DSN is set
	// Complaint is the type of feedback, of EventComplained.
	Complaint string
	// Suppress tells whether the recipient of the message may come onto the suppression list
	// because of this. It must be quick and call nothing of the Queue. nil: it may.
	Suppress func(*Message) bool
}

func (r *DSNReport) check() error {
	switch r.Event {
	case EventDelivered, EventDelayed, EventFailed, EventRelayed, EventExpanded, EventComplained, EventUnrecognized:
	default:
		return fmt.Errorf("%w: event %q", ErrInvalid, r.Event)
	}
	if r.FromID == "" && r.MessageID == "" {
		return ErrNotFound
	}
	return nil
}

// RecordDSN adds to the history of a message what a notification told about it, tells
// webhooks, and keeps the suppression list, in one commit. The same notification (by when it
// came and what it says) counts once. ErrNotFound when no such message is known (any more).
func (q *Queue) RecordDSN(ctx context.Context, r DSNReport) (Message, error) {
	var m Message
	if err := r.check(); err != nil {
		return m, fmt.Errorf("recording DSN: %w", err)
	}
	r.Result.DSN = true
	r.Result.Start = fromMillis(millis(r.Result.Start))
	r.Result = q.limitResult(r.Result)
	err := q.do(ctx, 1024, func(t *tx) error {
		at, err := findSent(t.c, &r)
		if err != nil {
			return err
		}
		if m, err = at.message(t.c); err != nil {
			return err
		}
		return t.reported(&m, at, &r)
	})
	if err != nil {
		return Message{}, fmt.Errorf("recording DSN: %w", err)
	}
	return m, nil
}

// reported stores what a notification says of a message.
func (t *tx) reported(m *Message, at place, r *DSNReport) (err error) {
	if again, err := t.isReported(m, at, r); again || err != nil {
		return err
	}
	if r.Event != EventUnrecognized {
		m.Results = bounded(m.Results, r.Result, t.q.o.Limits.Results)
		if err := t.storeReported(m, at, r); err != nil {
			return err
		}
	}
	suppressing := false
	if r.Suppress == nil || r.Suppress(m) {
		switch r.Event {
		case EventFailed:
			suppressing, err = t.suppress(m, Outcome{Action: Failed, Result: r.Result})
		case EventComplained:
			suppressing, err = t.complain(m, r.Complaint)
		}
		if err != nil {
			return err
		}
	}
	return t.event(Event{Name: r.Event, Message: *m, Result: r.Result, DSN: r.Event != EventUnrecognized, Suppressing: suppressing})
}

// isReported tells whether a notification is in the history already.
func (t *tx) isReported(m *Message, at place, r *DSNReport) (bool, error) {
	if r.Event == EventUnrecognized {
		return false, nil
	}
	there := slices.ContainsFunc(m.Results, func(old Result) bool {
		return old.DSN && old.Start.Equal(r.Result.Start) && old.Code == r.Result.Code && old.Enhanced == r.Result.Enhanced && old.Error == r.Result.Error && old.Success == r.Result.Success
	})
	if !there || at.queued {
		return there, nil
	}
	_, there, err := t.c.QueryInt64("SELECT id FROM retired WHERE id = ? AND event = ?", at.id, r.Event)
	return there, err
}

func (t *tx) storeReported(m *Message, at place, r *DSNReport) error {
	if at.queued {
		b, err := json.Marshal(m.Results)
		if err != nil {
			return err
		}
		return t.c.Exec("UPDATE message SET results = ? WHERE id = ?", b, at.id)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	// Delay and complaint say nothing about delivery that was not known.
	change := "success"
	switch r.Event {
	case EventFailed:
		change = "0"
	case EventDelivered, EventRelayed, EventExpanded:
		change = "1"
	}
	return t.c.Exec("UPDATE retired SET message = ?, last_activity = ?, event = ?, success = "+change+" WHERE id = ?", string(b), millis(t.now), r.Event, at.id)
}

// place is where a message is.
type place struct {
	id     int64
	queued bool // in the queue, otherwise done
}

// message reads it.
func (p place) message(c *db.Conn) (Message, error) {
	if p.queued {
		r, err := getRow(c, p.id)
		return r.m, err
	}
	rows := c.QueryInts("SELECT message FROM retired WHERE id = ?", p.id)
	var m Message
	err := error(ErrNotFound)
	if rows.Next() {
		err = json.Unmarshal(rows.Bytes(0), &m)
	}
	return m, errors.Join(err, rows.Close())
}

// findSent finds what a notification is about; ErrNotFound.
func findSent(c *db.Conn, r *DSNReport) (place, error) {
	if r.FromID != "" {
		return findFromID(c, r.Account, r.FromID)
	}
	want := map[string]bool{}
	for _, a := range r.Recipients {
		want[addressKey(a)] = true
	}
	found, n := place{}, 0
	for _, table := range []string{"message", "retired"} {
		rows := c.Query("SELECT id, recipient FROM "+table+" WHERE message_id = ?1 AND message_id <> '' AND (?2 = '' OR account = ?2) ORDER BY id DESC LIMIT 100000", r.MessageID, r.Account)
		for rows.Next() {
			if len(want) > 0 && !want[addressKey(rows.Text(1))] {
				continue
			}
			if n++; n == 1 {
				found = place{rows.Int64(0), table == "message"}
			}
		}
		if err := rows.Close(); err != nil {
			return place{}, err
		}
	}
	if n == 0 || n > 1 && len(want) == 0 {
		return place{}, ErrNotFound
	}
	return found, nil
}

// findFromID finds a message by its unique sender, which may have been changed to lower case on
// its way. One that is equal in case is first.
func findFromID(c *db.Conn, account, fromID string) (place, error) {
	for _, table := range []string{"message", "retired"} {
		id, ok, err := c.QueryInt64("SELECT id FROM "+table+" WHERE from_id = ?1 COLLATE NOCASE AND from_id <> '' AND (?2 = '' OR account = ?2) ORDER BY from_id = ?1 DESC, id DESC LIMIT 1", fromID, account)
		if err != nil || ok {
			return place{id, table == "message"}, err
		}
	}
	return place{}, ErrNotFound
}

// addressKey makes addresses comparable: other servers change the case, and the form of domains.
func addressKey(s string) string {
	a, err := smtp.ParseAddressLax(strings.TrimSpace(s))
	if err != nil {
		return strings.ToLower(s)
	}
	return strings.ToLower(string(a.Localpart)) + "@" + a.Domain.ASCII
}

// ByFromID returns the message with a FromID, without regard to case, in the queue or
// done; ErrNotFound when there is none.
func (q *Queue) ByFromID(ctx context.Context, fromID string) (Message, error) {
	var m Message
	err := q.db.Read(ctx, func(c *db.Conn) error {
		at, err := findFromID(c, "", fromID)
		if err == nil {
			m, err = at.message(c)
		}
		return err
	})
	return m, err
}

// Awaits tells whether there are messages of an account that a notification can be about.
func (q *Queue) Awaits(ctx context.Context, account string) (bool, error) {
	awaits := false
	err := q.db.Read(ctx, func(c *db.Conn) error {
		for _, sql := range []string{"SELECT 1 FROM retired WHERE account = ? LIMIT 1", "SELECT 1 FROM usage WHERE account = ? AND messages > 0"} {
			_, ok, err := c.QueryInt64(sql, account)
			awaits = awaits || ok
			if err != nil {
				return err
			}
		}
		return nil
	})
	return awaits, err
}

// Awaiting returns the accounts for which Awaits is true.
func (q *Queue) Awaiting(ctx context.Context) ([]string, error) {
	var l []string
	err := q.db.ReadLong(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT account FROM usage WHERE messages > 0 AND account <> '' UNION SELECT account FROM retired WHERE account <> ''")
		for rows.Next() {
			l = append(l, rows.Text(0))
		}
		return rows.Close()
	})
	return l, err
}
