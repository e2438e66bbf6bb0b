package serve

import (
	"context"
	"strings"
	"sync"
	"time"

	"mox/config"
	"mox/metrics"
	"mox/status"
	"mox/upgrade"
	"mox/upkeep"
)

// watch remembers what counters do not tell: what happened lately. Its zero value is ready.
type watch struct {
	mu   sync.Mutex
	conn status.Connections
	// marks are counters, one for each hour of the last day; the oldest is first.
	marks []mark
}

// mark has counters at a moment.
type mark struct{ errors, unstored int }

// marksKept is a day of marks.
const marksKept = 24

// connections counts outcomes of connections to other servers, as well as next does.
func (w *watch) connections(next func(result string), now func() time.Time) func(result string) {
	return func(result string) {
		next(result)
		w.mu.Lock()
		defer w.mu.Unlock()
		switch result {
		case "ok":
			w.conn = status.Connections{LastOK: now()}
		case "timeout":
			w.conn.Timeouts++
		case "error":
			w.conn.Others++
		}
	}
}

// note keeps the counters of an hour.
func (w *watch) note(m mark) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.marks) == marksKept {
		w.marks = w.marks[1:]
	}
	w.marks = append(w.marks, m)
}

// lately returns what was counted within a day, for counters that are at m now.
func (w *watch) lately(m mark) (mark, status.Connections) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.marks) == marksKept {
		m.errors -= w.marks[0].errors
		m.unstored -= w.marks[0].unstored
	}
	return m, w.conn
}

// watchCounters notes counters each hour.
func (s *Server) watchCounters() {
	for upkeep.Sleep(s.ctx, time.Hour) {
		s.watch.note(s.mark())
	}
}

// mark reads the counters.
func (s *Server) mark() mark {
	return mark{
		errors:   s.counted(metrics.LoggingError.Name),
		unstored: s.counted(metrics.SMTPServerDelivery.Name, "result=accounterror", "result=delivererror"),
	}
}

// counted sums a counter, of the label values that are given only.
func (s *Server) counted(name string, only ...string) (n int) {
	values, err := s.Registry.Gather(name)
	if err != nil {
		return 0
	}
	for labels, v := range values {
		wanted := len(only) == 0
		for _, o := range only {
			wanted = wanted || strings.Contains(labels, o)
		}
		if wanted {
			n += int(v)
		}
	}
	return n
}

// Facts implements admin.Process.
func (s *Server) Facts(ctx context.Context) status.Facts {
	h := s.Health(ctx)
	f := status.Facts{Uptime: h.Uptime, Health: h.Problems, Panics: h.Panics, SearchLag: s.Search.Stats().Lag, Listings: listings(s.Registry, s.Config.Snapshot())}
	var lately mark
	lately, f.Connections = s.watch.lately(s.mark())
	f.Errors, f.Unstored = lately.errors, lately.unstored
	f.Disk.Dir = s.Config.Snapshot().DataPath(".")
	free, err := upgrade.FreeSpace(f.Disk.Dir)
	if err != nil {
		f.Unknown = append(f.Unknown, "disk: "+err.Error())
	}
	// Where it is not known, FreeSpace tells of more than there can be.
	f.Disk.Free, f.Disk.Known = free, err == nil && free < 1<<60
	if v := s.newer.Load(); v != nil {
		f.Newer = v.String()
	}
	if s.replica != nil {
		f.ReplicaLag = s.replica.Lag()
	}
	return f
}

// listings are addresses of ours that blocklists have, as far as it was looked for; see ownListings.
func listings(registry *metrics.Registry, snap *config.Snapshot) []status.Listing {
	values, err := registry.Gather(metrics.DNSBLIPsSuccess.Name)
	if err != nil {
		return nil
	}
	var l []status.Listing
	for _, k := range ownListingsOf(snap) {
		for labels, v := range values {
			if v == 0 && hasLabels(labels, "zone="+k.zone.ASCII, "ip="+k.ip.String()) {
				l = append(l, status.Listing{Zone: k.zone.ASCII, IP: k.ip})
			}
		}
	}
	return l
}

// hasLabels tells whether labels, as Gather has them, has all of want.
func hasLabels(labels string, want ...string) bool {
	n := 0
	for l := range strings.SplitSeq(labels, ",") {
		for _, w := range want {
			if l == w {
				n++
			}
		}
	}
	return n == len(want)
}
