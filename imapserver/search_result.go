package imapserver

import (
	"slices"
	"strconv"

	"mox/imap"
	"mox/store"
)

// searchResult collects what matched, in ascending order.
type searchResult struct {
	box     *selected // that was searched
	uid     bool
	numbers []imap.NumRange // sequence numbers, or UIDs
	uids    []imap.NumRange // UIDs; with uid set, numbers are
	count   int
	modseq  store.ModSeq // highest
	first   entry
	last    entry
	// pos has the position of each message, where keep is set: for SORT, which orders them,
	// THREAD and PARTIAL.
	keep bool
	pos  []uint32
	// enough is the number of messages after which the search may stop: what PARTIAL asks
	// for. 0: all are wanted.
	enough int
	// score gives the scores, by position, where they are wanted.
	score  func(m *store.Message) uint8
	scores []uint8
}

// full reports that more messages are of no use.
func (res *searchResult) full() bool { return res.enough > 0 && res.count >= res.enough }

// enoughFor returns how many messages a SEARCH must find. RFC 9394 3.1: PARTIAL "also
// helps servers to optimize resource usage".
func enoughFor(c *searching) int {
	r := c.ret
	if c.criteria != nil || r == nil || r.Partial == nil || r.Partial.Last || r.Max || r.Count || r.Update {
		return 0
	}
	return int(max(r.Partial.First, r.Partial.End))
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
		res.first = e
	}
	res.count++
	res.last = e
	res.modseq = max(res.modseq, e.msg.ModSeq)
	if res.keep {
		res.pos = append(res.pos, e.seq-1)
	}
	if res.score != nil {
		res.scores[e.seq-1] = res.score(e.msg)
	}
}

// allUIDs are the UIDs of all messages.
func (res *searchResult) allUIDs() []imap.NumRange {
	if res.uid {
		return res.numbers
	}
	return res.uids
}

// number is how a message is named in the result.
func (res *searchResult) number(e entry) uint32 {
	if res.uid {
		return uint32(e.msg.UID)
	}
	return e.seq
}

// chosen returns the messages that MIN, MAX and PARTIAL stand for, in any order.
func (res *searchResult) chosen(ret *imap.SearchReturn) (es []entry) {
	if res.count == 0 {
		return nil
	}
	if ret.Min {
		es = append(es, res.min())
	}
	if ret.Max {
		es = append(es, res.max())
	}
	if ret.Partial != nil {
		from, to := ret.Partial.Bounds(len(res.pos))
		for _, p := range res.pos[from:to] {
			es = append(es, res.box.at(int(p)))
		}
	}
	return es
}

// min is the first message of the result: RFC 4731 3.1; in the order of SORT RFC 5267
// 3.1.
func (res *searchResult) min() entry {
	if res.keep {
		return res.box.at(int(res.pos[0]))
	}
	return res.first
}

func (res *searchResult) max() entry {
	if res.keep {
		return res.box.at(int(res.pos[len(res.pos)-1]))
	}
	return res.last
}

// saved returns the UIDs that "$" stands for. RFC 5182 2.4 and RFC 9394 3.2: MIN, MAX
// and PARTIAL without ALL or COUNT save just these messages.
func (res *searchResult) saved(ret *imap.SearchReturn) []imap.NumRange {
	if ret.All || ret.Count || !ret.Min && !ret.Max && ret.Partial == nil {
		return res.allUIDs()
	}
	var uids []imap.NumRange
	for _, e := range res.chosen(ret) {
		uids = append(uids, imap.NumRange{Start: uint32(e.msg.UID), Stop: uint32(e.msg.UID)})
	}
	return imap.Normalize(uids)
}

// sendFound sends the result: RFC 3501 7.2.5 SEARCH, RFC 5256 SORT, or ESEARCH for
// RETURN.
func (s *session) sendFound(c *searching, res *searchResult) {
	if c.ret != nil {
		// RFC 5182 2.1: SAVE alone has no result to send.
		if c.ret.Data() {
			s.sendESearch(c, res)
		}
		return
	}
	b := append(append(s.output(), "* "...), c.r.Name...)
	if c.criteria != nil {
		for _, p := range res.pos {
			b = append(b, ' ')
			b = strconv.AppendUint(b, uint64(res.number(res.box.at(int(p)))), 10)
		}
	} else {
		for _, rg := range res.numbers {
			for n := rg.Start; ; n++ {
				b = append(b, ' ')
				b = strconv.AppendUint(b, uint64(n), 10)
				if n == rg.Stop {
					break
				}
			}
		}
	}
	// RFC 7162 3.1.6 and 3.1.9.
	if c.q.ModSeq && res.count > 0 {
		b = append(b, " (MODSEQ "...)
		b = strconv.AppendInt(b, int64(res.modseq), 10)
		b = append(b, ')')
	}
	s.out = append(b, "\r\n"...)
}

// beginESearch begins an ESEARCH response about the command with a tag.
func (s *session) beginESearch(tag string, uid bool) []byte {
	b := append(s.output(), "* ESEARCH (TAG "...)
	b = imap.AppendString(b, tag, false)
	b = append(b, ')')
	if uid {
		b = append(b, " UID"...)
	}
	return b
}

func (s *session) sendESearch(c *searching, res *searchResult) {
	b := s.beginESearch(c.r.Tag, res.uid)
	s.out = append(res.appendReturned(b, c), "\r\n"...)
}

// appendReturned appends what was asked for to an ESEARCH response.
func (res *searchResult) appendReturned(b []byte, c *searching) []byte {
	ret := c.ret
	// RFC 4731 3.1: MIN, MAX and ALL are left out when nothing matched.
	if res.count > 0 {
		if ret.Min {
			b = strconv.AppendUint(append(b, " MIN "...), uint64(res.number(res.min())), 10)
		}
		if ret.Max {
			b = strconv.AppendUint(append(b, " MAX "...), uint64(res.number(res.max())), 10)
		}
		if ret.All && c.criteria != nil {
			b = imap.AppendOrdered(append(b, " ALL "...), res.box.numbersAt(res.pos, res.uid))
		} else if ret.All {
			b = imap.AppendRanges(append(b, " ALL "...), res.numbers)
		}
	}
	if ret.Count {
		b = strconv.AppendInt(append(b, " COUNT "...), int64(res.count), 10)
	}
	if ret.Partial != nil {
		b = res.appendPartial(b, *ret.Partial)
	}
	if ret.Relevancy && res.count > 0 {
		b = res.appendRelevancy(b, ret)
	}
	if c.q.ModSeq && res.count > 0 {
		b = strconv.AppendInt(append(b, " MODSEQ "...), int64(res.returnedModSeq(ret)), 10)
	}
	return b
}

// appendPartial: RFC 9394 3.1: the range as requested, and NIL when nothing is in it.
func (res *searchResult) appendPartial(b []byte, r imap.PartialRange) []byte {
	b = append(b, " PARTIAL ("...)
	b = imap.AppendPartialRange(b, r)
	b = append(b, ' ')
	from, to := r.Bounds(len(res.pos))
	if from == to {
		return append(b, "NIL)"...)
	}
	b = imap.AppendOrdered(b, res.box.numbersAt(res.pos[from:to], res.uid))
	return append(b, ')')
}

// numbersAt returns the sequence numbers or UIDs of messages by their positions.
func (b *selected) numbersAt(pos []uint32, uid bool) []uint32 {
	numbers := make([]uint32, len(pos))
	for i, p := range pos {
		numbers[i] = p + 1
		if uid {
			numbers[i] = uint32(b.at(int(p)).msg.UID)
		}
	}
	return numbers
}

// returnedModSeq: RFC 4731 3.2: the highest among the messages that are returned.
func (res *searchResult) returnedModSeq(ret *imap.SearchReturn) store.ModSeq {
	es := res.chosen(ret)
	if ret.All || ret.Count || len(es) == 0 {
		return res.modseq
	}
	return slices.MaxFunc(es, func(x, y entry) int { return int(x.msg.ModSeq - y.msg.ModSeq) }).msg.ModSeq
}
