package imapserver

import (
	"context"
	"slices"
	"strings"

	"mox/imap"
	"mox/store"
)

// listed is a mailbox, or a name without one, as LIST may show it.
type listed struct {
	name       string // on the wire
	mb         store.Mailbox
	exists     bool
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
	for _, e := range s.listEntries(l.Select) {
		selected := listSelects(l.Select, &e)
		if !m.match(e.name) || !selected && !(l.Select.RecursiveMatch && e.childInfo) {
			continue
		}
		s.sendListed(l, e)
		if l.Return.Status != nil && e.exists && selected {
			s.sendStatus(e.mb, l.Return.Status)
		}
		if l.Return.Metadata != nil && e.exists && selected {
			if err := s.sendListMetadata(ctx, e.mb, l.Return.Metadata); err != nil {
				return err
			}
		}
		if err := s.spill(); err != nil {
			return err
		}
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

// listEntries returns all mailboxes, and with SUBSCRIBED selected also subscribed
// names that have none, sorted by name, INBOX first.
func (s *session) listEntries(o imap.ListOptions) []listed {
	boxes := s.account.Mailboxes()
	entries := make([]listed, 0, len(boxes))
	have := make(map[string]int, len(boxes))
	add := func(e listed) {
		have[e.name] = len(entries)
		entries = append(entries, e)
	}
	for _, mb := range boxes {
		add(listed{name: wireName(mb.Name), mb: mb, exists: true, subscribed: mb.Subscribed})
	}
	if o.Subscribed {
		for _, name := range s.account.Subscriptions() {
			name = wireName(name)
			if i, ok := have[name]; ok {
				entries[i].subscribed = true
			} else {
				add(listed{name: name, subscribed: true})
			}
		}
	}
	if o.RecursiveMatch {
		// RFC 5258 3.5: parents of matches are shown for their children, even when they
		// do not exist.
		for i := range len(entries) {
			if listSelects(o, &entries[i]) {
				eachParent(entries[i].name, func(p string) {
					if _, ok := have[p]; !ok {
						add(listed{name: p})
					}
					entries[have[p]].childInfo = true
				})
			}
		}
	}
	for i := range entries {
		if entries[i].exists {
			eachParent(entries[i].name, func(p string) {
				if j, ok := have[p]; ok {
					entries[j].children = true
				}
			})
		}
	}
	slices.SortFunc(entries, func(a, b listed) int {
		if (a.name == "INBOX") != (b.name == "INBOX") {
			if a.name == "INBOX" {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return entries
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
	// RFC 3348 4 and RFC 9051 7.3.1: always known here, so always told.
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
