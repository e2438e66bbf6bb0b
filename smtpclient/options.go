package smtpclient

import (
	"crypto/tls"
	"log/slog"
	"time"

	"mox/sasl"
)

// TLSMode says whether and how a connection gets TLS.
type TLSMode int

const (
	// TLSNone never uses TLS.
	TLSNone TLSMode = iota
	// TLSOpportunistic uses STARTTLS if the server offers it and does not refuse the
	// command. A handshake that fails is an error, with Error.TLS: whether to connect
	// anew without TLS is up to the caller.
	TLSOpportunistic
	// TLSRequired uses STARTTLS, without which it is an error, with Error.TLS.
	TLSRequired
	// TLSImmediate is TLS from the start (RFC 8314).
	TLSImmediate
)

// Options say how to speak with a server. The zero value of all but Hello is usable.
type Options struct {
	// Hello is the argument of EHLO, a domain name or an address literal.
	Hello string
	// LMTP speaks LMTP (RFC 2033): LHLO, and a reply for each recipient.
	LMTP bool

	TLS TLSMode
	// TLSConfig is needed unless TLS is TLSNone. What it verifies, by ServerName or
	// VerifyConnection, is all that is verified.
	TLSConfig *tls.Config

	// Auth returns the client's side of an authentication and the name of its mechanism,
	// in upper case; nil: none. It gets the mechanisms that the server offers, in upper
	// case, and the state of TLS, nil without. It is called once, after TLS was settled. With
	// a nil client nobody is authenticated.
	// [Login.Auth] is one for a password.
	Auth func(offered []string, cs *tls.ConnectionState) (mechanism string, c sasl.Client, err error)

	Limits Limits
	Log    *slog.Logger // nil: none

	// Command, when set, is called with each reply: the verb in lower case ("connect" for
	// the greeting, "dataend" for the end of a message), the reply, and the time between
	// sending and reading.
	Command func(cmd string, code int, enhanced string, d time.Duration)
	// Trace, when set, is called with all that is sent and received, in pieces, in clear:
	// level is mlog.LevelTrace, mlog.LevelTraceauth for credentials, mlog.LevelTracedata
	// for messages. data is valid during the call only.
	Trace func(in bool, level slog.Level, data []byte)
}

// Limits bound what a server may do. A zero field has the default that is given with
// each.
type Limits struct {
	// Greeting is how long the server may take to greet: 5 min, RFC 5321 4.5.3.2.1.
	Greeting time.Duration
	// Command is how long the reply to EHLO, STARTTLS, MAIL, RCPT, RSET and each step of
	// AUTH may take: 5 min, RFC 5321 4.5.3.2.2 and 4.5.3.2.3.
	Command time.Duration
	// Handshake is how long TLS may take: 1 min.
	Handshake time.Duration
	// DataInit is how long the reply to DATA may take: 2 min, RFC 5321 4.5.3.2.4.
	DataInit time.Duration
	// DataBlock is how long sending a piece of a message (at most 256 KiB) may take: 3
	// min, RFC 5321 4.5.3.2.5.
	DataBlock time.Duration
	// DataEnd is how long the reply to a message, or to a chunk of it, may take: 10 min,
	// RFC 5321 4.5.3.2.6.
	DataEnd time.Duration
	// Content is how long sending the whole of a message may take: 2 h.
	Content time.Duration
	// Quit is how long Close waits for the reply to QUIT, and how long is waited for the
	// reason when sending a message fails: 5 s.
	Quit time.Duration

	// ReplyLine is the most octets of a line of a reply: 4096. RFC 5321 4.5.3.1.5 has
	// 512. The most lines are smtp.MaxReplyLines.
	ReplyLine int
	// ReplyText is the most octets of text that are kept of a reply: 64 KiB.
	ReplyText int
	// Pipeline is the most octets of commands that are sent before their replies are
	// read: 4000. RFC 2920 3.1: both sides must not wait for each other.
	Pipeline int
	// Chunk is the most octets of a chunk of BDAT: 8 MiB.
	Chunk int64
}

func orElse[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (l *Limits) defaults() {
	orElse(&l.Greeting, 5*time.Minute)
	orElse(&l.Command, 5*time.Minute)
	orElse(&l.Handshake, time.Minute)
	orElse(&l.DataInit, 2*time.Minute)
	orElse(&l.DataBlock, 3*time.Minute)
	orElse(&l.DataEnd, 10*time.Minute)
	orElse(&l.Content, 2*time.Hour)
	orElse(&l.Quit, 5*time.Second)
	orElse(&l.ReplyLine, 4096)
	orElse(&l.ReplyText, 64<<10)
	orElse(&l.Pipeline, 4000)
	orElse(&l.Chunk, 8<<20)
}
