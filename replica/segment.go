package replica

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path"
	"time"

	"mox/backup"
	"mox/db"
)

// Names of objects: "replica/accounts/NAME/account.db/GENERATION/base", and ".../0000000001".

func dirName(name string) string { return backup.ReplicaPrefix + name + "/" }

func baseName(name, gen string) string { return path.Join(dirName(name), gen, backup.BaseName) }

func segmentName(name, gen string, seq int) string {
	return path.Join(dirName(name), gen, fmt.Sprintf("%010d", seq))
}

// A segment is the magic, and for each commit: its time in milliseconds, the pages of the
// database after it, the number of pages written, as varints; for each of these its number as
// varint and its content; then the chain: SHA-256 of the chain before and all of that, cut to 16
// octets. The page size is that of the base.
const (
	segmentMagic = "mox replica 1\n"
	chainSize    = 16
)

// chainStart is the chain before the first commit of a generation.
func chainStart(name, gen string) []byte {
	sum := sha256.Sum256([]byte(segmentMagic + name + "\x00" + gen))
	return sum[:chainSize]
}

func encodeSegment(gen *generation, chain []byte, now time.Time, commits []db.Commit) (seg, end []byte) {
	b := []byte(segmentMagic)
	b = append(b, chain...)
	for _, c := range commits {
		start := len(b)
		b = binary.AppendUvarint(b, uint64(now.UnixMilli()))
		b = binary.AppendUvarint(b, uint64(c.Pages))
		b = binary.AppendUvarint(b, uint64(len(c.Frames)))
		for _, f := range c.Frames {
			b = binary.AppendUvarint(b, uint64(f.Page))
			b = append(b, f.Data...)
		}
		chain = nextChain(chain, b[start:])
		b = append(b, chain...)
	}
	return b, chain
}

func nextChain(chain, commit []byte) []byte {
	h := sha256.New()
	h.Write(chain)
	h.Write(commit)
	return h.Sum(nil)[:chainSize]
}

// timedCommit is a commit of a segment.
type timedCommit struct {
	Time time.Time
	db.Commit
}

// decodeSegment returns the commits of a segment that follows a chain, and the chain after it.
func decodeSegment(b []byte, chain []byte, page int) ([]timedCommit, []byte, error) {
	bad := func(what string) ([]timedCommit, []byte, error) {
		return nil, nil, fmt.Errorf("segment: %w: %s", backup.ErrDamaged, what)
	}
	rest, ok := bytes.CutPrefix(b, []byte(segmentMagic))
	if !ok || len(rest) < chainSize {
		return bad("it is none")
	}
	if !bytes.Equal(rest[:chainSize], chain) {
		return bad("it does not follow the one before")
	}
	rest = rest[chainSize:]
	var l []timedCommit
	for len(rest) > 0 {
		c, n, ok := decodeCommit(rest, page)
		if !ok || len(rest)-n < chainSize {
			return bad("it is cut off")
		}
		chain = nextChain(chain, rest[:n])
		if !bytes.Equal(chain, rest[n:n+chainSize]) {
			return bad("checksum of a commit")
		}
		l = append(l, c)
		rest = rest[n+chainSize:]
	}
	return l, chain, nil
}

func decodeCommit(b []byte, page int) (c timedCommit, n int, ok bool) {
	number := func() uint64 {
		v, k := binary.Uvarint(b[n:])
		ok = ok && k > 0
		n += max(k, 0)
		return v
	}
	ok = true
	ms, pages, frames := number(), number(), number()
	if !ok || frames > uint64(len(b)) || pages > 1<<32-1 || pages == 0 {
		return c, 0, false
	}
	c.Time, c.Pages = time.UnixMilli(int64(ms)).UTC(), uint32(pages)
	for range frames {
		no := number()
		if !ok || no == 0 || no > 1<<32-1 || len(b)-n < page {
			return c, 0, false
		}
		c.Frames = append(c.Frames, db.Frame{Page: uint32(no), Data: b[n : n+page]})
		n += page
	}
	return c, n, true
}
