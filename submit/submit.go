package submit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"mox/authres"
	"mox/config"
	"mox/deliver"
	"mox/directory"
	"mox/dns"
	"mox/junk"
	"mox/mlog"
	"mox/otlp"
	"mox/queue"
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
	// Queue takes what cannot be delivered at once. Nil: only mail for this server is taken.
	Queue Queue
	// Forwarder passes notifications back that come from this server itself; nil: there are
	// none.
	Forwarder *Forwarder
	// Junk counts what accounts send, against their limits, and learns to whom they write.
	// Nil: no limits, and nothing is learned.
	Junk *junk.Manager
	// Trace gets the decision about each message for each account; nil: nobody. It must
	// not change it.
	Trace func(*trace.Trace)
	// Spans is sent what took how long; nil: nobody is.
	Spans *otlp.Exporter
	// ID makes of a connection's id what is shown of it; nil: nothing is shown.
	ID func(cid int64) string
	// Recipients is the most recipients of a message; 0: 1000.
	Recipients int
	// FutureRelease is how far ahead the delivery of a message may be set; 0: 60 days.
	FutureRelease time.Duration
	// Local is for servers to try things out: some localparts have outcomes, see
	// [deliver.Simulated], and accounts have no limits.
	Local   bool
	Log     *slog.Logger     // nil: none
	Now     func() time.Time // nil: time.Now
	Random  io.Reader        // nil: crypto/rand
	Metrics Metrics
}

// Queue is what is needed of a [queue.Queue], whose methods these are.
type Queue interface {
	Add(ctx context.Context, c queue.Content, msgs []queue.Message) (queue.Added, error)
	AddNotices(ctx context.Context, c queue.Content, msgs []queue.Message, notices []queue.NewMessage) (queue.Added, error)
	AddOnce(ctx context.Context, once queue.Once, c queue.Content, msgs []queue.Message) (queue.Added, error)
	AddDone(ctx context.Context, msgs []queue.Message, results []queue.Result) ([]queue.Message, error)
	OnceResult(ctx context.Context, o queue.Once) ([]byte, error)
}

// Metrics are called when set.
type Metrics struct {
	// Submission is called for each message with "ok", "badmessage", "badfrom",
	// "badheader", "missingsmtputf8", "domaindisabled", "messagelimiterror",
	// "recipientlimiterror", "queueerror" or "delivererror".
	Submission func(result string)
	// Error is called for "queuedsn": a notification that could not be brought to the sender,
	// so that the session told instead.
	Error func(kind string)
	// Signed is called for each DKIM signature with its kind of key: "rsa" or "ed25519".
	Signed func(key string)
}

// Submit makes transactions. It is safe for concurrent use.
type Submit struct {
	c      Config
	relays relayLimits

	mu   sync.Mutex                // guards busy
	busy map[onceKey]chan struct{} // requests under way; the channel is closed at their end
}

// New returns a Submit.
func New(c Config) *Submit {
	if c.Recipients == 0 {
		c.Recipients = 1000
	}
	if c.FutureRelease == 0 {
		c.FutureRelease = DefaultFutureRelease
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
	return &Submit{c: c, busy: map[onceKey]chan struct{}{}}
}

// DefaultFutureRelease is the default of Config.FutureRelease.
const DefaultFutureRelease = 60 * 24 * time.Hour

// Sender is who sends: an authenticated user, or a client that may relay.
type Sender struct {
	Account string // name
	Login   string // address used to log in
	// Relay lets a client without account use the addresses of its domains; nil: none. See
	// [Submit.Relay].
	Relay *config.RelayInfo
}

// Transaction takes one message. It belongs to one goroutine.
type Transaction struct {
	s       *Submit
	dir     directory.View
	peer    smtp.Peer
	sender  Sender
	from    smtp.Path
	params  smtp.MailParams
	release time.Time // when it is to be sent; zero: now
	rcpts   []deliver.Recipient
	remote  []bool    // of each of rcpts: of another server
	plan    junk.Plan // rcpts, as far as limits are about them
	spool   *store.Spool

	// Of a program that sends, see Request.
	generated bool
	extra     map[string]string
	wantTLS   *bool
	once      *queue.Once

	root *otlp.Root // nil: nobody wants to know

	// Of the header, once checked.
	authors    []smtp.Address // of From
	messageID  string
	tlsNo      bool   // TLS-Required: No
	copyFields []byte // that were added, for a copy of the message as it was given
	queued     []Queued
	again      *Sent // what was answered to the same request before
}

// Begin starts a transaction for a user.
func (s *Submit) Begin(_ context.Context, peer smtp.Peer, sender Sender) (*Transaction, error) {
	if sender.Account == "" && sender.Relay == nil {
		return nil, smtp.Errorf(530, "5.7.0", "authentication required")
	}
	root := s.c.Spans.Begin("submit", otlp.Server, peer.CID)
	root.Set(slog.String("account", sender.Account))
	return &Transaction{s: s, dir: s.c.Directory.View(), peer: peer, sender: sender, root: root}, nil
}

// Mail takes the reverse-path, which must be one of the user's addresses or null (for
// notifications that mail programs send).
func (tx *Transaction) Mail(ctx context.Context, from smtp.Path, p smtp.MailParams) error {
	if tx.s.c.Local {
		if err := deliver.SimulatedAt(ctx, "mailfrom", from.Localpart); err != nil {
			return err
		}
	}
	if !p.SMTPUTF8 && from.IsInternational() {
		return smtp.Errorf(553, "5.6.7", "address with UTF-8 needs SMTPUTF8")
	}
	if !from.IsZero() {
		if err := tx.mayUse(from.Address(), "MAIL FROM"); err != nil {
			return err
		}
	}
	tx.from, tx.params = from, p
	return tx.setRelease()
}

// setRelease is RFC 4865: when the message is to be sent.
func (tx *Transaction) setRelease() error {
	now := tx.s.c.Now()
	at := tx.params.HoldUntil
	if tx.params.HoldFor > 0 {
		at = now.Add(time.Duration(tx.params.HoldFor) * time.Second)
	}
	switch {
	case !at.After(now):
		return nil
	case tx.s.c.Queue == nil:
		return smtp.Errorf(504, "5.5.4", "messages cannot be sent later")
	case at.After(now.Add(tx.s.c.FutureRelease)):
		return smtp.Errorf(501, "5.5.4", "messages can be sent at most %d days later", int(tx.s.c.FutureRelease/(24*time.Hour)))
	}
	tx.release = at
	return nil
}

// mayUse checks that an address is the user's (RFC 6409 6.1), or of a domain that may be
// relayed for.
func (tx *Transaction) mayUse(a smtp.Address, where string) error {
	if a.IsZero() || !tx.dir.MayUse(tx.sender.Account, a) && !tx.mayRelay(a) {
		cause := fmt.Errorf("account %q, address %q", tx.sender.Account, a.String()) // for the log
		return tx.refuse("badfrom", smtp.WrapErrorf(cause, 550, "5.7.1", "%s must be an address of your account", where))
	}
	if tx.dir.DomainDisabled(a.Domain) {
		return tx.refuse("domaindisabled", smtp.Errorf(451, "4.3.0", "domain of %s is disabled for the time being", where))
	}
	return nil
}

// Refusal is a reply whose reason callers may want to tell apart.
type Refusal struct {
	Result string // "badfrom", "domaindisabled", "messagelimiterror" or "recipientlimiterror", as in metrics
	Reply  *smtp.Error
}

// Error implements error.
func (r *Refusal) Error() string { return r.Reply.Error() }

// Unwrap returns the reply.
func (r *Refusal) Unwrap() error { return r.Reply }

// refuse counts a refusal.
func (tx *Transaction) refuse(result string, reply *smtp.Error) error {
	tx.count(result)
	return &Refusal{result, reply}
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
	if !tx.params.SMTPUTF8 && to.IsInternational() {
		return smtp.Errorf(553, "5.6.7", "address with UTF-8 needs SMTPUTF8")
	}
	target, remote, err := tx.resolve(ctx, to)
	if err != nil {
		return err
	}
	if err := tx.mayAdd(ctx, to); err != nil {
		return err
	}
	tx.rcpts, tx.remote = append(tx.rcpts, deliver.Recipient{To: to, Target: target, Params: p}), append(tx.remote, remote)
	return nil
}

// resolve finds where mail for a recipient goes: to a target here, or to another server.
func (tx *Transaction) resolve(ctx context.Context, to smtp.Path) (_ deliver.Target, remote bool, _ error) {
	target, err := deliver.Resolve(tx.dir, to)
	switch {
	case errors.Is(err, directory.ErrNotLocal):
		return target, true, tx.checkRemote(to, err)
	case err != nil:
		return target, false, err
	case target.Alias != nil && !target.Alias.Config.PostPublic && !deliver.IsMember(target.Alias, tx.sender.Account):
		return target, false, smtp.Errorf(550, "5.7.2", "only members may write to this address")
	}
	return target, false, tx.s.c.Deliverer.Room(ctx, target, tx.params.Size)
}

// checkRemote checks a recipient of another server; notLocal is why it is none of ours.
func (tx *Transaction) checkRemote(to smtp.Path, notLocal error) error {
	if tx.s.c.Queue == nil || tx.s.c.Local {
		return smtp.WrapErrorf(notLocal, 550, "5.7.1", "this server does not send to others")
	}
	if to.IPDomain.IsIP() && !public(to.IPDomain.IP) {
		// Nobody is to reach machines in our network through us.
		return smtp.Errorf(550, "5.1.2", "no mail to an address literal that is not of the public network")
	}
	return nil
}

func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate()
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
	tx.root.End(otlp.MessageTrace(tx.messageID), "")
}

// Finish checks, completes and signs the message, delivers it here and queues the rest. When
// it returns nil, all of that is durable: the message is with every recipient or in the
// queue, or the sender has a notification about those that it could not be delivered to.
func (tx *Transaction) Finish(ctx context.Context) (results []error, rerr error) {
	defer tx.Abort()
	defer func() { tx.traced(rerr) }()
	ctx = tx.root.In(ctx)
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
		From:      tx.from,
		Peer:      tx.peer,
		SMTPUTF8:  tx.params.SMTPUTF8,
		Params:    tx.params,
		Received:  tx.s.c.Now(),
		NoClient:  tx.sender.Relay == nil, // where a user is, is nobody's business
		Generated: tx.generated,
		Fields:    tx.authResults(),
	}
	spool, added, err := tx.complete(m.Received)
	if err != nil {
		return nil, err
	}
	if spool != tx.spool {
		defer spool.Close()
	}
	m.Spool, m.Add = spool, added
	if err := deliver.CheckLoop(m); err != nil {
		tx.count("badheader")
		return nil, err
	}
	part := otlp.Start(ctx, "sign")
	err = tx.sign(ctx, m)
	part.End("")
	if err != nil {
		return nil, err
	}
	if err := tx.maySend(ctx); err != nil {
		return nil, err
	}
	m.Verified = tx.verified()
	m.Judge = tx.newJudge(m).judge
	return tx.dispatch(ctx, m)
}

// traced ends the span of the message.
func (tx *Transaction) traced(err error) {
	if tx.root == nil {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	tx.root.Set(slog.Int("recipients", len(tx.rcpts)))
	tx.root.End(otlp.MessageTrace(tx.messageID), text)
}

// dispatch brings the message to its recipients.
func (tx *Transaction) dispatch(ctx context.Context, m *deliver.Message) ([]error, error) {
	d := &dispatch{results: make([]error, len(tx.rcpts)), queued: make([]bool, len(tx.rcpts))}
	part := otlp.Start(ctx, "deliver")
	tx.deliver(ctx, m, d)
	part.End("")
	part = otlp.Start(ctx, "queue")
	err := tx.enqueue(ctx, m, d)
	part.End("")
	if err != nil {
		tx.count("queueerror")
		return nil, err
	}
	if tx.again != nil {
		return nil, nil
	}
	tx.logQueued(ctx)
	tx.sent(ctx, d.results)
	err = tx.report(ctx, m, d)
	tx.done(ctx, m, d, err)
	if err == nil && d.any() {
		tx.s.c.Deliverer.Settle(m, tx.here())
	}
	if err != nil {
		tx.count("delivererror")
		return d.results, err
	}
	tx.count("ok")
	return nil, nil
}

// dispatch is what became of the message for each recipient.
type dispatch struct {
	results []error // nil: delivered or queued
	queued  []bool
}

// deliver delivers at once to the recipients of this server, unless the message is for later.
func (tx *Transaction) deliver(ctx context.Context, m *deliver.Message, d *dispatch) {
	var rcpts []deliver.Recipient
	var index []int
	for i, r := range tx.rcpts {
		if tx.remote[i] || tx.later() {
			d.queued[i] = true
			continue
		}
		if tx.s.c.Local {
			d.results[i] = deliver.SimulatedAt(ctx, "", r.To.Localpart)
		}
		if d.results[i] == nil {
			rcpts, index = append(rcpts, r), append(index, i)
		}
	}
	if len(rcpts) == 0 {
		return
	}
	for i, err := range tx.s.c.Deliverer.Deliver(ctx, m, rcpts) {
		d.results[index[i]] = err
	}
}

// later tells whether recipients of this server are queued as well: when the message is for
// later, and when a request that is repeated must not deliver twice.
func (tx *Transaction) later() bool { return !tx.release.IsZero() || tx.once != nil }

// authResults is the Authentication-Results field (RFC 8601 2.7.4): what was checked is
// that the user may send as this address.
func (tx *Transaction) authResults() []byte {
	if tx.sender.Account == "" {
		return nil // a client of a network that may relay
	}
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
