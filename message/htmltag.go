package message

import (
	"bytes"
	"strings"
)

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
		case h.hidden == "p" && e&elementBlock != 0 && name != "br":
			h.hidden = "" // a block ends a paragraph
			h.startTag(f)
		case name == h.hidden && e&elementVoid == 0 && !(f.selfClosing && !known):
			h.depth++
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
