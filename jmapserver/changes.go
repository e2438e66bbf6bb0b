package jmapserver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"mox/jmap"
	"mox/store"
)

// What changed is computed from the change log of the account, which tells what each operation did to messages, and from what
// there is now: how many copies of an Email there were before an operation is how many there are now, less those that came since,
// and those that went.

// sortOrderSetting is the setting that has the sortOrder of mailboxes: a JSON object by ids of mailboxes.
const sortOrderSetting = "jmap/sortorder"

// historyBatch is how many entries of the change log are read at a time.
const historyBatch = 5000

// delta is what an operation did to copies of an Email.
type delta struct {
	came, went int
	changed    bool // flags
}

// boxChange is what an operation did to a mailbox.
type boxChange uint8

const (
	boxCreated boxChange = 1 << iota
	boxDestroyed
	boxProperties // more than counts
	boxCounts
)

// operation is one operation of the log.
type operation struct {
	seq    store.ModSeq
	bodies map[store.BodyID]delta
	boxes  map[store.MailboxID]boxChange
}

// history is what happened since a ModSeq.
type history struct {
	m      *mails
	ops    []*operation
	thread map[store.BodyID]store.ThreadID // of all Emails in ops; those that are not known are missing
}

// history reads the log after a ModSeq. An error is cannotCalculateChanges.
func (m *mails) history(ctx context.Context, since store.ModSeq) (*history, error) {
	log, err := m.log(ctx, since)
	if errors.Is(err, store.ErrTooOld) {
		return nil, jmap.Errorf(jmap.ErrorCannotCalculateChanges, "the state is too old")
	} else if err != nil {
		return nil, err
	}
	type message struct {
		box store.MailboxID
		uid store.UID
	}
	gone := map[message]store.BodyID{}
	for i := range log {
		c := &log[i]
		if c.Kind == store.SettingChanged && c.Name == store.ThreadsFound {
			return nil, jmap.Errorf(jmap.ErrorCannotCalculateChanges, "the threads of the account were found anew by a repair")
		}
		if c.Kind == store.MessagesExpunged {
			for k, uid := range numbered(c.UIDs) {
				gone[message{c.Mailbox, uid}] = c.Bodies[k]
			}
		}
	}
	h := &history{m: m, thread: map[store.BodyID]store.ThreadID{}}
	bodyOf := func(box store.MailboxID, uid store.UID) store.BodyID {
		if b, ok := gone[message{box, uid}]; ok {
			return b
		}
		if v := m.moment.Views[box]; v != nil {
			if i, ok := v.Find(uid); ok {
				return v.At(i).Body
			}
		}
		return 0
	}
	for i := range log {
		c := &log[i]
		if n := len(h.ops); n == 0 || h.ops[n-1].seq != c.ModSeq {
			h.ops = append(h.ops, &operation{c.ModSeq, map[store.BodyID]delta{}, map[store.MailboxID]boxChange{}})
		}
		h.ops[len(h.ops)-1].add(c, m, bodyOf)
	}
	return h, h.findThreads(ctx)
}

// numbered yields the UIDs of a set with their index.
func numbered(set store.UIDSet) func(func(int, store.UID) bool) {
	return func(yield func(int, store.UID) bool) {
		i := 0
		for uid := range set.All() {
			if !yield(i, uid) {
				return
			}
			i++
		}
	}
}

// log returns the entries after a ModSeq, up to that of the mails.
func (m *mails) log(ctx context.Context, since store.ModSeq) ([]store.Change, error) {
	var all []store.Change
	for since < m.seq() {
		l, err := m.acc.Changes(ctx, since, historyBatch)
		if err != nil {
			return nil, err
		}
		for i := range l {
			if l[i].ModSeq > m.seq() {
				return all, nil
			}
			all = append(all, l[i])
		}
		if len(l) < historyBatch {
			return all, nil
		}
		since = l[len(l)-1].ModSeq
	}
	return all, nil
}

// add takes in an entry of the log.
func (o *operation) add(c *store.Change, m *mails, bodyOf func(store.MailboxID, store.UID) store.BodyID) {
	switch c.Kind {
	case store.MessagesAdded, store.MessagesExpunged:
		for _, b := range c.Bodies {
			d := o.bodies[b]
			if c.Kind == store.MessagesAdded {
				d.came++
			} else {
				d.went++
			}
			o.bodies[b] = d
		}
		o.boxes[c.Mailbox] |= boxCounts
	case store.MessagesChanged:
		for uid := range c.UIDs.All() {
			if b := bodyOf(c.Mailbox, uid); b != 0 {
				d := o.bodies[b]
				d.changed = true
				o.bodies[b] = d
			}
		}
		o.boxes[c.Mailbox] |= boxCounts
	case store.MailboxCreated:
		o.boxes[c.Mailbox] |= boxCreated
	case store.MailboxDeleted:
		o.boxes[c.Mailbox] |= boxDestroyed
	case store.MailboxRenamed, store.MailboxChanged, store.SubscriptionChanged:
		if c.Mailbox != 0 {
			o.boxes[c.Mailbox] |= boxProperties
		}
	case store.SettingChanged:
		if strings.HasPrefix(c.Name, sortOrderSetting) {
			for id := range m.boxes {
				o.boxes[id] |= boxProperties
			}
		}
	}
}

// findThreads finds the threads of all Emails in the log.
func (h *history) findThreads(ctx context.Context) error {
	var unknown []store.BodyID
	for _, o := range h.ops {
		for b := range o.bodies {
			if e := h.m.any(b); e != nil {
				h.thread[b] = e.thread
			} else if _, ok := h.thread[b]; !ok {
				unknown = append(unknown, b)
			}
		}
	}
	slices.Sort(unknown)
	found, err := h.m.acc.Threads(ctx, slices.Compact(unknown))
	maps.Copy(h.thread, found)
	return err
}

// window is the part of a history that a call answers for.
type window struct {
	ids  []int64      // that changed, ascending; of one operation if there were too many
	ops  []*operation // in it
	rest []*operation // after it
	to   state        // that it ends with
	more bool
}

// window returns as many operations after a state as have at most so many ids by key, or where the first alone has
// more, some of its ids.
func (h *history) window(since state, most int, key func(*operation) map[int64]bool) window {
	w := window{to: state{acc: h.m.acc, seq: h.m.seq()}}
	all := map[int64]bool{}
	for i, o := range h.ops {
		ids := key(o)
		n := len(all)
		for id := range ids {
			if !all[id] {
				n++
			}
		}
		// What was told of an operation is the beginning of what changed in it alone.
		partly := i == 0 && (since.told > 0 || n > most)
		if n > most && !partly {
			w.rest, w.to, w.more = h.ops[i:], state{acc: h.m.acc, seq: h.ops[i-1].seq}, true
			break
		}
		maps.Copy(all, ids)
		w.ops = append(w.ops, o)
		if partly {
			l := sorted(all)
			l = l[min(since.told, len(l)):]
			w.rest, w.to, w.more = h.ops[1:], state{acc: h.m.acc, seq: o.seq}, len(h.ops) > 1
			if len(l) > most {
				l = l[:most]
				// The operation itself is yet to come, from the state before it.
				w.to, w.more = state{since.acc, since.seq, since.told + len(l)}, true
			}
			if !w.more {
				w.to = state{acc: h.m.acc, seq: h.m.seq()}
			}
			w.ids = l
			return w
		}
	}
	w.ids = sorted(all)
	return w
}

func sorted(ids map[int64]bool) []int64 { return slices.Sorted(maps.Keys(ids)) }

// copies returns how many copies of an Email there were before the window and after it.
func (h *history) copies(w *window, body store.BodyID) (before, after int) {
	if e := h.m.any(body); e != nil {
		after = len(e.places)
	}
	for _, o := range w.rest {
		d := o.bodies[body]
		after -= d.came - d.went
	}
	before = after
	for _, o := range w.ops {
		d := o.bodies[body]
		before -= d.came - d.went
	}
	return before, after
}

// seen is what clients could see around a window: with the state before it, and with that after it.
type seen struct {
	before, after bool
	sure          bool // that before is so
}

// seen tells it of an Email. Where it is not known whether a copy had \Deleted, before is true and not sure.
func (h *history) seen(w *window, since state, body store.BodyID) (s seen) {
	x, y := h.copies(w, body)
	e := h.m.any(body)
	visible := e != nil && !e.hidden
	if x > 0 {
		hidden, ok := h.m.derived.hiddenAt(body, since.seq, !visible)
		s.before, s.sure = !hidden, ok || visible && !h.doubtful(body, since.seq)
	}
	if y > 0 {
		s.after = e == nil || visible
		if hidden, ok := h.m.derived.hiddenAt(body, w.to.seq, !visible); ok && w.to.told == 0 {
			s.after = !hidden
		}
	}
	return s
}

// doubtful tells whether an Email that is visible may have become so since a ModSeq of which that is not known: its
// flags were changed, or there are more copies of it.
func (h *history) doubtful(body store.BodyID, since store.ModSeq) bool {
	return h.m.derived.within(body, since) || slices.ContainsFunc(h.ops, func(o *operation) bool {
		d := o.bodies[body]
		return d.changed || d.came > d.went
	})
}

// add sorts an id into what came, changed and went.
func (r *changesResult) add(id jmap.ID, before, after bool) {
	switch {
	case before && after:
		r.Updated = append(r.Updated, id)
	case after:
		r.Created = append(r.Created, id)
	case before:
		r.Destroyed = append(r.Destroyed, id)
	}
}

// addSeen is add where it may not be known whether clients know the object: those who do lose nothing by being told that
// it was created, and others would not get it by an update (RFC 8620 5.2).
func (r *changesResult) addSeen(id jmap.ID, s seen) {
	r.add(id, s.before && (s.sure || !s.after), s.after)
}

// emailKeys are the Emails of an operation.
func emailKeys(o *operation) map[int64]bool {
	ids := map[int64]bool{}
	for b := range o.bodies {
		ids[int64(b)] = true
	}
	return ids
}

// emailChanges is Email/changes, RFC 8621 4.3.
func emailChanges(ctx context.Context, c *call, a *changesArgs) (*changesResult, error) {
	h, since, most, err := c.changing(ctx, a)
	if err != nil {
		return nil, err
	}
	w := h.window(since, most, emailKeys)
	res := newChanges(a.AccountID, since, h.m.seq())
	res.NewState, res.HasMoreChanges = w.to.String(), w.more
	for _, n := range w.ids {
		body := store.BodyID(n)
		res.addSeen(emailID(body), h.seen(&w, since, body))
	}
	return res, nil
}

// changing begins a /changes call.
func (c *call) changing(ctx context.Context, a *changesArgs) (h *history, since state, most int, err error) {
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, since, 0, err
	}
	if since, most, err = a.parse(m.acc, m.seq()); err != nil {
		return nil, since, 0, err
	}
	h, err = m.history(ctx, since.seq)
	return h, since, most, err
}

// open returns the Emails of the account of a call as they are now.
func (c *call) open(ctx context.Context, id jmap.ID) (*mails, error) {
	acc, err := c.account(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.mails(ctx, acc)
}

// threadKeys are the threads of which an operation may have changed the Emails.
func (h *history) threadKeys(o *operation) map[int64]bool {
	ids := map[int64]bool{}
	for b, d := range o.bodies {
		if thread, ok := h.thread[b]; ok && (d.came != d.went || d.changed && h.m.derived.flipped(b, o.seq)) {
			ids[int64(thread)] = true
		}
	}
	return ids
}

// known returns an error if the thread of an Email is not: it went before threads of such were kept.
func (h *history) known() error {
	for _, o := range h.ops {
		for b := range o.bodies {
			if _, ok := h.thread[b]; !ok {
				return jmap.Errorf(jmap.ErrorCannotCalculateChanges, "the thread of an Email that is gone is not known any more")
			}
		}
	}
	return nil
}

// threadChanges is Thread/changes, RFC 8621 3.2.
func threadChanges(ctx context.Context, c *call, a *changesArgs) (*changesResult, error) {
	h, since, most, err := c.changing(ctx, a)
	if err != nil {
		return nil, err
	}
	if err := h.known(); err != nil {
		return nil, err
	}
	w := h.window(since, most, h.threadKeys)
	res := newChanges(a.AccountID, since, h.m.seq())
	res.NewState, res.HasMoreChanges = w.to.String(), w.more
	members := map[store.ThreadID]map[store.BodyID]bool{}
	for b, t := range h.thread {
		if members[t] == nil {
			members[t] = map[store.BodyID]bool{}
		}
		members[t][b] = true
	}
	for _, n := range w.ids {
		id := store.ThreadID(n)
		bodies := members[id]
		var all seen
		for _, b := range h.m.everIn(id) {
			bodies[b] = true
		}
		for b := range bodies {
			s := h.seen(&w, since, b)
			all.before, all.after, all.sure = all.before || s.before, all.after || s.after, all.sure || s.before && s.sure
		}
		res.addSeen(threadID(id), all)
	}
	return res, nil
}

// everIn returns the Emails that are or were in a thread, as far as it is in memory.
func (m *mails) everIn(id store.ThreadID) []store.BodyID {
	n, ok := m.thread(id)
	if !ok {
		return nil
	}
	m.threads.mu.RLock()
	defer m.threads.mu.RUnlock()
	return m.threads.members[n]
}

// boxKeys are the mailboxes that an operation changed: those that it worked on, and of whose threads counts may be others.
func (h *history) boxKeys(o *operation) map[int64]bool {
	ids := map[int64]bool{}
	for id := range o.boxes {
		ids[int64(id)] = true
	}
	done := map[store.ThreadID]bool{}
	for b := range o.bodies {
		thread, ok := h.thread[b]
		if !ok { // of any thread
			for id, box := range h.m.boxes {
				if box.Created <= o.seq {
					ids[int64(id)] = true
				}
			}
			return ids
		}
		if done[thread] {
			continue
		}
		done[thread] = true
		for _, b := range h.m.everIn(thread) {
			if e := h.m.any(b); e != nil {
				for _, p := range e.places {
					// It may be there since later only.
					if box := h.m.boxes[p.box]; box != nil && box.Created <= o.seq {
						ids[int64(p.box)] = true
					}
				}
			}
		}
	}
	return ids
}

// mailboxChangesResult is RFC 8621 2.2.
type mailboxChangesResult struct {
	*changesResult
	UpdatedProperties []string `json:"updatedProperties"` // nil: any
}

// countProperties are the properties of a Mailbox that change with its Emails.
var countProperties = []string{"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}

// mailboxChanges is Mailbox/changes, RFC 8621 2.2.
func mailboxChanges(ctx context.Context, c *call, a *changesArgs) (*mailboxChangesResult, error) {
	h, since, most, err := c.changing(ctx, a)
	if err != nil {
		return nil, err
	}
	w := h.window(since, most, h.boxKeys)
	res := &mailboxChangesResult{changesResult: newChanges(a.AccountID, since, h.m.seq())}
	res.NewState, res.HasMoreChanges = w.to.String(), w.more
	onlyCounts := true
	for _, n := range w.ids {
		id := store.MailboxID(n)
		var did boxChange
		for _, o := range w.ops {
			did |= o.boxes[id]
		}
		before, after := did&boxCreated == 0, did&boxDestroyed == 0
		if before && after && did&boxProperties != 0 {
			onlyCounts = false
		}
		res.add(mailboxID(id), before, after)
	}
	if onlyCounts && len(res.Updated) > 0 {
		res.UpdatedProperties = countProperties
	}
	return res, nil
}
