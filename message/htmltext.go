package message

import (
	"bytes"
	"html"
	"io"
	"unicode/utf8"
)

// HTMLText returns the text of an HTML document, in UTF-8, that a browser would show:
// without scripts, styles, comments and elements hidden by their own attributes, white
// space collapsed, a line end for each block. It reads r as it is read from and needs
// a fixed amount of memory, whatever the document. Errors are those of r.
func HTMLText(r io.Reader) io.Reader { return newHTMLScanner(r, false) }

const (
	maxTagName   = 32
	maxAttrValue = 1024
	maxEntity    = 40
	htmlBuffer   = 4 << 10
)

// htmlElement says how an element shows.
type htmlElement uint8

const (
	elementBlock htmlElement = 1 << iota // starts and ends a line
	elementCell                          // ends a word
	elementRaw                           // its content is not markup and not shown
	elementVoid                          // has no content
	elementPre                           // white space counts
	elementQuote                         // quoted mail
)

var htmlElements = map[string]htmlElement{
	"p": elementBlock, "div": elementBlock, "ul": elementBlock, "ol": elementBlock, "li": elementBlock, "dl": elementBlock,
	"dt": elementBlock, "dd": elementBlock, "table": elementBlock, "tr": elementBlock, "h1": elementBlock, "h2": elementBlock,
	"h3": elementBlock, "h4": elementBlock, "h5": elementBlock, "h6": elementBlock, "section": elementBlock, "article": elementBlock,
	"header": elementBlock, "footer": elementBlock, "main": elementBlock, "nav": elementBlock, "aside": elementBlock,
	"address": elementBlock, "figure": elementBlock, "figcaption": elementBlock, "form": elementBlock, "fieldset": elementBlock,
	"center": elementBlock, "body": elementBlock, "html": elementBlock, "caption": elementBlock, "thead": elementBlock,
	"tbody": elementBlock, "tfoot": elementBlock, "details": elementBlock, "summary": elementBlock, "option": elementBlock,
	"blockquote": elementBlock | elementQuote, "pre": elementBlock | elementPre, "textarea": elementRaw,
	"td": elementCell, "th": elementCell,
	"br": elementBlock | elementVoid, "hr": elementBlock | elementVoid,
	"img": elementVoid, "input": elementVoid, "meta": elementVoid, "link": elementVoid, "area": elementVoid, "base": elementVoid,
	"col": elementVoid, "embed": elementVoid, "source": elementVoid, "track": elementVoid, "wbr": elementVoid, "param": elementVoid,
	"script": elementRaw, "style": elementRaw, "title": elementRaw, "iframe": elementRaw, "noembed": elementRaw, "noframes": elementRaw,
	"xmp": elementRaw, "object": 0, "template": 0, "svg": 0, "math": 0,
}

// htmlScanner is a tokenizer of its own, for that of x/net/html holds whole tokens, and
// an image in an attribute is megabytes.
type htmlScanner struct {
	r          io.Reader
	in         []byte // buffer
	pos, end   int    // in[pos:end] is to be scanned
	readErr    error  // of r
	err        error  // once all is scanned
	skipQuotes bool   // also leave out quoted mail and signatures, for previews

	out    []byte // not yet read
	buf    []byte
	space  bool // white space is due before the next character
	line   bool // a line end is due
	any    bool // something was written
	pre    int  // depth of elements in which white space counts
	hidden string
	depth  int // of elements named hidden, while something is hidden

	name  []byte // of the tag being read
	attr  []byte
	value []byte
}

func newHTMLScanner(r io.Reader, skipQuotes bool) *htmlScanner {
	return &htmlScanner{r: r, in: make([]byte, htmlBuffer), skipQuotes: skipQuotes, buf: make([]byte, 0, htmlBuffer)}
}

func (h *htmlScanner) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(h.out) == 0 {
		if h.err != nil {
			return 0, h.err
		}
		h.out = h.buf[:0]
		for h.err == nil && len(h.out) < htmlBuffer/2 {
			h.step()
		}
		h.buf = h.out[:0]
	}
	n := copy(p, h.out)
	h.out = h.out[n:]
	return n, nil
}

func (h *htmlScanner) next() (byte, bool) {
	if h.pos == h.end && !h.more(1) {
		h.err = h.readErr
		return 0, false
	}
	c := h.in[h.pos]
	h.pos++
	return c, true
}

// more reads until n bytes, few, are in the buffer.
func (h *htmlScanner) more(n int) bool {
	for idle := 0; h.end-h.pos < n; {
		if h.readErr != nil {
			return false
		}
		copy(h.in, h.in[h.pos:h.end])
		h.pos, h.end = 0, h.end-h.pos
		got, err := h.r.Read(h.in[h.end:])
		h.end += got
		h.readErr = err
		if idle++; got == 0 && err == nil && idle > 100 {
			h.readErr = io.ErrNoProgress
		}
	}
	return true
}

// peek returns the next n bytes, fewer at the end.
func (h *htmlScanner) peek(n int) []byte {
	h.more(n)
	return h.in[h.pos:min(h.end, h.pos+n)]
}

// step takes a run of text, an entity, or a tag.
func (h *htmlScanner) step() {
	h.more(1)
	b := h.in[h.pos:h.end]
	n := 0
	for n < len(b) && b[n] != '<' && b[n] != '&' {
		n++
	}
	if n > 0 {
		h.run(b[:n])
		h.pos += n
		return
	}
	switch c, _ := h.next(); c {
	case '<':
		h.markup()
	case '&':
		h.entity()
	}
}

// run writes text, words at a time.
func (h *htmlScanner) run(b []byte) {
	for len(b) > 0 && h.hidden == "" {
		h.char(b[0])
		n := 1
		if b[0] > ' ' {
			for n < len(b) && b[n] > ' ' {
				n++
			}
			h.out = append(h.out, b[1:n]...)
		}
		b = b[n:]
	}
}

// char writes a byte of text.
func (h *htmlScanner) char(c byte) {
	if h.hidden != "" {
		return
	}
	switch c {
	case '\n', '\r':
		if h.pre > 0 {
			h.line = true
			return
		}
		h.space = true
		return
	case ' ', '\t', '\f', 0:
		h.space = true
		return
	}
	if h.any && h.line {
		h.out = append(h.out, '\n')
	} else if h.any && h.space {
		h.out = append(h.out, ' ')
	}
	h.line, h.space, h.any = false, false, true
	h.out = append(h.out, c)
}

// entity takes a character reference after its "&".
func (h *htmlScanner) entity() {
	var buf [maxEntity]byte
	ref := append(buf[:0], '&')
	for len(ref) < maxEntity {
		b := h.peek(1)
		if len(b) == 0 {
			break
		}
		c := b[0]
		if c != ';' && c != '#' && !isAlnum(c) {
			break
		}
		ref = append(ref, c)
		h.next()
		if c == ';' {
			break
		}
	}
	switch string(ref) {
	case "&nbsp;":
		h.char(' ')
	case "&amp;":
		h.char('&')
	case "&lt;":
		h.char('<')
	case "&gt;":
		h.char('>')
	default:
		h.text(html.UnescapeString(string(ref)))
	}
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func (h *htmlScanner) text(s string) {
	for _, r := range s {
		if r == 0xa0 || r < ' ' {
			h.char(' ')
			continue
		}
		var b [utf8.UTFMax]byte
		for _, c := range b[:utf8.EncodeRune(b[:], r)] {
			h.char(c)
		}
	}
}

// markup takes a tag or comment after its "<".
func (h *htmlScanner) markup() {
	b := h.peek(1)
	if len(b) == 0 {
		h.char('<')
		return
	}
	switch c := b[0]; {
	case c == '!':
		h.next()
		if string(h.peek(2)) == "--" {
			h.comment()
			return
		}
		h.skipTo('>')
	case c == '?':
		h.skipTo('>')
	case c == '/':
		h.next()
		if b := h.peek(1); len(b) == 0 || !isAlnum(b[0]) {
			h.skipTo('>')
			return
		}
		h.readTag()
		h.endTag(string(h.name))
	case 'a' <= lowerByte(c) && lowerByte(c) <= 'z':
		h.startTag(h.readTag())
	default:
		h.char('<')
	}
}

func (h *htmlScanner) skipTo(end byte) {
	for h.more(1) {
		i := bytes.IndexByte(h.in[h.pos:h.end], end)
		if i >= 0 {
			h.pos += i + 1
			return
		}
		h.pos = h.end
	}
	h.err = h.readErr
}

// comment takes a comment after "<!". WHATWG HTML 13.2.5.43: "<!-->" and "<!--->" are
// comments too.
func (h *htmlScanner) comment() {
	h.next()
	h.next()
	dashes := 2
	for {
		c, ok := h.next()
		if !ok || c == '>' && dashes >= 2 {
			return
		}
		if c == '-' {
			dashes++
		} else if c != '!' || dashes < 2 {
			dashes = 0
		}
	}
}
