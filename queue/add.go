package queue

import (
	"context"
	"fmt"
	"time"

	"mox/db"
	"mox/smtp"
)

// Add makes messages with one content durable, all of them or none, and returns them with
// their IDs. Hold rules and suppression list of the account apply. Content is read
// while Add runs. ErrLimit and ErrDiskFull are temporary; ErrInvalid is not.
func (q *Queue) Add(ctx context.Context, c Content, msgs []Message) (Added, error) {
	return q.add(ctx, nil, c, msgs)
}

// AddNotices is Add, with notifications about other recipients of the message in the same
// commit. For of a notice does not count.
func (q *Queue) AddNotices(ctx context.Context, c Content, msgs []Message, notices []NewMessage) (Added, error) {
	return q.add(ctx, nil, c, msgs, notices...)
}

// AddOnce is Add for a request that may be repeated with the same key: then nothing is
// added, and what was stored the first time is returned.
func (q *Queue) AddOnce(ctx context.Context, once Once, c Content, msgs []Message) (Added, error) {
	if err := once.check(); err != nil {
		return Added{}, fmt.Errorf("queueing: %w", err)
	}
	return q.add(ctx, &once, c, msgs)
}

// arrival is what one operation of Add brings.
type arrival struct {
	once       *Once
	content    *prepared
	msgs       []Message
	suppressed map[int]bool // indices in msgs
	notices    []notice
}

// notice is a NewMessage with its content prepared.
type notice struct {
	p *prepared
	n *NewMessage
}

func (a *arrival) weight() int {
	n := 1024 * len(a.msgs)
	if a.content != nil {
		n += a.content.weight()
	}
	for _, x := range a.notices {
		n += x.p.weight()
	}
	return n
}

func (q *Queue) add(ctx context.Context, once *Once, c Content, msgs []Message, notices ...NewMessage) (_ Added, rerr error) {
	a := &arrival{once: once, msgs: append([]Message(nil), msgs...)}
	defer func() {
		if rerr != nil {
			rerr = fmt.Errorf("queueing: %w", diskError(rerr))
			q.discardAll(a)
		}
	}()
	if len(msgs) == 0 {
		return Added{}, fmt.Errorf("%w: no recipients", ErrInvalid)
	}
	if err := q.complete(a.msgs, c.total()); err != nil {
		return Added{}, err
	}
	if err := q.look(ctx, a, c.total()); err != nil {
		return Added{}, err
	}
	if err := q.noticeSuppressed(ctx, a, c); err != nil {
		return Added{}, err
	}
	others, err := q.prepareNotices(ctx, notices)
	if err != nil {
		return Added{}, err
	}
	a.notices = append(a.notices, others...)
	if len(a.suppressed) < len(a.msgs) {
		if a.content, err = q.prepare(ctx, c, a.msgs[0].Account); err != nil {
			return Added{}, err
		}
	}
	var added Added
	err = q.do(ctx, a.weight(), func(t *tx) (err error) {
		added, err = t.arrive(a)
		return err
	})
	if err == nil && added.Again {
		q.discardAll(a)
	}
	return added, err
}

func (q *Queue) discardAll(a *arrival) {
	q.discard(a.content)
	for _, n := range a.notices {
		q.discard(n.p)
	}
}

// complete checks messages, and fills in what they have by default.
func (q *Queue) complete(msgs []Message, size int64) error {
	now := q.o.Now()
	for i := range msgs {
		m := &msgs[i]
		m.ID, m.BaseID, m.Size = 0, 0, size
		if m.Account != msgs[0].Account {
			return fmt.Errorf("%w: recipients of one message have one account", ErrInvalid)
		}
		if m.Recipient.IsZero() {
			return fmt.Errorf("%w: no recipient", ErrInvalid)
		}
		for _, p := range []smtp.Path{m.Sender, m.Recipient} {
			// What is stored must be readable, or it would block the queue.
			if back, err := parsePath(p.XString(true)); err != nil || back != p {
				return fmt.Errorf("%w: address %q", ErrInvalid, p.XString(true))
			}
		}
		extra := 0
		for k, v := range m.Extra {
			extra += len(k) + len(v)
		}
		if extra > q.o.Limits.Extra {
			return fmt.Errorf("%w: %d octets of extra data, at most %d", ErrInvalid, extra, q.o.Limits.Extra)
		}
		m.SenderDomain, m.RecipientDomain = m.Sender.IPDomain.Domain, m.Recipient.IPDomain.Domain
		m.Subject, m.MessageID = limitText(m.Subject, 2048), limitText(m.MessageID, 1000)
		if m.Queued.IsZero() {
			m.Queued = now
		}
		if m.NextAttempt.IsZero() {
			m.NextAttempt = now
		}
		m.Queued, m.NextAttempt, m.LastAttempt = fromMillis(millis(m.Queued)), fromMillis(millis(m.NextAttempt)), fromMillis(millis(m.LastAttempt))
	}
	return nil
}

// look checks limits before much is written, which the operation does again, and finds the
// recipients that are on the suppression list of the account.
func (q *Queue) look(ctx context.Context, a *arrival, size int64) error {
	a.suppressed = map[int]bool{}
	account := a.msgs[0].Account
	if account == "" {
		return nil
	}
	return q.db.Read(ctx, func(c *db.Conn) error {
		for i, m := range a.msgs {
			_, ok, err := c.QueryInt64("SELECT id FROM suppression WHERE account = ? AND base_address = ?", account, BaseAddress(m.Recipient))
			if err != nil {
				return err
			}
			if ok {
				a.suppressed[i] = true
			}
		}
		if len(a.suppressed) == len(a.msgs) {
			return nil
		}
		u, err := usedOf(c, account)
		if err != nil {
			return err
		}
		return q.checkLimits(u, len(a.msgs)-len(a.suppressed), size)
	})
}

// checkLimits tells whether an account with u may have more in the queue. The server itself
// always may.
func (q *Queue) checkLimits(u usageChange, messages int, size int64) error {
	l := q.o.Limits
	if l.Messages > 0 && u.messages+messages > l.Messages {
		return fmt.Errorf("%w: %d, at most %d", ErrLimit, u.messages, l.Messages)
	}
	if l.Size > 0 && u.size+size > l.Size {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrLimit, u.size, l.Size)
	}
	return nil
}

func suppressedResult(now time.Time) Result {
	return Result{Start: now, Enhanced: "5.7.0", Error: "not sent: the recipient is on the suppression list of the account"}
}

// noticeSuppressed makes the notifications about recipients that are suppressed.
func (q *Queue) noticeSuppressed(ctx context.Context, a *arrival, c Content) error {
	for i := range a.msgs {
		if !a.suppressed[i] || q.o.Notice == nil {
			continue
		}
		n, err := q.notice(ctx, Reported{Message: a.msgs[i], Result: suppressedResult(q.o.Now()), Original: c.original(), Size: c.total()})
		if err != nil {
			return err
		}
		a.notices = append(a.notices, n...)
	}
	return nil
}

// notice asks for a notification and prepares it.
func (q *Queue) notice(ctx context.Context, r Reported) ([]notice, error) {
	n, err := q.o.Notice(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("composing notification: %w", err)
	}
	if n == nil {
		return nil, nil
	}
	return q.prepareNotices(ctx, []NewMessage{*n})
}

// prepareNotices prepares messages that enter together with something else.
func (q *Queue) prepareNotices(ctx context.Context, l []NewMessage) (_ []notice, rerr error) {
	var all []notice
	defer func() {
		if rerr != nil {
			for _, n := range all {
				q.discard(n.p)
			}
		}
	}()
	for i := range l {
		n := l[i]
		if len(n.Messages) == 0 {
			return nil, fmt.Errorf("%w: notification without recipient", ErrInvalid)
		}
		n.Messages = append([]Message(nil), n.Messages...)
		if err := q.complete(n.Messages, n.Content.total()); err != nil {
			return nil, err
		}
		p, err := q.prepare(ctx, n.Content, n.Messages[0].Account)
		if err != nil {
			return nil, err
		}
		all = append(all, notice{p, &n})
	}
	return all, nil
}

// arrive adds what came, in the order: has it come before, may it, messages, those
// suppressed, notifications.
func (t *tx) arrive(a *arrival) (Added, error) {
	if a.once != nil {
		if r, ok, err := t.again(a.once); err != nil || ok {
			return r, err
		}
	}
	queued := len(a.msgs) - len(a.suppressed)
	if account := a.msgs[0].Account; queued > 0 && account != "" {
		u, err := t.used(account)
		if err == nil {
			err = t.q.checkLimits(u, queued, a.content.size)
		}
		if err != nil {
			return Added{}, err
		}
	}
	if err := t.number(a.msgs); err != nil {
		return Added{}, err
	}
	r := Added{Messages: a.msgs}
	if queued > 0 {
		content, err := t.content(a.content, a.msgs[0].Account, queued)
		if err != nil {
			return Added{}, err
		}
		for i := range a.msgs {
			if a.suppressed[i] {
				continue
			}
			if err := t.insert(&a.msgs[i], content); err != nil {
				return Added{}, err
			}
		}
		if len(a.suppressed) == 0 {
			t.q.recent.put(a.msgs, a.content)
		}
	}
	for i := range a.msgs {
		if !a.suppressed[i] {
			continue
		}
		r.Suppressed = append(r.Suppressed, i)
		a.msgs[i].Results = nil
		if err := t.done(&a.msgs[i], EventSuppressed, suppressedResult(t.now), false); err != nil {
			return Added{}, err
		}
	}
	for _, n := range a.notices {
		if err := t.addNotice(n); err != nil {
			return Added{}, err
		}
	}
	if a.once != nil {
		return r, t.remember(a.once, r)
	}
	return r, nil
}

// number gives messages their IDs, which follow each other.
func (t *tx) number(msgs []Message) error {
	base, err := t.q.nextIDs.message(t.c, len(msgs))
	if err != nil {
		return err
	}
	for i := range msgs {
		msgs[i].ID, msgs[i].BaseID = base+int64(i), base
	}
	t.q.recent.put(msgs, nil)
	return nil
}

// addNotice adds a message that came with something else.
func (t *tx) addNotice(n notice) error {
	msgs := n.n.Messages
	if err := t.number(msgs); err != nil {
		return err
	}
	content, err := t.content(n.p, msgs[0].Account, len(msgs))
	if err != nil {
		return err
	}
	for i := range msgs {
		if err := t.insert(&msgs[i], content); err != nil {
			return err
		}
	}
	return nil
}

// insert adds a row, on hold if a rule says so.
func (t *tx) insert(m *Message, content int64) error {
	lane, err := t.laneOf(m)
	if err != nil {
		return err
	}
	if !m.Hold {
		_, m.Hold, err = t.c.QueryInt64("SELECT id FROM hold_rule WHERE "+ruleMatches("?1", "?2", "?3")+" LIMIT 1",
			m.Account, m.SenderDomain.ASCII, m.RecipientDomain.ASCII)
		if err != nil {
			return err
		}
	}
	inf, err := m.info()
	if err != nil {
		return err
	}
	t.lane(lane, 1)
	t.use(m.Account, usageChange{messages: 1})
	t.changed = t.changed || !m.Hold
	if m.Account != "" {
		t.touch(m.Account)
	}
	return t.c.Exec(`INSERT INTO message (id, base_id, lane_id, content_id, hold, queued, next_attempt, last_attempt, attempts, begun,
		delay_notified, size, require_tls, account, sender, recipient, sender_domain, recipient_domain, from_id, message_id, transport, info)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.BaseID, lane, content, m.Hold, millis(m.Queued), millis(m.NextAttempt), millis(m.LastAttempt), m.Attempts,
		m.DelayNotified, m.Size, requireTLS(m.RequireTLS), m.Account, m.Sender.XString(true), m.Recipient.XString(true),
		m.SenderDomain.ASCII, m.RecipientDomain.ASCII, m.FromID, m.MessageID, m.Transport, string(inf))
}

// laneOf returns the lane of a message, making it when there is none.
func (t *tx) laneOf(m *Message) (int64, error) {
	dest := m.Destination()
	id, ok, err := t.c.QueryInt64("SELECT id FROM lane WHERE destination = ? AND priority = ?", dest, m.Priority)
	if err != nil || ok {
		return id, err
	}
	if err := t.c.Exec("INSERT INTO lane (destination, priority, messages) VALUES (?, ?, 0)", dest, m.Priority); err != nil {
		return 0, err
	}
	return t.c.LastRowID(), nil
}

// AddDone keeps history and tells webhooks of messages that were delivered, or were not,
// without being queued. It returns them with their IDs.
func (q *Queue) AddDone(ctx context.Context, msgs []Message, results []Result) ([]Message, error) {
	if len(msgs) == 0 || len(msgs) != len(results) {
		return nil, fmt.Errorf("%w: %d messages with %d results", ErrInvalid, len(msgs), len(results))
	}
	msgs = append([]Message(nil), msgs...)
	if err := q.complete(msgs, msgs[0].Size); err != nil {
		return nil, err
	}
	err := q.do(ctx, 1024*len(msgs), func(t *tx) error {
		if err := t.number(msgs); err != nil {
			return err
		}
		for i := range msgs {
			m := &msgs[i]
			m.Attempts, m.Results, m.LastAttempt = 1, nil, fromMillis(millis(results[i].Start))
			event := EventFailed
			if results[i].Success {
				event = EventDelivered
			}
			if err := t.done(m, event, results[i], false); err != nil {
				return err
			}
		}
		return nil
	})
	return msgs, err
}
