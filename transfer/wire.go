package transfer

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The form in which an Encoder writes is private between equal versions: records, each a
// line of JSON; a message's is followed by its content, in pieces with their length before
// them, and a piece of length 0 and a status after them. A record "end" is the last.

// Bounds of the wire form.
const (
	wireLine  = 256 << 10
	wirePiece = 64 << 10
)

// Status of a message's content.
const (
	wireWhole  = 0
	wireBroken = 1 // it could not be read to its end: it is not to be used
)

// record is a line.
type record struct {
	Kind     string       `json:"k"`
	Name     string       `json:"n,omitempty"` // of a folder; of a message's folder
	Sub      Subscription `json:"s,omitempty"`
	NameOnly bool         `json:"o,omitempty"`
	Flags    []string     `json:"f,omitempty"`
	Labels   []string     `json:"l,omitempty"`
	Received int64        `json:"r,omitempty"` // unix seconds
	Text     string       `json:"t,omitempty"` // where, or a problem
}

// ErrWire is wrapped by errors about what Decode reads.
var ErrWire = errors.New("mail stream is damaged")

// Encoder is a Receiver that writes to a stream.
type Encoder struct {
	w   *bufio.Writer
	buf []byte
	err error
}

// NewEncoder returns an Encoder; Close must be called at the end.
func NewEncoder(w io.Writer) *Encoder {
	return &Encoder{w: bufio.NewWriterSize(w, wirePiece), buf: make([]byte, wirePiece)}
}

func (e *Encoder) record(r record) error {
	if e.err != nil {
		return e.err
	}
	b, err := json.Marshal(r)
	if err == nil && len(b) >= wireLine {
		err = fmt.Errorf("%w: record of %d bytes", ErrLimit, len(b))
	}
	if err != nil {
		return err
	}
	_, e.err = e.w.Write(append(b, '\n'))
	return e.err
}

// Folder implements [Receiver].
func (e *Encoder) Folder(f Folder) error {
	return e.record(record{Kind: "folder", Name: f.Name, Sub: f.Subscription, NameOnly: f.NameOnly})
}

// Message implements [Receiver].
func (e *Encoder) Message(m *Message) error {
	r := record{Kind: "message", Name: m.Folder, Flags: m.Flags, Labels: m.Labels, Text: m.Where}
	if !m.Received.IsZero() {
		r.Received = m.Received.Unix()
	}
	if err := e.record(r); err != nil {
		return err
	}
	var head [binary.MaxVarintLen64]byte
	status := byte(wireWhole)
	var broken error
	for done := false; !done; {
		n, err := io.ReadFull(m.Body, e.buf)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			done = true
		} else if err != nil {
			done, status, broken = true, wireBroken, err
		}
		if n > 0 {
			e.w.Write(head[:binary.PutUvarint(head[:], uint64(n))])
			e.w.Write(e.buf[:n])
		}
	}
	_, e.err = e.w.Write([]byte{0, status})
	if broken != nil {
		e.Problem(fmt.Sprintf("%s: %v", m.Where, broken))
	}
	return e.err
}

// Problem implements [Receiver].
func (e *Encoder) Problem(text string) {
	_ = e.record(record{Kind: "problem", Text: text[:min(len(text), 10_000)]})
}

// Flush writes what is buffered.
func (e *Encoder) Flush() error {
	if e.err == nil {
		e.err = e.w.Flush()
	}
	return e.err
}

// Close ends the stream. It does not close the writer.
func (e *Encoder) Close() error {
	if err := e.record(record{Kind: "end"}); err != nil {
		return err
	}
	return e.Flush()
}

// Decode returns a Source of what an Encoder wrote. The stream must have its end: else an
// error says that it was cut.
func Decode(r io.Reader) Source { return &decoder{r: bufio.NewReaderSize(r, wireLine)} }

type decoder struct{ r *bufio.Reader }

// Send implements [Source].
func (d *decoder) Send(ctx context.Context, to Receiver) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := d.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("%w: line is too long", ErrWire)
		} else if err != nil {
			return fmt.Errorf("%w: it ends early: %w", ErrWire, err)
		}
		var rec record
		if err := json.Unmarshal(line, &rec); err != nil {
			return fmt.Errorf("%w: %w", ErrWire, err)
		}
		switch rec.Kind {
		case "end":
			return nil
		case "problem":
			to.Problem(rec.Text)
		case "folder":
			err = to.Folder(Folder{Name: rec.Name, Subscription: rec.Sub, NameOnly: rec.NameOnly})
		case "message":
			err = d.message(to, rec)
		default:
			return fmt.Errorf("%w: unknown record %q", ErrWire, rec.Kind)
		}
		if err != nil {
			return err
		}
	}
}

func (d *decoder) message(to Receiver, rec record) error {
	b := &wireBody{r: d.r}
	m := Message{Folder: rec.Name, Flags: rec.Flags, Labels: rec.Labels, Where: rec.Text, Body: b}
	if rec.Received != 0 {
		m.Received = time.Unix(rec.Received, 0)
	}
	if err := to.Message(&m); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, b); err != nil && !errors.Is(err, errBroken) {
		return err
	}
	return nil
}

// errBroken: the other side could not read the message; it tells why in a problem.
var errBroken = errors.New("message could not be read")

// wireBody reads the pieces of one message.
type wireBody struct {
	r    *bufio.Reader
	left uint64
	err  error
}

// Read implements [io.Reader].
func (b *wireBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.left == 0 {
		if b.next(); b.err != nil {
			return 0, b.err
		}
	}
	n, err := b.r.Read(p[:min(uint64(len(p)), b.left)])
	b.left -= uint64(n)
	if err != nil {
		b.err = fmt.Errorf("%w: it ends early: %w", ErrWire, err)
	}
	return n, b.err
}

// next reads what is before a piece, or the status.
func (b *wireBody) next() {
	n, err := binary.ReadUvarint(b.r)
	switch {
	case err != nil:
		b.err = fmt.Errorf("%w: it ends early: %w", ErrWire, err)
	case n > wirePiece:
		b.err = fmt.Errorf("%w: piece of %d bytes", ErrWire, n)
	case n > 0:
		b.left = n
	default:
		status, err := b.r.ReadByte()
		switch {
		case err != nil:
			b.err = fmt.Errorf("%w: it ends early: %w", ErrWire, err)
		case status == wireWhole:
			b.err = io.EOF
		default:
			b.err = errBroken
		}
	}
}
