package imapimport

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"mox/imap"
)

// missingNamed is how many missing messages a verification names.
const missingNamed = 20

// Verification compares a mailbox of the source with that here.
type Verification struct {
	SourceMessages int
	SourceBytes    int64 // by RFC822.SIZE, which some servers only estimate
	Messages       int   // here, also those that came otherwise
	Bytes          int64
	Missing        int      // messages that are not here, or not any more
	MissingIDs     []string `json:",omitempty"` // of the first 20; "UID n" for those without Message-ID
	FlagsDiffer    int      // messages
}

// verify reads both sides anew.
func (s *syncing) verify(ctx context.Context) error {
	if err := s.list(ctx); err != nil {
		return err
	}
	metas, err := s.readMetas(ctx, slices.Sorted(maps.Keys(s.uids)))
	if err != nil {
		return fmt.Errorf("reading for verification: %w", err)
	}
	if err := s.readLocal(ctx, true); err != nil {
		return err
	}
	v := &Verification{Messages: len(s.local)}
	for _, e := range s.local {
		v.Bytes += e.Size
	}
	if err := s.withheld(ctx, v, metas); err != nil {
		return fmt.Errorf("reading for verification: %w", err)
	}
	for _, m := range metas {
		v.SourceMessages++
		v.SourceBytes += m.size
		e := s.byUID[s.st.pairs[m.uid].local]
		if e == nil {
			free := s.free[m.key()]
			if m.id == "" || len(free) == 0 {
				v.miss(m)
				continue
			}
			e = pick(free, m)
			s.free[m.key()] = slices.DeleteFunc(free, func(f *Entry) bool { return f == e })
		}
		if add, remove := flagDiff(flagKey(e.Flags), s.st.sets[m.flags]); len(add)+len(remove) > 0 {
			v.FlagsDiffer++
		}
	}
	s.res.Verified = v
	return nil
}

// withheld counts as missing what the source lists and does not give out; what it does not list
// any more is gone.
func (s *syncing) withheld(ctx context.Context, v *Verification, metas []*meta) error {
	for _, m := range metas {
		delete(s.uids, m.uid)
	}
	if len(s.uids) == 0 {
		return nil
	}
	before := s.uids
	if err := s.list(ctx); err != nil {
		return err
	}
	for _, uid := range slices.Sorted(maps.Keys(before)) {
		if s.uids[uid] {
			v.SourceMessages++
			v.miss(&meta{uid: uid})
		}
	}
	return nil
}

func (v *Verification) miss(m *meta) {
	v.Missing++
	if len(v.MissingIDs) < missingNamed {
		id := "<" + m.id + ">"
		if m.id == "" {
			id = fmt.Sprintf("UID %d", m.uid)
		}
		v.MissingIDs = append(v.MissingIDs, id)
	}
}

func isRefusal(err error) bool {
	var refused *imap.Error
	return errors.As(err, &refused)
}
