package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

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
	Received time.Time
	// Reverse is the name that the client's address has in DNS, if known.
	Reverse string
	// NoClient leaves out of the Received field who the client is: for submission.
	NoClient bool
	// Fields are complete header fields between Return-Path and Received.
	Fields []byte
	// Add are complete header fields below Received: of the message's own.
	Add []byte
}

// Config is what a Deliverer needs.
type Config struct {
	Store    *store.Store
	Hostname dns.Domain
	// ID makes of a connection's id what is in the id clause of Received; nil: the
	// number.
	ID  func(cid int64) string
	Log *slog.Logger // nil: none
	// Panic, when set, is told of panics, which fail the delivery.
	Panic func(v any)
}

// Deliverer delivers messages. It is safe for concurrent use.
type Deliverer struct {
	c  Config
	mu sync.Mutex
	// done has the deliveries of messages that failed for other recipients; guarded
	// by mu.
	done *memory
}

// New returns a Deliverer.
func New(c Config) *Deliverer {
	c.Log = mlog.New("deliver", c.Log)
	return &Deliverer{c: c, done: newMemory()}
}

// parallel is how many accounts are delivered to at the same time for one message.
const parallel = 8

// job is a message for one account.
type job struct {
	target Target
	to     smtp.Path // as in RCPT
	rcpts  []int     // recipients that it is for
	err    error
}

// Deliver delivers a message. The results are those of the recipients in their order:
// nil, or an [*smtp.Error] whose cause, if any, is logged already. A recipient that is
// an alias is served if any of its members is.
func (d *Deliverer) Deliver(ctx context.Context, m *Message, rcpts []Recipient) []error {
	results := make([]error, len(rcpts))
	if err := checkLoop(m); err != nil {
		for i := range results {
			results[i] = err
		}
		return results
	}
	view := see(m)
	jobs := plan(view, rcpts)
	once := d.remembered(m)
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, j := range jobs {
		if once.has(j) {
			continue
		}
		if len(jobs) == 1 {
			j.err = d.deliver(ctx, view, j)
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			j.err = d.deliver(ctx, view, j)
		})
	}
	wg.Wait()
	collect(jobs, results)
	d.remember(m, once, jobs)
	return results
}

// plan returns what to deliver: each address once, whether it is a recipient itself or
// through aliases, and in however many ways it was written.
func plan(s *seen, rcpts []Recipient) []*job {
	type key struct {
		account string
		base    smtp.Address
	}
	var jobs []*job
	known := map[key]*job{}
	add := func(i int, t Target) {
		k := key{t.Account, t.Base}
		if j, ok := known[k]; ok {
			j.rcpts = append(j.rcpts, i)
			return
		}
		j := &job{target: t, to: rcpts[i].To, rcpts: []int{i}}
		known[k] = j
		jobs = append(jobs, j)
	}
	for i, r := range rcpts {
		if r.Target.Alias == nil {
			add(i, r.Target)
		}
	}
	for i, r := range rcpts {
		if r.Target.Alias == nil {
			continue
		}
		all := members(r.Target.Alias)
		for _, t := range all {
			// Who wrote the message has it, unless it would then go to nobody.
			if len(all) == 1 || !slices.Contains(s.author(), t.Base) {
				add(i, t)
			}
		}
	}
	return jobs
}

// collect makes results for recipients of those of jobs.
func collect(jobs []*job, results []error) {
	ok := make([]bool, len(results))
	for _, j := range jobs {
		for _, i := range j.rcpts {
			if j.err == nil {
				ok[i] = true
			} else if results[i] == nil || !results[i].(*smtp.Error).Permanent() {
				results[i] = j.err
			}
		}
	}
	served := make([]bool, len(results))
	for _, j := range jobs {
		for _, i := range j.rcpts {
			served[i] = true
		}
	}
	for i := range results {
		switch {
		case ok[i]:
			results[i] = nil
		case !served[i]:
			results[i] = smtp.Errorf(550, "5.1.1", "alias without members")
		}
	}
}

// deliver adds the message to one account.
func (d *Deliverer) deliver(ctx context.Context, s *seen, j *job) error {
	m := s.m
	err := d.addSafely(ctx, s, j)
	if err == nil {
		d.c.Log.InfoContext(ctx, "delivered", "account", j.target.Account, "from", m.From.LogString(), "to", j.to.LogString(), "size", m.Spool.Size())
		return nil
	}
	e := Error(err)
	level := slog.LevelError
	if errors.Is(err, store.ErrQuota) || errors.Is(err, store.ErrTooLarge) {
		level = slog.LevelInfo
	}
	d.c.Log.Log(ctx, level, "not delivered", "account", j.target.Account, "from", m.From.LogString(), "to", j.to.LogString(), "code", e.Code, "err", err)
	// The cause is logged: what remains is for the peer.
	return smtp.Errorf(e.Code, e.Enhanced, "%s", e.Text)
}

// addSafely is add, with a panic as error: it may run in a goroutine of its own, where
// one would end the process.
func (d *Deliverer) addSafely(ctx context.Context, s *seen, j *job) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if d.c.Panic != nil {
				d.c.Panic(v)
			}
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return d.add(ctx, s, j)
}

func (d *Deliverer) add(ctx context.Context, s *seen, j *job) error {
	acc, err := d.c.Store.Account(ctx, j.target.Account)
	if err != nil {
		return fmt.Errorf("opening account: %w", err)
	}
	defer acc.Release()
	m := s.m
	mailbox := s.mailbox(j.target)
	if mailbox == "" {
		mailbox = store.Inbox
	}
	_, err = acc.Deliver(ctx, mailbox, store.NewMessage{
		Spool:    m.Spool,
		Prefix:   d.prefix(m, j),
		Received: m.Received,
		Saved:    m.Received,
	})
	return err
}

// Error returns an error of store as the reply to give, with it as cause.
func Error(err error) *smtp.Error {
	var e *smtp.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrQuota):
		return smtp.WrapErrorf(err, 452, "4.2.2", "mailbox is full")
	case errors.Is(err, store.ErrDiskFull):
		return smtp.WrapErrorf(err, 452, "4.3.1", "insufficient storage")
	case errors.Is(err, store.ErrTooLarge):
		return smtp.WrapErrorf(err, 552, "5.3.4", "message too large")
	}
	return smtp.WrapErrorf(err, 451, "4.3.0", "error delivering, try again later")
}

// Merge makes one result of those of all recipients, for protocols that have no more.
// Nil only if all are: who is told of success owns the message no more.
func Merge(rcpts []Recipient, results []error) error {
	var failed []*smtp.Error
	var lines []string
	same, temporary := true, false
	for i, err := range results {
		if err == nil {
			continue
		}
		e := smtp.AsError(err)
		failed = append(failed, e)
		lines = append(lines, fmt.Sprintf("<%s>: %d %s %s", rcpts[i].To, e.Code, e.Enhanced, e.Text))
		same = same && e.Code == failed[0].Code && e.Enhanced == failed[0].Enhanced && e.Text == failed[0].Text
		temporary = temporary || !e.Permanent()
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) == len(results) && same:
		return failed[0]
	case len(failed) == len(results) && !allTemporary(failed):
		return smtp.Errorf(554, "5.0.0", "failed for all recipients:\n%s", strings.Join(lines, "\n"))
	case temporary:
		return smtp.Errorf(451, "4.3.0", "failed for some recipients, to be sent again:\n%s", strings.Join(lines, "\n"))
	}
	return smtp.Errorf(554, "5.0.0", "delivered, except to these recipients:\n%s", strings.Join(lines, "\n"))
}

func allTemporary(l []*smtp.Error) bool {
	for _, e := range l {
		if e.Permanent() {
			return false
		}
	}
	return true
}
