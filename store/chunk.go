package store

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	chunkSize   = 128 << 10 // raw bytes of content in a chunk
	chunksOf    = 1 << 16   // chunk ids of a body
	maxBodySize = (chunksOf - 1) * chunkSize
)

// The first byte of a stored chunk.
const (
	chunkRaw  = 0
	chunkZstd = 1
)

func chunkID(b BodyID, n int) int64 { return int64(b)*chunksOf + int64(n) }

// codec compresses and decompresses chunks. It is shared by a Store's accounts and safe
// for concurrent use.
type codec struct {
	enc  *zstd.Encoder
	dec  *zstd.Decoder
	bufs sync.Pool // *[]byte of chunkSize
}

func newCodec() (*codec, error) {
	// The window is a chunk: more would only cost memory. The body's hash covers what a
	// checksum would.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(chunkSize),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(chunkSize+1024))
	if err != nil {
		return nil, err
	}
	return &codec{enc: enc, dec: dec, bufs: sync.Pool{New: func() any { b := make([]byte, 0, chunkSize); return &b }}}, nil
}

func (c *codec) close() {
	c.enc.Close()
	c.dec.Close()
}

// encode returns raw as it is stored. Content that compresses by less than an eighth
// stays as it is: reading it is then free.
func (c *codec) encode(raw []byte) []byte {
	if len(raw) > 64 {
		buf := c.bufs.Get().(*[]byte)
		defer c.bufs.Put(buf)
		out := c.enc.EncodeAll(raw, append((*buf)[:0], chunkZstd))
		if len(out) < len(raw)-len(raw)/8 {
			return slices.Clone(out)
		}
	}
	return append([]byte{chunkRaw}, raw...)
}

// decode appends the raw bytes of a stored chunk to dst.
func (c *codec) decode(dst, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return dst, fmt.Errorf("%w: empty chunk", ErrCorrupt)
	}
	switch data[0] {
	case chunkRaw:
		return append(dst, data[1:]...), nil
	case chunkZstd:
		dst, err := c.dec.DecodeAll(data[1:], dst)
		if err != nil {
			return dst, fmt.Errorf("%w: chunk: %w", ErrCorrupt, err)
		}
		return dst, nil
	}
	return dst, fmt.Errorf("%w: chunk of kind %d", ErrCorrupt, data[0])
}

// encodeFrom reads up to max bytes of content from r and returns them as chunks, and
// how many bytes there were.
func (c *codec) encodeFrom(r io.Reader, max int64) (chunks [][]byte, n int64, err error) {
	buf := c.bufs.Get().(*[]byte)
	defer c.bufs.Put(buf)
	raw := (*buf)[:chunkSize]
	for n < max {
		k, err := io.ReadFull(r, raw)
		if k > 0 {
			chunks = append(chunks, c.encode(raw[:k]))
			n += int64(k)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return nil, n, err
		}
	}
	return chunks, n, nil
}
