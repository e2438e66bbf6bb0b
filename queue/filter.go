package queue

import "time"

// Bound is a bound of times: before At, or at or after it.
type Bound struct {
	Before bool
	At     time.Time
}

// Filter selects messages in the queue. The zero value selects all.
type Filter struct {
	IDs     []int64 // nil: any
	Max     int     // at most so many; 0: no limit
	Account string  // "": any
	// From and To are parts of sender and recipient, without regard to case, or "@domain" for
	// a domain. With both set, a message that has one of them is selected.
	From, To    string
	Hold        *bool
	Submitted   *Bound
	NextAttempt *Bound
	Transport   *string // "": the default
}

// Sort orders a list of messages or webhook calls. Of rows with equal times those with
// lower IDs are first, in Asc.
type Sort struct {
	Field string // "nextattempt" ("": this) or "queued"; of what is retired "lastactivity" ("": this) or "queued"
	Asc   bool
	// With LastID, the list begins after the row with that ID, which had that Last in Field.
	LastID int64
	Last   time.Time
}

// RetiredFilter selects messages that are done.
type RetiredFilter struct {
	IDs          []int64
	Max          int
	Account      string
	From, To     string // as in Filter
	Submitted    *Bound
	LastActivity *Bound
	Transport    *string
	Success      *bool
}

// HookFilter selects webhook calls that wait.
type HookFilter struct {
	IDs         []int64
	Max         int
	Account     string
	Submitted   *Bound
	NextAttempt *Bound
	Event       string // "": any
}

// HookRetiredFilter selects webhook calls that are done.
type HookRetiredFilter struct {
	IDs          []int64
	Max          int
	Account      string
	Submitted    *Bound
	LastActivity *Bound
	Event        string
}

// Shift says how to change the time of the next attempt.
type Shift struct {
	By  time.Duration
	Now bool // from now, not from the time set
}

// RetiredMessage is a message that is done.
type RetiredMessage struct {
	Message
	LastActivity time.Time
	Success      bool
	Event        string // what it ended as, one of the Event constants
	KeepUntil    time.Time
}

// HoldRule holds messages that match any of its fields which is not empty; without any, all messages.
type HoldRule struct {
	ID              int64
	Account         string
	SenderDomain    string // with A-labels
	RecipientDomain string // likewise
}

// Suppression is an address that messages of an account are not sent to.
type Suppression struct {
	ID              int64
	Created         time.Time
	Account         string
	BaseAddress     string // see BaseAddress
	OriginalAddress string
	Manual          bool
	Reason          string
}

// Stats are numbers for metrics and pages.
type Stats struct {
	Messages, Held, Retired int
	Hooks, RetiredHooks     int
	Oldest                  time.Time // when the oldest message was queued; zero: none
	Size                    int64     // octets of content, uncompressed
}

// DueOptions say what Due returns.
type DueOptions struct {
	// Busy tells that a destination (see Message.Destination) takes no more now. It must
	// be quick and call nothing of the Queue. nil: none does.
	Busy func(destination string) bool
	// Skip leaves out a message, as one that is being sent. Likewise.
	Skip func(id int64) bool
	Max  int // messages; 0: 100
	// PerDestination is how many submissions (BaseIDs) for one destination are returned; 0: 1.
	PerDestination int
	// Recipients is how many messages of one submission for one destination are returned, at most; 0: 100.
	Recipients int
}
