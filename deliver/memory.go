package deliver

import (
	"crypto/sha256"
	"io"
	"slices"
	"time"
)

// maxRemembered is how many deliveries are remembered at most; then the oldest are
// forgotten.
const maxRemembered = 10_000

type digest [sha256.Size]byte

// memory has deliveries of messages that others did not get, oldest first in order.
type memory struct {
	at    map[digest]time.Time
	order []digest
}

func newMemory() *memory { return &memory{at: map[digest]time.Time{}} }

func (m *memory) add(d digest, now time.Time) {
	if _, ok := m.at[d]; !ok {
		m.order = append(m.order, d)
	}
	m.at[d] = now
	for len(m.order) > maxRemembered || len(m.order) > 0 && now.Sub(m.at[m.order[0]]) > days {
		delete(m.at, m.order[0])
		m.order = m.order[1:]
	}
}

// remove forgets one.
func (m *memory) remove(d digest) {
	if _, ok := m.at[d]; !ok {
		return
	}
	delete(m.at, d)
	m.order = slices.DeleteFunc(m.order, func(o digest) bool { return o == d })
}

// earlier finds what is remembered of one message. Nil: nothing, as mostly.
type earlier struct {
	d   *Deliverer
	sum digest // of reverse-path and content
}

// has tells whether the message was delivered before as j asks.
func (e *earlier) has(j *job) bool {
	if e == nil {
		return false
	}
	e.d.mu.Lock()
	defer e.d.mu.Unlock()
	_, ok := e.d.done.at[e.key(j)]
	return ok
}

func (e *earlier) key(j *job) digest {
	h := sha256.New()
	h.Write(e.sum[:])
	io.WriteString(h, j.target.Account+"\x00"+j.target.Mailbox+"\x00"+j.to.String())
	return digest(h.Sum(nil))
}

// sum identifies a message that is sent again.
func sum(m *Message) (digest, error) {
	h := sha256.New()
	io.WriteString(h, m.From.String()+"\x00")
	_, err := io.Copy(h, io.NewSectionReader(m.Spool, 0, m.Spool.Size()))
	return digest(h.Sum(nil)), err
}

// remembered returns what was delivered of a message before.
func (d *Deliverer) remembered(m *Message) *earlier {
	d.mu.Lock()
	n := len(d.done.at)
	d.mu.Unlock()
	if n == 0 {
		return nil
	}
	s, err := sum(m)
	if err != nil {
		return nil // delivery will tell
	}
	return &earlier{d, s}
}

// remember notes the deliveries of a message that failed for others.
func (d *Deliverer) remember(m *Message, e *earlier, jobs []*job) {
	failed := 0
	for _, j := range jobs {
		if j.err != nil {
			failed++
		}
	}
	if failed == 0 || failed == len(jobs) {
		return
	}
	if e == nil {
		s, err := sum(m)
		if err != nil {
			return
		}
		e = &earlier{d, s}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range jobs {
		if j.err == nil {
			d.done.add(e.key(j), m.Received)
		}
	}
}

// Remember notes that recipients have a message that its sender may yet send again.
func (d *Deliverer) Remember(m *Message, rcpts []Recipient) {
	if len(rcpts) == 0 {
		return
	}
	s, err := sum(m)
	if err != nil {
		return
	}
	e := &earlier{d, s}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range plan(see(m), rcpts) {
		d.done.add(e.key(j), m.Received)
	}
}

// Settle forgets the deliveries of a message that failed for others: its sender learns of
// that otherwise, and will not send it again. What is sent once more then is meant to be.
func (d *Deliverer) Settle(m *Message, rcpts []Recipient) {
	e := d.remembered(m)
	if e == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, j := range plan(see(m), rcpts) {
		d.done.remove(e.key(j))
	}
}
