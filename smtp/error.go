package smtp

import (
	"errors"
	"fmt"
	"strings"
)

// Error is a reply that refuses something. Text is for the peer to read; Err is the
// cause, for the log only.
type Error struct {
	Code     int    // three digits, 400 to 599
	Enhanced string // RFC 3463, as in "5.1.1"; may be empty
	Text     string // for the peer; several lines are separated by "\n"
	Err      error  // may be nil
}

// Errorf returns an Error whose text is made by format and args.
func Errorf(code int, enhanced, format string, args ...any) *Error {
	return &Error{Code: code, Enhanced: enhanced, Text: fmt.Sprintf(format, args...)}
}

// WrapErrorf is Errorf with a cause.
func WrapErrorf(cause error, code int, enhanced, format string, args ...any) *Error {
	e := Errorf(code, enhanced, format, args...)
	e.Err = cause
	return e
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%d %s %s", e.Code, e.Enhanced, e.Text)
	if e.Enhanced == "" {
		s = fmt.Sprintf("%d %s", e.Code, e.Text)
	}
	// Often the text has the cause already.
	if e.Err != nil && !strings.HasSuffix(s, e.Err.Error()) {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent tells whether trying again is of no use.
func (e *Error) Permanent() bool { return e.Code >= 500 }

// AsError returns err as an Error: itself if it is one or wraps one, and otherwise
// "451 4.3.0", a failure of our own, with err as cause. Nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return WrapErrorf(err, 451, "4.3.0", "error processing, try again later")
}

// Enhanced status codes without their class (RFC 3463 and the registry it began).
// A reply has the class before them: 2 success, 4 transient, 5 permanent.
const (
	OtherStatus         = "0.0"
	AddrOther           = "1.0"
	AddrBadMailbox      = "1.1" // no such address
	AddrBadSystem       = "1.2" // no such domain
	AddrBadSyntax       = "1.3"
	AddrAmbiguous       = "1.4"
	AddrValid           = "1.5"
	AddrMoved           = "1.6"
	AddrBadSenderSyntax = "1.7"
	AddrBadSender       = "1.8"
	AddrNullMX          = "1.10" // RFC 7505
	BoxOther            = "2.0"
	BoxDisabled         = "2.1"
	BoxFull             = "2.2"
	BoxMessageTooLarge  = "2.3"
	SysOther            = "3.0"
	SysFull             = "3.1"
	SysNotAccepting     = "3.2"
	SysNotCapable       = "3.3"
	SysMessageTooLarge  = "3.4"
	NetOther            = "4.0"
	NetLoop             = "4.6"
	ProtoOther          = "5.0"
	ProtoBadSequence    = "5.1"
	ProtoBadSyntax      = "5.2"
	ProtoTooManyRcpts   = "5.3"
	ProtoBadParam       = "5.4"
	ProtoAuthTooLong    = "5.6" // RFC 4954
	ContentOther        = "6.0"
	ContentNeedUTF8     = "6.7" // RFC 6531
	PolicyOther         = "7.0"
	PolicyRefused       = "7.1"
	PolicyAuthNeeded    = "7.0" // RFC 4954, with 530
	PolicyBadAuth       = "7.8" // RFC 4954
	PolicyWeakAuth      = "7.9"
	PolicyNeedTLS       = "7.10"
	PolicyDisabled      = "7.13" // account disabled, RFC 5248
	PolicyNullMX        = "7.27"
	PolicyRequireTLS    = "7.30" // RFC 8689
)
