package imapserver

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"mox/message"
)

// content is an open message under search.
type content struct {
	part *message.Part
	ra   io.ReaderAt
	*scratch
	raw []byte // header, once read
	err error  // of reading
}

// scratch are buffers used again for each message.
type scratch struct{ chunk, window []byte }

// header returns the header of the message, as far as it is looked at.
func (c *content) header() []byte {
	if c.raw == nil {
		c.raw = c.read(0, c.part.BodyStart)
	}
	return c.raw
}

func (c *content) read(start, end int64) []byte {
	b := make([]byte, max(0, min(end-start, maxHeader)))
	n, err := io.ReadFull(io.NewSectionReader(c.ra, start, end-start), b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		c.err = err
	}
	return b[:n]
}

// contains reports whether the message has the casemapped needle in its decoded text,
// or, with header set, in its decoded header fields, those of parts included.
func (c *content) contains(needle []byte, header bool) bool {
	if header && headerContains(c.header(), needle) {
		return true
	}
	found := false
	c.part.Walk(func(path []int, p *message.Part) bool {
		if found || c.err != nil {
			return false
		}
		if header && p != c.part && headerContains(c.read(p.HeaderStart, p.BodyStart), needle) {
			found = true
			return false
		}
		if p.IsText() {
			found = c.textContains(p, needle)
		}
		return !found
	})
	return found
}

// headerContains looks into each field, name included, with encoded words decoded.
func headerContains(header, needle []byte) bool {
	for _, f := range message.ParseHeader(header).Fields() {
		line := f.Name() + ": " + message.DecodeWords(f.Value())
		if strings.Contains(message.CasemapKey(line), string(needle)) {
			return true
		}
	}
	return false
}

const textChunk = 64 << 10

// textContains looks into the text of a part, chunk by chunk. Chunks overlap by the
// length of the needle, and are cut where a character starts.
func (c *content) textContains(p *message.Part, needle []byte) bool {
	r := p.VisibleText(c.ra)
	if c.chunk == nil {
		c.chunk = make([]byte, 0, textChunk)
	}
	buf, window := c.chunk[:0], c.window[:0]
	defer func() { c.window = window[:0] }()
	for {
		n, err := io.ReadFull(r, buf[len(buf):textChunk])
		buf = buf[:len(buf)+n]
		end := len(buf)
		if err == nil {
			end = lastBoundary(buf)
		}
		window = append(window, message.CasemapKey(string(buf[:end]))...)
		if bytes.Contains(window, needle) {
			return true
		}
		if err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF {
				c.err = err
			}
			return false
		}
		buf = append(buf[:0], buf[end:]...)
		if keep := len(needle) - 1; len(window) > keep {
			window = append(window[:0], window[len(window)-keep:]...)
		}
	}
}

// lastBoundary returns where the last white space or, without any near the end, the
// last whole character ends, so that casemapping sees whole words.
func lastBoundary(b []byte) int {
	if i := bytes.LastIndexAny(b[len(b)-min(len(b), 1024):], " \n"); i >= 0 {
		return len(b) - min(len(b), 1024) + i + 1
	}
	end := len(b)
	for i := end - 1; i >= 0 && i >= end-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return end
}
