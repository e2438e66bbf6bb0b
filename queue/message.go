package queue

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"mox/dns"
	"mox/smtp"
)

// Kind says what a message is, as far as it is treated differently.
type Kind string

// Kinds of messages.
const (
	Ordinary    Kind = ""
	DSN         Kind = "dsn"
	DMARCReport Kind = "dmarcreport"
	TLSReport   Kind = "tlsreport"
	Forward     Kind = "forward"
)

// Message is a message for one recipient.
type Message struct {
	ID     int64 // never used twice; given by Add
	BaseID int64 // shared by the recipients of one submission: the ID of its first; given by Add

	Queued  time.Time // zero in Add: now
	Account string    // the sender's; "": of the server itself
	Kind    Kind

	Sender    smtp.Path // zero: the null reverse-path
	Recipient smtp.Path
	// The domains of Sender and Recipient, zero for address literals. Set by Add.
	SenderDomain, RecipientDomain dns.Domain

	FromID    string // unique part of Sender by which a DSN is matched; "": none
	MessageID string // of the header, without angle brackets
	Subject   string // decoded
	Size      int64  // octets of the content; set by Add

	EightBit   bool
	SMTPUTF8   bool
	BinaryMIME bool
	// RequireTLS: nil is the default; true REQUIRETLS, false TLS-Required: No (RFC 8689).
	RequireTLS *bool
	// Local: the recipient is of this server. It is delivered without SMTP.
	Local bool

	EnvID  string // RFC 3461; decoded
	Ret    smtp.Ret
	Notify smtp.Notify
	ORcpt  smtp.ORcpt

	Hold          bool
	Transport     string // "": by the routes
	Priority      int    // higher is first among what is due
	FutureRelease string // the request of RFC 4865 in words, for display; NextAttempt has its effect
	Extra         map[string]string

	Attempts      int
	MaxAttempts   int       // 0: as the sender of the queue has it
	NextAttempt   time.Time // zero in Add: at once
	LastAttempt   time.Time // zero: none yet
	DelayNotified bool      // the sender has been told of the delay
	Results       []Result  // the first and the latest, see Limits.Results
}

// LastResult returns the latest result; the zero value if there is none.
func (m *Message) LastResult() Result {
	if len(m.Results) == 0 {
		return Result{}
	}
	return m.Results[len(m.Results)-1]
}

// LocalDestination is the destination of messages for this server.
const LocalDestination = "local:"

// Destination is what messages are sent together to: the recipient's domain with A-labels,
// an address literal in brackets, or LocalDestination.
func (m *Message) Destination() string {
	if m.Local {
		return LocalDestination
	}
	return m.Recipient.IPDomain.String()
}

// Result is what one attempt gave for a recipient.
type Result struct {
	Start    time.Time
	Duration time.Duration `json:",omitempty"`
	Success  bool          `json:",omitempty"`
	// Code is the reply's, 0 when there was none; Enhanced as in "5.1.1".
	Code     int    `json:",omitempty"`
	Enhanced string `json:",omitempty"`
	// Error is for people: the reply's text, or what else went wrong; cut to
	// Limits.ResultText. Empty on success.
	Error     string `json:",omitempty"`
	RemoteMTA string `json:",omitempty"` // host that was talked to; "": none
	RemoteIP  string `json:",omitempty"`
	// Secure: the next hop was reached by verified TLS.
	Secure bool `json:",omitempty"`
	// DSN: no attempt gave it, but a notification from elsewhere; Start is when that came.
	DSN bool `json:",omitempty"`
}

// Permanent tells whether the result is a permanent negative reply, or a notification of
// such, which may have no reply.
func (r Result) Permanent() bool {
	return !r.Success && (r.Code/100 == 5 || r.DSN && r.Code == 0 && strings.HasPrefix(r.Enhanced, "5."))
}

// maxKeptExtra bounds Extra where little is to be kept, in octets.
const maxKeptExtra = 1024

// minimal is what of a message is kept only to match notifications that come later.
func (m *Message) minimal() *Message {
	small := &Message{
		ID: m.ID, BaseID: m.BaseID, Queued: m.Queued, Account: m.Account, Sender: m.Sender, Recipient: m.Recipient, SenderDomain: m.SenderDomain, RecipientDomain: m.RecipientDomain,
		FromID: m.FromID, MessageID: m.MessageID, ORcpt: m.ORcpt, Size: m.Size, Transport: m.Transport, Attempts: m.Attempts, LastAttempt: m.LastAttempt,
	}
	if n := len(m.Results); n > 0 {
		small.Results = m.Results[n-1:]
	}
	extra := 0
	for k, v := range m.Extra {
		extra += len(k) + len(v)
	}
	if extra <= maxKeptExtra {
		small.Extra = m.Extra
	}
	return small
}

// wireMessage is a Message as JSON, with addresses as they are written.
type wireMessage struct {
	ID, BaseID    int64
	Queued        time.Time
	Account       string
	Kind          Kind `json:",omitempty"`
	Sender        string
	Recipient     string
	FromID        string `json:",omitempty"`
	MessageID     string
	Subject       string `json:",omitempty"`
	Size          int64
	EightBit      bool              `json:",omitempty"`
	SMTPUTF8      bool              `json:",omitempty"`
	BinaryMIME    bool              `json:",omitempty"`
	RequireTLS    *bool             `json:",omitempty"`
	Local         bool              `json:",omitempty"`
	EnvID         string            `json:",omitempty"`
	Ret           smtp.Ret          `json:",omitempty"`
	Notify        string            `json:",omitempty"`
	ORcpt         string            `json:",omitempty"`
	Hold          bool              `json:",omitempty"`
	Transport     string            `json:",omitempty"`
	Priority      int               `json:",omitempty"`
	FutureRelease string            `json:",omitempty"`
	Extra         map[string]string `json:",omitempty"`
	Attempts      int
	MaxAttempts   int        `json:",omitempty"`
	NextAttempt   *time.Time `json:",omitempty"`
	LastAttempt   *time.Time `json:",omitempty"`
	DelayNotified bool       `json:",omitempty"`
	Results       []Result   `json:",omitempty"`
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// MessageJSON is what a [Message] is as JSON.
type MessageJSON = wireMessage

// MarshalJSON writes addresses as text, and leaves out what is not set.
func (m Message) MarshalJSON() ([]byte, error) {
	w := wireMessage{
		ID: m.ID, BaseID: m.BaseID, Queued: m.Queued, Account: m.Account, Kind: m.Kind,
		Sender: m.Sender.XString(true), Recipient: m.Recipient.XString(true),
		FromID: m.FromID, MessageID: m.MessageID, Subject: m.Subject, Size: m.Size,
		EightBit: m.EightBit, SMTPUTF8: m.SMTPUTF8, BinaryMIME: m.BinaryMIME, RequireTLS: m.RequireTLS, Local: m.Local,
		EnvID: m.EnvID, Ret: m.Ret, Hold: m.Hold, Transport: m.Transport, Priority: m.Priority,
		FutureRelease: m.FutureRelease, Extra: m.Extra, Attempts: m.Attempts, MaxAttempts: m.MaxAttempts,
		NextAttempt: timePtr(m.NextAttempt), LastAttempt: timePtr(m.LastAttempt), DelayNotified: m.DelayNotified, Results: m.Results,
	}
	if m.Notify != 0 {
		w.Notify = m.Notify.String()
	}
	if m.ORcpt != (smtp.ORcpt{}) {
		w.ORcpt = m.ORcpt.Type + ";" + m.ORcpt.Address
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Message) UnmarshalJSON(b []byte) error {
	var w wireMessage
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*m = Message{
		ID: w.ID, BaseID: w.BaseID, Queued: w.Queued, Account: w.Account, Kind: w.Kind,
		FromID: w.FromID, MessageID: w.MessageID, Subject: w.Subject, Size: w.Size,
		EightBit: w.EightBit, SMTPUTF8: w.SMTPUTF8, BinaryMIME: w.BinaryMIME, RequireTLS: w.RequireTLS, Local: w.Local,
		EnvID: w.EnvID, Ret: w.Ret, Hold: w.Hold, Transport: w.Transport, Priority: w.Priority,
		FutureRelease: w.FutureRelease, Extra: w.Extra, Attempts: w.Attempts, MaxAttempts: w.MaxAttempts,
		DelayNotified: w.DelayNotified, Results: w.Results,
	}
	if w.NextAttempt != nil {
		m.NextAttempt = *w.NextAttempt
	}
	if w.LastAttempt != nil {
		m.LastAttempt = *w.LastAttempt
	}
	var err error
	if m.Notify, err = parseNotify(w.Notify); err != nil {
		return err
	}
	m.ORcpt = parseORcpt(w.ORcpt)
	if m.Sender, err = parsePath(w.Sender); err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	if m.Recipient, err = parsePath(w.Recipient); err != nil {
		return fmt.Errorf("recipient: %w", err)
	}
	m.SenderDomain, m.RecipientDomain = m.Sender.IPDomain.Domain, m.Recipient.IPDomain.Domain
	return nil
}

// parsePath parses what Path.XString(true) printed.
func parsePath(s string) (smtp.Path, error) { return smtp.ParsePath("<"+s+">", smtp.Options{}) }
