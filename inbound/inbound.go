package inbound

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"mox/config"
	"mox/deliver"
	"mox/directory"
	"mox/dns"
	"mox/junk"
	"mox/mlog"
	"mox/msgauth"
	"mox/otlp"
	"mox/report"
	"mox/smtp"
	"mox/store"
	"mox/trace"
)

// Config is what transactions need. It must not change once in use.
type Config struct {
	Hostname  dns.Domain
	Directory *directory.Directory
	Deliverer *deliver.Deliverer
	Store     *store.Store
	// Resolver is for simulations; nil: they have to say all.
	Resolver dns.Resolver
	// Checker finds out about senders; nil: none is checked.
	Checker *msgauth.Checker
	// Notifier tells senders what became of their messages, as far as it is certain who they
	// are; nil: nobody does.
	Notifier Notifier
	// Returner passes notifications about forwarded messages back; nil: there are none.
	Returner Returner
	// Junk has what accounts were taught; nil: nothing is known.
	Junk *junk.Manager
	// Reports takes reports of other servers, and notes what is to be reported to them; nil:
	// addresses for reports are as others.
	Reports *report.Receiver
	// Trace gets the decision about each message for each account; nil: nobody. It must
	// not change it.
	Trace func(*trace.Trace)
	// Spans is sent what took how long; nil: nobody is.
	Spans *otlp.Exporter
	// ID makes of a connection's id what is shown of it; nil: nothing is shown.
	ID func(cid int64) string
	// Recipients is the most recipients of a message; 0: 1000.
	Recipients int
	// Local is for servers to try things out: some localparts have outcomes, see
	// [deliver.Simulated], and nothing is refused for what it is.
	Local   bool
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	Metrics Metrics
}

// Metrics are called when set.
type Metrics struct {
	// Delivery is called for each recipient of a message, and for one that is refused at
	// RCPT. result is "delivered", "reject", "unknownuser", "accounterror", "highrate" or
	// "delivererror"; reason is that of the verdict, if there was one.
	Delivery func(result, reason string)
	// Error is called for "queuedsn": a notification that could not be queued, so that the
	// session told instead.
	Error func(kind string)
	// SubjectPass is called for each token that is looked at, and Token for each given.
	SubjectPass func(valid bool)
	Token       func()
}

// Door is what a listener has set.
type Door struct {
	DNSBLs []dns.Domain
	Delay  time.Duration // for first-time senders
}

// Inbound makes transactions. It is safe for concurrent use.
type Inbound struct {
	c     Config
	rates *rates
}

// New returns an Inbound.
func New(c Config) *Inbound {
	if c.Recipients == 0 {
		c.Recipients = 1000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ID == nil {
		c.ID = func(int64) string { return "" }
	}
	c.Log = mlog.New("inbound", c.Log)
	return &Inbound{c: c, rates: newRates()}
}

// Transaction takes one message. It belongs to one goroutine.
type Transaction struct {
	in     *Inbound
	dir    directory.View
	door   Door
	peer   smtp.Peer
	from   smtp.Path
	params smtp.MailParams
	rcpts  []deliver.Recipient
	spool  *store.Spool
	filter *forgeryFilter
	// original is to whom the message, a notification, is passed back; zero: it is for the
	// recipients.
	original smtp.Path
	check    *msgauth.Check // nil: the sender is not checked
	root     *otlp.Root     // nil: nobody wants to know

	suspicious bool
}

// Begin starts a transaction for a client.
func (in *Inbound) Begin(_ context.Context, peer smtp.Peer, door Door) (*Transaction, error) {
	return &Transaction{in: in, dir: in.c.Directory.View(), peer: peer, door: door, root: in.c.Spans.Begin("receive", otlp.Server, peer.CID)}, nil
}

// Mail takes the reverse-path, and begins to find out about the sender.
func (tx *Transaction) Mail(ctx context.Context, from smtp.Path, p smtp.MailParams) error {
	if tx.in.c.Local {
		if err := deliver.SimulatedAt(ctx, "mailfrom", from.Localpart); err != nil {
			return err
		}
	}
	tx.from, tx.params = from, p
	// A program on our network, which LMTP is for, has checked whom it will.
	if tx.in.c.Checker != nil && !tx.peer.LMTP {
		tx.check = tx.in.c.Checker.Begin(tx.root.In(ctx), tx.peer, from)
	}
	return nil
}

// Rcpt adds a recipient, which must be an address of this server.
func (tx *Transaction) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	// RFC 5321 4.5.3.1.10: too many recipients is 452, not 552.
	if len(tx.rcpts) >= tx.in.c.Recipients {
		return smtp.Errorf(452, "4.5.3", "too many recipients")
	}
	// Notifications, which have the null reverse-path, go to one sender each.
	if tx.from.IsZero() && len(tx.rcpts) > 0 {
		return smtp.Errorf(452, "4.5.3", "only one recipient for notifications")
	}
	if tx.in.c.Local {
		if err := deliver.SimulatedAt(ctx, "rcptto", to.Localpart); err != nil {
			return err
		}
	}
	if taken, err := tx.takeBack(to); taken || err != nil {
		return err
	}
	target, err := deliver.Resolve(tx.dir, to)
	if err == nil {
		err = tx.in.c.Deliverer.Room(ctx, target, tx.params.Size)
	}
	if err == nil && tx.check != nil && !tx.in.c.Local {
		err = tx.check.SenderDomain()
	}
	if err != nil {
		tx.refused(to, target, err)
		return err
	}
	tx.rcpts = append(tx.rcpts, deliver.Recipient{To: to, Target: target, Params: p})
	return nil
}

// refused notes that a recipient was refused.
func (tx *Transaction) refused(to smtp.Path, target deliver.Target, err error) {
	tx.in.count(err, "")
	if tx.in.c.Trace == nil {
		return
	}
	e := smtp.AsError(err)
	reason := "rcpt"
	if e.Enhanced == "5.1.1" {
		reason = "unknown-user"
	}
	t := tx.newTrace()
	t.Account = target.Account
	t.Facts.RcptTo = to.XString(true)
	t.Verdict = trace.Verdict{
		Action: trace.Reject, Reason: reason, Code: e.Code, Enhanced: e.Enhanced, Text: e.Text, Unkept: true,
		Steps: []trace.Step{{Check: reason, Effect: "-", Text: "refused at RCPT, before the message came"}},
	}
	if tx.root != nil {
		tx.root.Event("recipient refused", t.Attrs()...)
	}
	tx.in.c.Trace(t)
}

// newTrace returns a trace with what is known of client and envelope.
func (tx *Transaction) newTrace() *trace.Trace {
	t := &trace.Trace{Time: tx.in.c.Now(), ID: tx.in.c.ID(tx.peer.CID)}
	deliver.ClientFacts(&t.Facts, tx.peer, tx.from)
	t.Facts.RequireTLS = tx.params.RequireTLS
	return t
}

// Data returns where the message goes.
func (tx *Transaction) Data(context.Context) (io.Writer, error) {
	tx.spool = tx.in.c.Store.NewSpool()
	tx.filter = newForgeryFilter(deliver.SpoolWriter(tx.spool), tx.in.ownNames(tx.dir.Snapshot))
	return tx.filter, nil
}

// ownNames returns the names that we write Authentication-Results with.
func (in *Inbound) ownNames(s *config.Snapshot) []dns.Domain {
	return append(slices.Collect(maps.Keys(s.Hostnames)), in.c.Hostname)
}

// Abort ends the transaction without a message.
func (tx *Transaction) Abort() {
	if tx.check != nil {
		tx.check.End()
		tx.check = nil
	}
	if tx.spool != nil {
		tx.spool.Close()
	}
	tx.root.End(otlp.TraceID{}, "")
}

// Suspicious tells, after Finish, whether the client seems to be sending junk.
func (tx *Transaction) Suspicious() bool { return tx.suspicious }

// Finish judges and delivers the message. When it returns nil the message is safe with
// every recipient, or with those who could have it and the sender is sure to hear of the
// others.
func (tx *Transaction) Finish(ctx context.Context) ([]error, error) {
	defer tx.Abort()
	ctx = tx.root.In(ctx)
	if err := tx.filter.Flush(); err != nil {
		return nil, err
	}
	tx.spool.Encode()
	if err := tx.spool.Finish(); err != nil {
		return nil, deliver.Error(err)
	}
	if err := tx.simulated(ctx); err != nil {
		return nil, err
	}
	if n := tx.spool.Part().HeaderSize(); n > msgauth.MaxHeader {
		// Nobody could tell who it is from.
		return nil, smtp.Errorf(552, "5.3.4", "header of %d octets, at most %d are accepted", n, msgauth.MaxHeader)
	}
	m := tx.message()
	if !tx.original.IsZero() {
		return nil, tx.passBack(ctx, m)
	}
	j := tx.judge(ctx, m)
	defer tx.traced(j)
	m.Judge, m.Unjudged = j.judge, j.unjudged
	results := make([]error, len(tx.rcpts))
	var rcpts []deliver.Recipient
	var index []int
	for i, r := range tx.rcpts {
		j.outcome.report = j.outcome.report || report.IsAddress(r.Target.Destination)
		if results[i] = j.mayPost(r); results[i] == nil {
			rcpts, index = append(rcpts, r), append(index, i)
		}
	}
	part := otlp.Start(ctx, "deliver")
	for i, err := range tx.in.c.Deliverer.Deliver(ctx, m, rcpts) {
		results[index[i]] = err
	}
	part.End("")
	tx.evaluated(ctx, j)
	tx.suspicious = j.suspicious.Load()
	return results, tx.notify(ctx, m, j, results)
}

// traced ends the span of a message with what was found.
func (tx *Transaction) traced(j *judge) {
	if tx.root == nil {
		return
	}
	tx.root.Set(j.facts.Attrs()...)
	tx.root.End(otlp.MessageTrace(j.facts.MessageID), "")
}

// message is what is to be delivered.
func (tx *Transaction) message() *deliver.Message {
	return &deliver.Message{Spool: tx.spool, From: tx.from, Peer: tx.peer, SMTPUTF8: tx.params.SMTPUTF8, Params: tx.params, Received: tx.in.c.Now()}
}

// simulated returns the outcome that one of the addresses asks for.
func (tx *Transaction) simulated(ctx context.Context) error {
	if !tx.in.c.Local {
		return nil
	}
	return deliver.SimulatedData(ctx, tx.from, tx.rcpts)
}

func (in *Inbound) count(err error, reason string) {
	f := in.c.Metrics.Delivery
	if f == nil {
		return
	}
	result := "delivered"
	if err != nil {
		switch e := smtp.AsError(err); {
		case reason == "high-rate":
			result = "highrate"
		case reason != "":
			result = "reject"
		case e.Enhanced == "5.1.1":
			result = "unknownuser"
		case e.Code == 451 || e.Enhanced == "4.3.1": // 4.3.1: the disk is full
			result = "delivererror"
		default:
			result = "reject"
		}
	}
	f(result, reason)
}
