package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mox/config"
	"mox/hook"
	"mox/metrics"
	"mox/mlog"
	"mox/mtastsdb"
	"mox/queue"
	"mox/queuebox"
	"mox/reportdb"
)

// openSending opens what sending mail needs: the queue, policies of other domains, and what
// is to be reported to them.
func (s *Server) openSending(snap *config.Snapshot) error {
	var err error
	s.Queue, err = queue.Open(snap.DataPath(queue.FileName), queue.Options{
		Log: mlog.New("queue", s.Log), Now: s.Now, Retired: s.retired, Notice: s.notice,
		Suppress: s.suppresses,
		Watch:    s.watcher(),
		Hooks: func(e queue.Event) []queue.Hook {
			s.reportFailed(e)
			return hook.Outgoing(s.Config.Snapshot(), e)
		},
		// Nothing is added before the parts are built.
		Changed: func() { s.outbound.Kick() },
		Touched: func(account string) {
			if b := s.queueboxes.Load(); b != nil {
				b.Touch(account)
			}
		},
		HooksChanged: func() {
			if h := s.hooks.Load(); h != nil {
				h.Kick()
			}
		},
	})
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	if err := s.openPolicies(snap.DataPath(mtastsdb.FileName)); err != nil {
		return fmt.Errorf("MTA-STS policies: %w", err)
	}
	s.Reports, err = reportdb.Open(snap.DataPath(reportdb.FileName), reportdb.Options{Log: mlog.New("reportdb", s.Log), Now: s.Now})
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	s.Registry.GaugeFunc(metrics.QueueHold, s.held)
	s.hooks.Store(s.newHooks(snap))
	s.queueboxes.Store(queuebox.New(queuebox.Config{
		Queue: s.Queue, Store: s.Store, Config: s.Config.Snapshot, Sending: func(ids ...int64) bool { return s.outbound.Sending(ids...) },
		Log: s.Log, Now: s.Now, Panic: func() { s.Registry.Panic("queuebox") },
	}))
	return nil
}

// suppresses tells whether failures of a message put its recipient on the suppression list.
// That is for programs that send to many: a person who was refused once wants to try again.
func (s *Server) suppresses(m *queue.Message) bool {
	if m.Account == "" || m.Kind != queue.Ordinary || m.Local {
		return false
	}
	info := s.Config.Snapshot().Accounts[m.Account]
	return m.FromID != "" || info != nil && info.Config.OutgoingWebhook != nil
}

// held is how many messages are on hold.
func (s *Server) held() float64 {
	yes := true
	n, err := s.Queue.Count(s.ctx, queue.Filter{Hold: &yes})
	if err != nil {
		s.Log.Error("counting messages on hold", "err", err)
	}
	return float64(n)
}

// retired is for how long an account keeps what is done. An account that is gone has it for
// a week.
func (s *Server) retired(account string) (messages, hooks time.Duration) {
	const week = 7 * 24 * time.Hour
	if account == "" {
		return 0, 0
	}
	info := s.Config.Snapshot().Accounts[account]
	if info == nil {
		return week, week
	}
	return info.Config.KeepRetiredMessagePeriod, info.Config.KeepRetiredWebhookPeriod
}

// startSending begins to send what is in the queue, and all that goes with it.
func (s *Server) startSending() {
	s.serving.Go(func() {
		s.awaitQueueboxes()
		if err := s.outbound.Run(s.ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.Log.Error("sending from the queue ended", "err", err)
		}
	})
	s.serving.Go(func() { s.hooks.Load().Run(s.ctx) })
	s.serving.Go(func() { s.queueboxes.Load().Run(s.ctx) })
	s.serving.Go(func() { s.pushes.Load().Run(s.ctx) })
	if s.Local {
		return
	}
	s.serving.Go(func() { s.Policies.Run(s.ctx) })
	s.serving.Go(func() { s.reporter.Run(s.ctx) })
}

// awaitQueueboxes waits, but not for ever, until it is known which messages their senders have
// taken back before the server ended.
func (s *Server) awaitQueueboxes() {
	t := time.NewTimer(30 * time.Second)
	defer t.Stop()
	select {
	case <-s.queueboxes.Load().Ready():
	case <-t.C:
		s.Log.Warn("what is to be sent is still compared with what users have taken back; sending begins")
	case <-s.ctx.Done():
	}
}

// checkQueue logs what is inconsistent in the queue; the error says how much.
func (s *Server) checkQueue(ctx context.Context) error {
	problems, err := s.Queue.Check(ctx)
	if err != nil {
		return fmt.Errorf("checking queue: %w", err)
	}
	for _, p := range problems {
		s.Log.Error("queue is inconsistent", "problem", p)
	}
	if len(problems) > 0 {
		return fmt.Errorf("queue has %d inconsistencies, see the log", len(problems))
	}
	return nil
}

// closeSending closes what openSending opened.
func (s *Server) closeSending() error {
	var errs []error
	if s.Reports != nil {
		errs = append(errs, s.Reports.Close())
	}
	if s.Policies != nil {
		errs = append(errs, s.Policies.Close())
	}
	if s.Queue != nil {
		errs = append(errs, s.Queue.Close())
	}
	return errors.Join(errs...)
}
