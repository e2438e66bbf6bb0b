package imapserver

import (
	"context"
	"strings"

	"mox/imap"
	"mox/store"
)

// cmdStore is STORE and UID STORE, RFC 9051 6.4.6, with RFC 7162 3.1.3.
func (s *session) cmdStore(ctx context.Context, r *imap.Request) error {
	if err := s.writable(0); err != nil {
		return err
	}
	st := r.Args.(*imap.Store)
	if st.Annotations != nil {
		return s.storeAnnotations(ctx, r, st)
	}
	change, err := storeChange(st)
	if err != nil {
		return err
	}
	if err := s.limitChange(&change); err != nil {
		return err
	}
	if st.UnchangedSince != nil {
		s.enableCondstore()
	}
	s.update(false, ownChange{})
	sp, err := s.box.resolve(st.Set, r.UID)
	if err != nil {
		return err
	}
	sp = s.limitMessages(sp)
	var res store.FlagResult
	if set := s.box.uids(sp); len(set) > 0 {
		if res, err = s.box.account.SetFlags(ctx, s.box.view.Mailbox, set, change); err != nil {
			return err
		}
	}
	s.reportStored(st, sp, res, change)
	if len(res.Modified) > 0 {
		// RFC 7162 3.1.3: messages that failed the test, by the numbers of the command.
		s.reply = reply{code: "MODIFIED " + s.modifiedSet(res.Modified, r.UID), text: "conditional store failed for some"}
	}
	// RFC 2180 4.2: the others are changed; the client must learn that some are gone.
	if !r.UID && s.box.hasGhosts(sp) {
		return imap.No(imap.CodeExpungeIssued, "some messages no longer exist")
	}
	return nil
}

// storeOps maps the operations of the wire to those of the store.
var storeOps = [...]store.FlagOp{
	imap.StoreReplace: store.FlagsReplace,
	imap.StoreAdd:     store.FlagsAdd,
	imap.StoreRemove:  store.FlagsRemove,
}

func storeChange(st *imap.Store) (c store.FlagChange, err error) {
	c.Op = storeOps[st.Op]
	if c.Flags, c.Keywords, err = parseFlags(st.Flags); err != nil {
		return c, err
	}
	if st.UnchangedSince != nil {
		since := store.ModSeq(*st.UnchangedSince)
		c.UnchangedSince = &since
	}
	return c, nil
}

// limitChange takes what the user may not change out of a change. RFC 4314 4: STORE should
// not fail as long as they may change any of its flags.
func (s *session) limitChange(c *store.FlagChange) error {
	c.Limit = flagLimit(s.box.rights)
	flags, keywords := c.Limit.Filter(c.Flags, c.Keywords)
	if flags != 0 || len(keywords) > 0 {
		return nil
	}
	if c.Flags == 0 && len(c.Keywords) == 0 && s.box.rights&(imap.RightSeen|imap.RightWrite|imap.RightDeleteFlag) != 0 {
		return nil
	}
	return errNoPermission
}

const maxKeyword = 200

// parseFlags splits flags of a command into those with a bit and keywords.
func parseFlags(flags []string) (bits store.Flags, keywords []string, err error) {
	for _, f := range flags {
		bit, ok := store.ParseFlag(f)
		switch {
		case ok:
			bits |= bit
		case strings.EqualFold(f, `\Recent`):
			// RFC 3501 2.3.2: clients cannot alter \Recent; some send it all the same.
		case strings.HasPrefix(f, `\`):
			return 0, nil, imap.No(imap.CodeCannot, "flag %s cannot be stored", f)
		case len(f) > maxKeyword:
			return 0, nil, imap.No(imap.CodeLimit, "keyword is too long")
		default:
			keywords = append(keywords, f)
		}
	}
	return bits, keywords, nil
}

// reportStored tells what STORE did. Without .SILENT every message of the command is
// told. With it only those whose flags are not what the client must think they are,
// and to clients that know mod-sequences the new ones; RFC 7162 3.1.3: a conditional
// STORE tells them for all its messages.
func (s *session) reportStored(st *imap.Store, sp spans, res store.FlagResult, c store.FlagChange) {
	// What the user may not change is told, for all messages: their client takes it as done.
	if c.Limit != (store.FlagLimit{}) {
		silenced := *st
		silenced.Silent = false
		st = &silenced
	}
	surprising := map[store.UID]bool{}
	expected := keywordChange{s: s, change: c, results: map[[2]store.KeywordSet]bool{}}
	s.update(false, ownChange{res.ModSeq, func(was, now *store.Message) {
		if st.Silent && (now.Flags != changeFlags(c, was.Flags) || !expected.holds(was.Keywords, now.Keywords)) {
			surprising[now.UID] = true
		}
	}})
	if st.Silent && !s.condstore && len(surprising) == 0 {
		return
	}
	for e := range s.box.entries(sp) {
		changed := res.ModSeq != 0 && e.msg.ModSeq == res.ModSeq
		flags := !st.Silent || surprising[e.msg.UID] || res.Modified.Contains(e.msg.UID)
		if !e.ghost && (flags || s.condstore && (changed || st.UnchangedSince != nil)) {
			s.fetchFlags(e.seq, e.msg, flags)
		}
	}
}

// changeFlags returns what c makes of flags.
func changeFlags(c store.FlagChange, flags store.Flags) store.Flags {
	switch c.Op {
	case store.FlagsAdd:
		return flags | c.Flags
	case store.FlagsRemove:
		return flags &^ c.Flags
	}
	return c.Flags
}

// keywordChange tells whether keyword sets are what a change makes of them.
type keywordChange struct {
	s       *session
	change  store.FlagChange
	results map[[2]store.KeywordSet]bool
}

func (k *keywordChange) holds(was, now store.KeywordSet) bool {
	if len(k.change.Keywords) == 0 && k.change.Op != store.FlagsReplace {
		return was == now
	}
	pair := [2]store.KeywordSet{was, now}
	ok, known := k.results[pair]
	if !known {
		ok = k.compare(k.s.box.account.Keywords(was), k.s.box.account.Keywords(now))
		k.results[pair] = ok
	}
	return ok
}

func (k *keywordChange) compare(was, now []string) bool {
	want := map[string]bool{}
	if k.change.Op != store.FlagsReplace {
		for _, w := range was {
			want[strings.ToLower(w)] = true
		}
	}
	for _, w := range k.change.Keywords {
		if k.change.Op == store.FlagsRemove {
			delete(want, strings.ToLower(w))
		} else {
			want[strings.ToLower(w)] = true
		}
	}
	for _, w := range now {
		if !want[strings.ToLower(w)] {
			return false
		}
	}
	return len(now) == len(want)
}

// modifiedSet is the argument of MODIFIED: sequence numbers, or UIDs for UID STORE.
func (s *session) modifiedSet(uids store.UIDSet, uid bool) string {
	if uid {
		return uids.String()
	}
	var rb imap.RangeBuilder
	for u := range uids.All() {
		rb.Add(uint32(s.box.findPos(u)) + 1)
	}
	return string(imap.AppendRanges(nil, rb.Ranges))
}
