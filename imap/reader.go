package imap

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// ReaderLimits are the bounds of responses for clients that trust their server to be
// sane, not to be small.
var ReaderLimits = Limits{
	Line:         8 << 20,
	Literal:      256 << 20,
	LiteralTotal: 256 << 20,
	Literals:     100000,
	Nesting:      200,
	Items:        1000000,
}

// ResponseReader reads responses of a server. Not safe for concurrent use.
type ResponseReader struct {
	s            scanner
	in           Input
	ioErr        error
	literals     int
	literalTotal int64
	sink         func(label string, size int64) io.Writer
}

// NewResponseReader returns a reader with [ReaderLimits].
func NewResponseReader(in Input) *ResponseReader {
	r := &ResponseReader{in: in}
	r.s.limits = ReaderLimits
	r.s.literal = r.readLiteral
	return r
}

// SetLimits replaces the limits.
func (r *ResponseReader) SetLimits(l Limits) { r.s.limits = l }

// SetInput replaces the input, after STARTTLS.
func (r *ResponseReader) SetInput(in Input) { r.in = in }

// SetUTF8 says that mailbox names are UTF-8.
func (r *ResponseReader) SetUTF8(on bool) { r.s.utf8 = on }

// SetSink has literals of sections (BODY[...], BINARY[...] and the RFC822 items) written to
// what f returns for their label and size, as they come: the limits on literals are not for
// them. The SectionData then has Spooled in place of Data. Where f returns nil, or is nil, they are
// kept in memory. An error of the writer is that of Read.
func (r *ResponseReader) SetSink(f func(label string, size int64) io.Writer) { r.sink = f }

// Read reads one response. An [*Error] is a response that is not understood, after
// which the position in the input is not certain; other errors are of the input.
func (r *ResponseReader) Read() (Response, error) {
	r.literals, r.literalTotal, r.ioErr = 0, 0, nil
	if err := r.nextLine(); err != nil {
		return nil, err
	}
	p := &r.s
	p.depth, p.items, p.err = 0, 0, nil
	var resp Response
	switch {
	case p.peek() == '+':
		resp = p.continuation()
	case p.accept('*'):
		p.space()
		resp = r.untagged()
	default:
		tag := p.run(classTag, "tag")
		p.space()
		resp = p.status(tag, p.keyword("status"))
	}
	if r.ioErr != nil {
		return nil, r.ioErr
	}
	return resp, p.err
}

func (r *ResponseReader) nextLine() error {
	line, err := r.in.ReadLine(r.s.limits.Line)
	if err != nil {
		return err
	}
	r.s.line, r.s.pos = line, 0
	return nil
}

func (r *ResponseReader) readLiteral(l literalHead) []byte {
	if r.s.sectionLabel != "" && r.sink != nil {
		if w := r.sink(r.s.sectionLabel, l.size); w != nil {
			r.sinkLiteral(l.size, w)
			return nil
		}
	}
	r.literals++
	r.literalTotal += l.size
	if l.size > r.s.limits.Literal || r.literalTotal > r.s.limits.LiteralTotal || r.literals > r.s.limits.Literals {
		r.ioErr = fmt.Errorf("%w: literal of %d octets", ErrUnrecoverable, l.size)
	} else {
		// The size is only a claim: memory grows as the data comes.
		var data []byte
		if data, r.ioErr = io.ReadAll(io.LimitReader(r.in, l.size)); r.ioErr == nil && int64(len(data)) < l.size {
			r.ioErr = io.ErrUnexpectedEOF
		}
		if r.ioErr == nil {
			if r.ioErr = r.nextLine(); r.ioErr == nil {
				return data
			}
		}
	}
	r.s.err = r.ioErr
	return nil
}

// sinkLiteral passes a literal on. The limit on their number stays.
func (r *ResponseReader) sinkLiteral(size int64, w io.Writer) {
	if r.literals++; r.literals > r.s.limits.Literals {
		r.ioErr = fmt.Errorf("%w: too many literals", ErrUnrecoverable)
	} else if n, err := io.Copy(w, io.LimitReader(r.in, size)); err != nil {
		r.ioErr = err
	} else if n < size {
		r.ioErr = io.ErrUnexpectedEOF
	} else {
		r.ioErr = r.nextLine()
	}
	r.s.spooled, r.s.err = size, r.ioErr
}

func (p *scanner) continuation() Response {
	p.pos++
	p.accept(' ')
	return &Continuation{Text: p.rest()}
}

func (p *scanner) rest() string {
	s := string(p.line[min(p.pos, len(p.line)):])
	p.pos = len(p.line)
	return s
}

// untaggedResponses read the rest of a response by its name.
var untaggedResponses = map[string]func(p *scanner, name string) Response{
	OK:           statusResponse,
	NO:           statusResponse,
	BAD:          statusResponse,
	BYE:          statusResponse,
	PREAUTH:      statusResponse,
	"CAPABILITY": func(p *scanner, _ string) Response { return &Capability{p.words()} },
	"ENABLED":    func(p *scanner, _ string) Response { return &Enabled{p.words()} },
	"FLAGS":      func(p *scanner, _ string) Response { p.space(); return &Flags{p.respFlags()} },
	"LIST":       readList,
	"LSUB":       readList,
	"STATUS":     readStatus,
	"SEARCH":     readSearch,
	"SORT":       readSort,
	"THREAD":     readThread,
	"COMPARATOR": readComparator,
	"LANGUAGE":   readLanguage,
	"ESEARCH":    readESearch,
	"VANISHED":   readVanished,
	"UIDBATCHES": readUIDBatches,
	"ID":         readID,
	"NAMESPACE":  readNamespace,
	"QUOTA":      readQuota,
	"QUOTAROOT":  readQuotaRoot,
	"METADATA":   readMetadata,
	"ACL":        readACL,
	"LISTRIGHTS": readListRights,
	"MYRIGHTS":   readMyRights,
	"GENURLAUTH": readGenURLAuth,
	"URLFETCH":   readURLFetch,
	"JMAPACCESS": func(p *scanner, _ string) Response { p.space(); return &JMAPAccess{p.string("URL")} },
}

func (r *ResponseReader) untagged() Response {
	p := &r.s
	if c := p.peek(); c >= '0' && c <= '9' {
		return p.numbered()
	}
	start := p.pos
	name := p.keyword("response")
	if f, ok := untaggedResponses[name]; ok {
		return f(p, name)
	}
	p.pos = start
	return p.unknownResponse()
}

// unknownResponse reads past a response, literals included.
func (p *scanner) unknownResponse() Response {
	u := &Unknown{Line: string(p.line[p.pos:])}
	for {
		size, nonSync, ok := trailingLiteral(p.line)
		if !ok || p.err != nil {
			return u
		}
		p.literal(literalHead{size: size, nonSync: nonSync})
	}
}

func statusResponse(p *scanner, name string) Response { return p.status("*", name) }

// status reads resp-text.
func (p *scanner) status(tag, typ string) *StatusResponse {
	s := &StatusResponse{Tag: tag, Type: typ}
	switch typ {
	case OK, NO, BAD, BYE, PREAUTH:
	default:
		p.fail("unknown status %q", clip(typ))
		return s
	}
	if p.end() {
		return s
	}
	p.space()
	if p.accept('[') {
		text := string(p.line[p.pos:])
		if end := codeEnd(text); end >= 0 {
			s.Code, s.CodeArg, _ = strings.Cut(text[:end], " ")
			s.Code = upper(s.Code)
			p.pos += end + 1
			p.accept(' ')
		} else {
			p.pos--
		}
	}
	s.Text = p.rest()
	return s
}

// codeEnd finds the "]" that ends a response code, outside of quoted strings.
func codeEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted:
			return i
		}
	}
	return -1
}

func (p *scanner) words() (w []string) {
	for p.err == nil && p.accept(' ') {
		if p.end() {
			break
		}
		p.count()
		w = append(w, p.run(classAString|classList, "word"))
	}
	return w
}

// respFlags reads a flag list, "\*" included.
func (p *scanner) respFlags() (flags []string) {
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		f := ""
		if p.accept('\\') {
			f = `\`
		}
		flags = append(flags, f+p.run(classAString|classList, "flag"))
		p.accept(' ')
	}
	return flags
}

// numbered reads "n EXISTS", "n RECENT", "n EXPUNGE", "n FETCH (...)", and
// "uid UIDFETCH (...)" of RFC 9586.
func (p *scanner) numbered() Response {
	start := p.pos
	n := uint32(p.number(math.MaxUint32, "number"))
	p.space()
	switch name := p.keyword("response"); name {
	case "EXISTS", "RECENT":
		return &NumberResponse{Name: name, N: n}
	case "EXPUNGE":
		return &Expunge{Seq: n}
	case "FETCH":
		p.space()
		return p.fetchResponse(n)
	case "UIDFETCH":
		p.space()
		f := p.fetchResponse(0)
		f.UID, f.Has[FetchUID] = n, true
		return f
	}
	p.pos = start
	return p.unknownResponse()
}

func readVanished(p *scanner, _ string) Response {
	v := &Vanished{}
	p.space()
	if p.acceptWord("(EARLIER) ") {
		v.Earlier = true
	}
	v.UIDs = p.numSet()
	return v
}

func readSearch(p *scanner, _ string) Response {
	s := &SearchResponse{}
	for p.err == nil && p.accept(' ') && !p.end() {
		if p.acceptWord("(MODSEQ ") {
			s.ModSeq = p.number64("mod-sequence")
			p.expect(')')
			continue
		}
		p.count()
		s.Numbers = append(s.Numbers, uint32(p.number(math.MaxUint32, "number")))
	}
	return s
}

func readESearch(p *scanner, _ string) Response {
	e := &ESearch{}
	if p.acceptWord(" (") {
		p.searchCorrelators(e)
	}
	for p.err == nil && p.accept(' ') {
		switch name := p.keyword("search result"); name {
		case "UID":
			e.UID = true
		case "MIN":
			p.space()
			e.Min = p.nzNumber("MIN")
		case "MAX":
			p.space()
			e.Max = p.nzNumber("MAX")
		case "COUNT":
			p.space()
			e.Count, e.HasCount = uint32(p.number(math.MaxUint32, "COUNT")), true
		case "ALL":
			p.space()
			e.All = p.numSet()
		case "MODSEQ":
			p.space()
			e.ModSeq = p.number64("MODSEQ")
		case "PARTIAL":
			p.space()
			e.Partial, e.PartialSet = p.readPartial()
		case "RELEVANCY":
			p.space()
			e.Relevancy = p.scores()
		case "ADDTO", "REMOVEFROM":
			p.space()
			e.Updates = append(e.Updates, p.contextUpdates(name == "REMOVEFROM")...)
		default:
			p.space()
			p.skipValue()
		}
	}
	return e
}

// scores: RFC 6203 7: score-list.
func (p *scanner) scores() []uint8 {
	list := []uint8{}
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		if len(list) > 0 {
			p.space()
		}
		list = append(list, uint8(p.number(100, "score")))
	}
	return list
}

// searchCorrelators: RFC 7377 4, up to ")".
func (p *scanner) searchCorrelators(e *ESearch) {
	for first := true; p.nextItem(&first); {
		name := p.keyword("search correlator")
		p.space()
		switch name {
		case "TAG":
			e.Tag = p.astring("tag")
		case "MAILBOX":
			e.Mailbox = p.mailbox()
		case "UIDVALIDITY":
			e.UIDValidity = p.nzNumber("UIDVALIDITY")
		default:
			p.fail("unknown search correlator %q", clip(name))
		}
	}
}

func readID(p *scanner, _ string) Response {
	p.space()
	r := &IDResponse{}
	if p.acceptWord("NIL") {
		return r
	}
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		var f IDParam
		var ok bool
		p.count()
		f.Key = p.string("field")
		p.space()
		f.Value, ok = p.nstring("value")
		f.Nil = !ok
		r.Params = append(r.Params, f)
		p.accept(' ')
	}
	return r
}

// skipValue reads past any value: atom, string, number or parenthesized list.
func (p *scanner) skipValue() {
	if p.depth++; p.depth > p.limits.Nesting {
		p.fail("nested too deep")
	}
	defer func() { p.depth-- }()
	p.count()
	if p.accept('(') {
		for p.err == nil && !p.accept(')') {
			p.skipValue()
			p.accept(' ')
		}
		return
	}
	if c := p.peek(); c == '"' || c == '{' || c == '~' {
		p.string("value")
		return
	}
	p.accept('\\')
	p.run(classAString|classList, "value")
}
