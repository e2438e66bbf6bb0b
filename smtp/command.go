package smtp

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// Command is a command of a client: one of the types Ehlo, Helo, Lhlo, Mail, Rcpt,
// Data, Bdat, Burl, Rset, Noop, Quit, Help, Vrfy, Expn, StartTLS and Auth.
type Command interface {
	// Verb returns the command's name in upper case.
	Verb() string
	// String returns the command line without CRLF.
	String() string
}

// Host is what a client calls itself in EHLO.
type Host struct {
	IPDomain IPDomain
	// Raw is the argument where it is neither a domain name nor an address literal;
	// then IPDomain is zero. Lenient parsing only.
	Raw string
}

// String returns the argument.
func (h Host) String() string {
	if h.Raw != "" {
		return h.Raw
	}
	return h.IPDomain.String()
}

// Ehlo, Helo and Lhlo (RFC 2033) begin a session.
type (
	Ehlo struct{ Host Host }
	Helo struct{ Host Host }
	Lhlo struct{ Host Host }
)

// Mail begins a transaction (RFC 5321 4.1.1.2).
type Mail struct {
	From   Path
	Params MailParams
}

// Rcpt adds a recipient (RFC 5321 4.1.1.3).
type Rcpt struct {
	To     Path
	Params RcptParams
}

// Data, Rset, Quit and StartTLS have no arguments.
type (
	Data     struct{}
	Rset     struct{}
	Quit     struct{}
	StartTLS struct{}
)

// Bdat sends a chunk of the message (RFC 3030 2).
type Bdat struct {
	Size int64
	Last bool
}

// Noop, Help and Expn have a text, which may be empty for the first two.
type (
	Noop struct{ Text string }
	Help struct{ Text string }
	Expn struct {
		Text string
		UTF8 bool // SMTPUTF8 parameter, RFC 6531 3.7.4.2
	}
)

// Vrfy asks about an address.
type Vrfy struct {
	Text string
	UTF8 bool // SMTPUTF8 parameter, RFC 6531 3.7.4.2
}

// Auth begins authentication (RFC 4954 4).
type Auth struct {
	Mechanism string // upper case
	// Initial is the initial response: nil when there is none, empty but not nil for
	// an empty one.
	Initial []byte
}

// Body is the BODY parameter.
type Body string

// Values of Body (RFC 6152, RFC 3030).
const (
	Body7Bit       Body = "7BIT"
	Body8BitMIME   Body = "8BITMIME"
	BodyBinaryMIME Body = "BINARYMIME"
)

// Ret is the RET parameter: what a DSN returns (RFC 3461 4.3).
type Ret string

// Values of Ret.
const (
	RetFull Ret = "FULL"
	RetHdrs Ret = "HDRS"
)

// Param is a parameter that this package does not know.
type Param struct {
	Keyword  string // upper case
	Value    string
	HasValue bool
}

// MailParams are the parameters of MAIL. The zero value has none.
type MailParams struct {
	HasSize    bool
	Size       int64 // octets, declared by the client; RFC 1870
	Body       Body
	SMTPUTF8   bool
	RequireTLS bool
	Ret        Ret
	EnvID      string    // decoded
	Auth       string    // decoded; "<>" or a mailbox; RFC 4954 5
	HoldFor    int64     // seconds; RFC 4865
	HoldUntil  time.Time // UTC, whole seconds
	Other      []Param   // in the order given
}

// Notify is the NOTIFY parameter, as bits; 0: not given (RFC 3461 4.1).
type Notify uint8

// Bits of Notify. Never stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

var notifyNames = []struct {
	bit  Notify
	name string
}{{NotifyNever, "NEVER"}, {NotifySuccess, "SUCCESS"}, {NotifyFailure, "FAILURE"}, {NotifyDelay, "DELAY"}}

// ORcpt is the original recipient (RFC 3461 4.2); zero when not given.
type ORcpt struct {
	Type    string // address type in lower case, as in "rfc822"
	Address string // decoded
}

// RcptParams are the parameters of RCPT. The zero value has none.
type RcptParams struct {
	Notify Notify
	ORcpt  ORcpt
	Other  []Param
}

func (Ehlo) Verb() string     { return "EHLO" }
func (Helo) Verb() string     { return "HELO" }
func (Lhlo) Verb() string     { return "LHLO" }
func (Mail) Verb() string     { return "MAIL" }
func (Rcpt) Verb() string     { return "RCPT" }
func (Data) Verb() string     { return "DATA" }
func (Rset) Verb() string     { return "RSET" }
func (Quit) Verb() string     { return "QUIT" }
func (StartTLS) Verb() string { return "STARTTLS" }
func (Bdat) Verb() string     { return "BDAT" }
func (Noop) Verb() string     { return "NOOP" }
func (Help) Verb() string     { return "HELP" }
func (Expn) Verb() string     { return "EXPN" }
func (Vrfy) Verb() string     { return "VRFY" }
func (Auth) Verb() string     { return "AUTH" }

func (c Ehlo) String() string   { return "EHLO " + c.Host.String() }
func (c Helo) String() string   { return "HELO " + c.Host.String() }
func (c Lhlo) String() string   { return "LHLO " + c.Host.String() }
func (Data) String() string     { return "DATA" }
func (Rset) String() string     { return "RSET" }
func (Quit) String() string     { return "QUIT" }
func (StartTLS) String() string { return "STARTTLS" }
func (c Noop) String() string   { return withText("NOOP", c.Text, false) }
func (c Help) String() string   { return withText("HELP", c.Text, false) }
func (c Expn) String() string   { return withText("EXPN", c.Text, c.UTF8) }
func (c Vrfy) String() string   { return withText("VRFY", c.Text, c.UTF8) }

func withText(verb, text string, utf8 bool) string {
	if text != "" {
		verb += " " + text
	}
	if utf8 {
		verb += " SMTPUTF8"
	}
	return verb
}

func (c Bdat) String() string {
	s := "BDAT " + strconv.FormatInt(c.Size, 10)
	if c.Last {
		s += " LAST"
	}
	return s
}

// String returns the command with its initial response: a secret, not for logs.
func (c Auth) String() string {
	s := "AUTH " + c.Mechanism
	switch {
	case c.Initial == nil:
		return s
	case len(c.Initial) == 0:
		return s + " ="
	}
	return s + " " + base64.StdEncoding.EncodeToString(c.Initial)
}

// String returns the command; with U-labels when it has SMTPUTF8.
func (c Mail) String() string {
	return "MAIL FROM:<" + c.From.XString(c.Params.SMTPUTF8) + ">" + c.Params.String()
}

// String returns the command, names with A-labels.
func (c Rcpt) String() string { return "RCPT TO:<" + c.To.String() + ">" + c.Params.String() }

// String returns the parameters, each with a space before it.
func (p MailParams) String() string {
	var b strings.Builder
	add := func(on bool, s string) {
		if on {
			b.WriteString(" " + s)
		}
	}
	add(p.HasSize, "SIZE="+strconv.FormatInt(p.Size, 10))
	add(p.Body != "", "BODY="+string(p.Body))
	add(p.SMTPUTF8, "SMTPUTF8")
	add(p.RequireTLS, "REQUIRETLS")
	add(p.Ret != "", "RET="+string(p.Ret))
	add(p.EnvID != "", "ENVID="+EncodeXtext(p.EnvID))
	add(p.Auth != "", "AUTH="+EncodeXtext(p.Auth))
	add(p.HoldFor != 0, "HOLDFOR="+strconv.FormatInt(p.HoldFor, 10))
	add(!p.HoldUntil.IsZero(), "HOLDUNTIL="+p.HoldUntil.UTC().Format(time.RFC3339))
	b.WriteString(otherString(p.Other))
	return b.String()
}

// String returns the parameters, each with a space before it.
func (p RcptParams) String() string {
	s := ""
	if p.Notify != 0 {
		s += " NOTIFY=" + p.Notify.String()
	}
	if p.ORcpt != (ORcpt{}) {
		s += " ORCPT=" + p.ORcpt.String()
	}
	return s + otherString(p.Other)
}

// String returns the value of the parameter.
func (n Notify) String() string {
	var l []string
	for _, e := range notifyNames {
		if n&e.bit != 0 {
			l = append(l, e.name)
		}
	}
	return strings.Join(l, ",")
}

// String returns the value of the parameter, in ASCII.
func (o ORcpt) String() string {
	if o.Type == "utf-8" {
		return o.Type + ";" + EncodeUTF8Xtext(o.Address)
	}
	return o.Type + ";" + EncodeXtext(o.Address)
}

func otherString(l []Param) string {
	s := ""
	for _, p := range l {
		s += " " + p.Keyword
		if p.HasValue {
			s += "=" + p.Value
		}
	}
	return s
}
