package imapserver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"mox/imap"
	"mox/store"
)

// followed is an account of another user whose mailboxes a client hears of by NOTIFY. The account
// stays open for that long; its changes wake the session as those of its own account do.
type followed struct {
	account *store.Account
	watch   *store.Watch
	since   store.ModSeq // told up to here
	// seen has the mailboxes that the user may see, by their names for clients.
	seen map[store.MailboxID]string
}

// abroad reports whether the client may want to hear of mailboxes of others: RFC 5465 6: those of
// PERSONAL and INBOXES are the user's own.
func (n *notify) abroad() bool {
	if n == nil {
		return false
	}
	for _, m := range []map[string]imap.NotifyEvents{n.exact, n.subtree} {
		for name, e := range m {
			if e != 0 && strings.HasPrefix(name+"/", othersPrefix) {
				return true
			}
		}
	}
	return n.subscribed != 0
}

// eventsAbroad is events for a mailbox of another user, by its name for clients.
func (n *notify) eventsAbroad(s *session, name string) imap.NotifyEvents {
	if n == nil {
		return 0
	}
	e := n.exact[name] | n.subtree[name]
	if n.subtree != nil {
		eachParent(name, func(p string) { e |= n.subtree[p] })
	}
	if n.subscribed != 0 && s.account.Subscribed(name) {
		e |= n.subscribed
	}
	return e
}

// owners returns the accounts that the client may want to hear of, sorted: of those that share
// something with the user.
func (s *session) owners(n *notify) []string {
	ids := s.identifiers()
	if len(ids) == 0 || !n.abroad() {
		return nil
	}
	names := slices.Collect(maps.Keys(n.exact))
	names = slices.AppendSeq(names, maps.Keys(n.subtree))
	if n.subscribed != 0 {
		names = append(names, s.account.Subscriptions()...)
	}
	var list []string
	for _, owner := range s.srv.cfg.Accounts.Sharers(ids) {
		wanted := slices.ContainsFunc(names, func(name string) bool {
			return name+"/" == othersPrefix || strings.HasPrefix(name+"/", othersPrefix+owner+"/")
		})
		if wanted && owner != s.principal.Account && s.srv.cfg.Sharing.Allowed(owner, s.principal.Account) {
			list = append(list, owner)
		}
	}
	slices.Sort(list)
	return list
}

// tellOthers tells what is new in mailboxes of others; quiet: only where it stands is noted, for
// a NOTIFY that has just begun.
func (s *session) tellOthers(ctx context.Context, quiet bool) {
	n := s.news
	if n.others == nil && !n.notify.abroad() {
		return
	}
	owners := s.owners(n.notify)
	if len(owners) > s.limits().NotifyOwners {
		s.newsLost(nil, s.account.ModSeq())
		owners = nil
	}
	for owner, f := range n.others {
		if !slices.Contains(owners, owner) {
			s.leaveOther(owner, f)
		}
	}
	for _, owner := range owners {
		f, err := s.followOther(ctx, owner)
		if err != nil {
			s.logger().Error("following account of another user", "err", err, "owner", owner)
		}
		if f != nil {
			s.tellOther(ctx, owner, f, quiet)
		}
	}
	s.srv.followsOthers(s, n.notify.abroad())
	if !n.notify.abroad() {
		s.leaveOthers()
	}
}

// followOther begins to follow an account, if that is not done already; nil when there is none.
func (s *session) followOther(ctx context.Context, owner string) (*followed, error) {
	if f := s.news.others[owner]; f != nil {
		return f, nil
	}
	acc, err := s.srv.cfg.Accounts.Account(ctx, owner)
	if errors.Is(err, store.ErrNoAccount) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	f := &followed{account: acc, watch: acc.WatchWith(s.news.watch), since: acc.ModSeq(), seen: map[store.MailboxID]string{}}
	if s.news.others == nil {
		s.news.others = map[string]*followed{}
	}
	s.news.others[owner] = f
	return f, nil
}

// leaveOther ends following an account, whose mailboxes the user may not see any more, or
// does not want to hear of.
func (s *session) leaveOther(owner string, f *followed) {
	delete(s.news.others, owner)
	for _, name := range slices.Sorted(maps.Values(f.seen)) {
		if s.news.notify.eventsAbroad(s, name)&imap.EventMailboxName != 0 {
			s.sendListed(&imap.List{Return: imap.ListReturn{Subscribed: true}}, listed{name: name, subscribed: s.account.Subscribed(name)})
		}
	}
	f.watch.Close()
	f.account.Release()
}

// leaveOthers ends following all, and tells nothing.
func (s *session) leaveOthers() {
	for owner, f := range s.news.others {
		delete(s.news.others, owner)
		f.watch.Close()
		f.account.Release()
	}
	s.news.others = nil
}

// tellOther tells what is new in the mailboxes of one account.
func (s *session) tellOther(ctx context.Context, owner string, f *followed, quiet bool) {
	now := f.account.ModSeq()
	t := &telling{s: s, account: f.account, owner: owner, status: map[store.MailboxID]imap.NotifyEvents{}}
	own := map[store.MailboxID]bool{} // that this session has changed
	if now-f.since > store.ModSeq(s.limits().NotifyBehind) {
		s.newsLost(nil, s.account.ModSeq())
		return
	}
	for f.since < now && !quiet {
		list, err := f.account.Changes(ctx, f.since, newsBatch)
		if err != nil {
			s.newsLost(err, s.account.ModSeq())
			return
		}
		f.since = now
		if len(list) >= newsBatch {
			f.since = min(now, list[len(list)-1].ModSeq)
		}
		t.tellOf(list, f.since, own)
	}
	s.tellNames(f, owner, own, quiet)
	for _, id := range t.order {
		t.sendStatus(id)
	}
	f.since = now
	for op := range s.news.own {
		if op.account == f.account && op.modseq <= now {
			delete(s.news.own, op)
		}
	}
}

// tellOf tells changes of another's account up to a ModSeq, and notes in own which mailboxes the
// session has changed itself.
func (t *telling) tellOf(list []store.Change, last store.ModSeq, own map[store.MailboxID]bool) {
	for i := range list {
		ch := &list[i]
		switch tell := otherTellers[ch.Kind]; {
		case ch.ModSeq > last:
		case t.s.isOwn(t.account, ch.ModSeq):
			own[ch.Mailbox] = true
		case tell != nil:
			tell(t, ch)
		}
	}
}

// otherTellers are changeTellers for mailboxes of others; which there are is seen by comparing,
// since rights change that too.
var otherTellers = map[store.ChangeKind]func(t *telling, ch *store.Change){
	store.MessagesAdded:      changeTellers[store.MessagesAdded],
	store.MessagesExpunged:   changeTellers[store.MessagesExpunged],
	store.MessagesChanged:    changeTellers[store.MessagesChanged],
	store.AnnotationsChanged: changeTellers[store.AnnotationsChanged],
	store.MetadataChanged: func(t *telling, ch *store.Change) {
		entries := slices.DeleteFunc(strings.Split(ch.Name, "\n"), isPrivate)
		if mb, ok := t.account.MailboxByID(ch.Mailbox); ok && len(entries) > 0 && t.wants(mb.Name, imap.EventMailboxMetadataChange) && t.mayRead(mb.ID) {
			t.s.tellMetadata(wireNameOf(t.owner, mb.Name), entries)
		}
	},
}

// mayRead reports whether the user may see a mailbox and what is in it.
func (t *telling) mayRead(id store.MailboxID) bool {
	return t.owner == "" || t.s.rightsOn(t.owner, t.account, id).Has(imap.RightLookup|imap.RightRead)
}

// tellNames tells which mailboxes the user sees now and did not see before, and the other way
// round. RFC 5465 5.4: getting or losing the right to see a mailbox is its creation or deletion.
// Those that the session has made, renamed or deleted itself are no news.
func (s *session) tellNames(f *followed, owner string, own map[store.MailboxID]bool, quiet bool) {
	before, children := f.seen, map[string]bool{}
	f.seen = make(map[store.MailboxID]string, len(before))
	boxes := map[store.MailboxID]store.Mailbox{}
	for _, mb := range f.account.Shared(s.identifiers()) {
		if mb.Rights.Has(imap.RightLookup) {
			name := wireNameOf(owner, mb.Name)
			mb.SpecialUse = 0
			f.seen[mb.ID], boxes[mb.ID] = name, mb.Mailbox
			eachParent(name, func(p string) { children[p] = true })
		}
	}
	if quiet {
		return
	}
	var news []listed
	moved := map[string]bool{} // by old name
	for id, name := range f.seen {
		if old, had := before[id]; had && old != name {
			moved[old] = true
		}
	}
	for id, name := range f.seen {
		old, had := before[id]
		switch e := (listed{name: name, mb: boxes[id], exists: true}); {
		case own[id] || had && old == name:
		case !had:
			news = append(news, e)
		case !moved[old[:max(0, strings.LastIndexByte(old, '/'))]]:
			e.oldName = old
			news = append(news, e)
		}
	}
	for id, name := range before {
		if _, has := f.seen[id]; !has && !own[id] {
			news = append(news, listed{name: name})
		}
	}
	slices.SortFunc(news, func(a, b listed) int { return strings.Compare(a.name, b.name) })
	n := s.news.notify
	for _, e := range news {
		if (n.eventsAbroad(s, e.name)|n.eventsAbroad(s, e.oldName))&imap.EventMailboxName == 0 {
			continue
		}
		e.subscribed, e.children = s.account.Subscribed(e.name), children[e.name]
		s.sendListed(&imap.List{Return: imap.ListReturn{Subscribed: true}}, e)
	}
}

// sendOthersStatus is sendNotifyStatus for mailboxes of others.
func (s *session) sendOthersStatus(n *notify) error {
	for _, owner := range slices.Sorted(maps.Keys(s.news.others)) {
		f := s.news.others[owner]
		for _, mb := range f.account.Shared(s.identifiers()) {
			name := wireNameOf(owner, mb.Name)
			if mb.Rights.Has(imap.RightLookup|imap.RightRead) && !s.hasSelected(owner, mb.ID) {
				s.sendObserved(owner, mb.Mailbox, n.eventsAbroad(s, name))
			}
			if err := s.spill(); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasSelected reports whether a mailbox is selected; owner is empty for the user's own.
func (s *session) hasSelected(owner string, id store.MailboxID) bool {
	return s.box != nil && s.box.owner == owner && s.box.view.Mailbox == id
}
