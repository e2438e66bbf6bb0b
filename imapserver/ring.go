package imapserver

// maxRung is how many messages whose flags have changed, or that are gone, are told by ring.
const maxRung = 100

// ring is called when there is a newer view of the selected mailbox, by a goroutine that
// calls all who wait for one, of any number. In IDLE it tells the client itself where it
// need not wait for that: to wake each session takes longer than all else. Otherwise it
// wakes the session.
func (s *session) ring() {
	if !s.owner.TryLock() || !s.tellWaiting() {
		s.conn.Interrupt()
	}
}

// tellWaiting tells what is new to the client of a session that waits in IDLE, and sets
// its alarm again. It reports false when the session is to do so, or the rest of it. It
// gives up the session.
func (s *session) tellWaiting() (told bool) {
	defer s.owner.Unlock()
	defer func() {
		if p := recover(); p != nil {
			s.failed(p)
			told = false
		}
	}()
	b := s.box
	if s.news != nil || b == nil || b.owner != "" || len(b.contexts) > 0 || len(s.out) > 0 || s.ended != nil {
		return false
	}
	cur := b.box.View()
	d := b.view.Diff(cur)
	if cur.Deleted || len(d.Expunged)+len(d.Changed) > maxRung || len(d.Changed) > 0 && b.account.Annotated() {
		return false
	}
	s.updateTo(cur, d, true, ownChange{})
	s.reportKeyReset()
	if n := s.conn.TryWrite(s.out); n < len(s.out) {
		s.out = s.out[:copy(s.out, s.out[n:])]
		return false
	}
	s.releaseOutput()
	s.alarm.Set(cur)
	return true
}
