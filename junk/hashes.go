package junk

import (
	"encoding/binary"
	"errors"
	"slices"
)

// errDamaged: junk.db has what nobody wrote.
var errDamaged = errors.New("junk database is damaged")

// hashBits are the bits of a word's hash that are kept. Of a million words, less than one
// shares its counts with another, and one unknown word in a million is taken for a known
// one; 64 bits would make the file twice as large.
const hashBits = 40

// wordKey is a word's hash as stored: never 0.
func wordKey(hash uint64) uint64 {
	return max(1, (hash^hash>>hashBits)&(1<<hashBits-1))
}

// maxWords bounds the words of an example.
const maxWords = 20_000

// packHashes packs hashes as differences. hashes is sorted, and has none twice.
func packHashes(hashes []uint64) []byte {
	b := make([]byte, 0, 5*len(hashes)+8)
	last := uint64(0)
	for _, h := range hashes {
		b = binary.AppendUvarint(b, h-last)
		last = h
	}
	return b
}

// unpackHashes is the inverse of packHashes.
func unpackHashes(b []byte) ([]uint64, error) {
	list := make([]uint64, 0, len(b)/4)
	last := uint64(0)
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 || d == 0 || d > 1<<hashBits || len(list) == maxWords {
			return nil, errDamaged
		}
		b = b[n:]
		if last += d; last >= 1<<hashBits {
			return nil, errDamaged
		}
		list = append(list, last)
	}
	return list, nil
}

// sortedKeys makes the keys of an example of the hashes of its words.
func sortedKeys(hashes []uint64) []uint64 {
	keys := make([]uint64, len(hashes))
	for i, h := range hashes {
		keys[i] = wordKey(h)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	return keys[:min(len(keys), maxWords)]
}
