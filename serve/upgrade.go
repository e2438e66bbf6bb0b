package serve

import (
	"errors"

	"mox/admin"
)

// An upgrade is asked for and told of in these terms.
type (
	UpgradeRequest = admin.UpgradeRequest
	UpgradeStatus  = admin.UpgradeStatus
)

// Upgrade asks the parent process to hand over to the program that is at its path now.
func (s *Server) Upgrade(r UpgradeRequest) error {
	if s.parent == nil {
		return admin.ErrNoParent
	}
	if st := s.UpgradeStatus(); st.State != "" && !st.Final() {
		return errors.New("an upgrade is under way")
	}
	return s.parent.send(linkMessage{Kind: linkUpgrade, Upgrade: &r})
}

// UpgradeStatus is that of the upgrade under way, or of the last one.
func (s *Server) UpgradeStatus() UpgradeStatus {
	var st UpgradeStatus
	if last := s.upgrade.Load(); last != nil {
		st = *last
	}
	st.Version = s.Version
	return st
}

// followParent answers the parent, and ends the server with it.
func (s *Server) followParent() {
	for m := range s.parent.messages {
		switch m.Kind {
		case linkHealth:
			// In a goroutine: a check may hang, and the rest must go on.
			go func() {
				h := s.Health(s.ctx)
				s.parent.send(linkMessage{Kind: linkHealth, Health: &h})
			}()
		case linkDrain:
			s.drain.Store(&m)
			s.ask()
		case linkStatus:
			s.upgrade.Store(m.Status)
			if m.Status != nil && m.Status.State == admin.UpgradeDone {
				s.dropSnapshot()
			}
		}
	}
	select {
	case <-s.stopped:
		return
	default:
	}
	s.Log.Error("parent process has ended: stopping")
	s.ask()
}

// draining tells that the server stops for another program to take over.
func (s *Server) draining() bool { return s.drain.Load() != nil }

// drained does the last thing before another program takes over: the copies it wants.
func (s *Server) drained() error {
	m := s.drain.Load()
	if m == nil || s.parent == nil {
		return nil
	}
	answer := linkMessage{Kind: linkDrained}
	if len(m.Snapshot) > 0 {
		if err := takeSnapshot(s.Config.Snapshot().DataPath("."), m.Snapshot); err != nil {
			s.Log.Error("copying databases before an upgrade", "err", err)
			answer.Error = err.Error()
		}
	}
	return s.parent.send(answer)
}

func (s *Server) dropSnapshot() {
	if err := removeSnapshot(s.Config.Snapshot().DataPath(".")); err != nil {
		s.Log.Error("removing databases copied before an upgrade", "err", err)
	}
}
