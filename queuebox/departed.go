package queuebox

import (
	"context"
	"errors"

	"mox/store"
)

// logBatch is how many entries of the change log are read at once.
const logBatch = 1000

// takenBefore tells whether a message whose mailbox is gone was taken away before that: its user
// was told that it is canceled. False when the change log does not reach back.
func (s *visit) takenBefore(ctx context.Context, x *row) (bool, error) {
	if s.taken == nil {
		if err := s.readDepartures(ctx); err != nil {
			return false, err
		}
	}
	return s.taken[x.Base], nil
}

// readDepartures reads in the change log how the messages left whose mailboxes are gone: with
// their mailbox, or by an operation of their own.
func (s *visit) readDepartures(ctx context.Context) error {
	lost := map[store.MailboxID][]*row{}
	var since store.ModSeq
	for _, x := range s.rows.all {
		if _, ok := s.acc.MailboxByID(x.Box); !ok && x.Since > 0 {
			lost[x.Box] = append(lost[x.Box], x)
			if since == 0 || x.Since < since {
				since = x.Since
			}
		}
	}
	left := map[int64]store.ModSeq{} // when messages left, by Base
	taken := map[int64]bool{}
	for len(lost) > 0 {
		l, err := s.acc.Changes(ctx, since, logBatch)
		if errors.Is(err, store.ErrTooOld) || err == nil && len(l) == 0 {
			break
		} else if err != nil {
			return err
		}
		for i := range l {
			departure(&l[i], lost, left, taken)
		}
		since = l[len(l)-1].ModSeq
	}
	s.taken = taken
	return nil
}

// departure takes in an entry of the change log.
func departure(ch *store.Change, lost map[store.MailboxID][]*row, left map[int64]store.ModSeq, taken map[int64]bool) {
	switch ch.Kind {
	case store.MessagesExpunged:
		for _, x := range lost[ch.Mailbox] {
			if ch.ModSeq > x.Since && ch.UIDs.Contains(x.UID) {
				left[x.Base] = ch.ModSeq
			}
		}
	case store.MailboxChanged:
		// Perhaps a repair that numbers messages anew: UIDs say nothing then.
		delete(lost, ch.Mailbox)
	case store.MailboxDeleted:
		for _, x := range lost[ch.Mailbox] {
			taken[x.Base] = left[x.Base] > 0 && left[x.Base] != ch.ModSeq
		}
		delete(lost, ch.Mailbox)
	}
}
