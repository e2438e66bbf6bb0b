package webapi

import "time"

// Header fields of webhook calls.
const (
	HeaderHookID      = "X-Mox-Webhook-ID"      // number of the call, the same for each attempt
	HeaderHookAttempt = "X-Mox-Webhook-Attempt" // from 1

	// HeaderIdempotencyKey of a Send request is the same as its field IdempotencyKey.
	HeaderIdempotencyKey = "Idempotency-Key"
)

// Event is what became of a message for a recipient.
type Event string

// The events.
const (
	EventDelivered    Event = "delivered"    // accepted by the next server, which is not yet the recipient's mailbox
	EventSuppressed   Event = "suppressed"   // not tried: the recipient is on the suppression list
	EventDelayed      Event = "delayed"      // failed for now; it is tried again, here or by the server that says so
	EventFailed       Event = "failed"       // for good
	EventRelayed      Event = "relayed"      // to a server that will not tell about delivery; by DSN
	EventExpanded     Event = "expanded"     // to the members of a list; by DSN
	EventCanceled     Event = "canceled"     // removed from the queue by an administrator or the user
	EventUnrecognized Event = "unrecognized" // a message came to the unique MAIL FROM that is no DSN that is understood
	EventComplained   Event = "complained"   // the recipient complained to its provider, who sent a feedback report
)

// Events are all events, in the order of the documentation.
func Events() []Event {
	return []Event{EventDelivered, EventSuppressed, EventDelayed, EventFailed, EventRelayed, EventExpanded, EventCanceled, EventUnrecognized, EventComplained}
}

// OutgoingHook is the body of a webhook call about a message that was sent.
type OutgoingHook struct {
	Version          int               `doc:"0."`
	Event            Event             `doc:"What happened."`
	DSN              bool              `doc:"A notification from elsewhere (delivery status notification, feedback report) said so, rather than the server that mox delivered to."`
	Suppressing      bool              `doc:"Because of this the recipient was put on the suppression list."`
	QueueMsgID       int64             `doc:"As in Submissions of Send."`
	FromID           string            `doc:"As in Submissions of Send."`
	MessageID        string            `doc:"Message-ID with angle brackets."`
	Subject          string            `doc:"Subject."`
	WebhookQueued    time.Time         `doc:"When the event happened and the call was queued."`
	SMTPCode         int               `doc:"Code of the reply, 0 if there was none."`
	SMTPEnhancedCode string            `doc:"Enhanced status code, such as 5.1.1, if there was one."`
	Error            string            `doc:"Text of the error, if there was one."`
	Extra            map[string]string `doc:"As in Send."`
}

// IncomingMeta is what is known of a message that came in.
type IncomingMeta struct {
	MsgID               int64     `doc:"For MessageGet and the other methods about messages."`
	MailFrom            string    `doc:"Address of MAIL FROM."`
	MailFromValidated   bool      `doc:"SPF verified it."`
	MsgFromValidated    bool      `doc:"SPF, DKIM or DMARC verified the domain of From."`
	RcptTo              string    `doc:"Address of RCPT TO."`
	DKIMVerifiedDomains []string  `doc:"Domains with a valid DKIM signature."`
	RemoteIP            string    `doc:"Address of the client that delivered it."`
	Received            time.Time `doc:"When."`
	MailboxName         string    `doc:"Mailbox that it was delivered to."`
	Automated           bool      `doc:"It was not written by a person to this address: from a list, an automatic reply, a report. Do not answer it automatically."`
}

// IncomingHook is the body of a webhook call about a message that was delivered to the
// account.
type IncomingHook struct {
	Version    int           `doc:"0."`
	From       []NameAddress `doc:"Authors."`
	To         []NameAddress `doc:"Recipients."`
	CC         []NameAddress `doc:"Recipients of a copy."`
	BCC        []NameAddress `doc:"Mostly empty."`
	ReplyTo    []NameAddress `doc:"Where replies should go."`
	Subject    string        `doc:"Subject."`
	MessageID  string        `doc:"Message-ID with angle brackets."`
	InReplyTo  string        `doc:"Message-ID of the message that it answers, with angle brackets."`
	References []string      `doc:"Message-IDs of the conversation, with angle brackets."`
	Date       *time.Time    `doc:"Date of the message."`
	Text       string        `doc:"Plain text, cut after 1 MiB."`
	HTML       string        `doc:"HTML text, cut after 1 MiB."`
	Structure  Structure     `doc:"Parts."`
	Meta       IncomingMeta  `doc:"What is known of it."`
}
