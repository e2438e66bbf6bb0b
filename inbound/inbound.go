package inbound

import (
	"context"
	"io"
	"log/slog"
	"time"

	"mox/deliver"
	"mox/directory"
	"mox/dns"
	"mox/mlog"
	"mox/smtp"
	"mox/store"
)

// Config is what transactions need. It must not change once in use.
type Config struct {
	Directory *directory.Directory
	Deliverer *deliver.Deliverer
	Store     *store.Store
	// Resolver finds the names of clients; nil: they are not looked for.
	Resolver dns.Resolver
	// Recipients is the most recipients of a message; 0: 1000.
	Recipients int
	// Simulate makes some localparts have outcomes, see [deliver.Simulated].
	Simulate bool
	Log      *slog.Logger     // nil: none
	Now      func() time.Time // nil: time.Now
	Metrics  Metrics
}

// Metrics are called when set.
type Metrics struct {
	// Delivery is called for each recipient of a message, and for one that is refused at
	// RCPT. result is "delivered", "reject", "unknownuser", "accounterror" or
	// "delivererror".
	Delivery func(result, reason string)
}

// Inbound makes transactions. It is safe for concurrent use.
type Inbound struct{ c Config }

// New returns an Inbound.
func New(c Config) *Inbound {
	if c.Recipients == 0 {
		c.Recipients = 1000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Log = mlog.New("inbound", c.Log)
	return &Inbound{c}
}

// Transaction takes one message. It belongs to one goroutine.
type Transaction struct {
	in     *Inbound
	dir    directory.View
	peer   smtp.Peer
	from   smtp.Path
	params smtp.MailParams
	rcpts  []deliver.Recipient
	spool  *store.Spool

	reverse chan string // gets the client's name, if looked for
	cancel  context.CancelFunc
}

// reverseTimeout is how long the client's name may take. The message usually takes
// longer.
const reverseTimeout = 5 * time.Second

// Begin starts a transaction for a client.
func (in *Inbound) Begin(ctx context.Context, peer smtp.Peer) (*Transaction, error) {
	return &Transaction{in: in, dir: in.c.Directory.View(), peer: peer, cancel: func() {}}, nil
}

// Mail takes the reverse-path.
func (tx *Transaction) Mail(ctx context.Context, from smtp.Path, p smtp.MailParams) error {
	if tx.in.c.Simulate {
		if err := deliver.SimulatedAt(ctx, "mailfrom", from.Localpart); err != nil {
			return err
		}
	}
	tx.from, tx.params = from, p
	tx.lookup(ctx)
	return nil
}

// lookup begins to look for the client's name.
func (tx *Transaction) lookup(ctx context.Context) {
	r, ip := tx.in.c.Resolver, tx.peer.Remote.Addr()
	if r == nil || !ip.IsValid() {
		return
	}
	ctx, tx.cancel = context.WithTimeout(ctx, reverseTimeout)
	reverse := make(chan string, 1)
	tx.reverse = reverse
	go func() {
		names, _, err := r.LookupAddr(ctx, ip)
		if err != nil || len(names) == 0 {
			reverse <- ""
			return
		}
		// What DNS says of an address is up to whoever has it: only a name is taken.
		d, err := dns.ParseDomainLax(names[0])
		if err != nil {
			reverse <- ""
			return
		}
		reverse <- d.ASCII
	}()
}

// end stops the lookup and waits for it.
func (tx *Transaction) end() string {
	if tx.reverse == nil {
		return ""
	}
	name := <-tx.reverse
	tx.cancel()
	tx.reverse = nil
	return name
}

// Rcpt adds a recipient, which must be an address of this server.
func (tx *Transaction) Rcpt(ctx context.Context, to smtp.Path, _ smtp.RcptParams) error {
	// RFC 5321 4.5.3.1.10: too many recipients is 452, not 552.
	if len(tx.rcpts) >= tx.in.c.Recipients {
		return smtp.Errorf(452, "4.5.3", "too many recipients")
	}
	// Notifications, which have the null reverse-path, go to one sender each.
	if tx.from.IsZero() && len(tx.rcpts) > 0 {
		return smtp.Errorf(452, "4.5.3", "only one recipient for notifications")
	}
	if tx.in.c.Simulate {
		if err := deliver.SimulatedAt(ctx, "rcptto", to.Localpart); err != nil {
			return err
		}
	}
	target, err := tx.resolve(ctx, to)
	if err != nil {
		tx.count(err)
		return err
	}
	tx.rcpts = append(tx.rcpts, deliver.Recipient{To: to, Target: target})
	return nil
}

func (tx *Transaction) resolve(ctx context.Context, to smtp.Path) (deliver.Target, error) {
	target, err := deliver.Resolve(tx.dir, to)
	switch {
	case err != nil:
		return target, err
	case target.Alias != nil && !target.Alias.Config.PostPublic:
		// Members may write to it, and whoever comes by this door has not shown to be one.
		return target, smtp.Errorf(550, "5.7.2", "only members may write to this address")
	case target.Destination != nil && target.Destination.Config.MessageAuthRequiredSMTPError != "":
		// Nobody has shown to be who the message says.
		return target, smtp.Errorf(550, "5.7.26", "%s", target.Destination.Config.MessageAuthRequiredSMTPError)
	}
	return target, tx.in.c.Deliverer.Room(ctx, target, tx.params.Size)
}

// Data returns where the message goes.
func (tx *Transaction) Data(context.Context) (io.Writer, error) {
	tx.spool = tx.in.c.Store.NewSpool()
	return deliver.SpoolWriter(tx.spool), nil
}

// Abort ends the transaction without a message.
func (tx *Transaction) Abort() {
	tx.cancel()
	tx.end()
	if tx.spool != nil {
		tx.spool.Close()
	}
}

// Finish delivers the message. When it returns nil the message is safe with every
// recipient.
func (tx *Transaction) Finish(ctx context.Context) ([]error, error) {
	defer tx.Abort()
	if err := tx.spool.Finish(); err != nil {
		return nil, deliver.Error(err)
	}
	if err := tx.simulated(ctx); err != nil {
		return nil, err
	}
	m := &deliver.Message{
		Spool:    tx.spool,
		From:     tx.from,
		Peer:     tx.peer,
		SMTPUTF8: tx.params.SMTPUTF8,
		Received: tx.in.c.Now(),
		Reverse:  tx.end(),
	}
	results := tx.in.c.Deliverer.Deliver(ctx, m, tx.rcpts)
	for _, err := range results {
		tx.count(err)
	}
	return results, deliver.Merge(tx.rcpts, results)
}

// simulated returns the outcome that one of the addresses asks for.
func (tx *Transaction) simulated(ctx context.Context) error {
	if !tx.in.c.Simulate {
		return nil
	}
	return deliver.SimulatedData(ctx, tx.from, tx.rcpts)
}

func (tx *Transaction) count(err error) {
	f := tx.in.c.Metrics.Delivery
	if f == nil {
		return
	}
	result := "delivered"
	if err != nil {
		switch e := smtp.AsError(err); {
		case e.Enhanced == "5.1.1":
			result = "unknownuser"
		case e.Code == 451:
			result = "delivererror"
		default:
			result = "reject"
		}
	}
	f(result, "")
}
