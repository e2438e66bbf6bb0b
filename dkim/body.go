package dkim

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// BodyFormat says what of a body is hashed: its canonical form, and how many bytes of
// that, -1 for all.
type BodyFormat struct {
	Canonicalization Canonicalization
	Length           int64
}

// BodyDigest is the SHA-256 of a body.
type BodyDigest struct {
	Sum [sha256.Size]byte
	// Length of the whole canonical body, in bytes.
	Length int64
}

// bodyChunk is how much is read at a time, hashChunk how much is hashed.
const (
	bodyChunk = 32 << 10
	hashChunk = 8 << 10
)

// HashBody hashes the body in all formats, reading it once.
func (m *Message) HashBody(formats []BodyFormat) (map[BodyFormat]BodyDigest, error) {
	var canons []*bodyCanon
	for _, c := range []Canonicalization{Simple, Relaxed} {
		canon := &bodyCanon{relaxed: c == Relaxed, out: make([]byte, 0, hashChunk+1<<10)}
		for _, f := range formats {
			if f.Canonicalization == c {
				canon.add(f)
			}
		}
		if len(canon.sinks) > 0 {
			canons = append(canons, canon)
		}
	}
	digests := map[BodyFormat]BodyDigest{}
	if len(canons) == 0 {
		return digests, nil
	}
	err := m.eachChunk(func(p []byte) {
		for _, c := range canons {
			c.write(p)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, c := range canons {
		c.close()
		for _, s := range c.sinks {
			d := BodyDigest{Length: c.total}
			s.hash.Sum(d.Sum[:0])
			digests[s.format] = d
		}
	}
	return digests, nil
}

// eachChunk calls f with the body, piece by piece.
func (m *Message) eachChunk(f func([]byte)) error {
	f(m.start)
	if m.all {
		return nil
	}
	buf := make([]byte, bodyChunk)
	for off := m.body + int64(len(m.start)); ; {
		n, err := m.r.ReadAt(buf, off)
		off += int64(n)
		f(buf[:n])
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading body: %w", err)
		}
	}
}

// bodyCanon canonicalizes a body that is written to it (RFC 6376 3.4.3, 3.4.4) and
// gives it to its sinks.
type bodyCanon struct {
	relaxed bool
	sinks   []bodySink
	out     []byte // not yet given to sinks
	total   int64  // bytes given to sinks

	cr      bool  // a CR has come that may be part of a line end
	space   bool  // relaxed: white space has come that a space stands for if the line goes on
	content bool  // the current line has something in it
	empty   int64 // empty lines that are part of the body if anything follows
}

type bodySink struct {
	format BodyFormat
	hash   hash.Hash
}

func (c *bodyCanon) add(f BodyFormat) {
	for _, s := range c.sinks {
		if s.format == f {
			return
		}
	}
	c.sinks = append(c.sinks, bodySink{f, sha256.New()})
}

func (c *bodyCanon) write(p []byte) {
	if c.cr && len(p) > 0 {
		if c.cr = false; p[0] != '\n' {
			c.put([]byte{'\r'})
		}
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			if c.cr = p[len(p)-1] == '\r'; c.cr {
				p = p[:len(p)-1]
			}
			c.segment(p)
			return
		}
		line := p[:end]
		if end > 0 && line[end-1] == '\r' {
			line = line[:end-1]
		}
		c.segment(line)
		c.endLine()
		p = p[end+1:]
	}
}

// segment takes a part of a line.
func (c *bodyCanon) segment(p []byte) {
	if !c.relaxed || bytes.IndexByte(p, ' ') < 0 && bytes.IndexByte(p, '\t') < 0 {
		c.put(p)
		return
	}
	for len(p) > 0 {
		if p[0] == ' ' || p[0] == '\t' {
			c.space = true
			p = p[1:]
			continue
		}
		if !c.content {
			c.startLine()
		}
		if c.space {
			c.out = append(c.out, ' ')
			c.space = false
		}
		n := 1
		for n < len(p) && p[n] != ' ' && p[n] != '\t' {
			n++
		}
		c.out = append(c.out, p[:n]...)
		p = p[n:]
	}
	c.flush(hashChunk)
}

// startLine begins a line that has content: the empty lines before it count.
func (c *bodyCanon) startLine() {
	for ; c.empty > 0; c.empty-- {
		c.out = append(c.out, '\r', '\n')
		c.flush(hashChunk)
	}
	c.content = true
}

// put adds content to the current line.
func (c *bodyCanon) put(p []byte) {
	if len(p) == 0 {
		return
	}
	if !c.content {
		c.startLine()
	}
	if c.space {
		c.out = append(c.out, ' ')
		c.space = false
	}
	c.out = append(c.out, p...)
	c.flush(hashChunk)
}

func (c *bodyCanon) endLine() {
	c.space = false
	if !c.content {
		c.empty++
		return
	}
	c.content = false
	c.out = append(c.out, '\r', '\n')
}

// close completes the body.
func (c *bodyCanon) close() {
	if c.cr {
		c.put([]byte{'\r'})
	}
	if c.content {
		c.endLine()
	}
	// RFC 6376 3.4.3: an empty body is a CRLF in simple, and nothing in relaxed.
	if !c.relaxed && c.total == 0 && len(c.out) == 0 {
		c.out = append(c.out, '\r', '\n')
	}
	c.flush(1)
}

// flush gives what there is to the sinks when it is at least n bytes.
func (c *bodyCanon) flush(n int) {
	if len(c.out) < n {
		return
	}
	for _, s := range c.sinks {
		p := c.out
		if s.format.Length >= 0 {
			p = p[:min(int64(len(p)), max(0, s.format.Length-c.total))]
		}
		s.hash.Write(p)
	}
	c.total += int64(len(c.out))
	c.out = c.out[:0]
}
