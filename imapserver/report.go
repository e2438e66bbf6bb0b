package imapserver

import (
	"slices"
	"strconv"

	"mox/imap"
	"mox/store"
)

// ownChange tells update what this session itself has done, so that the client is
// not told twice.
type ownChange struct {
	modseq store.ModSeq // of the operation; zero: none
	// changed is called for each message that the operation changed, with its states
	// before and after; update does not report it.
	changed func(was, now *store.Message)
}

// report brings the client up to date before a tagged response or in IDLE. Without
// expunge, messages that were expunged keep their numbers until the next report.
func (s *session) report(expunge bool) {
	s.update(expunge, ownChange{})
	s.reportKeyReset()
	if len(s.box.ghosts) > 0 && s.condstore {
		// RFC 7162 3.2: mod-sequences above that of a delayed EXPUNGE may have been sent.
		b := append(s.output(), "* OK [HIGHESTMODSEQ "...)
		b = strconv.AppendInt(b, s.box.known(), 10)
		s.out = append(b, "] expunges are pending\r\n"...)
	}
}

// update takes the newest view and tells how it differs. With own set, what the
// session's own operation changed is left to own.changed.
func (s *session) update(expunge bool, own ownChange) {
	b := s.box
	if cur := b.box.View(); cur != b.view {
		s.updateTo(cur, b.view.Diff(cur), expunge, own)
	} else if expunge {
		s.reportGhosts()
	}
}

// updateTo is update with a newer view, and what changed since that of the session.
func (s *session) updateTo(cur *store.View, d store.Diff, expunge bool, own ownChange) {
	b, old := s.box, s.box.view
	fetches := s.pairChanges(d, cur, own)
	b.takeView(cur, d)
	if len(b.contexts) > 0 && len(d.Expunged) > 0 {
		s.expungedFromContexts(uidsAt(old, d.Expunged))
	}
	if expunge {
		s.reportGhosts()
	}
	if d.Added > 0 {
		s.numberLine(b.total(), "EXISTS")
	}
	if d.Added > 0 || len(d.Changed) > 0 {
		s.reportKeywords()
	}
	s.reportFlags(fetches, old.ModSeq)
	if d.Added > 0 {
		s.fetchNew(d.Added)
	}
	if len(b.contexts) > 0 && len(d.Changed)+d.Added > 0 {
		s.changedInContexts(changedUIDs(cur, d))
	}
}

// uidsAt returns the UIDs of messages by their indexes.
func uidsAt(v *store.View, at []int) []store.UID {
	uids := make([]store.UID, len(at))
	for i, k := range at {
		uids[i] = v.At(k).UID
	}
	return uids
}

// changedUIDs returns the UIDs of the messages in cur that changed or are new.
func changedUIDs(cur *store.View, d store.Diff) (uids []uint32) {
	for _, i := range d.Changed {
		uids = append(uids, uint32(cur.At(i).UID))
	}
	for i := cur.Len() - d.Added; i < cur.Len(); i++ {
		uids = append(uids, uint32(cur.At(i).UID))
	}
	return uids
}

// pairChanges returns the indexes in cur of messages whose change is to be told.
func (s *session) pairChanges(d store.Diff, cur *store.View, own ownChange) []int {
	quiet := s.hidesAnnotations()
	if own.modseq == 0 && !quiet {
		return d.Changed
	}
	old := s.box.view
	out := d.Changed[:0:0]
	gone := 0
	for _, i := range d.Changed {
		// Index i of cur was at i + gone in old, where gone counts the expunged before it.
		for gone < len(d.Expunged) && d.Expunged[gone] <= i+gone {
			gone++
		}
		now, was := cur.At(i), old.At(i+gone)
		if now.ModSeq == own.modseq {
			own.changed(was, now)
			continue
		}
		if quiet && now.Flags == was.Flags && now.Keywords == was.Keywords {
			continue
		}
		out = append(out, i)
	}
	return out
}

// takeView makes cur the view; what it no longer has become ghosts.
func (b *selected) takeView(cur *store.View, d store.Diff) {
	old := b.view
	if len(d.Expunged) > 0 {
		if len(b.ghosts) == 0 {
			b.floor = old.ModSeq
		}
		fresh := make([]ghost, 0, len(b.ghosts)+len(d.Expunged))
		g := 0
		for _, i := range d.Expunged {
			for g < len(b.ghosts) && b.ghosts[g].pos <= i+g {
				fresh = append(fresh, b.ghosts[g])
				g++
			}
			fresh = append(fresh, ghost{i + g, old.At(i)})
		}
		b.ghosts = append(fresh, b.ghosts[g:]...)
	}
	b.view = cur
}

// reportGhosts sends what was expunged, and forgets it. RFC 7162 3.2.10: VANISHED
// in place of EXPUNGE once QRESYNC is enabled; RFC 9586 3 too.
func (s *session) reportGhosts() {
	b := s.box
	if len(b.ghosts) == 0 {
		return
	}
	if s.qresync || s.uidonly {
		var rb imap.RangeBuilder
		for _, g := range b.ghosts {
			rb.Add(uint32(g.msg.UID))
		}
		out := append(s.output(), "* VANISHED "...)
		out = imap.AppendRanges(out, rb.Ranges)
		s.out = append(out, "\r\n"...)
	} else {
		for k, g := range b.ghosts {
			s.numberLine(g.pos+1-k, "EXPUNGE")
		}
	}
	b.ghosts = nil
}

// reportFlags sends FETCH with the flags of messages by their indexes in the view, and
// which of their annotations changed after a ModSeq, where the client wants to know.
func (s *session) reportFlags(changed []int, since store.ModSeq) {
	flags, annotated := s.wantsFlags(), s.box.account.Annotated()
	if !flags && !annotated {
		return
	}
	g := 0
	for _, i := range changed {
		for g < len(s.box.ghosts) && s.box.ghosts[g].pos <= i+g {
			g++
		}
		m := s.box.view.At(i)
		var names []string
		if annotated {
			names = s.changedAnnotations(m, since)
		}
		if flags || names != nil {
			s.fetchChange(uint32(i+g)+1, m, true, names)
		}
	}
}

// fetchFlags sends an unsolicited FETCH. RFC 7162 3.2.4: with MODSEQ for clients
// that know it, and with the UID too; RFC 9051 6.4.9: always with the UID in answer to
// a command with UID.
func (s *session) fetchFlags(seq uint32, m *store.Message, flags bool) {
	s.fetchChange(seq, m, flags, nil)
}

// fetchChange is fetchFlags with the names of annotations that have changed.
func (s *session) fetchChange(seq uint32, m *store.Message, flags bool, annotations []string) {
	b := s.appendFetch(s.output(), seq, m)
	if !s.uidonly && (s.condstore || s.rev2 || s.uidCommand || s.listening()) { // RFC 5465 5.1: with the UID
		b = append(b, "UID "...)
		b = strconv.AppendUint(b, uint64(m.UID), 10)
		b = append(b, ' ')
	}
	if flags {
		b = append(b, "FLAGS "...)
		b = s.appendFlags(b, m)
		b = append(b, ' ')
	}
	if annotations != nil {
		b = append(b, "ANNOTATION "...)
		sep := byte('(')
		for _, name := range annotations {
			b = imap.AppendAString(append(b, sep), name)
			sep = ' '
		}
		b = append(b, ") "...)
	}
	if s.condstore {
		b = append(b, "MODSEQ ("...)
		b = strconv.AppendInt(b, int64(m.ModSeq), 10)
		b = append(b, ") "...)
	}
	b[len(b)-1] = ')'
	s.out = append(b, "\r\n"...)
	// An error of the connection comes back with the next write.
	_ = s.spill()
}

var flagWords = func() (w [1 << 5]string) {
	for f := range w {
		for i, name := range store.Flags(f).Names() {
			if i > 0 {
				w[f] += " "
			}
			w[f] += name
		}
	}
	return w
}()

// fixedNames are in every FLAGS response.
var fixedNames = store.Flags(store.FlagsAll).Names()

var keywordFlagNames = (store.FlagsAll &^ store.FlagsSystem).Names()

// appendFlags writes the flags and keywords of a message in parentheses.
func (s *session) appendFlags(b []byte, m *store.Message) []byte {
	b = append(b, '(')
	at := len(b)
	b = append(b, flagWords[m.Flags&store.FlagsSystem]...)
	if rest := m.Flags &^ store.FlagsSystem; rest != 0 {
		for i, name := range keywordFlagNames {
			if rest&(store.FlagForwarded<<i) != 0 {
				b = appendWord(b, at, name)
			}
		}
	}
	if m.Keywords != 0 {
		for _, k := range s.box.account.Keywords(m.Keywords) {
			b = appendWord(b, at, k)
		}
	}
	return append(b, ')')
}

func appendWord(b []byte, at int, w string) []byte {
	if len(b) > at {
		b = append(b, ' ')
	}
	return append(b, w...)
}

// flagNames returns the flags and keywords of FLAGS responses: the system flags,
// the common keywords, and the keywords in use in the mailbox.
func (s *session) flagNames() []string {
	names := slices.Clone(fixedNames)
	seen := map[string]bool{}
	var more []string
	for _, set := range s.box.view.KeywordSets() {
		for _, k := range s.box.account.Keywords(set) {
			if !seen[k] {
				seen[k] = true
				more = append(more, k)
			}
		}
	}
	slices.Sort(more)
	// A mailbox can have any number of keywords; the response shows so many.
	if len(more) > maxListedKeywords {
		more = more[:maxListedKeywords]
	}
	return append(names, more...)
}

const maxListedKeywords = 1000

// reportKeywords sends FLAGS again when keywords came into use that the client has
// not seen: RFC 9051 7.3.5.
func (s *session) reportKeywords() {
	var names []string
	for _, set := range s.box.view.KeywordSets() {
		for _, k := range s.box.account.Keywords(set) {
			if !s.box.keywords[k] && len(s.box.keywords) < maxListedKeywords {
				names = s.flagNames()
			}
		}
		if names != nil {
			break
		}
	}
	if names == nil {
		return
	}
	s.sendFlagNames(names)
}

// permanent returns which of the flags the client can change.
func (s *session) permanent(names []string) []string {
	if s.box.readOnly {
		return nil
	}
	l := flagLimit(s.box.rights)
	if l == (store.FlagLimit{}) {
		return append(names, `\*`)
	}
	var list []string
	for _, n := range names {
		if bit, ok := store.ParseFlag(n); ok && l.Flags&bit == 0 || !ok && !l.Keywords {
			list = append(list, n)
		}
	}
	if !l.Keywords {
		list = append(list, `\*`)
	}
	return list
}

// sendFlagNames sends FLAGS and PERMANENTFLAGS. RFC 9051 7.1: \* says that new
// keywords can be made.
func (s *session) sendFlagNames(names []string) {
	// The first names are always the same.
	for _, n := range names[len(fixedNames):] {
		if s.box.keywords == nil {
			s.box.keywords = map[string]bool{}
		}
		s.box.keywords[n] = true
	}
	b := append(s.output(), "* FLAGS "...)
	b = imap.AppendFlags(b, names)
	b = append(b, "\r\n* OK [PERMANENTFLAGS "...)
	// RFC 4314 5.1.1: what the user's rights allow.
	b = imap.AppendFlags(b, s.permanent(names))
	s.out = append(b, "] flags\r\n"...)
}
