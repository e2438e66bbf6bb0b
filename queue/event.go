package queue

import "time"

// Events of outgoing messages, for webhooks.
const (
	EventDelivered    = "delivered"  // taken by the next hop
	EventSuppressed   = "suppressed" // not tried: on the suppression list
	EventDelayed      = "delayed"
	EventFailed       = "failed"
	EventRelayed      = "relayed"  // taken by a next hop that does not know DSN
	EventExpanded     = "expanded" // by a DSN
	EventCanceled     = "canceled" // dropped by an administrator or the API
	EventUnrecognized = "unrecognized"
	EventComplained   = "complained" // by a feedback report
	EventIncoming     = "incoming"   // of Hook and HookFilter: a message came in
)

// Event is something that happened to a message, for webhooks.
type Event struct {
	Name    string // one of the Event constants
	Account string
	Message Message // as it was; with the new result among Results
	Result  Result
	DSN     bool // known by a notification from elsewhere, a DSN or feedback report
	// Suppressing: the recipient was put on the suppression list by this.
	Suppressing bool
	Time        time.Time
}

// Action is what an attempt means for a message.
type Action int

// Actions.
const (
	// Delayed: a temporary failure; there is another attempt at Outcome.Next.
	Delayed Action = iota
	// Delivered, Relayed and Expanded are successes, in the words of RFC 3464 2.3.3.
	Delivered
	Relayed
	Expanded
	// Failed: permanently, or given up.
	Failed
)

// Outcome is what an attempt gave for a message.
type Outcome struct {
	ID     int64
	Action Action
	Result Result
	Next   time.Time // of Delayed
	// NotifyDelayed, of Delayed: the sender is told (among the notices given to Record, as
	// far as it wants that), and webhooks are.
	NotifyDelayed bool
	// NoSuppress: the failure says nothing about the recipient, as when a policy of our
	// own made it.
	NoSuppress bool
	// NotTried: nobody was asked (as when the sender's domain is disabled): it does not count as an attempt.
	NotTried bool
}

// Added is what Add did.
type Added struct {
	// Messages are those given to Add, in their order, with IDs.
	Messages []Message
	// Suppressed are the indices in Messages of those that were not queued, because the
	// recipient is on the suppression list of the account. They are in the history, webhooks
	// are told, and the sender is (Options.Notice), in the commit of Add.
	Suppressed []int
	// Again: the key of the Once was used before; nothing was added, and Stored is what was stored then.
	Again  bool
	Stored []byte
}

// Once makes that a request which is repeated is done once.
type Once struct {
	Account string
	Key     string        // chosen by the client, at most 255 octets
	Hash    []byte        // of the request: another one under the same key is ErrOnceDiffers; nil: not compared
	Keep    time.Duration // how long the key is remembered; 0: 24 hours
	// Result makes what is stored. It must be quick and call nothing of the Queue.
	Result func(Added) []byte
}
