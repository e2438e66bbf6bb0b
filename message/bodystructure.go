package message

import (
	"strings"
)

// AppendBodyStructure appends the IMAP BODYSTRUCTURE (extended) or BODY of the part,
// as it goes over the wire, literals included. For utf8 see [Part.AppendEnvelope]:
// without it, message/global is given like any other type (RFC 3501 knows only
// message/rfc822), and parameters that are not ASCII in the form of RFC 2231.
func (p *Part) AppendBodyStructure(dst []byte, extended, utf8 bool) []byte {
	w := wire{dst: dst, utf8: utf8}
	w.body(p, extended)
	return w.dst
}

func (w *wire) body(p *Part, extended bool) {
	w.dst = append(w.dst, '(')
	if p.IsMultipart() {
		w.multipart(p, extended)
	} else {
		w.leaf(p, extended)
	}
	w.dst = append(w.dst, ')')
}

// RFC 9051 9: body-type-mpart, body-ext-mpart.
func (w *wire) multipart(p *Part, extended bool) {
	for _, c := range p.Parts {
		w.body(c, extended)
	}
	if len(p.Parts) == 0 {
		w.body(emptyPart, extended) // the grammar wants one
	}
	w.space()
	w.raw(p.Subtype)
	if !extended {
		return
	}
	w.space()
	w.params(p.Params)
	w.dispositionAndRest(p)
}

var emptyPart = &Part{Type: "text", Subtype: "plain"}

// RFC 9051 9: body-type-basic, body-type-msg, body-type-text, body-ext-1part.
func (w *wire) leaf(p *Part, extended bool) {
	typ, subtype := p.Type, p.Subtype
	if typ == "" {
		typ, subtype = "text", "plain"
	}
	w.raw(typ)
	w.space()
	w.raw(subtype)
	w.space()
	params := p.Params
	if typ == "text" && findParam(params, "charset") == "" {
		// RFC 2046 4.1.2: the default, which clients want to see.
		params = append([]Param{{Name: "charset", Value: "us-ascii"}}, params...)
	}
	w.params(params)
	w.space()
	w.nstring(p.ID, false)
	w.space()
	w.nstring(p.Description, false)
	w.space()
	encoding := p.Encoding
	if encoding == "" {
		encoding = "7bit"
	}
	w.raw(encoding)
	w.space()
	w.number(p.BodySize())
	switch {
	case typ == "text":
		w.space()
		w.number(p.Lines)
	case p.IsMessage() && (subtype == "rfc822" || w.utf8):
		w.embedded(p, extended)
	}
	if !extended {
		return
	}
	w.space()
	w.nstring(p.MD5, false)
	w.dispositionAndRest(p)
}

// embedded appends what comes after the size of a message/rfc822: envelope, body
// and lines. A message that is itself encoded has an empty one.
func (w *wire) embedded(p *Part, extended bool) {
	m := p.Message
	if m == nil {
		m = emptyPart
	}
	w.space()
	w.dst = m.AppendEnvelope(w.dst, w.utf8)
	w.space()
	w.body(m, extended)
	w.space()
	w.number(p.Lines)
}

func (w *wire) dispositionAndRest(p *Part) {
	w.space()
	if p.Disposition == "" {
		w.nil()
	} else {
		w.dst = append(w.dst, '(')
		w.raw(p.Disposition)
		w.space()
		w.params(p.DispositionParams)
		w.dst = append(w.dst, ')')
	}
	w.space()
	switch len(p.Language) {
	case 0:
		w.nil()
	case 1:
		w.str(p.Language[0])
	default:
		w.dst = append(w.dst, '(')
		for i, tag := range p.Language {
			if i > 0 {
				w.space()
			}
			w.str(tag)
		}
		w.dst = append(w.dst, ')')
	}
	w.space()
	w.nstring(p.Location, false)
}

// params appends a parameter list, NIL when empty.
//
// RFC 9051 7.5.2: continuations are joined; a value with a charset (RFC 2231) is given
// as name*, which clients decode. So are those with raw 8-bit text for clients without
// UTF-8. Encoded-words, which RFC 2047 5 forbids here, stay as they are.
func (w *wire) params(list []Param) {
	if len(list) == 0 {
		w.nil()
		return
	}
	w.dst = append(w.dst, '(')
	for i := range list {
		p := &list[i]
		if i > 0 {
			w.space()
		}
		switch {
		case p.Raw != "":
			w.raw(p.Name)
			w.space()
			w.raw(p.Raw)
		case p.Extended || !w.utf8 && !isASCII(p.Value):
			w.raw(p.Name + "*")
			w.space()
			w.raw(percentEncode(p.Value))
		default:
			w.raw(p.Name)
			w.space()
			w.raw(p.Value)
		}
	}
	w.dst = append(w.dst, ')')
}

// percentEncode returns the value in the form of RFC 2231 4, in UTF-8 without language.
func percentEncode(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 32)
	b.WriteString("utf-8''")
	for i := 0; i < len(s); i++ {
		// RFC 2231 7: attribute-char.
		if c := s[i]; isTokenByte(c) && c != '*' && c != '\'' && c != '%' {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}
