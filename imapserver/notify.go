package imapserver

import (
	"context"
	"slices"
	"strings"
	"time"

	"mox/imap"
	"mox/lineio"
	"mox/store"
)

// notify is what a client wants to hear of by NOTIFY, RFC 5465. Its methods work on nil,
// which stands for a client that has not used the command.
type notify struct {
	// Of the selected mailbox.
	selected  imap.NotifyEvents
	delayed   bool            // SELECTED-DELAYED
	fetch     []imap.FetchAtt // what the client wants of new messages
	plan      *fetchPlan      // what to send of them; nil: nothing
	condstore bool            // plan is for a client that has enabled CONDSTORE

	// Of others, by their names in the store; subtree has names with all below them.
	others     bool // any of the fields below, or server
	all        imap.NotifyEvents
	subscribed imap.NotifyEvents
	exact      map[string]imap.NotifyEvents
	subtree    map[string]imap.NotifyEvents

	ended chan struct{} // closed to end the goroutine; nil when there is none
}

// newNotify compiles a command.
func (s *session) newNotify(c *imap.Notify) *notify {
	n := &notify{}
	for i := range c.Groups {
		g := &c.Groups[i]
		if g.Selected() {
			n.selected, n.delayed = g.Events, g.Filter == imap.NotifySelectedDelayed
			if g.Fetch != nil {
				n.fetch = g.Fetch
				n.plan = s.planFetch(&imap.Fetch{Atts: g.Fetch}, false)
			}
			continue
		}
		n.others = n.others || g.Events != 0
		switch g.Filter {
		case imap.NotifySubscribed:
			n.subscribed |= g.Events
		case imap.NotifySubtree:
			n.subtree = addNames(n.subtree, g)
		case imap.NotifyMailboxes:
			n.exact = addNames(n.exact, g)
		default:
			// RFC 5465 6.3: rules may deliver to any mailbox, so that INBOXES is PERSONAL.
			n.all |= g.Events
		}
	}
	return n
}

// addNames adds the events of a group to its mailboxes. RFC 5465 3.1: names without a
// mailbox are ignored, until there is one.
func addNames(m map[string]imap.NotifyEvents, g *imap.NotifyGroup) map[string]imap.NotifyEvents {
	if m == nil {
		m = map[string]imap.NotifyEvents{}
	}
	for _, name := range g.Mailboxes {
		if name, err := store.NormalName(storeName(strings.TrimSuffix(name, "/"))); err == nil {
			m[name] |= g.Events
		}
	}
	return m
}

// events returns what the client wants to hear of a mailbox that is not selected: RFC
// 5465 6: of all groups together.
func (n *notify) events(s *session, name string) imap.NotifyEvents {
	if n == nil || !n.others {
		return 0
	}
	e := n.all | n.exact[name]
	if n.subscribed != 0 && s.account.Subscribed(name) {
		e |= n.subscribed
	}
	if n.subtree != nil {
		e |= n.subtree[name]
		eachParent(name, func(p string) { e |= n.subtree[p] })
	}
	return e
}

// server reports whether the client wants to hear of the server's metadata, which any group
// may ask for.
func (n *notify) server() bool {
	if n == nil {
		return false
	}
	e := n.all | n.subscribed
	for _, m := range []map[string]imap.NotifyEvents{n.exact, n.subtree} {
		for _, events := range m {
			e |= events
		}
	}
	return e&imap.EventServerMetadataChange != 0
}

// run wakes the session whenever the account has changed, until stop.
func (n *notify) run(w *store.Watch, conn *lineio.Conn) {
	n.ended = make(chan struct{})
	go func(ended <-chan struct{}) {
		for w.Wait(ended) {
			conn.Interrupt()
		}
	}(n.ended)
}

func (n *notify) stop() {
	if n != nil && n.ended != nil {
		close(n.ended)
		n.ended = nil
	}
}

// cmdNotify is NOTIFY, RFC 5465 3.1.
func (s *session) cmdNotify(ctx context.Context, r *imap.Request) error {
	c := r.Args.(*imap.Notify)
	if len(c.Unknown) > 0 {
		return &imap.Error{Type: imap.NO, Code: imap.CodeBadEvent, CodeArg: "(" + strings.Join(imap.NotifyEventNames, " ") + ")", Text: "unknown event " + asciiOnly(c.Unknown[0])}
	}
	f := s.follow()
	f.notify.stop()
	f.notify = nil
	s.tellNews(ctx)
	s.advance(s.account.ModSeq())
	// RFC 5465 3.1: an implicit NOOP, whatever is asked for.
	if s.box != nil && c.Groups != nil {
		s.report(true)
	}
	n := s.newNotify(c)
	if n.plan != nil && n.plan.wantsModSeq() {
		s.enableCondstore()
	}
	f.notify = n
	s.tellOthers(ctx, true)
	if n.others || n.selected != 0 {
		n.run(f.watch, s.conn)
	}
	if c.Status {
		return s.sendNotifyStatus(n)
	}
	return nil
}

// sendNotifyStatus sends the STATUS of all mailboxes whose messages the client wants to
// hear of, the selected one excepted: RFC 5465 3.1.
func (s *session) sendNotifyStatus(n *notify) error {
	for _, mb := range s.account.Mailboxes() {
		if !s.hasSelected("", mb.ID) {
			s.sendObserved("", mb, n.events(s, mb.Name))
		}
		if err := s.spill(); err != nil {
			return err
		}
	}
	return s.sendOthersStatus(n)
}

// sendObserved sends the STATUS of a mailbox of which the client wants to hear events; owner is
// empty for the user's own.
func (s *session) sendObserved(owner string, mb store.Mailbox, e imap.NotifyEvents) {
	if e&imap.EventsMessage == 0 {
		return
	}
	atts := []imap.StatusAtt{imap.StatusUIDValidity, imap.StatusUIDNext, imap.StatusMessages}
	if e&(imap.EventFlagChange|imap.EventAnnotationChange) != 0 {
		atts = append(atts, imap.StatusUnseen, imap.StatusHighestModSeq)
	}
	s.sendStatus(&place{owner: owner, mb: mb}, atts)
}

// notifying is what NOTIFY says, nil when it was not used.
func (s *session) notifying() *notify {
	if s.news == nil {
		return nil
	}
	return s.news.notify
}

// listening reports whether the client wants to be told between commands.
func (s *session) listening() bool {
	n := s.notifying()
	return n != nil && n.ended != nil
}

// reportWanted is report where nothing but news makes it necessary: RFC 5465 3.1: a client
// that has used NOTIFY hears of the selected mailbox only what it asked for.
func (s *session) reportWanted(expunge bool) {
	if n := s.notifying(); n == nil || n.selected != 0 {
		s.report(expunge)
	}
}

// wantsFlags reports whether flags that others have set are to be told.
func (s *session) wantsFlags() bool {
	n := s.notifying()
	return n == nil || n.selected&imap.EventFlagChange != 0
}

// tellListening tells what is new between commands. RFC 5465 6.1: EXPUNGE waits for a
// command with SELECTED-DELAYED. An error ends the session.
func (s *session) tellListening(ctx context.Context) error {
	if !s.listening() {
		return nil
	}
	if err := s.checkAccess(); err != nil {
		return err
	}
	if s.box != nil {
		s.reportWanted(!s.notifying().delayed)
	}
	s.tellNews(ctx)
	return s.flush()
}

// waitListening is WaitInput of the connection. For a client that listens to a mailbox of
// another account, whose changes do not wake the session otherwise, they do.
func (s *session) waitListening(timeout time.Duration) error {
	b := s.box
	if b == nil || b.owner == "" || !s.listening() || s.notifying().selected == 0 || b.isLast() {
		return s.conn.WaitInput(timeout)
	}
	s.alarm.Set(b.view)
	defer s.alarm.Stop()
	return s.conn.WaitInput(timeout)
}

// planNew is what is sent of new messages. RFC 7162 3.2.4: with CONDSTORE the UID and the
// mod-sequence too.
func (n *notify) planNew(s *session) *fetchPlan {
	if s.condstore && !n.condstore {
		n.plan = s.planFetch(&imap.Fetch{Atts: slices.Concat(n.fetch, []imap.FetchAtt{{Kind: imap.FetchModSeq}})}, true)
		n.condstore = true
	}
	return n.plan
}

// fetchNew sends what the client wants to have of the last n messages, those excepted that
// it has added itself: RFC 5465 5.2.
func (s *session) fetchNew(n int) {
	f := s.notifying()
	if f == nil || f.plan == nil {
		return
	}
	var sp spans
	total := s.box.total()
	for e := range s.box.entries(spans{{total - n, total}}) {
		if s.isOwn(s.box.account, e.msg.ModSeq) {
			continue
		}
		pos := int(e.seq) - 1
		if l := len(sp); l > 0 && sp[l-1].to == pos {
			sp[l-1].to++
		} else {
			sp = append(sp, span{pos, pos + 1})
		}
	}
	w := &fetcher{s: s, p: f.planNew(s)}
	// An error of the connection comes back with the next write.
	if err := w.run(s.ctx, sp); err != nil && !isNetError(err) {
		s.logger().Warn("reading new messages for a client", "err", err)
	}
}
