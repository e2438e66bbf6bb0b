package imapserver

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"mox/imap"
	"mox/message"
	"mox/sasl"
	"mox/search"
	"mox/store"
	"mox/upkeep"
)

// Config is what a [Server] needs. Accounts and Auth are required; the zero value of
// everything else is usable.
type Config struct {
	Accounts Accounts
	Auth     Auth
	Sharing  Sharing   // nil: users do not share mailboxes
	Index    TextIndex // nil: TEXT and BODY scan messages
	Limiter  Limiter   // nil: connections are not limited
	// Banned, when set, tells whether an address is refused, and why, for the user. It is asked
	// before Limiter.
	Banned   func(addr netip.Addr) (text string, banned bool)
	Log      *slog.Logger
	Hostname string // for SASL CRAM-MD5 challenges and the greeting
	Version  string // shown by ID after login
	// AdminURI says how the administrator is reached, "mailto:postmaster@mox.example", for
	// the server entry /shared/admin of METADATA; empty: there is none.
	AdminURI string
	Limits   Limits
	Hooks    Hooks
	Now      func() time.Time // nil: time.Now
	// Foreground is told of commands that run, for work in the background to give way; nil: none.
	Foreground *upkeep.Foreground
	// NextID gives connection ids for logs and error texts; nil: a counter.
	NextID func() int64
	// RefuseEightBitHeaders makes APPEND refuse messages with 8-bit header fields
	// from clients that have not enabled UTF8=ACCEPT, as RFC 6855 4 has it. Off,
	// old mail with raw 8-bit header fields can be uploaded, as clients expect.
	RefuseEightBitHeaders bool
	// UserAccount returns the account of a user name in an imap URL, false when there is
	// none that may be used. Nil: names of users are names of accounts.
	UserAccount func(name string) (account string, ok bool)
	// OwnHost tells whether a host in an imap URL, which may have a port, is this server.
	// Nil: all are.
	OwnHost func(host string) bool
	Random  io.Reader // for keys; nil: crypto/rand
	// Disabled returns the capabilities, in upper case, that are switched off for an
	// account. It is asked at login. Nil: none.
	Disabled func(account string) []string
}

// Accounts gives access to mail; *store.Store does.
type Accounts interface {
	// Account opens an account by the name in a [Principal]. The session releases it.
	Account(ctx context.Context, name string) (*store.Account, error)
	// NewSpool returns a place for an incoming message. The session closes it.
	NewSpool() *store.Spool
	// Sharers and Shares find the accounts that may share mailboxes with a user, without
	// opening any, see [store.Store.Sharers].
	Sharers(identifiers []string) []string
	Shares(owner string, identifiers []string) bool
	// WatchShares has f called after access control lists have changed, see
	// [store.Store.WatchShares].
	WatchShares(f func())
}

// Sharing says who may share mailboxes, and what names in access control lists stand for
// (RFC 4314). It is asked for each command and must be quick.
type Sharing interface {
	// Identifiers returns those that stand for an account's user in access control lists:
	// the account's name, and groups they belong to. None: they may not share, nor see what
	// others do.
	Identifiers(account string) []string
	// Identify returns the identifier that lists keep for a name: that of an account, one of
	// its addresses, or a group's. It is false for names that are nobody's here, or with
	// whom owner may not share.
	Identify(owner, name string) (identifier string, ok bool)
	// Allowed reports whether the accounts exist, are in use, and owner may share with user.
	Allowed(owner, user string) bool
}

// Principal is who has logged in.
type Principal struct {
	Account string // name of the account
	Login   string // address used to log in
}

// AuthInfo describes the connection of an authentication attempt.
type AuthInfo struct {
	CID           int64
	Remote, Local netip.Addr
	TLS           *tls.ConnectionState // nil without TLS
}

// Auth begins attempts to authenticate. An [*imap.Error] from it or from an
// [Attempt] is shown to the client; any other error is our own failure and becomes
// NO [UNAVAILABLE].
type Auth interface {
	Begin(ctx context.Context, info AuthInfo) (Attempt, error)
}

// Attempt is one attempt to authenticate.
type Attempt interface {
	sasl.Backend
	// Finish is called once, with the outcome of the mechanism, and decides.
	Finish(ctx context.Context, mechanism, authcid, authzid string, err error) (Principal, error)
	// Preauth is asked before the greeting on connections with a TLS client certificate, in place
	// of a mechanism: ok is false when that does not log in by itself.
	Preauth(ctx context.Context) (p Principal, ok bool, err error)
	// Login checks a password in one step, for the LOGIN command.
	Login(ctx context.Context, username, password string) (Principal, error)
}

// Limiter bounds connections by address.
type Limiter interface {
	// Accept reports whether a connection from an address may be served; release is
	// called when it has ended.
	Accept(addr netip.Addr) (release func(), ok bool)
}

// TextIndex finds messages by their text; a [search.Manager] is one. Without an answer
// (ok is false), and for bodies above the result's IndexedTo, messages are looked
// through with [search.Match].
type TextIndex interface {
	Candidates(ctx context.Context, account *store.Account, q search.Query) (res search.Result, ok bool)
	// Fuzzy answers fuzzy searches likewise; the rest is looked through with [search.Fuzzy.Scan].
	Fuzzy(ctx context.Context, account *store.Account, f *search.Fuzzy) (res search.FuzzyResult, ok bool)
	// CatchUp takes what a search would have to look through into the index first, when that is
	// worth it: ok says that the index is to be asked again. report is told how many messages
	// were taken; err is its error.
	CatchUp(ctx context.Context, account *store.Account, tail search.Tail, report func(messages int) error) (ok bool, err error)
	// Document gives the text of documents in a message, for [search.Source].
	Document(ctx context.Context, account *store.Account, id store.BodyID) func(n int, p *message.Part) ([]byte, error)
}

// Hooks are called on events, when not nil. They must be quick and safe for
// concurrent use.
type Hooks struct {
	Connection func(service string)
	// Command is called after each command: result is ok, badsyntax, usererror,
	// servererror, ioerror, panic or error.
	Command func(command, result string, d time.Duration)
	// Slow is called after each command but IDLE that took at least SlowAfter, of the connection with this id.
	Slow      func(cid int64, command, result string, start time.Time, d time.Duration)
	SlowAfter time.Duration
	Panic     func()
	// Nonsense is called with the address of each session that is ended before login, because
	// what it says is not IMAP.
	Nonsense func(addr netip.Addr)
	// ClientID is called with the fields of the ID command.
	ClientID func(ctx context.Context, p Principal, fields []imap.IDParam)
}

// Limits bound what connections may use. Zero fields have the defaults given.
type Limits struct {
	LoginTimeout   time.Duration // each read and write before login; 30 s
	LoginDeadline  time.Duration // from connection to login; 3 min
	IdleTimeout    time.Duration // between commands after login, and in IDLE; 30 min
	ReadTimeout    time.Duration // each read inside a command; 30 s
	WriteTimeout   time.Duration // each write after login; 5 min
	BadCommands    int           // consecutive BAD responses; 20
	LoginFailures  int           // failed logins of a connection; 10
	AppendSize     int64         // octets of a message in APPEND, announced as APPENDLIMIT; 1 GiB
	AppendMessages int           // messages of one APPEND; 500
	// Messages is how many messages FETCH, STORE, COPY, MOVE and APPEND may work on, announced as
	// MESSAGELIMIT (RFC 9738); 0: no limit. Clients that do not know it take partial results for
	// whole ones.
	Messages int
	// Saves is how many messages COPY, MOVE and APPEND may save, announced as SAVELIMIT (RFC 9738)
	// with this or Messages, what is lower; 0: SAVELIMIT is not announced.
	Saves       int
	Connections int // open connections; 20000
	// Compressed is how many connections may be compressed at a time, each of which may keep 32
	// KiB of what its client has sent; 5000; below 0: none.
	Compressed     int
	Contexts       int // searches of a session that are kept up to date (RFC 5267 UPDATE); 10
	ContextResults int // messages in the results of these, together; 200000
	// SearchMailboxes and SearchTime bound one search in several mailboxes (RFC 7377): how many
	// there are, and how long it takes. Defaults 5000, 2 min.
	SearchMailboxes int
	SearchTime      time.Duration
	NotifyOwners    int // accounts of others that a client of NOTIFY may hear of; 100
	NotifyBehind    int // operations of an account that a client of NOTIFY may be behind with; 10000
	// Command are the limits of commands after login; the zero value stands for
	// imap.DefaultLimits.
	Command imap.Limits
}

func (l *Limits) setDefaults() {
	setDefault(&l.LoginTimeout, 30*time.Second)
	setDefault(&l.LoginDeadline, 3*time.Minute)
	setDefault(&l.IdleTimeout, 30*time.Minute)
	setDefault(&l.ReadTimeout, 30*time.Second)
	setDefault(&l.WriteTimeout, 5*time.Minute)
	setDefault(&l.BadCommands, 20)
	setDefault(&l.LoginFailures, 10)
	setDefault(&l.AppendSize, 1<<30)
	setDefault(&l.AppendMessages, 500)
	if n := l.saves(); n > 0 {
		l.AppendMessages = min(l.AppendMessages, n)
	}
	setDefault(&l.Connections, 20000)
	setDefault(&l.Compressed, 5000)
	setDefault(&l.Contexts, 10)
	setDefault(&l.ContextResults, 200000)
	setDefault(&l.SearchMailboxes, 5000)
	setDefault(&l.SearchTime, 2*time.Minute)
	setDefault(&l.NotifyOwners, 100)
	setDefault(&l.NotifyBehind, 10000)
	setDefault(&l.Command, imap.DefaultLimits)
	l.Command.Append = l.AppendSize
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Listener says how the connections of one listener are served.
type Listener struct {
	Service string // "imap", "imaps" or "ctl", for metrics and logs
	// LoggedIn is who all connections are logged in as from the start, with PREAUTH (RFC 9051
	// 7.1.4), and without being limited by address: others have made sure of it. Nil: clients log in.
	LoggedIn *Principal
	// TLS is the configuration for STARTTLS, or with Implicit for the start of the
	// connection. Nil: no TLS.
	TLS      *tls.Config
	Implicit bool
	// PlaintextAuth allows LOGIN and PLAIN without TLS.
	PlaintextAuth bool
	// JMAP is the URL of the session resource of JMAP that clients can use as well, without quotes; empty: they cannot.
	JMAP string
}
