package submit

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"time"

	"mox/authres"
	"mox/deliver"
	"mox/directory"
	"mox/dns"
	"mox/junk"
	"mox/mlog"
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
	// Junk counts what accounts send, against their limits, and learns to whom they write.
	// Nil: no limits, and nothing is learned.
	Junk *junk.Manager
	// Trace gets the decision about each message for each account; nil: nobody. It must
	// not change it.
	Trace func(*trace.Trace)
	// ID makes of a connection's id what is shown of it; nil: nothing is shown.
	ID func(cid int64) string
	// Recipients is the most recipients of a message; 0: 1000.
	Recipients int
	// Local is for servers to try things out: some localparts have outcomes, see
	// [deliver.Simulated], and accounts have no limits.
	Local   bool
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	Random  io.Reader        // nil: crypto/rand
	Metrics Metrics
}

// Metrics are called when set.
type Metrics struct {
	// Submission is called for each message with "ok", "badmessage", "badfrom",
	// "badheader", "missingsmtputf8", "domaindisabled", "messagelimiterror",
	// "recipientlimiterror" or "delivererror".
	Submission func(result string)
}

// Submit makes transactions. It is safe for concurrent use.
type Submit struct{ c Config }

// New returns a Submit.
func New(c Config) *Submit {
	if c.Recipients == 0 {
		c.Recipients = 1000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.ID == nil {
		c.ID = func(int64) string { return "" }
	}
	c.Log = mlog.New("submit", c.Log)
	return &Submit{c}
}

// Sender is the authenticated user.
type Sender struct {
	Account string // name
	Login   string // address used to log in
}

// Transaction takes one message. It belongs to one goroutine.
type Transaction struct {
	s       *Submit
	dir     directory.View
	peer    smtp.Peer
	sender  Sender
	from    smtp.Path
	params  smtp.MailParams
	rcpts   []deliver.Recipient
	notify  []smtp.RcptParams // of each of rcpts
	plan    junk.Plan         // rcpts, as far as limits are about them
	spool   *store.Spool
	authors []smtp.Address // of From, once checked
}

// Begin starts a transaction for a user.
func (s *Submit) Begin(_ context.Context, peer smtp.Peer, sender Sender) (*Transaction, error) {
	if sender.Account == "" {
		return nil, smtp.Errorf(530, "5.7.0", "authentication required")
	}
	return &Transaction{s: s, dir: s.c.Directory.View(), peer: peer, sender: sender}, nil
}

// Mail takes the reverse-path, which must be one of the user's addresses or null (for
// notifications that mail programs send).
func (tx *Transaction) Mail(ctx context.Context, from smtp.Path, p smtp.MailParams) error {
	if tx.s.c.Local {
		if err := deliver.SimulatedAt(ctx, "mailfrom", from.Localpart); err != nil {
			return err
		}
	}
	if !from.IsZero() {
		if err := tx.mayUse(from.Address(), "MAIL FROM"); err != nil {
			return err
		}
	}
	tx.from, tx.params = from, p
	return nil
}

// mayUse checks that an address is the user's (RFC 6409 6.1).
func (tx *Transaction) mayUse(a smtp.Address, where string) error {
	if a.IsZero() || !tx.dir.MayUse(tx.sender.Account, a) {
		tx.count("badfrom")
		return smtp.Errorf(550, "5.7.1", "%s must be an address of your account", where)
	}
	if tx.dir.DomainDisabled(a.Domain) {
		tx.count("domaindisabled")
		return smtp.Errorf(451, "4.3.0", "domain of %s is disabled for the time being", where)
	}
	return nil
}

// Rcpt adds a recipient.
func (tx *Transaction) Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error {
	if len(tx.rcpts) >= tx.s.c.Recipients {
		return smtp.Errorf(452, "4.5.3", "too many recipients")
	}
	if tx.s.c.Local {
		if err := deliver.SimulatedAt(ctx, "rcptto", to.Localpart); err != nil {
			return err
		}
	}
	target, err := tx.resolve(ctx, to)
	if err != nil {
		return err
	}
	if err := tx.mayAdd(ctx, to); err != nil {
		return err
	}
	tx.rcpts, tx.notify = append(tx.rcpts, deliver.Recipient{To: to, Target: target}), append(tx.notify, p)
	return nil
}

func (tx *Transaction) resolve(ctx context.Context, to smtp.Path) (deliver.Target, error) {
	target, err := deliver.Resolve(tx.dir, to)
	switch {
	case errors.Is(err, directory.ErrNotLocal):
		return target, smtp.WrapErrorf(err, 550, "5.7.1", "sending to other servers is not available in this version")
	case err != nil:
		return target, err
	case target.Alias != nil && !target.Alias.Config.PostPublic && !deliver.IsMember(target.Alias, tx.sender.Account):
		return target, smtp.Errorf(550, "5.7.2", "only members may write to this address")
	}
	return target, tx.s.c.Deliverer.Room(ctx, target, tx.params.Size)
}

// Data returns where the message goes.
func (tx *Transaction) Data(context.Context) (io.Writer, error) {
	tx.spool = tx.s.c.Store.NewSpool()
	return deliver.SpoolWriter(tx.spool), nil
}

// Abort ends the transaction without a message.
func (tx *Transaction) Abort() {
	if tx.spool != nil {
		tx.spool.Close()
	}
}

// Finish checks and completes the message and delivers it. When it returns nil, the
// message is safe with every recipient, or the sender has a notification about those that
// it could not be delivered to.
func (tx *Transaction) Finish(ctx context.Context) ([]error, error) {
	defer tx.Abort()
	if err := tx.spool.Finish(); err != nil {
		tx.count("badmessage")
		return nil, deliver.Error(err)
	}
	if tx.s.c.Local {
		if err := deliver.SimulatedAt(ctx, "", tx.from.Localpart); err != nil {
			return nil, err
		}
	}
	m := &deliver.Message{
		From:     tx.from,
		Peer:     tx.peer,
		SMTPUTF8: tx.params.SMTPUTF8,
		Received: tx.s.c.Now(),
		NoClient: true,
		Fields:   tx.authResults(),
	}
	spool, added, err := tx.complete(m.Received)
	if err != nil {
		return nil, err
	}
	if spool != tx.spool {
		defer spool.Close()
	}
	m.Spool, m.Add = spool, added
	if err := tx.maySend(ctx); err != nil {
		return nil, err
	}
	m.Verified = tx.verified()
	m.Judge = tx.newJudge(m).judge
	results := tx.deliver(ctx, m)
	tx.sent(ctx, results)
	err = tx.report(ctx, m, results)
	if err != nil {
		tx.count("delivererror")
		return results, err
	}
	tx.count("ok")
	return nil, nil
}

// deliver returns the results of recipients.
func (tx *Transaction) deliver(ctx context.Context, m *deliver.Message) []error {
	results := make([]error, len(tx.rcpts))
	var rcpts []deliver.Recipient
	var index []int
	for i, r := range tx.rcpts {
		if tx.s.c.Local {
			results[i] = deliver.SimulatedAt(ctx, "", r.To.Localpart)
		}
		if results[i] == nil {
			rcpts, index = append(rcpts, r), append(index, i)
		}
	}
	for i, err := range tx.s.c.Deliverer.Deliver(ctx, m, rcpts) {
		results[index[i]] = err
	}
	return results
}

// authResults is the Authentication-Results field (RFC 8601 2.7.4): what was checked is
// that the user may send as this address.
func (tx *Transaction) authResults() []byte {
	auth := authres.Method{Method: "auth", Result: "pass"}
	if !tx.from.IsZero() {
		auth.Props = []authres.Prop{{Type: "smtp", Property: "mailfrom", Value: tx.from.XString(tx.params.SMTPUTF8)}}
	}
	return []byte(authres.Results{Hostname: tx.s.c.Hostname.XName(tx.params.SMTPUTF8), Methods: []authres.Method{auth}}.Field())
}

func (tx *Transaction) count(result string) {
	if f := tx.s.c.Metrics.Submission; f != nil {
		f(result)
	}
}
