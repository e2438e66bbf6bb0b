package imapserver

import "bytes"

// maxRung is how many messages that are gone or have other flags ring tells of.
const maxRung = 100

// ring is called when there is a newer view of the selected mailbox, by a goroutine that
// calls all who wait for one. In IDLE it tells the client itself where that takes no
// waiting, as waking the sessions would take longer than telling. Otherwise it wakes the
// session.
func (s *session) ring() {
	if !s.owner.TryLock() || !s.tellIdle() {
		s.conn.Interrupt()
	}
}

// tellIdle tells the client of a session that waits in IDLE what is new, sets the alarm
// again, and gives the session up. It reports false when its goroutine has to do that, or
// the rest of it.
func (s *session) tellIdle() (told bool) {
	defer s.owner.Unlock()
	defer func() {
		if p := recover(); p != nil {
			s.rung, told = false, false
			s.failed(p)
		}
	}()
	b := s.box
	// Rights, the change log and searches are looked at where it may take time.
	if b == nil || b.owner != "" || len(b.contexts) > 0 || s.news != nil || s.out != nil || s.ended != nil {
		return false
	}
	cur := b.box.View()
	d := b.view.Diff(cur)
	if cur.Deleted || len(d.Expunged)+len(d.Changed) > maxRung || len(d.Changed) > 0 && b.account.Annotated() {
		return false
	}
	s.rung = true
	s.updateTo(cur, d, true, ownChange{})
	s.reportKeyReset()
	s.rung = false
	n := s.conn.TryWrite(s.out)
	rest := bytes.Clone(s.out[n:])
	s.releaseOutput()
	if len(rest) > 0 {
		s.out = rest
		return false
	}
	s.alarm.Set(cur)
	return true
}
