package search

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"mox/db"
	"mox/store"
)

// maxBlob bounds what a stored blob may decompress to.
const maxBlob = 64 << 20

// codec compresses what is stored. Frames have a checksum: a damaged blob is noticed.
// Safe for concurrent use.
type codec struct {
	enc, quick *zstd.Encoder
	dec        *zstd.Decoder
}

func newCodec() (*codec, error) {
	enc, err := newEncoder(zstd.SpeedDefault)
	if err != nil {
		return nil, err
	}
	quick, err := newEncoder(zstd.SpeedFastest)
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxBlob))
	if err != nil {
		return nil, fmt.Errorf("making decompressor: %w", err)
	}
	return &codec{enc, quick, dec}, nil
}

func newEncoder(l zstd.EncoderLevel) (*zstd.Encoder, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(l), zstd.WithEncoderConcurrency(maxBuilders()), zstd.WithAllLitEntropyCompression(true), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(256<<10))
	if err != nil {
		return nil, fmt.Errorf("making compressor: %w", err)
	}
	return enc, nil
}

func (c *codec) close() {
	c.dec.Close()
	_ = c.enc.Close() // they have no output
	_ = c.quick.Close()
}

func (c *codec) pack(b []byte) []byte { return packBy(c.enc, b) }

// packQuick packs what is written again soon, when its segment is merged.
func (c *codec) packQuick(b []byte) []byte { return packBy(c.quick, b) }

func packBy(e *zstd.Encoder, b []byte) []byte {
	return e.EncodeAll(b, make([]byte, 0, len(b)/2+64))
}

func (c *codec) unpack(b []byte) ([]byte, error) {
	if len(b) == 0 { // which is no frame, and would be taken for none
		return nil, fmt.Errorf("%w: empty", errDamaged)
	}
	out, err := c.dec.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return out, nil
}

// States of a segment.
const (
	stateBuilding = iota // a merge writes it; void after a crash
	stateLive
	stateDead // merged into another: its blocks are being deleted
)

// maxBlocks is the number of blocks that ids of blocks have room for in a segment.
const maxBlocks = 1 << 24

// blockID is the row id of a block of a segment.
func blockID(segment int64, block int) int64 { return segment*maxBlocks + int64(block) }

// segment is a row of the table segment, without its blobs.
type segment struct {
	id          int64
	first, last store.BodyID
	docs, dead  int
	blocks      int
	bytes       int64
}

// live is the number of documents that were not removed.
func (s *segment) live() int { return s.docs - s.dead }

// details are the blobs of a segment's row.
type details struct {
	bodies []store.BodyID // by document
	firsts []string       // the first key of each block
}

// blockOf returns the block in which a key is, if it is anywhere; -1 for none.
func (d *details) blockOf(key string) int {
	i, found := slices.BinarySearch(d.firsts, key)
	if !found {
		i--
	}
	return i
}

func encodeBodies(ids []store.BodyID) []byte {
	var b []byte
	last := store.BodyID(0)
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id-last))
		last = id
	}
	return b
}

func decodeBodies(b []byte, n int) ([]store.BodyID, error) {
	ids := make([]store.BodyID, 0, min(n, len(b)))
	last := store.BodyID(0)
	for len(b) > 0 {
		gap, size := binary.Uvarint(b)
		if size <= 0 || len(ids) == n {
			return nil, fmt.Errorf("%w: bodies", errDamaged)
		}
		b = b[size:]
		last += store.BodyID(gap)
		ids = append(ids, last)
	}
	if len(ids) != n {
		return nil, fmt.Errorf("%w: number of bodies", errDamaged)
	}
	return ids, nil
}

// Keys have no LF.
func encodeFirsts(firsts []string) []byte { return []byte(strings.Join(firsts, "\n")) }

func decodeFirsts(b []byte, n int) ([]string, error) {
	if n == 0 {
		return nil, nil
	}
	firsts := strings.Split(string(b), "\n")
	if len(firsts) != n {
		return nil, fmt.Errorf("%w: number of blocks", errDamaged)
	}
	return firsts, nil
}

// reader reads blobs of an index in one read transaction, through the cache.
type reader struct {
	c     *db.Conn
	index uint64
	cache *cache
	codec *codec
}

// segments returns the live segments in ascending order of bodies.
func segments(c *db.Conn) ([]segment, error) {
	var list []segment
	rows := c.QueryInts("SELECT id, first, last, docs, dead, blocks, bytes FROM segment WHERE state=? ORDER BY first", stateLive)
	for rows.Next() {
		list = append(list, segment{
			rows.Int64(0), store.BodyID(rows.Int64(1)), store.BodyID(rows.Int64(2)), int(rows.Int64(3)), int(rows.Int64(4)), int(rows.Int64(5)), rows.Int64(6),
		})
	}
	return list, rows.Close()
}

func (r *reader) details(s *segment) (*details, error) {
	k := cacheKey{r.index, kindSegment, s.id, 0}
	if v, ok := r.cache.get(k); ok {
		return v.(*details), nil
	}
	rows := r.c.QueryInts("SELECT bodies, firsts FROM segment WHERE id=?", s.id)
	if !rows.Next() {
		return nil, orDamaged(rows.Close(), "segment is missing")
	}
	bodies, err := r.codec.unpack(rows.Bytes(0))
	firsts, err2 := r.codec.unpack(rows.Bytes(1))
	if err3 := rows.Close(); err3 != nil {
		return nil, err3
	}
	if err != nil || err2 != nil {
		return nil, orDamaged(err, "segment row")
	}
	d := &details{}
	if d.bodies, err = decodeBodies(bodies, s.docs); err != nil {
		return nil, err
	}
	if d.firsts, err = decodeFirsts(firsts, s.blocks); err != nil {
		return nil, err
	}
	r.cache.put(k, d, int64(8*len(d.bodies)+len(firsts)+16*len(d.firsts)+128))
	return d, nil
}

func orDamaged(err error, what string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errDamaged, what)
}

// terms returns the terms of a block, keep whether to keep them in the cache.
func (r *reader) terms(s *segment, block int) ([]byte, error) {
	return r.blob(kindTerms, "SELECT data FROM term WHERE id=?", s.id, block)
}

func (r *reader) postings(s *segment, block int) (postings, error) {
	b, err := r.blob(kindPostings, "SELECT data FROM posting WHERE id=?", s.id, block)
	if err != nil {
		return postings{}, err
	}
	return readPostings(b, s.docs)
}

func (r *reader) blob(kind blobKind, sql string, segment int64, block int) ([]byte, error) {
	k := cacheKey{r.index, kind, segment, block}
	if v, ok := r.cache.get(k); ok {
		return v.([]byte), nil
	}
	b, err := readBlob(r.c, r.codec, sql, blockID(segment, block))
	if err != nil {
		return nil, err
	}
	r.cache.put(k, b, int64(len(b)+128))
	return b, nil
}

func readBlob(c *db.Conn, codec *codec, sql string, id int64) ([]byte, error) {
	rows := c.QueryInts(sql, id)
	if !rows.Next() {
		return nil, orDamaged(rows.Close(), "block is missing")
	}
	b, err := codec.unpack(rows.Bytes(0))
	if err2 := rows.Close(); err2 != nil {
		return nil, err2
	}
	return b, err
}
