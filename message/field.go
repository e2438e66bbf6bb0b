package message

import (
	"bytes"
	"strings"
)

// fieldID names the header fields that the parser keeps.
type fieldID uint8

const (
	fieldNone fieldID = iota
	fieldContentType
	fieldContentEncoding
	fieldContentID
	fieldContentDescription
	fieldContentMD5
	fieldContentDisposition
	fieldContentLanguage
	fieldContentLocation
	fieldDate // the rest only in messages
	fieldSubject
	fieldFrom
	fieldSender
	fieldReplyTo
	fieldTo
	fieldCc
	fieldBcc
	fieldInReplyTo
	fieldMessageID
	fieldReferences
)

var fieldIDs = map[string]fieldID{
	"content-type":              fieldContentType,
	"content-transfer-encoding": fieldContentEncoding,
	"content-id":                fieldContentID,
	"content-description":       fieldContentDescription,
	"content-md5":               fieldContentMD5,
	"content-disposition":       fieldContentDisposition,
	"content-language":          fieldContentLanguage,
	"content-location":          fieldContentLocation,
	"date":                      fieldDate,
	"subject":                   fieldSubject,
	"from":                      fieldFrom,
	"sender":                    fieldSender,
	"reply-to":                  fieldReplyTo,
	"to":                        fieldTo,
	"cc":                        fieldCc,
	"bcc":                       fieldBcc,
	"in-reply-to":               fieldInReplyTo,
	"message-id":                fieldMessageID,
	"references":                fieldReferences,
}

const maxFieldID = len("content-transfer-encoding")

// fieldState is what the parser knows of the header being read.
type fieldState struct {
	id       fieldID // the field being collected
	value    []byte  // of it, line ends removed
	seen     uint32  // bits of fieldIDs that are done
	boundary string  // of the Content-Type
}

// maxFieldName bounds how far the colon of a field is looked for. RFC 5322 2.1.1: a
// line has at most 998 characters.
const maxFieldName = 998

// fieldName returns the length of the field name that the line starts with, and the
// index of its colon; ok is false when the line is not the start of a field.
//
// RFC 5322 2.2, 4.5: a name of printable ASCII, in obsolete syntax with white space
// before the colon. Bytes of 8 bit are let through.
func fieldName(line []byte) (name, colon int, ok bool) {
	i, n := 0, min(len(line), maxFieldName)
	for i < n && line[i] > ' ' && line[i] != ':' && line[i] != 0x7f {
		i++
	}
	name = i
	for i < n && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	return name, i, name > 0 && i < n && line[i] == ':'
}

func isBlankLine(line []byte) bool {
	return len(line) == 1 && line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// isMboxLine reports whether the line is the envelope line of a mailbox file, which
// some put before the header.
func isMboxLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// header consumes the header of a part, and the empty line after it if there is one.
// A line that is no field starts the body. If a delimiter line follows instead, it is
// returned, not consumed.
func (p *parser) header(part *Part, isMessage bool) (d delimiter, delimited bool) {
	f := &p.field
	*f = fieldState{value: f.value[:0]}
	defer p.endField(part)
	start, fields, first := p.offset(), 0, true
	inField, lineStart := false, true
	for ; ; first = false {
		line := p.line()
		if len(line) == 0 {
			return d, false
		}
		if !lineStart {
			// More of a line that is longer than the buffer.
			p.collect(line)
		} else if isBlankLine(line) {
			p.consume(len(line))
			return d, false
		} else if d, ok := p.headerDelimiter(line); ok {
			return d, true
		} else if (line[0] == ' ' || line[0] == '\t') && inField {
			p.collect(line)
		} else {
			if first && len(line) > 3 && string(line[:3]) == "\xef\xbb\xbf" {
				p.consume(3) // byte order mark
				line = line[3:]
			}
			name, colon, ok := fieldName(line)
			if !ok && !(first && isMessage && isMboxLine(line)) {
				return d, false
			}
			p.endField(part)
			if inField = ok; ok {
				fields++
				if fields <= p.lim.HeaderFields && p.offset()-start < int64(p.lim.HeaderBytes) {
					p.startField(line[:name], isMessage)
					p.collect(line[colon+1:])
				}
			}
		}
		lineStart = line[len(line)-1] == '\n'
		p.consume(len(line))
	}
}

// headerDelimiter looks for a delimiter line at the start of a line of a header.
func (p *parser) headerDelimiter(line []byte) (delimiter, bool) {
	if len(p.delims) == 0 || len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return delimiter{}, false
	}
	d, ok := p.delimiter()
	if ok && !d.final && !p.open[d.level].reserved && p.parts >= p.lim.Parts {
		return d, false // no more parts, see delimited
	}
	return d, ok
}

func (p *parser) startField(name []byte, isMessage bool) {
	var lower [maxFieldID]byte
	if len(name) > len(lower) || len(name) < 2 {
		return
	}
	for i, c := range name {
		lower[i] = lowerByte(c)
	}
	id := fieldIDs[string(lower[:len(name)])]
	if id >= fieldDate && !isMessage {
		return
	}
	p.field.id = id
	p.field.value = p.field.value[:0]
}

// collect adds a line, or the part of it after the colon, to the field's value.
func (p *parser) collect(line []byte) {
	if p.field.id == fieldNone {
		return
	}
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	room := max(0, p.lim.FieldBytes-len(p.field.value))
	p.field.value = append(p.field.value, line[:min(room, len(line))]...)
}

// endField puts the field that was collected into the part.
func (p *parser) endField(part *Part) {
	f := &p.field
	id := f.id
	f.id = fieldNone
	if id == fieldNone {
		return
	}
	again := f.seen&(1<<id) != 0
	f.seen |= 1 << id
	if again && id != fieldTo && id != fieldCc && id != fieldBcc {
		return
	}
	// What is kept is safe to print as one line, NUL included.
	value := f.value
	for i, c := range value {
		if c == 0 || c == '\r' || c == '\n' {
			value[i] = ' '
		}
	}
	value = bytes.TrimSpace(value)
	if id >= fieldDate {
		p.envelopeField(part.Envelope, id, value)
	} else {
		p.mimeField(part, id, value)
	}
}

// keep takes n bytes from what the tree may keep, and reports whether there were as many.
func (p *parser) keep(n int) bool {
	if p.kept+n > p.lim.KeptBytes {
		return false
	}
	p.kept += n
	return true
}

// str returns b as a string that shares its memory with others, "" when the tree may
// keep no more.
func (p *parser) str(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := commonStrings[string(b)]; ok {
		return s
	}
	if !p.keep(len(b)) {
		return ""
	}
	if len(b) > 512 {
		return string(b)
	}
	// A Builder never moves what was written while it has room, so that parts of its
	// string stay valid.
	if p.arena.Cap()-p.arena.Len() < len(b) {
		p.arena.Reset()
		p.arena.Grow(1024)
	}
	n := p.arena.Len()
	p.arena.Write(b)
	return p.arena.String()[n:]
}

func (p *parser) mimeField(part *Part, id fieldID, value []byte) {
	switch id {
	case fieldContentType:
		typ, subtype, rest, ok := parseMediaType(value)
		if !ok {
			return // RFC 2045 5.2: as if there were none
		}
		part.Type, part.Subtype = p.token(typ), p.token(subtype)
		if part.Subtype == "" {
			part.Type = "" // no room
			return
		}
		part.Params = p.params(rest)
		if part.Type == "multipart" {
			p.field.boundary = boundaryParam(part.Params, rest)
		}
	case fieldContentEncoding:
		part.Encoding = p.token(firstToken(value))
	case fieldContentID:
		part.ID = p.str(value)
	case fieldContentDescription:
		part.Description = p.str(value)
	case fieldContentMD5:
		part.MD5 = p.str(value)
	case fieldContentLocation:
		part.Location = p.str(value)
	case fieldContentDisposition:
		disposition, rest := parseDisposition(value)
		part.Disposition = p.token(disposition)
		part.DispositionParams = p.params(rest)
	case fieldContentLanguage:
		// RFC 3282 2: a list of tags with comments.
		for tag := range strings.SplitSeq(stripComments(string(value)), ",") {
			if tag = strings.TrimSpace(tag); tag != "" && len(part.Language) < p.lim.Params && p.keep(16+len(tag)) {
				part.Language = append(part.Language, tag)
			}
		}
	}
}

// token returns b in lower case.
func (p *parser) token(b []byte) string {
	if len(b) > maxFieldName {
		return ""
	}
	for i, c := range b {
		b[i] = lowerByte(c)
	}
	return p.str(b)
}

func (p *parser) params(b []byte) []Param {
	if len(b) == 0 {
		return nil
	}
	list := parseParams(b, p.lim.Params, p.str)
	for i := range list {
		if !p.keep(paramCost) {
			if i == 0 {
				return nil
			}
			return list[:i]
		}
	}
	return list
}

// Estimates of the memory of a Param and an Address, without their strings.
const (
	paramCost   = 64
	addressCost = 80
)

func (p *parser) envelopeField(e *Envelope, id fieldID, value []byte) {
	switch id {
	case fieldDate:
		e.Date = p.str(value)
		e.present |= presentDate
	case fieldSubject:
		e.Subject = p.str(value)
		e.present |= presentSubject
	case fieldInReplyTo:
		e.InReplyTo = p.str(value)
		e.present |= presentInReplyTo
	case fieldMessageID:
		e.MessageID = p.str(value)
		e.present |= presentMessageID
	case fieldReferences:
		e.References = p.str(value)
	case fieldFrom:
		e.From = p.addresses(nil, value)
	case fieldSender:
		e.Sender = p.addresses(nil, value)
	case fieldReplyTo:
		e.ReplyTo = p.addresses(nil, value)
	case fieldTo:
		e.To = p.addresses(e.To, value)
	case fieldCc:
		e.Cc = p.addresses(e.Cc, value)
	case fieldBcc:
		e.Bcc = p.addresses(e.Bcc, value)
	}
}

func (p *parser) addresses(list []Address, value []byte) []Address {
	room := min(p.lim.Addresses, len(list)+(p.lim.KeptBytes-p.kept-len(value))/addressCost)
	s := p.str(value)
	if s == "" {
		return list
	}
	had := len(list)
	list = appendAddresses(list, s, room)
	p.kept += (len(list) - had) * addressCost
	return list
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
