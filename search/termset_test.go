package search

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// The set has what a map has, in the order of the keys, for keys that are alike and blobs.
func TestTermSet(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	s := newTermSet()
	for range 3 {
		s.reset()
		want := map[string][]uint32{}
		note := func(key string, doc uint32) {
			if l := want[key]; len(l) == 0 || l[len(l)-1] != doc {
				want[key] = append(l, doc)
			}
		}
		for doc := range uint32(40) {
			for range 500 {
				where := byte(termKeys + r.IntN(8))
				term := []byte("abcdefgabcdefgabcdefgabcdefg"[:1+r.IntN(27)])
				for range r.IntN(3) {
					term[r.IntN(len(term))] = byte(' ' + 1 + r.IntN(200))
				}
				if r.IntN(2) == 0 { // nothing behind it to look at
					term = slices.Clip(bytes.Clone(term))
				}
				s.insert(where, term, doc)
				note(string(where)+string(term), doc)
				a, b := area(r.IntN(int(areas))), uint16(r.IntN(blobBuckets))
				s.insertBlob(a, b, doc)
				note(string(appendBucket([]byte{blobKey(a)}, b)), doc)
			}
		}
		keys := slices.Sorted(maps.Keys(want))
		err := s.all(func(key []byte, docs []uint32) error {
			if len(keys) == 0 || string(key) != keys[0] || !slices.Equal(docs, want[keys[0]]) {
				return fmt.Errorf("%q in %v, want %q", key, docs, keys[:min(len(keys), 1)])
			}
			keys = keys[1:]
			return nil
		})
		if err != nil || len(keys) > 0 {
			t.Fatal(err, len(keys), "keys missing")
		}
	}
}
