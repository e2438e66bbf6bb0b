package jmapserver

import (
	"bytes"
	"cmp"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"mox/jmap"
	"mox/message"
)

// maxBodyValue bounds what a value of a part can have, in octets, whatever is asked for.
const maxBodyValue = 16 << 20

// partID is the number of a part, as in IMAP.
func partID(path []int) string {
	var s []string
	for _, n := range path {
		s = append(s, strconv.Itoa(n))
	}
	return strings.Join(s, ".")
}

func (v *emailView) partObjects(parts []*message.Part) ([]object, error) {
	l := []object{}
	for _, p := range parts {
		o, err := v.partObject(p, false)
		if err != nil {
			return nil, err
		}
		l = append(l, o)
	}
	return l, nil
}

// partOctets is what an EmailBodyPart is counted as while its Email is made; the Email is counted as it is after that.
const partOctets = 200

// partObject makes the EmailBodyPart of a part, RFC 8621 4.1.4; with those below it in bodyStructure.
func (v *emailView) partObject(p *message.Part, structure bool) (object, error) {
	if err := cmp.Or(v.c.charge(partOctets), v.ctx.Err()); err != nil {
		return nil, err
	}
	o := object{}
	var header *message.Header
	for _, name := range v.plan.parts {
		h := v.plan.headers[name]
		if header == nil && (name == "headers" || h != nil) {
			var err error
			if header, err = v.partHeader(p); err != nil {
				return nil, err
			}
		}
		switch {
		case h != nil:
			o[name] = h.Value(header)
		case name == "headers":
			o[name] = jmap.Headers(header)
		case name == "size":
			n, err := v.partSize(p)
			if err != nil {
				return nil, err
			}
			o[name] = n
		case name != "subParts":
			o[name] = v.partProperty(p, name)
		}
	}
	if structure && p.IsMultipart() {
		subs := []object{}
		for _, sub := range p.Parts {
			s, err := v.partObject(sub, true)
			if err != nil {
				return nil, err
			}
			subs = append(subs, s)
		}
		o["subParts"] = subs
	}
	return o, nil
}

func (v *emailView) partProperty(p *message.Part, name string) any {
	value := ""
	switch name {
	case "partId":
		return orNull(!p.IsMultipart(), func() any { return partID(v.number[p]) })
	case "blobId":
		return orNull(!p.IsMultipart(), func() any { return partBlobID(v.blob, v.number[p]) })
	case "type":
		return strings.ToValidUTF8(p.MediaType(), "\uFFFD")
	case "language":
		return orNull(len(p.Language) > 0, func() any { return p.Language })
	case "name":
		value = p.Filename()
	case "charset":
		value = p.Charset()
	case "disposition":
		value = p.Disposition
	case "cid":
		value = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(p.ID), "<"), ">")
	case "location":
		value = p.Location
	}
	return orNull(value != "", func() any { return strings.ToValidUTF8(value, "\uFFFD") })
}

// partSize is the size of a part, decoded; that of a multipart is its body's.
func (v *emailView) partSize(p *message.Part) (int64, error) {
	if p.IsMultipart() || !encoded(p) {
		return p.BodySize(), nil
	}
	if v.e != nil {
		if n, ok := v.m.derived.size(v.e.body, partID(v.number[p])); ok {
			return n, nil
		}
	}
	ra, err := v.content()
	if err != nil {
		return 0, err
	}
	n, err := contentSize(p, ra)
	if err == nil && v.e != nil {
		v.m.derived.setSize(v.e.body, partID(v.number[p]), n)
	}
	return n, err
}

// bodyValue is RFC 8621 4.1.4.
type bodyValue struct {
	Value             string `json:"value"`
	IsEncodingProblem bool   `json:"isEncodingProblem"`
	IsTruncated       bool   `json:"isTruncated"`
}

// bodyValues are the values that were asked for.
func (v *emailView) bodyValues() (map[string]bodyValue, error) {
	values := map[string]bodyValue{}
	add := func(parts []*message.Part) error {
		for _, p := range parts {
			id := partID(v.number[p])
			if _, ok := values[id]; ok || p.Type != "text" || p.IsMultipart() {
				continue
			}
			ra, err := v.content()
			if err != nil {
				return err
			}
			value, err := readValue(p, ra, v.plan.MaxBodyValueBytes)
			if err := cmp.Or(err, v.c.charge(int64(len(value.Value)))); err != nil {
				return err
			}
			values[id] = value
		}
		return nil
	}
	b, err := v.lists()
	if err != nil {
		return nil, err
	}
	if v.plan.FetchTextBodyValues {
		err = add(b.Text)
	}
	if err == nil && v.plan.FetchHTMLBodyValues {
		err = add(b.HTML)
	}
	if err == nil && v.plan.FetchAllBodyValues {
		for p := range v.number {
			if err = add([]*message.Part{p}); err != nil {
				break
			}
		}
	}
	return values, err
}

// readValue reads the text of a part, at most so many octets; 0: as much as there may be.
func readValue(p *message.Part, ra io.ReaderAt, most int64) (bodyValue, error) {
	if most == 0 || most > maxBodyValue {
		most = maxBodyValue
	}
	// CR LF becomes LF: what is left of so much is enough.
	b, err := io.ReadAll(io.LimitReader(p.Text(ra), 2*most+utf8.UTFMax))
	if err != nil {
		return bodyValue{}, err
	}
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	v := bodyValue{IsTruncated: int64(len(b)) > most}
	if v.IsTruncated {
		b = cutText(b[:most], p.Subtype == "html")
	}
	v.Value = strings.ToValidUTF8(string(b), "\uFFFD")
	_, err = message.CharsetReader(p.Charset(), strings.NewReader(""))
	_, unknown := p.Decoded(strings.NewReader(""))
	v.IsEncodingProblem = err != nil || unknown != nil || strings.ContainsRune(v.Value, utf8.RuneError)
	return v, nil
}

// cutText ends text that was cut anywhere at a character, and HTML before a tag that is not whole.
func cutText(b []byte, html bool) []byte {
	for i := 1; i <= utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				b = b[:len(b)-i]
			}
			break
		}
	}
	if html {
		if i := bytes.LastIndexByte(b, '<'); i >= 0 && !tagEnds(b[i:]) {
			b = b[:i]
		}
	}
	return b
}

// tagEnds tells whether a tag that b begins with ends in it: ">" in quotes does not.
func tagEnds(b []byte) bool {
	quote := byte(0)
	for _, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return true
		}
	}
	return false
}
