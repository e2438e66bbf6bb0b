package queue

import (
	"fmt"
	"time"
)

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

// ParseBound parses "<duration" (before now and that duration) or ">duration" (after); "now"
// is a duration too.
func ParseBound(s string, now time.Time) (Bound, error) {
	if s == "" || s[0] != '<' && s[0] != '>' {
		return Bound{}, fmt.Errorf("%w: %q must begin with < or >, before a duration or \"now\"", ErrInvalid, s)
	}
	d, err := ParseDuration(s[1:])
	if err != nil {
		return Bound{}, err
	}
	return Bound{Before: s[0] == '<', At: now.Add(d)}, nil
}

// ParseDuration parses a duration, where "now" is 0.
func ParseDuration(s string) (time.Duration, error) {
	if s == "now" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is not a duration, such as 1h30m", ErrInvalid, s)
	}
	return d, nil
}
