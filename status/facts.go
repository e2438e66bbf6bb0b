package status

import (
	"net/netip"
	"strings"
	"time"

	"mox/autotls"
	"mox/backup"
	"mox/queue"
)

// Facts are what is known of a server at a moment. Whatever is zero is well, but Disk.Free, of
// which nothing is said unless Disk.Known, and Backup.
type Facts struct {
	Now    time.Time
	Uptime time.Duration

	Health []string // what the server found wrong by using itself
	// Unknown is what could not be found out, and why.
	Unknown      []string
	Certificates []autotls.CertStatus
	Queue        Queue
	Connections  Connections
	Disk         Disk
	Backup       *Backup // nil: none is configured
	ReplicaLag   time.Duration
	Listings     []Listing
	SearchLag    time.Duration
	Warnings     []string // about the configuration
	Upgrade      Upgrade
	Newer        string // version that is newer than the one that runs, if one is known

	Panics int // since the start
	// Within the last day, or since the start if that is later.
	Errors   int // lines logged at level error
	Unstored int // incoming messages that could not be stored, or accounts not opened for them
}

// Disk is the file system of the data directory.
type Disk struct {
	Dir   string
	Free  uint64 // bytes
	Known bool
}

// Backup is how backups are.
type Backup struct {
	Interval time.Duration // between them
	State    backup.ManagerState
	Drill    backup.DrillState
}

// Listing is an address of this server that a DNS blocklist has.
type Listing struct {
	Zone string
	IP   netip.Addr
}

// Connections are those to other mail servers since the start.
type Connections struct {
	LastOK   time.Time // zero: none has succeeded
	Timeouts int       // attempts that timed out after LastOK
	Others   int       // attempts after LastOK that failed in another way, such as a connection refused
}

// Upgrade is the last one.
type Upgrade struct {
	Failed bool   // it was undone, or has failed after it served
	Undone bool   // the program before serves again
	Reason string // of the failure
}

// Ages of messages in the queue.
const (
	late        = 24 * time.Hour // has waited so long: someone expects to hear of it
	failingFrom = 3              // messages for a destination of which all were tried twice in vain
)

// Queue is what waits in the queue.
type Queue struct {
	Messages     int
	Destinations []Destination // that messages wait for which were tried
	Late         int           // messages of Destinations that have waited for a day
	Oldest       time.Time     // of those
	Held         int           // messages on hold for a day
	More         bool          // not all messages were looked at
}

// Destination is where messages are to go.
type Destination struct {
	Name     string // a domain
	Messages int
	Late     int    // have waited for a day
	Repeated int    // were tried twice or more
	NoReply  int    // whose last attempt reached no host
	Error    string // of a last attempt
}

// Add counts a message in the queue.
func (q *Queue) Add(m *queue.Message, now time.Time) {
	q.Messages++
	old := now.Sub(m.Queued) >= late
	if m.Hold {
		if old {
			q.Held++
		}
		return
	}
	// One that is to be sent later has not been tried.
	if m.Attempts == 0 && (m.NextAttempt.After(now) || !old) {
		return
	}
	d := q.destination(m.Destination())
	d.Messages++
	if old {
		d.Late++
		q.Late++
		if q.Oldest.IsZero() || m.Queued.Before(q.Oldest) {
			q.Oldest = m.Queued
		}
	}
	if m.Attempts >= 2 {
		d.Repeated++
	}
	r := m.LastResult()
	if r.Error != "" {
		d.Error = r.Error
	}
	if m.Attempts > 0 && r.Enhanced == noAnswer && !r.DSN && !m.Local {
		d.NoReply++
	}
}

// noAnswer is what package outbound notes when no connection could be made.
// RFC 3463 3.5: X.4.1 no answer from host.
const noAnswer = "4.4.1"

// thisServer is the destination of messages for this server, in words.
const thisServer = "this server"

func (q *Queue) destination(name string) *Destination {
	if name == queue.LocalDestination {
		name = thisServer
	}
	for i := range q.Destinations {
		if strings.EqualFold(q.Destinations[i].Name, name) {
			return &q.Destinations[i]
		}
	}
	q.Destinations = append(q.Destinations, Destination{Name: name})
	return &q.Destinations[len(q.Destinations)-1]
}
