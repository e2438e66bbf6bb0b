package message

import (
	"fmt"
	"io"
	"strings"
)

// Body is a part to be written by a [Composer]. The functions below make them; fields
// may be changed before it is written, once.
type Body struct {
	Type, Subtype     string  // in lower case
	Params            []Param // of Content-Type; a multipart's boundary is added
	Disposition       string  // "", "inline" or "attachment"
	DispositionParams []Param
	ID                string // Content-ID without angle brackets
	Description       string // UTF-8 text
	// Fields are further header fields, with values in their final form.
	Fields []Param
	// Encoding is the Content-Transfer-Encoding: 7bit, 8bit, quoted-printable or base64;
	// "" chooses. With 7bit and 8bit, line ends are made CRLF and content is otherwise as
	// it is.
	Encoding string
	// Content of a leaf, read once while it is written.
	Content io.Reader
	// Parts of a multipart.
	Parts []*Body

	text *string // content of text that is known, to choose the encoding from
}

// TextBody is text/plain, in UTF-8 or us-ascii. With flowed, paragraphs are wrapped as
// format=flowed (RFC 3676); lines that start with ">" are quotes.
func TextBody(text string, flowed bool) *Body {
	b := newTextBody("plain", text)
	if flowed {
		s := flowText(*b.text)
		b.text, b.Content = &s, strings.NewReader(s)
		b.Params = append(b.Params, Param{Name: "format", Value: "flowed"})
	}
	return b
}

// HTMLBody is text/html, in UTF-8 or us-ascii.
func HTMLBody(html string) *Body { return newTextBody("html", html) }

func newTextBody(subtype, text string) *Body {
	text = crlfText(lenientUTF8(text))
	charset := "utf-8"
	if isASCII(text) {
		charset = "us-ascii"
	}
	return &Body{
		Type: "text", Subtype: subtype, Params: []Param{{Name: "charset", Value: charset}},
		Content: strings.NewReader(text), text: &text,
	}
}

// crlfText makes all line ends CRLF, ends the last line, and removes NUL.
func crlfText(s string) string {
	s = crlfReplacer.Replace(s)
	if s != "" && !strings.HasSuffix(s, "\r\n") {
		s += "\r\n"
	}
	return s
}

var crlfReplacer = strings.NewReplacer("\r\n", "\r\n", "\r", "\r\n", "\n", "\r\n", "\x00", "")

// AttachmentBody is a file to be saved, written as base64 while it is read. An invalid
// or empty media type becomes application/octet-stream; the filename is UTF-8 text.
func AttachmentBody(mediaType, filename string, r io.Reader) *Body {
	b := &Body{Type: "application", Subtype: "octet-stream", Disposition: "attachment", Encoding: "base64", Content: r}
	typ, subtype, rest, ok := parseMediaType([]byte(mediaType))
	if t := strings.ToLower(string(typ)); ok && t != "multipart" && t != "message" {
		b.Type, b.Subtype = t, strings.ToLower(string(subtype))
		b.Params = parseParams(rest, 20, func(b []byte) string { return string(b) })
	}
	if filename != "" {
		b.Params = append(b.Params, Param{Name: "name", Value: filename})
		b.DispositionParams = []Param{{Name: "filename", Value: filename}}
	}
	return b
}

// InlineBody is a file shown by another part, which refers to it by id ("cid:id").
func InlineBody(mediaType, filename, id string, r io.Reader) *Body {
	b := AttachmentBody(mediaType, filename, r)
	b.Disposition, b.ID = "inline", id
	return b
}

// MessageBody is a message as an attachment (message/rfc822), written as it is.
//
// RFC 2046 5.2.1: it may not be encoded, so that it is declared 8bit unless Encoding is
// set to 7bit by who knows that it is.
func MessageBody(r io.Reader) *Body {
	return &Body{Type: "message", Subtype: "rfc822", Encoding: "8bit", Content: r}
}

// MixedBody is a multipart/mixed: a text and its attachments.
func MixedBody(parts ...*Body) *Body { return multipartBody("mixed", parts) }

// AlternativeBody is a multipart/alternative, the plainest first.
func AlternativeBody(parts ...*Body) *Body { return multipartBody("alternative", parts) }

// RelatedBody is a multipart/related (RFC 2387), its root first.
func RelatedBody(parts ...*Body) *Body {
	b := multipartBody("related", parts)
	if len(parts) > 0 {
		b.Params = []Param{{Name: "type", Value: parts[0].Type + "/" + parts[0].Subtype}}
	}
	return b
}

func multipartBody(subtype string, parts []*Body) *Body {
	return &Body{Type: "multipart", Subtype: subtype, Parts: parts}
}

// WriteBody writes MIME-Version, the body's own header fields and the body, and returns
// the first error of all writing, [ErrCompose], [ErrNeedsUTF8], or that of a Content.
func (c *Composer) WriteBody(b *Body) error {
	c.Raw("MIME-Version", "1.0")
	c.body(b, 1)
	if c.err == nil {
		if err := c.w.Flush(); err != nil {
			c.fail(fmt.Errorf("writing message: %w", err))
		}
	}
	return c.err
}

func (c *Composer) body(b *Body, depth int) {
	if depth > 50 || b == nil {
		c.fail(fmt.Errorf("%w: parts nested too deeply or missing", ErrCompose))
	}
	if c.err != nil {
		return
	}
	if typ, subtype, rest, ok := parseMediaType([]byte(b.Type + "/" + b.Subtype)); !ok || len(rest) > 0 || len(typ) != len(b.Type) || len(subtype) != len(b.Subtype) {
		c.fail(fmt.Errorf("%w: type %.60q", ErrCompose, b.Type+"/"+b.Subtype))
		return
	}
	encoding := c.encoding(b)
	boundary := ""
	params := b.Params
	if b.Type == "multipart" {
		name, err := randomName(c.o.Random)
		if err != nil {
			c.fail(err)
			return
		}
		// "=_" cannot be in quoted-printable or base64.
		boundary = "=_" + name
		params = append([]Param{{Name: "boundary", Value: boundary}}, params...)
	}
	c.partHeader(b, params, encoding)
	c.write(crlf)
	if b.Type != "multipart" {
		c.content(b, encoding)
		return
	}
	if len(b.Parts) == 0 {
		c.fail(fmt.Errorf("%w: multipart without parts", ErrCompose))
	}
	for _, part := range b.Parts {
		c.write([]byte("--" + boundary + "\r\n"))
		c.body(part, depth+1)
		c.write(crlf)
	}
	c.write([]byte("--" + boundary + "--\r\n"))
}

var crlf = []byte("\r\n")

// encoding chooses how a body is encoded, "" for 7bit.
func (c *Composer) encoding(b *Body) string {
	if b.Type == "multipart" {
		// RFC 2045 6.4: it has the widest of its parts.
		for _, part := range b.Parts {
			if part != nil && c.encoding(part) == "8bit" {
				return "8bit"
			}
		}
		return ""
	}
	switch {
	case b.Encoding == "7bit":
		return ""
	case b.Encoding != "":
		return b.Encoding
	case b.text == nil:
		return "base64"
	}
	return chooseEncoding(*b.text, c.o.EightBit)
}

// chooseEncoding for text with CRLF line ends. Lines up to 998 bytes are allowed as they
// are (RFC 5322 2.1.1); "From " at a line's start, which some change, and white space at
// its end, which some remove, are worth quoted-printable only where it is needed anyway.
func chooseEncoding(text string, eightBit bool) string {
	longest, high := 0, 0
	for line := range strings.Lines(text) {
		longest = max(longest, len(line)-2)
		for i := 0; i < len(line); i++ {
			if line[i] >= 0x7f {
				high++
			}
		}
	}
	switch {
	case longest > maxLine:
	case high == 0:
		return ""
	case eightBit:
		return "8bit"
	}
	if high > len(text)/4 {
		return "base64"
	}
	return "quoted-printable"
}

func (c *Composer) partHeader(b *Body, params []Param, encoding string) {
	c.Raw("Content-Type", c.withParams(b.Type+"/"+b.Subtype, params))
	if encoding != "" {
		c.Raw("Content-Transfer-Encoding", encoding)
	}
	if b.Disposition != "" {
		if token, rest := takeToken([]byte(b.Disposition)); len(rest) > 0 || len(token) == 0 {
			c.fail(fmt.Errorf("%w: disposition %.40q", ErrCompose, b.Disposition))
		}
		c.Raw("Content-Disposition", c.withParams(b.Disposition, b.DispositionParams))
	}
	if b.ID != "" {
		c.Raw("Content-ID", "<"+cleanID(b.ID)+">")
	}
	if b.Description != "" {
		c.Text("Content-Description", b.Description)
	}
	for _, f := range b.Fields {
		c.Raw(f.Name, f.Value)
	}
}

// withParams returns a value with parameters, spaces where it can be folded.
func (c *Composer) withParams(value string, params []Param) string {
	var b strings.Builder
	b.WriteString(value)
	for _, p := range params {
		if token, rest := takeToken([]byte(p.Name)); len(rest) > 0 || len(token) == 0 {
			c.fail(fmt.Errorf("%w: parameter name %.40q", ErrCompose, p.Name))
			return ""
		}
		v := oneLine(lenientUTF8(p.Value))
		switch {
		case len(v) <= 200 && (c.o.UTF8 || !needsEncoding(v)):
			b.WriteString("; " + p.Name + "=" + quoteParam(v))
		case p.Name == "name":
			// RFC 2047 5 forbids it, but programs that do not know RFC 2231 look here.
			b.WriteString(`; name="` + string(appendEncodedWords(nil, v)) + `"`)
		default:
			writeExtended(&b, p.Name, v)
		}
	}
	return b.String()
}

// quoteParam quotes a value unless it is a token.
func quoteParam(v string) string {
	if token, rest := takeToken([]byte(v)); len(rest) == 0 && len(token) > 0 {
		return v
	}
	return quoteString(v)
}

// writeExtended writes a parameter in the form of RFC 2231, continued where it is long.
func writeExtended(b *strings.Builder, name, value string) {
	const room = 60
	v := percentEncode(value)
	if len(v) <= room {
		b.WriteString("; " + name + "*=" + v)
		return
	}
	for n := 0; v != ""; n++ {
		cut := min(room, len(v))
		// Not within an escape.
		for i := 1; i <= 2 && cut < len(v); i++ {
			if v[cut-i] == '%' {
				cut -= i
				break
			}
		}
		fmt.Fprintf(b, "; %s*%d*=%s", name, n, v[:cut])
		v = v[cut:]
	}
}

// content writes the content of a leaf.
func (c *Composer) content(b *Body, encoding string) {
	if c.err != nil || b.Content == nil {
		return
	}
	var w io.WriteCloser
	switch encoding {
	case "base64":
		w = &base64Writer{w: c.w}
	case "quoted-printable":
		w = &qpWriter{w: c.w, text: b.Type == "text"}
	case "", "8bit", "binary":
		w = &crlfWriter{w: c.w}
	default:
		c.fail(fmt.Errorf("%w: encoding %.40q", ErrCompose, encoding))
		return
	}
	if _, err := io.Copy(w, b.Content); err != nil {
		c.fail(fmt.Errorf("writing part: %w", err))
	} else if err := w.Close(); err != nil {
		c.fail(fmt.Errorf("writing part: %w", err))
	}
}
