package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"mox/jmap"
	"mox/store"
)

// Bounds of an Email.
const (
	maxEmailKeywords  = 100
	maxEmailMailboxes = 1000
)

// emailSet is Email/set, RFC 8621 4.6.
func emailSet(ctx context.Context, c *call, a *setArgs) (*setResult, error) {
	st, ctx, err := c.begin(ctx, a)
	if err != nil {
		return nil, err
	}
	s := &emailSetting{setting: st, a: a}
	for _, k := range a.creations() {
		if err := s.create(ctx, k, a.Create[k]); err != nil {
			s.notCreated(k, err)
		}
	}
	s.update(ctx)
	s.destroy(ctx)
	return st.done(), nil
}

// emailSetting is an Email/set call under way, or one that does the same.
type emailSetting struct {
	*setting
	a *setArgs
}

// keywordSet decodes a set of keywords (RFC 8621 4.1.1) to flags and the names of the others.
func keywordSet(b json.RawMessage) (flags store.Flags, names []string, err error) {
	if jmap.IsNull(b) {
		return 0, nil, nil
	}
	var set map[string]bool
	if err := json.Unmarshal(b, &set); err != nil {
		return 0, nil, jmap.InvalidProperty("keywords", "keywords is not an object whose values are true")
	}
	for k, v := range set {
		f, name, ok := parseKeyword(k)
		if !ok || !v {
			return 0, nil, jmap.InvalidProperty("keywords", "%.100q: %t cannot be in keywords", k, v)
		}
		if flags |= f; f == 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxEmailKeywords {
		return 0, nil, jmap.SetErrorf(jmap.SetTooManyKeywords, "an Email can have %d keywords", maxEmailKeywords)
	}
	return flags, names, nil
}

// mailboxSet decodes a set of mailboxes, which is not empty.
func (s *setting) mailboxSet(b json.RawMessage) ([]store.MailboxID, error) {
	var set map[string]bool
	if err := json.Unmarshal(b, &set); err != nil || jmap.IsNull(b) {
		return nil, jmap.InvalidProperty("mailboxIds", "mailboxIds is not an object whose values are true")
	}
	var ids []store.MailboxID
	for k, v := range set {
		id, err := s.knownMailbox(k)
		if err != nil {
			return nil, err
		}
		if !v {
			return nil, jmap.InvalidProperty("mailboxIds", "%.100q: false cannot be in mailboxIds", k)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	switch {
	case len(ids) == 0:
		return nil, errNowhere()
	case len(ids) > maxEmailMailboxes:
		return nil, jmap.SetErrorf(jmap.SetTooManyMailboxes, "an Email can be in %d mailboxes", maxEmailMailboxes)
	}
	return ids, nil
}

// errNowhere: RFC 8621 4.1.1.
func errNowhere() error {
	return jmap.InvalidProperty("mailboxIds", "an Email is in at least one mailbox")
}

// knownMailbox returns the mailbox of an id, which can be "#" and a creation id.
func (s *setting) knownMailbox(key string) (store.MailboxID, error) {
	if id, ok := s.resolveID(key); ok {
		if n, ok := parseMailboxID(id); ok {
			if _, ok := s.acc.MailboxByID(n); ok {
				return n, nil
			}
		}
	}
	return 0, jmap.InvalidProperty("mailboxIds", "there is no mailbox %.100q", key)
}

// contentChange makes of a patch what the store is to do. Other properties than keywords and mailboxIds are returned.
func (s *setting) contentChange(p jmap.PatchObject) (*store.ContentChange, map[string]json.RawMessage, error) {
	paths, err := p.Paths()
	if err != nil {
		return nil, nil, err
	}
	c, rest := &store.ContentChange{}, map[string]json.RawMessage{}
	add, remove := store.FlagChange{Op: store.FlagsAdd}, store.FlagChange{Op: store.FlagsRemove}
	for i := range paths {
		ch := &paths[i]
		switch name := ch.Path[0]; {
		case name == "keywords" && len(ch.Path) == 1:
			whole := store.FlagChange{Op: store.FlagsReplace, Limit: store.FlagLimit{Flags: store.FlagDeleted}}
			if whole.Flags, whole.Keywords, err = keywordSet(ch.Value); err != nil {
				return nil, nil, err
			}
			c.Flags = append(c.Flags, whole)
		case name == "mailboxIds" && len(ch.Path) == 1:
			c.Replace = true
			if c.Add, err = s.mailboxSet(ch.Value); err != nil {
				return nil, nil, err
			}
		case (name == "keywords" || name == "mailboxIds") && len(ch.Path) == 2:
			if err := s.onePatch(c, &add, &remove, name, ch); err != nil {
				return nil, nil, err
			}
		case len(ch.Path) > 1:
			return nil, nil, jmap.SetErrorf(jmap.SetInvalidPatch, "%.100q cannot be changed", strings.Join(ch.Path, "/"))
		default:
			rest[name] = ch.Value
		}
	}
	for _, f := range []store.FlagChange{remove, add} {
		if f.Flags != 0 || len(f.Keywords) > 0 {
			c.Flags = append(c.Flags, f)
		}
	}
	if len(c.Add) > maxEmailMailboxes {
		return nil, nil, jmap.SetErrorf(jmap.SetTooManyMailboxes, "an Email can be in %d mailboxes", maxEmailMailboxes)
	}
	return c, rest, nil
}

// onePatch is that of one keyword or mailbox: true, or null to take it away.
func (s *setting) onePatch(c *store.ContentChange, add, remove *store.FlagChange, name string, ch *jmap.PatchPath) error {
	on := string(ch.Value) == "true"
	if !on && !ch.Null() {
		return jmap.InvalidProperty(name, "the value of %.100q is true or null", strings.Join(ch.Path, "/"))
	}
	if name == "mailboxIds" {
		id, err := s.knownMailbox(ch.Path[1])
		switch {
		case err != nil && on:
			return err
		case err != nil: // it is not in a mailbox that there is not
		case on:
			c.Add = append(c.Add, id)
		default:
			c.Remove = append(c.Remove, id)
		}
		return nil
	}
	f, word, ok := parseKeyword(ch.Path[1])
	if !ok {
		return jmap.InvalidProperty("keywords", "%.100q is no keyword", ch.Path[1])
	}
	to := remove
	if on {
		to = add
	}
	if to.Flags |= f; f == 0 {
		to.Keywords = append(to.Keywords, word)
	}
	if len(add.Keywords) > maxEmailKeywords {
		return jmap.SetErrorf(jmap.SetTooManyKeywords, "an Email can have %d keywords", maxEmailKeywords)
	}
	return nil
}

// emailChange is a change of one Email that is to be made.
type emailChange struct {
	key   string // as the client named it
	id    jmap.ID
	body  store.BodyID
	group int // of patches, those with the same text have the same
}

// update changes Emails: all in one operation, if none is refused.
func (s *emailSetting) update(ctx context.Context) {
	var groups []*store.ContentChange
	byText := map[string]int{}
	var list []emailChange
	seen := map[store.BodyID]bool{}
	s.eachUpdate(s.a, func(key string, id jmap.ID, p jmap.PatchObject) error {
		body, ok := parseEmailID(id)
		if !ok || seen[body] {
			return store.ErrNoMessage
		}
		seen[body] = true
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		g, ok := byText[string(text)]
		if !ok {
			change, rest, err := s.contentChange(p)
			if err == nil && len(rest) > 0 {
				err = s.unchanged(ctx, id, rest)
			}
			if err != nil {
				return err
			}
			g = len(groups)
			groups = append(groups, change)
			if len(rest) == 0 { // others are to be compared with the Email
				byText[string(text)] = g
			}
		}
		list = append(list, emailChange{key, id, body, g})
		return nil
	})
	before, err := s.mails(ctx, s.acc)
	if err != nil {
		before = nil // then all keywords are told
	}
	s.changeAll(ctx, groups, list, func(e *emailChange, err error) {
		if err != nil {
			s.notUpdated(e.key, emailError(err))
			return
		}
		s.updated(e.id, nil)
	})
	s.tellKeywords(ctx, before, groups, list)
}

// tellKeywords tells of keywords that are others than asked for (RFC 8620 5.3): where an Email came into a mailbox that sets some,
// or its copies had not the same.
func (s *emailSetting) tellKeywords(ctx context.Context, before *mails, groups []*store.ContentChange, list []emailChange) {
	var after *mails
	for i := range list {
		e, g := &list[i], groups[list[i].group]
		if _, ok := s.res.Updated[e.id]; !ok || !g.Replace && len(g.Add)+len(g.Remove) == 0 {
			continue // flags alone become what they were asked to be
		}
		if after == nil {
			var err error
			if after, err = s.mails(ctx, s.acc); err != nil {
				s.s.c.Log.Error("looking at changed Emails", "err", err, "cid", s.cid, "account", s.user.Account)
				return
			}
		}
		m := after.email(e.body)
		if m == nil {
			continue
		}
		now := after.keywords(m)
		if before != nil {
			if old := before.email(e.body); old != nil && maps.Equal(now, asked(before.keywords(old), g)) {
				continue
			}
		}
		s.updated(e.id, map[string]any{"keywords": now})
	}
}

// asked is what keywords should become by a change.
func asked(keywords map[string]bool, c *store.ContentChange) map[string]bool {
	for i := range c.Flags {
		f := &c.Flags[i]
		if f.Op == store.FlagsReplace {
			keywords = map[string]bool{}
		}
		for name := range keywordNames(nil, f.Flags) {
			keywords[name] = true
			if f.Op == store.FlagsRemove {
				delete(keywords, name)
			}
		}
		for _, name := range f.Keywords {
			keywords[name] = true
			if f.Op == store.FlagsRemove {
				delete(keywords, name)
			}
		}
	}
	return keywords
}

// emailError tells what is wrong with a change of an Email.
func emailError(err error) error {
	switch {
	case errors.Is(err, store.ErrNowhere):
		return errNowhere()
	case errors.Is(err, store.ErrBadName), errors.Is(err, store.ErrLimit):
		return jmap.SetErrorf(jmap.SetTooManyKeywords, "the Email or the account would have too many keywords")
	case errors.Is(err, store.ErrNoMailbox):
		return jmap.InvalidProperty("mailboxIds", "a mailbox has been deleted meanwhile")
	}
	return err
}

// changeAll makes changes in one operation. Where that fails, halves are tried, so that only what cannot be is refused.
func (s *setting) changeAll(ctx context.Context, groups []*store.ContentChange, list []emailChange, told func(*emailChange, error)) {
	if len(list) == 0 {
		return
	}
	changes := map[int]store.ContentChange{}
	for i := range list {
		c, ok := changes[list[i].group]
		if !ok {
			c = *groups[list[i].group]
		}
		c.Bodies = append(c.Bodies, list[i].body)
		changes[list[i].group] = c
	}
	var all []store.ContentChange
	for _, g := range slices.Sorted(maps.Keys(changes)) {
		all = append(all, changes[g])
	}
	_, err := s.acc.ChangeContents(ctx, all)
	if err != nil && len(list) > 1 && ctx.Err() == nil {
		half := len(list) / 2
		s.changeAll(ctx, groups, list[:half], told)
		s.changeAll(ctx, groups, list[half:], told)
		return
	}
	for i := range list {
		told(&list[i], err)
	}
}

// destroy removes Emails from all mailboxes, all in one operation.
func (s *emailSetting) destroy(ctx context.Context) {
	var list []emailChange
	seen := map[store.BodyID]bool{}
	for _, key := range s.a.Destroy {
		id, ok := s.resolveID(key)
		body, isEmail := parseEmailID(id)
		if !ok || !isEmail {
			s.notDestroyed(key, store.ErrNoMessage)
		} else if !seen[body] {
			seen[body] = true
			list = append(list, emailChange{key: key, id: id, body: body})
		}
	}
	s.changeAll(ctx, []*store.ContentChange{{Destroy: true}}, list, func(e *emailChange, err error) {
		if err != nil {
			s.notDestroyed(e.key, emailError(err))
			return
		}
		s.destroyed(e.id)
	})
}

// newEmail is where an Email that is made goes, and with which flags.
type newEmail struct {
	boxes    []store.MailboxID
	flags    store.Flags
	keywords []string
	received *jmap.UTCDate // nil: now, or as the message says
}

// emailCreated is what is told of an Email that was made.
type emailCreated struct {
	ID       jmap.ID `json:"id"`
	BlobID   jmap.ID `json:"blobId"`
	ThreadID jmap.ID `json:"threadId"`
	Size     int64   `json:"size"`
}

// put adds an Email with a message, which is a finished spool.
func (s *setting) put(ctx context.Context, n *newEmail, spool *store.Spool) (*emailCreated, error) {
	m := store.NewMessage{Spool: spool, Flags: n.flags, Keywords: n.keywords}
	if n.received != nil {
		m.Received = n.received.Time
	}
	body, err := s.acc.AddContent(ctx, n.boxes, m)
	var dup *store.DuplicateError
	switch {
	case errors.As(err, &dup):
		// RFC 8621 4.8: an Email is what is in it.
		return nil, &jmap.SetError{Type: jmap.SetAlreadyExists, Description: "the account has an Email with that very content", ExistingID: emailID(dup.Body)}
	case err != nil:
		return nil, emailError(err)
	}
	thread, err := s.acc.Thread(ctx, body)
	if err != nil {
		return nil, err
	}
	return &emailCreated{emailID(body), blobID(body), threadID(thread), spool.Size()}, nil
}

// unchanged refuses properties of an update that cannot be changed, unless they are as they are: RFC 8620 5.3.
func (s *emailSetting) unchanged(ctx context.Context, id jmap.ID, rest map[string]json.RawMessage) error {
	names := slices.Sorted(maps.Keys(rest))
	refused := &jmap.SetError{Type: jmap.SetInvalidProperties, Description: "these properties of an Email cannot be changed", Properties: names}
	args, err := json.Marshal(map[string]any{"accountId": accountID(s.user.Account), "ids": []jmap.ID{id}, "properties": names})
	if err != nil {
		return err
	}
	v, err := s.s.methods["Email/get"].run(ctx, s.call, args)
	var e *jmap.Error
	if errors.As(err, &e) { // there is no such property
		return refused
	} else if err != nil {
		return err
	}
	got, ok := v.(*getResult)
	if !ok || len(got.List) == 0 {
		return store.ErrNoMessage
	}
	before, err := asObject(got.List[0])
	if err != nil {
		return err
	}
	for _, n := range names {
		if !sameJSON(before[n], rest[n]) {
			return refused
		}
	}
	return nil
}
