package imapserver

import (
	"context"
	"strconv"

	"mox/imap"
	"mox/store"
)

// cmdSearch is SEARCH and UID SEARCH, RFC 9051 6.4.4, with RFC 4731 (ESEARCH) and
// RFC 5182 (SEARCHRES).
func (s *session) cmdSearch(ctx context.Context, r *imap.Request) error {
	q := r.Args.(*imap.Search)
	err := s.search(ctx, r, q)
	if err != nil && q.Return != nil && q.Return.Save {
		// RFC 5182 2.1: a failed SEARCH with SAVE empties the result.
		s.box.saved = nil
	}
	return err
}

func (s *session) search(ctx context.Context, r *imap.Request, q *imap.Search) error {
	if err := s.checkCharset(q.Charset); err != nil {
		return err
	}
	if q.ModSeq {
		s.enableCondstore()
	}
	s.update(false, ownChange{})
	x := &searcher{s: s, uid: r.UID}
	prog, err := x.compile(&q.Key)
	if err != nil {
		return err
	}
	res := &searchResult{uid: r.UID}
	if err := x.run(ctx, prog, &q.Key, res); err != nil {
		return err
	}
	if q.Return != nil && q.Return.Save {
		s.box.saved = res.save(q.Return)
	}
	s.sendSearch(r, q, res)
	return nil
}

// checkCharset: RFC 9051 6.4.4: US-ASCII and UTF-8 must be supported.
func (s *session) checkCharset(name string) error {
	if name == "" {
		return nil
	}
	// RFC 6855 3: with UTF8=ACCEPT enabled, CHARSET is not allowed.
	if s.utf8only {
		return imap.Bad("CHARSET is not allowed after ENABLE UTF8=ACCEPT")
	}
	if name != "UTF-8" && name != "US-ASCII" {
		return &imap.Error{Type: imap.NO, Code: imap.CodeBadCharset, CodeArg: "(US-ASCII UTF-8)", Text: "charset is not supported"}
	}
	return nil
}

// searchResult collects what matched, in ascending order.
type searchResult struct {
	uid      bool
	numbers  []imap.NumRange // sequence numbers, or UIDs
	uids     []imap.NumRange // for SAVE
	count    int
	modseq   store.ModSeq // highest
	firstMod store.ModSeq // of the first and last message
	lastMod  store.ModSeq
	firstUID uint32
	lastUID  uint32
}

func (res *searchResult) add(e entry) {
	n := e.seq
	if res.uid {
		n = uint32(e.msg.UID)
	}
	rb := imap.RangeBuilder{Ranges: res.numbers}
	rb.Add(n)
	res.numbers = rb.Ranges
	if !res.uid {
		rb = imap.RangeBuilder{Ranges: res.uids}
		rb.Add(uint32(e.msg.UID))
		res.uids = rb.Ranges
	}
	if res.count == 0 {
		res.firstMod, res.firstUID = e.msg.ModSeq, uint32(e.msg.UID)
	}
	res.count++
	res.lastMod, res.lastUID = e.msg.ModSeq, uint32(e.msg.UID)
	res.modseq = max(res.modseq, e.msg.ModSeq)
}

// save returns the UIDs that "$" stands for. RFC 5182 2.4: MIN and MAX without ALL
// or COUNT save just these messages.
func (res *searchResult) save(o *imap.SearchReturn) []imap.NumRange {
	all := res.uids
	if res.uid {
		all = res.numbers
	}
	if res.count == 0 || o.All || o.Count || !o.Min && !o.Max {
		return all
	}
	var rb imap.RangeBuilder
	if o.Min {
		rb.Add(res.firstUID)
	}
	if o.Max {
		rb.Add(res.lastUID)
	}
	return rb.Ranges
}

// sendSearch sends the result: RFC 3501 7.2.5 SEARCH, or ESEARCH for RETURN and, in
// IMAP4rev2, always.
func (s *session) sendSearch(r *imap.Request, q *imap.Search, res *searchResult) {
	ret := q.Return
	if ret == nil && s.rev2 {
		ret = &imap.SearchReturn{All: true}
	}
	if ret != nil {
		s.sendESearch(r, q, ret, res)
		return
	}
	b := append(s.output(), "* SEARCH"...)
	for _, rg := range res.numbers {
		for n := rg.Start; ; n++ {
			b = append(b, ' ')
			b = strconv.AppendUint(b, uint64(n), 10)
			if n == rg.Stop {
				break
			}
		}
	}
	// RFC 7162 3.1.5.
	if q.ModSeq && res.count > 0 {
		b = append(b, " (MODSEQ "...)
		b = strconv.AppendInt(b, int64(res.modseq), 10)
		b = append(b, ')')
	}
	s.out = append(b, "\r\n"...)
}

func (s *session) sendESearch(r *imap.Request, q *imap.Search, ret *imap.SearchReturn, res *searchResult) {
	// RFC 5182 2.1: SAVE alone has no result to send.
	if ret.Save && !ret.Min && !ret.Max && !ret.All && !ret.Count {
		return
	}
	b := append(s.output(), "* ESEARCH (TAG "...)
	b = imap.AppendString(b, r.Tag, false)
	b = append(b, ')')
	if r.UID {
		b = append(b, " UID"...)
	}
	// RFC 4731 3.1: MIN, MAX and ALL are left out when nothing matched.
	if n := len(res.numbers); n > 0 {
		if ret.Min {
			b = strconv.AppendUint(append(b, " MIN "...), uint64(res.numbers[0].Start), 10)
		}
		if ret.Max {
			b = strconv.AppendUint(append(b, " MAX "...), uint64(res.numbers[n-1].Stop), 10)
		}
		if ret.All {
			b = imap.AppendRanges(append(b, " ALL "...), res.numbers)
		}
	}
	if ret.Count {
		b = strconv.AppendInt(append(b, " COUNT "...), int64(res.count), 10)
	}
	if q.ModSeq && res.count > 0 {
		b = strconv.AppendInt(append(b, " MODSEQ "...), int64(res.returnedModSeq(ret)), 10)
	}
	s.out = append(b, "\r\n"...)
}

// returnedModSeq: RFC 4731 3.2: the highest among the messages that are returned.
func (res *searchResult) returnedModSeq(ret *imap.SearchReturn) store.ModSeq {
	switch {
	case ret.All || ret.Count:
		return res.modseq
	case ret.Min && ret.Max:
		return max(res.firstMod, res.lastMod)
	case ret.Min:
		return res.firstMod
	}
	return res.lastMod
}
