// Package mailhtml makes the HTML of messages harmless for a frame of a page of ours: what comes out runs nothing, loads nothing
// but pictures that were asked for, and has no way out of its frame but links that a person clicks.
//
// There are three walls, each of which is enough for what is known. What is kept is listed, by a sanitizer of others
// (bluemonday) that sees the result of everything done here. The document that is written is served with a
// Content-Security-Policy ([CSP]) that lets browsers run nothing and load nothing. And it is shown in a frame with the attribute sandbox.
//
// CSS is kept, in elements and attributes: the frame has nothing else that it could change. What it would load is taken out.
//
// Goroutines and files: none.
package mailhtml

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// MaxSize is how many octets of all parts are looked at, MaxTags how many tags of HTML; the rest is left out. A tag takes some 500 octets of memory.
const (
	MaxSize = 4 << 20
	MaxTags = 100_000
)

// Options say how HTML is to be shown.
type Options struct {
	// Images keeps references to pictures on the web. Otherwise they are taken out, and counted.
	Images bool
	// Inline returns a data: URL for the part of the message with a Content-ID (without angle brackets); empty: there is none, or it
	// is too large. nil: there are none.
	Inline func(cid string) string
}

// CSP is the Content-Security-Policy that a document has to be served with.
func CSP(images bool) string {
	web := ""
	if images {
		web = " https: http:"
	}
	return "default-src 'none'; style-src 'unsafe-inline'; img-src data:" + web + "; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox"
}

// BlockedName is the name of the meta element that says how many references were taken out for want of [Options.Images].
const BlockedName = "mox-blocked"

// Writer writes one document from one or several parts of a message.
type Writer struct {
	o       Options
	body    bytes.Buffer
	styles  []string
	blocked int
	left    int64 // octets that may be read
	tags    int   // that may be read
	cssSize int   // octets seen
}

// NewWriter returns a Writer.
func NewWriter(o Options) *Writer { return &Writer{o: o, left: MaxSize, tags: MaxTags} }

// bounded reads what may be read of a part.
type bounded struct {
	w *Writer
	r io.Reader
}

func (b bounded) Read(p []byte) (int, error) {
	if b.w.left <= 0 || b.w.tags <= 0 {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.w.left, 4096)])
	b.w.left -= int64(n)
	b.w.tags -= bytes.Count(p[:n], []byte{'<'})
	return n, err
}

// HTML adds a part that is HTML, in UTF-8.
func (w *Writer) HTML(r io.Reader) error {
	root, err := html.Parse(bounded{w, r})
	if err != nil {
		// Of HTML only nesting deeper than any message needs is an error.
		fmt.Fprintf(&w.body, "<p><em>This message cannot be shown: its HTML is too deeply nested.</em></p>")
		return nil
	}
	w.clean(root)
	body := find(root, atom.Body)
	if body == nil {
		return nil
	}
	var b bytes.Buffer
	body.Data, body.DataAtom = "div", atom.Div // keeps its colours
	if err := html.Render(&b, body); err != nil {
		return err
	}
	_, err = w.body.Write(policy().SanitizeBytes(b.Bytes()))
	return err
}

// Text adds a part that is plain text, in UTF-8.
func (w *Writer) Text(r io.Reader) error {
	b, err := io.ReadAll(bounded{w, r})
	if err != nil {
		return err
	}
	fmt.Fprintf(&w.body, "<pre>%s</pre>", html.EscapeString(string(b)))
	return nil
}

// Image adds a part that is a picture, by its data: URL.
func (w *Writer) Image(url, name string) {
	img := fmt.Sprintf(`<p><img src="%s" alt="%s"></p>`, html.EscapeString(w.picture(url)), html.EscapeString(name))
	w.body.WriteString(policy().Sanitize(img))
}

// base is how a message looks that says nothing of it.
const base = `html { color-scheme: light; background: #fff; color: #1a1a1a; }
body { margin: 0; padding: 1px; font: 15px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
img { max-width: 100%; } img:not([height]) { height: auto; }
table { max-width: 100%; } pre { white-space: pre-wrap; font: inherit; }
blockquote { margin: .5em 0; padding-left: .8em; border-left: 2px solid #ccc; }`

// WriteTo writes the document.
func (w *Writer) WriteTo(to io.Writer) (int64, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!doctype html>\n<html><head><meta charset=\"utf-8\"><meta name=\"%s\" content=\"%d\"><meta name=\"referrer\" content=\"no-referrer\">\n<style>%s</style>\n", BlockedName, w.blocked, base)
	for _, s := range w.styles {
		fmt.Fprintf(&b, "<style>%s</style>\n", s)
	}
	b.WriteString("</head><body>")
	w.body.WriteTo(&b)
	b.WriteString("</body></html>\n")
	return b.WriteTo(to)
}

// clean goes through a tree: references are kept, replaced or taken out, styles collected, elements that mean nothing here removed.
func (w *Writer) clean(root *html.Node) {
	var gone []*html.Node
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.DataAtom {
		case atom.Style:
			if n.FirstChild != nil {
				w.styles = append(w.styles, strings.ReplaceAll(w.css(n.FirstChild.Data), "<", " ")) // so nothing ends the element
			}
			gone = append(gone, n)
		case atom.Script, atom.Title, atom.Template, atom.Noscript, atom.Iframe, atom.Object, atom.Embed, atom.Svg, atom.Math, atom.Textarea, atom.Select, atom.Button:
			gone = append(gone, n)
		default:
			w.attributes(n)
		}
	}
	for _, n := range gone {
		if n.Parent != nil {
			n.Parent.RemoveChild(n)
		}
	}
}

// attributes looks at those that refer to something.
func (w *Writer) attributes(n *html.Node) {
	kept := n.Attr[:0]
	for _, a := range n.Attr {
		switch strings.ToLower(a.Key) {
		case "src", "background":
			a.Val = w.picture(a.Val)
		case "style":
			a.Val = w.css(a.Val)
		case "text": // of body
			if n.DataAtom == atom.Body {
				a.Key, a.Val = "style", "color:"+w.css(a.Val)
			}
		}
		if a.Val != "" || a.Key == "alt" {
			kept = append(kept, a)
		}
	}
	n.Attr = kept
}

// picture returns the URL to show in place of one; empty: none.
func (w *Writer) picture(url string) string {
	url = strings.TrimSpace(url)
	scheme, rest, _ := strings.Cut(url, ":")
	switch strings.ToLower(scheme) {
	case "cid":
		if w.o.Inline == nil {
			return ""
		}
		return w.o.Inline(unescape(rest))
	case "http", "https":
		if !w.o.Images {
			w.blocked++
			return ""
		}
		return url
	case "data":
		if dataImage.MatchString(url) {
			return url
		}
	}
	return ""
}

// dataImage are pictures that cannot have scripts.
var dataImage = regexp.MustCompile(`^(?i:data:image/(?:png|jpeg|gif|webp|bmp|avif|x-icon|vnd\.microsoft\.icon);base64,)[A-Za-z0-9+/=\s]*$`)

// webImage are pictures on the web.
var webImage = regexp.MustCompile(`^(?i:https?://|data:image/)`)

// find returns the first element of a kind.
func find(root *html.Node, kind atom.Atom) *html.Node {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.DataAtom == kind {
			return n
		}
	}
	return nil
}

// elements are those that are kept; of others their content is.
var elements = strings.Fields(`abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn dir div dl dt em
	figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd label li main mark menu nav ol p pre q rp rt ruby s samp section small span
	strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr a`)

// attributes are those that are kept on all elements, beside href and src.
var attributes = strings.Fields(`align alt bgcolor border cellpadding cellspacing class clear color colspan cols dir face headers height hspace id lang
	noshade nowrap rowspan rules scope size span start style summary title type valign value vspace width`)

// policy is what is kept. It looks at what was cleaned already.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements(elements...)
	p.AllowAttrs(attributes...).Globally()
	p.AllowNoAttrs().OnElements("a", "span", "font", "img")
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("src").Matching(webImage).OnElements("img")
	p.AllowAttrs("background").Matching(webImage).OnElements("table", "tr", "td", "th", "tbody", "div")
	p.AllowURLSchemes("http", "https", "mailto", "tel")
	p.AllowDataURIImages()
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.RequireNoReferrerOnLinks(true)
	p.RequireNoFollowOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	return p
})
