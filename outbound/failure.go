package outbound

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mox/dns"
	"mox/smtp"
	"mox/smtpclient"
)

// failure is why a message did not go out, to a recipient or at all.
type failure struct {
	code     int    // of a reply; for our own decisions the one that fits
	enhanced string // with class
	text     string // for people, on one line
	// permanent: it is of no use to try again.
	permanent bool
	// own: the reason lies with us or with what the message asks for, not with the recipient.
	own bool
	// diagnostic: code, enhanced and text are what a server said.
	diagnostic bool
	host, ip   string // that was talked to

	// What it means for the lane.

	// unreachable: no session with the host came about.
	unreachable bool
	// throttle: the server says that it gets too much.
	throttle bool
	// again: another connection to the same host may do.
	again bool
	err   error // for the log
}

func (f *failure) Error() string { return f.text }

// local makes a failure of our own finding.
func local(code int, enhanced, format string, args ...any) *failure {
	return &failure{code: code, enhanced: enhanced, text: fmt.Sprintf(format, args...), permanent: code >= 500}
}

// ours marks a failure as none of the recipient.
func (f *failure) ours() *failure { f.own = true; return f }

// because adds the cause, for the log.
func (f *failure) because(err error) *failure { f.err = err; return f }

// remembered returns the failure for others that do not try for themselves: it says nothing
// new about the lane.
func (f *failure) remembered() *failure {
	g := *f
	g.unreachable, g.throttle, g.again = false, false, false
	return &g
}

// worse returns what several hosts have said together: as long as one may do later, the
// message is tried again. Of equals the later one counts.
func worse(a, b *failure) *failure {
	if a == nil || b != nil && (!b.permanent || a.permanent) {
		return b
	}
	return a
}

// fromError makes a failure of what smtpclient says.
func fromError(err error, host, ip string) *failure {
	var e *smtpclient.Error
	if !errors.As(err, &e) {
		return local(451, "4.3.0", "%v", err).because(err)
	}
	f := &failure{code: e.Code, enhanced: e.Enhanced, permanent: e.Permanent, host: host, ip: ip, err: err}
	if e.Code == 0 {
		f.noReply(e)
		return f
	}
	f.diagnostic = true
	f.text = strings.ReplaceAll(e.Text, "\n", " ")
	if f.enhanced == "" {
		f.enhanced = enhancedFor(e)
	}
	f.permanent = permanent(e, f.enhanced)
	if !f.permanent && f.enhanced[0] == '5' {
		f.enhanced = "4" + f.enhanced[1:]
	}
	if f.permanent && (e.Verb == smtpclient.VerbEnd || e.Verb == "BDAT") {
		// All recipients get this, as it is about the content, unless it says otherwise.
		subject := f.enhanced[2:]
		f.own = !strings.HasPrefix(subject, "1.") && !strings.HasPrefix(subject, "2.")
	}
	before := e.Verb != "RCPT" && e.Verb != "DATA" && e.Verb != "BDAT" && e.Verb != smtpclient.VerbEnd
	f.unreachable = before && e.Verb != "MAIL"
	f.throttle = before && !f.permanent && (e.Code == 421 || strings.HasPrefix(f.enhanced, "4.7.") || f.enhanced == "4.4.5")
	return f
}

// noReply is for what went wrong without a reply.
func (f *failure) noReply(e *smtpclient.Error) {
	f.code = 451
	if e.Permanent {
		f.code = 554
	}
	f.text = fmt.Sprintf("%v", e.Err)
	lost := true
	for _, cause := range []error{
		smtpclient.ErrSMTPUTF8, smtpclient.Err8BitMIME, smtpclient.ErrBinaryMIME, smtpclient.ErrRequireTLS, smtpclient.ErrFutureRelease,
		smtpclient.ErrSize, smtpclient.ErrContent, smtpclient.ErrLineEnd, smtpclient.ErrArgument, smtpclient.ErrMailMax, smtpclient.ErrRcptMax, smtpclient.ErrAuth,
	} {
		if errors.Is(e, cause) {
			lost, f.own = false, true
		}
	}
	if lost && e.Verb != "" && !e.TLS {
		f.text = fmt.Sprintf("connection failed during %s: %v", e.Verb, e.Err)
	}
	if e.MayBeDelivered {
		f.text = fmt.Sprintf("connection was lost before the server confirmed the message, which may have arrived: %v", e.Err)
	}
	session := e.Verb == "MAIL" || e.Verb == "RCPT" || e.Verb == "DATA" || e.Verb == "BDAT" || e.Verb == smtpclient.VerbEnd
	f.unreachable = lost && !session
}

// permanent tells whether a reply means that trying again is of no use.
func permanent(e *smtpclient.Error, enhanced string) bool {
	if e.Code != 552 {
		return e.Permanent
	}
	// RFC 5321 4.5.3.1.10: 552 for too many recipients is to be taken as 452. Others say 552
	// for a mailbox that is full, which may be emptied. A message that is too large stays so.
	switch {
	case strings.HasSuffix(enhanced, ".2.3"), strings.HasSuffix(enhanced, ".3.4"):
		return true
	}
	return e.Verb == smtpclient.VerbEnd || e.Verb == "MAIL"
}

// enhancedFor gives a reply without enhanced status code the one that fits.
func enhancedFor(e *smtpclient.Error) string {
	class := "4."
	if e.Code >= 500 {
		class = "5."
	}
	switch {
	case e.Verb == "RCPT" && (e.Code == 550 || e.Code == 551 || e.Code == 553):
		return class + smtp.AddrBadMailbox
	case e.Code == 552 || e.Code == 452:
		return class + smtp.BoxFull
	case e.Code == 421 || e.Code == 521:
		return class + smtp.SysNotAccepting
	}
	return class + smtp.OtherStatus
}

// answer tells whether an error of a delivery is one about the message or a recipient,
// with which another host would be no better. Otherwise the failure says what to do.
func answer(err error, f *failure) bool {
	var e *smtpclient.Error
	if !errors.As(err, &e) {
		return true
	}
	switch {
	case errors.Is(e, smtpclient.ErrMailMax):
		f.again = true
		return false
	case e.MayBeDelivered:
		return true // RFC 5321 4.5.3.2.6: not at once
	case e.Code == 0:
		return f.own
	case e.Code == 421:
		f.again = true
		return false
	case e.Verb == "MAIL":
		return e.Permanent
	}
	return true
}

// lookupFailure is for a lookup of a name that failed.
func lookupFailure(what string, d dns.Domain, err error) *failure {
	switch {
	case errors.Is(err, dns.ErrNullMX):
		// RFC 7505 4.1.
		return local(556, "5.1.10", "the domain %s does not receive mail (null MX)", d.Name()).because(err)
	case errors.Is(err, dns.ErrNoDomain):
		return local(550, "5.1.2", "the domain %s does not exist", d.Name()).because(err)
	case errors.Is(err, dns.ErrNoMail):
		return local(554, "5.4.4", "the domain %s has no usable mail server in DNS", d.Name()).because(err)
	case dns.IsNotFound(err):
		return local(554, "5.4.4", "%s of %s: no such name", what, d.Name()).because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return local(451, "4.4.3", "%s of %s: no answer in time", what, d.Name()).because(err)
	}
	return local(451, "4.4.3", "%s of %s: %v", what, d.Name(), err).because(err)
}
