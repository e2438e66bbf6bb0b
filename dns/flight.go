package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// flight is a question under way, for all who ask it meanwhile. It ends when nobody
// waits for it any more.
type flight struct {
	done    chan struct{} // closed when a is there
	a       *answer
	waiters int // guarded by Client.mu
	cancel  context.CancelFunc
}

// wait joins the flight of q, or begins it, and waits for the answer or the end of ctx.
func (c *Client) wait(ctx context.Context, q question) *answer {
	c.mu.Lock()
	if c.ctx.Err() != nil {
		c.mu.Unlock()
		return failure(q, ErrClosed)
	}
	f := c.flights[q]
	if f == nil {
		// A flight that landed between the look into the cache and now left it there.
		if a := c.cache.get(q, c.o.Now()); a != nil {
			c.mu.Unlock()
			return a
		}
		f = c.begin(q)
	}
	f.waiters++
	c.mu.Unlock()

	select {
	case <-f.done:
		return f.a
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		if c.flights[q] == f {
			delete(c.flights, q)
		}
	}
	return failure(q, ctx.Err())
}

// begin starts a flight. c.mu must be held.
func (c *Client) begin(q question) *flight {
	ctx, cancel := context.WithTimeout(c.ctx, c.o.Timeout)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	c.flights[q] = f
	c.wg.Go(func() {
		defer cancel()
		a := c.ask(ctx, q)
		if !errors.Is(ctx.Err(), context.Canceled) {
			if a.err != nil && !a.err.NotFound {
				a.ttl = c.o.FailureTTL
			}
			c.cache.put(q, a, c.o.Now())
		}
		c.mu.Lock()
		if c.flights[q] == f {
			delete(c.flights, q)
		}
		c.mu.Unlock()
		f.a = a
		close(f.done)
	})
	return f
}

// ask gets the answer from the servers: one after the other, in several rounds.
func (c *Client) ask(ctx context.Context, q question) (a *answer) {
	defer func() {
		// What servers send must not end the process.
		if x := recover(); x != nil {
			c.o.Log.Error("panic in lookup", "err", x)
			a = failure(q, fmt.Errorf("internal error"))
		}
	}()
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return failure(q, ctx.Err())
	}
	defer func() { <-c.slots }()

	conf := c.current()
	servers := c.order(conf)
	var refused *Error // The first failure that a server told about.
	var last error     // The last other one.
	for range conf.attempts {
		for i, s := range servers {
			if s == nil {
				continue
			}
			a, err := c.try(ctx, conf, s, q)
			if err == nil {
				return a
			}
			var bogus *bogusError
			if errors.As(err, &bogus) {
				return &answer{err: bogus.e, size: 2*len(q.name) + 300}
			}
			c.o.Log.Debug("dns server failed", "server", s.name, "name", q.name, "type", q.typeName(), "err", err)
			if e := (*Error)(nil); errors.As(err, &e) {
				// RFC 9520 3.1: it is not asked again.
				servers[i] = nil
				if refused == nil {
					refused = e
				}
			} else if last = err; ctx.Err() != nil {
				return failure(q, fmt.Errorf("server %s: %w", s.name, err))
			}
		}
	}
	if refused != nil {
		return &answer{err: refused, size: 2*len(q.name) + 300}
	}
	return failure(q, last)
}

// order returns the servers in the order in which to ask them: those that did not
// answer lately at the end.
func (c *Client) order(conf *conf) []*server {
	n := len(conf.servers)
	first := 0
	if conf.rotate {
		first = int(c.turn.Add(1) % uint32(n))
	}
	l := make([]*server, 0, n)
	for i := range n {
		l = append(l, conf.servers[(first+i)%n])
	}
	now := c.o.Now()
	late := func(s *server) int {
		if f := s.failed.Load(); f != 0 && now.Sub(time.Unix(0, f)) < avoidFor {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(l, func(a, b *server) int { return late(a) - late(b) })
	return l
}

// avoidFor is how long a server that did not answer is asked after the others.
const avoidFor = 30 * time.Second
