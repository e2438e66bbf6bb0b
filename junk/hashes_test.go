package junk

import (
	"slices"
	"testing"
)

// FuzzHashes: what is stored is read back, and what is not of ours is refused.
func FuzzHashes(f *testing.F) {
	f.Add(packHashes([]uint64{1, 2, 300, 1<<hashBits - 1}))
	f.Add([]byte{0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := unpackHashes(b)
		if err != nil {
			return
		}
		if !slices.IsSorted(list) || len(list) > 0 && list[len(list)-1] >= 1<<hashBits {
			t.Fatalf("%x: %v", b, list)
		}
		if again, err := unpackHashes(packHashes(list)); err != nil || !slices.Equal(again, list) {
			t.Fatalf("%v: %v, %v", list, again, err)
		}
	})
}

func FuzzSignals(f *testing.F) {
	f.Add(packSignals([]signal{{1, 2}, {3, 0}}))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := unpackSignals(b); err == nil && string(packSignals(list)) != string(b) {
			t.Fatalf("%x: %v", b, list)
		}
	})
}

func TestSortedKeys(t *testing.T) {
	keys := sortedKeys([]uint64{5, 0, 1 << hashBits, 5, 1})
	if !slices.Equal(keys, []uint64{1, 5}) {
		t.Errorf("%v", keys)
	}
	many := make([]uint64, maxWords+10)
	for i := range many {
		many[i] = uint64(i) + 1
	}
	if n := len(sortedKeys(many)); n != maxWords {
		t.Errorf("%d words", n)
	}
}

func FuzzCanonicalAddress(f *testing.F) {
	for _, s := range []string{"Bob@Example.org", `"a b"@x.example`, "@", "x@bücher.example", "\xff@\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c := canonicalAddress(s); c != "" && canonicalAddress(c) != c {
			t.Errorf("%q: %q, then %q", s, c, canonicalAddress(c))
		}
	})
}
