package imapimport

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// pair is a message that was taken over.
type pair struct {
	local uint32 // UID here; 0: it is not known
	flags uint32 // index of those that the source had
}

// state is what is remembered of a mailbox of the source.
type state struct {
	validity, localValidity uint32
	modSeq                  uint64 // HIGHESTMODSEQ of the source, 0 without CONDSTORE
	next                    uint32 // UIDNEXT of the source
	pairs                   map[uint32]pair
	sets                    []string // of flags, each as flagKey gives it
	index                   map[string]uint32
}

func newState(validity uint32) *state {
	return &state{validity: validity, pairs: map[uint32]pair{}, index: map[string]uint32{}}
}

// flagSet returns the index of a set of flags.
func (s *state) flagSet(key string) uint32 {
	i, ok := s.index[key]
	if !ok {
		i = uint32(len(s.sets))
		s.index[key] = i
		s.sets = append(s.sets, key)
	}
	return i
}

// record is the stored form: UIDs as differences, to be small.
type record struct {
	UIDValidity, LocalUIDValidity uint32
	ModSeq                        uint64
	UIDNext                       uint32
	Source                        []uint32
	Local                         []int64
	Flags                         []uint32
	Sets                          []string
}

func (s *state) encode() ([]byte, error) {
	r := record{UIDValidity: s.validity, LocalUIDValidity: s.localValidity, ModSeq: s.modSeq, UIDNext: s.next, Sets: s.sets}
	last, lastLocal := uint32(0), int64(0)
	for _, uid := range slices.Sorted(maps.Keys(s.pairs)) {
		p := s.pairs[uid]
		r.Source = append(r.Source, uid-last)
		r.Local = append(r.Local, int64(p.local)-lastLocal)
		r.Flags = append(r.Flags, p.flags)
		last, lastLocal = uid, int64(p.local)
	}
	return json.Marshal(r)
}

func decodeState(b []byte) (*state, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("record of the import: %w", err)
	}
	s := newState(r.UIDValidity)
	s.localValidity, s.modSeq, s.next = r.LocalUIDValidity, r.ModSeq, r.UIDNext
	for _, key := range r.Sets {
		s.flagSet(key)
	}
	if len(r.Local) != len(r.Source) || len(r.Flags) != len(r.Source) {
		return nil, fmt.Errorf("record of the import: %d, %d and %d messages", len(r.Source), len(r.Local), len(r.Flags))
	}
	uid, local := uint32(0), int64(0)
	for i, d := range r.Source {
		uid, local = uid+d, local+r.Local[i]
		if int(r.Flags[i]) >= len(s.sets) || local < 0 || local >= 1<<32 {
			return nil, fmt.Errorf("record of the import: message %d is out of range", i)
		}
		s.pairs[uid] = pair{uint32(local), r.Flags[i]}
	}
	return s, nil
}

// stateName is where the record of a mailbox of the source is: another for each mailbox here.
func stateName(host, user, mailbox, target string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{strings.ToLower(host), user, mailbox, target}, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// flagKey is a set of flags in a form to be compared: sorted, each once whatever its case.
func flagKey(flags []string) string {
	l := slices.Clone(flags)
	slices.SortFunc(l, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return strings.Join(slices.CompactFunc(l, strings.EqualFold), " ")
}

// flagDiff tells what makes of one set another.
func flagDiff(from, to string) (add, remove []string) {
	a, b := strings.Fields(from), strings.Fields(to)
	without := func(x, y []string) (l []string) {
		for _, f := range x {
			if !slices.ContainsFunc(y, func(g string) bool { return strings.EqualFold(f, g) }) {
				l = append(l, f)
			}
		}
		return l
	}
	return without(b, a), without(a, b)
}
