package imapserver

import (
	"context"
	"fmt"
	"strconv"

	"mox/imap"
	"mox/store"
)

// cmdThread is THREAD and UID THREAD, RFC 5256.
func (s *session) cmdThread(ctx context.Context, r *imap.Request) error {
	t := r.Args.(*imap.Thread)
	res, err := s.seek(ctx, &searching{r: r, q: &t.Search, by: s.comparator})
	if err != nil {
		return err
	}
	var trees *trees
	err = s.working(r.Tag, func() (err error) {
		trees, err = s.threads(ctx, t.Algorithm, res.pos)
		return err
	})
	if err != nil {
		return fmt.Errorf("threading: %w", err)
	}
	return s.sendThreads(trees, s.box.numbersAt(res.pos, r.UID))
}

// threads groups the messages at some positions.
func (s *session) threads(ctx context.Context, alg imap.ThreadAlgorithm, pos []uint32) (*trees, error) {
	msgs := s.messagesAt(pos)
	by := s.comparator.collation
	switch alg {
	case imap.ThreadOrderedSubject:
		subjects, err := s.box.box.Ranks(ctx, store.SortSubject, by, msgs)
		if err != nil {
			return nil, err
		}
		sent, err := s.box.box.Ranks(ctx, store.SortSent, by, msgs)
		if err != nil {
			return nil, err
		}
		return orderedSubject(subjects, sent), nil
	case imap.ThreadRefs:
		in, err := s.box.box.Threading(ctx, false, by, msgs)
		if err != nil {
			return nil, err
		}
		arrival := make([]uint64, len(msgs))
		for i, m := range msgs {
			arrival[i] = uint64(m.Received)
		}
		return refs(in, arrival), nil
	}
	in, err := s.box.box.Threading(ctx, true, by, msgs)
	if err != nil {
		return nil, err
	}
	return references(in), nil
}

// sendThreads sends the THREAD response; numbers are those of the messages.
func (s *session) sendThreads(t *trees, numbers []uint32) error {
	b, err := appendThreads(s.output(), t, numbers, func(b []byte) ([]byte, error) {
		// A long response goes out in pieces.
		s.out = b
		err := s.spill()
		return s.output(), err
	})
	s.out = b
	return err
}

// appendThreads appends the THREAD response; pass is called with the buffer between
// threads, and returns the one to go on with.
//
// RFC 5256 4: thread members follow each other as long as there is one child; more are
// lists of their own. A parent that is not among the messages has no number.
func appendThreads(b []byte, t *trees, numbers []uint32, pass func([]byte) ([]byte, error)) ([]byte, error) {
	b = append(b, "* THREAD"...)
	if len(t.roots) > 0 {
		b = append(b, ' ')
	}
	stack := [][]int32{t.roots} // the siblings still to come, at each level
	for len(stack) > 0 {
		top := len(stack) - 1
		if len(stack[top]) == 0 {
			if stack = stack[:top]; len(stack) > 0 {
				b = append(b, ')')
			}
			continue
		}
		n := stack[top][0]
		stack[top] = stack[top][1:]
		b = append(b, '(')
		kids := t.children(n)
		for first := true; int(n) < len(numbers); first = false {
			if !first {
				b = append(b, ' ')
			}
			b = strconv.AppendUint(b, uint64(numbers[n]), 10)
			if kids = t.children(n); len(kids) != 1 {
				break
			}
			n = kids[0]
		}
		if len(kids) > 0 && int(n) < len(numbers) {
			b = append(b, ' ')
		}
		stack = append(stack, kids)
		var err error
		if b, err = pass(b); err != nil {
			return b, err
		}
	}
	return append(b, "\r\n"...), nil
}
