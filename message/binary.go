package message

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The binary form of a tree, version 1: the byte 1, then the root. Numbers are
// unsigned varints, strings are an index in stringTable times two, or their length
// times two plus one and their bytes. A part is:
//
//	fields     bits: which of the following are there
//	HeaderStart, after the end of what came before: the parent's BodyStart or the
//	           BodyEnd of the part before in the same multipart
//	header size, body size, Lines
//	Type, Subtype
//	flags      if not zero
//	Params and so on in the order of the bits
//	Envelope
//	Parts      number, then each
//	Message
//
// A list is its length and its elements. What one release writes, all later ones read.
const binaryVersion = 1

// ErrCorrupt says that bytes given to [DecodePart] are not what AppendBinary wrote.
var ErrCorrupt = errors.New("corrupt part tree")

const (
	hasFlags = 1 << iota
	hasParams
	hasEncoding
	hasDisposition
	hasDispositionParams
	hasID
	hasDescription
	hasMD5
	hasLocation
	hasLanguage
	hasEnvelope
	hasParts
	hasMessage
)

var stringIndex = func() map[string]int {
	m := make(map[string]int, len(stringTable))
	for i, s := range stringTable {
		m[s] = i
	}
	return m
}()

// AppendBinary appends the whole tree in a compact, versioned binary form, for
// [DecodePart].
func (p *Part) AppendBinary(dst []byte) []byte {
	e := encoder{dst: append(dst, binaryVersion), envelopes: true}
	e.part(p, 0)
	return e.dst
}

// AppendBinaryStructure is [Part.AppendBinary] without the envelopes, for those who
// keep the rendered ENVELOPE beside it: it has all that reading sections needs.
func (p *Part) AppendBinaryStructure(dst []byte) []byte {
	e := encoder{dst: append(dst, binaryVersion)}
	e.part(p, 0)
	return e.dst
}

type encoder struct {
	dst       []byte
	envelopes bool
}

func (e *encoder) number(n int64) { e.dst = binary.AppendUvarint(e.dst, uint64(max(0, n))) }

func (e *encoder) str(s string) {
	if i, ok := stringIndex[s]; ok {
		e.number(int64(i) << 1)
		return
	}
	e.number(int64(len(s))<<1 | 1)
	e.dst = append(e.dst, s...)
}

func (p *Part) binaryFields(envelopes bool) (bits int64) {
	for i, has := range []bool{
		p.flags != 0, len(p.Params) > 0, p.Encoding != "", p.Disposition != "", len(p.DispositionParams) > 0,
		p.ID != "", p.Description != "", p.MD5 != "", p.Location != "", len(p.Language) > 0,
		envelopes && p.Envelope != nil, len(p.Parts) > 0, p.Message != nil,
	} {
		if has {
			bits |= 1 << i
		}
	}
	return bits
}

func (e *encoder) part(p *Part, after int64) {
	bits := p.binaryFields(e.envelopes)
	e.number(bits)
	e.number(p.HeaderStart - after)
	e.number(p.HeaderSize())
	e.number(p.BodySize())
	e.number(p.Lines)
	e.str(p.Type)
	e.str(p.Subtype)
	if bits&hasFlags != 0 {
		e.number(int64(p.flags))
	}
	if bits&hasParams != 0 {
		e.params(p.Params)
	}
	for i, s := range []string{p.Encoding, p.Disposition} {
		if bits&(hasEncoding<<i) != 0 {
			e.str(s)
		}
	}
	if bits&hasDispositionParams != 0 {
		e.params(p.DispositionParams)
	}
	for i, s := range []string{p.ID, p.Description, p.MD5, p.Location} {
		if bits&(hasID<<i) != 0 {
			e.str(s)
		}
	}
	if bits&hasLanguage != 0 {
		e.number(int64(len(p.Language)))
		for _, s := range p.Language {
			e.str(s)
		}
	}
	if bits&hasEnvelope != 0 {
		e.envelope(p.Envelope)
	}
	if bits&hasParts != 0 {
		e.number(int64(len(p.Parts)))
		after = p.BodyStart
		for _, c := range p.Parts {
			e.part(c, after)
			after = c.BodyEnd
		}
	}
	if bits&hasMessage != 0 {
		e.part(p.Message, p.BodyStart)
	}
}

func (e *encoder) params(list []Param) {
	e.number(int64(len(list)))
	for _, p := range list {
		form := int64(0)
		if p.Extended {
			form |= 1
		}
		if p.Raw != "" {
			form |= 2
		}
		e.number(form)
		e.str(p.Name)
		e.str(p.Value)
		if p.Raw != "" {
			e.str(p.Raw)
		}
	}
}

func (v *Envelope) stringFields() []*string {
	return []*string{&v.Date, &v.Subject, &v.InReplyTo, &v.MessageID, &v.References}
}

func (v *Envelope) addressFields() []*[]Address {
	return []*[]Address{&v.From, &v.Sender, &v.ReplyTo, &v.To, &v.Cc, &v.Bcc}
}

func (e *encoder) envelope(v *Envelope) {
	e.number(int64(v.present))
	for _, s := range v.stringFields() {
		e.str(*s)
	}
	for _, list := range v.addressFields() {
		e.number(int64(len(*list)))
		for _, a := range *list {
			route := int64(0)
			if a.Route != "" {
				route = 4
			}
			e.number(int64(a.Kind) | route)
			e.str(a.Name)
			if a.Route != "" {
				e.str(a.Route)
			}
			if a.Kind == AddressMailbox {
				e.str(a.Mailbox)
				e.str(a.Host)
			}
		}
	}
}

// DecodePart is the inverse of [Part.AppendBinary] and [Part.AppendBinaryStructure].
// Its error wraps [ErrCorrupt]. Time and memory are bounded by the length of b, which
// is not kept.
func DecodePart(b []byte) (*Part, error) {
	if len(b) == 0 || b[0] != binaryVersion {
		return nil, fmt.Errorf("%w: unknown version", ErrCorrupt)
	}
	d := decoderState{s: string(b[1:])}
	p := d.part(0, math.MaxInt64, 1)
	if d.bad || d.s != "" {
		return nil, fmt.Errorf("%w: at %d bytes from its end", ErrCorrupt, len(d.s))
	}
	return p, nil
}

// decoderState is the rest of the bytes; bad once they made no sense.
type decoderState struct {
	s   string
	bad bool
}

func (d *decoderState) fail() { d.bad, d.s = true, "" }

func (d *decoderState) number() int64 {
	var n uint64
	for i := range min(len(d.s), binary.MaxVarintLen64) {
		c := d.s[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if n > math.MaxInt64/4 {
				break
			}
			d.s = d.s[i+1:]
			return int64(n)
		}
	}
	d.fail()
	return 0
}

// count is a number of elements that take at least a byte each.
func (d *decoderState) count() int {
	n := d.number()
	if n > int64(len(d.s)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoderState) str() string {
	n := d.number()
	if n&1 == 0 {
		if n>>1 >= int64(len(stringTable)) {
			d.fail()
			return ""
		}
		return stringTable[n>>1]
	}
	n >>= 1
	if n > int64(len(d.s)) {
		d.fail()
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

// part decodes a part that starts after the offset and must end by end.
func (d *decoderState) part(after, end int64, depth int) *Part {
	bits := d.number()
	p := &Part{}
	p.HeaderStart = after + d.number()
	p.BodyStart = p.HeaderStart + d.number()
	p.BodyEnd = p.BodyStart + d.number()
	p.Lines = d.number()
	p.Type, p.Subtype = d.str(), d.str()
	// Each number is at most MaxInt64/4: one sum cannot overflow, and end bounds it.
	if p.BodyEnd < 0 || p.BodyEnd > min(end, math.MaxInt64/4) || depth > 2*maxDepth || p.Type == "" || p.Subtype == "" {
		d.fail()
		return p
	}
	d.fields(p, bits)
	if bits&hasParts != 0 {
		n := d.count()
		at := p.BodyStart
		for i := 0; i < n && !d.bad; i++ {
			c := d.part(at, p.BodyEnd, depth+1)
			at = c.BodyEnd
			p.Parts = append(p.Parts, c)
		}
	}
	if bits&hasMessage != 0 && !d.bad {
		p.Message = d.part(p.BodyStart, p.BodyEnd, depth+1)
	}
	// What all else relies on.
	if p.IsMultipart() != (len(p.Parts) > 0) || p.Message != nil && !p.IsMessage() {
		d.fail()
	}
	return p
}

func (d *decoderState) fields(p *Part, bits int64) {
	if bits&hasFlags != 0 {
		p.flags = partFlags(d.number())
	}
	if bits&hasParams != 0 {
		p.Params = d.params()
	}
	for i, s := range []*string{&p.Encoding, &p.Disposition} {
		if bits&(hasEncoding<<i) != 0 {
			*s = d.str()
		}
	}
	if bits&hasDispositionParams != 0 {
		p.DispositionParams = d.params()
	}
	for i, s := range []*string{&p.ID, &p.Description, &p.MD5, &p.Location} {
		if bits&(hasID<<i) != 0 {
			*s = d.str()
		}
	}
	if bits&hasLanguage != 0 {
		p.Language = make([]string, d.count())
		for i := range p.Language {
			p.Language[i] = d.str()
		}
	}
	if bits&hasEnvelope != 0 {
		p.Envelope = d.envelope()
	}
}

func (d *decoderState) params() []Param {
	n := d.count()
	list := make([]Param, 0, min(n, 16))
	for i := 0; i < n && !d.bad; i++ {
		form := d.number()
		p := Param{Extended: form&1 != 0, Name: d.str(), Value: d.str()}
		if form&2 != 0 {
			p.Raw = d.str()
		}
		list = append(list, p)
	}
	return list
}

func (d *decoderState) envelope() *Envelope {
	v := &Envelope{present: presentFields(d.number())}
	for _, s := range v.stringFields() {
		*s = d.str()
	}
	for _, list := range v.addressFields() {
		n := d.count()
		if n == 0 {
			continue
		}
		*list = make([]Address, 0, min(n, 64))
		for i := 0; i < n && !d.bad; i++ {
			form := d.number()
			a := Address{Kind: AddressKind(form & 3), Name: d.str()}
			if form&4 != 0 {
				a.Route = d.str()
			}
			if a.Kind == AddressMailbox {
				a.Mailbox, a.Host = d.str(), d.str()
			} else if a.Kind > AddressGroupEnd {
				d.fail()
			}
			*list = append(*list, a)
		}
	}
	return v
}
