package message

import (
	"bytes"
	"html"
	"io"
	"strings"
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

// tagFacts is what the attributes of a tag say.
type tagFacts struct {
	hidden      bool
	quote       bool // quoted mail or a signature, as mail programs mark them
	selfClosing bool
}

// readTag takes a tag after "<" or "</": its name into h.name, and its attributes.
func (h *htmlScanner) readTag() (f tagFacts) {
	h.name = h.name[:0]
	for {
		c, ok := h.next()
		if !ok || c == '>' {
			return f
		}
		if isHTMLSpace(c) || c == '/' {
			f.selfClosing = c == '/'
			break
		}
		if len(h.name) < maxTagName {
			h.name = append(h.name, lowerByte(c))
		}
	}
	for h.attribute(&f) {
	}
	return f
}

func isHTMLSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'
}

// attribute takes an attribute, or the end of the tag, when it returns false.
func (h *htmlScanner) attribute(f *tagFacts) bool {
	h.attr, h.value = h.attr[:0], h.value[:0]
	for {
		c, ok := h.next()
		if !ok || c == '>' {
			h.fact(f)
			return false
		}
		if c == '=' && len(h.attr) > 0 {
			break
		}
		if isHTMLSpace(c) || c == '/' {
			f.selfClosing = c == '/'
			if len(h.attr) > 0 && !h.equalsFollows() {
				h.fact(f)
				return true
			}
			continue
		}
		f.selfClosing = false
		if len(h.attr) < maxTagName {
			h.attr = append(h.attr, lowerByte(c))
		}
	}
	return h.attributeValue(f)
}

// equalsFollows skips white space and reports whether "=" is next.
func (h *htmlScanner) equalsFollows() bool {
	for {
		b := h.peek(1)
		if len(b) == 0 || !isHTMLSpace(b[0]) {
			return len(b) > 0 && b[0] == '='
		}
		h.next()
	}
}

func (h *htmlScanner) attributeValue(f *tagFacts) bool {
	quote, started := byte(0), false
	wanted := h.wanted()
	for {
		c, ok := h.next()
		switch {
		case !ok || c == '>' && quote == 0:
			h.fact(f)
			return false
		case !started && isHTMLSpace(c):
			continue
		case !started && (c == '"' || c == '\''):
			quote, started = c, true
			if !wanted {
				h.skipTo(quote)
				h.attr = h.attr[:0]
				return h.err == nil
			}
			continue
		case quote != 0 && c == quote || quote == 0 && isHTMLSpace(c):
			h.fact(f)
			return true
		}
		started = true
		if len(h.value) < maxAttrValue {
			h.value = append(h.value, lowerByte(c))
		}
	}
}

// wanted reports whether the value of the attribute matters.
func (h *htmlScanner) wanted() bool {
	switch string(h.attr) {
	case "style":
		return true
	case "class", "id":
		return h.skipQuotes
	}
	return string(h.attr) == "hidden"
}

// fact takes from an attribute what matters.
func (h *htmlScanner) fact(f *tagFacts) {
	switch string(h.attr) {
	case "hidden":
		f.hidden = true
	case "style":
		f.hidden = f.hidden || styleHides(h.value)
	case "class", "id":
		if !h.skipQuotes {
			break
		}
		for _, mark := range quoteMarks {
			if bytes.Contains(h.value, mark) {
				f.quote = true
			}
		}
	}
	h.attr = h.attr[:0]
}

var quoteMarks = [][]byte{
	[]byte("gmail_quote"), []byte("gmail_signature"), []byte("yahoo_quoted"), []byte("moz-cite-prefix"), []byte("moz-signature"),
	[]byte("protonmail_quote"), []byte("protonmail_signature"), []byte("appendonsend"), []byte("divrplyfwdmsg"), []byte("olk_src_body_section"),
}

// hidingStyles are declarations, without white space, that hide an element; those that
// end with 0 only count with nothing but a unit after it.
var hidingStyles = []string{
	"display:none", "visibility:hidden", "mso-hide:all", "opacity:0", "font-size:0", "max-height:0", "height:0", "width:0", "max-width:0",
}

func styleHides(style []byte) bool {
	if bytes.IndexByte(style, '0') < 0 && !bytes.Contains(style, []byte("none")) && !bytes.Contains(style, []byte("hid")) {
		return false
	}
	for decl := range bytes.SplitSeq(style, []byte(";")) {
		d := strings.Map(func(r rune) rune {
			if r == ' ' || r == '\t' || r == '\n' || r == '\r' {
				return -1
			}
			return r
		}, string(decl))
		d = strings.TrimSuffix(d, "!important")
		for _, s := range hidingStyles {
			rest, ok := strings.CutPrefix(d, s)
			if !ok {
				continue
			}
			if !strings.HasSuffix(s, "0") || strings.Trim(rest, "0.") == "" || rest == "px" || rest == "pt" || rest == "em" {
				// A box of no size hides only with its overflow.
				if !strings.HasSuffix(s, "height:0") && !strings.HasSuffix(s, "width:0") || bytes.Contains(style, []byte("overflow")) {
					return true
				}
			}
		}
	}
	return false
}

func (h *htmlScanner) startTag(f tagFacts) {
	name := string(h.name)
	e, known := htmlElements[name]
	if h.hidden != "" {
		switch {
		case e&elementRaw != 0:
			h.skipRaw(name)
		case name == h.hidden && e&elementVoid == 0 && !(f.selfClosing && !known):
			h.depth++
		case h.hidden == "p" && e&elementBlock != 0 && name != "br":
			h.hidden = "" // a block ends a paragraph
			h.startTag(f)
		}
		return
	}
	h.breakFor(e)
	switch {
	case e&elementVoid != 0:
	case e&elementRaw != 0:
		h.skipRaw(name)
	case f.hidden || name == "template" || name == "svg" || name == "math" || h.skipQuotes && (e&elementQuote != 0 || f.quote):
		if !f.selfClosing {
			h.hidden, h.depth = name, 1
		}
	case e&elementPre != 0:
		h.pre++
	}
}

func (h *htmlScanner) endTag(name string) {
	if h.hidden != "" {
		if name == h.hidden {
			if h.depth--; h.depth == 0 {
				h.hidden = ""
			}
		} else if name == "body" || name == "html" {
			h.hidden = ""
		}
		return
	}
	e := htmlElements[name]
	h.breakFor(e)
	if e&elementPre != 0 && h.pre > 0 {
		h.pre--
	}
}

func (h *htmlScanner) breakFor(e htmlElement) {
	h.line = h.line || e&elementBlock != 0
	h.space = h.space || e&elementCell != 0
}

// skipRaw skips the content of a raw element, and its end tag.
func (h *htmlScanner) skipRaw(name string) {
	for {
		h.skipTo('<')
		if h.err != nil {
			return
		}
		b := h.peek(len(name) + 2)
		if len(b) < len(name)+1 {
			continue
		}
		if b[0] != '/' || !strings.EqualFold(string(b[1:len(name)+1]), name) {
			continue
		}
		if len(b) == len(name)+2 {
			if c := b[len(name)+1]; c != '>' && c != '/' && !isHTMLSpace(c) {
				continue
			}
		}
		h.skipTo('>')
		return
	}
}
