package ban

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"mox/db"
	"mox/mlog"
)

// FileName is the name of the database in the data directory.
const FileName = "ban.db"

//go:embed schema/*.sql
var schemaFiles embed.FS

// Schema has the numbered migrations of a database FileName, for checks of its version.
func Schema() fs.FS { return db.Schema(schemaFiles) }

// Door is what a network is banned from.
type Door int

const (
	// Mail is port 25: mail from other servers.
	Mail Door = iota
	// Logins is submission, IMAP and HTTP.
	Logins
)

// doors is how many there are.
const doors = 2

var doorNames = [doors]string{"mail", "logins"}

// String returns "mail" or "logins".
func (d Door) String() string { return doorNames[d] }

// MarshalText implements encoding.TextMarshaler.
func (d Door) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Door) UnmarshalText(b []byte) error {
	for i, name := range doorNames {
		if name == string(b) {
			*d = Door(i)
			return nil
		}
	}
	return fmt.Errorf("unknown door %q", b)
}

// Reason is why a network is banned. The values are in the database, in metrics and JSON.
type Reason string

const (
	Authentication Reason = "authentication" // wrong passwords
	Recipients     Reason = "recipients"     // recipients that do not exist
	Protocol       Reason = "protocol"       // sessions that ended for commands that made no sense
	Scan           Reason = "scan"           // requests for well-known holes of web programs
	Manual         Reason = "manual"         // an administrator said so
)

// Text says the reason in a sentence, after "banned".
func (r Reason) Text() string {
	switch r {
	case Authentication:
		return "for failed logins"
	case Recipients:
		return "for too many unknown recipients"
	case Protocol:
		return "for sessions full of errors"
	case Scan:
		return "for requests for security holes"
	}
	return "by the administrator"
}

// Ban is a network that is banned at a door, or was.
type Ban struct {
	Network netip.Prefix
	Door    Door
	Reason  Reason
	Comment string `json:",omitempty"` // of a ban by hand
	Times   int    // how often the network was banned, this time included
	Events  int    // what it was banned for; 0 by hand
	Since   time.Time
	Expires time.Time `json:",omitzero"` // zero: never
}

// Active tells whether the ban is in force.
func (b *Ban) Active(now time.Time) bool { return b.Expires.IsZero() || now.Before(b.Expires) }

func (b *Ban) key() key { return key{b.Network, b.Door} }

type key struct {
	network netip.Prefix
	door    Door
}

// Limits are from how many offences within a day an address is banned, by reason. 0 is the
// default.
type Limits struct {
	// LoginFailures counts different wrong passwords: 20.
	LoginFailures int
	// Recipients counts those refused less those accepted: 100.
	Recipients int
	// Sessions counts those ended for nonsense: 10.
	Sessions int
	// Scans counts requests: 10.
	Scans int
}

func (l Limits) of(r Reason) int {
	switch r {
	case Authentication:
		return cmp.Or(l.LoginFailures, 20)
	case Recipients:
		return cmp.Or(l.Recipients, 100)
	case Protocol:
		return cmp.Or(l.Sessions, 10)
	}
	return cmp.Or(l.Scans, 10)
}

// wideFactor is how many times the limit of an address the wider network may reach.
const wideFactor = 5

// DefaultDurations are those of the first, second and further bans.
var DefaultDurations = []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// Options say how to open Bans. The zero value is usable.
type Options struct {
	Log *slog.Logger     // nil: none
	Now func() time.Time // nil: time.Now

	// Manual leaves bans to administrators: offences are not counted.
	Manual bool
	Limits Limits
	// Durations are those of the first, second, ... ban; the last is that of all further ones. Nil:
	// DefaultDurations. Those at the door of mail take an hour at most: senders try again for days, not
	// for weeks (RFC 5321 4.5.4.1).
	Durations []time.Duration
	// Exempt are networks that are never banned.
	Exempt []netip.Prefix
	Export Export

	// Banned, if not nil, is told of each ban that was made; Held how many there are at a door, when
	// that changes.
	Banned func(Door, Reason)
	Held   func(door Door, n int)

	Delay time.Duration // how long changes wait to be written; 0: 2 seconds
	Max   int           // bans, counters, networks of logins, and of senders, each; 0: 100,000
}

// Times that are not for anyone to choose.
const (
	window     = 24 * time.Hour      // in which offences count
	remembered = 30 * 24 * time.Hour // that a network was banned, after the end
	trusted    = 30 * 24 * time.Hour // a network of a login, or of verified mail, is not banned
	knownFor   = 90 * 24 * time.Hour // ... and is known, for [Bans.Users]
	seenEvery  = time.Hour           // a login, or verified mail, is noted again after that
	mailAtMost = time.Hour           // ban from port 25 that was made by counting
)

// Bans are the bans of a server. It is safe for concurrent use. Lookups in, and offences to, a nil
// *Bans do nothing.
type Bans struct {
	o    Options
	db   *db.DB
	held atomic.Int64 // bans in sets

	writing sync.Mutex // held while files are written

	mu       sync.RWMutex // guards the below
	sets     [doors]set   // bans in force
	past     map[key]*Ban // those that are over
	users    visitors     // who has logged in
	senders  visitors     // whose mail was accepted
	offences map[offenceKey]*offence
	changed  map[key]bool // rows to write
	stale    bool         // the export is not what it should be
	closed   bool

	wake  chan struct{} // 1: something is to be written
	quit  chan struct{}
	ended chan struct{}
}

// Open opens the database at path, making it when missing. A file that is damaged is set
// aside.
func Open(path string, o Options) (*Bans, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = mlog.New("ban", o.Log)
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.Durations) == 0 {
		o.Durations = DefaultDurations
	}
	o.Delay = cmp.Or(o.Delay, 2*time.Second)
	o.Max = cmp.Or(o.Max, 100_000)
	file, err := db.OpenAnew(path, db.Options{Log: o.Log, Migrations: Schema(), Readers: 1, CheckpointKiB: 1024})
	if err != nil {
		return nil, fmt.Errorf("opening database of bans: %w", err)
	}
	b := &Bans{
		o: o, db: file, past: map[key]*Ban{}, users: newVisitors("known"), senders: newVisitors("sender"), offences: map[offenceKey]*offence{},
		changed: map[key]bool{}, stale: true,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	for i := range b.sets {
		b.sets[i].bans = map[netip.Prefix]*Ban{}
	}
	if err := b.load(context.Background()); err != nil {
		file.Close()
		return nil, fmt.Errorf("reading bans: %w", err)
	}
	go b.run()
	return b, nil
}

// Close writes what waits and closes the file.
func (b *Bans) Close() error {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	b.mu.Unlock()
	if closed {
		<-b.ended
		return nil
	}
	close(b.quit)
	<-b.ended
	return b.db.Close()
}
