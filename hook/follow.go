package hook

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"mox/config"
	"mox/mailops"
	"mox/message"
	"mox/queue"
	"mox/store"
	"mox/trace"
	"mox/upkeep"
)

// Settings of an account that have the last body that was looked at: for webhooks of what
// comes in, and for notifications about what was sent.
const (
	seenName    = "hook/seen"
	bouncesName = "hook/bounces"
)

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
	return upkeep.Due(h.touched, h.c.Now(), idle)
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
		return errors.Join(h.catchUp(ctx, acc), h.bounces(ctx, acc))
	}()
	if err != nil && ctx.Err() == nil {
		h.c.Log.Error("following deliveries for webhooks", "err", err, "account", name)
		h.touch(name, h.c.Now().Add(h.c.Limits.Retry))
	}
}

// catchUp looks at all that is new for the webhook of what comes in.
func (h *Hooks) catchUp(ctx context.Context, acc *store.Account) error {
	seen, ok, err := position(ctx, acc, seenName)
	if err != nil {
		return err
	}
	info := h.c.Config().Accounts[acc.Name()]
	if !Watched(info) {
		if ok {
			return acc.SetSetting(ctx, seenName, nil)
		}
		return nil
	}
	if !ok {
		return h.begin(ctx, acc)
	}
	return h.each(ctx, acc, seenName, seen, func(l []store.BodyID) error { return h.tell(ctx, acc, info, l) })
}

// position reads a setting that is a position; false when there is none.
func position(ctx context.Context, acc *store.Account, name string) (store.BodyID, bool, error) {
	b, err := acc.Setting(ctx, name)
	if b == nil || err != nil {
		return 0, false, err
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("reading position: %w", err)
	}
	return store.BodyID(n), true, nil
}

// each does the bodies behind seen, in batches, and notes in a setting how far it is.
func (h *Hooks) each(ctx context.Context, acc *store.Account, name string, seen store.BodyID, do func([]store.BodyID) error) error {
	for {
		l, err := acc.NewBodies(ctx, seen, h.c.Limits.Batch)
		if err != nil || len(l) == 0 {
			return err
		}
		if err := do(l); err != nil {
			return err
		}
		seen = l[len(l)-1]
		if err := setSeen(ctx, acc, name, seen); err != nil {
			return err
		}
	}
}

func setSeen(ctx context.Context, acc *store.Account, name string, id store.BodyID) error {
	return acc.SetSetting(ctx, name, strconv.AppendInt(nil, int64(id), 10))
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
			return setSeen(ctx, acc, seenName, last)
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

// open returns the message of a body; nil if it is not one that was received lately.
func (h *Hooks) open(ctx context.Context, acc *store.Account, body store.BodyID) (*mailops.Content, error) {
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
		h.c.Log.Error("message cannot be followed", "err", err, "account", acc.Name(), "msgid", m.ID)
		return nil, nil
	case err != nil:
		return nil, err
	}
	if c.Trace == nil || c.Trace.Verdict.Action == trace.Reject {
		c.Close()
		return nil, nil // not received, or into the mailbox for rejects
	}
	return c, nil
}

// look returns the call about a body, nil if there is to be none.
func (h *Hooks) look(ctx context.Context, acc *store.Account, info *config.AccountInfo, body store.BodyID) (*queue.Hook, error) {
	c, err := h.open(ctx, acc, body)
	if c == nil || err != nil {
		return nil, err
	}
	defer c.Close()
	// What comes to a unique sender is about a message that was sent.
	if id, err := h.knownFromID(ctx, acc.Name(), c); id != "" || err != nil {
		return nil, err
	}
	hook, err := incoming(info.Config.IncomingWebhook, acc.Name(), c, h.c.Now(), h.c.Limits.Payload)
	return &hook, err
}
