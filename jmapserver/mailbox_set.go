package jmapserver

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"mox/jmap"
	"mox/store"
)

// mailboxSetArgs are RFC 8621 2.5.
type mailboxSetArgs struct {
	setArgs
	OnDestroyRemoveEmails bool `json:"onDestroyRemoveEmails"`
}

// mailboxInput is what clients say of a mailbox, RFC 8621 2.
type mailboxInput struct {
	Name         *string `json:"name"`
	ParentID     *string `json:"parentId"` // can be "#" and a creation id
	Role         *string `json:"role"`
	SortOrder    int64   `json:"sortOrder"`
	IsSubscribed bool    `json:"isSubscribed"`
}

// mailboxSet is Mailbox/set.
func mailboxSet(ctx context.Context, c *call, a *mailboxSetArgs) (*setResult, error) {
	st, ctx, err := c.begin(ctx, &a.setArgs)
	if err != nil {
		return nil, err
	}
	s := &mailboxSetting{setting: st, a: a}
	s.create(ctx)
	s.update(ctx)
	s.destroy(ctx)
	return st.done(), nil
}

// mailboxSetting is a Mailbox/set call under way.
type mailboxSetting struct {
	*setting
	a *mailboxSetArgs
}

// create makes mailboxes, those above others first.
func (s *mailboxSetting) create(ctx context.Context) {
	left := s.a.creations()
	for len(left) > 0 {
		var waiting []jmap.ID
		for _, k := range left {
			if parent := s.parentOf(s.a.Create[k]); strings.HasPrefix(parent, "#") && parent != "#"+string(k) && slices.Contains(left, jmap.ID(parent[1:])) {
				waiting = append(waiting, k)
				continue
			}
			if err := s.createOne(ctx, k, s.a.Create[k]); err != nil {
				s.notCreated(k, err)
			}
		}
		if len(waiting) == len(left) { // each is below another
			for _, k := range left {
				s.notCreated(k, jmap.InvalidProperty("parentId", "it would be below itself"))
			}
			return
		}
		left = waiting
	}
}

// parentOf is the parentId of an object, if it has one.
func (s *mailboxSetting) parentOf(b json.RawMessage) string {
	var v struct {
		ParentID any `json:"parentId"`
	}
	_ = json.Unmarshal(b, &v) // createOne says what is wrong
	parent, _ := v.ParentID.(string)
	return parent
}

func (s *mailboxSetting) createOne(ctx context.Context, k jmap.ID, b json.RawMessage) error {
	var in mailboxInput
	if err := decodeObject(b, &in); err != nil {
		return err
	}
	if err := checkMailboxName(in.Name); err != nil {
		return err
	}
	if err := checkSortOrder(in.SortOrder); err != nil {
		return err
	}
	parent, err := s.parent(in.ParentID)
	if err != nil {
		return err
	}
	use, err := s.role(in.Role, 0)
	if err != nil {
		return err
	}
	mb, err := s.acc.MakeMailbox(ctx, parent.ID, *in.Name, use, in.IsSubscribed)
	if err != nil {
		return mailboxError(err)
	}
	if in.SortOrder != 0 {
		change := store.MailboxChange{SettingName: sortOrderSetting, Setting: s.order(mb.ID, in.SortOrder)}
		if err := s.acc.ChangeMailbox(ctx, mb.ID, change); err != nil {
			return mailboxError(err)
		}
	}
	made, err := s.mailboxNow(ctx, mb)
	if err != nil {
		return err
	}
	return s.createdObject(k, mailboxID(mb.ID), b, made)
}

// checkSortOrder is RFC 8621 2.
func checkSortOrder(n int64) error {
	if n < 0 || n >= 1<<31 {
		return jmap.InvalidProperty("sortOrder", "%d is not from 0 to 2147483647", n)
	}
	return nil
}

// order is what the setting with the order of mailboxes becomes.
func (s *mailboxSetting) order(id store.MailboxID, n int64) func([]byte) ([]byte, error) {
	return func(old []byte) ([]byte, error) {
		orders := map[jmap.ID]int64{}
		if old != nil {
			if err := json.Unmarshal(old, &orders); err != nil {
				return nil, err
			}
		}
		orders[mailboxID(id)] = n
		return json.Marshal(orders)
	}
}

// mailboxNow is a mailbox as Mailbox/get has it.
func (s *mailboxSetting) mailboxNow(ctx context.Context, mb store.Mailbox) (map[string]json.RawMessage, error) {
	m, err := s.mails(ctx, s.acc)
	if err != nil {
		return nil, err
	}
	list, err := m.folders(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if f.ID == mb.ID {
			return asObject(f.object(m, mailboxProperties))
		}
	}
	return nil, store.ErrNoMailbox
}

// roleUses are the special uses of roles.
var roleUses = map[string]store.SpecialUse{
	"archive": store.UseArchive, "drafts": store.UseDrafts, "junk": store.UseJunk, "sent": store.UseSent, "trash": store.UseTrash,
	"important": store.UseImportant, "flagged": store.UseFlagged, "all": store.UseAll,
}

// checkMailboxName checks one level of a name.
func checkMailboxName(name *string) error {
	switch {
	case name == nil:
		return jmap.InvalidProperty("name", "a mailbox has a name")
	case *name == "" || strings.ContainsAny(*name, "/"), len(*name) > maxMailboxName:
		return jmap.InvalidProperty("name", "%.100q cannot be the name of a mailbox: it is empty, too long, or has a slash", *name)
	}
	return nil
}

// parent returns the mailbox that another one is to be below; the zero value for none.
func (s *mailboxSetting) parent(id *string) (store.Mailbox, error) {
	if id == nil {
		return store.Mailbox{}, nil
	}
	if resolved, ok := s.resolveID(*id); ok {
		if n, ok := parseMailboxID(resolved); ok {
			if mb, ok := s.acc.MailboxByID(n); ok {
				return mb, nil
			}
		}
	}
	return store.Mailbox{}, jmap.InvalidProperty("parentId", "there is no mailbox %.100q", *id)
}

// role returns the special use of a role that a mailbox is to have; id is zero for a new one. Another mailbox gives it
// up only if it is changed in the same call: RFC 8621 2, no two have the same.
func (s *mailboxSetting) role(role *string, id store.MailboxID) (store.SpecialUse, error) {
	if role == nil {
		return 0, nil
	}
	use, ok := roleUses[*role]
	if !ok {
		return 0, jmap.InvalidProperty("role", "%.100q is not a role that mailboxes can be given here", *role)
	}
	for _, mb := range s.acc.Mailboxes() {
		if mb.ID == id || mb.SpecialUse&use == 0 {
			continue
		}
		other := string(mailboxID(mb.ID))
		if p, ok := s.a.Update[other]; ok && p["role"] != nil || slices.Contains(s.a.Destroy, other) {
			continue
		}
		return 0, jmap.InvalidProperty("role", "mailbox %s has that role already", other)
	}
	return use, nil
}

// mailboxError tells what is wrong with a change of a mailbox.
func mailboxError(err error) error {
	switch {
	case errors.Is(err, store.ErrExists):
		return jmap.InvalidProperty("name", "there is a mailbox of that name")
	case errors.Is(err, store.ErrBadName):
		return jmap.InvalidProperty("name", "this cannot be the name of a mailbox: %v", err)
	case errors.Is(err, store.ErrHasChildren):
		return jmap.SetErrorf(jmap.SetMailboxHasChild, "there are mailboxes below it")
	case errors.Is(err, store.ErrMailboxNotEmpty):
		return jmap.SetErrorf(jmap.SetMailboxHasEmail, "there are Emails in it")
	case errors.Is(err, store.ErrNotAllowed):
		return jmap.SetErrorf(jmap.SetForbidden, "Inbox stays as it is")
	case errors.Is(err, store.ErrNoMailbox):
		return jmap.SetErrorf(jmap.SetNotFound, "there is no such mailbox")
	case errors.Is(err, store.ErrLimit):
		return jmap.SetErrorf(jmap.SetOverQuota, "the account has as many mailboxes as it can")
	}
	return err
}

// update changes mailboxes. What fails since a name is in use is tried again when others have changed.
func (s *mailboxSetting) update(ctx context.Context) {
	again := map[string]jmap.PatchObject{}
	try := &setArgs{Update: s.a.Update, Destroy: s.a.Destroy}
	for {
		s.eachUpdate(try, func(key string, id jmap.ID, p jmap.PatchObject) error {
			err := s.updateOne(ctx, id, p)
			if errors.Is(err, store.ErrExists) && len(try.Update) > 1 {
				again[key] = p
				return nil
			} else if err != nil {
				return mailboxError(err)
			}
			return nil
		})
		if len(again) == 0 {
			return
		}
		if len(again) == len(try.Update) {
			for key := range again {
				s.notUpdated(key, mailboxError(store.ErrExists))
			}
			return
		}
		try.Update, again = again, map[string]jmap.PatchObject{}
	}
}

// updateOne returns errors of the store as they are.
func (s *mailboxSetting) updateOne(ctx context.Context, id jmap.ID, p jmap.PatchObject) error {
	mb, err := s.mailbox(id)
	if err != nil {
		return err
	}
	before, err := s.mailboxNow(ctx, mb)
	if err != nil {
		return err
	}
	after, err := p.Apply(before)
	if err != nil {
		return err
	}
	var in mailboxInput
	if err := s.decodeChanged(before, after, &in); err != nil {
		return err
	}
	var change store.MailboxChange
	changed := false
	if !sameJSON(before["sortOrder"], after["sortOrder"]) {
		if err := checkSortOrder(in.SortOrder); err != nil {
			return err
		}
		change.SettingName, change.Setting, changed = sortOrderSetting, s.order(mb.ID, in.SortOrder), true
	}
	if !sameJSON(before["name"], after["name"]) || !sameJSON(before["parentId"], after["parentId"]) {
		if mb.Name == store.Inbox {
			return store.ErrNotAllowed
		}
		name, err := s.newName(mb, &in)
		if err != nil {
			return err
		}
		change.Name, changed = &name, true
	}
	if !sameJSON(before["role"], after["role"]) {
		if mb.Name == store.Inbox {
			return store.ErrNotAllowed
		}
		use, err := s.role(in.Role, mb.ID)
		if err != nil {
			return err
		}
		change.SpecialUse, changed = &use, true
	}
	if in.IsSubscribed != mb.Subscribed {
		change.Subscribed, changed = &in.IsSubscribed, true
	}
	if changed {
		if err := s.acc.ChangeMailbox(ctx, mb.ID, change); err != nil {
			return err
		}
	}
	s.updated(id, nil)
	return nil
}

// decodeChanged decodes an object that was patched. What only the server sets must be as it was.
func (s *mailboxSetting) decodeChanged(before, after map[string]json.RawMessage, in *mailboxInput) error {
	settable := map[string]json.RawMessage{}
	var fixed []string
	for name, v := range after {
		switch name {
		case "name", "parentId", "role", "sortOrder", "isSubscribed":
			settable[name] = v
		default:
			fixed = append(fixed, name)
		}
	}
	slices.Sort(fixed)
	if err := keepProperties(before, after, fixed...); err != nil {
		return err
	}
	b, err := json.Marshal(settable)
	if err != nil {
		return err
	}
	return decodeObject(b, in)
}

// newName is the whole name that a mailbox gets.
func (s *mailboxSetting) newName(mb store.Mailbox, in *mailboxInput) (string, error) {
	parent, err := s.parent(in.ParentID)
	if err != nil {
		return "", err
	}
	if err := checkMailboxName(in.Name); err != nil {
		return "", err
	}
	if parent.ID == 0 {
		return *in.Name, nil
	}
	if parent.ID == mb.ID || strings.HasPrefix(parent.Name, mb.Name+"/") {
		return "", jmap.InvalidProperty("parentId", "the mailbox would be below itself")
	}
	return parent.Name + "/" + *in.Name, nil
}

func (s *mailboxSetting) mailbox(id jmap.ID) (store.Mailbox, error) {
	if n, ok := parseMailboxID(id); ok {
		if mb, ok := s.acc.MailboxByID(n); ok {
			return mb, nil
		}
	}
	return store.Mailbox{}, store.ErrNoMailbox
}

// destroy deletes mailboxes, those below others first, whatever the order in which they are given.
func (s *mailboxSetting) destroy(ctx context.Context) {
	depth := func(key string) int {
		id, _ := s.resolveID(key)
		mb, _ := s.mailbox(id)
		return strings.Count(mb.Name, "/")
	}
	slices.SortStableFunc(s.a.Destroy, func(x, y string) int { return cmp.Compare(depth(y), depth(x)) })
	s.eachDestroy(&s.a.setArgs, func(id jmap.ID) error {
		mb, err := s.mailbox(id)
		if err == nil {
			err = s.acc.RemoveMailbox(ctx, mb.ID, s.a.OnDestroyRemoveEmails)
		}
		if err != nil {
			return mailboxError(err)
		}
		return nil
	})
}
