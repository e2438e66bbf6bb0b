package imapserver

import (
	"context"
	"fmt"
	"strconv"

	"mox/imap"
	"mox/store"
)

// cmdSelect is SELECT, RFC 9051 6.3.2.
func (s *session) cmdSelect(ctx context.Context, r *imap.Request) error {
	return s.selectMailbox(ctx, r.Args.(*imap.Select), false)
}

// cmdExamine is EXAMINE, RFC 9051 6.3.3.
func (s *session) cmdExamine(ctx context.Context, r *imap.Request) error {
	return s.selectMailbox(ctx, r.Args.(*imap.Select), true)
}

func (s *session) selectMailbox(ctx context.Context, sel *imap.Select, readOnly bool) error {
	// RFC 7162 3.2.5: QRESYNC must have been enabled.
	if sel.QResync != nil && !s.qresync {
		return imap.Bad("QRESYNC is not enabled")
	}
	// RFC 9051 6.3.2: a failing SELECT leaves no mailbox selected.
	if s.box != nil {
		s.unselect()
		s.line("* OK [CLOSED] previous mailbox closed")
	}
	p, err := s.place(ctx, sel.Mailbox, imap.RightRead)
	if err != nil {
		return err
	}
	box, err := p.account.OpenBox(ctx, p.mb.ID)
	if err != nil {
		return fmt.Errorf("opening mailbox: %w", err)
	}
	s.box = &selected{box: box, account: p.account, owner: p.owner, rights: p.rights, readOnly: readOnly, view: box.View()}
	s.state = stateSelected
	if p.owner != "" {
		s.keep(p.account)
		s.srv.selectedOf(s, p.owner)
	}
	if sel.CondStore {
		s.condstore = true
	}
	s.box.annotate = sel.Annotate
	s.sendSelected(&p)
	if sel.QResync != nil {
		if err := s.resync(ctx, sel.QResync); err != nil {
			s.unselect()
			return err
		}
	}
	code := imap.CodeReadWrite
	if readOnly || p.rights&readWrite == 0 {
		code = imap.CodeReadOnly
	}
	s.reply = reply{code: code, text: "selected"}
	return nil
}

// sendSelected sends the responses that SELECT requires.
func (s *session) sendSelected(p *place) {
	v := s.box.view
	s.sendFlagNames(s.flagNames())
	s.numberLine(v.Len(), "EXISTS")
	if !s.rev2 {
		// RFC 3501 6.3.1 requires RECENT and, if there is one, the first unseen message.
		s.numberLine(0, "RECENT")
		if n := firstUnseen(v); n > 0 && !s.uidonly {
			s.okNumber("UNSEEN", int64(n))
		}
	}
	s.okNumber("UIDVALIDITY", int64(v.UIDValidity))
	s.okNumber("UIDNEXT", int64(v.UIDNext))
	s.okNumber("HIGHESTMODSEQ", s.box.known())
	s.sendURLMech()
	if !s.isDisabled("OBJECTID") {
		s.line("* OK [MAILBOXID (", p.objectID(), ")] object id")
	}
	s.sendAnnotations()
	// RFC 9051 6.3.2: LIST is part of the answer in IMAP4rev2.
	if !s.rev2 {
		return
	}
	l := s.newListing()
	if p.owner == "" {
		l.addOwn()
	} else {
		l.addShared(p.owner, p.account)
	}
	for _, e := range l.finish(imap.ListOptions{}) {
		if e.name == p.name() {
			s.sendListed(&imap.List{}, e)
		}
	}
}

func firstUnseen(v *store.View) int {
	if v.Counts().Unseen == 0 {
		return 0
	}
	for i, m := range v.All() {
		if m.Flags&store.FlagSeen == 0 {
			return i + 1
		}
	}
	return 0
}

func (s *session) okNumber(code string, n int64) {
	b := append(s.output(), "* OK ["...)
	b = append(b, code...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, n, 10)
	s.out = append(b, "] -\r\n"...)
}

// resync sends what changed since the client last knew the mailbox: RFC 7162 3.2.5.
func (s *session) resync(ctx context.Context, q *imap.QResync) error {
	v := s.box.view
	// RFC 7162 3.2.5: with another UIDVALIDITY the rest is ignored.
	if q.UIDValidity != v.UIDValidity {
		return nil
	}
	known := []imap.NumRange{{Start: 1, Stop: max(1, uint32(v.UIDNext)-1)}}
	if q.Known != nil {
		known = q.Known.Resolve(uint32(v.UIDNext))
	}
	vanished := known
	if q.Seqs != nil {
		vanished = intersect(known, []imap.NumRange{{Start: matchedUID(v, q) + 1, Stop: ^uint32(0)}})
	}
	if err := s.sendVanishedEarlier(ctx, vanished, store.ModSeq(q.ModSeq)); err != nil {
		return err
	}
	for e := range s.box.entries(s.box.resolveUIDs(known)) {
		if e.msg.ModSeq > store.ModSeq(q.ModSeq) {
			s.fetchFlags(e.seq, e.msg, true)
			if err := s.spill(); err != nil {
				return err
			}
		}
	}
	return nil
}

// matchedUID returns the UID up to which the client's sample of sequence numbers and
// UIDs agrees with the mailbox: RFC 7162 3.2.5.2.
func matchedUID(v *store.View, q *imap.QResync) (matched uint32) {
	uids := q.UIDs.Ranges
	k := 0
	uid := uids[0].Start
	for _, r := range q.Seqs.Ranges {
		for seq := r.Start; ; seq++ {
			if int(seq) > v.Len() || uint32(v.At(int(seq)-1).UID) != uid {
				return matched
			}
			matched = uid
			if uid < uids[k].Stop {
				uid++
			} else if k++; k < len(uids) {
				uid = uids[k].Start
			} else {
				return matched
			}
			if seq == r.Stop {
				break
			}
		}
	}
	return matched
}

// sendVanishedEarlier sends VANISHED (EARLIER) for the UIDs among known that were
// expunged after since: RFC 7162 3.2.10.1.
func (s *session) sendVanishedEarlier(ctx context.Context, known []imap.NumRange, since store.ModSeq) error {
	gone, err := s.box.account.Vanished(ctx, s.box.view.Mailbox, since)
	if err != nil {
		return fmt.Errorf("reading expunged messages: %w", err)
	}
	ranges := make([]imap.NumRange, len(gone))
	for i, r := range gone {
		ranges[i] = imap.NumRange{Start: uint32(r.Start), Stop: uint32(r.End)}
	}
	if ranges = s.withoutPresent(intersect(known, ranges)); len(ranges) == 0 {
		return nil
	}
	b := append(s.output(), "* VANISHED (EARLIER) "...)
	b = imap.AppendRanges(b, ranges)
	s.out = append(b, "\r\n"...)
	return s.spill()
}

// withoutPresent takes away the UIDs of messages that the session still has a sequence number
// for. They were expunged after its view was made, or may not be reported yet: a VANISHED
// without EARLIER is to come for them, and only that one moves sequence numbers (RFC 7162
// 3.2.10.1).
func (s *session) withoutPresent(ranges []imap.NumRange) []imap.NumRange {
	out := make([]imap.NumRange, 0, len(ranges))
	for _, r := range ranges {
		for e := range s.box.entries(s.box.resolveUIDs([]imap.NumRange{r})) {
			uid := uint32(e.msg.UID)
			if r.Start < uid {
				out = append(out, imap.NumRange{Start: r.Start, Stop: uid - 1})
			}
			r.Start = uid + 1
		}
		if r.Start <= r.Stop {
			out = append(out, r)
		}
	}
	return out
}

// intersect returns what two ascending, disjoint lists of ranges have in common.
func intersect(a, b []imap.NumRange) (out []imap.NumRange) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		start, stop := max(a[i].Start, b[j].Start), min(a[i].Stop, b[j].Stop)
		if start <= stop {
			out = append(out, imap.NumRange{Start: start, Stop: stop})
		}
		if a[i].Stop < b[j].Stop {
			i++
		} else {
			j++
		}
	}
	return out
}
