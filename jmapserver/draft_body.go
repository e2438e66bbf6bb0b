package jmapserver

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"slices"
	"strings"

	"mox/jmap"
	"mox/message"
)

// Bounds of bodies that clients make.
const (
	maxDraftParts = 500
	maxDraftDepth = 20
)

// partInput is EmailBodyPart (RFC 8621 4.1.4), without header fields.
type partInput struct {
	PartID      *string           `json:"partId"`
	BlobID      *string           `json:"blobId"`
	Size        *int64            `json:"size"`
	Name        *string           `json:"name"`
	Type        *string           `json:"type"`
	Charset     *string           `json:"charset"`
	Disposition *string           `json:"disposition"`
	CID         *string           `json:"cid"`
	Language    []string          `json:"language"`
	Location    *string           `json:"location"`
	SubParts    []json.RawMessage `json:"subParts"`
}

// readBody makes the body: of bodyStructure, or of texts and attachments.
func (d *draft) readBody(props map[string]json.RawMessage) error {
	if v, ok := props["bodyValues"]; ok {
		if err := decodeObjectAs("bodyValues", v, &d.values); err != nil {
			return err
		}
		for id, v := range d.values {
			if v.IsEncodingProblem || v.IsTruncated {
				return jmap.InvalidProperty("bodyValues", "value %.100q has isEncodingProblem or isTruncated", id)
			}
		}
	}
	whole, ok := props["bodyStructure"]
	if !ok {
		return d.simpleBody(props)
	}
	for _, name := range []string{"textBody", "htmlBody", "attachments"} {
		if props[name] != nil {
			return jmap.InvalidProperty(name, "there is bodyStructure too")
		}
	}
	var err error
	d.body, err = d.part("bodyStructure", whole, 0)
	return err
}

func decodeObjectAs(name string, v json.RawMessage, to any) error {
	if err := decodeStrict(v, to); err != nil {
		return jmap.InvalidProperty(name, "%v", err)
	}
	return nil
}

// simpleBody is, with whatever is not there left out: mixed(alternative(text, related(html, inline files)), attached files).
func (d *draft) simpleBody(props map[string]json.RawMessage) error {
	text, err := d.oneText(props, "textBody", "plain")
	if err != nil {
		return err
	}
	html, err := d.oneText(props, "htmlBody", "html")
	if err != nil {
		return err
	}
	var list []json.RawMessage
	if v := props["attachments"]; v != nil {
		if err := decodeObjectAs("attachments", v, &list); err != nil {
			return err
		}
	}
	var inline, attached []*message.Body
	for _, v := range list {
		b, err := d.part("attachments", v, 0)
		if err != nil {
			return err
		}
		if html != nil && b.ID != "" && b.Disposition != "attachment" {
			inline = append(inline, b)
			continue
		}
		if b.Disposition == "" {
			b.Disposition = "attachment"
		}
		attached = append(attached, b)
	}
	if len(inline) > 0 {
		html = message.RelatedBody(append([]*message.Body{html}, inline...)...)
	}
	switch {
	case text != nil && html != nil:
		d.body = message.AlternativeBody(text, html)
	case html != nil:
		d.body = html
	case text != nil:
		d.body = text
	case len(attached) == 0:
		d.body = message.TextBody("", false)
	}
	if len(attached) > 0 {
		if d.body != nil {
			attached = append([]*message.Body{d.body}, attached...)
		}
		d.body = message.MixedBody(attached...)
	}
	return nil
}

// oneText is textBody or htmlBody: exactly one part, of that type.
func (d *draft) oneText(props map[string]json.RawMessage, name, subtype string) (*message.Body, error) {
	v := props[name]
	if v == nil {
		return nil, nil
	}
	var list []json.RawMessage
	if err := decodeObjectAs(name, v, &list); err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, jmap.InvalidProperty(name, "it has %d parts in place of one", len(list))
	}
	b, err := d.part(name, list[0], 0)
	if err == nil && (b.Type != "text" || b.Subtype != subtype) {
		err = jmap.InvalidProperty(name, "the part is of type %s/%s in place of text/%s", b.Type, b.Subtype, subtype)
	}
	return b, err
}

// part makes a part, and those below it.
func (d *draft) part(prop string, v json.RawMessage, depth int) (*message.Body, error) {
	if d.parts++; d.parts > maxDraftParts || depth > maxDraftDepth {
		return nil, jmap.InvalidProperty(prop, "more than %d parts, or %d levels of them", maxDraftParts, maxDraftDepth)
	}
	in, fields, err := d.splitPart(prop, v)
	if err != nil {
		return nil, err
	}
	typ, subtype, err := in.mediaType(fields)
	if err != nil {
		return nil, jmap.InvalidProperty(prop, "%v", err)
	}
	var b *message.Body
	if typ == "multipart" {
		b, err = d.multipart(prop, in, subtype, depth)
	} else {
		b, err = d.leaf(prop, in, typ, subtype)
	}
	if err != nil {
		return nil, err
	}
	return b, d.partFields(prop, b, in, fields, depth)
}

// splitPart separates header fields of a part from the rest.
func (d *draft) splitPart(prop string, v json.RawMessage) (*partInput, map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(v, &all); err != nil || all == nil {
		return nil, nil, jmap.InvalidProperty(prop, "a part is not an object")
	}
	fields := map[string]json.RawMessage{}
	for name, v := range all {
		if strings.HasPrefix(name, "header:") {
			fields[name] = v
			delete(all, name)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, nil, err
	}
	in := &partInput{}
	if err := decodeStrict(b, in); err != nil {
		return nil, nil, jmap.InvalidProperty(prop, "a part: %v", err)
	}
	return in, fields, nil
}

// mediaType is that of a part; what is not said follows from what it has.
func (in *partInput) mediaType(fields map[string]json.RawMessage) (typ, subtype string, err error) {
	whole := "text/plain"
	switch {
	case in.Type != nil:
		whole = *in.Type
	case len(in.SubParts) > 0:
		whole = "multipart/mixed"
	case in.BlobID != nil:
		whole = "application/octet-stream"
	}
	mt, params, err := mime.ParseMediaType(whole)
	typ, subtype, ok := strings.Cut(mt, "/")
	if err != nil || !ok || len(params) > 0 {
		return "", "", jmap.InvalidProperty("type", "%.100q is not a media type without parameters", whole)
	}
	return typ, subtype, nil
}

func (d *draft) multipart(prop string, in *partInput, subtype string, depth int) (*message.Body, error) {
	if in.PartID != nil || in.BlobID != nil || in.Charset != nil || len(in.SubParts) == 0 {
		return nil, jmap.InvalidProperty(prop, "a multipart has subParts, and neither partId, blobId nor charset")
	}
	b := &message.Body{Type: "multipart", Subtype: subtype}
	for _, v := range in.SubParts {
		sub, err := d.part(prop, v, depth+1)
		if err != nil {
			return nil, err
		}
		b.Parts = append(b.Parts, sub)
	}
	if subtype == "related" {
		b.Params = message.RelatedBody(b.Parts...).Params
	}
	return b, nil
}

// leaf is a part with content: a value, or a blob.
func (d *draft) leaf(prop string, in *partInput, typ, subtype string) (*message.Body, error) {
	switch {
	case len(in.SubParts) > 0:
		return nil, jmap.InvalidProperty(prop, "a part of type %s/%s has subParts", typ, subtype)
	case (in.PartID == nil) == (in.BlobID == nil):
		return nil, jmap.InvalidProperty(prop, "a part has either partId or blobId")
	case in.BlobID != nil:
		return d.blobPart(in, typ, subtype)
	case in.Charset != nil || in.Size != nil:
		return nil, jmap.InvalidProperty(prop, "a part with partId has charset or size")
	}
	v, ok := d.values[*in.PartID]
	if !ok {
		return nil, jmap.InvalidProperty(prop, "there is no value %.100q in bodyValues", *in.PartID)
	}
	if typ == "text" {
		b := message.TextBody(v.Value, false)
		b.Subtype = subtype
		return b, nil
	}
	return &message.Body{Type: typ, Subtype: subtype, Content: strings.NewReader(v.Value)}, nil
}

// blobPart is a part with the content of a blob.
func (d *draft) blobPart(in *partInput, typ, subtype string) (*message.Body, error) {
	id, ok := d.resolveID(*in.BlobID)
	var b *message.Body
	if ok {
		blob, err := openBlob(d.ctx, d.acc, id)
		if err != nil && !errors.Is(err, errNoBlob) {
			return nil, err
		}
		if err == nil {
			defer blob.Close()
			b = &message.Body{Type: typ, Subtype: subtype}
			if err := setMessageEncoding(b, blob); err != nil {
				return nil, err
			}
		}
	}
	if b == nil {
		if !slices.Contains(d.notFound, jmap.ID(*in.BlobID)) {
			d.notFound = append(d.notFound, jmap.ID(*in.BlobID))
		}
		return &message.Body{Type: typ, Subtype: subtype}, nil
	}
	lazy := &lazyBlob{d: d, id: id}
	d.blobs = append(d.blobs, lazy)
	b.Content = lazy
	if in.Charset != nil && *in.Charset != "" {
		b.Params = []message.Param{{Name: "charset", Value: *in.Charset}}
	}
	return b, nil
}

// setMessageEncoding sets that of a message that is a part: RFC 2046 5.2.1, it may not be encoded.
func setMessageEncoding(b *message.Body, content *blob) error {
	if b.Type != "message" {
		return nil
	}
	seven, err := message.Is7Bit(content.Reader())
	b.Encoding = "8bit"
	if seven {
		b.Encoding = "7bit"
	}
	return err
}

// partFields sets what is in the header of a part.
func (d *draft) partFields(prop string, b *message.Body, in *partInput, fields map[string]json.RawMessage, depth int) error {
	if in.Disposition != nil {
		b.Disposition = strings.ToLower(*in.Disposition)
	}
	if in.Name != nil && *in.Name != "" {
		if b.Disposition == "" {
			b.Disposition = "attachment"
			if in.CID != nil {
				b.Disposition = "inline"
			}
		}
		b.Params = append(b.Params, message.Param{Name: "name", Value: *in.Name})
		b.DispositionParams = []message.Param{{Name: "filename", Value: *in.Name}}
	}
	if in.CID != nil {
		b.ID = strings.Trim(*in.CID, "<>")
		if b.ID == "" || len(b.ID) > 900 || strings.ContainsFunc(b.ID, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '<' || r == '>' }) {
			return jmap.InvalidProperty(prop, "%.100q cannot be a cid", *in.CID)
		}
	}
	seen := map[string]bool{"content-type": true, "content-transfer-encoding": true, "content-disposition": b.Disposition != "", "content-id": b.ID != ""}
	if len(in.Language) > 0 {
		seen["content-language"] = true
		b.Fields = append(b.Fields, message.Param{Name: "Content-Language", Value: strings.Join(in.Language, ", ")})
	}
	if in.Location != nil {
		seen["content-location"] = true
		b.Fields = append(b.Fields, message.Param{Name: "Content-Location", Value: *in.Location})
	}
	for _, f := range b.Fields {
		if strings.ContainsFunc(f.Value, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
			return jmap.InvalidProperty(prop, "%s has control characters, or is not ASCII", f.Name)
		}
	}
	return d.moreFields(prop, b, fields, seen, depth)
}

// moreFields adds header:* properties of a part.
func (d *draft) moreFields(prop string, b *message.Body, fields map[string]json.RawMessage, seen map[string]bool, depth int) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		h, err := headerName(name)
		if err != nil {
			return jmap.InvalidProperty(prop, "%s", err.Error())
		}
		field, l := h.Name, strings.ToLower(h.Name)
		switch {
		case l == "content-transfer-encoding":
			return jmap.InvalidProperty(prop, "the Content-Transfer-Encoding is chosen by the server")
		case l == "content-type":
			return jmap.InvalidProperty(prop, "the Content-Type of a part is given by type, charset and name")
		case seen[l]:
			return jmap.InvalidProperty(prop, "header field %s of a part is given twice", field)
		case depth == 0 && prop == "bodyStructure" && d.top[l]:
			return jmap.InvalidProperty(prop, "header field %s is given for the Email too", field)
		}
		seen[l] = true
		sub := &draft{setting: d.setting}
		if _, err := sub.header(name, fields[name]); err != nil {
			return err
		}
		d.utf8 = d.utf8 || sub.utf8
		for _, f := range sub.fields {
			value, err := fieldValue(f, d.utf8)
			if err != nil {
				return err
			}
			b.Fields = append(b.Fields, message.Param{Name: f.name, Value: value})
		}
	}
	return nil
}

// fieldValue is what a field is written as, unfolded.
func fieldValue(f draftField, utf8 bool) (string, error) {
	var w strings.Builder
	c := message.NewComposer(&w, message.ComposeOptions{UTF8: utf8})
	f.write(c)
	if err := c.WriteBody(message.TextBody("", false)); err != nil {
		return "", jmap.SetErrorf(jmap.SetInvalidProperties, "%v", err)
	}
	header := message.ParseHeader([]byte(w.String()))
	v := header.Get(f.name)
	return strings.NewReplacer("\r\n", "").Replace(v), nil
}

// lazyBlob reads a blob, which is opened when it is read first, and closed at its end.
type lazyBlob struct {
	d    *draft
	id   jmap.ID
	blob *blob
	r    io.Reader
	done bool
}

// Read implements [io.Reader].
func (b *lazyBlob) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	if b.blob == nil {
		blob, err := openBlob(b.d.ctx, b.d.acc, b.id)
		if err != nil {
			return 0, err
		}
		b.blob, b.r = blob, blob.Reader()
	}
	n, err := b.r.Read(p)
	if err == io.EOF {
		b.Close()
	}
	return n, err
}

// Close ends reading.
func (b *lazyBlob) Close() {
	b.done = true
	if b.blob != nil {
		b.blob.Close()
		b.blob = nil
	}
}
