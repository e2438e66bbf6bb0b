package serve

import (
	"fmt"
	"time"

	"mox/config"
	"mox/hook"
	"mox/mlog"
	"mox/queue"
)

// openSending opens what sending mail needs: the queue.
func (s *Server) openSending(snap *config.Snapshot) error {
	var err error
	s.Queue, err = queue.Open(snap.DataPath(queue.FileName), queue.Options{
		Log: mlog.New("queue", s.Log), Now: s.Now, Retired: s.retired,
		Hooks: func(e queue.Event) []queue.Hook { return hook.Outgoing(s.Config.Snapshot(), e) },
		HooksChanged: func() {
			if h := s.hooks.Load(); h != nil {
				h.Kick()
			}
		},
	})
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	s.hooks.Store(s.newHooks(snap))
	return nil
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

// closeSending closes what openSending opened.
func (s *Server) closeSending() error {
	if s.Queue == nil {
		return nil
	}
	return s.Queue.Close()
}
