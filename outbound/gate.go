package outbound

import (
	"context"
	"sync"
)

// gate lets workers pass, or holds them back.
type gate struct {
	mu   sync.Mutex // guards what follows
	busy int        // workers that are in
	held chan struct{}
	idle chan struct{} // closed when none is in; nil: nobody waits for that
}

// enter waits while the gate is held.
func (g *gate) enter() {
	for {
		g.mu.Lock()
		held := g.held
		if held == nil {
			g.busy++
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		<-held
	}
}

// leave ends what enter began.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy--; g.busy == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// hold keeps workers out until release is called, and waits for those that are in, or until ctx
// ends. One at a time may hold.
func (g *gate) hold(ctx context.Context) (release func(), err error) {
	g.mu.Lock()
	held := make(chan struct{})
	g.held = held
	var idle chan struct{}
	if g.busy > 0 {
		idle = make(chan struct{})
		g.idle = idle
	}
	g.mu.Unlock()
	release = func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.held, g.idle = nil, nil
		close(held)
	}
	if idle == nil {
		return release, nil
	}
	select {
	case <-idle:
		return release, nil
	case <-ctx.Done():
		release()
		return nil, ctx.Err()
	}
}

// HoldLocal holds deliveries from the queue to accounts of this server back until release is
// called, and waits for those that are under way to be recorded: meanwhile each message is in the
// queue or in its account, and not in both. When ctx ends before, nothing is held. It must be
// released within moments.
func (o *Outbound) HoldLocal(ctx context.Context) (release func(), err error) {
	o.holding.Lock()
	open, err := o.local.hold(ctx)
	if err != nil {
		o.holding.Unlock()
		return nil, err
	}
	return func() {
		open()
		o.holding.Unlock()
	}, nil
}
