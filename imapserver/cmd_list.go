package imapserver

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"mox/imap"
	"mox/store"
)

// listed is a mailbox, or a name without one, as LIST may show it.
type listed struct {
	name       string // on the wire
	owner      string // whose it is, empty for the user's own
	mb         store.Mailbox
	rights     imap.Rights // of the user
	exists     bool
	level      bool // no mailbox, but above one
	subscribed bool
	children   bool // has a child mailbox
	childInfo  bool // a name below matches the selection options
	oldName    string
}

// cmdList is LIST, RFC 9051 6.3.9, with RFC 5258, RFC 5819, RFC 6154 and RFC 9590.
func (s *session) cmdList(ctx context.Context, r *imap.Request) error {
	l := r.Args.(*imap.List)
	// RFC 9051 6.3.9: an empty pattern asks for the hierarchy delimiter.
	if !l.Extended && l.Patterns[0] == "" {
		s.line(`* LIST (\Noselect) "/" ""`)
		return nil
	}
	if slices.Contains(l.Return.Status, imap.StatusHighestModSeq) {
		s.enableCondstore()
	}
	m := newMatcher(l.Reference, l.Patterns)
	entries, err := s.listEntries(ctx, l.Select, m)
	if err != nil {
		return err
	}
	for _, e := range entries {
		selected := listSelects(l.Select, &e)
		shown := selected || l.Select.RecursiveMatch && e.childInfo
		if !shown && e.level && l.Select == (imap.ListOptions{}) {
			shown = m.matchLevel(e.name)
		}
		if !shown || !m.match(e.name) {
			continue
		}
		s.sendListed(l, e)
		if e.exists && selected {
			err = s.sendReturned(ctx, &l.Return, &e)
		}
		if err := cmp.Or(err, s.spill()); err != nil {
			return err
		}
	}
	return nil
}

// sendReturned sends what the return options want besides LIST, for a mailbox that the
// selection options chose: RFC 8440 3: after the LIST response.
func (s *session) sendReturned(ctx context.Context, o *imap.ListReturn, e *listed) error {
	if o.MyRights {
		s.sendMyRights(e.name, e.rights)
	}
	if o.Status != nil && e.rights.Has(imap.RightRead) {
		s.sendStatus(&place{owner: e.owner, mb: e.mb}, o.Status)
	}
	if o.Metadata != nil {
		return s.sendListMetadata(ctx, e.name, o.Metadata)
	}
	return nil
}

// listSelects reports whether the selection options choose a name. RFC 5258 3.1:
// without any, every mailbox that exists is listed.
func listSelects(o imap.ListOptions, e *listed) bool {
	switch {
	case o.Subscribed && !e.subscribed, o.SpecialUse && e.mb.SpecialUse == 0:
		return false
	}
	return e.exists || o.Subscribed
}

// listEntries returns all mailboxes that the matcher may show, and with SUBSCRIBED selected
// also subscribed names that have none, sorted by name, INBOX first.
func (s *session) listEntries(ctx context.Context, o imap.ListOptions, m matcher) ([]listed, error) {
	l := s.newListing()
	l.addOwn()
	if s.shares() && m.mayBelow(othersPrefix) {
		if err := l.addAllShared(ctx); err != nil {
			return nil, err
		}
	}
	return l.finish(o), nil
}

// listing gathers what LIST may show.
type listing struct {
	s       *session
	entries []listed
	have    map[string]int // indexes in entries by name
}

func (s *session) newListing() *listing { return &listing{s: s, have: map[string]int{}} }

// add adds an entry, unless there is one of that name: one's own come first.
func (l *listing) add(e listed) {
	if _, ok := l.have[e.name]; !ok {
		l.have[e.name] = len(l.entries)
		l.entries = append(l.entries, e)
	}
}

// addOwn adds the mailboxes of the user's own account.
func (l *listing) addOwn() {
	for _, mb := range l.s.account.Mailboxes() {
		l.add(listed{name: wireName(mb.Name), mb: mb, rights: imap.RightsAll, exists: true, subscribed: mb.Subscribed})
	}
}

// addAllShared adds the mailboxes of all others that the user may see. Their accounts are
// open one at a time.
func (l *listing) addAllShared(ctx context.Context) error {
	s := l.s
	for _, owner := range s.srv.cfg.Accounts.Sharers(s.identifiers()) {
		if owner == s.principal.Account {
			continue
		}
		if s.stopping(ctx) {
			return errShutdown
		}
		acc, err := s.reach(ctx, owner)
		if err != nil {
			// Whatever is wrong with that account must not keep users from their own mail.
			s.logger().Error("listing shared mailboxes", "owner", owner, "err", err)
			continue
		}
		if acc != nil {
			l.addShared(owner, acc)
			s.giveBack()
		}
	}
	return nil
}

// addShared adds the mailboxes of another account. RFC 4314 4: those with the right to look
// them up, and nothing of others above them. Their special use is that of their user.
func (l *listing) addShared(owner string, acc *store.Account) {
	subscribed := map[string]bool{}
	for _, name := range l.s.account.Subscriptions() {
		subscribed[wireName(name)] = true
	}
	for _, mb := range acc.Shared(l.s.identifiers()) {
		if !mb.Rights.Has(imap.RightLookup) {
			continue
		}
		name := wireNameOf(owner, mb.Name)
		mb.SpecialUse = 0
		l.add(listed{name: name, owner: owner, mb: mb.Mailbox, rights: mb.Rights, exists: true, subscribed: subscribed[name]})
	}
}

// finish adds names without mailboxes, and tells who has children.
func (l *listing) finish(o imap.ListOptions) []listed {
	if o.Subscribed {
		for _, name := range l.s.account.Subscriptions() {
			name = wireName(name)
			l.add(listed{name: name})
			l.entries[l.have[name]].subscribed = true
		}
	}
	for i := range len(l.entries) {
		// RFC 9051 6.3.9: "%" at the end shows levels without a mailbox too.
		if l.entries[i].exists {
			eachParent(l.entries[i].name, func(p string) { l.add(listed{name: p, level: true}) })
		}
		// RFC 5258 3.5: parents of matches are shown for their children, even when they do
		// not exist.
		if o.RecursiveMatch && listSelects(o, &l.entries[i]) {
			eachParent(l.entries[i].name, func(p string) {
				l.add(listed{name: p})
				l.entries[l.have[p]].childInfo = true
			})
		}
	}
	for i := range l.entries {
		if l.entries[i].exists {
			eachParent(l.entries[i].name, func(p string) { l.entries[l.have[p]].children = true })
		}
	}
	slices.SortFunc(l.entries, compareListed)
	return l.entries
}

func compareListed(a, b listed) int {
	if (a.name == "INBOX") != (b.name == "INBOX") {
		if a.name == "INBOX" {
			return -1
		}
		return 1
	}
	return strings.Compare(a.name, b.name)
}

// eachParent calls f with the names above a name, nearest first.
func eachParent(name string, f func(parent string)) {
	for {
		i := strings.LastIndexByte(name, '/')
		if i <= 0 {
			return
		}
		name = name[:i]
		f(name)
	}
}

// sendListed sends one LIST response.
func (s *session) sendListed(l *imap.List, e listed) {
	var attrs []string
	if !e.exists {
		attrs = append(attrs, `\NonExistent`)
	}
	// RFC 3501 6.3.8: how those who do not know RFC 5258 are told.
	if e.level && !l.Extended {
		attrs = append(attrs, `\Noselect`)
	}
	// RFC 3348 3 and RFC 9051 7.3.1: always known here, so always told.
	if e.children {
		attrs = append(attrs, `\HasChildren`)
	} else {
		attrs = append(attrs, `\HasNoChildren`)
	}
	if e.subscribed && (l.Select.Subscribed || l.Return.Subscribed) {
		attrs = append(attrs, `\Subscribed`)
	}
	attrs = append(attrs, e.mb.SpecialUse.Names()...)

	b := append(s.output(), "* LIST "...)
	b = imap.AppendFlags(b, attrs)
	b = append(b, ` "/" `...)
	b = imap.AppendMailbox(b, e.name, s.utf8)
	if l.Select.RecursiveMatch && e.childInfo {
		// RFC 5258 4: which selection options made the name be shown for its children.
		b = append(b, ` ("CHILDINFO" (`...)
		if l.Select.Subscribed {
			b = append(b, `"SUBSCRIBED"`...)
		}
		if l.Select.SpecialUse {
			if l.Select.Subscribed {
				b = append(b, ' ')
			}
			b = append(b, `"SPECIAL-USE"`...)
		}
		b = append(b, "))"...)
	}
	if e.oldName != "" {
		b = append(b, ` ("OLDNAME" (`...)
		b = imap.AppendMailbox(b, e.oldName, s.utf8)
		b = append(b, "))"...)
	}
	s.out = append(b, "\r\n"...)
}
