package jmapserver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"mox/jmap"
	"mox/message"
	"mox/search"
	"mox/store"
)

var mailboxProperties = []string{
	"id", "name", "parentId", "role", "sortOrder", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed",
}

// role is that of a mailbox, empty if it has none. RFC 8621 2: it has one at most, and no two mailboxes the same, which the store
// sees to.
func role(b *store.Mailbox) string {
	if b.Name == store.Inbox {
		return "inbox"
	}
	if names := b.SpecialUse.Names(); len(names) > 0 {
		return strings.ToLower(strings.TrimPrefix(names[0], `\`))
	}
	return ""
}

// folder is a mailbox in the tree.
type folder struct {
	*store.Mailbox
	parent *folder // nil: at the top
	label  string  // the last level of the name; of more levels where a mailbox in between does not exist
	role   string
	order  int // sortOrder
	depth  int
}

// folders returns all mailboxes by name, with those above them.
func (m *mails) folders(ctx context.Context) ([]*folder, error) {
	orders, err := sortOrders(ctx, m.acc)
	if err != nil {
		return nil, err
	}
	byName := map[string]*folder{}
	var list []*folder
	for i := range m.moment.Mailboxes {
		b := &m.moment.Mailboxes[i]
		f := &folder{Mailbox: b, label: b.Name, role: role(b), order: orders[mailboxID(b.ID)]}
		byName[b.Name] = f
		list = append(list, f)
	}
	for _, f := range list {
		for up := f.Name; f.parent == nil; {
			i := strings.LastIndexByte(up, '/')
			if i < 0 {
				break
			}
			up = up[:i]
			if f.parent = byName[up]; f.parent != nil {
				f.label = f.Name[i+1:]
			}
		}
	}
	for _, f := range list {
		for up := f.parent; up != nil; up = up.parent {
			f.depth++
		}
	}
	return list, nil
}

// sortOrders reads the setting.
func sortOrders(ctx context.Context, acc *store.Account) (map[jmap.ID]int, error) {
	b, err := acc.Setting(ctx, sortOrderSetting)
	if err != nil || b == nil {
		return nil, err
	}
	var orders map[jmap.ID]int
	if err := json.Unmarshal(b, &orders); err != nil {
		return nil, fmt.Errorf("setting %s: %w", sortOrderSetting, err)
	}
	return orders, nil
}

// ownRights are those on mailboxes of one's own account, RFC 8621 2; what cannot be is left out.
func ownRights(f *folder, reserved bool) map[string]bool {
	inbox := f.Name == store.Inbox
	return map[string]bool{
		"mayReadItems": true, "mayAddItems": !reserved, "mayRemoveItems": true, "maySetSeen": true, "maySetKeywords": true,
		"mayCreateChild": true, "mayRename": !inbox, "mayDelete": !inbox, "maySubmit": true,
	}
}

// object makes the Mailbox of a folder.
func (f *folder) object(m *mails, props []string) object {
	n := m.counts()[f.ID]
	o := object{}
	for _, p := range props {
		switch p {
		case "id":
			o[p] = mailboxID(f.ID)
		case "name":
			o[p] = f.label
		case "parentId":
			o[p] = orNull(f.parent != nil, func() any { return mailboxID(f.parent.ID) })
		case "role":
			o[p] = orNull(f.role != "", func() any { return f.role })
		case "sortOrder":
			o[p] = f.order
		case "totalEmails":
			o[p] = n.TotalEmails
		case "unreadEmails":
			o[p] = n.UnreadEmails
		case "totalThreads":
			o[p] = n.TotalThreads
		case "unreadThreads":
			o[p] = n.UnreadThreads
		case "myRights":
			o[p] = ownRights(f, m.acc.Reserved(f.Name))
		case "isSubscribed":
			o[p] = f.Subscribed
		}
	}
	return o
}

// orNull is v, or null.
func orNull(ok bool, v func() any) any {
	if !ok {
		return nil
	}
	return v()
}

// mailboxGet is Mailbox/get, RFC 8621 2.1.
func mailboxGet(ctx context.Context, c *call, a *getArgs) (*getResult, error) {
	props, err := properties(mailboxProperties, a.Properties)
	if err != nil {
		return nil, err
	}
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	res, ids, err := c.getting(a, m.acc, m.seq())
	if err != nil {
		return nil, err
	}
	list, err := m.folders(ctx)
	if err != nil {
		return nil, err
	}
	if a.IDs == nil {
		// RFC 8621 2.1: all can be had at once.
		for _, f := range list {
			res.List = append(res.List, f.object(m, props))
		}
		return res, nil
	}
	byID := map[jmap.ID]*folder{}
	for _, f := range list {
		byID[mailboxID(f.ID)] = f
	}
	for _, id := range ids {
		if f := byID[id]; f != nil {
			res.List = append(res.List, f.object(m, props))
		} else {
			res.notFound(id)
		}
	}
	return res, nil
}

// nullable is a value that can be left out, or be null.
type nullable struct {
	set   bool
	value *string // nil: null
}

// UnmarshalJSON implements [json.Unmarshaler].
func (n *nullable) UnmarshalJSON(b []byte) error {
	n.set = true
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	return json.Unmarshal(b, &n.value)
}

// mailboxCondition is RFC 8621 2.3.
type mailboxCondition struct {
	ParentID     nullable `json:"parentId"`
	Name         *string  `json:"name"`
	Role         nullable `json:"role"`
	HasAnyRole   *bool    `json:"hasAnyRole"`
	IsSubscribed *bool    `json:"isSubscribed"`
}

func (q *mailboxCondition) match(c *call, f *folder) bool {
	if q.ParentID.set {
		if q.ParentID.value == nil {
			if f.parent != nil {
				return false
			}
		} else if id, ok := c.resolveID(*q.ParentID.value); !ok || f.parent == nil || mailboxID(f.parent.ID) != id {
			return false
		}
	}
	if q.Role.set && (q.Role.value == nil && f.role != "" || q.Role.value != nil && *q.Role.value != f.role) {
		return false
	}
	return (q.Name == nil || strings.Contains(search.Fold(f.label), search.Fold(*q.Name))) &&
		(q.HasAnyRole == nil || *q.HasAnyRole == (f.role != "")) &&
		(q.IsSubscribed == nil || *q.IsSubscribed == f.Subscribed)
}

// mailboxQueryOptions are further arguments of Mailbox/query and Mailbox/queryChanges.
type mailboxQueryOptions struct {
	SortAsTree   bool `json:"sortAsTree"`
	FilterAsTree bool `json:"filterAsTree"`
}

type mailboxQueryArgs struct {
	queryArgs
	mailboxQueryOptions
}

type mailboxQueryChangesArgs struct {
	queryChangesArgs
	mailboxQueryOptions
}

// collation returns the one that a comparator names.
func collation(s *jmap.Comparator) (message.Collation, error) {
	if s.Collation == "" {
		return message.UnicodeCasemap, nil
	}
	for _, c := range message.Collations {
		if c.String() == s.Collation {
			return c, nil
		}
	}
	return 0, jmap.Errorf(jmap.ErrorUnsupportedSort, "there is no collation %.100q", s.Collation)
}

// folderComparer makes a comparison of folders.
func folderComparer(sort []jmap.Comparator) (func(a, b *folder) int, error) {
	var by []func(a, b *folder) int
	for i := range sort {
		s := &sort[i]
		coll, err := collation(s)
		if err != nil {
			return nil, err
		}
		var f func(a, b *folder) int
		switch s.Property {
		case "sortOrder":
			f = func(a, b *folder) int { return cmp.Compare(a.order, b.order) }
		case "name":
			f = func(a, b *folder) int { return cmp.Compare(coll.Key(a.label), coll.Key(b.label)) }
		case "parentId":
			f = func(a, b *folder) int { return cmp.Compare(parentID(a), parentID(b)) }
		default:
			return nil, jmap.Errorf(jmap.ErrorUnsupportedSort, "mailboxes cannot be sorted by %.100q", s.Property)
		}
		if up := f; !s.Ascending() {
			f = func(a, b *folder) int { return up(b, a) }
		}
		by = append(by, f)
	}
	return func(a, b *folder) int {
		for _, f := range by {
			if n := f(a, b); n != 0 {
				return n
			}
		}
		return cmp.Compare(a.ID, b.ID)
	}, nil
}

func parentID(f *folder) store.MailboxID {
	if f.parent == nil {
		return 0
	}
	return f.parent.ID
}

// asTree makes a comparison that keeps trees together, RFC 8621 2.3.
func asTree(by func(a, b *folder) int) func(a, b *folder) int {
	return func(a, b *folder) int {
		depth := cmp.Compare(a.depth, b.depth)
		for a.depth > b.depth {
			a = a.parent
		}
		for b.depth > a.depth {
			b = b.parent
		}
		if a == b { // one is above the other, and comes first
			return depth
		}
		for a.parent != b.parent {
			a, b = a.parent, b.parent
		}
		return by(a, b)
	}
}

// queryMailboxes returns the mailboxes that match, in their order.
func (c *call) queryMailboxes(ctx context.Context, m *mails, filter json.RawMessage, sort []jmap.Comparator, o mailboxQueryOptions) ([]*folder, error) {
	q, err := jmap.DecodeFilter[mailboxCondition](filter)
	if err != nil {
		return nil, err
	}
	by, err := folderComparer(sort)
	if err != nil {
		return nil, err
	}
	if o.SortAsTree {
		by = asTree(by)
	}
	list, err := m.folders(ctx)
	if err != nil {
		return nil, err
	}
	in := map[*folder]bool{}
	for _, f := range list {
		in[f] = q.Match(func(q *mailboxCondition) bool { return q.match(c, f) })
	}
	list = slices.DeleteFunc(list, func(f *folder) bool {
		for up := f.parent; up != nil && o.FilterAsTree; up = up.parent {
			if !in[up] {
				return true
			}
		}
		return !in[f]
	})
	slices.SortFunc(list, by)
	return list, nil
}

func folderID(f *folder) jmap.ID { return mailboxID(f.ID) }

// mailboxQuery is Mailbox/query, RFC 8621 2.3.
func mailboxQuery(ctx context.Context, c *call, a *mailboxQueryArgs) (*queryResult, error) {
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	list, err := c.queryMailboxes(ctx, m, a.Filter, a.Sort, a.mailboxQueryOptions)
	if err != nil {
		return nil, err
	}
	res, err := page(c, &a.queryArgs, list, folderID)
	if err != nil {
		return nil, err
	}
	res.QueryState, res.CanCalculateChanges = stateOf(m.acc, m.seq()), true
	return res, nil
}

// mailboxQueryChanges is Mailbox/queryChanges, RFC 8621 2.4.
func mailboxQueryChanges(ctx context.Context, c *call, a *mailboxQueryChangesArgs) (*queryChangesResult, error) {
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	since, most, err := a.parse(m.acc, m.seq())
	if err != nil {
		return nil, err
	}
	h, err := m.history(ctx, since.seq)
	if err != nil {
		return nil, err
	}
	list, err := c.queryMailboxes(ctx, m, a.Filter, a.Sort, a.mailboxQueryOptions)
	if err != nil {
		return nil, err
	}
	// Counts are neither filtered nor sorted by. What else changes can move those below, and there are few.
	touched := map[jmap.ID]bool{}
	for _, o := range h.ops {
		for id, did := range o.boxes {
			if did&^boxCounts != 0 {
				touched[mailboxID(id)] = true
			}
		}
	}
	if len(touched) > 0 {
		for id := range m.boxes {
			touched[mailboxID(id)] = true
		}
	}
	return moved(&a.queryChangesArgs, m.acc, m.seq(), most, touched, list, folderID)
}
