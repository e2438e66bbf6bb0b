package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"mox/db"
)

// Hook is a call of a webhook.
type Hook struct {
	ID      int64 // never used twice; given by the queue
	Account string
	URL     string
	// Authorization is the value of that header field; "": none.
	Authorization string `json:"-"`
	Event         string // EventIncoming, or what happened to an outgoing message
	// QueueMsgID is the outgoing message; 0: none. A call about it that waits is replaced by
	// a newer one to the same URL.
	QueueMsgID int64             `json:",omitempty"`
	FromID     string            `json:",omitempty"`
	MessageID  string            `json:",omitempty"`
	Subject    string            `json:",omitempty"`
	Extra      map[string]string `json:",omitempty"`
	Payload    []byte            `json:"-"` // JSON
	Queued     time.Time         // zero: now

	Attempts    int
	NextAttempt time.Time    `json:",omitzero"` // zero in HookAdd: at once
	LastAttempt time.Time    `json:",omitzero"`
	Results     []HookResult `json:",omitempty"` // the first and the latest, see Limits.Results
}

// LastResult returns the latest result; the zero value if there is none.
func (h *Hook) LastResult() HookResult {
	if len(h.Results) == 0 {
		return HookResult{}
	}
	return h.Results[len(h.Results)-1]
}

// HookResult is what one call gave.
type HookResult struct {
	Start    time.Time
	Duration time.Duration `json:",omitempty"`
	URL      string        `json:",omitempty"`
	Success  bool          `json:",omitempty"`
	Code     int           `json:",omitempty"` // HTTP status; 0: none
	Error    string        `json:",omitempty"`
	Response string        `json:",omitempty"` // beginning of the body
}

// HookOutcome is what a call means for the Hook: with Next set there is another
// attempt then, otherwise it is done.
type HookOutcome struct {
	ID     int64
	Result HookResult
	Next   time.Time
}

// RetiredHook is a call that is done.
type RetiredHook struct {
	Hook         Hook
	LastActivity time.Time
	Success      bool
	Canceled     bool  `json:",omitempty"`
	SupersededBy int64 `json:",omitempty"` // ID of the newer call that replaced it
	KeepUntil    time.Time
}

// HookDueOptions say what HookDue returns.
type HookDueOptions struct {
	Busy func(url string) bool // URLs that are being called; must be quick; nil: none
	Max  int                   // calls, one of each URL; 0: 10
}

// hookInfo is what of a call is neither changed nor looked for.
type hookInfo struct {
	FromID    string            `json:",omitempty"`
	MessageID string            `json:",omitempty"`
	Subject   string            `json:",omitempty"`
	Extra     map[string]string `json:",omitempty"`
}

const hookColumns = "id, account, url, authorization, event, message_id, queued, next_attempt, last_attempt, attempts, info, results"

// scanHook reads a row with hookColumns.
func scanHook(s *db.Stmt) (Hook, error) {
	h := Hook{
		ID: s.Int64(0), Account: s.Text(1), URL: s.Text(2), Authorization: s.Text(3), Event: s.Text(4), QueueMsgID: s.Int64(5),
		Queued: fromMillis(s.Int64(6)), NextAttempt: fromMillis(s.Int64(7)), LastAttempt: fromMillis(s.Int64(8)), Attempts: int(s.Int64(9)),
	}
	var i hookInfo
	err := json.Unmarshal(s.Bytes(10), &i)
	h.FromID, h.MessageID, h.Subject, h.Extra = i.FromID, i.MessageID, i.Subject, i.Extra
	if b := s.Bytes(11); err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &h.Results)
	}
	if err != nil {
		err = fmt.Errorf("webhook call %d in the database: %w", h.ID, err)
	}
	return h, err
}

func getHook(c *db.Conn, id int64) (Hook, bool, error) {
	rows := c.QueryInts("SELECT "+hookColumns+" FROM hook WHERE id = ?", id)
	var h Hook
	var err error
	ok := rows.Next()
	if ok {
		h, err = scanHook(rows)
	}
	if e := rows.Close(); e != nil {
		return h, false, e
	}
	return h, ok && err == nil, err
}

// payload reads what a call sends.
func (h *Hook) payload(c *db.Conn) error {
	rows := c.QueryInts("SELECT data FROM hook_payload WHERE id = ?", h.ID)
	if rows.Next() {
		h.Payload = slices.Clone(rows.Bytes(0))
	}
	return rows.Close()
}

// HookAdd adds calls, as about messages that came in, durably, and returns them with
// their IDs. Those over Limits.Hooks are dropped and logged, and have ID 0.
func (q *Queue) HookAdd(ctx context.Context, hooks ...Hook) ([]Hook, error) {
	hooks = slices.Clone(hooks)
	size := 0
	for _, h := range hooks {
		size += 1024 + len(h.Payload)
	}
	err := q.do(ctx, size, func(t *tx) error {
		for i := range hooks {
			if err := t.addHook(&hooks[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("adding webhook call: %w", err)
	}
	return hooks, nil
}

// addHook adds a call. Too many or too large ones are dropped: the event they are about has
// happened all the same.
func (t *tx) addHook(h *Hook) error {
	u, err := t.used(h.Account)
	if err != nil {
		return err
	}
	l := t.q.o.Limits
	if l.Hooks > 0 && u.hooks >= l.Hooks || len(h.Payload) > l.Payload || h.URL == "" {
		t.q.log.Error("webhook call is dropped", "account", h.Account, "event", h.Event, "waiting", u.hooks, "size", len(h.Payload))
		return nil
	}
	if h.Queued.IsZero() {
		h.Queued = t.now
	}
	if h.NextAttempt.IsZero() {
		h.NextAttempt = t.now
	}
	h.Queued, h.NextAttempt = fromMillis(millis(h.Queued)), fromMillis(millis(h.NextAttempt))
	b, err := json.Marshal(hookInfo{h.FromID, h.MessageID, h.Subject, h.Extra})
	if err != nil {
		return err
	}
	err = t.c.Exec("INSERT INTO hook (account, url, authorization, event, message_id, queued, next_attempt, last_attempt, attempts, info) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?)",
		h.Account, h.URL, h.Authorization, h.Event, h.QueueMsgID, millis(h.Queued), millis(h.NextAttempt), string(b))
	if err != nil {
		return err
	}
	h.ID = t.c.LastRowID()
	data := h.Payload
	if data == nil {
		data = []byte{}
	}
	if err := t.c.Exec("INSERT INTO hook_payload (id, data) VALUES (?, ?)", h.ID, data); err != nil {
		return err
	}
	t.use(h.Account, usageChange{hooks: 1})
	t.hooks = true
	return t.supersede(h)
}

// supersede retires calls that wait about the same message: a newer event says more.
func (t *tx) supersede(h *Hook) error {
	if h.QueueMsgID == 0 {
		return nil
	}
	ids, err := queryIDs(t.c, "SELECT id FROM hook WHERE message_id = ? AND message_id <> 0 AND url = ? AND id <> ?", h.QueueMsgID, h.URL, h.ID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := t.endHook(id, RetiredHook{SupersededBy: h.ID}); err != nil {
			return err
		}
	}
	return nil
}

// endHook takes a call that waits out of the queue, as r says.
func (t *tx) endHook(id int64, r RetiredHook) error {
	h, ok, err := getHook(t.c, id)
	if err != nil || !ok {
		return err
	}
	r.Hook = h
	return t.retireHook(r)
}

// retireHook moves a call to those that are done.
func (t *tx) retireHook(r RetiredHook) error {
	h := &r.Hook
	t.use(h.Account, usageChange{hooks: -1})
	if err := t.c.ExecInts("DELETE FROM hook WHERE id = ?", h.ID); err != nil {
		return err
	}
	_, keep := t.q.o.Retired(h.Account)
	if keep <= 0 {
		return t.c.ExecInts("DELETE FROM hook_payload WHERE id = ?", h.ID)
	}
	r.LastActivity, r.KeepUntil = fromMillis(millis(t.now)), fromMillis(millis(t.now.Add(keep)))
	h.NextAttempt = time.Time{}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return t.c.Exec("INSERT INTO retired_hook (id, account, event, queued, last_activity, keep_until, hook) VALUES (?, ?, ?, ?, ?, ?, ?)",
		h.ID, h.Account, h.Event, millis(h.Queued), millis(r.LastActivity), millis(r.KeepUntil), string(b))
}

// eachURL calls fn for every URL with calls that wait, without looking at each call.
func eachURL(c *db.Conn, fn func(url string) (more bool, err error)) error {
	url := ""
	for {
		rows := c.Query("SELECT url FROM hook WHERE url > ? ORDER BY url LIMIT 1", url)
		ok := rows.Next()
		url = rows.Text(0)
		if err := rows.Close(); err != nil || !ok {
			return err
		}
		if more, err := fn(url); err != nil || !more {
			return err
		}
	}
}

// HookDue returns calls to be made now, with their payload: of each URL that is not busy the
// one that has waited longest. Those that have waited longest are first.
func (q *Queue) HookDue(ctx context.Context, now time.Time, o HookDueOptions) ([]Hook, error) {
	if o.Max == 0 {
		o.Max = 10
	}
	var found []Hook
	err := q.db.Read(ctx, func(c *db.Conn) error {
		err := eachURL(c, func(url string) (bool, error) {
			if o.Busy != nil && o.Busy(url) {
				return true, nil
			}
			rows := c.Query("SELECT "+hookColumns+" FROM hook WHERE url = ? AND next_attempt <= ? ORDER BY next_attempt, id LIMIT 1", url, millis(now))
			var err error
			if rows.Next() {
				var h Hook
				h, err = scanHook(rows)
				found = append(found, h)
			}
			if e := rows.Close(); e != nil {
				return false, e
			}
			return true, err
		})
		if err != nil {
			return err
		}
		slices.SortStableFunc(found, func(a, b Hook) int { return a.NextAttempt.Compare(b.NextAttempt) })
		found = found[:min(len(found), o.Max)]
		for i := range found {
			if err := found[i].payload(c); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

// HookNext returns when the next call is due to a URL that is not busy; false: there is none.
func (q *Queue) HookNext(ctx context.Context, o HookDueOptions) (time.Time, bool, error) {
	best, found := int64(0), false
	err := q.db.Read(ctx, func(c *db.Conn) error {
		return eachURL(c, func(url string) (bool, error) {
			if o.Busy != nil && o.Busy(url) {
				return true, nil
			}
			at, ok, err := c.QueryInt64("SELECT next_attempt FROM hook WHERE url = ? ORDER BY next_attempt LIMIT 1", url)
			if ok && (!found || at < best) {
				best, found = at, true
			}
			return true, err
		})
	})
	return fromMillis(best), found, err
}

// HookRecord stores what calls gave: another attempt, or that they are done. Those that
// are no longer there are left out.
func (q *Queue) HookRecord(ctx context.Context, outcomes ...HookOutcome) error {
	err := q.do(ctx, 1024*len(outcomes), func(t *tx) error {
		for _, o := range outcomes {
			if err := t.hookOutcome(o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recording webhook calls: %w", err)
	}
	return nil
}

func (t *tx) hookOutcome(o HookOutcome) error {
	h, ok, err := getHook(t.c, o.ID)
	if err != nil || !ok {
		return err
	}
	res, l := o.Result, t.q.o.Limits
	res.Error, res.Response = limitText(res.Error, l.ResultText), limitText(res.Response, l.ResultText)
	h.Results = bounded(h.Results, res, l.Results)
	h.Attempts++
	h.LastAttempt = fromMillis(millis(res.Start))
	if o.Next.IsZero() {
		return t.retireHook(RetiredHook{Hook: h, Success: res.Success})
	}
	b, err := json.Marshal(h.Results)
	if err != nil {
		return err
	}
	t.hooks = true
	return t.c.Exec("UPDATE hook SET next_attempt = ?, last_attempt = ?, attempts = ?, results = ? WHERE id = ?", millis(o.Next), millis(h.LastAttempt), h.Attempts, b, h.ID)
}
