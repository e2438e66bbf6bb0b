package imapimport

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mox/imap"
	"mox/imapclient"
	"mox/store"
	"mox/transfer"
)

// Mapping says which mailboxes of the source are taken over, and to where. The zero value is
// all of the user's own, to mailboxes of their names, or of their special use.
type Mapping struct {
	// Include and Exclude are patterns of names as they are here, without prefix and with "/"
	// between levels: "*" is anything, "%" anything but "/". Include empty: all.
	Include, Exclude []string
	// Names are mailboxes here by the names that the source's have otherwise.
	Names map[string]string
	// Root is a mailbox below which all go.
	Root string
	// Prefix is what the source's names begin with, "INBOX."; empty: as its namespace says.
	Prefix string
	// NoSpecialUse takes the source's Sent to a mailbox of its name, whatever its use.
	NoSpecialUse bool
}

// folder is a mailbox of the source.
type folder struct {
	name   string // of the source
	target string // here
	sub    transfer.Subscription
	shared bool // others go to the same mailbox here
	// archived: of the mailbox with all mail of Gmail, what is in no other.
	archived bool
}

// folders lists what is to be taken over.
func (r *run) folders(ctx context.Context) ([]*folder, error) {
	boxes, err := r.target.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	uses := map[string]string{}
	for _, b := range boxes {
		for _, u := range b.Use {
			uses[strings.ToLower(u)] = b.Name
		}
	}
	var list []*imap.ListResponse
	var subscribed map[string]bool
	var ns imap.Namespace
	gmail := false
	err = r.src.do(ctx, func(c *imapclient.Client) (err error) {
		gmail = c.Has("X-GM-EXT-1")
		list, subscribed, ns, err = r.list(ctx, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing mailboxes: %w", err)
	}
	n := namer{m: &r.o.Mapping, uses: uses, others: append(prefixes(ns.Other), prefixes(ns.Shared)...), prefix: r.o.Mapping.Prefix}
	if personal := prefixes(ns.Personal); n.prefix == "" && len(personal) > 0 {
		n.prefix = personal[0]
	}
	count := map[string]int{}
	var folders []*folder
	for _, l := range list {
		f, err := n.folder(l, gmail)
		if err != nil {
			r.problem(fmt.Sprintf("mailbox %q: %v", l.Mailbox, err))
		}
		if f == nil {
			continue
		}
		if f.sub = transfer.Unsubscribed; subscribed[l.Mailbox] || hasAttr(l.Attrs, `\Subscribed`) {
			f.sub = transfer.Subscribed
		}
		count[f.target]++
		folders = append(folders, f)
	}
	for _, f := range folders {
		f.shared = count[f.target] > 1
	}
	return folders, nil
}

// list asks for mailboxes, subscriptions and namespaces, as the server can.
func (r *run) list(ctx context.Context, c *imapclient.Client) (list []*imap.ListResponse, subscribed map[string]bool, ns imap.Namespace, err error) {
	subscribed = map[string]bool{}
	if c.Has("NAMESPACE") {
		n, err := c.Namespaces(ctx)
		if err != nil {
			return nil, nil, ns, err
		}
		ns = *n
	}
	// RFC 6154 3 needs LIST-EXTENDED for RETURN.
	if c.Has("LIST-EXTENDED") || c.Has("IMAP4REV2") {
		options := "RETURN (SUBSCRIBED)"
		if c.Has("SPECIAL-USE") || c.Has("IMAP4REV2") {
			options = "RETURN (SUBSCRIBED SPECIAL-USE)"
		}
		list, err = c.List(ctx, "", "*", options)
		return list, subscribed, ns, err
	}
	if list, err = c.List(ctx, "", "*", ""); err != nil {
		return nil, nil, ns, err
	}
	res, err := c.Do(ctx, `LSUB "" "*"`)
	if err != nil {
		return nil, nil, ns, err
	}
	for _, u := range res.Untagged {
		if l, ok := u.(*imap.ListResponse); ok {
			subscribed[l.Mailbox] = true
		}
	}
	return list, subscribed, ns, nil
}

// prefixes returns those of a list of prefixes and delimiters by turns.
func prefixes(list []string) (l []string) {
	for i := 0; i < len(list); i += 2 {
		name, ok := imap.DecodeUTF7(list[i])
		if !ok {
			name = list[i]
		}
		l = append(l, name)
	}
	return l
}

func hasAttr(attrs []string, want string) bool {
	return slices.ContainsFunc(attrs, func(a string) bool { return strings.EqualFold(a, want) })
}

// namer finds names here for those of a source.
type namer struct {
	m      *Mapping
	uses   map[string]string // mailboxes by special use, in lower case
	prefix string
	others []string // prefixes of namespaces of others
}

// folder returns nil for what is not taken over.
func (n *namer) folder(l *imap.ListResponse, gmail bool) (*folder, error) {
	if hasAttr(l.Attrs, `\Noselect`) || hasAttr(l.Attrs, `\NonExistent`) {
		return nil, nil
	}
	for _, p := range n.others {
		// RFC 2342 5: a namespace may have the empty prefix, and all is in it.
		if p != "" && strings.HasPrefix(l.Mailbox, p) {
			return nil, nil
		}
	}
	name, err := n.plain(l)
	if err != nil {
		return nil, err
	}
	named, isNamed := n.m.Names[name]
	if len(n.m.Include) > 0 && !matchAny(n.m.Include, name) || matchAny(n.m.Exclude, name) {
		return nil, nil
	}
	f := &folder{name: l.Mailbox, target: name}
	// RFC 6154 2: \All and \Flagged are views of messages that are elsewhere; so is
	// \Important (RFC 8457 4) of Gmail.
	if !isNamed && !matchExact(n.m.Include, name) {
		switch {
		case hasAttr(l.Attrs, `\All`) && gmail:
			f.archived, isNamed, named = true, true, n.uses[`\archive`]
			if named == "" {
				named = "Archive"
			}
		case hasAttr(l.Attrs, `\All`), hasAttr(l.Attrs, `\Flagged`), gmail && hasAttr(l.Attrs, `\Important`):
			return nil, nil
		}
	}
	switch use := n.use(l.Attrs); {
	case isNamed:
		f.target = named
	case use != "":
		f.target = use
	case n.m.Root != "":
		f.target = n.m.Root + "/" + name
	}
	f.target, err = transfer.MailboxName(f.target)
	return f, err
}

// use returns the mailbox here that has the special use of one of the source.
func (n *namer) use(attrs []string) string {
	if n.m.NoSpecialUse || n.m.Root != "" {
		return ""
	}
	for _, a := range attrs {
		switch a = strings.ToLower(a); a {
		case `\sent`, `\drafts`, `\trash`, `\junk`, `\archive`:
			if n.uses[a] != "" {
				return n.uses[a]
			}
		}
	}
	return ""
}

// plain returns a name without prefix, with levels separated by "/".
func (n *namer) plain(l *imap.ListResponse) (string, error) {
	name := l.Mailbox
	if rest, ok := strings.CutPrefix(name, n.prefix); ok && rest != "" && !strings.EqualFold(name, "INBOX") {
		name = rest
	}
	if l.Delimiter != "/" && l.Delimiter != "" {
		levels := strings.Split(name, l.Delimiter)
		for i := range levels {
			levels[i] = strings.ReplaceAll(levels[i], "/", "_")
		}
		name = strings.Join(levels, "/")
	}
	name, err := transfer.MailboxName(name)
	if err == nil && name == store.Inbox && !strings.EqualFold(l.Mailbox, "INBOX") {
		name = "Inbox/Inbox" // INBOX.Inbox of servers that have all below INBOX
	}
	return name, err
}

// matchExact tells whether one of the patterns is just the name.
func matchExact(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return strings.EqualFold(p, name) })
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(strings.ToLower(p), strings.ToLower(name)) })
}

// match matches by RFC 9051 6.3.9: "*" is anything, "%" anything in a level.
func match(pattern, name string) bool {
	// at are the places in pattern that are reached with what was read of name.
	at := make([]bool, len(pattern)+1)
	at[0] = true
	open := func() {
		for i := range len(pattern) {
			if at[i] && (pattern[i] == '*' || pattern[i] == '%') {
				at[i+1] = true
			}
		}
	}
	open()
	for j := range len(name) {
		next := make([]bool, len(at))
		for i := range len(pattern) {
			switch {
			case !at[i]:
			case pattern[i] == '*' || pattern[i] == '%' && name[j] != '/':
				next[i] = true
			case pattern[i] == name[j]:
				next[i+1] = true
			}
		}
		at = next
		open()
	}
	return at[len(pattern)]
}
