package serve

import (
	"context"
	"math/rand/v2"
	"net/http"
	"time"

	"mox/metrics"
	"mox/mlog"
	"mox/mtasts"
	"mox/store"
	"mox/updates"
)

// newUpdates makes what looks for newer versions; nil if that is not wanted, or there is no feed.
func (s *Server) newUpdates() *updates.Watcher {
	snap := s.Config.Snapshot()
	if !snap.Static.CheckUpdates || s.Local {
		return nil
	}
	log := mlog.New("updates", s.Log)
	feed := snap.Updates
	if feed.IsZero() {
		feed = s.Feed
	}
	if feed.IsZero() {
		log.Warn("CheckUpdates is set, and nothing is looked for", "err", updates.ErrNoFeed)
		return nil
	}
	lookups, fetches := s.Registry.Histogram(metrics.UpdatesLookup), s.Registry.Histogram(metrics.UpdatesFetchChangelog)
	newer := s.Registry.Gauge(metrics.UpdatesNewer)
	transport := mtasts.NewTransport(s.Resolver, snap.RootCAs, nil)
	transport.Proxy = http.ProxyFromEnvironment
	return updates.NewWatcher(updates.WatchOptions{
		Client: &updates.Client{
			Feed: feed, Resolver: s.Resolver, Transport: transport,
			Observe: func(fetch bool, result string, d time.Duration) {
				if fetch {
					fetches.Observe(d, result)
				} else {
					lookups.Observe(d, result)
				}
			},
		},
		Running: s.Version, Path: snap.DataPath(updates.StateFile), Now: s.Now, Random: rand.Float64, Log: log,
		Deliver: s.tellUpdate,
		Newer: func(v updates.Version) {
			s.newer.Store(&v)
			is := 0.0
			if !v.IsZero() {
				is = 1
			}
			newer.Set(is)
		},
	})
}

// startUpdates begins to look for newer versions.
func (s *Server) startUpdates() {
	if w := s.newUpdates(); w != nil {
		s.serving.Go(func() {
			defer func() {
				if x := recover(); x != nil {
					s.Log.Error("panic looking for updates", "panic", x)
					s.Registry.Panic("updates")
				}
			}()
			w.Run(s.ctx)
		})
	}
}

// tellUpdate writes to the postmaster about new releases, once for each.
func (s *Server) tellUpdate(ctx context.Context, n updates.Notice) error {
	return s.mailPostmaster(ctx, ownMail{subject: n.Subject(), text: n.Text(), id: "update-" + n.Newest.String(), flags: store.FlagFlagged})
}
