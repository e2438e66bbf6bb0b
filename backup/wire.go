package backup

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The form in which files go from the server to the command that writes them: lines of JSON, a
// [wireRecord] each. One with a file is followed by blocks, four octets of length and as many
// of content, up to one of length zero, and a line that says whether all of the file was read.

type wireRecord struct {
	File    *Item  `json:",omitempty"`
	Read    *bool  `json:",omitempty"` // after the blocks of a file: false: what came is not all
	Warning string `json:",omitempty"`
	Failure string `json:",omitempty"`
	End     bool   `json:",omitempty"` // of all
}

const (
	wireLine  = 64 << 10
	wireBlock = 256 << 10
)

// Encoder is a Sink that sends to a [Decode] of another process. Call Close at the end.
type Encoder struct {
	w   *bufio.Writer
	buf []byte
}

// NewEncoder returns an Encoder that writes to w.
func NewEncoder(w io.Writer) *Encoder {
	return &Encoder{w: bufio.NewWriterSize(w, wireBlock), buf: make([]byte, wireBlock)}
}

func (e *Encoder) record(r wireRecord) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = e.w.Write(append(b, '\n'))
	return err
}

// Unchanged implements [Sink].
func (e *Encoder) Unchanged(Item) (bool, error) { return false, nil }

// Warn implements [Sink].
func (e *Encoder) Warn(text string) error {
	return errors.Join(e.record(wireRecord{Warning: text}), e.w.Flush())
}

// Fail implements [Sink].
func (e *Encoder) Fail(text string) error {
	return errors.Join(e.record(wireRecord{Failure: text}), e.w.Flush())
}

// File implements [Sink].
func (e *Encoder) File(it Item, r io.Reader) error {
	if err := e.record(wireRecord{File: &it}); err != nil {
		return err
	}
	var failed error
	for {
		n, err := r.Read(e.buf)
		if n > 0 {
			if werr := e.block(e.buf[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			break
		} else if err != nil {
			failed = err
			break
		}
	}
	if err := e.block(nil); err != nil {
		return err
	}
	ok := failed == nil
	if err := errors.Join(e.record(wireRecord{Read: &ok}), e.w.Flush()); err != nil {
		return err
	}
	return failed
}

func (e *Encoder) block(b []byte) error {
	if _, err := e.w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b)))); err != nil {
		return err
	}
	_, err := e.w.Write(b)
	return err
}

// Close tells that nothing follows.
func (e *Encoder) Close() error { return errors.Join(e.record(wireRecord{End: true}), e.w.Flush()) }

// ErrEnded is that a backup ended before its end.
var ErrEnded = errors.New("the backup ended early")

// Decode gives a Sink what an Encoder sends.
func Decode(r io.Reader, to Sink) error {
	br := bufio.NewReaderSize(r, wireLine)
	for {
		rec, err := readRecord(br)
		if err != nil {
			return err
		}
		switch {
		case rec.End:
			return nil
		case rec.Warning != "":
			err = to.Warn(rec.Warning)
		case rec.Failure != "":
			err = to.Fail(rec.Failure)
		case rec.File != nil:
			err = decodeFile(br, *rec.File, to)
		default:
			err = fmt.Errorf("%w: empty record", ErrEnded)
		}
		if err != nil {
			return err
		}
	}
}

func readRecord(br *bufio.Reader) (rec wireRecord, err error) {
	line, err := br.ReadSlice('\n')
	if err == io.EOF {
		return rec, ErrEnded
	} else if err != nil {
		return rec, fmt.Errorf("reading backup: %w", err)
	}
	if err := json.Unmarshal(bytes.TrimSpace(line), &rec); err != nil {
		return rec, fmt.Errorf("reading backup: %w", err)
	}
	return rec, nil
}

// errPartial is what a reader of a file gives at the end when not all could be read.
var errPartial = errors.New("not all of the file could be read")

func decodeFile(br *bufio.Reader, it Item, to Sink) error {
	if !validPath(it.Path) {
		return fmt.Errorf("reading backup: %q is no path of a backup", it.Path)
	}
	body := &wireReader{br: br}
	err := to.File(it, body)
	if err != nil && !errors.Is(err, errPartial) {
		return err
	}
	_, derr := io.Copy(io.Discard, body)
	if errors.Is(derr, errPartial) {
		derr = nil // the failure is told in a record of its own
	}
	return derr
}

// wireReader reads the blocks of a file.
type wireReader struct {
	br   *bufio.Reader
	left int
	err  error
}

func (r *wireReader) Read(b []byte) (int, error) {
	if r.left == 0 && r.err == nil {
		r.err = r.next()
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.br.Read(b[:min(len(b), r.left)])
	r.left -= n
	if err == io.EOF {
		err = ErrEnded
	}
	r.err = err
	return n, nil
}

func (r *wireReader) next() error {
	var head [4]byte
	if _, err := io.ReadFull(r.br, head[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > wireBlock {
		return fmt.Errorf("reading backup: block of %d bytes", n)
	}
	if r.left = int(n); n > 0 {
		return nil
	}
	rec, err := readRecord(r.br)
	if err != nil {
		return err
	}
	if rec.Read == nil || !*rec.Read {
		return errPartial
	}
	return io.EOF
}
