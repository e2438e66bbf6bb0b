package queue

import (
	"context"
	"errors"
	"io"
	"time"

	"mox/smtp"
)

var errStub = errors.New("not yet")

// Open opens the queue at path, making it when missing.
func Open(path string, o Options) (*Queue, error) { return nil, errStub }

// Close waits for what is under way and closes the file.
func (q *Queue) Close() error { return errStub }

// Add makes messages with one content durable: all or none. Hold rules and the suppression list apply.
func (q *Queue) Add(ctx context.Context, c Content, msgs []Message) (Added, error) {
	return Added{}, errStub
}

// AddOnce is Add for a request that may be repeated.
func (q *Queue) AddOnce(ctx context.Context, once Once, c Content, msgs []Message) (Added, error) {
	return Added{}, errStub
}

// OnceResult returns what was stored under a key; ErrNotFound when nothing was.
func (q *Queue) OnceResult(ctx context.Context, o Once) ([]byte, error) { return nil, errStub }

// AddDone keeps history and tells webhooks of messages that were delivered without being queued.
func (q *Queue) AddDone(ctx context.Context, msgs []Message, results []Result) ([]Message, error) {
	return nil, errStub
}

// ContentReader reads the content of a message.
type ContentReader struct{}

func (r *ContentReader) Size() int64                             { return 0 }
func (r *ContentReader) ReadAt(p []byte, off int64) (int, error) { return 0, errStub }
func (r *ContentReader) WriteTo(w io.Writer) (int64, error)      { return 0, errStub }
func (r *ContentReader) Close() error                            { return nil }

// Content opens the content of a message.
func (q *Queue) Content(ctx context.Context, id int64) (*ContentReader, error) { return nil, errStub }

// Due returns messages to be sent.
func (q *Queue) Due(ctx context.Context, now time.Time, o DueOptions) ([]Message, error) {
	return nil, errStub
}

// Next returns when the next message is due that Due would return; false: none is.
func (q *Queue) Next(ctx context.Context, o DueOptions) (time.Time, bool, error) {
	return time.Time{}, false, errStub
}

// Begin notes that attempts begin.
func (q *Queue) Begin(ctx context.Context, ids ...int64) error { return errStub }

// Record stores what attempts gave, with all consequences, durably.
func (q *Queue) Record(ctx context.Context, outcomes []Outcome, notices []NewMessage) error {
	return errStub
}

// DSNReport is what a DSN from elsewhere says about a message that was sent.
type DSNReport struct {
	FromID string
	Event  string // EventDelivered, EventDelayed, EventFailed, EventRelayed, EventExpanded
	Result Result
}

// RecordDSN adds to the history of a message what a DSN told, tells webhooks and the suppression list.
func (q *Queue) RecordDSN(ctx context.Context, r DSNReport) (Message, error) {
	return Message{}, errStub
}

func (q *Queue) Get(ctx context.Context, id int64) (Message, error)            { return Message{}, errStub }
func (q *Queue) List(ctx context.Context, f Filter, s Sort) ([]Message, error) { return nil, errStub }
func (q *Queue) Count(ctx context.Context, f Filter) (int, error)              { return 0, errStub }
func (q *Queue) Stats(ctx context.Context) (Stats, error)                      { return Stats{}, errStub }
func (q *Queue) Hold(ctx context.Context, f Filter, hold bool) (int, error)    { return 0, errStub }
func (q *Queue) Schedule(ctx context.Context, f Filter, s Shift) (int, error)  { return 0, errStub }
func (q *Queue) SetTransport(ctx context.Context, f Filter, transport string) (int, error) {
	return 0, errStub
}
func (q *Queue) SetRequireTLS(ctx context.Context, f Filter, requireTLS *bool) (int, error) {
	return 0, errStub
}
func (q *Queue) Fail(ctx context.Context, f Filter) (int, error) { return 0, errStub }
func (q *Queue) Drop(ctx context.Context, f Filter) (int, error) { return 0, errStub }
func (q *Queue) RetiredList(ctx context.Context, f RetiredFilter, s Sort) ([]RetiredMessage, error) {
	return nil, errStub
}
func (q *Queue) RetiredGet(ctx context.Context, id int64) (RetiredMessage, error) {
	return RetiredMessage{}, errStub
}
func (q *Queue) HoldRules(ctx context.Context) ([]HoldRule, error) { return nil, errStub }
func (q *Queue) HoldRuleAdd(ctx context.Context, r HoldRule) (added HoldRule, held int, err error) {
	return HoldRule{}, 0, errStub
}
func (q *Queue) HoldRuleRemove(ctx context.Context, id int64) error { return errStub }

func (q *Queue) SuppressionList(ctx context.Context, account string) ([]Suppression, error) {
	return nil, errStub
}
func (q *Queue) SuppressionAdd(ctx context.Context, account string, address smtp.Path, manual bool, reason string) (Suppression, error) {
	return Suppression{}, errStub
}
func (q *Queue) SuppressionRemove(ctx context.Context, account string, address smtp.Path) error {
	return errStub
}
func (q *Queue) SuppressionLookup(ctx context.Context, account string, address smtp.Path) (*Suppression, error) {
	return nil, errStub
}

func (q *Queue) HookAdd(ctx context.Context, hooks ...Hook) ([]Hook, error) { return nil, errStub }
func (q *Queue) HookDue(ctx context.Context, now time.Time, o HookDueOptions) ([]Hook, error) {
	return nil, errStub
}
func (q *Queue) HookNext(ctx context.Context, o HookDueOptions) (time.Time, bool, error) {
	return time.Time{}, false, errStub
}
func (q *Queue) HookRecord(ctx context.Context, outcomes ...HookOutcome) error { return errStub }
func (q *Queue) HookList(ctx context.Context, f HookFilter, s Sort) ([]Hook, error) {
	return nil, errStub
}
func (q *Queue) HookCount(ctx context.Context, f HookFilter) (int, error) { return 0, errStub }
func (q *Queue) HookGet(ctx context.Context, id int64) (Hook, error)      { return Hook{}, errStub }
func (q *Queue) HookSchedule(ctx context.Context, f HookFilter, s Shift) (int, error) {
	return 0, errStub
}
func (q *Queue) HookCancel(ctx context.Context, f HookFilter) (int, error) { return 0, errStub }
func (q *Queue) HookRetiredList(ctx context.Context, f HookRetiredFilter, s Sort) ([]RetiredHook, error) {
	return nil, errStub
}
func (q *Queue) HookRetiredGet(ctx context.Context, id int64) (RetiredHook, error) {
	return RetiredHook{}, errStub
}
