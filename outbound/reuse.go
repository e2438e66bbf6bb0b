package outbound

import (
	"fmt"
	"sync"
	"time"

	"mox/smtpclient"
)

// session is a connection to a server, ready for messages. It belongs to one worker, or
// to the pool.
type session struct {
	client  *smtpclient.Client
	key     string
	host    string
	ip      string
	secure  bool // verified TLS
	tlsMode string
	made    time.Time
	mails   int // sent on it
	idle    *time.Timer
	put     int64 // its number among those kept
}

// sessionKey says for what a connection can be used: its lane, and what the messages want
// of TLS. Everything else that was decided about it, it keeps for Limits.Age.
func sessionKey(t *transaction) string { return fmt.Sprintf("%d %s", t.wish, t.b.lane) }

// pool has connections that are kept for a moment. It is safe for concurrent use.
type pool struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex // guards what follows
	kept    map[string][]*session
	n       int
	puts    int64 // so far
	closed  bool
	closing sync.WaitGroup // connections that say QUIT
}

func newPool(l Limits, now func() time.Time) *pool {
	return &pool{limits: l, now: now, kept: map[string][]*session{}}
}

// take returns a connection; nil: there is none.
func (p *pool) take(key string) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := p.kept[key]; len(l) > 0; l = p.kept[key] {
		s := l[len(l)-1]
		p.remove(s)
		if s.idle.Stop() && p.now().Sub(s.made) < p.limits.Age {
			return s
		}
		p.quit(s)
	}
	return nil
}

// remove takes a session out. mu is held.
func (p *pool) remove(s *session) bool {
	l := p.kept[s.key]
	for i := range l {
		if l[i] != s {
			continue
		}
		p.n--
		if len(l) == 1 {
			delete(p.kept, s.key)
		} else {
			p.kept[s.key] = append(l[:i:i], l[i+1:]...)
		}
		return true
	}
	return false
}

// put keeps a connection, or closes it.
func (p *pool) put(s *session, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	usable := s.client.Usable() && s.mails < most && p.now().Sub(s.made) < p.limits.Age
	if !usable || p.closed {
		p.quit(s)
		return
	}
	if p.n >= p.limits.KeptConns {
		p.evict()
	}
	p.puts++
	s.put = p.puts
	p.kept[s.key] = append(p.kept[s.key], s)
	p.n++
	s.idle = time.AfterFunc(p.limits.Idle, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.remove(s) {
			p.quit(s)
		}
	})
}

// evict closes the connection that is kept for longest: of those in the middle of a batch
// that is none. mu is held.
func (p *pool) evict() {
	var oldest *session
	for _, l := range p.kept {
		if s := l[0]; oldest == nil || s.put < oldest.put {
			oldest = s
		}
	}
	if oldest != nil && p.remove(oldest) {
		oldest.idle.Stop()
		p.quit(oldest)
	}
}

// quit closes a connection without keeping anybody. mu is held.
func (p *pool) quit(s *session) { p.closing.Go(func() { s.client.Close() }) }

// close closes all and waits.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, l := range p.kept {
		for _, s := range l {
			s.idle.Stop()
			p.quit(s)
		}
	}
	p.kept, p.n = map[string][]*session{}, 0
	p.mu.Unlock()
	p.closing.Wait()
}

// keep gives a connection back.
func (o *Outbound) keep(t *transaction, s *session) {
	most := o.c.Limits.Messages
	if n := o.known(t.b.lane).mails; n > 0 {
		most = min(most, n)
	}
	o.pool.put(s, most)
}
