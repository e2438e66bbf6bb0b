package chunk

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
)

// Most bytes of mail are lines of base64 (RFC 2045 section 6.8), which compress badly and slowly. A
// chunk with many of them is kept as:
//
//	kind packed
//	uvarint    number of runs
//	for each:  uvarint bytes of text before it, uvarint width | 1 if lines end in CRLF, not LF, uvarint lines
//	uvarint    bytes of what follows
//	text       all that is not in runs, as a chunk of kind raw or compressed
//	binary     what the runs encode, as a chunk of kind raw or compressed
//
// What is at the edges, parts of lines and shorter ones, is text.

// run is a number of lines of base64 of one width, with equal ends and without padding.
type run struct {
	text  int // bytes between the run before, or the start, and this one
	width int // of a line without its end, a multiple of 4
	eol   int // bytes of a line's end
	lines int
}

func (r run) size() int { return r.lines * (r.width + r.eol) }

const (
	minWidth = 40
	maxWidth = 1000
	minLines = 4
	maxRuns  = Size / (minLines * (minWidth + 1))
)

// runs finds the runs of b, and appends what they encode to binary.
func runs(b, binary []byte) ([]run, []byte) {
	var found []run
	text := 0 // where the text before the next run begins
	for at := 0; at < len(b); {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			break
		}
		var r run
		if r, binary = runAt(b[at:], end, binary); r.lines > 0 {
			r.text = at - text
			found = append(found, r)
			at += r.size()
			text = at
			continue
		}
		at += end + 1
	}
	return found, binary
}

// runAt returns the run that begins with b, whose first line ends at end; without lines when none does.
func runAt(b []byte, end int, binary []byte) (run, []byte) {
	r := run{width: end, eol: 1}
	if end > 0 && b[end-1] == '\r' {
		r.width, r.eol = end-1, 2
	}
	if r.width%4 != 0 || r.width < minWidth || r.width > maxWidth {
		return run{}, binary
	}
	start, step := len(binary), r.width+r.eol
	for len(b) >= step && b[step-1] == '\n' && (r.eol == 1 || b[step-2] == '\r') {
		n := len(binary)
		// What holds line ends or padding gives fewer bytes.
		k, err := base64.StdEncoding.Decode(binary[n:n+r.width/4*3], b[:r.width])
		if err != nil || k < r.width/4*3 {
			break
		}
		binary = binary[:n+k]
		r.lines++
		b = b[step:]
	}
	if r.lines < minLines {
		return run{}, binary[:start]
	}
	return r, binary
}

// pack appends b as a chunk of kind packed to dst, or returns false when little of b is base64.
func (c *Codec) pack(dst, b []byte) ([]byte, bool) {
	buf := c.Buffer()
	defer c.Put(buf)
	found, bin := runs(b, (*buf)[:0])
	if len(found) == 0 || len(bin) < len(b)/8 {
		return dst, false
	}
	dst = binary.AppendUvarint(append(dst, packed), uint64(len(found)))
	texts := c.Buffer()
	defer c.Put(texts)
	for _, r := range found {
		*texts = append(*texts, b[:r.text]...)
		b = b[r.text+r.size():]
		dst = binary.AppendUvarint(dst, uint64(r.text))
		dst = binary.AppendUvarint(dst, uint64(r.width|r.eol>>1))
		dst = binary.AppendUvarint(dst, uint64(r.lines))
	}
	*texts = append(*texts, b...)
	text := c.Buffer()
	defer c.Put(text)
	*text = c.appendPlain((*text)[:0], *texts)
	dst = append(binary.AppendUvarint(dst, uint64(len(*text))), *text...)
	if !c.compressible(bin) {
		return append(append(dst, raw), bin...), true
	}
	return c.appendPlain(dst, bin), true
}

// compressible guesses from a piece of b: most that is attached is compressed already.
func (c *Codec) compressible(b []byte) bool {
	const piece = 4 << 10
	if len(b) <= 2*piece {
		return true
	}
	buf := c.Buffer()
	defer c.Put(buf)
	at := len(b) / 2
	return len(c.enc.EncodeAll(b[at:at+piece], (*buf)[:0])) < piece-piece/32
}

// Loosen appends the raw bytes of a stored chunk to dst or, with woven false, a chunk that Decode only has to weave and not
// to decompress: so the work can be shared between who reads and who uses what was read. dst must be empty or
// nearly so. Its errors wrap ErrCorrupt.
func (c *Codec) Loosen(dst, data []byte) (b []byte, woven bool, err error) {
	if len(data) == 0 || data[0] != packed {
		b, err = c.Decode(dst, data)
		return b, true, err
	}
	p, err := c.open(data[1:])
	defer p.free()
	if err != nil {
		return dst, false, err
	}
	dst = append(dst, data[:1+p.head]...)
	dst = binary.AppendUvarint(dst, uint64(1+len(p.text)))
	dst = append(append(dst, raw), p.text...)
	return append(append(dst, raw), p.bin...), false, nil
}

// unpack appends the raw bytes of a chunk of kind packed, without the byte of the kind, to dst.
func (c *Codec) unpack(dst, data []byte) ([]byte, error) {
	p, err := c.open(data)
	defer p.free()
	if err != nil {
		return dst, err
	}
	return weave(dst, p.runs, p.text, p.bin)
}

// parts is what a chunk of kind packed consists of.
type parts struct {
	runs              []run
	head              int // bytes that tell of the runs
	text, bin         []byte
	freeText, freeBin func()
}

// free ends the use of text and bin.
func (p *parts) free() {
	if p.freeText != nil {
		p.freeText()
	}
	if p.freeBin != nil {
		p.freeBin()
	}
}

// open takes a chunk of kind packed, without the byte of the kind, apart. The parts are valid until free is called.
func (c *Codec) open(data []byte) (p parts, err error) {
	rd := reader{b: data}
	p.runs = make([]run, rd.uvarint(maxRuns))
	size := 0
	for i := range p.runs {
		r := &p.runs[i]
		r.text = rd.uvarint(Size)
		r.width = rd.uvarint(maxWidth | 1)
		r.eol = 1 + r.width&1
		r.width &^= 1
		r.lines = rd.uvarint(Size)
		if size += r.text + r.size(); r.width < 4 || r.width%4 != 0 || size > Size {
			rd.bad = true
		}
		if rd.bad {
			break
		}
	}
	p.head = len(data) - len(rd.b)
	n := rd.uvarint(len(data))
	if rd.bad || n > len(rd.b) {
		return p, fmt.Errorf("%w: its runs of base64 are not as they should be", ErrCorrupt)
	}
	if p.text, p.freeText, err = c.plain(rd.b[:n]); err == nil {
		p.bin, p.freeBin, err = c.plain(rd.b[n:])
	}
	return p, err
}

// plain is what a chunk of kind raw or compressed holds, valid until free is called.
func (c *Codec) plain(data []byte) (b []byte, free func(), err error) {
	if len(data) > 0 && data[0] == raw {
		return data[1:], func() {}, nil
	}
	if len(data) == 0 || data[0] != compressed {
		return nil, func() {}, fmt.Errorf("%w: a part of it is of no known kind", ErrCorrupt)
	}
	buf := c.Buffer()
	*buf, err = c.Decode((*buf)[:0], data)
	return *buf, func() { c.Put(buf) }, err
}

// weave puts runs and the text between them together.
func weave(dst []byte, list []run, text, bin []byte) ([]byte, error) {
	start := len(dst)
	for _, r := range list {
		group := r.width / 4 * 3
		if len(text) < r.text || len(bin) < r.lines*group {
			return dst, fmt.Errorf("%w: it has less than its runs say", ErrCorrupt)
		}
		dst = append(dst, text[:r.text]...)
		text = text[r.text:]
		dst = slices.Grow(dst, r.size())
		for range r.lines {
			n := len(dst) + r.width
			dst = dst[:n]
			encode(dst[n-r.width:], bin[:group])
			dst = append(dst, "\r\n"[2-r.eol:]...)
			bin = bin[group:]
		}
	}
	if len(dst)-start+len(text) > Size || len(bin) > 0 {
		return dst, fmt.Errorf("%w: it has more than its runs say", ErrCorrupt)
	}
	return append(dst, text...), nil
}

// pairs are the two characters of each 12 bits, the first in the low byte.
var pairs = func() (t [1 << 12]uint16) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range t {
		t[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return t
}()

// encode writes the base64 of src, a multiple of 3 bytes, to dst. It is twice as fast as
// encoding/base64, and what reading an attachment mostly consists of.
func encode(dst, src []byte) {
	for len(src) >= 8 && len(dst) >= 8 {
		v := binary.BigEndian.Uint64(src)
		binary.LittleEndian.PutUint64(dst, uint64(pairs[v>>52])|uint64(pairs[v>>40&0xfff])<<16|uint64(pairs[v>>28&0xfff])<<32|uint64(pairs[v>>16&0xfff])<<48)
		dst, src = dst[8:], src[6:]
	}
	base64.StdEncoding.Encode(dst, src)
}

// reader reads numbers.
type reader struct {
	b   []byte
	bad bool
}

// uvarint returns a number of at most max.
func (r *reader) uvarint(max int) int {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || v > uint64(max) {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}
