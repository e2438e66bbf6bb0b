package smtpclient

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"mox/smtp"
)

// Causes of an Error without a reply. Of a connection that was lost the cause is the
// error of the network: io.EOF, os.ErrDeadlineExceeded, or the context's.
var (
	// ErrProtocol: the server said something that is not SMTP, or at the wrong time.
	ErrProtocol = errors.New("unexpected response")
	// ErrNoSTARTTLS: TLS is required, and the server does not offer it.
	ErrNoSTARTTLS = errors.New("server does not offer STARTTLS")
	// ErrAuth: authentication is not possible with this server.
	ErrAuth = errors.New("cannot authenticate")
	// ErrContent: the message could not be read, or has not the size that was given. It
	// was not delivered; the connection is closed.
	ErrContent = errors.New("reading message")
	// ErrLineEnd: a message that is sent by BDAT, and not BODY=BINARYMIME, has a CR or
	// LF that is not part of CRLF, which RFC 5321 2.3.8 forbids to send. It was not
	// delivered; the connection is closed.
	ErrLineEnd = errors.New("bare CR or LF in message")
	// ErrArgument: the message is not one that can be sent: no recipients, control
	// characters in an address.
	ErrArgument = errors.New("invalid argument")

	// The message needs an extension that the server lacks. Nothing was sent; the
	// connection can be used on.

	ErrSMTPUTF8      = errors.New("server does not support SMTPUTF8")               // RFC 6531 3.5: 5.6.7
	Err8BitMIME      = errors.New("server does not support 8BITMIME")               // 5.6.3
	ErrBinaryMIME    = errors.New("server does not support BINARYMIME")             // 5.6.3
	ErrRequireTLS    = errors.New("server does not support REQUIRETLS")             // RFC 8689 4.2.1: 5.7.30
	ErrFutureRelease = errors.New("server does not hold messages as long as asked") // RFC 4865
	// ErrSize: the message is larger than the server announced to take (RFC 1870 6.1).
	ErrSize = errors.New("message is too large for server")

	// ErrMailMax: the server takes no more messages on this connection (RFC 9422).
	ErrMailMax = errors.New("no more messages on this connection")
	// ErrRcptMax: the server takes no more recipients in this transaction (RFC 9422). For
	// those that have this error, deliver the message again.
	ErrRcptMax = errors.New("no more recipients in this transaction")
)

// VerbEnd is Error.Verb for the reply to a message that was sent by DATA.
const VerbEnd = "DATAEND"

// Error says why a command, a message or a recipient failed.
type Error struct {
	// Code is that of the server's reply; 0 when there was none, and Err says why.
	Code int
	// Enhanced is the server's enhanced status code (RFC 2034), "" if it gave none.
	// Without a reply it is ours, fit for a delivery status notification.
	Enhanced string
	// Text is the server's, lines separated by "\n", printable.
	Text string
	// Verb is the command that failed: "CONNECT" for the greeting, "TLS" for a
	// handshake, "EHLO", "MAIL" and so on, VerbEnd.
	Verb string
	// Permanent: it is of no use to try the same again with this server.
	Permanent bool
	// TooMany: a recipient was refused only as there are too many in this transaction
	// (RFC 5321 4.5.3.1.10). It can be tried in another at once.
	TooMany bool
	// MayBeDelivered: the message may have been accepted, for these recipients, as the
	// connection was lost between its end and the reply.
	MayBeDelivered bool
	// TLS: TLS could not be established as wanted.
	TLS bool
	Err error // nil if the server's reply says it all
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(strings.ToLower(e.Verb) + ":")
	if e.Code != 0 {
		fmt.Fprintf(&b, " %d", e.Code)
		if e.Enhanced != "" {
			b.WriteString(" " + e.Enhanced)
		}
		if e.Text != "" {
			b.WriteString(" " + strings.ReplaceAll(e.Text, "\n", " / "))
		}
		if e.Err != nil {
			b.WriteString(":")
		}
	}
	if e.Err != nil {
		b.WriteString(" " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// refused makes an error of a reply.
func refused(verb string, r smtp.Reply) *Error {
	return &Error{Code: r.Code, Enhanced: r.Enhanced, Text: printable(r.Text()), Verb: verb, Permanent: r.Code >= 500}
}

// lacking is an error of a message that this server cannot take.
func lacking(cause error, enhanced string) *Error {
	return &Error{Enhanced: enhanced, Verb: "MAIL", Permanent: enhanced[0] == '5', Err: cause}
}

// printable makes text of a server fit for logs and messages.
func printable(s string) string {
	clean := func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r != '\n' && !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}
	return strings.TrimRight(strings.Map(clean, s), " \n")
}
