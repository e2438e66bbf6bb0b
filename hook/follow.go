package hook

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"mox/config"
	"mox/dsn"
	"mox/mailops"
	"mox/message"
	"mox/queue"
	"mox/smtp"
	"mox/store"
	"mox/trace"
)

// seenName is the setting of an account that has the last body that was looked at.
const seenName = "hook/seen"

// follow looks at accounts as they are touched, until ctx ends.
func (h *Hooks) follow(ctx context.Context) {
	for ctx.Err() == nil {
		name, wait := h.nextTouched()
		if name != "" {
			h.followOne(ctx, name)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-h.wake:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// nextTouched takes an account whose time has come, or tells how long to wait for one.
func (h *Hooks) nextTouched() (string, time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, wait := h.c.Now(), idle
	for name, at := range h.touched {
		if !at.After(now) {
			delete(h.touched, name)
			return name, 0
		}
		wait = min(wait, at.Sub(now))
	}
	return "", wait
}

// followOne looks at what is new in an account.
func (h *Hooks) followOne(ctx context.Context, name string) {
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				if h.c.Metrics.Panic != nil {
					h.c.Metrics.Panic()
				}
				err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
		}()
		acc, err := h.c.Store.Account(ctx, name)
		if errors.Is(err, store.ErrNoAccount) {
			return nil
		} else if err != nil {
			return err
		}
		defer acc.Release()
		return h.catchUp(ctx, acc)
	}()
	if err != nil && ctx.Err() == nil {
		h.c.Log.Error("following deliveries for webhooks", "err", err, "account", name)
		h.touch(name, h.c.Now().Add(h.c.Limits.Retry))
	}
}

// catchUp looks at all that is new, in batches.
func (h *Hooks) catchUp(ctx context.Context, acc *store.Account) error {
	b, err := acc.Setting(ctx, seenName)
	if err != nil {
		return err
	}
	info := h.c.Config().Accounts[acc.Name()]
	if !Watched(info) {
		if b != nil {
			return acc.SetSetting(ctx, seenName, nil)
		}
		return nil
	}
	if b == nil {
		return h.begin(ctx, acc)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("reading position: %w", err)
	}
	seen := store.BodyID(n)
	for {
		l, err := acc.NewBodies(ctx, seen, h.c.Limits.Batch)
		if err != nil || len(l) == 0 {
			return err
		}
		if err := h.tell(ctx, acc, info, l); err != nil {
			return err
		}
		seen = l[len(l)-1]
		if err := setSeen(ctx, acc, seen); err != nil {
			return err
		}
	}
}

func setSeen(ctx context.Context, acc *store.Account, id store.BodyID) error {
	return acc.SetSetting(ctx, seenName, strconv.AppendInt(nil, int64(id), 10))
}

// begin notes that all there is so far was before the account had webhooks.
func (h *Hooks) begin(ctx context.Context, acc *store.Account) error {
	var last store.BodyID
	for {
		l, err := acc.NewBodies(ctx, last, 10000)
		if err != nil {
			return err
		}
		if len(l) == 0 {
			return setSeen(ctx, acc, last)
		}
		last = l[len(l)-1]
	}
}

// tell stores the calls about bodies that are new.
func (h *Hooks) tell(ctx context.Context, acc *store.Account, info *config.AccountInfo, l []store.BodyID) error {
	var hooks []queue.Hook
	size := 0
	flush := func() error {
		if len(hooks) == 0 {
			return nil
		}
		_, err := h.c.Queue.HookAdd(ctx, hooks...)
		hooks, size = nil, 0
		return err
	}
	for _, body := range l {
		hook, err := h.look(ctx, acc, info, body)
		if err != nil {
			return err
		}
		if hook == nil {
			continue
		}
		hooks = append(hooks, *hook)
		if size += len(hook.Payload); size > h.c.Limits.Payload {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// look returns the call about a body, nil if there is to be none.
func (h *Hooks) look(ctx context.Context, acc *store.Account, info *config.AccountInfo, body store.BodyID) (*queue.Hook, error) {
	box, m, err := acc.MessageOfBody(ctx, body)
	if errors.Is(err, store.ErrNoMessage) || err == nil && m.ReceivedTime().Before(h.c.Now().Add(-h.c.Limits.CatchUp)) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	mailbox, ok := acc.MailboxByID(box)
	if !ok {
		return nil, nil
	}
	c, err := mailops.Found{Mailbox: mailbox, Message: m}.Open(ctx, acc)
	switch {
	case errors.Is(err, store.ErrNoMessage):
		return nil, nil
	case errors.Is(err, trace.ErrCorrupt), errors.Is(err, message.ErrCorrupt):
		h.c.Log.Error("message without webhook call", "err", err, "account", acc.Name(), "msgid", m.ID)
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer c.Close()
	if c.Trace == nil || c.Trace.Verdict.Action == trace.Reject {
		return nil, nil // not received, or into the mailbox for rejects
	}
	if done, err := h.bounce(ctx, acc.Name(), c); done || err != nil {
		return nil, err
	}
	if info.Config.IncomingWebhook == nil {
		return nil, nil
	}
	hook, err := incoming(info.Config.IncomingWebhook, acc.Name(), c, h.c.Now(), h.c.Limits.Payload)
	return &hook, err
}

// bounce records what a message to a unique sender address says, and tells whether it was one.
func (h *Hooks) bounce(ctx context.Context, account string, c *mailops.Content) (bool, error) {
	id := h.fromID(c.Trace.Facts.RcptTo)
	if id == "" {
		return false, nil
	}
	r := queue.DSNReport{Account: account, FromID: id, Event: queue.EventUnrecognized, Result: queue.Result{Start: c.Found.Message.ReceivedTime()}}
	rep, err := dsn.ParsePart(c.Body, c.Part)
	switch {
	case err == nil && len(rep.Status.Recipients) > 0:
		// A unique address is for one recipient.
		understand(&r, rep.Status.Recipients[0])
	case err != nil && !errors.Is(err, dsn.ErrNone) && !errors.Is(err, dsn.ErrStatus):
		return false, err
	}
	_, err = h.c.Queue.RecordDSN(ctx, r)
	if errors.Is(err, queue.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// understand fills in what a DSN says about its recipient.
func understand(r *queue.DSNReport, s dsn.Recipient) {
	events := map[dsn.Action]string{
		dsn.Failed: queue.EventFailed, dsn.Delayed: queue.EventDelayed, dsn.Delivered: queue.EventDelivered, dsn.Relayed: queue.EventRelayed, dsn.Expanded: queue.EventExpanded,
	}
	event, ok := events[s.Action]
	if !ok {
		return
	}
	r.Event = event
	r.Result.Success = s.Action != dsn.Failed && s.Action != dsn.Delayed
	r.Result.RemoteMTA = s.RemoteMTA.Name
	r.Result.Enhanced = s.Status
	if s.Diagnostic.Type != "smtp" {
		if !r.Result.Success {
			r.Result.Error = s.Diagnostic.Text
		}
		return
	}
	if code, _, text, err := smtp.ParseReplyLine(s.Diagnostic.Text); err == nil {
		r.Result.Code = code
		if !r.Result.Success {
			r.Result.Error = text
		}
	} else if !r.Result.Success {
		r.Result.Error = s.Diagnostic.Text
	}
}

// fromID returns what is behind the separator of an address of ours.
func (h *Hooks) fromID(address string) string {
	a, err := smtp.ParseAddressLax(address)
	if err != nil {
		return ""
	}
	d := h.c.Config().Domain(a.Domain)
	if d == nil {
		return ""
	}
	// As it was written: ids have capitals.
	_, id, _ := d.SplitLocalpart(string(a.Localpart))
	return id
}
