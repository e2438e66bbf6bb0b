package queuebox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mox/config"
	"mox/queue"
	"mox/store"
)

// group is a submission: its messages that are in the queue.
type group struct {
	base int64
	msgs []queue.Message // by ID
}

func (g *group) ids() []int64 {
	var l []int64
	for i := range g.msgs {
		l = append(l, g.msgs[i].ID)
	}
	return l
}

// visit is one look at an account.
type visit struct {
	*Boxes
	acc    *store.Account
	info   *config.AccountInfo // nil: it is going to be removed
	rows   *rows
	groups map[int64]*group
	now    time.Time
	again  time.Time      // when to look again; zero: when something changes
	taken  map[int64]bool // by Base: messages that were taken away before their mailbox went; nil: not read yet
}

// sync brings the mailboxes of an account up to date. It returns when to look again, zero for
// when something changes.
func (b *Boxes) sync(ctx context.Context, acc *store.Account) (time.Time, error) {
	// As of before anything is looked at, so that nothing is missed.
	before := map[store.MailboxID]store.ModSeq{}
	for _, box := range acc.Mailboxes() {
		before[box.ID] = box.ModSeq
	}
	s := &visit{Boxes: b, acc: acc, info: b.c.Config().Accounts[acc.Name()], now: b.c.Now()}
	var err error
	if s.rows, err = loadRows(ctx, acc); err != nil {
		return time.Time{}, err
	}
	if err := s.loadGroups(ctx); err != nil {
		return time.Time{}, err
	}
	err = s.run(ctx)
	return s.again, errors.Join(err, b.mark(ctx, acc, s.rows, before))
}

// loadGroups reads the submissions of the account that are in the queue. Mail that the account
// did not write, as what it forwards, is left out.
func (s *visit) loadGroups(ctx context.Context) error {
	l, err := s.c.Queue.List(ctx, queue.Filter{Account: s.acc.Name()}, queue.Sort{})
	if err != nil {
		return err
	}
	s.groups = map[int64]*group{}
	for i := range l {
		if l[i].Kind != queue.Ordinary {
			continue
		}
		g := s.groups[l[i].BaseID]
		if g == nil {
			g = &group{base: l[i].BaseID}
			s.groups[g.base] = g
		}
		g.msgs = append(g.msgs, l[i])
	}
	for _, g := range s.groups {
		sortByID(g.msgs)
	}
	return nil
}

func sortByID(l []queue.Message) {
	slices.SortFunc(l, func(a, b queue.Message) int { return cmp.Compare(a.ID, b.ID) })
}

// later has the account looked at again at a time.
func (s *visit) later(at time.Time) {
	if s.again.IsZero() || at.Before(s.again) {
		s.again = at
	}
}

func (s *visit) run(ctx context.Context) error {
	for _, x := range s.rows.sorted() {
		if err := s.check(ctx, x); err != nil {
			return err
		}
	}
	if s.info == nil || s.info.Config.NoQueueMailboxes {
		return nil
	}
	for _, base := range slices.Sorted(maps.Keys(s.groups)) {
		g := s.groups[base]
		if s.rows.all[base] != nil || len(g.msgs) == 0 {
			continue
		}
		if s.rows.len() >= s.c.Limits.Messages {
			break // one that is done makes room, and touches the account
		}
		box, at := s.place(g)
		if at.After(s.now) {
			s.later(at)
			continue
		}
		if err := s.add(ctx, g, box); tolerable(err) {
			s.c.Log.InfoContext(ctx, "message of the queue cannot be shown", "err", err, "account", s.acc.Name(), "queueid", g.base)
			s.later(s.now.Add(s.c.Limits.Retry))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// tolerable tells whether an error is about one message that cannot be shown for now.
func tolerable(err error) bool {
	return errors.Is(err, store.ErrQuota) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrLimit) || errors.Is(err, queue.ErrNotFound)
}

// place says in which mailbox a submission is shown, and from when on. A scheduled one that is
// being sent stays where it is for a moment.
func (s *visit) place(g *group) (box string, from time.Time) {
	scheduled := false
	var due time.Time
	for i := range g.msgs {
		m := &g.msgs[i]
		if m.Attempts > 0 {
			return s.info.QueueMailbox, s.now
		}
		first := m.Queued
		if m.NextAttempt.After(first) {
			first = m.NextAttempt
		}
		if due.IsZero() || first.Before(due) {
			due = first
		}
		scheduled = scheduled || m.Hold || m.NextAttempt.After(s.now.Add(s.c.Limits.Delay))
	}
	if scheduled {
		return s.info.ScheduledMailbox, s.now
	}
	return s.info.QueueMailbox, due.Add(s.c.Limits.Delay)
}

// check looks at what became of a message that is shown, and brings it up to date.
func (s *visit) check(ctx context.Context, x *row) error {
	if err := s.settle(ctx, x); err != nil {
		return err
	}
	if s.rows.all[x.Base] == nil {
		return nil
	}
	mb, ok := s.acc.MailboxByID(x.Box)
	if !ok {
		taken, err := s.takenBefore(ctx, x)
		if err != nil {
			return err
		} else if taken {
			return s.cancel(ctx, x, s.groups[x.Base])
		}
		return s.rows.drop(ctx, x) // with its mailbox: that is not meant
	}
	if mb.UIDValidity != x.Validity {
		if err := s.renumbered(ctx, x, mb); err != nil || s.rows.all[x.Base] == nil {
			return err
		}
	}
	l, err := s.acc.MessagesAt(ctx, x.Box, store.NewUIDSet(x.UID))
	if err != nil {
		return err
	}
	g := s.groups[x.Base]
	if len(l) == 0 {
		return s.cancel(ctx, x, g)
	}
	if g == nil || s.info == nil || s.info.Config.NoQueueMailboxes {
		// Nothing is in the queue any more that could be canceled, or all is to be hidden: then
		// the note goes first.
		return s.remove(ctx, x, g)
	}
	box, at := s.place(g)
	if l[0].Flags&store.FlagDeleted != 0 || at.After(s.now) {
		// What is marked goes soon; what is due is being sent.
		if at.After(s.now) {
			s.later(at)
		}
		return nil
	}
	err = s.update(ctx, x, g, box, &l[0])
	if errors.Is(err, store.ErrNoMessage) {
		return s.cancel(ctx, x, g)
	} else if tolerable(err) {
		s.later(s.now.Add(s.c.Limits.Retry))
		return nil
	}
	return err
}

// renumbered finds a message again whose mailbox was repaired, and may have numbered its messages
// anew: that it is not where it was does not say that its user took it away. When it is not
// there, it is forgotten, and so shown again.
func (s *visit) renumbered(ctx context.Context, x *row, mb store.Mailbox) error {
	l, err := s.acc.MessagesAt(ctx, mb.ID, store.AllUIDs())
	if err != nil {
		return err
	}
	for i := range l {
		ours := l[i].Body == x.Body
		if !ours {
			if ours, err = s.shows(ctx, &l[i], x.Base); err != nil && !errors.Is(err, store.ErrNoBody) {
				return err
			}
		}
		if ours {
			x.UID, x.Body, x.Validity, x.Since = l[i].UID, l[i].Body, mb.UIDValidity, mb.ModSeq
			return s.rows.save(ctx, x)
		}
	}
	return s.rows.drop(ctx, x)
}

// settle finds out how adding or replacing a message ended that was interrupted.
func (s *visit) settle(ctx context.Context, x *row) error {
	if x.NextUID == 0 {
		return nil
	}
	l, err := s.acc.MessagesAt(ctx, x.NextBox, store.UIDSet{{Start: x.NextUID, End: maxUID}})
	if err != nil && !errors.Is(err, store.ErrNoMailbox) {
		return err
	}
	x.Since = 0 // whether we replaced it is not known
	for i := range l {
		ours, err := s.shows(ctx, &l[i], x.Base)
		if err != nil {
			return err
		}
		if ours {
			mb, _ := s.acc.MailboxByID(x.NextBox)
			x.Box, x.UID, x.Validity, x.Body, x.Sum, x.Since = x.NextBox, l[i].UID, mb.UIDValidity, l[i].Body, "", mb.ModSeq
			break
		}
	}
	x.NextBox, x.NextUID = 0, 0
	if x.UID == 0 {
		return s.rows.drop(ctx, x) // it was not added
	}
	return s.rows.save(ctx, x)
}

const maxUID = store.UID(1<<32 - 1)

// shows tells whether a message is one that shows a submission, by its first field.
func (s *visit) shows(ctx context.Context, m *store.Message, base int64) (bool, error) {
	r, err := s.acc.OpenBody(ctx, m.Body)
	if err != nil {
		return false, err
	}
	defer r.Close()
	want := idField(base)
	buf := make([]byte, len(want))
	n, _ := r.ReadAt(buf, 0)
	return string(buf[:n]) == want, nil
}

// remove removes a message that needs not be shown any more. With the submission still in the
// queue the note goes first, as without it nothing is canceled.
func (s *visit) remove(ctx context.Context, x *row, g *group) error {
	set := store.NewUIDSet(x.UID)
	if g != nil {
		if err := s.rows.drop(ctx, x); err != nil {
			return err
		}
		_, _, err := s.acc.Remove(ctx, x.Box, set)
		return err
	}
	if _, _, err := s.acc.Remove(ctx, x.Box, set); err != nil && !errors.Is(err, store.ErrNoMailbox) {
		return err
	}
	return s.rows.drop(ctx, x)
}

// mailbox returns the mailbox of a name, making it when missing.
func (s *visit) mailbox(ctx context.Context, name string) (store.Mailbox, error) {
	box, ok := s.acc.MailboxByName(name)
	if ok {
		return box, nil
	}
	box, err := s.acc.CreateMailbox(ctx, name, 0)
	if errors.Is(err, store.ErrExists) {
		box, _ = s.acc.MailboxByName(name)
		return box, nil
	}
	return box, err
}

// add shows a submission.
func (s *visit) add(ctx context.Context, g *group, name string) error {
	box, err := s.mailbox(ctx, name)
	if err != nil {
		return err
	}
	m, err := s.compose(ctx, g, name)
	if err != nil {
		return err
	}
	defer m.Spool.Close()
	m.Flags = store.FlagSeen
	x := &row{Base: g.base, NextBox: box.ID, NextUID: box.UIDNext}
	if err := s.rows.save(ctx, x); err != nil {
		return err
	}
	a, err := s.acc.Add(ctx, box.ID, []store.NewMessage{m})
	if err != nil {
		return errors.Join(err, s.rows.drop(ctx, x))
	}
	return s.added(ctx, x, g, name, a)
}

// update shows what has changed of a submission.
func (s *visit) update(ctx context.Context, x *row, g *group, name string, old *store.Message) error {
	if x.Sum == s.sum(g, name) {
		return nil
	}
	box, err := s.mailbox(ctx, name)
	if err != nil {
		return err
	}
	m, err := s.compose(ctx, g, name)
	if err != nil {
		return err
	}
	defer m.Spool.Close()
	m.Flags, m.Keywords = old.Flags, s.acc.Keywords(old.Keywords)
	x.NextBox, x.NextUID = box.ID, box.UIDNext
	if err := s.rows.save(ctx, x); err != nil {
		return err
	}
	a, err := s.acc.Replace(ctx, x.Box, x.UID, box.ID, m)
	if err != nil {
		x.NextBox, x.NextUID = 0, 0
		return errors.Join(err, s.rows.save(ctx, x))
	}
	return s.added(ctx, x, g, name, a)
}

// added notes the message that was added.
func (s *visit) added(ctx context.Context, x *row, g *group, name string, a store.Added) error {
	*x = row{Base: g.base, IDs: g.ids(), Box: a.Mailbox, UID: a.UIDs[0], Validity: a.UIDValidity, Body: a.Bodies[0], Since: a.ModSeq, Sum: s.sum(g, name)}
	for i := range g.msgs {
		x.To = append(x.To, g.msgs[i].Recipient.XString(true))
	}
	return s.rows.save(ctx, x)
}

// compose makes the message that shows a submission. Its spool must be closed.
func (s *visit) compose(ctx context.Context, g *group, box string) (store.NewMessage, error) {
	c, err := s.c.Queue.Content(ctx, g.msgs[0].ID)
	if err != nil {
		return store.NewMessage{}, err
	}
	defer c.Close()
	spool := s.c.Store.NewSpool()
	if _, err = c.WriteTo(spool); err == nil {
		err = spool.Finish()
	}
	if err != nil {
		spool.Close()
		return store.NewMessage{}, fmt.Errorf("reading message of the queue: %w", err)
	}
	return store.NewMessage{Spool: spool, Prefix: []byte(s.fields(g, box)), Received: g.msgs[0].Queued, Own: true}, nil
}

// inDrafts tells whether a mailbox is for drafts.
func inDrafts(box store.Mailbox) bool {
	return box.SpecialUse&store.UseDrafts != 0 || strings.EqualFold(box.Name, "Drafts")
}
