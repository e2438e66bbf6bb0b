package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mox/queue"
)

// QueueFilter selects messages in the queue, or with the last fields those that are done. The
// zero value selects all.
type QueueFilter struct {
	IDs         []int64 `json:",omitempty"`
	Max         int     `json:",omitempty"`
	Account     string  `json:",omitempty"`
	From        string  `json:",omitempty"` // part of an address, or @domain
	To          string  `json:",omitempty"` // likewise; with both, one of them is enough
	Submitted   string  `json:",omitempty"` // see queue.ParseBound
	NextAttempt string  `json:",omitempty"`
	Transport   *string `json:",omitempty"`
	Hold        *bool   `json:",omitempty"`

	// Of messages that are done.
	LastActivity string `json:",omitempty"`
	Success      *bool  `json:",omitempty"`

	// Of webhook calls.
	Event string `json:",omitempty"`
}

// errNoQueue: what was asked for needs a queue.
var errNoQueue = errors.New("this server has no queue")

// bounds parses times of a filter, nil for those that are empty.
func (a *Admin) bounds(texts ...string) ([]*queue.Bound, error) {
	if a.Queue == nil {
		return nil, errNoQueue
	}
	l := make([]*queue.Bound, len(texts))
	for i, s := range texts {
		if s == "" {
			continue
		}
		b, err := queue.ParseBound(s, a.Now())
		if err != nil {
			return nil, err
		}
		l[i] = &b
	}
	return l, nil
}

func (a *Admin) queueFilter(f QueueFilter) (queue.Filter, error) {
	b, err := a.bounds(f.Submitted, f.NextAttempt)
	if err != nil {
		return queue.Filter{}, err
	}
	return queue.Filter{
		IDs: f.IDs, Max: f.Max, Account: f.Account, From: f.From, To: f.To, Hold: f.Hold, Transport: f.Transport,
		Submitted: b[0], NextAttempt: b[1],
	}, nil
}

func (a *Admin) hookFilter(f QueueFilter) (queue.HookFilter, error) {
	b, err := a.bounds(f.Submitted, f.NextAttempt)
	if err != nil {
		return queue.HookFilter{}, err
	}
	return queue.HookFilter{IDs: f.IDs, Max: f.Max, Account: f.Account, Event: f.Event, Submitted: b[0], NextAttempt: b[1]}, nil
}

// QueueList returns messages in the queue.
func (a *Admin) QueueList(ctx context.Context, f QueueFilter, s queue.Sort) ([]queue.Message, error) {
	filter, err := a.queueFilter(f)
	if err != nil {
		return nil, err
	}
	return a.Queue.List(ctx, filter, s)
}

// changeQueue runs an operation on the messages of a filter, and writes the audit line.
func (a *Admin) changeQueue(ctx context.Context, actor Actor, action string, f QueueFilter, fn func(queue.Filter) (int, error), args ...any) (int, error) {
	n := 0
	filter, err := a.queueFilter(f)
	if err == nil {
		n, err = fn(filter)
	}
	a.audit(ctx, actor, action, err, append(args, "messages", n)...)
	return n, err
}

// QueueHold puts messages on hold, or releases them. Like those below, it returns how many.
func (a *Admin) QueueHold(ctx context.Context, actor Actor, f QueueFilter, hold bool) (int, error) {
	return a.changeQueue(ctx, actor, "queue hold", f, func(f queue.Filter) (int, error) { return a.Queue.Hold(ctx, f, hold) }, "hold", hold)
}

// QueueSchedule changes when the next attempt is.
func (a *Admin) QueueSchedule(ctx context.Context, actor Actor, f QueueFilter, s queue.Shift) (int, error) {
	if a.Retry != nil {
		a.Retry()
	}
	return a.changeQueue(ctx, actor, "queue schedule", f, func(f queue.Filter) (int, error) { return a.Queue.Schedule(ctx, f, s) }, "by", s.By, "now", s.Now)
}

// QueueTransport sets the transport; "" is that of the routes. ErrNotFound for one that is not configured.
func (a *Admin) QueueTransport(ctx context.Context, actor Actor, f QueueFilter, name string) (int, error) {
	return a.changeQueue(ctx, actor, "queue transport", f, func(f queue.Filter) (int, error) {
		if _, ok := a.Config.Snapshot().Static.Transports[name]; !ok && name != "" {
			return 0, fmt.Errorf("transport %q: %w", name, ErrNotFound)
		}
		return a.Queue.SetTransport(ctx, f, name)
	}, "transport", name)
}

// QueuePriority sets the priority: what is due is sent in its order, the highest first.
func (a *Admin) QueuePriority(ctx context.Context, actor Actor, f QueueFilter, priority int) (int, error) {
	return a.changeQueue(ctx, actor, "queue priority", f, func(f queue.Filter) (int, error) { return a.Queue.SetPriority(ctx, f, priority) }, "priority", priority)
}

// QueueRequireTLS sets what is required of TLS: nil is the default, true as by REQUIRETLS,
// false as by TLS-Required: No (RFC 8689).
func (a *Admin) QueueRequireTLS(ctx context.Context, actor Actor, f QueueFilter, require *bool) (int, error) {
	return a.changeQueue(ctx, actor, "queue requiretls", f, func(f queue.Filter) (int, error) { return a.Queue.SetRequireTLS(ctx, f, require) })
}

// QueueFail makes messages fail; their senders are notified.
func (a *Admin) QueueFail(ctx context.Context, actor Actor, f QueueFilter) (int, error) {
	return a.changeQueue(ctx, actor, "queue fail", f, func(f queue.Filter) (int, error) { return a.Queue.Fail(ctx, f) })
}

// QueueDrop removes messages; their senders are not notified.
func (a *Admin) QueueDrop(ctx context.Context, actor Actor, f QueueFilter) (int, error) {
	return a.changeQueue(ctx, actor, "queue drop", f, func(f queue.Filter) (int, error) { return a.Queue.Drop(ctx, f) })
}

// QueueMessage returns a message in the queue.
func (a *Admin) QueueMessage(ctx context.Context, id int64) (queue.Message, error) {
	if a.Queue == nil {
		return queue.Message{}, errNoQueue
	}
	return a.Queue.Get(ctx, id)
}

// QueueDump writes the content of a message.
func (a *Admin) QueueDump(ctx context.Context, actor Actor, id int64, w io.Writer) (err error) {
	if a.Queue == nil {
		return errNoQueue
	}
	defer func() { a.audit(ctx, actor, "queue dump", err, "queueid", id) }()
	c, err := a.Queue.Content(ctx, id)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.WriteTo(w)
	return err
}

// QueueRetiredList returns messages that are done.
func (a *Admin) QueueRetiredList(ctx context.Context, f QueueFilter, s queue.Sort) ([]queue.RetiredMessage, error) {
	b, err := a.bounds(f.Submitted, f.LastActivity)
	if err != nil {
		return nil, err
	}
	return a.Queue.RetiredList(ctx, queue.RetiredFilter{
		IDs: f.IDs, Max: f.Max, Account: f.Account, From: f.From, To: f.To, Transport: f.Transport, Success: f.Success,
		Submitted: b[0], LastActivity: b[1],
	}, s)
}

// QueueRetired returns a message that is done.
func (a *Admin) QueueRetired(ctx context.Context, id int64) (queue.RetiredMessage, error) {
	if a.Queue == nil {
		return queue.RetiredMessage{}, errNoQueue
	}
	return a.Queue.RetiredGet(ctx, id)
}

// HoldRules returns the rules by which new messages are put on hold.
func (a *Admin) HoldRules(ctx context.Context) ([]queue.HoldRule, error) {
	if a.Queue == nil {
		return nil, errNoQueue
	}
	return a.Queue.HoldRules(ctx)
}

// HoldRuleAdd adds a rule; messages in the queue that match are put on hold too.
func (a *Admin) HoldRuleAdd(ctx context.Context, actor Actor, r queue.HoldRule) (queue.HoldRule, error) {
	if a.Queue == nil {
		return r, errNoQueue
	}
	held, err := 0, error(nil)
	if r.Account != "" && a.Config.Snapshot().Accounts[r.Account] == nil {
		err = fmt.Errorf("account %q: %w", r.Account, ErrNotFound)
	} else {
		r, held, err = a.Queue.HoldRuleAdd(ctx, r)
	}
	a.audit(ctx, actor, "add hold rule", err, "rule", r.ID, "account", r.Account, "senderdomain", r.SenderDomain, "recipientdomain", r.RecipientDomain, "held", held)
	return r, err
}

// HoldRuleRemove removes a rule; messages that it held stay on hold.
func (a *Admin) HoldRuleRemove(ctx context.Context, actor Actor, id int64) error {
	if a.Queue == nil {
		return errNoQueue
	}
	err := a.Queue.HoldRuleRemove(ctx, id)
	a.audit(ctx, actor, "remove hold rule", err, "rule", id)
	return err
}

// Suppressions returns the suppression list of an account, of all for "".
func (a *Admin) Suppressions(ctx context.Context, account string) ([]queue.Suppression, error) {
	if a.Queue == nil {
		return nil, errNoQueue
	}
	return a.Queue.SuppressionList(ctx, account)
}

// SuppressionAdd puts an address on the suppression list of an account.
func (a *Admin) SuppressionAdd(ctx context.Context, actor Actor, account, address string) (s queue.Suppression, err error) {
	if a.Queue == nil {
		return s, errNoQueue
	}
	defer func() { a.audit(ctx, actor, "add to suppression list", err, "account", account, "address", address) }()
	if a.Config.Snapshot().Accounts[account] == nil {
		return s, fmt.Errorf("account %q: %w", account, ErrNotFound)
	}
	p, err := queue.ParseAddress(address)
	if err != nil {
		return s, err
	}
	return a.Queue.SuppressionAdd(ctx, account, p, true, "")
}

// SuppressionRemove takes an address from the suppression list of an account, which need not exist any more.
func (a *Admin) SuppressionRemove(ctx context.Context, actor Actor, account, address string) (err error) {
	if a.Queue == nil {
		return errNoQueue
	}
	defer func() {
		a.audit(ctx, actor, "remove from suppression list", err, "account", account, "address", address)
	}()
	p, err := queue.ParseAddress(address)
	if err != nil {
		return err
	}
	return a.Queue.SuppressionRemove(ctx, account, p)
}

// SuppressionLookup returns the entry of an address in the suppression list of an account, or
// of any for ""; nil if there is none.
func (a *Admin) SuppressionLookup(ctx context.Context, account, address string) (*queue.Suppression, error) {
	if a.Queue == nil {
		return nil, errNoQueue
	}
	p, err := queue.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return a.Queue.SuppressionLookup(ctx, account, p)
}

// HookList returns calls of webhooks that wait.
func (a *Admin) HookList(ctx context.Context, f QueueFilter, s queue.Sort) ([]queue.Hook, error) {
	filter, err := a.hookFilter(f)
	if err != nil {
		return nil, err
	}
	return a.Queue.HookList(ctx, filter, s)
}

// HookSchedule changes when calls are made next, and returns of how many.
func (a *Admin) HookSchedule(ctx context.Context, actor Actor, f QueueFilter, s queue.Shift) (n int, err error) {
	defer func() { a.audit(ctx, actor, "schedule webhook calls", err, "calls", n, "by", s.By, "now", s.Now) }()
	filter, err := a.hookFilter(f)
	if err != nil {
		return 0, err
	}
	return a.Queue.HookSchedule(ctx, filter, s)
}

// HookCancel ends calls that wait, and returns how many.
func (a *Admin) HookCancel(ctx context.Context, actor Actor, f QueueFilter) (n int, err error) {
	defer func() { a.audit(ctx, actor, "cancel webhook calls", err, "calls", n) }()
	filter, err := a.hookFilter(f)
	if err != nil {
		return 0, err
	}
	return a.Queue.HookCancel(ctx, filter)
}

// Hook returns a call that waits.
func (a *Admin) Hook(ctx context.Context, id int64) (queue.Hook, error) {
	if a.Queue == nil {
		return queue.Hook{}, errNoQueue
	}
	return a.Queue.HookGet(ctx, id)
}

// HookRetiredList returns calls that are done.
func (a *Admin) HookRetiredList(ctx context.Context, f QueueFilter, s queue.Sort) ([]queue.RetiredHook, error) {
	b, err := a.bounds(f.Submitted, f.LastActivity)
	if err != nil {
		return nil, err
	}
	return a.Queue.HookRetiredList(ctx, queue.HookRetiredFilter{IDs: f.IDs, Max: f.Max, Account: f.Account, Event: f.Event, Submitted: b[0], LastActivity: b[1]}, s)
}

// HookRetired returns a call that is done.
func (a *Admin) HookRetired(ctx context.Context, id int64) (queue.RetiredHook, error) {
	if a.Queue == nil {
		return queue.RetiredHook{}, errNoQueue
	}
	return a.Queue.HookRetiredGet(ctx, id)
}

// ParseShift parses a duration and whether it counts from now, as administrators write it.
func ParseShift(duration string, now bool) (queue.Shift, error) {
	d, err := queue.ParseDuration(duration)
	if err == nil && d.Abs() > 100*365*24*time.Hour {
		err = fmt.Errorf("%w: %s is too long", queue.ErrInvalid, duration)
	}
	return queue.Shift{By: d, Now: now}, err
}
