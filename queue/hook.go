package queue

import "time"

// Hook is a call of a webhook.
type Hook struct {
	ID      int64 // never used twice; given by the queue
	Account string
	URL     string
	// Authorization is the value of that header field; "": none.
	Authorization string `json:"-"`
	Event         string // EventIncoming, or what happened to an outgoing message
	// QueueMsgID is the outgoing message; 0: none. A call about it that waits is replaced by
	// a newer one to the same URL.
	QueueMsgID int64             `json:",omitempty"`
	FromID     string            `json:",omitempty"`
	MessageID  string            `json:",omitempty"`
	Subject    string            `json:",omitempty"`
	Extra      map[string]string `json:",omitempty"`
	Payload    []byte            `json:"-"` // JSON
	Queued     time.Time         // zero: now

	Attempts    int
	NextAttempt time.Time    `json:",omitzero"` // zero in HookAdd: at once
	LastAttempt time.Time    `json:",omitzero"`
	Results     []HookResult `json:",omitempty"` // the first and the latest, see Limits.Results
}

// LastResult returns the latest result; the zero value if there is none.
func (h *Hook) LastResult() HookResult {
	if len(h.Results) == 0 {
		return HookResult{}
	}
	return h.Results[len(h.Results)-1]
}

// HookResult is what one call gave.
type HookResult struct {
	Start    time.Time
	Duration time.Duration `json:",omitempty"`
	URL      string        `json:",omitempty"`
	Success  bool          `json:",omitempty"`
	Code     int           `json:",omitempty"` // HTTP status; 0: none
	Error    string        `json:",omitempty"`
	Response string        `json:",omitempty"` // beginning of the body
}

// HookOutcome is what a call means for the Hook: with Next set there is another
// attempt then, otherwise it is done.
type HookOutcome struct {
	ID     int64
	Result HookResult
	Next   time.Time
}

// RetiredHook is a call that is done.
type RetiredHook struct {
	Hook
	LastActivity time.Time
	Success      bool
	Canceled     bool  `json:",omitempty"`
	SupersededBy int64 `json:",omitempty"` // ID of the newer call that replaced it
	KeepUntil    time.Time
}

// HookDueOptions say what HookDue returns.
type HookDueOptions struct {
	Busy func(url string) bool // URLs that are being called; must be quick; nil: none
	Max  int                   // calls, one of each URL; 0: 10
}
