package store

import (
	"context"
	"errors"

	"mox/db"
)

// Content that an account has already is stored once. Whoever uploads a message again, such as a client that
// copies a mailbox from elsewhere for the second time, is spared compressing it as well: before that, the account is asked
// whether it has it. As few messages are such ones, one in lookEvery is looked up, and more while some are found.
const (
	lookEvery = 16
	lookMore  = 64 // messages that are looked up after one that was there
)

// errNotHeld: what was there when a message was prepared is gone. Never returned to callers.
var errNotHeld = errors.New("content is not there any more")

// holds reports whether the account has a body that the message can share. It is only a guess, which the commit
// checks.
func (a *Account) holds(ctx context.Context, p *prepared) bool {
	sp := p.m.Spool
	if p.m.Trace != nil || len(p.m.Prefix) > 0 || p.thread.msgID == 0 {
		return false
	}
	if sp.held.Load() == a {
		return true
	}
	n := a.looks.Add(-1)
	if n < 0 && n%lookEvery != 0 {
		return false
	}
	found := false
	err := a.read(ctx, func(conn *db.Conn) error {
		return candidates(conn, p.thread.msgID, maxSameID, func(c *candidate) bool {
			found = c.equal(p.size, p.hash[:])
			return found
		})
	})
	if err != nil || !found {
		return false
	}
	a.looks.Store(lookMore)
	sp.held.Store(a)
	return true
}

// compress makes the chunks of messages that are not held, and stages what is too much for one commit.
func (a *Account) compress(ctx context.Context, ps []*prepared) error {
	for _, p := range ps {
		if p.held {
			continue
		}
		if err := p.compress(); err != nil {
			return err
		}
	}
	return a.stageAll(ctx, ps)
}

// doPrepared is do for an operation that adds prepared messages. It is done again when
// content that was there when they were prepared is gone by then.
func (a *Account) doPrepared(ctx context.Context, ps []*prepared, fn func(*tx) error) error {
	for {
		weight := 0
		for _, p := range ps {
			weight += p.weight()
		}
		err := a.do(ctx, weight, fn)
		if !errors.Is(err, errNotHeld) {
			return err
		}
		for _, p := range ps {
			p.held = false
		}
		if err := a.compress(ctx, ps); err != nil {
			return err
		}
	}
}
