package imapserver

import (
	"context"
	"iter"

	"mox/imap"
	"mox/store"
)

// fetchPlan is a FETCH command, ready to be answered message by message.
type fetchPlan struct {
	atts    []imap.FetchAtt
	fields  store.Fields // what has to be read of stored renderings
	body    bool         // content has to be opened
	whole   bool         // and is wanted from beginning to end
	changed store.ModSeq // answer only for messages above; -1: all
	seen    bool         // \Seen is to be set
	marked  store.ModSeq // the operation that set \Seen; 0: none
}

// cmdFetch is FETCH and UID FETCH, RFC 9051 6.4.5, with RFC 7162 3.1.4 and 3.2.6.
func (s *session) cmdFetch(ctx context.Context, r *imap.Request) error {
	f := r.Args.(*imap.Fetch)
	if f.Vanished && !s.qresync {
		return imap.Bad("QRESYNC is not enabled")
	}
	p := s.planFetch(f, r.UID)
	if p.wantsModSeq() {
		s.enableCondstore()
	}
	s.update(false, ownChange{})
	sp, err := s.box.resolve(f.Set, r.UID)
	if err != nil {
		return err
	}
	if f.Vanished {
		known := s.box.saved
		if !f.Set.Saved {
			known = f.Set.Resolve(max(1, uint32(s.box.view.UIDNext)-1))
		}
		if err := s.sendVanishedEarlier(ctx, known, p.changed); err != nil {
			return err
		}
	}
	if f.Partial != nil {
		sp = sp.part(*f.Partial)
	}
	sp = s.limitMessages(sp)
	// RFC 4314 4: without the right to, reading does not set \Seen.
	if p.seen && !s.box.readOnly && s.box.rights.Has(imap.RightSeen) {
		s.markSeen(ctx, p, sp)
	}
	w := &fetcher{s: s, p: p}
	if err := w.run(ctx, sp); err != nil {
		return err
	}
	if w.damaged {
		return store.ErrDamaged
	}
	// RFC 2180 4.1.2: messages that were expunged meanwhile and cannot be read any more.
	if w.missing && !r.UID {
		return imap.No(imap.CodeExpungeIssued, "some messages no longer exist")
	}
	if w.unknownCTE {
		return imap.No(imap.CodeUnknownCTE, "content-transfer-encoding is not known")
	}
	return nil
}

// planFetch says what a FETCH needs.
func (s *session) planFetch(f *imap.Fetch, uid bool) *fetchPlan {
	p := &fetchPlan{changed: -1}
	has := map[imap.FetchKind]bool{}
	add := func(k imap.FetchKind) {
		if !has[k] {
			has[k] = true
			p.atts = append(p.atts, imap.FetchAtt{Kind: k})
		}
	}
	// RFC 9051 6.4.9: UID FETCH always answers with the UID; UIDFETCH has it already.
	if uid && !s.uidonly {
		add(imap.FetchUID)
	}
	for _, a := range f.Atts {
		if a.Kind < imap.FetchSection {
			if has[a.Kind] {
				continue
			}
			has[a.Kind] = true
		}
		p.atts = append(p.atts, a)
	}
	// RFC 7162 3.1.4.1: CHANGEDSINCE implies MODSEQ.
	if f.ChangedSince != nil {
		p.changed = store.ModSeq(*f.ChangedSince)
		add(imap.FetchModSeq)
	}
	for i := range p.atts {
		a := &p.atts[i]
		p.seen = p.seen || a.SetsSeen()
		need := fetchNeeds[a.Kind](a)
		p.fields |= need.fields
		p.body = p.body || need.body
		p.whole = p.whole || a.Kind == imap.FetchSection && isWhole(a) && a.Partial == nil
	}
	return p
}

func (p *fetchPlan) wantsModSeq() bool {
	for i := range p.atts {
		if p.atts[i].Kind == imap.FetchModSeq {
			return true
		}
	}
	return false
}

// wanted yields the messages to answer for.
func (p *fetchPlan) wanted(b *selected, sp spans) iter.Seq[entry] {
	if p.changed < 0 {
		return b.entries(sp)
	}
	return func(yield func(entry) bool) {
		for e := range b.entries(sp) {
			if e.msg.ModSeq > p.changed && !yield(e) {
				return
			}
		}
	}
}

// markSeen sets \Seen on all messages of the command in one operation. Its failure
// does not keep anyone from reading: a full disk, for example.
func (s *session) markSeen(ctx context.Context, p *fetchPlan, sp spans) {
	var set store.UIDSet
	for e := range p.wanted(s.box, sp) {
		if !e.ghost && e.msg.Flags&store.FlagSeen == 0 {
			set.Add(e.msg.UID)
		}
	}
	if len(set) == 0 {
		return
	}
	res, err := s.box.account.SetFlags(ctx, s.box.view.Mailbox, set, store.FlagChange{Op: store.FlagsAdd, Flags: store.FlagSeen})
	if err != nil {
		s.logger().Warn("setting seen flag", "err", err)
		return
	}
	p.marked = res.ModSeq
	// The FETCH responses will have the flags.
	s.update(false, ownChange{res.ModSeq, func(_, _ *store.Message) {}})
}

// fetchNeed is what an item needs besides the view.
type fetchNeed struct {
	fields store.Fields
	body   bool
}

var fetchNeeds = [...]func(a *imap.FetchAtt) fetchNeed{
	imap.FetchFlags:         needs(0),
	imap.FetchUID:           needs(0),
	imap.FetchInternalDate:  needs(0),
	imap.FetchRFC822Size:    needs(0),
	imap.FetchModSeq:        needs(0),
	imap.FetchEmailID:       needs(0),
	imap.FetchSaveDate:      needs(0),
	imap.FetchEnvelope:      needs(store.FieldEnvelope),
	imap.FetchBody:          needs(store.FieldBody),
	imap.FetchBodyStructure: needs(store.FieldBodyStructure),
	imap.FetchThreadID:      needs(store.FieldThread),
	imap.FetchPreview:       needs(store.FieldPreview),
	imap.FetchSection:       sectionNeeds,
	imap.FetchBinary:        func(*imap.FetchAtt) fetchNeed { return fetchNeed{store.FieldParts, true} },
	imap.FetchAnnotation:    needs(0),
	imap.FetchBinarySize:    func(*imap.FetchAtt) fetchNeed { return fetchNeed{store.FieldParts, true} },
}

func needs(f store.Fields) func(*imap.FetchAtt) fetchNeed {
	return func(*imap.FetchAtt) fetchNeed { return fetchNeed{fields: f} }
}

func sectionNeeds(a *imap.FetchAtt) fetchNeed {
	switch {
	case isWhole(a):
		return fetchNeed{body: true}
	case storedHeaders(&a.Section):
		return fetchNeed{fields: store.FieldHeaders}
	}
	return fetchNeed{store.FieldParts, true}
}

// isWhole reports whether the item is the whole message.
func isWhole(a *imap.FetchAtt) bool {
	return len(a.Section.Part) == 0 && a.Section.Spec == imap.SectionAll
}
