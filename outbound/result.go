package outbound

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"mox/otlp"
	"mox/queue"
)

// recorded is what is to be told to the queue in one commit.
type recorded struct {
	outcomes []queue.Outcome
	notices  []queue.NewMessage
}

// record adds what became of a transaction to r.
func (o *Outbound) record(ctx context.Context, t *transaction, r *recorded) {
	now := o.c.Now()
	var told []notified
	for i := range t.msgs {
		out, n := o.outcome(t, i, now)
		r.outcomes = append(r.outcomes, out)
		if n != nil {
			told = append(told, *n)
		}
	}
	r.notices = append(r.notices, o.notices(context.WithoutCancel(ctx), t, told, now)...)
	if t.content != nil {
		t.content.Close()
	}
}

// commit tells the queue, and does not give up: what was sent and is not recorded is sent
// again.
func (o *Outbound) commit(work context.Context, r *recorded) {
	if len(r.outcomes) == 0 {
		return
	}
	// What is done is done, also when we are about to stop.
	ctx := context.WithoutCancel(work)
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		err := o.c.Queue.Record(ctx, r.outcomes, r.notices)
		if err == nil {
			return
		}
		o.log.ErrorContext(ctx, "recording what was delivered", "queueid", r.outcomes[0].ID, "err", err)
		if errors.Is(err, queue.ErrClosed) {
			return
		}
		select {
		case <-time.After(wait):
		case <-work.Done():
			return
		}
	}
}

// outcome is what became of one recipient, and what its sender is to be told.
func (o *Outbound) outcome(t *transaction, i int, now time.Time) (queue.Outcome, *notified) {
	m, v := &t.msgs[i], t.verdicts[i]
	out := queue.Outcome{ID: m.ID, Result: queue.Result{Start: t.start, Duration: now.Sub(t.start)}}
	attempt := m.Attempts + 1
	switch {
	case t.notTried != nil:
		out.Action, out.NotTried, out.Next = queue.Delayed, true, t.next
		out.Result = resultOf(out.Result, t.notTried)
		return out, nil
	case !v.done:
		// We were told to stop. It is due as it was.
		out.Action, out.NotTried, out.Next = queue.Delayed, true, m.NextAttempt
		out.Result = resultOf(out.Result, local(451, "4.3.2", "this server was stopped during the attempt").ours())
		return out, nil
	}
	o.logVerdict(t, i)
	if f := o.c.Metrics.Delivery; f != nil {
		f(attempt, t.b.route.name, t.mode(), v.fail.result(), now.Sub(t.start))
	}
	o.traced(t, i, attempt, now)
	if v.fail == nil {
		out.Action = queue.Delivered
		out.Result.Success, out.Result.Code, out.Result.Secure = true, 250, v.secure
		out.Result.RemoteMTA, out.Result.RemoteIP = v.host, v.ip
		return out, &notified{i: i, out: out}
	}
	out.Result = resultOf(out.Result, v.fail)
	p := newPace(t.b.route.waits, m)
	wait, more := p.wait(attempt)
	if v.fail.permanent || !more {
		out.Action, out.NoSuppress = queue.Failed, v.fail.own
		if isReport(m) && m.Kind == queue.DMARCReport {
			call(o.c.Metrics.DMARCReportFailure)
		}
		return out, &notified{i: i, out: out}
	}
	out.Action = queue.Delayed
	o.withRandom(func(r *rand.Rand) { out.Next = now.Add(jittered(wait, r)) })
	if !isReport(m) && notifyDelay(m, attempt, now, o.c.Limits.DelayNotice) {
		out.NotifyDelayed = true
		return out, &notified{i: i, out: out, until: now.Add(p.rest(attempt))}
	}
	return out, nil
}

// traced sends the attempt for a recipient.
func (o *Outbound) traced(t *transaction, i, attempt int, now time.Time) {
	if o.c.Spans == nil {
		return
	}
	m, v := &t.msgs[i], t.verdicts[i]
	s := otlp.Span{
		Trace: otlp.MessageTrace(m.MessageID), Name: "send", Kind: otlp.Client, Start: t.start, End: now,
		Attrs: []slog.Attr{
			slog.Int64("queueid", m.ID), slog.String("account", m.Account), slog.String("recipient.domain", m.RecipientDomain.ASCII), slog.Int("attempt", attempt),
			slog.String("transport", t.b.route.name), slog.String("tlsmode", t.mode()), slog.String("result", v.fail.result()),
		},
	}
	host, ip := v.host, v.ip
	if v.fail != nil {
		s.Err, host, ip = v.fail.text, v.fail.host, v.fail.ip
		s.Attrs = append(s.Attrs, slog.Int("smtp.code", v.fail.code), slog.String("smtp.ecode", v.fail.enhanced), slog.Bool("permanent", v.fail.permanent))
	}
	s.Attrs = append(s.Attrs, slog.String("server.address", host), slog.String("network.peer.address", ip))
	o.c.Spans.Done(s, 0)
}

// mode is tlsmode of the metrics.
func (t *transaction) mode() string {
	if t.tlsMode == "" {
		return "skip"
	}
	return t.tlsMode
}

// resultOf fills in a failure.
func resultOf(r queue.Result, f *failure) queue.Result {
	r.Code, r.Enhanced, r.Error, r.RemoteMTA, r.RemoteIP = f.code, f.enhanced, f.text, f.host, f.ip
	if strings.TrimSpace(r.Error) == "" {
		r.Error = "no reason given"
	}
	return r
}

// logVerdict logs a result.
func (o *Outbound) logVerdict(t *transaction, i int) {
	m, v := &t.msgs[i], &t.verdicts[i]
	log := o.log.With("queueid", m.ID, "messageid", m.MessageID, "account", m.Account, "recipient", m.Recipient.LogString(), "attempt", m.Attempts+1, "host", v.host, "ip", v.ip)
	if v.fail == nil {
		log.Info("delivered", "tls", t.tlsMode, "secure", v.secure)
		return
	}
	log.Info("not delivered", "permanent", v.fail.permanent, "code", v.fail.code, "ecode", v.fail.enhanced, "text", v.fail.text, "err", v.fail.err)
}
