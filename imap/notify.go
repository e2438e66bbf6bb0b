package imap

import "strings"

// NotifyEvents are events of RFC 5465 5 as bits.
type NotifyEvents uint16

// The events.
const (
	EventMessageNew NotifyEvents = 1 << iota
	EventMessageExpunge
	EventFlagChange
	EventAnnotationChange
	EventMailboxName
	EventSubscriptionChange
	EventMailboxMetadataChange
	EventServerMetadataChange

	// EventsMessage are those of messages.
	EventsMessage = EventMessageNew | EventMessageExpunge | EventFlagChange | EventAnnotationChange
)

// NotifyEventNames are the names of all events, in the order of their bits.
var NotifyEventNames = []string{
	"MessageNew", "MessageExpunge", "FlagChange", "AnnotationChange",
	"MailboxName", "SubscriptionChange", "MailboxMetadataChange", "ServerMetadataChange",
}

// NotifyFilter says which mailboxes a group of events is about: RFC 5465 6.
type NotifyFilter uint8

// The filters.
const (
	NotifySelected NotifyFilter = iota
	NotifySelectedDelayed
	NotifyInboxes
	NotifyPersonal
	NotifySubscribed
	NotifySubtree   // Mailboxes
	NotifyMailboxes // Mailboxes
	// NotifySubtreeOne is for ESEARCH only: RFC 7377 2.2.
	NotifySubtreeOne // Mailboxes
)

var notifyFilters = map[string]NotifyFilter{
	"SELECTED": NotifySelected, "SELECTED-DELAYED": NotifySelectedDelayed, "INBOXES": NotifyInboxes, "PERSONAL": NotifyPersonal,
	"SUBSCRIBED": NotifySubscribed, "SUBTREE": NotifySubtree, "MAILBOXES": NotifyMailboxes,
}

// NotifyGroup is event-group.
type NotifyGroup struct {
	Filter    NotifyFilter
	Mailboxes []string
	Events    NotifyEvents
	Fetch     []FetchAtt // of MessageNew, for the selected mailbox; nil: none
}

// Selected reports whether the group is about the selected mailbox.
func (g *NotifyGroup) Selected() bool {
	return g.Filter == NotifySelected || g.Filter == NotifySelectedDelayed
}

// Notify is NOTIFY, RFC 5465 3.1; without Groups it is NOTIFY NONE.
type Notify struct {
	Status  bool
	Groups  []NotifyGroup
	Unknown []string // names of events that are not known: to be refused with BADEVENT
}

// parseNotify: RFC 5465 8: notify.
func parseNotify(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	n := &Notify{}
	switch name := p.keyword("SET or NONE"); name {
	case "NONE":
		return n
	case "SET":
	default:
		p.fail("expected SET or NONE, got %q", clip(name))
	}
	p.space()
	if n.Status = p.acceptWord("STATUS "); p.err != nil {
		return n
	}
	for p.err == nil {
		n.Groups = append(n.Groups, p.notifyGroup(n))
		if !p.accept(' ') {
			break
		}
	}
	selected := 0
	for i := range n.Groups {
		p.checkNotifyGroup(n, &n.Groups[i])
		if n.Groups[i].Selected() {
			selected++
		}
	}
	// RFC 5465 6.1.
	if selected > 1 {
		p.fail("more than one SELECTED or SELECTED-DELAYED")
	}
	return n
}

// notifyGroup: "(" filter-mailboxes SP events ")". The first example of RFC 5465 3.1 has
// events without parentheses of their own, against its grammar: they are read too.
func (p *scanner) notifyGroup(n *Notify) (g NotifyGroup) {
	p.count()
	p.expect('(')
	name := p.keyword("mailbox filter")
	filter, ok := notifyFilters[name]
	if !ok {
		p.fail("unknown mailbox filter %q", clip(name))
	}
	g.Filter = filter
	p.space()
	if filter == NotifySubtree || filter == NotifyMailboxes {
		g.Mailboxes = p.oneOrMoreMailboxes()
		p.space()
	}
	bare := !p.accept('(')
	if bare && p.acceptWord("NONE)") {
		return g
	}
	for first := true; p.nextItem(&first); {
		p.notifyEvent(n, &g)
	}
	if !bare {
		p.expect(')')
	}
	return g
}

// oneOrMoreMailboxes: mailbox / "(" mailbox *(SP mailbox) ")".
func (p *scanner) oneOrMoreMailboxes() (names []string) {
	if !p.accept('(') {
		return []string{p.mailbox()}
	}
	for first := true; p.nextItem(&first); {
		p.count()
		names = append(names, p.mailbox())
	}
	return names
}

// notifyEvent: event, with the fetch items of MessageNew.
func (p *scanner) notifyEvent(n *Notify, g *NotifyGroup) {
	p.count()
	name := p.atom("event")
	for i, known := range NotifyEventNames {
		if !strings.EqualFold(name, known) {
			continue
		}
		e := NotifyEvents(1) << i
		g.Events |= e
		if e == EventMessageNew && p.acceptWord(" (") {
			g.Fetch = p.notifyFetch()
		}
		return
	}
	n.Unknown = append(n.Unknown, name)
}

// notifyFetch reads fetch items up to ")".
func (p *scanner) notifyFetch() (atts []FetchAtt) {
	for first := true; p.nextItem(&first); {
		atts = append(atts, p.fetchAtt(p.fetchName()))
		if len(atts) > maxFetchAtts {
			p.fail("too many fetch items")
		}
	}
	return atts
}

// checkNotifyGroup: RFC 5465 5: what has to be specified together, and 8.
func (p *scanner) checkNotifyGroup(n *Notify, g *NotifyGroup) {
	has := func(e NotifyEvents) bool { return g.Events&e != 0 }
	switch {
	case len(n.Unknown) > 0: // refused otherwise
	case has(EventMessageNew) != has(EventMessageExpunge):
		p.fail("MessageNew and MessageExpunge need each other")
	case has(EventFlagChange|EventAnnotationChange) && !has(EventMessageNew):
		p.fail("FlagChange and AnnotationChange need MessageNew and MessageExpunge")
	case g.Selected() && g.Events&^EventsMessage != 0:
		p.fail("SELECTED is for events of messages only")
	case !g.Selected() && g.Fetch != nil:
		p.fail("fetch items are for SELECTED only")
	}
}
