package lineio

import (
	"bufio"
	"bytes"
	"io"
)

// crlfBuffer is the size of the pieces that line endings are changed in.
const crlfBuffer = 32 << 10

// Message files are kept with lines that end in LF on most systems; in mail they end in
// CRLF. What cannot be brought back by changing LF to CRLF, since a line ended in LF
// alone or in CR CR LF, is written as it is, with CRLF; a reader knows such a message by its
// header, of which every line ends in CRLF.

// MessageReader reads a message file as mail: lines of the header end in CRLF, those of the
// body too, unless all lines of the header did: then the body is taken as it is.
type MessageReader struct {
	r      *bufio.Reader
	buf    []byte // memory of out
	out    []byte // to be read
	cr     bool   // the last piece ended in CR
	header bool   // in the header
	exact  bool   // all lines so far end in CRLF; in the body, it is not changed
	blank  bool   // nothing of the line has been seen but perhaps CR
	err    error
}

// NewMessageReader returns a reader of the message file r.
func NewMessageReader(r io.Reader) *MessageReader {
	m := &MessageReader{}
	m.Reset(r)
	return m
}

// Reset makes m read another message, with the memory that it has.
func (m *MessageReader) Reset(r io.Reader) {
	b := m.r
	if b == nil {
		b = bufio.NewReaderSize(r, crlfBuffer)
	} else {
		b.Reset(r)
	}
	*m = MessageReader{r: b, buf: m.buf, header: true, exact: true, blank: true}
}

// Read implements [io.Reader].
func (m *MessageReader) Read(p []byte) (int, error) {
	if len(m.out) == 0 && m.err == nil && !m.header && m.exact {
		n, err := m.r.Read(p)
		m.err = err
		return n, err
	}
	for len(m.out) == 0 {
		if m.err != nil {
			return 0, m.err
		}
		m.fill()
	}
	n := copy(p, m.out)
	m.out = m.out[n:]
	return n, nil
}

// fill changes a line, or what of it fits the buffer.
func (m *MessageReader) fill() {
	line, err := m.r.ReadSlice('\n')
	if err != nil && err != bufio.ErrBufferFull {
		m.err = err
	}
	m.buf = append(append(m.buf[:0], line...), 0)[:len(line)] // room for a CR
	m.out = m.buf
	if err != nil {
		m.cr = len(line) > 0 && line[len(line)-1] == '\r'
		m.blank = m.blank && len(bytes.TrimRight(line, "\r")) == 0
		return
	}
	text := line[:len(line)-1]
	ended := len(text) > 0 && text[len(text)-1] == '\r' || len(text) == 0 && m.cr
	if !ended {
		m.exact = false
		m.out = append(m.out[:len(m.out)-1], "\r\n"...)
	}
	if m.header && m.blank && len(bytes.TrimRight(text, "\r")) == 0 {
		m.header = false
	}
	m.cr, m.blank = false, true
}

// LineEndings says how a message must be written for [MessageReader] to bring it back.
type LineEndings struct {
	// LF: each CRLF can become LF.
	LF bool
	// CRLF: it can be written as it is.
	CRLF bool
}

// ScanLineEndings reads a message.
func ScanLineEndings(r io.Reader) (LineEndings, error) {
	e := LineEndings{LF: true, CRLF: true}
	b := bufio.NewReaderSize(r, crlfBuffer)
	header, blank := true, true
	var last, before byte // the bytes before the piece
	for {
		line, err := b.ReadSlice('\n')
		n := len(line)
		at := func(i int) byte { // from the end, 1 is the last
			switch {
			case i <= n:
				return line[n-i]
			case i == n+1:
				return last
			}
			return before
		}
		if err == nil {
			if at(2) != '\r' {
				e.LF = false
				e.CRLF = e.CRLF && !header
			} else if at(3) == '\r' {
				e.LF = false
			}
		}
		if n > 0 {
			last, before = at(1), at(2)
		}
		blank = blank && len(bytes.TrimRight(line, "\r\n")) == 0
		switch err {
		case nil:
			header, blank = header && !blank, true
		case bufio.ErrBufferFull:
		case io.EOF:
			// A header that has no end and no line at all is not known for what it is.
			return e, nil
		default:
			return e, err
		}
	}
}

// LFWriter writes to W with each CRLF as LF. Close writes a CR at the end.
type LFWriter struct {
	W  io.Writer
	cr bool
}

// Write implements [io.Writer].
func (l *LFWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if l.cr {
			l.cr = false
			if p[0] != '\n' {
				if _, err := l.W.Write([]byte{'\r'}); err != nil {
					return 0, err
				}
			}
		}
		i := bytes.Index(p, []byte("\r\n"))
		some := p
		switch {
		case i >= 0:
			some, p = p[:i], p[i+1:]
		case p[len(p)-1] == '\r':
			some, p, l.cr = p[:len(p)-1], nil, true
		default:
			p = nil
		}
		if len(some) > 0 {
			if _, err := l.W.Write(some); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// Close writes what is held back. It does not close W.
func (l *LFWriter) Close() error {
	if !l.cr {
		return nil
	}
	l.cr = false
	_, err := l.W.Write([]byte{'\r'})
	return err
}
