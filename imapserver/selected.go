package imapserver

import (
	"iter"
	"slices"

	"mox/imap"
	"mox/store"
)

// selected is the mailbox of a session in selected state, as its client knows it.
//
// The client's sequence numbers count the messages of view together with the
// ghosts: messages that are no longer in view, but whose EXPUNGE has not been sent.
type selected struct {
	box      *store.Box
	account  *store.Account // which has the mailbox
	owner    string         // its name, when it is another user's
	rights   imap.Rights    // of the user, as last looked at
	readOnly bool
	annotate bool // RFC 5257 4.2: changed annotations are to be told
	view     *store.View
	ghosts   []ghost // ascending by pos
	// floor is the view's ModSeq before the first of the ghosts went: the highest
	// mod-sequence up to which the client knows all (RFC 7162 3.2: it must not be told
	// more while EXPUNGE responses are delayed).
	floor    store.ModSeq
	keywords map[string]bool  // keywords listed in a FLAGS response
	saved    []imap.NumRange  // RFC 5182: UIDs of the saved search result
	contexts []*searchContext // RFC 5267: searches that are kept up to date
}

// ghost is an expunged message whose EXPUNGE was not sent yet. pos is its sequence
// number less one.
type ghost struct {
	pos int
	msg *store.Message
}

// entry is a message by its sequence number.
type entry struct {
	seq   uint32
	msg   *store.Message
	ghost bool
}

// total is the number of messages the client counts.
func (b *selected) total() int { return b.view.Len() + len(b.ghosts) }

// ghostsBefore returns how many ghosts have a position below pos.
func (b *selected) ghostsBefore(pos int) int {
	n, _ := slices.BinarySearchFunc(b.ghosts, pos, func(g ghost, p int) int { return g.pos - p })
	return n
}

// maxUID returns the highest UID the client knows of, or UIDNEXT for an empty
// mailbox: RFC 9051 9: seq-number.
func (b *selected) maxUID() store.UID {
	uid := store.UID(0)
	if n := b.view.Len(); n > 0 {
		uid = b.view.At(n - 1).UID
	}
	if n := len(b.ghosts); n > 0 {
		uid = max(uid, b.ghosts[n-1].msg.UID)
	}
	if uid == 0 {
		uid = b.view.UIDNext
	}
	return uid
}

// span is positions From up to but not including To.
type span struct{ from, to int }

// spans are ascending and disjoint: a resolved set.
type spans []span

// len returns the number of positions.
func (sp spans) len() (n int) {
	for _, s := range sp {
		n += s.to - s.from
	}
	return n
}

// part returns a part of the positions: RFC 9394 3.3.
func (sp spans) part(r imap.PartialRange) (out spans) {
	from, to := r.Bounds(sp.len())
	for _, s := range sp {
		n := s.to - s.from
		lo, hi := max(from, 0), min(to, n)
		if lo < hi {
			out = append(out, span{s.from + lo, s.from + hi})
		}
		from, to = from-n, to-n
	}
	return out
}

// findPos returns the position of the first message with at least uid.
func (b *selected) findPos(uid store.UID) int {
	i, _ := b.view.Find(uid)
	g, _ := slices.BinarySearchFunc(b.ghosts, uid, func(g ghost, u store.UID) int { return int(int64(g.msg.UID) - int64(u)) })
	return i + g
}

// resolve turns the set of a command into positions. RFC 9051 9: a sequence number
// above the number of messages is BAD; UIDs that do not exist are ignored.
func (b *selected) resolve(set imap.NumSet, uid bool) (spans, error) {
	if set.Saved {
		return b.resolveUIDs(b.saved), nil
	}
	if uid {
		return b.resolveUIDs(set.Resolve(uint32(b.maxUID()))), nil
	}
	n := b.total()
	if n == 0 {
		return nil, imap.Bad("mailbox is empty")
	}
	rs := set.Resolve(uint32(n))
	out := make(spans, 0, len(rs))
	for _, r := range rs {
		if r.Stop > uint32(n) {
			return nil, imap.Bad("sequence number %d is above the number of messages", r.Stop)
		}
		out = append(out, span{int(r.Start) - 1, int(r.Stop)})
	}
	return out, nil
}

// resolveSome resolves sequence numbers; those above the number of messages are ignored.
func (b *selected) resolveSome(set imap.NumSet) (out spans) {
	n := uint32(b.total())
	for _, r := range set.Resolve(n) {
		if r.Start <= n && r.Start > 0 {
			out = append(out, span{int(r.Start) - 1, int(min(r.Stop, n))})
		}
	}
	return out
}

func (b *selected) resolveUIDs(rs []imap.NumRange) spans {
	out := make(spans, 0, len(rs))
	n := b.total()
	for _, r := range rs {
		from := b.findPos(store.UID(r.Start))
		to := n
		if r.Stop != ^uint32(0) {
			to = b.findPos(store.UID(r.Stop) + 1)
		}
		if from >= to {
			continue
		}
		if l := len(out); l > 0 && out[l-1].to == from {
			out[l-1].to = to
			continue
		}
		out = append(out, span{from, to})
	}
	return out
}

// all is the span of every message.
func (b *selected) all() spans {
	if n := b.total(); n > 0 {
		return spans{{0, n}}
	}
	return nil
}

// entries yields the messages at the positions, in order.
func (b *selected) entries(sp spans) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for _, s := range sp {
			if !b.span(s, yield) {
				return
			}
		}
	}
}

// span yields the messages of one span: stretches of the view between ghosts.
func (b *selected) span(s span, yield func(entry) bool) bool {
	g := b.ghostsBefore(s.from)
	for pos := s.from; pos < s.to; {
		if g < len(b.ghosts) && b.ghosts[g].pos == pos {
			if !yield(entry{uint32(pos) + 1, b.ghosts[g].msg, true}) {
				return false
			}
			g++
			pos++
			continue
		}
		end := s.to
		if g < len(b.ghosts) {
			end = min(end, b.ghosts[g].pos)
		}
		for i, m := range b.view.Range(pos-g, end-g) {
			if !yield(entry{uint32(i+g) + 1, m, false}) {
				return false
			}
		}
		pos = end
	}
	return true
}

// at returns the message at a position.
func (b *selected) at(pos int) entry {
	g := b.ghostsBefore(pos)
	if g < len(b.ghosts) && b.ghosts[g].pos == pos {
		return entry{uint32(pos) + 1, b.ghosts[g].msg, true}
	}
	return entry{uint32(pos) + 1, b.view.At(pos - g), false}
}

// uids returns UIDs that cover exactly the messages of the view at the positions.
// Ranges may include UIDs that no longer exist: they are never used again.
func (b *selected) uids(sp spans) store.UIDSet {
	var set store.UIDSet
	for _, s := range sp {
		if s.from < s.to {
			set = append(set, store.UIDRange{Start: b.at(s.from).msg.UID, End: b.at(s.to - 1).msg.UID})
		}
	}
	return set
}

// hasGhosts reports whether a ghost is at one of the positions.
func (b *selected) hasGhosts(sp spans) bool {
	for _, s := range sp {
		if b.ghostsBefore(s.from) < b.ghostsBefore(s.to) {
			return true
		}
	}
	return false
}

// unselect leaves the selected mailbox, if there is one.
func (s *session) unselect() {
	if s.box == nil {
		return
	}
	s.box.box.Close()
	if s.box.owner != "" {
		s.box.account.Release()
		s.srv.selectedOf(s, "")
	}
	s.box = nil
	s.state = stateAuthenticated
}
