package imap

import (
	"math"
	"time"
)

// fetchResponse reads msg-att.
func (p *scanner) fetchResponse(seq uint32) *FetchResponse {
	f := &FetchResponse{Seq: seq, Has: map[FetchKind]bool{}}
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		p.fetchData(f)
		p.accept(' ')
	}
	return f
}

// fetchReaders read the value of the items that have no section.
var fetchReaders = map[string]struct {
	kind FetchKind
	read func(p *scanner, f *FetchResponse)
}{
	"FLAGS":         {FetchFlags, func(p *scanner, f *FetchResponse) { f.Flags = p.respFlags() }},
	"UID":           {FetchUID, func(p *scanner, f *FetchResponse) { f.UID = p.nzNumber("UID") }},
	"INTERNALDATE":  {FetchInternalDate, func(p *scanner, f *FetchResponse) { f.InternalDate = p.dateTime() }},
	"SAVEDATE":      {FetchSaveDate, func(p *scanner, f *FetchResponse) { f.SaveDate = p.nilDateTime() }},
	"RFC822.SIZE":   {FetchRFC822Size, func(p *scanner, f *FetchResponse) { f.Size = int64(p.number64("size")) }},
	"MODSEQ":        {FetchModSeq, func(p *scanner, f *FetchResponse) { f.ModSeq = p.parenNumber() }},
	"EMAILID":       {FetchEmailID, func(p *scanner, f *FetchResponse) { f.EmailID = p.parenID() }},
	"THREADID":      {FetchThreadID, func(p *scanner, f *FetchResponse) { f.ThreadID = p.parenID() }},
	"ANNOTATION":    {FetchAnnotation, func(p *scanner, f *FetchResponse) { f.Annotations = p.annotationData() }},
	"PREVIEW":       {FetchPreview, func(p *scanner, f *FetchResponse) { f.Preview, f.PreviewNil = p.nilString() }},
	"ENVELOPE":      {FetchEnvelope, func(p *scanner, f *FetchResponse) { f.Envelope = p.envelope() }},
	"BODYSTRUCTURE": {FetchBodyStructure, func(p *scanner, f *FetchResponse) { f.Body = p.bodyStructure() }},
	"BODY":          {FetchBody, func(p *scanner, f *FetchResponse) { f.Body = p.bodyStructure() }},
}

func (p *scanner) fetchData(f *FetchResponse) {
	start := p.pos
	name := p.fetchName()
	if p.peek() == '[' || name == "RFC822" || name == "RFC822.HEADER" || name == "RFC822.TEXT" {
		p.sectionData(f, name, start)
		return
	}
	p.space()
	r, ok := fetchReaders[name]
	if !ok {
		p.skipValue()
		return
	}
	r.read(p, f)
	f.Has[r.kind] = true
}

// sectionData reads an item with a section; its label may hold literals, so it is
// rebuilt from the parsed form.
func (p *scanner) sectionData(f *FetchResponse, name string, start int) {
	label := name
	if p.peek() == '[' {
		a := FetchAtt{Kind: FetchSection}
		if name == "BINARY" || name == "BINARY.SIZE" {
			a.Kind = FetchBinary
		}
		a.Section = p.section(false)
		if p.accept('<') {
			a.Partial = &Partial{Offset: int64(p.number64("origin"))}
			p.expect('>')
		}
		if name == "BINARY.SIZE" {
			p.binarySize(f, a.Section)
			return
		}
		label = string(a.AppendLabel(nil))
	}
	p.space()
	p.sectionLabel, p.spooled = label, 0
	data, isNil := p.nilBytes()
	p.sectionLabel = ""
	f.Sections = append(f.Sections, SectionData{Label: label, Data: data, Nil: isNil, Spooled: p.spooled})
}

func (p *scanner) binarySize(f *FetchResponse, s Section) {
	p.space()
	if f.BinarySizes == nil {
		f.BinarySizes = map[string]int64{}
	}
	key := AppendSection(nil, s)
	f.BinarySizes[string(key[1:len(key)-1])] = int64(p.number64("size"))
}

func (p *scanner) nilString() (s string, isNil bool) {
	b, isNil := p.nilBytes()
	return string(b), isNil
}

// nilBytes reads nstring or literal8, NUL allowed: servers send what is stored.
func (p *scanner) nilBytes() (b []byte, isNil bool) {
	switch p.peek() {
	case '"':
		return []byte(p.quoted8()), false
	case '{', '~':
		return p.readLiteral(true), false
	}
	if !p.acceptWord("NIL") {
		p.fail("expected string or NIL")
	}
	return nil, true
}

// quoted8 is quoted, but takes 8-bit characters that are not UTF-8: servers send what
// is in messages.
func (p *scanner) quoted8() string {
	p.expect('"')
	var b []byte
	for p.err == nil {
		if p.end() {
			p.fail("quoted string without end")
			break
		}
		c := p.line[p.pos]
		p.pos++
		if c == '"' {
			break
		}
		if c == '\\' && !p.end() {
			c = p.line[p.pos]
			p.pos++
		}
		b = append(b, c)
	}
	return string(b)
}

func (p *scanner) nilDateTime() (t time.Time) {
	if p.acceptWord("NIL") {
		return t
	}
	return p.dateTime()
}

func (p *scanner) parenNumber() uint64 {
	p.expect('(')
	n := p.number(math.MaxInt64, "number")
	p.expect(')')
	return n
}

func (p *scanner) parenID() string {
	if p.acceptWord("NIL") {
		return ""
	}
	p.expect('(')
	s := p.astring("object id")
	p.expect(')')
	return s
}

func (p *scanner) envelope() *Envelope {
	e := &Envelope{}
	p.expect('(')
	e.Date, _ = p.nilString()
	p.space()
	e.Subject, _ = p.nilString()
	for _, l := range []*[]Address{&e.From, &e.Sender, &e.ReplyTo, &e.To, &e.Cc, &e.Bcc} {
		p.space()
		*l = p.addresses()
	}
	p.space()
	e.InReplyTo, _ = p.nilString()
	p.space()
	e.MessageID, _ = p.nilString()
	p.expect(')')
	return e
}

func (p *scanner) addresses() (l []Address) {
	if p.acceptWord("NIL") {
		return nil
	}
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		var a Address
		p.expect('(')
		a.Name, _ = p.nilString()
		p.space()
		a.Route, _ = p.nilString()
		p.space()
		a.Mailbox, a.MailboxNil = p.nilString()
		p.space()
		a.Host, a.HostNil = p.nilString()
		p.expect(')')
		l = append(l, a)
		p.accept(' ')
	}
	return l
}

// bodyStructure reads body.
func (p *scanner) bodyStructure() *BodyStructure {
	b := &BodyStructure{}
	if p.depth++; p.depth > p.limits.Nesting {
		p.fail("body structure nested too deep")
	}
	defer func() { p.depth-- }()
	p.count()
	p.expect('(')
	if p.err != nil {
		return b
	}
	if p.peek() == '(' {
		p.multipart(b)
	} else {
		p.onePart(b)
	}
	// body-extension: whatever else there is.
	for p.err == nil && p.accept(' ') {
		p.skipValue()
	}
	p.expect(')')
	return b
}

func (p *scanner) multipart(b *BodyStructure) {
	b.Type = "multipart"
	for p.err == nil && p.peek() == '(' {
		b.Parts = append(b.Parts, p.bodyStructure())
	}
	p.space()
	b.Subtype, _ = p.nilString()
	if p.err != nil || !p.accept(' ') {
		return
	}
	b.Extended = true
	b.Params = p.params()
	p.dispositionAndMore(b)
}

func (p *scanner) onePart(b *BodyStructure) {
	b.Type, _ = p.nilString()
	p.space()
	b.Subtype, _ = p.nilString()
	p.space()
	b.Params = p.params()
	p.space()
	b.ID, _ = p.nilString()
	p.space()
	b.Description, _ = p.nilString()
	p.space()
	b.Encoding, _ = p.nilString()
	p.space()
	b.Size = int64(p.number64("size"))
	typ, sub := upper(b.Type), upper(b.Subtype)
	if typ == "MESSAGE" && (sub == "RFC822" || sub == "GLOBAL") && p.pos+1 < len(p.line) && p.line[p.pos+1] == '(' {
		p.space()
		b.Envelope = p.envelope()
		p.space()
		b.Parts = []*BodyStructure{p.bodyStructure()}
		p.space()
		b.Lines = int64(p.number64("lines"))
	} else if typ == "TEXT" {
		p.space()
		b.Lines = int64(p.number64("lines"))
	}
	if p.err != nil || !p.accept(' ') {
		return
	}
	b.Extended = true
	b.MD5, _ = p.nilString()
	p.dispositionAndMore(b)
}

func (p *scanner) dispositionAndMore(b *BodyStructure) {
	if !p.accept(' ') {
		return
	}
	if p.accept('(') {
		b.Disposition, _ = p.nilString()
		p.space()
		b.DispositionParams = p.params()
		p.expect(')')
	} else if !p.acceptWord("NIL") {
		p.fail("expected disposition")
	}
	if !p.accept(' ') {
		return
	}
	if p.peek() == '(' {
		b.Language = p.stringList()
	} else if s, isNil := p.nilString(); !isNil {
		b.Language = []string{s}
	}
	if p.accept(' ') {
		b.Location, _ = p.nilString()
	}
}

// params reads body-fld-param: names and values by turns.
func (p *scanner) params() (l []string) {
	if p.acceptWord("NIL") {
		return nil
	}
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		s, _ := p.nilString()
		l = append(l, s)
		p.accept(' ')
	}
	return l
}
