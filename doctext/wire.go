package doctext

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The two processes speak so: the options as JSON on a line, once. Then for each document
// the number of its command as an uvarint and the document in frames; the answer is the
// error as a frame, empty for none, and the text in frames. A frame is its length as an
// uvarint and as many octets; an empty one ends a sequence.

const (
	maxFrame   = 64 << 10
	maxOptions = 1 << 20
)

var errWire = errors.New("unexpected data between processes")

func writeFrame(w *bufio.Writer, p []byte) error {
	var n [binary.MaxVarintLen64]byte
	if _, err := w.Write(binary.AppendUvarint(n[:0], uint64(len(p)))); err != nil {
		return err
	}
	_, err := w.Write(p)
	return err
}

// writeFrames writes what r has, and the end, also when reading fails: readErr.
func writeFrames(w *bufio.Writer, r io.Reader) (readErr, err error) {
	buf := make([]byte, maxFrame)
	for {
		n, rerr := r.Read(buf)
		if n > 0 {
			if err := writeFrame(w, buf[:n]); err != nil {
				return nil, err
			}
		}
		if rerr != nil {
			if rerr == io.EOF {
				rerr = nil
			}
			return rerr, writeFrame(w, nil)
		}
	}
}

func readFrame(r *bufio.Reader, buf []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > maxFrame {
		return nil, fmt.Errorf("%w: frame of %d octets", errWire, n)
	}
	_, err = io.ReadFull(r, buf[:n])
	return buf[:n], err
}

// frames reads a sequence of frames.
type frames struct {
	r    *bufio.Reader
	buf  []byte
	left []byte
	err  error // io.EOF after the end
}

func newFrames(r *bufio.Reader) *frames { return &frames{r: r, buf: make([]byte, maxFrame)} }

func (f *frames) Read(p []byte) (int, error) {
	for len(f.left) == 0 && f.err == nil {
		f.left, f.err = readFrame(f.r, f.buf)
		if f.err == io.EOF {
			f.err = io.ErrUnexpectedEOF
		} else if f.err == nil && len(f.left) == 0 {
			f.err = io.EOF
		}
	}
	if len(f.left) == 0 {
		return 0, f.err
	}
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

// drain reads to the end, and returns an error when it is not there.
func (f *frames) drain() error {
	_, err := io.Copy(io.Discard, f)
	return err
}

func writeOptions(w *bufio.Writer, o Options) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return err
	}
	return w.Flush()
}

func readOptions(r *bufio.Reader) (o Options, err error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxOptions {
			return o, fmt.Errorf("%w: options", errWire)
		}
		if err == nil {
			break
		} else if !errors.Is(err, bufio.ErrBufferFull) {
			return o, err
		}
	}
	if err := json.Unmarshal(line, &o); err != nil {
		return o, fmt.Errorf("%w: options: %w", errWire, err)
	}
	return o, nil
}
