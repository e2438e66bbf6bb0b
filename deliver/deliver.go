package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mox/arc"
	"mox/config"
	"mox/dns"
	"mox/mlog"
	"mox/smtp"
	"mox/store"
)

// Message is a message that was received as a whole.
type Message struct {
	Spool    *store.Spool // finished
	From     smtp.Path    // reverse-path
	Peer     smtp.Peer
	SMTPUTF8 bool
	Params   smtp.MailParams // as far as they are passed on when it is forwarded
	Received time.Time
	// Reverse is the name that the client's address has in DNS, if confirmed.
	Reverse string
	// NoClient leaves out of the Received field who the client is: for submission.
	NoClient bool
	// Generated: the message was made here, not received. It gets no Received field.
	Generated bool
	// Fields are complete header fields between Return-Path and Received.
	Fields []byte
	// Add are complete header fields below Received: of the message's own.
	Add []byte
	// AuthResults is what Fields says in Authentication-Results, after the name of the field,
	// and Chain what was found of the chain of seals: for the next seal (RFC 8617) when it is
	// forwarded. Empty: it gets none.
	AuthResults string
	Chain       arc.Result
	// Verified are the domains that someone has shown to act for, as rulesets ask for.
	Verified []dns.Domain
	// Judge decides for each account what becomes of the message. Nil: it is accepted.
	// It is called concurrently.
	Judge func(ctx context.Context, c Case) Judgment
	// Unjudged, when set, is told of accounts that Judge could not be asked about, and why.
	// It is called concurrently.
	Unjudged func(account string, to smtp.Path, err error)
}

// Case is a message for one account, to be judged.
type Case struct {
	Account   *store.Account // valid until Judge returns
	Target    Target
	To        smtp.Path           // as in RCPT
	Rule      *config.RulesetInfo // the first that matches; nil: none
	RuleIndex int
	Mailbox   string // by the rule, or else the target
}

// Judgment says what becomes of a Case.
type Judgment struct {
	// Mailbox is where it goes.
	Mailbox string
	// Refusal, when not nil, refuses it. A copy goes to the mailbox of Rejects, if any.
	Refusal *smtp.Error
	Rejects Rejects
	// Delay is how long to wait before it is accepted.
	Delay time.Duration
	Flags store.Flags
	// NoForward keeps the message here: for junk.
	NoForward bool
	Trace     []byte // as stored, see package trace
	// Fields are complete header fields at the very top.
	Fields []byte
	// Done is called with the result, nil if delivered; it may be nil. As Judge, it is
	// called concurrently.
	Done func(err error)
}

// Config is what a Deliverer needs.
type Config struct {
	Store    *store.Store
	Hostname dns.Domain
	// ID makes of a connection's id what is in the id clause of Received; nil: the
	// number.
	ID func(cid int64) string
	// Forwarder passes messages on for destinations that are forwarded; nil: they are
	// not.
	Forwarder Forwarder
	Log       *slog.Logger // nil: none
	// Panic, when set, is told of panics, which fail the delivery.
	Panic func(v any)
}

// Deliverer delivers messages. It is safe for concurrent use.
type Deliverer struct {
	c  Config
	mu sync.Mutex
	// done has the deliveries of messages that failed for other recipients; guarded
	// by mu.
	done    *memory
	delayed atomic.Int64         // messages that wait to be accepted
	pruned  map[string]time.Time // when rejects of an account were looked through; guarded by mu
}

// maxDelayed is how many messages wait to be accepted at most: they hold memory. More are
// accepted without delay.
const maxDelayed = 1000

// New returns a Deliverer.
func New(c Config) *Deliverer {
	c.Log = mlog.New("deliver", c.Log)
	return &Deliverer{c: c, done: newMemory(), pruned: map[string]time.Time{}}
}

// parallel is how many accounts are delivered to at the same time for one message.
const parallel = 8

// Deliver delivers a message. The results are those of the recipients in their order:
// nil, or an [*smtp.Error] whose cause, if any, is logged already. A recipient that is
// an alias is served if any of its members is.
func (d *Deliverer) Deliver(ctx context.Context, m *Message, rcpts []Recipient) []error {
	results := make([]error, len(rcpts))
	delivered, err := checkLoop(m)
	if err != nil {
		for i, r := range rcpts {
			results[i] = err
			if m.Unjudged != nil {
				m.Unjudged(r.Target.Account, r.To, err)
			}
		}
		return results
	}
	view := see(m)
	view.delivered = delivered
	jobs := plan(view, rcpts)
	once := d.remembered(m)
	for _, j := range jobs {
		j.done = once.has(j)
	}
	each(jobs, func(j *job) { j.err = d.safely(func() error { return d.judge(ctx, view, j) }) })
	if err := d.delay(ctx, jobs); err != nil {
		for _, j := range jobs {
			if j.Refusal == nil {
				j.err = err
			}
		}
	}
	each(jobs, func(j *job) { d.deliver(ctx, m, j) })
	collect(jobs, results)
	d.remember(m, once, jobs)
	return results
}

// Judge asks m.Judge about each account that Deliver would deliver to, tells Done what
// would come of it, and does no more.
func (d *Deliverer) Judge(ctx context.Context, m *Message, rcpts []Recipient) error {
	delivered, err := checkLoop(m)
	if err != nil {
		return err
	}
	view := see(m)
	view.delivered = delivered
	for _, j := range plan(view, rcpts) {
		if err := d.judge(ctx, view, j); err != nil {
			return err
		}
		if err := d.foretell(ctx, m, j); err != nil {
			return err
		}
	}
	return nil
}

// foretell tells Done what would come of the judgment.
func (d *Deliverer) foretell(ctx context.Context, m *Message, j *job) error {
	if j.Done == nil {
		return nil
	}
	if j.Refusal != nil {
		j.Done(j.Refusal)
		return nil
	}
	acc, err := d.c.Store.Account(ctx, j.target.Account)
	if err != nil {
		return err
	}
	defer acc.Release()
	j.Done(room(acc.Quota(), m.Spool.Size()+int64(len(d.prefix(m, j)))))
	return nil
}

// judge finds out what is to be done for one account.
func (d *Deliverer) judge(ctx context.Context, s *seen, j *job) error {
	if err := s.checkAddress(d.whole(j.to)); err != nil {
		return err
	}
	if err := d.checkForwarded(s, j.target); err != nil {
		return err
	}
	rule, index := s.rule(j.target)
	j.Mailbox = j.target.Mailbox
	if rule != nil {
		j.Mailbox = rule.Mailbox
	}
	if j.Mailbox == "" {
		j.Mailbox = store.Inbox
	}
	if s.m.Judge == nil {
		return nil
	}
	acc, err := d.c.Store.Account(ctx, j.target.Account)
	if err != nil {
		return fmt.Errorf("opening account: %w", err)
	}
	defer acc.Release()
	j.Judgment = s.m.Judge(ctx, Case{Account: acc, Target: j.target, To: j.to, Rule: rule, RuleIndex: index, Mailbox: j.Mailbox})
	return nil
}

// delay waits as long as the judgment that wants the longest wait. An end of ctx, such as
// that of the connection, is a reason not to accept.
func (d *Deliverer) delay(ctx context.Context, jobs []*job) error {
	var longest time.Duration
	for _, j := range jobs {
		if j.Refusal == nil {
			longest = max(longest, j.Delay)
		}
	}
	if longest == 0 || !d.enterDelay() {
		return nil
	}
	defer d.leaveDelay()
	t := time.NewTimer(longest)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-smtp.Draining(ctx):
		return nil // the server is about to stop
	case <-ctx.Done():
		return smtp.WrapErrorf(context.Cause(ctx), 451, "4.3.2", "interrupted, try again")
	}
}

// enterDelay takes a place among the messages that wait; without one, there is no delay.
func (d *Deliverer) enterDelay() bool {
	if d.delayed.Add(1) > maxDelayed {
		d.delayed.Add(-1)
		return false
	}
	return true
}

func (d *Deliverer) leaveDelay() { d.delayed.Add(-1) }

// deliver does what was decided for one account. Its result is in j.err.
func (d *Deliverer) deliver(ctx context.Context, m *Message, j *job) {
	refused := j.err == nil && j.Refusal != nil
	err := j.err
	if err == nil {
		err = d.safely(func() error { return d.act(ctx, m, j) })
	}
	switch {
	case j.Done != nil:
		defer func() { j.Done(j.err) }()
	case j.err != nil && m.Unjudged != nil:
		defer func() { m.Unjudged(j.target.Account, j.to, j.err) }()
	}
	attrs := []any{"account", j.target.Account, "from", m.From.LogString(), "to", j.to.LogString(), "size", m.Spool.Size()}
	if e := m.Spool.Part().Envelope; e != nil {
		attrs = append(attrs, "messageid", strings.Trim(e.MessageID, "<>"))
	}
	switch {
	case err == nil && !refused:
		d.c.Log.InfoContext(ctx, "delivered", append(attrs, "mailbox", j.Mailbox)...)
		return
	case refused:
		if err != nil {
			d.c.Log.WarnContext(ctx, "copy of refused message not kept", append(attrs, "err", err)...)
		}
		d.c.Log.InfoContext(ctx, "refused", append(attrs, "code", j.Refusal.Code, "reason", j.Refusal.Text)...)
		j.err = j.Refusal
		return
	}
	e := Error(err)
	level := slog.LevelError
	var refusal *smtp.Error
	if errors.As(err, &refusal) || errors.Is(err, store.ErrQuota) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, context.Canceled) {
		level = slog.LevelInfo
	}
	d.c.Log.Log(ctx, level, "not delivered", append(attrs, "code", e.Code, "err", err)...)
	// The cause is logged: what remains is for the peer.
	j.err = smtp.Errorf(e.Code, e.Enhanced, "%s", e.Text)
}

// safely calls f, with a panic as error: it may run in a goroutine of its own, where one
// would end the process.
func (d *Deliverer) safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if d.c.Panic != nil {
				d.c.Panic(v)
			}
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}

// act adds the message to the account, or a copy to its mailbox for what is refused.
func (d *Deliverer) act(ctx context.Context, m *Message, j *job) error {
	if j.Refusal != nil && j.Rejects.Mailbox == "" {
		return nil
	}
	acc, err := d.c.Store.Account(ctx, j.target.Account)
	if err != nil {
		return fmt.Errorf("opening account: %w", err)
	}
	defer acc.Release()
	nm := store.NewMessage{Spool: m.Spool, Prefix: d.prefix(m, j), Received: m.Received, Saved: m.Received, Flags: j.Flags, Trace: j.Trace}
	if j.Refusal != nil {
		return d.keep(ctx, acc, j.Rejects, nm)
	}
	if err := d.forget(ctx, acc, j.Rejects, nm.Spool); err != nil {
		d.c.Log.WarnContext(ctx, "removing copy that was refused before", "account", j.target.Account, "err", err)
	}
	if d.forwards(acc, j) {
		return d.forward(ctx, acc, m, j, nm)
	}
	return d.store(ctx, acc, j, nm)
}

// store adds the message to a mailbox.
func (d *Deliverer) store(ctx context.Context, acc *store.Account, j *job, nm store.NewMessage) error {
	_, err := acc.Deliver(ctx, j.Mailbox, nm)
	if errors.Is(err, store.ErrQuota) {
		// It may be one that will never fit.
		return cmp.Or(room(acc.Quota(), nm.Spool.Size()+int64(len(nm.Prefix))), err)
	} else if err != nil {
		return err
	}
	d.warnQuota(ctx, acc, nm.Received)
	return nil
}
