package message

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Err7Bit says that a message has bytes beyond ASCII where they cannot be encoded:
// in a header, within a multipart/signed, or in structure that is damaged or beyond the
// limits of Parse.
var Err7Bit = errors.New("message cannot be converted to 7 bit")

// maxConvertHeader is how long a header may be that is changed, in bytes.
const maxConvertHeader = 2 << 20

// Is7Bit reads r to its end and reports whether all of it is ASCII without NUL, which is
// what BODY=7BIT promises beside lines of bounded length.
func Is7Bit(r io.Reader) (bool, error) {
	var s octets
	if _, err := io.Copy(&s, r); err != nil {
		return false, fmt.Errorf("reading message: %w", err)
	}
	return s.high == 0 && s.nul == 0, nil
}

// IsASCII tells whether no octet has its high bit set.
func IsASCII(b []byte) bool {
	const high = 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// To7Bit writes the message ra, which p is the tree of, with all content that is not
// 7 bit encoded as quoted-printable or base64, for a server without 8BITMIME or
// BINARYMIME (RFC 6152 3). Lines should end with CRLF. What needs no change stays byte
// for byte as it is; decoded, the content of all parts is the same. Signatures (DKIM) do
// not survive it.
//
// The error is [Err7Bit] or of ra or w; what was written until then is of no use.
// Memory is bounded by that of the tree and the longest header.
func To7Bit(w io.Writer, p *Part, ra io.ReaderAt) error {
	c := &converter{w: bufio.NewWriter(w), ra: ra}
	if err := c.part(p); err != nil {
		return err
	}
	if err := c.gap(p.BodyEnd); err != nil {
		return err
	}
	if err := c.w.Flush(); err != nil {
		return fmt.Errorf("writing message: %w", err)
	}
	return nil
}

// converter writes a message in order.
type converter struct {
	w   *bufio.Writer
	ra  io.ReaderAt
	pos int64 // of the message, up to which all is written
}

// octets counts what matters for the choice of an encoding.
type octets struct {
	total, high, nul int64
	bare             bool // CR or LF that is not part of CRLF
	long             bool // a line longer than RFC 5322 2.1.1 allows
	invalid          bool // not UTF-8

	column int
	cr     bool
	rest   []byte // start of a character
}

func (s *octets) Write(p []byte) (int, error) {
	s.total += int64(len(p))
	for _, b := range p {
		if b >= 0x80 {
			s.high++
		} else if b == 0 {
			s.nul++
		}
		s.bare = s.bare || s.cr != (b == '\n')
		s.cr = b == '\r'
		s.column++
		if b == '\n' {
			s.column = 0
		}
		s.long = s.long || s.column > maxLine+1
	}
	if s.high > 0 && !s.invalid {
		s.text(p)
	}
	return len(p), nil
}

// text looks for what is not UTF-8, characters being cut between calls.
func (s *octets) text(p []byte) {
	p = append(s.rest, p...)
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		if r == utf8.RuneError && n <= 1 {
			if !utf8.FullRune(p) {
				break
			}
			s.invalid = true
			return
		}
		p = p[n:]
	}
	s.rest = append(s.rest[:0:0], p...)
}

// scan counts a range of the message.
func (c *converter) scan(from, to int64) (octets, error) {
	var s octets
	if _, err := io.Copy(&s, io.NewSectionReader(c.ra, from, to-from)); err != nil {
		return s, fmt.Errorf("reading message: %w", err)
	}
	s.bare = s.bare || s.cr
	s.invalid = s.invalid || len(s.rest) > 0
	return s, nil
}

// copy writes the message as it is, up to an offset.
func (c *converter) copy(to int64) error {
	if to <= c.pos {
		return nil
	}
	if _, err := io.Copy(c.w, io.NewSectionReader(c.ra, c.pos, to-c.pos)); err != nil {
		return fmt.Errorf("copying message: %w", err)
	}
	c.pos = to
	return nil
}

// gap writes what is between parts: delimiter lines, preambles and epilogues. Of the
// latter, which nobody reads, what is not 7 bit becomes "?".
func (c *converter) gap(to int64) error {
	if to <= c.pos {
		return nil
	}
	if _, err := io.Copy(questionWriter{c.w}, io.NewSectionReader(c.ra, c.pos, to-c.pos)); err != nil {
		return fmt.Errorf("copying message: %w", err)
	}
	c.pos = to
	return nil
}

type questionWriter struct{ w *bufio.Writer }

func (q questionWriter) Write(p []byte) (int, error) {
	for i, b := range p {
		if b >= 0x80 || b == 0 {
			b = '?'
		}
		if err := q.w.WriteByte(b); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// part writes a part.
func (c *converter) part(p *Part) error {
	if err := c.gap(p.HeaderStart); err != nil {
		return err
	}
	s, err := c.scan(p.HeaderStart, p.BodyStart)
	if err != nil {
		return err
	}
	if s.high > 0 || s.nul > 0 {
		return fmt.Errorf("%w: header with bytes that are not ASCII", Err7Bit)
	}
	switch {
	case p.IsMultipart() && p.Subtype == "signed":
		return c.signed(p)
	case p.IsMultipart():
		return c.multipart(p)
	case p.Message != nil:
		if err := c.header(p, "7bit", ""); err != nil {
			return err
		}
		if err := c.part(p.Message); err != nil {
			return err
		}
		return c.gap(p.BodyEnd)
	}
	return c.leaf(p)
}

func (c *converter) multipart(p *Part) error {
	if err := c.header(p, "7bit", ""); err != nil {
		return err
	}
	for _, child := range p.Parts {
		// Where no delimiter was found, there is no part to be encoded.
		if child.HeaderStart == p.BodyStart {
			return c.clean(child, "multipart without parts")
		}
		if err := c.part(child); err != nil {
			return err
		}
	}
	return c.gap(p.BodyEnd)
}

// signed leaves what is signed alone (RFC 1847 2.1).
func (c *converter) signed(p *Part) error {
	if err := c.header(p, "7bit", ""); err != nil {
		return err
	}
	return c.clean(p, "content is signed")
}

// clean copies the body of a part that may not be changed.
func (c *converter) clean(p *Part, why string) error {
	s, err := c.scan(p.BodyStart, p.BodyEnd)
	if err != nil {
		return err
	}
	if s.high > 0 || s.nul > 0 {
		return fmt.Errorf("%w: %s", Err7Bit, why)
	}
	return c.copy(p.BodyEnd)
}

// leaf writes a part with content.
func (c *converter) leaf(p *Part) error {
	s, err := c.scan(p.BodyStart, p.BodyEnd)
	if err != nil {
		return err
	}
	identity := p.transferEncoding() == encodingIdentity
	// RFC 3030 3: what comes as BINARYMIME need not consist of lines.
	if s.high == 0 && s.nul == 0 && !(identity && p.Encoding == "binary" && (s.bare || s.long)) {
		if !identity {
			return c.copy(p.BodyEnd)
		}
		if err := c.header(p, "7bit", ""); err != nil {
			return err
		}
		return c.copy(p.BodyEnd)
	}
	if !p.encodable() {
		return fmt.Errorf("%w: %s/%s may not be encoded", Err7Bit, p.Type, p.Subtype)
	}
	content, err := p.Decoded(c.ra)
	if err != nil || p.transferEncoding() == encodingUU {
		return fmt.Errorf("%w: encoding %.40q", Err7Bit, p.Encoding)
	}
	encoding := "base64"
	if identity && p.IsText() && s.nul == 0 && !s.bare && s.high <= s.total/4 {
		encoding = "quoted-printable"
	}
	if err := c.header(p, encoding, unlabelled(s)); err != nil {
		return err
	}
	var w io.WriteCloser = &base64Writer{w: c.w}
	if encoding == "quoted-printable" {
		w = &qpWriter{w: c.w, text: true}
	}
	if _, err := io.Copy(w, content); err != nil {
		return fmt.Errorf("encoding part: %w", err)
	}
	c.pos = p.BodyEnd
	return w.Close()
}

// encodable tells whether an encoding is allowed for the type: not for composite ones
// (RFC 2045 6.4), of which those of RFC 6533 and RFC 6532 are the exceptions.
func (p *Part) encodable() bool {
	switch {
	case p.Opaque():
		return false
	case p.Type != "message":
		return true
	}
	switch p.Subtype {
	case "global", "global-headers", "global-delivery-status", "global-disposition-notification":
		return true
	}
	return isEncoded(p.Encoding)
}

// unlabelled is the Content-Type for content without: its charset is not us-ascii, as
// it would be by default (RFC 1428 3).
func unlabelled(s octets) string {
	if s.invalid {
		return "text/plain; charset=unknown-8bit"
	}
	return "text/plain; charset=utf-8"
}

// header writes the header of a part with its Content-Transfer-Encoding. For "7bit" that
// is only changed if it says otherwise. contentType is added where there is none.
func (c *converter) header(p *Part, encoding, contentType string) error {
	if encoding == "7bit" && !wide(p.Encoding) {
		// Fields that an embedded message without header gets must not become ours.
		if ended, err := c.ended(p); err != nil {
			return err
		} else if ended || p.Message == nil {
			return c.copy(p.BodyStart)
		}
		encoding = p.Encoding
	}
	if p.HeaderSize() > maxConvertHeader {
		return fmt.Errorf("%w: header too large", Err7Bit)
	}
	b := make([]byte, p.HeaderSize())
	if _, err := io.ReadFull(p.Header(c.ra), b); err != nil {
		return fmt.Errorf("reading header: %w", err)
	}
	if bytes.IndexByte(b, '\r') >= 0 && bytes.IndexByte(b, '\n') < 0 {
		return fmt.Errorf("%w: lines that end with CR", Err7Bit)
	}
	h := ParseHeader(b)
	if p.Envelope != nil && !h.Has("MIME-Version") {
		h.Add("MIME-Version", "1.0")
	}
	if contentType != "" && !p.HasType() && !h.Has("Content-Type") {
		h.Add("Content-Type", contentType)
	}
	if encoding != p.Encoding {
		h.Replace("Content-Transfer-Encoding", encoding)
	}
	c.pos = p.BodyStart
	if _, err := c.w.Write(h.Append(nil)); err != nil {
		return fmt.Errorf("writing header: %w", err)
	}
	return nil
}

// ended tells whether a header has its empty line.
func (c *converter) ended(p *Part) (bool, error) {
	b := make([]byte, min(4, p.HeaderSize()))
	if _, err := c.ra.ReadAt(b, p.BodyStart-int64(len(b))); err != nil && err != io.EOF {
		return false, fmt.Errorf("reading header: %w", err)
	}
	b = bytes.ReplaceAll(b, []byte("\r"), nil)
	return bytes.HasSuffix(b, []byte("\n\n")) || string(b) == "\n", nil
}

// wide tells whether an encoding says that content is not 7 bit.
func wide(encoding string) bool {
	switch encoding {
	case "8bit", "8-bit", "8", "8bits", "binary":
		return true
	}
	return false
}
