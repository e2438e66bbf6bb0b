package message

import (
	"errors"
	"io"
)

// Prefixed returns a message with header fields above it, which must be complete lines: it
// reads prefix, and then rest.
func Prefixed(prefix []byte, rest io.ReaderAt) io.ReaderAt { return &prefixed{prefix, rest} }

type prefixed struct {
	prefix []byte
	rest   io.ReaderAt
}

// ReadAt implements [io.ReaderAt].
func (r *prefixed) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	n := 0
	if off < int64(len(r.prefix)) {
		n = copy(p, r.prefix[off:])
		if n == len(p) {
			return n, nil
		}
	}
	more, err := r.rest.ReadAt(p[n:], off+int64(n)-int64(len(r.prefix)))
	return n + more, err
}
