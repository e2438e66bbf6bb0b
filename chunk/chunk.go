// Package chunk is how content is kept in a database: cut into chunks of 128 KiB, each
// compressed on its own where that helps, so that a part of it can be read without the rest:
// lines of base64 as the bytes they stand for, everything by zstd. The first byte of a stored chunk
// says how the rest is kept.
//
// No files, no goroutines of its own but those of the zstd library, which Close ends.
package chunk

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// Size is the raw bytes of content in a chunk; the last one has what is left.
	Size = 128 << 10
	// Max is how many chunks one content may have, so that number and id fit in one key.
	Max = 1 << 16
	// Slack is how much more room than the raw bytes Decode likes to have: it is faster then.
	Slack = 64
)

// ErrCorrupt: what is stored is not a chunk.
var ErrCorrupt = errors.New("damaged chunk")

// The first byte of a stored chunk.
const (
	raw        = 0
	compressed = 1
	packed     = 2 // see base64.go
)

// Kinds is the number of them. Programs from before a new one cannot read it: whatever keeps chunks
// needs a new version of its schema with it.
const Kinds = 3

// ID is the key of chunk n of the content with an id.
func ID(content int64, n int) int64 { return content*Max + int64(n) }

// Codec compresses and decompresses chunks. It is safe for concurrent use.
type Codec struct {
	enc  *zstd.Encoder
	dec  *zstd.Decoder
	bufs sync.Pool // *[]byte of capacity Size+Slack
}

// New returns a Codec. It must be closed.
func New() (*Codec, error) {
	// The window is a chunk: more would only cost memory. Whoever wants a checksum has one
	// of the whole content.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(Size),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(Size+1024))
	if err != nil {
		return nil, err
	}
	return &Codec{enc: enc, dec: dec, bufs: sync.Pool{New: func() any { b := make([]byte, 0, Size+Slack); return &b }}}, nil
}

// Close ends the goroutines of the compressor.
func (c *Codec) Close() {
	c.enc.Close()
	c.dec.Close()
}

// Buffer returns an empty buffer with capacity for a chunk and Slack, which Put gives back.
func (c *Codec) Buffer() *[]byte { return c.bufs.Get().(*[]byte) }

// Put gives back what Buffer returned.
func (c *Codec) Put(b *[]byte) {
	*b = (*b)[:0]
	c.bufs.Put(b)
}

// Encode returns b, at most Size bytes, as it is stored. Content that compresses by less
// than an eighth stays as it is: reading it is then free.
func (c *Codec) Encode(b []byte) []byte {
	buf := c.Buffer()
	defer c.Put(buf)
	out, ok := c.pack((*buf)[:0], b)
	if !ok {
		out = c.appendPlain(out[:0], b)
	}
	return slices.Clone(out)
}

// appendPlain appends b to dst as a chunk of kind raw or compressed.
func (c *Codec) appendPlain(dst, b []byte) []byte {
	n := len(dst)
	if len(b) > 64 {
		out := c.enc.EncodeAll(b, append(dst, compressed))
		if len(out)-n < len(b)-len(b)/8 {
			return out
		}
		dst = out[:n]
	}
	return append(append(dst, raw), b...)
}

// Decode appends the raw bytes of a stored chunk to dst, which must be empty or nearly so: what it
// returns is not much longer than a chunk. Its errors wrap ErrCorrupt.
func (c *Codec) Decode(dst, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return dst, fmt.Errorf("%w: it is empty", ErrCorrupt)
	}
	switch data[0] {
	case raw:
		return append(dst, data[1:]...), nil
	case compressed:
		dst, err := c.dec.DecodeAll(data[1:], dst)
		if err != nil {
			return dst, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return dst, nil
	case packed:
		return c.unpack(dst, data[1:])
	}
	return dst, fmt.Errorf("%w: of kind %d", ErrCorrupt, data[0])
}

// Raw reads n bytes of content from r, and returns them as chunks that are kept as they are,
// and how many bytes there were: fewer only when r ends.
func Raw(r io.Reader, n int64) (chunks [][]byte, read int64, err error) {
	for read < n {
		b := make([]byte, 1+min(Size, n-read))
		b[0] = raw
		k, err := io.ReadFull(r, b[1:])
		if k > 0 {
			chunks = append(chunks, b[:1+k])
			read += int64(k)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return nil, read, err
		}
	}
	return chunks, read, nil
}

// EncodeFrom reads up to max bytes of content from r, a multiple of Size or more than
// there is, and returns them as chunks, and how many bytes there were.
func (c *Codec) EncodeFrom(r io.Reader, max int64) (chunks [][]byte, n int64, err error) {
	buf := c.Buffer()
	defer c.Put(buf)
	b := (*buf)[:Size]
	for n < max {
		k, err := io.ReadFull(r, b)
		if k > 0 {
			chunks = append(chunks, c.Encode(b[:k]))
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
