package search

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"mox/store"
)

// An index knows bodies by their ids. When account.db was replaced by an older backup,
// or the index is another account's, the ids mean other messages. So the index keeps
// fingerprints of the last bodies it took, and compares them when it is opened.

const (
	maxPrints  = 8
	printBytes = 4 << 10 // of a body that go into its fingerprint
	printSize  = 12      // body id and checksum
)

// fingerprint is of a body's size and first bytes. scratch is used when it has the room.
func fingerprint(ra io.ReaderAt, size int64, scratch []byte) (uint32, error) {
	b := append(scratch[:0], make([]byte, 8+min(size, printBytes))...)
	binary.BigEndian.PutUint64(b, uint64(size))
	if _, err := ra.ReadAt(b[8:], 0); err != nil && err != io.EOF {
		return 0, err
	}
	return crc32.ChecksumIEEE(b), nil
}

// appendPrint adds a fingerprint and drops the oldest.
func appendPrint(prints []byte, id store.BodyID, sum uint32) []byte {
	prints = binary.BigEndian.AppendUint64(prints, uint64(id))
	return lastPrints(binary.BigEndian.AppendUint32(prints, sum))
}

// addPrints adds fingerprints of later bodies and drops the oldest.
func addPrints(prints, later []byte) []byte { return lastPrints(append(prints, later...)) }

func lastPrints(prints []byte) []byte { return prints[max(0, len(prints)-maxPrints*printSize):] }

// verify returns an error of errForeign when the index was not made of the account's
// present data.
func (x *index) verify(ctx context.Context, acc *store.Account) error {
	s, err := x.state(ctx)
	if err != nil {
		return err
	}
	if s.modseq > acc.ModSeq() {
		return fmt.Errorf("%w: the account is older", errForeign)
	}
	if len(s.prints)%printSize != 0 {
		return fmt.Errorf("%w: fingerprints", errDamaged)
	}
	for p := s.prints; len(p) > 0; p = p[printSize:] {
		id, want := store.BodyID(binary.BigEndian.Uint64(p)), binary.BigEndian.Uint32(p[8:])
		got, err := bodyPrint(ctx, acc, id)
		if errors.Is(err, store.ErrNoBody) || errors.Is(err, store.ErrCorrupt) {
			continue
		} else if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%w: body %d is another", errForeign, id)
		}
	}
	return nil
}

func bodyPrint(ctx context.Context, acc *store.Account, id store.BodyID) (uint32, error) {
	b, err := acc.OpenBody(ctx, id)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	return fingerprint(b, b.Size(), nil)
}
