package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"mox/db"
	"mox/dns"
	"mox/smtp"
)

// where gathers conditions and their arguments.
type where struct {
	conds []string
	args  []any
	err   error
}

func (w *where) add(cond string, args ...any) {
	w.conds, w.args = append(w.conds, cond), append(w.args, args...)
}

func (w *where) String() string {
	if len(w.conds) == 0 {
		return "1"
	}
	return strings.Join(w.conds, " AND ")
}

func (w *where) ids(ids []int64) {
	if ids == nil {
		return
	}
	b, err := json.Marshal(ids)
	if err != nil {
		w.err = err
	}
	w.add("id IN (SELECT value FROM json_each(?))", string(b))
}

func (w *where) text(column, s string) {
	if s != "" {
		w.add(column+" = ?", s)
	}
}

func (w *where) bound(column string, b *Bound) {
	if b == nil {
		return
	}
	op := " >= ?"
	if b.Before {
		op = " < ?"
	}
	w.add(column+op, millis(b.At))
}

// addresses selects by sender and recipient; with both, a match of one is enough.
func (w *where) addresses(from, to string) {
	var conds []string
	for _, x := range []struct{ column, s string }{{"sender", from}, {"recipient", to}} {
		if x.s == "" {
			continue
		}
		cond, arg := "instr(lower("+x.column+"), ?) > 0", lowerASCII(x.s)
		if name, ok := strings.CutPrefix(x.s, "@"); ok {
			d, err := dns.ParseDomainLax(name)
			if err != nil {
				w.err = fmt.Errorf("%w: %w", ErrInvalid, err)
				return
			}
			cond, arg = x.column+"_domain = ?", d.ASCII
		}
		conds = append(conds, cond)
		w.args = append(w.args, arg)
	}
	if len(conds) > 0 {
		w.conds = append(w.conds, "("+strings.Join(conds, " OR ")+")")
	}
}

// lowerASCII is lower() of SQLite.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func (w *where) flag(column string, b *bool) {
	if b != nil {
		w.add(column+" = ?", *b)
	}
}

func (w *where) transport(t *string) {
	if t != nil {
		w.add("transport = ?", *t)
	}
}

func (f *Filter) where() *where {
	w := &where{}
	w.ids(f.IDs)
	w.text("account", f.Account)
	w.addresses(f.From, f.To)
	w.flag("hold", f.Hold)
	w.bound("queued", f.Submitted)
	w.bound("next_attempt", f.NextAttempt)
	w.transport(f.Transport)
	return w
}

func (f *RetiredFilter) where() *where {
	w := &where{}
	w.add("shown_until <> 0")
	w.ids(f.IDs)
	w.text("account", f.Account)
	w.addresses(f.From, f.To)
	w.bound("queued", f.Submitted)
	w.bound("last_activity", f.LastActivity)
	w.transport(f.Transport)
	w.flag("success", f.Success)
	return w
}

// sort adds the place where a list begins to w, and returns the order. fields are the names
// and columns that may be sorted by, the default first.
func (w *where) sort(s Sort, max int, fields ...[2]string) string {
	column := ""
	for i, f := range fields {
		if s.Field == f[0] || s.Field == "" && i == 0 {
			column = f[1]
		}
	}
	if column == "" {
		w.err = fmt.Errorf("%w: cannot sort by %q", ErrInvalid, s.Field)
	}
	dir, op := " DESC", "<"
	if s.Asc {
		dir, op = " ASC", ">"
	}
	if s.LastID != 0 {
		w.add("("+column+", id) "+op+" (?, ?)", millis(s.Last), s.LastID)
	}
	order := " ORDER BY " + column + dir + ", id" + dir
	if max > 0 {
		order += " LIMIT ?"
		w.args = append(w.args, max)
	}
	return order
}

// each runs a query for a list, which may be long, and calls fn for each row.
func (q *Queue) each(ctx context.Context, w *where, sql string, fn func(*db.Stmt) error) error {
	if w.err != nil {
		return w.err
	}
	return q.db.ReadLong(ctx, func(c *db.Conn) error {
		rows := c.Query(sql, w.args...)
		var err error
		for err == nil && rows.Next() {
			err = fn(rows)
		}
		if e := rows.Close(); e != nil {
			return e
		}
		return err
	})
}

// ids returns the messages of a filter in the order of their IDs.
func (q *Queue) ids(ctx context.Context, f Filter) ([]int64, error) {
	return q.idsOf(ctx, f.where(), "message", f.Max)
}

func (q *Queue) idsOf(ctx context.Context, w *where, table string, max int) ([]int64, error) {
	sql := "SELECT id FROM " + table + " WHERE " + w.String() + " ORDER BY id"
	if max > 0 {
		sql += " LIMIT ?"
		w.args = append(w.args, max)
	}
	var ids []int64
	err := q.each(ctx, w, sql, func(s *db.Stmt) error {
		ids = append(ids, s.Int64(0))
		return nil
	})
	return ids, err
}

// Get returns a message in the queue; ErrNotFound when it is not there.
func (q *Queue) Get(ctx context.Context, id int64) (Message, error) {
	var r row
	err := q.db.Read(ctx, func(c *db.Conn) (err error) {
		r, err = getRow(c, id)
		return err
	})
	if err != nil {
		return Message{}, fmt.Errorf("message %d: %w", id, err)
	}
	return r.m, nil
}

// List returns messages in the queue.
func (q *Queue) List(ctx context.Context, f Filter, s Sort) ([]Message, error) {
	w := f.where()
	order := w.sort(s, f.Max, [2]string{"nextattempt", "next_attempt"}, [2]string{"queued", "queued"})
	var l []Message
	err := q.each(ctx, w, "SELECT "+columns+" FROM message WHERE "+w.String()+order, func(st *db.Stmt) error {
		r, err := scan(st)
		l = append(l, r.m)
		return err
	})
	return l, err
}

// Count returns how many messages List would.
func (q *Queue) Count(ctx context.Context, f Filter) (int, error) {
	return q.count(ctx, f.where(), "message", f.Max)
}

func (q *Queue) count(ctx context.Context, w *where, table string, max int) (int, error) {
	n := 0
	err := q.each(ctx, w, "SELECT count(*) FROM "+table+" WHERE "+w.String(), func(s *db.Stmt) error {
		n = int(s.Int64(0))
		return nil
	})
	if max > 0 {
		n = min(n, max)
	}
	return n, err
}

const retiredColumns = "message, last_activity, success, event, shown_until"

func scanRetired(s *db.Stmt) (RetiredMessage, error) {
	r := RetiredMessage{LastActivity: fromMillis(s.Int64(1)), Success: s.Int64(2) != 0, Event: s.Text(3), KeepUntil: fromMillis(s.Int64(4))}
	err := json.Unmarshal(s.Bytes(0), &r.Message)
	return r, err
}

// RetiredMessage is a message that is done.
type RetiredMessage struct {
	Message      Message
	LastActivity time.Time
	Success      bool
	Event        string // what it ended as, one of the Event constants
	KeepUntil    time.Time
}

// RetiredList returns messages that are done.
func (q *Queue) RetiredList(ctx context.Context, f RetiredFilter, s Sort) ([]RetiredMessage, error) {
	w := f.where()
	order := w.sort(s, f.Max, [2]string{"lastactivity", "last_activity"}, [2]string{"queued", "queued"})
	var l []RetiredMessage
	err := q.each(ctx, w, "SELECT "+retiredColumns+" FROM retired WHERE "+w.String()+order, func(st *db.Stmt) error {
		r, err := scanRetired(st)
		l = append(l, r)
		return err
	})
	return l, err
}

// RetiredGet returns a message that is done; ErrNotFound when it is not there (any more).
func (q *Queue) RetiredGet(ctx context.Context, id int64) (RetiredMessage, error) {
	l, err := q.RetiredList(ctx, RetiredFilter{IDs: []int64{id}}, Sort{})
	if err == nil && len(l) == 0 {
		err = fmt.Errorf("retired message %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return RetiredMessage{}, err
	}
	return l[0], nil
}

// Ended returns what became of a message that is not in the queue any more, if it was watched, or is in
// the history, or is kept for notifications that may come. ErrNotFound when it is not known.
func (q *Queue) Ended(ctx context.Context, id int64) (RetiredMessage, error) {
	if r := q.watched.get(id); r != nil {
		return *r, nil
	}
	w := &where{}
	w.ids([]int64{id})
	var r RetiredMessage
	found := false
	err := q.each(ctx, w, "SELECT "+retiredColumns+" FROM retired WHERE "+w.String(), func(st *db.Stmt) (err error) {
		found = true
		r, err = scanRetired(st)
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("message %d: %w", id, ErrNotFound)
	}
	return r, err
}

// Stats returns numbers for metrics and pages.
func (q *Queue) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	err := q.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query(`SELECT (SELECT coalesce(sum(messages), 0) FROM usage), (SELECT coalesce(sum(size), 0) FROM usage), (SELECT coalesce(sum(hooks), 0) FROM usage),
			(SELECT count(*) FROM message WHERE hold <> 0), (SELECT queued FROM message ORDER BY id LIMIT 1),
			(SELECT count(*) FROM retired WHERE shown_until <> 0), (SELECT count(*) FROM retired_hook)`)
		if rows.Next() {
			s = Stats{Messages: int(rows.Int64(0)), Size: rows.Int64(1), Hooks: int(rows.Int64(2)), Held: int(rows.Int64(3)), Oldest: fromMillis(rows.Int64(4)),
				Retired: int(rows.Int64(5)), RetiredHooks: int(rows.Int64(6))}
		}
		return rows.Close()
	})
	return s, err
}

// ParseAddress parses an address as administrators write it: "localpart@domain", or with
// an address literal.
func ParseAddress(s string) (smtp.Path, error) {
	p, err := smtp.ParsePath("<"+s+">", smtp.Options{})
	if err == nil && p.IPDomain.IsZero() {
		err = fmt.Errorf("%w: %q", smtp.ErrAddress, s)
	}
	return p, err
}

// LocalRecipients returns for whom on this server messages are in the queue, each once, at most
// max.
func (q *Queue) LocalRecipients(ctx context.Context, max int) ([]smtp.Path, error) {
	var l []smtp.Path
	err := q.db.Read(ctx, func(c *db.Conn) error {
		rows := c.Query("SELECT DISTINCT recipient FROM message WHERE lane_id IN (SELECT id FROM lane WHERE destination = ?) LIMIT ?", LocalDestination, max)
		for rows.Next() {
			p, err := parsePath(rows.Text(0))
			if err != nil {
				rows.Close()
				return err
			}
			l = append(l, p)
		}
		return rows.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("recipients of this server in the queue: %w", err)
	}
	return l, nil
}
