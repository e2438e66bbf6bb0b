package message

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"strings"
)

// base64Writer writes base64 in lines of 76 characters (RFC 2045 6.8).
type base64Writer struct {
	w    *bufio.Writer
	rest []byte // less than a line
	line [78]byte
}

const base64LineBytes = 57

func (e *base64Writer) Write(p []byte) (int, error) {
	n := len(p)
	if len(e.rest) > 0 {
		take := min(base64LineBytes-len(e.rest), len(p))
		e.rest = append(e.rest, p[:take]...)
		p = p[take:]
		if len(e.rest) < base64LineBytes {
			return n, nil
		}
		if err := e.put(e.rest); err != nil {
			return 0, err
		}
		e.rest = e.rest[:0]
	}
	for len(p) >= base64LineBytes {
		if err := e.put(p[:base64LineBytes]); err != nil {
			return 0, err
		}
		p = p[base64LineBytes:]
	}
	e.rest = append(e.rest, p...)
	return n, nil
}

func (e *base64Writer) put(b []byte) error {
	base64.StdEncoding.Encode(e.line[:], b)
	n := base64.StdEncoding.EncodedLen(len(b))
	copy(e.line[n:], crlf)
	_, err := e.w.Write(e.line[:n+2])
	return err
}

func (e *base64Writer) Close() error {
	if len(e.rest) == 0 {
		return nil
	}
	return e.put(e.rest)
}

// qpWriter writes quoted-printable (RFC 2045 6.7), lines at most 76 characters. Line
// ends of text are line ends, those of other content are encoded.
type qpWriter struct {
	w      *bufio.Writer
	text   bool
	column int
	space  byte // white space not yet written: at a line's end it is encoded
	cr     bool // a CR not yet written
}

func (e *qpWriter) Write(p []byte) (int, error) {
	for _, c := range p {
		if e.cr {
			e.cr = false
			if c == '\n' {
				e.lineEnd()
				continue
			}
			e.byte('\r')
		}
		switch {
		case e.text && c == '\r':
			e.cr = true
		case e.text && c == '\n':
			e.lineEnd()
		default:
			e.byte(c)
		}
	}
	return len(p), nil
}

func (e *qpWriter) lineEnd() {
	e.flushSpace(true)
	e.w.WriteString("\r\n")
	e.column = 0
}

func (e *qpWriter) flushSpace(encode bool) {
	if e.space == 0 {
		return
	}
	c := e.space
	e.space = 0
	if encode {
		e.put([]byte{'=', upperHex[c>>4], upperHex[c&15]})
	} else {
		e.put([]byte{c})
	}
}

func (e *qpWriter) byte(c byte) {
	e.flushSpace(false)
	switch {
	case c == ' ' || c == '\t':
		e.space = c
	case c < ' ' || c >= 0x7f || c == '=':
		e.put([]byte{'=', upperHex[c>>4], upperHex[c&15]})
	case e.column == 0 && (c == '.' || c == 'F'):
		// A dot or "From " at a line's start are changed by some.
		e.put([]byte{'=', upperHex[c>>4], upperHex[c&15]})
	default:
		e.put([]byte{c})
	}
}

// put writes what must stay together, after a soft line break where the line is full.
func (e *qpWriter) put(b []byte) {
	if e.column+len(b) > 75 {
		e.w.WriteString("=\r\n")
		e.column = 0
		if b[0] == '-' {
			// Where the content has no line start, it must not look like a delimiter line.
			b = []byte("=2D")
		}
	}
	e.w.Write(b)
	e.column += len(b)
}

func (e *qpWriter) Close() error {
	if e.cr {
		e.byte('\r')
	}
	e.flushSpace(true)
	if e.column > 0 && !e.text {
		e.w.WriteString("=\r\n")
	}
	// An error of the bufio.Writer sticks; this is where it shows.
	_, err := e.w.Write(nil)
	return err
}

// crlfWriter copies with every line end as CRLF: bare CR and bare LF must not be sent
// (RFC 5321 2.3.8).
type crlfWriter struct {
	w  *bufio.Writer
	cr bool
}

func (e *crlfWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			i = len(p)
		}
		if i > 0 {
			if _, err := e.w.Write(p[:i]); err != nil {
				return 0, err
			}
			e.cr = false
			p = p[i:]
			continue
		}
		if c := p[0]; c == '\r' || !e.cr {
			if _, err := e.w.Write(crlf); err != nil {
				return 0, err
			}
			e.cr = c == '\r'
		} else {
			e.cr = false // the LF of a CRLF
		}
		p = p[1:]
	}
	return n, nil
}

func (e *crlfWriter) Close() error { return nil }

// flowColumn is how long flowed lines get. RFC 3676 4.2: at most 78, with the space.
const flowColumn = 72

// flowText wraps text with CRLF line ends as format=flowed.
//
// RFC 3676 4.2: a line that ends with a space goes on in the next; lines that start
// with space, "From " or (not being quotes) ">" are stuffed with a space; "-- " is the
// signature separator and never flows.
func flowText(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/16)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\r\n")
		flowLine(&b, line)
	}
	return b.String()
}

func flowLine(b *strings.Builder, line string) {
	if line == "-- " {
		b.WriteString("-- \r\n")
		return
	}
	quote := 0
	for quote < len(line) && line[quote] == '>' {
		quote++
	}
	prefix, rest := line[:quote], line[quote:]
	if quote > 0 {
		rest = strings.TrimPrefix(rest, " ")
		if rest != "" {
			prefix += " " // stuffing, as readers expect it after quotes
		}
	}
	rest = strings.TrimRight(rest, " ") // a fixed line must not end with a space
	for {
		b.WriteString(prefix)
		if quote == 0 && (strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "From ") || strings.HasPrefix(rest, ">")) {
			b.WriteByte(' ')
		}
		n := flowCut(rest, flowColumn-len(prefix))
		b.WriteString(rest[:n])
		b.WriteString("\r\n")
		if rest = rest[n:]; rest == "" {
			return
		}
	}
}

// flowCut returns how much of the line is written on one: all, or up to and with the
// last space that fits, which another word follows.
func flowCut(s string, room int) int {
	column, cut := 0, 0
	for i, r := range s {
		if column >= room && cut > 0 {
			return cut
		}
		if r == ' ' && i+1 < len(s) && s[i+1] != ' ' && i > 0 {
			cut = i + 1
		}
		column++
	}
	if column <= room+6 {
		return len(s)
	}
	if cut > 0 {
		return cut
	}
	return len(s)
}
