package imapserver

import (
	"context"
	"strconv"

	"mox/imap"
)

const (
	// minBatch is the smallest batch: RFC 10022 has servers support at least 500.
	minBatch = 500
	// maxBatches is how many batches an answer has at most.
	maxBatches = 10000
)

// cmdUIDBatches is UIDBATCHES, RFC 10022: ranges of UIDs that have a number of messages each,
// the newest first.
func (s *session) cmdUIDBatches(_ context.Context, r *imap.Request) error {
	a := r.Args.(*imap.UIDBatches)
	if a.Size < minBatch {
		return imap.No(imap.CodeTooFew, "the smallest size of a batch is %d", minBatch)
	}
	s.update(false, ownChange{})
	v := s.box.view
	size, first := int(a.Size), max(int(a.First), 1)
	last := (v.Len() + size - 1) / size
	if a.Last != 0 {
		last = min(last, int(a.Last))
	}
	if last-first >= maxBatches {
		return imap.No(imap.CodeLimit, "at most %d batches are told at a time", maxBatches)
	}
	b := append(s.output(), "* UIDBATCHES (TAG "...)
	b = append(imap.AppendString(b, r.Tag, false), ')')
	sep := byte(' ')
	for k := first; k <= last; k++ {
		newest := v.Len() - (k-1)*size - 1
		b = append(b, sep)
		b = strconv.AppendUint(b, uint64(v.At(newest).UID), 10)
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(v.At(max(newest-size+1, 0)).UID), 10)
		sep = ','
	}
	s.out = append(b, "\r\n"...)
	return nil
}
