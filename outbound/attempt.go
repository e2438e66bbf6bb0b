package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"mox/config"
	"mox/queue"
	"mox/smtp"
)

// transaction is an attempt to deliver one submission to recipients that go the same way.
// It belongs to one worker.
type transaction struct {
	b        *batch
	snapshot *config.Snapshot
	msgs     []queue.Message
	wish     tlsWish
	start    time.Time

	content  Content
	original form  // content as it is in the queue
	seven    *form // converted to 7 bits, once needed

	verdicts []verdict // of msgs
	// interrupted: we were told to stop. What has no verdict was not attempted.
	interrupted bool
	// notTried: nobody was asked, for this reason, and it is to be tried then.
	notTried *failure
	quick    bool // no server was talked to
	next     time.Time
	tlsMode  string // for metrics
}

// verdict is what became of a recipient.
type verdict struct {
	done bool
	fail *failure // nil: accepted
	// relayed: by a server that does not know DSN.
	relayed bool
	final   bool // delivered on this server
	secure  bool
	host    string
	ip      string
}

// work sends a batch. While the outcome of one transaction becomes durable, the next is sent.
func (o *Outbound) work(ctx context.Context, b *batch) {
	var quick recorded // what took no time is recorded together
	var before sync.WaitGroup
	enter, leave := func() {}, func() {}
	if b.lane == queue.LocalDestination {
		enter, leave = o.local.enter, o.local.leave
	}
	defer func() {
		before.Wait()
		o.commit(ctx, &quick)
	}()
	for _, msgs := range transactions(b.msgs, o.c.Limits.Recipients) {
		if o.ending.Load() {
			return
		}
		enter()
		t := &transaction{b: b, snapshot: o.c.Config(), msgs: msgs, wish: wishOf(&msgs[0]), start: o.c.Now(), verdicts: make([]verdict, len(msgs))}
		o.guarded(ctx, t)
		t.close()
		r := &quick
		if !t.quick {
			r = &recorded{}
		}
		o.record(ctx, t, r)
		if r == &quick {
			leave()
			continue
		}
		before.Wait()
		before.Go(func() {
			defer leave()
			o.commit(ctx, r)
		})
	}
}

// guarded is attempt that survives our own mistakes: a message that has one happen must not
// be tried again at once, nor stop the others.
func (o *Outbound) guarded(ctx context.Context, t *transaction) {
	defer func() {
		if x := recover(); x != nil {
			o.log.ErrorContext(ctx, "panic during delivery", "queueid", t.msgs[0].ID, "err", fmt.Sprint(x), "stack", string(debug.Stack()))
			t.interrupted = false
			t.failRest(local(451, "4.3.0", "this server has failed to process the message").ours())
		}
	}()
	o.attempt(ctx, t)
}

// transactions groups messages: same submission, same wishes about TLS.
func transactions(msgs []queue.Message, most int) [][]queue.Message {
	type key struct {
		base int64
		wish tlsWish
	}
	var l [][]queue.Message
	last := map[key]int{}
	for _, m := range msgs {
		k := key{m.BaseID, wishOf(&m)}
		i, ok := last[k]
		if !ok || len(l[i]) >= most {
			i = len(l)
			l = append(l, nil)
			last[k] = i
		}
		l[i] = append(l[i], m)
	}
	// Higher priority first, otherwise as the queue has them.
	slices.SortStableFunc(l, func(a, b []queue.Message) int { return cmp.Compare(b[0].Priority, a[0].Priority) })
	return l
}

// wishOf returns what a message says about TLS. RFC 8689 5: a notification is rather
// delivered without REQUIRETLS than lost.
func wishOf(m *queue.Message) tlsWish {
	switch {
	case m.RequireTLS == nil, *m.RequireTLS && m.Sender.IsZero():
		return tlsDefault
	case *m.RequireTLS:
		return tlsRequired
	}
	return tlsOptional
}

// attempt fills in the verdicts.
func (o *Outbound) attempt(ctx context.Context, t *transaction) {
	if o.hindered(t) {
		t.quick = true
		return
	}
	ids := make([]int64, len(t.msgs))
	for i := range t.msgs {
		ids[i] = t.msgs[i].ID
	}
	if err := o.c.Queue.Begin(ctx, ids...); err != nil {
		o.log.ErrorContext(ctx, "noting that an attempt begins", "queueid", ids[0], "err", err)
		t.interrupted = ctx.Err() != nil
		t.failRest(local(451, "4.3.0", "queue of this server: %v", err).ours())
		return
	}
	f := t.b.route.transport.Fail
	switch {
	case f != nil:
		t.failRest(failTransport(f))
	case t.open(ctx, o) != nil:
		t.interrupted = ctx.Err() != nil
		t.failRest(local(451, "4.3.0", "reading the message on this server failed").ours())
	case t.b.lane == queue.LocalDestination:
		o.deliverLocal(ctx, t)
	default:
		o.exchange(ctx, t)
	}
}

// hindered tells whether now is not the time for an attempt.
func (o *Outbound) hindered(t *transaction) bool {
	m := &t.msgs[0]
	wait := newPace(t.b.route.waits, m).waits[0]
	switch d := t.snapshot.Domain(m.SenderDomain); {
	case t.b.lane == queue.LocalDestination:
		return false
	case d != nil && d.Config != nil && d.Config.Disabled:
		t.notTried, t.next = local(451, "4.3.0", "the sender's domain is disabled on this server").ours(), t.start.Add(wait)
		return true
	case t.b.route.missing:
		t.notTried = local(451, "4.3.5", "transport %q of the message is not in the configuration", t.b.route.name).ours()
		t.next = t.start.Add(wait)
		return true
	}
	// A server that wants less is left alone. That does not count as an attempt, unless it
	// goes on for long: then tryHosts fails with what it said.
	l := o.known(t.b.lane)
	if !l.pauseUntil.IsZero() && t.start.Sub(m.Queued) < o.c.Limits.Patience {
		t.notTried = local(451, "4.7.0", "the destination wants fewer messages at a time").ours()
		t.next = l.pauseUntil
		return true
	}
	return false
}

func failTransport(f *config.TransportFail) *failure {
	code, text := f.SMTPCode, f.SMTPMessage
	orElse(&code, 554)
	orElse(&text, "this server does not send mail to this address")
	enhanced := "5.7.0"
	if code < 500 {
		enhanced = "4.7.0"
	}
	return local(code, enhanced, "%s", text).ours()
}

// open opens the content.
func (t *transaction) open(ctx context.Context, o *Outbound) error {
	c, err := o.c.Queue.Content(ctx, t.msgs[0].ID)
	if err != nil {
		o.log.ErrorContext(ctx, "opening message", "queueid", t.msgs[0].ID, "err", err)
		return err
	}
	t.content, t.original = c, form{body: c, size: c.Size()}
	return nil
}

func (t *transaction) close() {
	if t.seven != nil {
		t.seven.close()
	}
}

// pending returns the recipients without verdict.
func (t *transaction) pending() []int {
	var l []int
	for i := range t.verdicts {
		if !t.verdicts[i].done {
			l = append(l, i)
		}
	}
	return l
}

func (t *transaction) settled() bool { return len(t.pending()) == 0 }

func (t *transaction) fail(i int, f *failure) {
	t.verdicts[i] = verdict{done: true, fail: f, host: f.host, ip: f.ip}
}

// failRest gives a failure to all that have no verdict, unless we were interrupted.
func (t *transaction) failRest(f *failure) {
	if t.interrupted {
		return
	}
	for _, i := range t.pending() {
		t.fail(i, f)
	}
}

// deliverLocal delivers to recipients of this server.
func (o *Outbound) deliverLocal(ctx context.Context, t *transaction) {
	for i := range t.msgs {
		if ctx.Err() != nil {
			t.interrupted = true
			return
		}
		err := o.c.Local(ctx, t.msgs[i], t.content)
		var e *smtp.Error
		switch {
		case err == nil:
			t.verdicts[i] = verdict{done: true, final: true, secure: true}
		case errors.As(err, &e):
			f := local(e.Code, e.Enhanced, "%s", e.Text).because(err)
			orElse(&f.enhanced, "4.3.0")
			t.fail(i, f)
		case ctx.Err() != nil:
			t.interrupted = true
			return
		default:
			o.log.ErrorContext(ctx, "delivering on this server", "queueid", t.msgs[i].ID, "err", err)
			t.fail(i, local(451, "4.3.0", "this server could not store the message").ours().because(err))
		}
	}
}

// exchange delivers over the network: by a connection that was kept, or host after host.
func (o *Outbound) exchange(parent context.Context, t *transaction) {
	ctx, cancel := context.WithTimeoutCause(parent, o.c.Limits.Attempt, errTooLong)
	defer cancel()
	f := o.tryHosts(ctx, t)
	if parent.Err() != nil {
		t.interrupted = true
		return
	}
	if t.settled() {
		return
	}
	if ctx.Err() != nil {
		f = local(451, "4.4.7", "the attempt took too long")
	}
	switch {
	case f.throttle:
		o.throttled(t.b.lane, f)
	case f.unreachable && !f.permanent:
		o.unreachable(t.b.lane, f)
	}
	t.failRest(f)
}

var errTooLong = errors.New("attempt took too long")

// tryHosts returns a failure for the recipients that have no verdict when it ends.
func (o *Outbound) tryHosts(ctx context.Context, t *transaction) *failure {
	if s := o.pool.take(sessionKey(t)); s != nil {
		f := o.send(ctx, t, s)
		o.keep(t, s)
		if t.settled() || ctx.Err() != nil {
			return f
		}
		// That a kept connection is not there any more says nothing.
	}
	if l := o.known(t.b.lane); l.down != nil {
		t.quick = true
		return l.down
	}
	var worst *failure
	hops := o.hops(ctx, t)
	for ctx.Err() == nil {
		h, f := hops.next(ctx)
		if f != nil {
			worst = worse(worst, f)
			continue
		}
		if h == nil {
			break
		}
		f = o.tryHost(ctx, t, h)
		if t.settled() {
			return nil
		}
		worst = worse(worst, f)
	}
	if worst == nil {
		worst = local(451, "4.4.1", "no mail server could be tried")
	}
	return worst
}

// tryHost goes through the addresses of a host.
func (o *Outbound) tryHost(ctx context.Context, t *transaction, h *hop) *failure {
	var worst *failure
	for _, ip := range h.ips {
		for try := 0; try < 2 && ctx.Err() == nil; try++ {
			before := len(t.pending())
			s, f := o.connect(ctx, t, h, ip)
			if f == nil {
				f = o.send(ctx, t, s)
				o.keep(t, s)
			}
			if t.settled() {
				return nil
			}
			worst = worse(worst, f)
			// The server ended the connection after it took some.
			if f == nil || !f.again || len(t.pending()) == before {
				break
			}
		}
	}
	return worst
}
