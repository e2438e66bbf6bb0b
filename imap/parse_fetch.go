package imap

import (
	"math"
	"strconv"
)

// FetchKind is the kind of a fetch item.
type FetchKind uint8

// Kinds of fetch items: RFC 9051 6.4.5, RFC 3501 6.4.5 for the RFC822 ones, RFC 7162
// for MODSEQ, RFC 8474, RFC 8970, RFC 8514.
const (
	FetchFlags FetchKind = iota
	FetchUID
	FetchInternalDate
	FetchRFC822Size
	FetchModSeq
	FetchEnvelope
	FetchBody
	FetchBodyStructure
	FetchEmailID
	FetchThreadID
	FetchSaveDate
	FetchPreview
	FetchSection // BODY[...], and the RFC822 items that are the same data
	FetchBinary
	FetchBinarySize
	FetchAnnotation // RFC 5257
)

// SectionSpec is which bytes of a part a section names.
type SectionSpec uint8

// Section specifiers of RFC 9051 6.4.5.1.
const (
	SectionAll SectionSpec = iota
	SectionHeader
	SectionHeaderFields
	SectionHeaderFieldsNot
	SectionText
	SectionMIME
)

var sectionNames = [...]string{
	SectionHeader:          "HEADER",
	SectionHeaderFields:    "HEADER.FIELDS",
	SectionHeaderFieldsNot: "HEADER.FIELDS.NOT",
	SectionText:            "TEXT",
	SectionMIME:            "MIME",
}

// Section is section-spec. The zero value is the whole message.
type Section struct {
	Part   []int
	Spec   SectionSpec
	Fields []string // For HEADER.FIELDS and HEADER.FIELDS.NOT, as sent.
}

// Partial is "<" Offset "." Count ">".
type Partial struct {
	Offset int64
	Count  int64
}

// FetchAtt is one fetch item.
type FetchAtt struct {
	Kind    FetchKind
	Peek    bool // BODY.PEEK, BINARY.PEEK: \Seen is not set
	Lazy    bool // PREVIEW (LAZY)
	Section Section
	Partial *Partial
	// Annotation says which, for FetchAnnotation.
	Annotation *AnnotationFetch
	// Name is the item's name in the response when it is not BODY or BINARY:
	// "RFC822", "RFC822.HEADER", "RFC822.TEXT".
	Name string
}

// SetsSeen reports whether fetching the item sets \Seen.
func (a *FetchAtt) SetsSeen() bool {
	return (a.Kind == FetchSection || a.Kind == FetchBinary) && !a.Peek
}

// AppendLabel writes the name of the item as it is in the response: section
// included, partial as the origin only.
func (a *FetchAtt) AppendLabel(b []byte) []byte {
	switch {
	case a.Name != "":
		return append(b, a.Name...)
	case a.Kind == FetchSection:
		b = append(b, "BODY"...)
	case a.Kind == FetchBinary:
		b = append(b, "BINARY"...)
	case a.Kind == FetchBinarySize:
		return AppendSection(append(b, "BINARY.SIZE"...), a.Section)
	default:
		return append(b, fetchNames[a.Kind]...)
	}
	b = AppendSection(b, a.Section)
	if a.Partial != nil {
		b = append(b, '<')
		b = strconv.AppendInt(b, a.Partial.Offset, 10)
		b = append(b, '>')
	}
	return b
}

// AppendSection writes section with its brackets.
func AppendSection(b []byte, s Section) []byte {
	b = append(b, '[')
	for i, n := range s.Part {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	if s.Spec != SectionAll {
		if len(s.Part) > 0 {
			b = append(b, '.')
		}
		b = append(b, sectionNames[s.Spec]...)
	}
	if s.Spec == SectionHeaderFields || s.Spec == SectionHeaderFieldsNot {
		b = append(b, " ("...)
		for i, f := range s.Fields {
			if i > 0 {
				b = append(b, ' ')
			}
			b = AppendAString(b, f)
		}
		b = append(b, ')')
	}
	return append(b, ']')
}

var fetchNames = [...]string{
	FetchFlags:         "FLAGS",
	FetchUID:           "UID",
	FetchInternalDate:  "INTERNALDATE",
	FetchRFC822Size:    "RFC822.SIZE",
	FetchModSeq:        "MODSEQ",
	FetchEnvelope:      "ENVELOPE",
	FetchBody:          "BODY",
	FetchBodyStructure: "BODYSTRUCTURE",
	FetchEmailID:       "EMAILID",
	FetchThreadID:      "THREADID",
	FetchSaveDate:      "SAVEDATE",
	FetchPreview:       "PREVIEW",
	FetchSection:       "BODY",
	FetchBinary:        "BINARY",
	FetchBinarySize:    "BINARY.SIZE",
	FetchAnnotation:    "ANNOTATION",
}

// fetchItems are the items by name, with sections and modifiers still to be read.
var fetchItems = map[string]FetchAtt{
	"FLAGS":         {Kind: FetchFlags},
	"UID":           {Kind: FetchUID},
	"INTERNALDATE":  {Kind: FetchInternalDate},
	"RFC822.SIZE":   {Kind: FetchRFC822Size},
	"MODSEQ":        {Kind: FetchModSeq},
	"ENVELOPE":      {Kind: FetchEnvelope},
	"BODY":          {Kind: FetchBody},
	"BODY.PEEK":     {Kind: FetchSection, Peek: true},
	"BODYSTRUCTURE": {Kind: FetchBodyStructure},
	"EMAILID":       {Kind: FetchEmailID},
	"THREADID":      {Kind: FetchThreadID},
	"SAVEDATE":      {Kind: FetchSaveDate},
	"PREVIEW":       {Kind: FetchPreview},
	"BINARY":        {Kind: FetchBinary},
	"BINARY.PEEK":   {Kind: FetchBinary, Peek: true},
	"BINARY.SIZE":   {Kind: FetchBinarySize},
	"ANNOTATION":    {Kind: FetchAnnotation},
	"RFC822":        {Kind: FetchSection, Name: "RFC822"},
	"RFC822.HEADER": {Kind: FetchSection, Name: "RFC822.HEADER", Peek: true, Section: Section{Spec: SectionHeader}},
	"RFC822.TEXT":   {Kind: FetchSection, Name: "RFC822.TEXT", Section: Section{Spec: SectionText}},
}

// fetchMacros: RFC 9051 6.4.5; a macro stands alone.
var fetchMacros = map[string][]FetchAtt{
	"ALL":  {{Kind: FetchFlags}, {Kind: FetchInternalDate}, {Kind: FetchRFC822Size}, {Kind: FetchEnvelope}},
	"FAST": {{Kind: FetchFlags}, {Kind: FetchInternalDate}, {Kind: FetchRFC822Size}},
	"FULL": {{Kind: FetchFlags}, {Kind: FetchInternalDate}, {Kind: FetchRFC822Size}, {Kind: FetchEnvelope}, {Kind: FetchBody}},
}

const (
	maxFetchAtts    = 500
	maxHeaderFields = 500
	maxPartDepth    = 200
)

// parseFetch: RFC 9051 9: fetch, with the modifiers of RFC 7162.
func parseFetch(d *Decoder, r *Request) any {
	p := &d.s
	p.space()
	f := &Fetch{Set: p.numSet()}
	p.space()
	if p.accept('(') {
		for first := true; p.nextItem(&first); {
			f.Atts = append(f.Atts, p.fetchAtt(p.fetchName()))
			if len(f.Atts) > maxFetchAtts {
				p.fail("too many fetch items")
			}
		}
	} else {
		name := p.fetchName()
		if atts, ok := fetchMacros[name]; ok {
			f.Atts = atts
		} else {
			f.Atts = []FetchAtt{p.fetchAtt(name)}
		}
	}
	if p.accept(' ') {
		p.fetchModifiers(f, r.UID)
	}
	return f
}

// fetchName reads letters, digits, dots and hyphens up to a section or delimiter.
func (p *scanner) fetchName() string {
	start := p.pos
	for p.err == nil && p.pos < len(p.line) {
		c := p.line[p.pos]
		if c != '.' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			break
		}
		p.pos++
	}
	if p.pos == start {
		p.fail("expected fetch item")
	}
	return upper(string(p.line[start:p.pos]))
}

func (p *scanner) fetchAtt(name string) FetchAtt {
	a, ok := fetchItems[name]
	if !ok {
		p.fail("unknown fetch item %q", clip(name))
		return a
	}
	if name == "BODY" && p.peek() == '[' {
		a.Kind = FetchSection
	}
	switch {
	case a.Name != "":
	case a.Kind == FetchSection:
		a.Section = p.section(false)
		a.Partial = p.partial()
	case a.Kind == FetchBinary:
		a.Section = p.section(true)
		a.Partial = p.partial()
	case a.Kind == FetchBinarySize:
		a.Section = p.section(true)
	case a.Kind == FetchAnnotation:
		a.Annotation = p.annotationFetch()
	case a.Kind == FetchPreview:
		a.Lazy = p.previewModifiers()
	}
	return a
}

// previewModifiers: RFC 8970 5: "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"].
func (p *scanner) previewModifiers() (lazy bool) {
	if p.pos+1 >= len(p.line) || p.line[p.pos] != ' ' || p.line[p.pos+1] != '(' {
		return false
	}
	save := p.pos
	p.pos += 2
	// RFC 4466 fetch modifiers also start with "(": FETCH 1 PREVIEW (CHANGEDSINCE 5).
	if !p.acceptWord("LAZY") {
		p.pos = save
		return false
	}
	p.expect(')')
	return true
}

// section: "[" [section-spec] "]"; a section-binary has a part only.
func (p *scanner) section(binary bool) (s Section) {
	p.expect('[')
	for c := p.peek(); c >= '0' && c <= '9' && p.err == nil; c = p.peek() {
		n := p.number(math.MaxInt32, "part number")
		if n == 0 {
			p.fail("part number 0")
		}
		s.Part = append(s.Part, int(n))
		if len(s.Part) > maxPartDepth {
			p.fail("too many part numbers")
		}
		if !p.accept('.') {
			break
		}
	}
	more := len(s.Part) == 0 || p.pos > 0 && p.pos <= len(p.line) && p.line[p.pos-1] == '.'
	if p.err != nil || len(s.Part) == 0 && p.accept(']') {
		return s
	}
	if more {
		if binary {
			p.fail("expected part number or \"]\"")
			return s
		}
		p.sectionText(&s)
	}
	p.expect(']')
	return s
}

var sectionSpecs = map[string]SectionSpec{
	"HEADER":            SectionHeader,
	"HEADER.FIELDS":     SectionHeaderFields,
	"HEADER.FIELDS.NOT": SectionHeaderFieldsNot,
	"TEXT":              SectionText,
	"MIME":              SectionMIME,
}

func (p *scanner) sectionText(s *Section) {
	name := p.fetchName()
	spec, ok := sectionSpecs[name]
	// RFC 9051 6.4.5.1: MIME must be prefixed by part numbers.
	if !ok || spec == SectionMIME && len(s.Part) == 0 {
		p.fail("unknown section %q", clip(name))
		return
	}
	s.Spec = spec
	if spec != SectionHeaderFields && spec != SectionHeaderFieldsNot {
		return
	}
	p.space()
	p.expect('(')
	for first := true; p.nextItem(&first); {
		s.Fields = append(s.Fields, p.astring("header field name"))
		if len(s.Fields) > maxHeaderFields {
			p.fail("too many header fields")
		}
	}
}

// partial: "<" number64 "." nz-number64 ">".
func (p *scanner) partial() *Partial {
	if !p.accept('<') {
		return nil
	}
	part := &Partial{Offset: int64(p.number64("partial offset"))}
	p.expect('.')
	part.Count = int64(p.number64("partial count"))
	if part.Count == 0 {
		p.fail("partial count is 0")
	}
	p.expect('>')
	return part
}

// fetchModifiers: "(" fetch-modifier *(SP fetch-modifier) ")" with CHANGEDSINCE and
// VANISHED (RFC 7162), PARTIAL (RFC 9394).
func (p *scanner) fetchModifiers(f *Fetch, uid bool) {
	p.expect('(')
	for first := true; p.nextItem(&first); {
		switch name := p.keyword("FETCH modifier"); name {
		case "CHANGEDSINCE":
			p.space()
			n := p.number64("mod-sequence")
			if n == 0 {
				p.fail("mod-sequence is 0")
			}
			f.ChangedSince = &n
		case "VANISHED":
			f.Vanished = true
		case "PARTIAL":
			p.space()
			if f.Partial != nil {
				p.fail("PARTIAL twice")
			}
			f.Partial = p.partialRange()
		default:
			p.fail("unknown FETCH modifier %q", clip(name))
		}
	}
	// RFC 7162 3.2.6: only for UID FETCH, and only together with CHANGEDSINCE.
	if f.Vanished && (!uid || f.ChangedSince == nil) {
		p.fail("VANISHED needs UID FETCH and CHANGEDSINCE")
	}
	// RFC 9394 3.3: it extends UID FETCH.
	if f.Partial != nil && !uid {
		p.fail("PARTIAL needs UID FETCH")
	}
}
