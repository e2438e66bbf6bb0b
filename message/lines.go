package message

import (
	"bytes"
	"io"
)

// detectNewline sets crOnly from the first line end of the message.
func (p *parser) detectNewline() {
	for p.fill() {
		b := p.buf[:p.end]
		i := bytes.IndexAny(b, "\r\n")
		if i >= 0 && b[i] == '\n' || p.end >= minBuffer/2 && i < 0 {
			return
		}
		if i >= 0 && i+1 < len(b) {
			if b[i+1] != '\n' {
				p.crOnly = true
				p.end = 0
				p.translate()
			}
			return
		}
	}
}

// fill reads more into the buffer, growing it as long as there is much to come. It
// reports whether there are new bytes.
func (p *parser) fill() bool {
	if p.err != nil {
		return false
	}
	if p.start > 0 && p.raw == len(p.buf) || p.start == p.raw {
		copy(p.buf, p.buf[p.start:p.raw])
		p.base += int64(p.start)
		p.end, p.raw, p.start = p.end-p.start, p.raw-p.start, 0
	}
	if p.raw == len(p.buf) {
		if len(p.buf) >= maxBuffer {
			return false
		}
		p.buf = append(p.buf, make([]byte, len(p.buf))...)
	}
	had := p.end
	for range 100 {
		n, err := p.r.Read(p.buf[p.raw:])
		p.raw += n
		p.err = err
		p.translate()
		if p.end > had || err != nil {
			break
		}
	}
	if p.end == had && p.err == nil && p.raw == had {
		p.err = io.ErrNoProgress
	}
	if p.end == len(p.buf) && len(p.buf) < maxBuffer && p.start == 0 {
		// A reader that fills the buffer at once has more: read in larger pieces.
		p.buf = append(p.buf, make([]byte, min(maxBuffer, 4*len(p.buf))-len(p.buf))...)
	}
	return p.end > had
}

// translate makes the bytes just read available. With crOnly it puts LF in place of
// each bare CR, so that all else knows one line end.
func (p *parser) translate() {
	if !p.crOnly {
		p.end = p.raw
		return
	}
	b := p.buf[:p.raw]
	for i := p.end; i < len(b); i++ {
		if b[i] != '\r' {
			continue
		}
		if i+1 == len(b) {
			if p.err == nil {
				p.end = i // what follows decides
				return
			}
			b[i] = '\n'
		} else if b[i+1] != '\n' {
			b[i] = '\n'
		}
	}
	p.end = p.raw
}

func (p *parser) offset() int64 { return p.base + int64(p.start) }

func (p *parser) done() bool { return p.start == p.end && !p.fill() && p.start == p.end }

func (p *parser) consume(n int) {
	b := p.buf[p.start : p.start+n]
	switch {
	case n >= 2:
		p.prev = [2]byte{b[n-2], b[n-1]}
	case n == 1:
		p.prev = [2]byte{p.prev[1], b[0]}
	}
	p.newlines += int64(bytes.Count(b, newline))
	p.start += n
}

var (
	newline       = []byte{'\n'}
	newlineDashes = []byte("\n--")
)

// line returns the next line with its line end, not consumed. A line longer than the
// buffer, or the last of a message, comes without its end.
func (p *parser) line() []byte {
	scanned := 0
	for {
		b := p.buf[p.start:p.end]
		if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
			return b[:scanned+i+1]
		}
		scanned = len(b)
		if scanned >= maxBuffer/2 || !p.fill() {
			return b
		}
	}
}
