package store

import (
	"fmt"

	"mox/chunk"
)

const (
	chunkSize   = chunk.Size
	chunksOf    = chunk.Max                   // chunk ids of a body
	maxBodySize = (chunk.Max - 1) * chunkSize // chunk 0 is the prefix
)

func chunkID(b BodyID, n int) int64 { return chunk.ID(int64(b), n) }

// codec compresses and decompresses chunks. It is shared by a Store's accounts and safe
// for concurrent use.
type codec struct{ *chunk.Codec }

func newCodec() (*codec, error) {
	c, err := chunk.New()
	if err != nil {
		return nil, err
	}
	return &codec{c}, nil
}

// decode appends the raw bytes of a stored chunk to dst.
func (c *codec) decode(dst, data []byte) ([]byte, error) {
	dst, err := c.Decode(dst, data)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return dst, err
}
