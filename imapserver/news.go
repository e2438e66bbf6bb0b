package imapserver

import (
	"context"
	"errors"
	"strings"

	"mox/imap"
	"mox/store"
)

// newsBatch is how many entries of the change log are read at a time, and about how many
// changes one response may stand for.
const newsBatch = 500

// news follows the account's change log for a client that has asked to hear of more than
// its selected mailbox. It holds a position, not what is to be told: a client that reads
// slowly costs nothing but that.
type news struct {
	watch *store.Watch
	since store.ModSeq       // told up to here
	own   map[operation]bool // of this session, after since

	metadata       bool // ENABLE METADATA
	serverMetadata bool // ENABLE METADATA-SERVER
	notify         *notify
	others         map[string]*followed // by owner; nil while there are none
}

// operation is one that the session has done, in whatever account.
type operation struct {
	account *store.Account
	modseq  store.ModSeq
}

// follow begins to follow the change log.
func (s *session) follow() *news {
	if s.news == nil {
		s.news = &news{watch: s.account.Watch(), since: s.account.ModSeq()}
	}
	return s.news
}

// unfollow ends it.
func (s *session) unfollow() {
	if s.news != nil {
		s.news.notify.stop()
		s.leaveOthers()
		s.news.watch.Close()
		s.news = nil
	}
}

// recordOwn makes the operations of a command be known as the session's own: RFC 5465 5:
// a client is not told of what it did itself.
func (s *session) recordOwn(ctx context.Context) context.Context {
	n := s.news
	if n == nil {
		return ctx
	}
	return store.WithOperations(ctx, func(acc *store.Account, seq store.ModSeq) {
		if n.own == nil {
			n.own = map[operation]bool{}
		}
		n.own[operation{acc, seq}] = true
	})
}

// isOwn reports whether an operation is one of this session's that was not told yet.
func (s *session) isOwn(acc *store.Account, seq store.ModSeq) bool {
	return s.news != nil && s.news.own[operation{acc, seq}]
}

// advance notes that everything up to seq was told, and of the selected mailbox all.
func (s *session) advance(seq store.ModSeq) {
	n := s.news
	n.since = seq
	for own := range n.own {
		if own.account == s.account && own.modseq <= seq || own.account != s.account && !n.follows(own.account) {
			delete(n.own, own)
		}
	}
}

// follows reports whether an account of another user is followed.
func (n *news) follows(acc *store.Account) bool {
	for _, f := range n.others {
		if f.account == acc {
			return true
		}
	}
	return false
}

// wanted reports whether anything is to be told from the change log.
func (n *news) wanted() bool {
	return n.metadata || n.serverMetadata || n.notify != nil && n.notify.others
}

// tellNews tells what others have changed since the last time.
func (s *session) tellNews(ctx context.Context) {
	if s.news != nil {
		s.tellOwnNews(ctx)
		s.tellOthers(ctx, false)
	}
}

// tellOwnNews is tellNews for the user's own account.
func (s *session) tellOwnNews(ctx context.Context) {
	n := s.news
	// The log may be ahead of what is published of the account: the rest is for later.
	now := s.account.ModSeq()
	if !n.wanted() {
		s.advance(now)
	}
	if now-n.since > store.ModSeq(s.limits().NotifyBehind) {
		s.newsLost(nil, now)
	}
	for n.since < now {
		list, err := s.account.Changes(ctx, n.since, newsBatch)
		if err != nil {
			s.newsLost(err, now)
			return
		}
		last := now
		if len(list) >= newsBatch {
			last = min(now, list[len(list)-1].ModSeq)
		}
		s.tellChanges(list, last)
		s.advance(last)
		if s.spill() != nil {
			return // the next write fails as well, and tells
		}
	}
}

// newsLost goes on from now when the client is too far behind, or the log does not reach
// back. RFC 5465 5.8: that ends NOTIFY.
func (s *session) newsLost(err error, now store.ModSeq) {
	if err != nil && !errors.Is(err, store.ErrTooOld) {
		s.logger().Error("reading change log for a client", "err", err)
	}
	n := s.news
	s.advance(now)
	if n.notify != nil && n.notify.others {
		n.notify.stop()
		n.notify = &notify{}
		s.line("* OK [NOTIFICATIONOVERFLOW] too much has changed, notifications are off")
	}
}

// telling is what entries of the change log come to: for messages, a STATUS of each mailbox.
type telling struct {
	s       *session
	account *store.Account // that has changed
	owner   string         // its name, when it is another user's
	status  map[store.MailboxID]imap.NotifyEvents
	order   []store.MailboxID
	moved   map[string]bool // old names of mailboxes renamed by the operation seq
	seq     store.ModSeq
}

// tellChanges tells changes up to a ModSeq.
func (s *session) tellChanges(list []store.Change, last store.ModSeq) {
	t := &telling{s: s, account: s.account, status: map[store.MailboxID]imap.NotifyEvents{}}
	for i := range list {
		ch := &list[i]
		if ch.ModSeq > last {
			break
		}
		if s.isOwn(s.account, ch.ModSeq) {
			continue
		}
		if ch.ModSeq != t.seq {
			t.operation(list[i:])
		}
		if f := changeTellers[ch.Kind]; f != nil {
			f(t, ch)
		}
	}
	for _, id := range t.order {
		t.sendStatus(id)
	}
}

// operation looks at the entries of the next operation, which list begins with.
func (t *telling) operation(list []store.Change) {
	t.seq, t.moved = list[0].ModSeq, nil
	for i := range list {
		if list[i].ModSeq != t.seq {
			break
		}
		if list[i].Kind == store.MailboxRenamed {
			if t.moved == nil {
				t.moved = map[string]bool{}
			}
			t.moved[list[i].OldName] = true
		}
	}
}

// changeTellers tell the kinds of change.
var changeTellers = map[store.ChangeKind]func(t *telling, ch *store.Change){
	store.MessagesAdded:      func(t *telling, ch *store.Change) { t.message(ch, imap.EventMessageNew) },
	store.MessagesExpunged:   func(t *telling, ch *store.Change) { t.message(ch, imap.EventMessageExpunge) },
	store.MessagesChanged:    func(t *telling, ch *store.Change) { t.message(ch, imap.EventFlagChange) },
	store.AnnotationsChanged: func(t *telling, ch *store.Change) { t.message(ch, imap.EventAnnotationChange) },
	store.MailboxCreated:     (*telling).came,
	store.MailboxDeleted:     (*telling).came,
	store.MailboxRenamed:     (*telling).renamed,
	store.SubscriptionChanged: func(t *telling, ch *store.Change) {
		if t.wants(ch.Name, imap.EventSubscriptionChange) {
			t.s.tellName(ch.Name, "")
		}
	},
	store.MailboxChanged: func(t *telling, ch *store.Change) {
		// The special use is an entry too: RFC 6154 4.
		t.metadata(ch.Mailbox, []string{store.EntrySpecialUse})
	},
	store.MetadataChanged: func(t *telling, ch *store.Change) {
		t.metadata(ch.Mailbox, strings.Split(ch.Name, "\n"))
	},
}

// wants reports whether NOTIFY asks for an event of a mailbox.
func (t *telling) wants(name string, e imap.NotifyEvents) bool {
	if t.owner != "" {
		return t.s.news.notify.eventsAbroad(t.s, wireNameOf(t.owner, name))&e != 0
	}
	return t.s.news.notify.events(t.s, name)&e != 0
}

// message notes a change of messages in a mailbox that is not selected: RFC 5465 3.1: for
// the selected one only SELECTED counts.
func (t *telling) message(ch *store.Change, e imap.NotifyEvents) {
	if t.s.hasSelected(t.owner, ch.Mailbox) {
		return
	}
	mb, ok := t.account.MailboxByID(ch.Mailbox)
	if !ok || !t.wants(mb.Name, e) || !t.mayRead(mb.ID) {
		return
	}
	if t.status[mb.ID] == 0 {
		t.order = append(t.order, mb.ID)
	}
	t.status[mb.ID] |= e
}

// sendStatus sends the STATUS of a mailbox: RFC 5465 5.1 to 5.3.
func (t *telling) sendStatus(id store.MailboxID) {
	mb, ok := t.account.MailboxByID(id)
	if !ok {
		return
	}
	var atts []imap.StatusAtt
	e := t.status[id]
	if e&(imap.EventMessageNew|imap.EventMessageExpunge) != 0 {
		atts = append(atts, imap.StatusUIDNext, imap.StatusMessages)
	}
	if e&(imap.EventFlagChange|imap.EventAnnotationChange) != 0 {
		atts = append(atts, imap.StatusUIDValidity)
	}
	// New and expunged messages change this too.
	if t.wants(mb.Name, imap.EventFlagChange) {
		atts = append(atts, imap.StatusUnseen)
	}
	if t.s.condstore {
		atts = append(atts, imap.StatusHighestModSeq)
	}
	t.s.sendStatus(&place{owner: t.owner, mb: mb}, atts)
}

// came tells of a mailbox that came or went. RFC 5465 5.4: its parent is affected too.
func (t *telling) came(ch *store.Change) {
	if t.wants(ch.Name, imap.EventMailboxName) {
		t.s.tellName(ch.Name, "")
	}
	if i := strings.LastIndexByte(ch.Name, '/'); i > 0 && t.wants(ch.Name[:i], imap.EventMailboxName) {
		t.s.tellName(ch.Name[:i], "")
	}
}

// renamed tells of a mailbox with a new name. RFC 5465 5.4: not of those below it, which
// are renamed with it.
func (t *telling) renamed(ch *store.Change) {
	if i := strings.LastIndexByte(ch.OldName, '/'); i > 0 && t.moved[ch.OldName[:i]] {
		return
	}
	if t.wants(ch.Name, imap.EventMailboxName) || t.wants(ch.OldName, imap.EventMailboxName) {
		t.s.tellName(ch.Name, ch.OldName)
	}
}

// metadata tells of entries, to those that have enabled METADATA (RFC 5464 4.1) or want
// the event (RFC 5465 5.6 and 5.7).
func (t *telling) metadata(box store.MailboxID, entries []string) {
	n := t.s.news
	if box == 0 {
		if n.metadata || n.serverMetadata || n.notify.server() {
			t.s.tellMetadata("", entries)
		}
		return
	}
	mb, ok := t.s.account.MailboxByID(box)
	if ok && (n.metadata || t.wants(mb.Name, imap.EventMailboxMetadataChange)) {
		t.s.tellMetadata(wireName(mb.Name), entries)
	}
}

// tellName sends LIST for a name as it is now, with its old name when it has a new one.
func (s *session) tellName(name, old string) {
	mb, exists := s.account.MailboxByName(name)
	e := listed{name: wireName(name), mb: mb, exists: exists, subscribed: s.account.Subscribed(name), children: s.account.HasChildren(name)}
	if old != "" {
		e.oldName = wireName(old)
	}
	s.sendListed(&imap.List{Return: imap.ListReturn{Subscribed: true}}, e)
}

// tellMetadata sends METADATA without values: RFC 5464 4.4.2.
func (s *session) tellMetadata(name string, entries []string) {
	b := append(s.output(), "* METADATA "...)
	b = imap.AppendMailbox(b, name, s.utf8)
	for _, e := range entries {
		b = append(b, ' ')
		b = imap.AppendAString(b, e)
	}
	s.out = append(b, "\r\n"...)
}
