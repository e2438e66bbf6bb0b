package dsn

import (
	"time"

	"mox/smtp"
)

// Action is what became of a message for a recipient (RFC 3464 2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"  // passed on to a server that does not know DSN
	Expanded  Action = "expanded" // passed on to several addresses
)

// MTA names a server. The zero value is none.
type MTA struct {
	Type string // in lower case, mostly "dns"
	Name string
}

// DNS returns the MTA of a host name or address literal, none for "".
func DNS(name string) MTA {
	if name == "" {
		return MTA{}
	}
	return MTA{"dns", name}
}

// Field is a field that this package does not know.
type Field struct{ Name, Value string }

// Status is the part of a notification that is for programs (RFC 3464 2). Texts are UTF-8
// on one line; zero fields are not there.
type Status struct {
	EnvID        string // ENVID of the message, decoded
	ReportingMTA MTA
	Gateway      MTA
	ReceivedFrom MTA
	Arrival      time.Time
	Other        []Field
	Recipients   []Recipient
}

// Recipient is what became of a message for a recipient (RFC 3464 2.3).
type Recipient struct {
	Original    smtp.ORcpt // as the sender wrote it
	Final       smtp.ORcpt // as it was when the action was taken
	Action      Action
	Status      string // enhanced status code, as in "5.1.1"
	RemoteMTA   MTA    // the server that said Diagnostic
	Diagnostic  Diagnostic
	LastAttempt time.Time
	LogID       string
	RetryUntil  time.Time // of Delayed
	Other       []Field
}

// Diagnostic is what a server said, or what else went wrong.
type Diagnostic struct {
	Type string // in lower case: "smtp" for a reply
	Text string
}

// Address returns an address as a recipient of a Status.
func Address(p smtp.Path) smtp.ORcpt {
	s := p.XString(true)
	for i := range len(s) {
		if s[i] >= 0x80 {
			return smtp.ORcpt{Type: "utf-8", Address: s}
		}
	}
	return smtp.ORcpt{Type: "rfc822", Address: s}
}
