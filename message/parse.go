package message

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
)

const (
	minBuffer  = 8 << 10
	maxBuffer  = 64 << 10
	maxPadding = 256 // white space looked at after a boundary, RFC 2046 5.1.1 transport-padding
	maxDepth   = 1000
)

// Parse reads a message from r to its end, in one pass, and returns its parts. It
// fails only with the error of r (other than io.EOF), and then the Part returned
// beside it, never nil, covers what was read. Broken MIME is no error. Time is linear in the size
// of the message and memory bounded by l, whatever the message.
func Parse(r io.Reader, l Limits) (*Part, error) {
	p := newParser(r, l)
	defer p.release()
	root := &Part{}
	p.push(root)
	p.message(root)
	for !p.done() {
		if d, ok := p.content(); ok {
			p.delimited(d)
		}
	}
	p.closeTo(0, p.offset(), p.offset())
	return root, p.readErr()
}

// ParseTop reads only the header of a message from r, possibly with bytes after it,
// and returns a Part without children: types, envelope, HeaderStart and BodyStart,
// which is also BodyEnd. Errors are as those of [Parse].
func ParseTop(r io.Reader, l Limits) (*Part, error) {
	p := newParser(r, l)
	defer p.release()
	root := &Part{}
	p.push(root)
	root.Envelope = &Envelope{}
	p.header(root, true)
	root.BodyStart, root.BodyEnd = p.offset(), p.offset()
	p.defaultType(root)
	return root, p.readErr()
}

// parser is the state of one pass. Bytes are consumed in order: consumed bytes are
// only known by their number, their line ends, and the last two of them.
type parser struct {
	lim Limits
	r   io.Reader
	err error // of r, io.EOF included; nothing more can be read

	buf        []byte
	start, end int   // buf[start:end] is read and not consumed
	raw        int   // buf[end:raw] is held back, at most one CR, see crOnly
	base       int64 // offset in the message of buf[0]
	prev       [2]byte
	newlines   int64 // line ends consumed

	// crOnly says that a bare CR ends lines. It does when the first line of the
	// message ends with one (old Macintosh files); elsewhere a bare CR is data.
	crOnly bool

	open   []openPart     // from the root to the part being read
	delims map[string]int // active boundary to its index in open
	parts  int            // parts made or reserved
	kept   int            // estimate of memory kept in the tree
	arena  strings.Builder
	field  fieldState
}

// openPart is a part whose end has not been seen.
type openPart struct {
	part     *Part
	newlines int64  // parser.newlines at its BodyStart
	boundary string // of a multipart whose delimiter lines are looked for
	shadowed int    // index in open of an outer part with the same boundary, or -1
	reserved bool   // its first child is already counted in parser.parts
}

// delimiter is a delimiter line that was found, not consumed.
type delimiter struct {
	level int // index in open of its multipart
	final bool
	size  int // of the line with its line end
}

func newParser(r io.Reader, l Limits) *parser {
	p := &parser{lim: l.withDefaults(), r: r, buf: *parseBuffers.Get().(*[]byte), open: make([]openPart, 0, 4), parts: 1}
	p.detectNewline()
	return p
}

// parseBuffers are buffers of parsers, at most maxBuffer large: nothing refers to one after parsing.
var parseBuffers = sync.Pool{New: func() any {
	b := make([]byte, minBuffer)
	return &b
}}

func (p *parser) release() {
	b := p.buf
	p.buf = nil
	parseBuffers.Put(&b)
}

func (p *parser) readErr() error {
	if errors.Is(p.err, io.EOF) {
		return nil
	}
	return p.err
}

// content consumes body content up to the next delimiter line, which it returns, or
// the end of the message. It starts at the start of a line.
func (p *parser) content() (delimiter, bool) {
	lineStart := true
	for {
		if len(p.delims) == 0 {
			if p.done() {
				return delimiter{}, false
			}
			p.consume(p.end - p.start)
			continue
		}
		if lineStart {
			if d, ok := p.delimiter(); ok {
				return d, true
			}
			lineStart = false
		}
		if p.done() {
			return delimiter{}, false
		}
		b := p.buf[p.start:p.end]
		n := len(b)
		if i := bytes.Index(b, newlineDashes); i >= 0 {
			n, lineStart = i+1, true
		} else if b[n-1] == '\n' {
			lineStart = true
		} else if n >= 2 && b[n-1] == '-' && b[n-2] == '\n' {
			n, lineStart = n-1, true
		}
		p.consume(n)
	}
}

// delimiter looks for a delimiter line of an open multipart at the current position,
// which is the start of a line.
//
// RFC 2046 5.1.1: boundaries are compared with whole lines without trailing white
// space, so that "foo" and "foobar" are different; where two match, the inner wins.
// The cost is that of hashing the line, however many multiparts are open.
func (p *parser) delimiter() (delimiter, bool) {
	for p.end-p.start < 3 && p.fill() {
	}
	if b := p.buf[p.start:p.end]; len(b) < 3 || b[0] != '-' || b[1] != '-' {
		return delimiter{}, false
	}
	window := 2 + p.lim.Boundary + 2 + maxPadding
	scanned, size := 0, 0
	for size == 0 {
		b := p.buf[p.start:p.end]
		b = b[:min(len(b), window)]
		if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
			size = scanned + i + 1
		} else if scanned = len(b); scanned >= window {
			return delimiter{}, false
		} else if !p.fill() {
			size = scanned
		}
	}
	line := bytes.TrimRight(p.buf[p.start+2:p.start+size], " \t\r\n")
	level, final, ok := p.boundary(line)
	if !ok {
		// The same section: it is enough that the boundary starts the line. More after
		// white space is ignored.
		if i := bytes.IndexAny(line, " \t"); i > 0 {
			level, final, ok = p.boundary(line[:i])
		}
	}
	return delimiter{level, final, size}, ok
}

// boundary returns the innermost open multipart for a line after its two dashes.
func (p *parser) boundary(line []byte) (level int, final, ok bool) {
	level, ok = p.delims[string(line)]
	if bare, isFinal := bytes.CutSuffix(line, []byte("--")); isFinal {
		if i, known := p.delims[string(bytes.TrimRight(bare, " \t"))]; known && (!ok || i > level) {
			return i, true, true
		}
	}
	return level, false, ok
}

// delimited acts on delimiter lines, and on those that end the header of a part they
// open, until there is content again.
func (p *parser) delimited(d delimiter) {
	for again := true; again; {
		again = false
		multi := &p.open[d.level]
		if !d.final && !multi.reserved && p.parts >= p.lim.Parts {
			p.consume(d.size)
			return
		}
		line := p.offset()
		end := line
		if p.prev[1] == '\n' && line > 0 {
			end--
			if p.prev[0] == '\r' {
				end--
			}
		}
		p.closeTo(d.level+1, end, line)
		p.consume(d.size)
		if d.final {
			multi.part.flags &^= flagNoFinal
			p.forget(d.level)
			return
		}
		if !multi.reserved {
			p.parts++
		}
		multi.reserved = false
		child := &Part{}
		multi.part.Parts = append(multi.part.Parts, child)
		p.push(child)
		d, again = p.part(child, false)
	}
}

// message parses the header of a message, and of a message that is its body.
func (p *parser) message(root *Part) {
	if d, ok := p.part(root, true); ok {
		p.delimited(d)
	}
}

// part parses the header of a part that was just pushed, and goes on into the
// message that it embeds. If a delimiter line ended the header, it is returned.
func (p *parser) part(part *Part, isMessage bool) (delimiter, bool) {
	for {
		if isMessage {
			part.Envelope = &Envelope{}
		}
		part.HeaderStart = p.offset()
		d, ended := p.header(part, isMessage)
		part.BodyStart = p.offset()
		p.open[len(p.open)-1].newlines = p.newlines
		p.defaultType(part)
		if ended {
			if part.IsMultipart() {
				p.enter(part)
			}
			return d, true
		}
		embedded := p.enter(part)
		if embedded == nil {
			return delimiter{}, false
		}
		p.push(embedded)
		part, isMessage = embedded, true
	}
}

// defaultType sets the type of a part whose header has none.
func (p *parser) defaultType(part *Part) {
	if part.Type != "" {
		return
	}
	part.flags |= flagNoType
	part.Type, part.Subtype = "text", "plain"
	// RFC 2046 5.1.5: the default within a digest.
	if n := len(p.open); n >= 2 && part.Envelope == nil {
		if up := p.open[n-2].part; up.Type == "multipart" && up.Subtype == "digest" {
			part.Type, part.Subtype = "message", "rfc822"
		}
	}
}

// enter prepares for what is inside a multipart or message, and returns the embedded
// message if it has offsets of its own.
func (p *parser) enter(part *Part) *Part {
	if !part.IsMultipart() && (!part.IsMessage() || isEncoded(part.Encoding)) {
		return nil
	}
	if len(p.open) >= p.lim.Depth || p.parts >= p.lim.Parts {
		part.Type, part.Subtype = "application", "octet-stream"
		part.flags |= flagOpaque
		return nil
	}
	p.parts++
	if part.IsMessage() {
		part.Message = &Part{}
		return part.Message
	}
	o := &p.open[len(p.open)-1]
	o.reserved = true
	part.flags |= flagNoFinal
	if p.field.boundary == "" || len(p.field.boundary) > p.lim.Boundary {
		return nil
	}
	o.boundary = p.field.boundary
	if i, ok := p.delims[o.boundary]; ok {
		o.shadowed = i
	} else if p.delims == nil {
		p.delims = map[string]int{}
	}
	p.delims[o.boundary] = len(p.open) - 1
	return nil
}

func (p *parser) push(part *Part) {
	p.open = append(p.open, openPart{part: part, shadowed: -1})
}

// forget stops looking for the boundary of an open multipart.
func (p *parser) forget(level int) {
	o := &p.open[level]
	if o.boundary == "" {
		return
	}
	if o.shadowed >= 0 {
		p.delims[o.boundary] = o.shadowed
	} else {
		delete(p.delims, o.boundary)
	}
	o.boundary = ""
}

// closeTo ends the open parts from level on. Their bodies end at end, where the line
// end before the delimiter line at line starts; without a delimiter both are the same.
func (p *parser) closeTo(level int, end, line int64) {
	for i := len(p.open) - 1; i >= level; i-- {
		o := &p.open[i]
		p.forget(i)
		part := o.part
		part.BodyEnd = max(end, part.BodyStart)
		// A header that runs into the delimiter line took the line end before it.
		if part.Message != nil {
			part.BodyEnd = max(part.BodyEnd, part.Message.BodyEnd)
		} else if n := len(part.Parts); n > 0 {
			part.BodyEnd = max(part.BodyEnd, part.Parts[n-1].BodyEnd)
		}
		part.Lines = p.newlines - o.newlines
		if part.BodyEnd < line {
			part.Lines--
		}
		if part.IsMultipart() && len(part.Parts) == 0 {
			part.Parts = []*Part{{
				HeaderStart: part.BodyStart, BodyStart: part.BodyStart, BodyEnd: part.BodyEnd,
				Lines: part.Lines, Type: "text", Subtype: "plain", flags: flagNoType,
			}}
		}
	}
	p.open = p.open[:level]
}
