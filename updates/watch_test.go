package updates

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mox/dns"
)

// watched is a feed that is watched by a server.
type watched struct {
	dns.MockResolver // of all other lookups
	t                *testing.T
	record           string // "": DNS fails
	changelog        []byte // nil: HTTP fails
	lookups          []time.Time
	fetches          int
	full             int
	told             []Notice
	refuse           error // of telling
	newer            []Version
	log              bytes.Buffer
	path             string
	running          string
	random           float64
}

func (w *watched) watcher() *Watcher {
	c := &Client{Feed: testFeed(w.t), Resolver: w, Transport: handled(func(rw http.ResponseWriter, r *http.Request) {
		w.fetches++
		if w.changelog == nil {
			http.Error(rw, "out of order", 500)
			return
		}
		rw.Header().Set("ETag", `"x`+string(rune('a'+len(w.changelog)%26))+`"`)
		if r.Header.Get("If-None-Match") != rw.Header().Get("ETag") {
			w.full++
		}
		http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(w.changelog))
	})}
	return NewWatcher(WatchOptions{
		Client: c, Running: w.running, Path: w.path, Now: time.Now, Random: func() float64 { return w.random },
		Deliver: func(_ context.Context, n Notice) error {
			if w.refuse == nil {
				w.told = append(w.told, n)
			}
			return w.refuse
		},
		Newer: func(n Version) { w.newer = append(w.newer, n) },
		Log:   slog.New(slog.NewTextHandler(&w.log, nil)),
	})
}

// LookupTXT makes it the resolver; the other lookups are not for it.
func (w *watched) LookupTXT(ctx context.Context, name string) ([]string, dns.Result, error) {
	w.lookups = append(w.lookups, time.Now())
	zone := dns.MockResolver{TXT: map[string][]string{"_updates.mox.example": {w.record}}}
	if w.record == "" {
		zone.Fail = map[string]error{"txt " + name: nil}
	}
	return zone.LookupTXT(ctx, name)
}

// run runs a watcher for a time.
func (w *watched) run(d time.Duration) {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	w.watcher().Run(ctx)
}

func newWatched(t *testing.T, running string) *watched {
	return &watched{t: t, path: filepath.Join(t.TempDir(), StateFile), running: running, random: 0.5}
}

// state is the content of the file.
func (w *watched) state() string {
	b, err := os.ReadFile(w.path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(string(b), "\n")
}

// TestWatcher: one lookup a day, one message for a version, also across restarts.
func TestWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, "v1.2.0 go1.26.1")
		w.record, w.changelog = "v=UPDATES0; l=v1.2.0", testChangelog(t, 1, "v1.2.0")
		start := time.Now()
		w.run(60 * time.Hour)
		if len(w.lookups) != 3 || w.fetches != 0 || len(w.told) != 0 || w.state() != "v1.2.0" {
			t.Fatalf("%d lookups, %d fetches, %v, %q", len(w.lookups), w.fetches, w.told, w.state())
		}
		if first := w.lookups[0].Sub(start); first != 6*time.Minute {
			t.Errorf("first lookup after %v", first)
		}
		if d := w.lookups[2].Sub(w.lookups[1]); d != 24*time.Hour {
			t.Errorf("lookups are %v apart", d)
		}
		// A restart is no reason to look again.
		for range 5 {
			w.run(time.Hour)
		}
		if len(w.lookups) != 3 {
			t.Errorf("%d lookups after restarts", len(w.lookups))
		}
		// Two releases, of which the older was missed.
		w.record, w.changelog = "v=UPDATES0; l=v1.3.0", testChangelog(t, 1, "v1.3.0", "v1.4.0", "v1.2.1", "v1.2.2-rc.1", "v1.2.0")
		w.run(72 * time.Hour)
		w.run(72 * time.Hour)
		if len(w.told) != 1 || w.fetches != 1 || w.state() != "v1.3.0" {
			t.Fatalf("%d fetches, %v, %q", w.fetches, w.told, w.state())
		}
		n := w.told[0]
		if len(n.Releases) != 2 || n.Releases[0].Version != "v1.3.0" || n.Releases[1].Version != "v1.2.1" || n.Subject() != "mox v1.3.0 is available" {
			t.Errorf("%+v", n)
		}
		for _, part := range []string{"This server runs v1.2.0. Version v1.3.0 is available.", "\tmox upgrade\n", "What is new in v1.3.0.\n\nv1.2.1, 2026-11-22\n"} {
			if !strings.Contains(n.Text(), part) {
				t.Errorf("no %q in %s", part, n.Text())
			}
		}
		if w.newer[len(w.newer)-1].String() != "v1.3.0" || !w.newer[0].IsZero() {
			t.Error(w.newer)
		}
		// Upgraded: nothing is newer. A version that is taken back is no news.
		w.running = "v1.3.0 go1.26.1"
		w.run(48 * time.Hour)
		w.record = "v=UPDATES0; l=v1.2.0"
		w.run(48 * time.Hour)
		if len(w.told) != 1 || !w.newer[len(w.newer)-1].IsZero() || w.state() != "v1.3.0" {
			t.Error(w.told, w.newer, w.state())
		}
		if strings.Contains(w.log.String(), "WARN") {
			t.Error(w.log.String())
		}
	})
}

// TestWatcherFailures: longer and longer waits, quiet in the log, told once it works.
func TestWatcherFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, "v1.2.0 go1.26.1")
		w.random = 0
		w.run(5 * 24 * time.Hour)
		var waits []time.Duration
		for i := range w.lookups[1:] {
			waits = append(waits, w.lookups[i+1].Sub(w.lookups[i])/time.Hour)
		}
		if len(waits) != 8 || waits[0] != 1 || waits[1] != 2 || waits[4] != 16 || waits[5] != 24 || waits[7] != 24 {
			t.Errorf("waits of hours: %d", waits)
		}
		if w.log.Len() > 0 {
			t.Error(w.log.String())
		}
		w.run(20 * 24 * time.Hour)
		if n := strings.Count(w.log.String(), "WARN"); n != 1 {
			t.Errorf("%d warnings: %s", n, w.log.String())
		}
		if _, err := os.Stat(w.path); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		// DNS is back, and the web server is not; then it has what DNS says not yet; then mail fails.
		w.record = "v=UPDATES0; l=v1.3.0"
		w.run(3 * 24 * time.Hour)
		w.changelog = testChangelog(t, 1, "v1.2.0")
		w.full = 0
		w.run(3 * 24 * time.Hour)
		if w.full != 1 {
			t.Errorf("changelog that was the same was sent %d times", w.full)
		}
		w.changelog = testChangelog(t, 1, "v1.3.0")
		w.refuse = errors.New("disk full")
		w.run(3 * 24 * time.Hour)
		if len(w.told) != 0 {
			t.Error(w.told)
		}
		w.refuse = nil
		w.run(3 * 24 * time.Hour)
		if len(w.told) != 1 || w.state() != "v1.3.0" {
			t.Error(w.told, w.state())
		}
		// Somebody else's signature is none.
		w.record, w.changelog = "v=UPDATES0; l=v1.4.0", testChangelog(t, 2, "v1.4.0")
		w.run(3 * 24 * time.Hour)
		if len(w.told) != 1 || w.state() != "v1.3.0" {
			t.Error(w.told, w.state())
		}
	})
}

// TestWatcherWithdrawn: DNS says a version that the changelog never gets, then one that it has.
func TestWatcherWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, "v1.2.0 go1.26.1")
		w.changelog = testChangelog(t, 1, "v1.3.0", "v1.2.0")
		o := w.watcher()
		w.record = "v=UPDATES0; l=v1.4.0"
		for range 2 {
			if err := o.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no entry of it") {
				t.Error(err)
			}
		}
		if w.full != 1 {
			t.Errorf("changelog that was the same was sent %d times", w.full)
		}
		w.record = "v=UPDATES0; l=v1.3.0"
		if err := o.Check(t.Context()); err != nil || len(w.told) != 1 || w.state() != "v1.3.0" {
			t.Error(err, w.told, w.state())
		}
	})
}

// TestWatcherDevelopment: a build that is no release is told of what comes after its first start.
func TestWatcherDevelopment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, "(devel) 0d8b838abcde go1.26.1")
		w.record, w.changelog = "v=UPDATES0; l=v1.2.0", testChangelog(t, 1, "v1.2.0", "v1.1.0")
		w.run(48 * time.Hour)
		if len(w.told) != 0 || w.state() != "v1.2.0" {
			t.Error(w.told, w.state())
		}
		w.record, w.changelog = "v=UPDATES0; l=v1.3.0-rc.1", testChangelog(t, 1, "v1.3.0-rc.1", "v1.2.0")
		w.run(48 * time.Hour)
		if len(w.told) != 1 || len(w.told[0].Releases) != 1 || w.state() != "v1.3.0-rc.1" || !strings.Contains(w.told[0].Text(), "mox upgrade -version v1.3.0-rc.1\n") {
			t.Error(w.told, w.state())
		}
	})
}

// TestWatcherState: files as others left them.
func TestWatcherState(t *testing.T) {
	for content, told := range map[string]int{"": 1, "0.9.0": 1, "v1.3.0": 0, "what": 0} {
		synctest.Test(t, func(t *testing.T) {
			w := newWatched(t, "v1.2.0")
			w.record, w.changelog = "v=UPDATES0; l=v1.3.0", testChangelog(t, 1, "v1.3.0")
			if err := os.WriteFile(w.path, []byte(content+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := w.watcher().Check(t.Context())
			if len(w.told) != told || (err != nil) != (content == "what") {
				t.Errorf("%q: %v %v", content, w.told, err)
			}
		})
	}
}
