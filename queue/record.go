package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mox/db"
)

// noteAfter is how long an attempt takes before it is noted that it began.
const noteAfter = time.Second

// Begin notes that attempts for messages begin, so that after a crash they count; see the
// package comment. The note is forgotten by Record. Begin does not wait for anything.
func (q *Queue) Begin(ctx context.Context, ids ...int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := millis(q.o.Now())
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range ids {
		q.begun[id] = now
	}
	signal(q.noted)
	return nil
}

// writeNotes is called in each commit: it writes notes that are a second old.
func (q *Queue) writeNotes(c *db.Conn) error {
	before := millis(q.o.Now().Add(-noteAfter))
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, at := range q.begun {
		if at > before {
			continue
		}
		if err := c.ExecInts("UPDATE message SET begun = ? WHERE id = ?", at, id); err != nil {
			return err
		}
		q.writing = append(q.writing, id)
	}
	return nil
}

// forgetNotes is called after each commit.
func (q *Queue) forgetNotes(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil {
		for _, id := range q.writing {
			delete(q.begun, id)
		}
	}
	q.writing = q.writing[:0]
}

// pendingNotes tells whether there are notes to be written, in a moment or now.
func (q *Queue) pendingNotes() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.begun) > 0
}

func (q *Queue) forget(id int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.begun, id)
}

// Record stores what attempts gave, in one durable commit with all consequences: messages
// leave the queue, history and webhook calls are written, the suppression list is kept, and
// notices enter the queue. Messages that are no longer there, because an administrator
// was quicker, are left out, and with them the notices that are only for them.
func (q *Queue) Record(ctx context.Context, outcomes []Outcome, notices []NewMessage) error {
	prepared, err := q.prepareNotices(ctx, notices)
	if err != nil {
		return fmt.Errorf("recording: %w", diskError(err))
	}
	if _, err := q.record(ctx, outcomes, prepared, ""); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

// record is Record with notices that are prepared; it returns how many messages were
// still there. event, unless empty, is what webhooks are told in place of what follows from the action.
func (q *Queue) record(ctx context.Context, outcomes []Outcome, notices []notice, event string) (int, error) {
	size := 1024 * len(outcomes)
	for _, n := range notices {
		size += n.p.weight()
	}
	var there map[int64]bool
	var unused []notice
	err := q.do(ctx, size, func(t *tx) error {
		there, unused = map[int64]bool{}, nil
		for _, o := range outcomes {
			ok, err := t.outcome(o, event)
			if err != nil {
				return fmt.Errorf("message %d: %w", o.ID, err)
			}
			there[o.ID] = there[o.ID] || ok
		}
		for _, n := range notices {
			if !about(n.n.For, there) {
				unused = append(unused, n)
				continue
			}
			if err := t.addNotice(n); err != nil {
				return fmt.Errorf("notification: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		unused = notices
	}
	for _, n := range unused {
		q.discard(n.p)
	}
	n := 0
	for _, ok := range there {
		if ok {
			n++
		}
	}
	return n, err
}

// about tells whether a notification for ids has something to tell.
func about(ids []int64, there map[int64]bool) bool {
	for _, id := range ids {
		if there[id] {
			return true
		}
	}
	return len(ids) == 0
}

// outcome stores what an attempt gave for one message; false when it is gone.
func (t *tx) outcome(o Outcome, event string) (bool, error) {
	t.q.forget(o.ID)
	r, ok, err := t.find(o.ID)
	if err != nil || !ok {
		return false, err
	}
	m := &r.m
	if !o.NotTried {
		m.Attempts++
		m.LastAttempt = fromMillis(millis(o.Result.Start))
	}
	switch o.Action {
	case Delayed:
		return true, t.delayed(r, o)
	case Delivered, Relayed, Expanded:
		o.Result.Success = true
	}
	if event == "" {
		event = map[Action]string{Delivered: EventDelivered, Relayed: EventRelayed, Expanded: EventExpanded, Failed: EventFailed}[o.Action]
	}
	if event == "" {
		return false, fmt.Errorf("%w: action %d", ErrInvalid, o.Action)
	}
	suppressing, err := t.suppress(m, o)
	if err != nil {
		return false, err
	}
	if err := t.remove(r); err != nil {
		return false, err
	}
	return true, t.done(m, event, o.Result, suppressing)
}

// find is get, with false for a message that is gone.
func (t *tx) find(id int64) (row, bool, error) {
	r, err := t.get(id)
	if err == ErrNotFound {
		return r, false, nil
	}
	return r, err == nil, err
}

// delayed sets when the next attempt is.
func (t *tx) delayed(r row, o Outcome) error {
	m := &r.m
	if o.Next.IsZero() {
		return fmt.Errorf("%w: no time for the next attempt", ErrInvalid)
	}
	m.NextAttempt = fromMillis(millis(o.Next))
	m.DelayNotified = m.DelayNotified || o.NotifyDelayed
	m.Results = bounded(m.Results, t.q.limitResult(o.Result), t.q.o.Limits.Results)
	results, err := json.Marshal(m.Results)
	if err != nil {
		return err
	}
	t.q.recent.forget(m.ID)
	t.lane(r.lane, 0)
	if m.Account != "" {
		t.touch(m.Account)
	}
	t.changed = true
	err = t.c.Exec("UPDATE message SET next_attempt = ?, last_attempt = ?, attempts = ?, delay_notified = ?, begun = 0, results = ? WHERE id = ?",
		millis(m.NextAttempt), millis(m.LastAttempt), m.Attempts, m.DelayNotified, results, m.ID)
	if err != nil || !o.NotifyDelayed {
		return err
	}
	return t.event(Event{Name: EventDelayed, Message: *m, Result: o.Result})
}

// remove takes a message out of the queue.
func (t *tx) remove(r row) error {
	t.q.recent.forget(r.m.ID)
	if r.m.Account != "" {
		t.touch(r.m.Account)
	}
	t.lane(r.lane, -1)
	t.use(r.m.Account, usageChange{messages: -1})
	if err := t.c.ExecInts("DELETE FROM message WHERE id = ?", r.m.ID); err != nil {
		return err
	}
	return t.release(r.content)
}

// done writes the history of a message that is done, and tells webhooks.
func (t *tx) done(m *Message, event string, res Result, suppressing bool) error {
	res = t.q.limitResult(res)
	m.Results = bounded(m.Results, res, t.q.o.Limits.Results)
	if err := t.retire(m, event, res.Success); err != nil {
		return err
	}
	return t.event(Event{Name: event, Message: *m, Result: res, Suppressing: suppressing})
}

// retire keeps a message for review, as long as its account wants that, and for
// notifications that come later.
func (t *tx) retire(m *Message, event string, success bool) error {
	t.q.watched.end(m, event, success)
	show, _ := t.q.o.Retired(m.Account)
	shown, until := int64(0), t.now
	if show > 0 {
		until = t.now.Add(show)
		shown = millis(until)
	}
	if d := t.q.o.Limits.Bounces; success && d > 0 && m.Account != "" && m.Kind == Ordinary && !m.Local && t.now.Add(d).After(until) {
		until = t.now.Add(d)
	}
	if !until.After(t.now) {
		return nil
	}
	if shown == 0 {
		m = m.minimal()
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return t.c.Exec(`INSERT INTO retired (id, account, sender, recipient, sender_domain, recipient_domain, from_id, message_id, transport, queued, last_activity, keep_until, shown_until, success, event, message)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.Account, m.Sender.XString(true), m.Recipient.XString(true), m.SenderDomain.ASCII, m.RecipientDomain.ASCII, m.FromID, m.MessageID, m.Transport,
		millis(m.Queued), millis(t.now), millis(until), shown, success, event, string(b))
}

// event tells webhooks.
func (t *tx) event(e Event) error {
	e.Account, e.Time = e.Message.Account, t.now
	for _, h := range t.q.o.Hooks(e) {
		if h.Account == "" {
			h.Account = e.Account
		}
		if err := t.addHook(&h); err != nil {
			return err
		}
	}
	return nil
}
