package mbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

// Variant is a kind of mbox.
type Variant string

// The variants.
const (
	Detect  Variant = ""
	Mboxo   Variant = "mboxo"
	Mboxrd  Variant = "mboxrd"
	Mboxcl  Variant = "mboxcl"
	Mboxcl2 Variant = "mboxcl2"
)

// ParseVariant returns the variant of a name; empty and "auto" are Detect.
func ParseVariant(s string) (Variant, error) {
	switch v := Variant(s); v {
	case Detect, Mboxo, Mboxrd, Mboxcl, Mboxcl2:
		return v, nil
	case "auto":
		return Detect, nil
	}
	return Detect, fmt.Errorf("unknown variant of mbox %q", s)
}

// ErrFormat is returned for what is no mbox.
var ErrFormat = errors.New("not an mbox file")

// Bounds of reading.
const (
	bufferSize = 256 << 10 // how far a Content-Length is followed ahead
	maxHeader  = 1 << 20   // a longer header is content as it is
	readAhead  = 16 << 10  // of a body
)

// Message is one message of a Reader. Reading it gives its content with lines that end in
// CRLF. It is valid until the Reader's Next.
type Message struct {
	Offset   int64     // of its separator, in octets
	Sender   string    // of its separator
	Received time.Time // of its separator, or else of its field Date; zero when there is neither
	Flags    []string  // by their names in IMAP: \Seen, $Junk, any keyword
	Labels   []string  // of X-Gmail-Labels

	r      *Reader
	header []byte
}

// Reader reads the messages of an mbox. It is not safe for concurrent use.
type Reader struct {
	b       *bufio.Reader
	variant Variant
	offset  int64

	begun    bool
	ended    bool // the file
	empty    bool // the message has a header only
	dovecot  bool
	lengths  int  // Content-Length fields in a row that were right
	unquoted bool // of mboxcl2

	msg  *Message
	next separator // of the next message

	// Of the body under way:
	inBody  bool
	raw     int64 // octets left that a Content-Length covers; -1: a separator ends it
	quoting bool
	exact   bool   // line endings are left alone
	held    string // an empty line that may belong to the separator
	bol     bool
	cr      bool   // the last piece of a line ended in CR
	line    []byte // memory of a line
	out     []byte // of the body, and how much of it has been given out
	given   int
}

// separator is a line that begins a message.
type separator struct {
	offset int64
	sender string
	time   time.Time
	crlf   bool
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader, v Variant) *Reader {
	return &Reader{b: bufio.NewReaderSize(r, bufferSize), variant: v}
}

// Next returns the next message, or [io.EOF]; what was not read of the last one is passed
// over. ErrFormat when the file does not begin with a separator.
func (r *Reader) Next() (*Message, error) {
	for {
		m, internal, err := r.nextMessage()
		if err != nil || !internal {
			return m, err
		}
	}
}

func (r *Reader) nextMessage() (m *Message, internal bool, err error) {
	if !r.begun {
		if err := r.begin(); err != nil {
			return nil, false, err
		}
	}
	for r.inBody {
		r.out, r.given = r.out[:0], 0
		if err := r.fill(); err != nil {
			return nil, false, err
		}
	}
	if r.ended {
		return nil, false, io.EOF
	}
	s := r.next
	m = &Message{Offset: s.offset, Sender: s.sender, Received: s.time, r: r}
	raw, whole, allCRLF, err := r.readHeader()
	if err != nil {
		return nil, false, err
	}
	r.inBody, r.raw, r.bol, r.cr, r.held, r.out, r.given = !r.ended && !r.empty, -1, true, false, "", r.out[:0], 0
	r.exact = allCRLF && !s.crlf && whole
	r.quoting = r.variant != Mboxcl2
	r.msg = m
	if !whole { // no empty line was found: it is all content
		m.header = raw
		return m, false, nil
	}
	h := parseHeader(raw)
	r.dovecot = r.dovecot || h.dovecot
	r.useLength(&h)
	if m.Received.IsZero() {
		m.Received = h.date
	}
	m.Flags, m.header = h.flags(r.dovecot), append(h.out, "\r\n"...)
	if h.gmail {
		m.Labels = h.labelList()
	}
	return m, h.internal && h.dovecot, nil
}

// begin finds the first separator; empty lines may be before it.
func (r *Reader) begin() error {
	r.begun = true
	for {
		line, err := r.b.ReadSlice('\n')
		n := int64(len(line))
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 && err == nil {
			r.offset += n
			continue
		}
		if n == 0 {
			r.ended = true
			return nil
		}
		if !bytes.HasPrefix(line, fromSpace) {
			return fmt.Errorf("%w: its first line does not begin with \"From \"", ErrFormat)
		}
		r.take(line)
		return nil
	}
}

// take makes a line the next separator.
func (r *Reader) take(line []byte) {
	r.next = separator{offset: r.offset, crlf: bytes.HasSuffix(line, []byte("\r\n"))}
	text := bytes.TrimRight(line, "\r\n")
	if s, t, ok := parseSeparator(text); ok {
		r.next.sender, r.next.time = s, t
	}
	r.offset += int64(len(line))
}

// readHeader reads up to and with the empty line. whole is false when there was none; what
// is returned is then the beginning of the content.
func (r *Reader) readHeader() (raw []byte, whole, allCRLF bool, err error) {
	allCRLF, r.empty = true, false
	for {
		line, err := r.b.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, false, false, err
		}
		own := line
		if bytes.HasPrefix(line, fromSpace) {
			r.line = append(r.line[:0], line...)
			own = r.line
		}
		if err == nil && bytes.HasPrefix(own, fromSpace) && r.isSeparator(own, false) {
			r.take(own)
			r.empty = true
			return raw, true, false, nil
		}
		line = own
		r.offset += int64(len(line))
		text := bytes.TrimSuffix(line, []byte("\n"))
		crlf := bytes.HasSuffix(text, []byte("\r"))
		text = bytes.TrimSuffix(text, []byte("\r"))
		allCRLF = allCRLF && crlf
		switch {
		case err == io.EOF:
			r.ended = true
			return append(raw, line...), false, false, nil
		case err == nil && len(text) == 0:
			return raw, true, allCRLF, nil
		case err == bufio.ErrBufferFull:
			return append(raw, line...), false, false, nil
		}
		if n := quoted(text); n == 1 || n > 1 && r.variant != Mboxo {
			if r.variant != Mboxcl2 && !r.unquoted {
				text = text[1:]
			}
		}
		raw = append(append(raw, text...), "\r\n"...)
		if len(raw) > maxHeader {
			return raw, false, false, nil
		}
	}
}

// useLength decides whether Content-Length is believed.
func (r *Reader) useLength(h *header) {
	if h.length < 0 || !r.inBody {
		h.putBack()
		return
	}
	ok, known := false, false
	if r.variant == Detect || r.variant == Mboxcl || r.variant == Mboxcl2 {
		ok, known = r.verifyLength(h.length)
	}
	switch {
	case known && !ok, !known && r.variant == Detect && r.lengths == 0, r.variant == Mboxo, r.variant == Mboxrd:
		r.lengths = 0
		h.putBack()
		return
	}
	r.lengths++
	r.raw = h.length
	if known && r.variant == Detect && !r.unquoted {
		b, _ := r.b.Peek(int(h.length))
		r.unquoted = bytes.HasPrefix(b, fromSpace) || bytes.Contains(b, []byte("\nFrom "))
	}
	r.quoting = r.variant != Mboxcl2 && !r.unquoted
}

// putBack makes Content-Length a field like others.
func (h *header) putBack() { h.out = append(h.out, h.lengthField...) }

// verifyLength looks whether a separator or the end follows n octets. known is false when
// they are too many to look.
func (r *Reader) verifyLength(n int64) (ok, known bool) {
	if n > bufferSize-maxSeparator {
		return false, false
	}
	b, _ := r.b.Peek(min(bufferSize, int(n)+maxSeparator))
	if int64(len(b)) < n {
		return false, true
	}
	rest := bytes.TrimLeft(b[n:], "\r\n")
	end := len(b) < int(n)+maxSeparator
	return end && len(rest) == 0 || bytes.HasPrefix(rest, fromSpace) && (n == 0 || b[n-1] == '\n' || len(rest) < len(b)-int(n)), true
}

// isSeparator tells whether a line that begins with "From " is one. What follows it has not
// been read; line is invalid afterwards, but for its content.
func (r *Reader) isSeparator(line []byte, blank bool) bool {
	_, _, dated := parseSeparator(bytes.TrimRight(line, "\r\n"))
	if blank && dated {
		return true
	}
	// Peek moves the buffer, and line is part of it.
	next, _ := r.b.Peek(80)
	if i := bytes.IndexByte(next, '\n'); i >= 0 {
		next = next[:i]
	}
	return isField(next) && (blank || dated)
}

// Read implements [io.Reader].
func (m *Message) Read(p []byte) (int, error) {
	if len(m.header) > 0 {
		n := copy(p, m.header)
		m.header = m.header[n:]
		return n, nil
	}
	r := m.r
	if r.msg != m {
		return 0, errors.New("read of a message that is not the current one")
	}
	if r.given == len(r.out) {
		r.out, r.given = r.out[:0], 0
		for len(r.out) < readAhead && r.inBody {
			if err := r.fill(); err != nil {
				return 0, err
			}
		}
	}
	n := copy(p, r.out[r.given:])
	if r.given += n; n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// readLine reads a line, or a piece of it with [bufio.ErrBufferFull]: the line is longer than
// the buffer, or a Content-Length ends in it.
func (r *Reader) readLine() ([]byte, error) {
	if r.raw < 0 {
		return r.b.ReadSlice('\n')
	}
	n := int(min(r.raw, int64(max(r.b.Buffered(), 1))))
	b, err := r.b.Peek(n)
	if i := bytes.IndexByte(b, '\n'); i < 0 && err == nil && int64(n) < r.raw {
		n = int(min(r.raw, bufferSize))
		b, err = r.b.Peek(n)
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b, err = b[:i+1], nil
	} else if err == nil {
		err = bufio.ErrBufferFull
	}
	_, _ = r.b.Discard(len(b))
	return b, err
}

// fill reads a line of the body, or what of it fits the buffer.
func (r *Reader) fill() error {
	if r.raw == 0 {
		return r.afterLength()
	}
	line, err := r.readLine()
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return fmt.Errorf("reading mbox: %w", err)
	}
	if r.raw < 0 && r.bol && err != bufio.ErrBufferFull && bytes.HasPrefix(line, fromSpace) {
		// The line is copied: looking at what follows moves the buffer.
		r.line = append(r.line[:0], line...)
		line = r.line
		if r.isSeparator(line, r.held != "") {
			r.held, r.inBody = "", false
			r.take(line)
			return nil
		}
	}
	r.offset += int64(len(line))
	if r.raw > 0 {
		r.raw -= int64(len(line))
	}
	if len(line) == 0 { // only at the end
		r.finish()
		return nil
	}
	r.emit(line, err == nil)
	return nil
}

// finish ends the body at the end of the file.
func (r *Reader) finish() {
	// The empty line that was held back belongs to the format.
	r.held, r.inBody, r.ended = "", false, true
}

// afterLength passes over what is between a body with a length and the separator.
func (r *Reader) afterLength() error {
	for {
		line, err := r.b.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return fmt.Errorf("reading mbox: %w", err)
		}
		switch {
		case bytes.HasPrefix(line, fromSpace):
			r.inBody = false
			r.take(line)
			return nil
		case err == io.EOF && len(line) == 0:
			r.finish()
			return nil
		case len(bytes.TrimRight(line, "\r\n")) > 0:
			// It was wrong, or not verified: what follows is part of the message.
			r.raw, r.lengths = -1, 0
			r.offset += int64(len(line))
			r.emit(line, err == nil)
			return nil
		}
		r.offset += int64(len(line))
	}
}

// emit makes a line, or a piece of one, part of what is read. ended tells that it ends in LF.
func (r *Reader) emit(line []byte, ended bool) {
	whole := r.bol && ended
	r.out = append(r.out, r.held...)
	r.held = ""
	if r.bol && r.quoting {
		if n := quoted(line); n == 1 || n > 1 && r.variant != Mboxo {
			line = line[1:]
		}
	}
	if !ended {
		r.out = append(r.out, line...)
		r.bol, r.cr = false, len(line) > 0 && line[len(line)-1] == '\r'
		return
	}
	text := line[:len(line)-1]
	cr := len(text) > 0 && text[len(text)-1] == '\r' || len(text) == 0 && r.cr
	eol := "\n"
	if !cr && !r.exact {
		eol = "\r\n"
	}
	r.bol, r.cr = true, false
	if whole && r.raw < 0 && (len(text) == 0 || len(text) == 1 && cr) {
		r.held = string(text) + eol
		return
	}
	r.out = append(append(r.out, text...), eol...)
}
