package jmapserver

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"mox/jmap"
	"mox/store"
)

// Emails are contents, and the store knows messages in mailboxes. This file turns one into the other: what all Emails
// of an account are, at one moment, in memory, kept up to date by comparing views.

// place is a message that is a copy of an Email.
type place struct {
	box      store.MailboxID
	uid      store.UID
	keywords store.KeywordSet
	flags    store.Flags
}

// visible tells whether the copy is there for JMAP.
//
// RFC 8621 4.1.1: what has \Deleted must not be visible.
func (p *place) visible() bool { return p.flags&store.FlagDeleted == 0 }

// email is an Email: content, with all of its copies.
type email struct {
	body     store.BodyID
	thread   store.ThreadID
	number   int32 // of the thread, see threads
	received int64 // unix seconds
	size     int64
	places   []place // by mailbox and UID; not empty
	flags    store.Flags
	hidden   bool // no copy is visible
}

// all yields the visible copies.
func (e *email) all() iter.Seq[*place] {
	return func(yield func(*place) bool) {
		for i := range e.places {
			if p := &e.places[i]; p.visible() && !yield(p) {
				return
			}
		}
	}
}

// in tells whether it is in a mailbox.
func (e *email) in(box store.MailboxID) bool {
	for p := range e.all() {
		if p.box == box {
			return true
		}
	}
	return false
}

// unread is RFC 8621 2: neither $seen nor $draft.
func (e *email) unread() bool { return e.flags&(store.FlagSeen|store.FlagDraft) == 0 }

// settle computes what follows from the copies: flags are those that any copy has, and \Seen if all have it: a copy
// that nobody looked at is not to be missed. What is set by JMAP is set on all.
func (e *email) settle() {
	e.flags, e.hidden = 0, true
	seen := store.FlagSeen
	for p := range e.all() {
		e.hidden = false
		e.flags |= p.flags
		seen &= p.flags
	}
	e.flags = e.flags&^store.FlagSeen | seen
}

// threads numbers the threads of an account, and knows their Emails, also those that are gone. It only grows, so that
// versions of mails share it.
type threads struct {
	mu      sync.RWMutex
	number  map[store.ThreadID]int32
	members [][]store.BodyID // by number; ascending
}

func (t *threads) add(id store.ThreadID, body store.BodyID) int32 {
	n, ok := t.number[id]
	if !ok {
		n = int32(len(t.members))
		t.number[id] = n
		t.members = append(t.members, nil)
	}
	l := t.members[n]
	switch i, found := slices.BinarySearch(l, body); {
	case found:
	case i == len(l):
		t.members[n] = append(l, body)
	default: // readers have the old slice
		t.members[n] = slices.Insert(slices.Clone(l), i, body)
	}
	return n
}

// mails is all Emails of an account at one moment. It does not change, but for what is computed once.
type mails struct {
	acc     *store.Account
	moment  *store.Moment
	blocks  [][]email // by body, none empty
	n       int       // Emails, hidden ones included
	threads *threads
	numbers int // of threads
	boxes   map[store.MailboxID]*store.Mailbox

	countOnce sync.Once
	counted   map[store.MailboxID]counts

	derived *derived
	results results
}

// mailsBlock is the number of Emails that blocks are made with.
const mailsBlock = 256

// seq is the ModSeq of the moment.
func (m *mails) seq() store.ModSeq { return m.moment.ModSeq }

// block returns the first block that ends with a body or a later one.
func (m *mails) block(body store.BodyID) int {
	i, _ := slices.BinarySearchFunc(m.blocks, body, func(b []email, id store.BodyID) int { return cmp.Compare(b[len(b)-1].body, id) })
	return i
}

// any returns an Email, nil if there is none; hidden ones included.
func (m *mails) any(body store.BodyID) *email {
	i := m.block(body)
	if i == len(m.blocks) {
		return nil
	}
	b := m.blocks[i]
	j, ok := slices.BinarySearchFunc(b, body, func(e email, id store.BodyID) int { return cmp.Compare(e.body, id) })
	if !ok {
		return nil
	}
	return &b[j]
}

// email returns an Email, nil if there is none.
func (m *mails) email(body store.BodyID) *email {
	if e := m.any(body); e != nil && !e.hidden {
		return e
	}
	return nil
}

// all yields all Emails by body.
func (m *mails) all() iter.Seq[*email] {
	return func(yield func(*email) bool) {
		for _, b := range m.blocks {
			for i := range b {
				if e := &b[i]; !e.hidden && !yield(e) {
					return
				}
			}
		}
	}
}

// threadOf returns the Emails of a thread, by their number, oldest first.
func (m *mails) threadOf(number int32) []*email {
	m.threads.mu.RLock()
	ids := m.threads.members[number]
	m.threads.mu.RUnlock()
	var l []*email
	for _, id := range ids {
		if e := m.email(id); e != nil {
			l = append(l, e)
		}
	}
	slices.SortFunc(l, func(a, b *email) int {
		return cmp.Or(cmp.Compare(a.received, b.received), cmp.Compare(a.body, b.body))
	})
	return l
}

// thread returns the number of a thread that there was once.
func (m *mails) thread(id store.ThreadID) (int32, bool) {
	m.threads.mu.RLock()
	defer m.threads.mu.RUnlock()
	n, ok := m.threads.number[id]
	return n, ok && int(n) < m.numbers
}

// copyChange is that a message is new or other than before, or gone.
type copyChange struct {
	body  store.BodyID
	place place
	gone  bool
}

// changed returns what is other in a newer moment, by body.
func (m *mails) changed(now *store.Moment) []copyChange {
	var l []copyChange
	for id, v := range m.moment.Views {
		w := now.Views[id]
		if w == nil {
			for _, msg := range v.All() {
				l = append(l, goneFrom(id, msg))
			}
			continue
		}
		d := v.Diff(w)
		for _, i := range d.Expunged {
			l = append(l, goneFrom(id, v.At(i)))
		}
		for _, i := range d.Changed {
			l = append(l, placedIn(id, w.At(i)))
		}
		for _, msg := range w.Range(w.Len()-d.Added, w.Len()) {
			l = append(l, placedIn(id, msg))
		}
	}
	for id, w := range now.Views {
		if m.moment.Views[id] == nil {
			for _, msg := range w.All() {
				l = append(l, placedIn(id, msg))
			}
		}
	}
	slices.SortFunc(l, func(a, b copyChange) int {
		return cmp.Or(cmp.Compare(a.body, b.body), cmp.Compare(a.place.box, b.place.box), cmp.Compare(a.place.uid, b.place.uid))
	})
	return l
}

func goneFrom(box store.MailboxID, m *store.Message) copyChange {
	return copyChange{m.Body, place{box: box, uid: m.UID}, true}
}

func placedIn(box store.MailboxID, m *store.Message) copyChange {
	return copyChange{m.Body, place{box, m.UID, m.Keywords, m.Flags}, false}
}

// next returns what mails are at a newer moment.
func (m *mails) next(ctx context.Context, now *store.Moment) (*mails, error) {
	n := &mails{acc: m.acc, moment: now, threads: m.threads, boxes: map[store.MailboxID]*store.Mailbox{}, derived: m.derived}
	for i := range now.Mailboxes {
		n.boxes[now.Mailboxes[i].ID] = &now.Mailboxes[i]
	}
	changes := m.changed(now)
	var fresh []store.BodyID
	for i := range changes {
		if b := changes[i].body; !changes[i].gone && (len(fresh) == 0 || fresh[len(fresh)-1] != b) && m.any(b) == nil {
			fresh = append(fresh, b)
		}
	}
	infos, err := m.acc.Bodies(ctx, fresh)
	if err != nil {
		return nil, err
	}
	flips := n.join(m.blocks, changes, infos)
	if m.moment.ModSeq == 0 {
		n.derived.begin(n.seq())
	} else {
		n.derived.flip(flips, m.seq(), n.seq())
	}
	m.threads.mu.RLock()
	n.numbers = len(m.threads.members)
	m.threads.mu.RUnlock()
	for _, b := range n.blocks {
		n.n += len(b)
	}
	return n, nil
}

// join makes the blocks of old ones and changes; those in which nothing changed are shared. It returns which Emails
// became visible or ceased to be, or came.
func (m *mails) join(old [][]email, changes []copyChange, infos []store.BodyInfo) []flipped {
	m.threads.mu.Lock()
	defer m.threads.mu.Unlock()
	w := &joiner{m: m, infos: infos, arena: make([]place, 0, len(changes))}
	for k, b := range old {
		last := b[len(b)-1].body
		// What is new behind the last block goes into blocks of its own, or that block if it is small.
		n := len(changes)
		if k+1 < len(old) || len(b) >= mailsBlock {
			n, _ = slices.BinarySearchFunc(changes, last, func(c copyChange, id store.BodyID) int {
				return cmp.Or(cmp.Compare(c.body, id), -1)
			})
		}
		if n == 0 {
			w.flush()
			m.blocks = append(m.blocks, b)
			continue
		}
		w.merge(b, changes[:n])
		changes = changes[n:]
		w.flush()
	}
	w.merge(nil, changes)
	w.flush()
	return w.flips
}

// joiner writes blocks.
type joiner struct {
	m     *mails
	infos []store.BodyInfo
	arena []place
	block []email
	flips []flipped
}

func (w *joiner) flush() {
	if len(w.block) > 0 {
		w.m.blocks = append(w.m.blocks, w.block)
		w.block = nil
	}
}

func (w *joiner) add(e email) {
	if len(w.block) == mailsBlock {
		w.flush()
	}
	if w.block == nil {
		w.block = make([]email, 0, mailsBlock)
	}
	w.block = append(w.block, e)
}

// merge writes the Emails of a block with changes, which are those of them and of new ones among them.
func (w *joiner) merge(old []email, changes []copyChange) {
	for len(old) > 0 || len(changes) > 0 {
		if len(changes) == 0 || len(old) > 0 && old[0].body < changes[0].body {
			w.add(old[0])
			old = old[1:]
			continue
		}
		body := changes[0].body
		n := 1
		for n < len(changes) && changes[n].body == body {
			n++
		}
		var e email
		if len(old) > 0 && old[0].body == body {
			e, old = old[0], old[1:]
		}
		if w.change(&e, changes[:n]); len(e.places) > 0 {
			w.add(e)
		}
		changes = changes[n:]
	}
}

// change applies the changes of one Email.
func (w *joiner) change(e *email, changes []copyChange) {
	fresh := e.body == 0
	if fresh {
		body := changes[0].body
		for len(w.infos) > 0 && w.infos[0].ID < body {
			w.infos = w.infos[1:]
		}
		if len(w.infos) == 0 || w.infos[0].ID != body {
			return // it came and went meanwhile
		}
		i := w.infos[0]
		*e = email{body: body, thread: i.Thread, number: w.m.threads.add(i.Thread, body), received: i.Received, size: i.Size}
	}
	at := len(w.arena)
	for p, c := e.places, changes; len(p) > 0 || len(c) > 0; {
		switch {
		case len(c) == 0 || len(p) > 0 && comparePlaces(&p[0], &c[0].place) < 0:
			w.arena = append(w.arena, p[0])
			p = p[1:]
		case len(p) > 0 && comparePlaces(&p[0], &c[0].place) == 0:
			p = p[1:]
		default:
			if !c[0].gone {
				w.arena = append(w.arena, c[0].place)
			}
			c = c[1:]
		}
	}
	e.places = w.arena[at:len(w.arena):len(w.arena)]
	was := e.hidden
	e.settle()
	if e.hidden != was || fresh {
		w.flips = append(w.flips, flipped{e.body, e.hidden, fresh})
	}
}

func comparePlaces(a, b *place) int {
	return cmp.Or(cmp.Compare(a.box, b.box), cmp.Compare(a.uid, b.uid))
}

// Bounds of what is kept of accounts.
const (
	mailsIdle = 10 * time.Minute // after which mails that nobody uses are dropped
	mailsMost = 4_000_000        // Emails kept, of all accounts together; some 100 octets each
)

// mailsCache keeps the latest mails of accounts.
type mailsCache struct {
	mu       sync.Mutex
	accounts map[string]*mailsEntry
	timer    *time.Timer // drops what is idle; nil: nothing is kept
}

type mailsEntry struct {
	mu     sync.Mutex // held while it is brought up to date
	latest *mails     // nil: none; guarded by mu
	n      int        // Emails of it; this and used are guarded by the lock of the cache
	used   time.Time
}

// get returns what mails of an account are now.
func (s *mailsCache) get(ctx context.Context, acc *store.Account) (*mails, error) {
	s.mu.Lock()
	e := s.accounts[acc.Name()]
	if e == nil {
		e = &mailsEntry{}
		s.accounts[acc.Name()] = e
	}
	e.used = time.Now()
	s.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	m, err := e.refresh(ctx, acc)
	if err != nil {
		return nil, fmt.Errorf("reading mailboxes: %w", err)
	}
	s.keep(e, m.n)
	return m, nil
}

func (e *mailsEntry) refresh(ctx context.Context, acc *store.Account) (*mails, error) {
	old := e.latest
	// An account that was closed and opened again may have been repaired in between.
	if old == nil || old.acc != acc {
		old = newMails(acc)
	} else if old.seq() == acc.ModSeq() {
		return old, nil
	}
	now, err := acc.Moment(ctx, old.moment.Views)
	if err == nil && now.Repairs != old.moment.Repairs {
		old = newMails(acc)
		now, err = acc.Moment(ctx, nil)
	}
	if err != nil {
		return nil, err
	}
	m, err := old.next(ctx, now)
	if err == nil {
		e.latest = m
	}
	return m, err
}

func newMails(acc *store.Account) *mails {
	return &mails{acc: acc, moment: &store.Moment{}, threads: &threads{number: map[store.ThreadID]int32{}}, derived: newDerived()}
}

// keep counts an entry, and drops others: idle ones, and while all are too large those that were not used the longest.
func (s *mailsCache) keep(e *mailsEntry, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.n = n
	s.drop(e)
	if s.timer == nil {
		s.timer = time.AfterFunc(mailsIdle, s.expire)
	}
}

// forget drops what is kept of an account.
func (s *mailsCache) forget(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.accounts, account)
}

// expire drops what is idle, and goes on until nothing is kept.
func (s *mailsCache) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(nil)
	if len(s.accounts) == 0 {
		s.timer = nil
	} else {
		s.timer.Reset(mailsIdle)
	}
}

// drop is called with s.mu held; e stays.
func (s *mailsCache) drop(e *mailsEntry) {
	total := 0
	for name, o := range s.accounts {
		if o != e && time.Since(o.used) >= mailsIdle {
			delete(s.accounts, name)
			continue
		}
		total += o.n
	}
	for total > mailsMost && len(s.accounts) > 1 {
		var oldest string
		for name, o := range s.accounts {
			if o != e && (oldest == "" || o.used.Before(s.accounts[oldest].used)) {
				oldest = name
			}
		}
		total -= s.accounts[oldest].n
		delete(s.accounts, oldest)
	}
}

// mails returns the Emails of an account as they are now.
func (b *batch) mails(ctx context.Context, acc *store.Account) (*mails, error) {
	return b.s.mails.get(ctx, acc)
}

// keywords are those of an Email: all that its copies have, but $seen only if all have it.
func (m *mails) keywords(e *email) map[string]bool {
	var sets []store.KeywordSet
	for p := range e.all() {
		if p.keywords != 0 {
			sets = append(sets, p.keywords)
		}
	}
	return keywordNames(m.acc, e.flags, sets...)
}

// mailboxIDs are the mailboxes of an Email.
func (e *email) mailboxIDs() map[jmap.ID]bool {
	ids := map[jmap.ID]bool{}
	for p := range e.all() {
		ids[mailboxID(p.box)] = true
	}
	return ids
}
