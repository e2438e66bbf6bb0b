package smtpserver

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"mox/dns"
	"mox/sasl"
	"mox/smtp"
)

// Kind is what a listener is for.
type Kind int

const (
	// Deliver is mail from other servers, port 25.
	Deliver Kind = iota
	// Submit is message submission (RFC 6409), for authenticated clients only.
	Submit
	// LMTP is local delivery (RFC 2033), with a reply for each recipient.
	LMTP
)

// String returns the name of the kind in metrics and logs.
func (k Kind) String() string { return [...]string{"deliver", "submit", "lmtp"}[k] }

// protocol is what the greeting says (RFC 2033 for LMTP).
func (k Kind) protocol() string {
	if k == LMTP {
		return "LMTP"
	}
	return "ESMTP"
}

// Config is a listener's configuration. It must not change once given to New.
type Config struct {
	Kind     Kind
	Hostname dns.Domain

	// TLS is for STARTTLS or, with ImplicitTLS, from the start. Nil: no TLS.
	TLS         *tls.Config
	ImplicitTLS bool
	// RequireTLS refuses mail without TLS.
	RequireTLS bool
	// PlainRecipient tells of recipients that get mail without TLS all the same: RFC 8460 3:
	// reports about failing TLS must be delivered despite it. Nil: there are none.
	PlainRecipient func(to smtp.Path) bool

	// RequireTLSExtension announces REQUIRETLS (RFC 8689) on connections with TLS: the
	// promise that a message is passed on only over verified TLS.
	RequireTLSExtension bool
	// DSN announces DSN (RFC 3461): the promise that its parameters are heeded and
	// passed on.
	DSN bool
	// FutureRelease announces FUTURERELEASE (RFC 4865), up to this far ahead: a transaction
	// may ask that its message is sent later. 0: not.
	FutureRelease time.Duration
	// BinaryMIME announces BINARYMIME (RFC 3030): such messages come byte for byte, and
	// must stay so.
	BinaryMIME bool

	// Burl announces BURL (RFC 4468), on listeners of kind Submit. Nil: not.
	Burl *Burl

	// PlainAuth allows mechanisms that give the password away without TLS.
	PlainAuth bool

	// Size is the largest message in octets; 0: DefaultSize.
	Size     int64
	Pedantic bool
	Limits   Limits

	// Begin starts a transaction, at MAIL. principal is what Authenticator returned,
	// nil when the client did not authenticate. An [*smtp.Error] refuses.
	Begin func(ctx context.Context, peer smtp.Peer, principal any) (Transaction, error)
	// Auth authenticates clients; nil: no AUTH.
	Auth Authenticator

	// Admit, when set, decides about each new connection, before anything is said; its
	// error closes it with 421, with the text of an [*smtp.Error], or with 554 if that has this
	// code (RFC 5321 3.1: no service for this client). release is called when the connection has
	// ended.
	Admit func(remote netip.Addr) (release func(), err error)
	// Transaction, when set, decides about each MAIL of an address, before Begin: its
	// error is the reply.
	Transaction func(remote netip.Addr) error
	// Refused, when set, is told of each recipient that was refused for good, and of the
	// reverse-path of its transaction. An error is the reply instead: 421 for who has tried too many.
	Refused func(remote netip.Addr, from smtp.Path) error
	// Accepted, when set, is told of each recipient that was accepted.
	Accepted func(remote netip.Addr)
	// Nonsense, when set, is told of each session that is ended for commands that make no sense.
	Nonsense func(remote netip.Addr)
	// Own, when set, tells whether a name or address is of this server. With
	// Kind Deliver, a client that says it is us, and is not, is refused.
	Own func(smtp.IPDomain) bool

	Log *slog.Logger // nil: none
	// NewCID makes the ids of connections; nil: 1, 2, ...
	NewCID func() int64
	// CID makes of a connection's id what is shown to the peer in error replies; nil:
	// nothing is shown.
	CID     func(int64) string
	Metrics Metrics
}

// hasBurl: RFC 4468 3.1: never for mail from other servers.
func (c *Config) hasBurl() bool { return c.Burl != nil && c.Kind == Submit }

// DefaultSize is the default of Config.Size, in octets.
const DefaultSize = 100 << 20

// Transaction takes one message. Its methods are called in the order below, one at a
// time. An [*smtp.Error] is the reply; any other error is a failure of our own (451).
type Transaction interface {
	// Mail begins, with the reverse-path. After an error the transaction is over, and
	// Abort is called.
	Mail(ctx context.Context, from smtp.Path, p smtp.MailParams) error
	// Rcpt adds a recipient, or refuses it.
	Rcpt(ctx context.Context, to smtp.Path, p smtp.RcptParams) error
	// Data returns where the message goes, its lines all ending with CRLF unless it came
	// with BODY=BINARYMIME. It is called once at most, and only with at least one
	// recipient.
	Data(ctx context.Context) (io.Writer, error)
	// Finish takes responsibility for the message, once it returns without error: it is
	// durable. The first result has an entry for each recipient that Rcpt accepted, in
	// that order, nil where delivered; it may be nil when all have the second as
	// result. The second is the result for a protocol that has one for all.
	//
	// It may take its time: the connection holds no buffers meanwhile. ctx ends with cause
	// [smtp.ErrDisconnected] when the client closes the connection (unless it has sent
	// something behind the message, or on Windows without TLS); [smtp.Draining] of it
	// tells when the server is about to stop.
	Finish(ctx context.Context) ([]error, error)
	// Abort ends the transaction without a message. It is called once, unless Finish
	// was.
	Abort()
}

// Suspicious is what errors of a Transaction, or it itself, may implement: a client that
// is suspected of sending spam is served slowly from then on.
type Suspicious interface{ Suspicious() bool }

// Authenticator authenticates clients.
type Authenticator interface {
	// Begin starts an attempt. An error, an [*smtp.Error] or a failure of our own (454),
	// refuses it.
	Begin(ctx context.Context, peer smtp.Peer) (AuthAttempt, error)
}

// AuthAttempt is one attempt. The mechanism asks it for what is stored.
type AuthAttempt interface {
	sasl.Backend
	// Finish is called at the end of the exchange, with the error of the mechanism: nil,
	// [sasl.ErrProtocol], [sasl.ErrCredentials], [sasl.ErrChannelBinding], one of the
	// backend, or context.Canceled when the client gave up. It returns the principal,
	// which is not nil, or the error to report: an [*smtp.Error], one of those of sasl
	// (501, 535), or a failure of our own (454).
	Finish(ctx context.Context, mech, authcid, authzid string, err error) (principal any, _ error)
}

// Metrics are called when set. Kind, verb and reason have few values, whatever clients
// say.
type Metrics struct {
	Connection func(kind string)
	Command    func(kind, verb string, code int, enhanced string, d time.Duration)
	StartTLS   func(kind string)
	// StartTLSError is about TLS from the start too.
	StartTLSError func(kind, reason string)
	// Refused is called for each connection that is closed at its start, for reason
	// "shutdown", "connections" or "address".
	Refused func(kind, reason string)
	// Recipient is called for each recipient that is refused for good.
	Recipient func(kind string)
	// Slow is called with 1 and -1 at the start and end of serving a client slowly, for
	// reason "badcommands", "recipients", "transactions" or "suspicious"; with 0, for a
	// client that was closed instead as there are too many.
	Slow  func(kind, reason string, n int)
	Panic func(v any)
}

// Limits bound what a client may do. A zero field has the default that New fills in,
// which is given with each.
type Limits struct {
	// Connections is how many connections a Server has at a time: 5000.
	Connections int

	// CommandLine is the most octets of a command line, without CRLF: 2048. RFC 5321
	// 4.5.3.1.4 wants 512, and more for the parameters of extensions.
	CommandLine int
	// AuthLine is the most octets of a line during authentication: 12288, RFC 4954 4.
	AuthLine int
	// Recipients is the most recipients of a transaction: 1000, announced by LIMITS.
	Recipients int

	// Greeting is how long a client may take for its first command: 30 s.
	Greeting time.Duration
	// Idle is how long a client may take to begin a command: 5 min, RFC 5321 4.5.3.2.7.
	Idle time.Duration
	// Line is how long it may take for a line once begun: 1 min.
	Line time.Duration
	// Write is how long it may take to accept a reply: 1 min.
	Write time.Duration
	// Handshake is how long TLS may take: 30 s.
	Handshake time.Duration
	// DataBlock is how long nothing may come during a message: 3 min, RFC 5321 4.5.3.2.5.
	DataBlock time.Duration
	// Data is how long a whole message may take: 30 min.
	Data time.Duration
	// Session is how long a connection may last; it ends before the next command: 3 h.
	Session time.Duration

	// DiscardData is how many octets of a message that is refused already are read
	// away, so that the client gets its reply: 64 MiB.
	DiscardData int64
	// DiscardLine is the same for a line that is too long: 64 KiB.
	DiscardLine int

	// BadCommands is after how many commands that are unknown, malformed or out of order
	// the connection is closed: 10.
	BadCommands int
	// NonMail is after how many commands without a message accepted among them it is
	// closed, MAIL, RCPT, DATA and BDAT not counted: 500.
	NonMail int
	// FailedTransactions is after how many transactions without any accepted it is
	// closed: 10.
	FailedTransactions int
	// Refusals is after how many refused recipients it is closed: 100.
	Refusals int
	// AuthFailures is after how many failed authentications it is closed: 10.
	AuthFailures int

	// SlowAfter is from which bad command, refused recipient or failed authentication on
	// the reply is delayed: 4.
	SlowAfter int
	// SlowDelay is by how much: 1 s. For authentications it grows with each. It is also
	// the pause before a command and after each octet of what a suspected spammer is
	// served.
	SlowDelay time.Duration
	// SlowRefusals is from which refused recipient on a client is suspected to be looking
	// for addresses, if those accepted are fewer: 10. SlowAfter is the same for bad
	// commands and for transactions that failed in sequence.
	SlowRefusals int
	// SlowSessions is how many clients are served slowly at a time: 500. More are closed
	// with 421. Less than 0: none is served slowly, and none closed for that. Clients that
	// are authenticated and those of LMTP never are.
	SlowSessions int
	// WatchAfter is after which time in Transaction.Finish the connection is watched for
	// its end: 1 s.
	WatchAfter time.Duration
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (l *Limits) defaults() {
	orElse(&l.Connections, 5000)
	orElse(&l.CommandLine, 2048)
	orElse(&l.AuthLine, 12288)
	orElse(&l.Recipients, 1000)
	orElse(&l.Greeting, 30*time.Second)
	orElse(&l.Idle, 5*time.Minute)
	orElse(&l.Line, time.Minute)
	orElse(&l.Write, time.Minute)
	orElse(&l.Handshake, 30*time.Second)
	orElse(&l.DataBlock, 3*time.Minute)
	orElse(&l.Data, 30*time.Minute)
	orElse(&l.Session, 3*time.Hour)
	orElse(&l.DiscardData, 64<<20)
	orElse(&l.DiscardLine, 64<<10)
	orElse(&l.BadCommands, 10)
	orElse(&l.NonMail, 500)
	orElse(&l.FailedTransactions, 10)
	orElse(&l.Refusals, 100)
	orElse(&l.AuthFailures, 10)
	orElse(&l.SlowAfter, 4)
	orElse(&l.SlowDelay, time.Second)
	orElse(&l.SlowRefusals, 10)
	orElse(&l.SlowSessions, 500)
	orElse(&l.WatchAfter, time.Second)
}
