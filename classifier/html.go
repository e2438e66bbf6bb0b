package classifier

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlWalk is the walk over one HTML text.
type htmlWalk struct {
	t    *tokenizer
	text []byte // shown text since the last element that ends a word

	skip   atom.Atom // element whose content is not shown, 0: none
	hidden atom.Atom // element that hides what is in it, 0: none
	depth  int       // of elements named hidden
}

// html adds the tokens of an HTML text and returns how many bytes of it were looked at:
// the words that are shown, those that are hidden apart, hosts of links and images, and
// the elements that letters seldom have.
func (t *tokenizer) html(r io.Reader) (int, error) {
	z := html.NewTokenizer(r)
	z.SetMaxBuf(t.left)
	w := htmlWalk{t: t}
	n := 0
	for !t.full() {
		kind := z.Next()
		n += len(z.Raw())
		switch kind {
		case html.ErrorToken:
			w.flush()
			if err := z.Err(); !errors.Is(err, io.EOF) && !errors.Is(err, html.ErrBufferExceeded) {
				return n, err
			}
			return n, nil
		case html.TextToken:
			w.chars(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			w.start(z, kind)
		case html.EndTagToken:
			w.end(z)
		}
	}
	return n, nil
}

func (w *htmlWalk) chars(b []byte) {
	if w.skip != 0 {
		return
	}
	w.text = append(w.text, b...)
	// A long text is taken in pieces, at white space.
	if len(w.text) > 16<<10 {
		w.flush()
	}
}

// flush adds the words of the text gathered.
func (w *htmlWalk) flush() {
	if w.hidden != 0 {
		if len(bytes.TrimSpace(w.text)) > 0 {
			w.t.fact("html:", "hidden text")
			prefix := w.t.prefix
			w.t.within("hidden:")
			w.t.words(w.text)
			w.t.within(prefix)
		}
	} else {
		w.t.words(w.text)
	}
	w.text = w.text[:0]
}

// inline elements do not end a word.
var inline = map[atom.Atom]bool{
	atom.B: true, atom.I: true, atom.U: true, atom.S: true, atom.Em: true, atom.Strong: true, atom.Font: true, atom.Span: true,
	atom.A: true, atom.Small: true, atom.Big: true, atom.Sub: true, atom.Sup: true, atom.Tt: true, atom.Code: true, atom.Wbr: true,
}

var unshown = map[atom.Atom]bool{atom.Script: true, atom.Style: true, atom.Svg: true, atom.Noframes: true, atom.Iframe: true}

// telling elements are facts by themselves.
var telling = map[atom.Atom]bool{
	atom.Form: true, atom.Script: true, atom.Iframe: true, atom.Object: true, atom.Embed: true, atom.Applet: true, atom.Input: true,
	atom.Font: true, atom.Style: true, atom.Table: true, atom.Img: true, atom.Center: true, atom.Frame: true, atom.Base: true,
	atom.Bgsound: true, atom.Marquee: true, atom.Map: true, atom.Big: true, atom.Link: true, atom.Meta: true, atom.Blockquote: true,
}

func (w *htmlWalk) start(z *html.Tokenizer, kind html.TokenType) {
	name, more := z.TagName()
	tag := atom.Lookup(name)
	if w.skip != 0 {
		return
	}
	if tag == 0 {
		w.t.fact("html:", "unknown element")
	}
	if !inline[tag] && tag != 0 {
		w.text = append(w.text, '\n')
	}
	if telling[tag] {
		w.t.fact("html:", tag.String())
	}
	hides := w.attributes(z, tag, more)
	void := kind == html.SelfClosingTagToken || voids[tag]
	switch {
	case w.hidden != 0:
		if tag == w.hidden && !void {
			w.depth++
		}
	case hides && !void && tag != 0:
		w.flush()
		w.hidden, w.depth = tag, 1
	}
	if unshown[tag] && !void {
		w.flush()
		w.skip = tag
	}
}

var voids = map[atom.Atom]bool{
	atom.Br: true, atom.Hr: true, atom.Img: true, atom.Input: true, atom.Meta: true, atom.Link: true, atom.Area: true, atom.Base: true,
	atom.Col: true, atom.Embed: true, atom.Source: true, atom.Track: true, atom.Wbr: true, atom.Param: true,
}

func (w *htmlWalk) end(z *html.Tokenizer) {
	name, _ := z.TagName()
	tag := atom.Lookup(name)
	switch {
	case w.skip != 0:
		if tag == w.skip {
			w.skip = 0
		}
		return
	case w.hidden != 0 && tag == w.hidden:
		if w.depth--; w.depth == 0 {
			w.flush()
			w.hidden = 0
		}
	}
	if !inline[tag] {
		w.text = append(w.text, '\n')
	}
}

// attributes adds what the attributes of an element say, and reports whether they hide it.
func (w *htmlWalk) attributes(z *html.Tokenizer, tag atom.Atom, more bool) (hides bool) {
	size := 0
	for n := 0; more && n < 50; n++ {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "href", "action", "src", "background":
			w.reference(string(key), value)
		case "alt", "title":
			w.text = append(append(append(w.text, '\n'), value[:min(len(value), maxField)]...), '\n')
		case "style":
			hides = hides || hiding(value)
		case "hidden":
			hides = true
		case "width", "height":
			if s := string(value); s == "1" || s == "0" {
				size++
			}
		case "color", "bgcolor":
			if len(value) < 20 {
				w.t.fact("html:color ", strings.TrimPrefix(strings.ToLower(strings.ToValidUTF8(string(value), "")), "#"))
			}
		case "http-equiv":
			if len(value) < 20 {
				w.t.fact("html:meta ", strings.ToLower(strings.ToValidUTF8(string(value), "")))
			}
		}
		if len(key) > 2 && key[0] == 'o' && key[1] == 'n' {
			w.t.fact("html:", "event handler")
		}
	}
	if tag == atom.Img && size == 2 {
		w.t.fact("html:", "image of a pixel")
	}
	return hides
}

// reference adds a URL.
func (w *htmlWalk) reference(attr string, value []byte) {
	value = bytes.TrimSpace(value[:min(len(value), maxField)])
	i := bytes.IndexByte(value, ':')
	if i < 0 || i > 12 {
		return
	}
	scheme := strings.ToLower(strings.ToValidUTF8(string(value[:i]), ""))
	rest, slashes := bytes.CutPrefix(value[i+1:], []byte("//"))
	switch {
	case scheme == "cid" || scheme == "data" || scheme == "javascript":
		w.t.fact("html:"+attr+" ", scheme)
	case scheme == "mailto":
		w.t.fact("html:"+attr+" ", scheme)
		if _, host, ok := bytes.Cut(rest, []byte("@")); ok {
			if j := bytes.IndexAny(host, "?&"); j >= 0 {
				host = host[:j]
			}
			w.t.host("@", strings.ToLower(strings.ToValidUTF8(limit(string(host), 253), "")))
		}
	case slashes:
		w.t.url(rest, "url:")
	}
}

// hiding reports a style that shows nothing.
func hiding(style []byte) bool {
	s := strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, strings.ToLower(string(style[:min(len(style), maxField)])))
	for decl := range strings.SplitSeq(s, ";") {
		switch decl {
		case "display:none", "visibility:hidden", "mso-hide:all", "opacity:0", "font-size:0", "font-size:0px", "font-size:1px", "max-height:0", "max-height:0px":
			return true
		}
	}
	return false
}
