package queue

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"mox/chunk"
	"mox/db"
)

// FileName is the name of the queue in the data directory.
const FileName = "queue.db"

// Errors, to be tested with errors.Is.
var (
	// ErrClosed: the queue is closed.
	ErrClosed = db.ErrClosed
	// ErrDiskFull: there is no space for it now. Temporary: 452 4.3.1.
	ErrDiskFull = errors.New("no space left for the queue")
	// ErrLimit: the account has too much in the queue, see Limits. Temporary: 452 4.3.1.
	ErrLimit = errors.New("too many messages of the account are in the queue")
	// ErrNotFound: there is no such message, webhook call, rule or address.
	ErrNotFound = errors.New("not found")
	// ErrExists: it is there already.
	ErrExists = errors.New("exists already")
	// ErrInvalid: what was asked for cannot be; the text says why.
	ErrInvalid = errors.New("invalid")
	// ErrOnceDiffers: the key of a Once was used for something else.
	ErrOnceDiffers = errors.New("the idempotency key was used for another request")
)

// Options say how to open a Queue. The zero value is usable.
type Options struct {
	Log *slog.Logger     // nil: none
	Now func() time.Time // nil: time.Now

	Limits Limits

	// Retired says for how long what is done is kept for review, of messages and of webhook
	// calls, for an account; "" is the server itself. 0: not kept. nil: never kept. It
	// must be quick and call nothing of the Queue.
	Retired func(account string) (messages, hooks time.Duration)
	// Hooks returns the calls to be made about an event, without IDs. It runs inside the
	// commit of the event: it must be quick and call nothing of the Queue. nil: none.
	Hooks func(Event) []Hook
	// Notice composes the notification about a message that has failed without an
	// attempt: for a suppressed recipient, or by an administrator. nil without error when
	// there is to be none (null reverse-path, Notify). nil: there are none.
	Notice func(ctx context.Context, r Reported) (*NewMessage, error)
	// Suppress tells whether permanent failures of a message may put its recipient on the
	// suppression list of its account. Nil: those of ordinary messages of accounts. It must
	// be quick and call nothing of the Queue.
	Suppress func(*Message) bool
	// Changed is called when messages may be due sooner than was known, once that is
	// durable. HooksChanged likewise for webhook calls. They must not block; nil: nobody.
	Changed, HooksChanged func()
	// Touched is called when messages of an account came, went or changed, once that is
	// durable; with "" when they may be of any account. It must not block; nil: nobody.
	Touched func(account string)

	Watch       db.Watcher // is told when the database is opened and closed; nil: nobody
	VFS         string     // for tests, see db.Options
	Synchronous string     // for tests, see db.Options; "": FULL
}

// Limits bound what is kept. Zero fields have the defaults.
type Limits struct {
	Messages   int           // recipients queued of an account; 0: 100,000; negative: no limit
	Size       int64         // octets of content queued of an account; 0: 10 GiB; negative: no limit
	Results    int           // results kept of a message or webhook call: the first and the latest; 0: 20
	ResultText int           // octets of a text in a result; 0: 2048
	Extra      int           // octets of Message.Extra; 0: 64 KiB
	HoldRules  int           // 0: 1000
	Suppressed int           // addresses on the suppression list of an account; 0: 100,000. Those added by failures replace the oldest such
	Payload    int           // octets of a webhook call; 0: 4 MiB
	Hooks      int           // webhook calls waiting of an account; 0: 100,000. More are dropped and logged
	Failures   time.Duration // for which failures in sequence are counted; 0: 90 days
	Bounces    time.Duration // for which notifications about what was delivered are awaited, whatever Options.Retired says; 0: 5 days; negative: not
	Awaited    int           // messages kept for that only, about: the oldest go every hour; 0: 500,000
}

// Reported is what a notification is about.
type Reported struct {
	Message  Message // its ID is 0 when it was never queued
	Result   Result
	Original io.ReaderAt // until Notice returns
	Size     int64
}

// NewMessage is a message that enters the queue together with something else.
type NewMessage struct {
	Content  Content
	Messages []Message
	// For are the IDs of messages that this one is about. When Record finds none of them
	// (someone else had their outcome first), it is left out. Empty: it always enters.
	For []int64
}

// Content is the content of a message: Prefix (header fields that were added) and then
// Size octets of Body, with lines that end in CRLF.
type Content struct {
	Prefix []byte
	Body   io.ReaderAt
	Size   int64 // of Body
}

func (c Content) total() int64 { return int64(len(c.Prefix)) + c.Size }

// Queue is an open queue. It is safe for concurrent use.
type Queue struct {
	o         Options
	log       *slog.Logger
	db        *db.DB
	codec     *chunk.Codec
	committer *db.Committer

	mu      sync.Mutex      // guards begun
	begun   map[int64]int64 // by message: when an attempt began that is not noted yet, unix ms
	writing []int64         // those of begun that the commit under way notes; of the committer

	totals  totals // of the commit under way; of the committer
	nextIDs ids    // of the committer
	recent  recent

	quit    chan struct{}
	wake    chan struct{} // 1: there is content to free
	noted   chan struct{} // 1: an attempt began
	working sync.WaitGroup
	once    sync.Once
	watched watched
}
