package store

import (
	"encoding/binary"
	"fmt"
)

// Packed columns are sequences of varints, small for the runs that mail is made of.

var errPacked = fmt.Errorf("%w: packed column cannot be read", ErrCorrupt)

// appendUIDs packs a set: for each range the distance from the end of the one before,
// and its length less one.
func appendUIDs(b []byte, set UIDSet) []byte {
	last := UID(0)
	for _, r := range set {
		b = binary.AppendUvarint(b, uint64(r.Start-last))
		b = binary.AppendUvarint(b, uint64(r.End-r.Start))
		last = r.End
	}
	return b
}

// unpackUIDs adds the packed set b to dst.
func unpackUIDs(dst UIDSet, b []byte) (UIDSet, error) {
	last := uint64(0)
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return dst, errPacked
		}
		l, m := binary.Uvarint(b[n:])
		if m <= 0 || d == 0 || d > 1<<32 || l > 1<<32 || last+d+l >= 1<<32 {
			return dst, errPacked
		}
		b = b[n+m:]
		dst = append(dst, UIDRange{UID(last + d), UID(last + d + l)})
		last += d + l
	}
	return dst, nil
}

// appendBodies packs ids as differences.
func appendBodies(b []byte, ids []BodyID) []byte {
	last := BodyID(0)
	for _, id := range ids {
		b = binary.AppendVarint(b, int64(id-last))
		last = id
	}
	return b
}

func unpackBodies(b []byte) ([]BodyID, error) {
	var ids []BodyID
	last := BodyID(0)
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 {
			return nil, errPacked
		}
		b = b[n:]
		last += BodyID(d)
		ids = append(ids, last)
	}
	return ids, nil
}

// appendMessages packs whole rows.
func appendMessages(b []byte, msgs []Message) []byte {
	var last Message
	for _, m := range msgs {
		for _, v := range [...]int64{
			int64(m.UID) - int64(last.UID), int64(m.ID - last.ID), int64(m.Body - last.Body), int64(m.Size),
			int64(m.Received) - int64(last.Received), int64(m.Saved) - int64(last.Saved), int64(m.Keywords), int64(m.Flags),
		} {
			b = binary.AppendVarint(b, v)
		}
		last = m
	}
	return b
}

func unpackMessages(b []byte) ([]Message, error) {
	var msgs []Message
	var last Message
	for len(b) > 0 {
		var v [8]int64
		for i := range v {
			x, n := binary.Varint(b)
			if n <= 0 {
				return nil, errPacked
			}
			v[i], b = x, b[n:]
		}
		last = Message{
			UID: UID(int64(last.UID) + v[0]), ID: last.ID + MessageID(v[1]), Body: last.Body + BodyID(v[2]), Size: uint32(v[3]),
			Received: uint32(int64(last.Received) + v[4]), Saved: uint32(int64(last.Saved) + v[5]),
			Keywords: KeywordSet(v[6]), Flags: Flags(v[7]),
		}
		msgs = append(msgs, last)
	}
	return msgs, nil
}
