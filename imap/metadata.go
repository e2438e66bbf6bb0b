package imap

import (
	"bytes"
	"math"
	"strings"
)

// MetadataValue is an entry of RFC 5464 with its value; a nil Value is NIL.
type MetadataValue struct {
	Name  string
	Value []byte
}

// DepthInfinity is the Depth of a [GetMetadata] that asks for everything below its entries.
const DepthInfinity = -1

// GetMetadata is GETMETADATA, RFC 5464 4.2. An empty Mailbox is the server.
type GetMetadata struct {
	Mailbox string
	MaxSize *uint64 // nil when absent
	Depth   int     // 0, 1 or DepthInfinity
	Entries []string
}

// SetMetadata is SETMETADATA, RFC 5464 4.3. An empty Mailbox is the server.
type SetMetadata struct {
	Mailbox string
	Values  []MetadataValue
}

// Metadata is the METADATA response: with Values, or in an unsolicited one with the names
// of entries that Changed.
type Metadata struct {
	Mailbox string // empty: the server
	Values  []MetadataValue
	Changed []string
}

func (*Metadata) response() {}

// parseGetMetadata: RFC 5464 5: getmetadata. Its examples have the options behind the
// mailbox where the grammar has them before; both are read, and so are several entries
// without parentheses, as in the example of 4.4.1.
func parseGetMetadata(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	g := &GetMetadata{}
	if p.peek() == '(' {
		p.metadataOptions(g)
		p.space()
	}
	g.Mailbox = p.mailbox()
	p.space()
	if p.peek() == '(' && p.pos+1 < len(p.line) && p.line[p.pos+1]|0x20 >= 'a' && p.line[p.pos+1]|0x20 <= 'z' {
		p.metadataOptions(g)
		p.space()
	}
	if p.peek() == '(' {
		g.Entries = p.entryList()
		return g
	}
	for p.err == nil {
		g.Entries = append(g.Entries, p.entryName())
		if !p.accept(' ') {
			break
		}
	}
	return g
}

// metadataOptions: "(" getmetadata-option *(SP getmetadata-option) ")".
func (p *scanner) metadataOptions(g *GetMetadata) {
	p.expect('(')
	for first := true; p.nextItem(&first); {
		switch name := p.keyword("GETMETADATA option"); name {
		case "MAXSIZE":
			p.space()
			n := p.number(math.MaxUint32, "MAXSIZE")
			g.MaxSize = &n
		case "DEPTH":
			p.space()
			depths := map[string]int{"0": 0, "1": 1, "INFINITY": DepthInfinity}
			depth, ok := depths[p.keyword("depth")]
			if !ok {
				p.fail("DEPTH is not 0, 1 or infinity")
			}
			g.Depth = depth
		default:
			p.fail("unknown GETMETADATA option %q", clip(name))
		}
	}
}

// entryList: "(" entry *(SP entry) ")".
func (p *scanner) entryList() (names []string) {
	p.expect('(')
	for first := true; p.nextItem(&first); {
		names = append(names, p.entryName())
	}
	return names
}

// entryName reads an entry name. RFC 5464 3.2: invalid names are BAD in any command. Which
// names there can be is for the server to say.
func (p *scanner) entryName() string {
	p.count()
	s := p.astring("entry name")
	if p.err == nil && !validEntry(s) {
		p.fail("invalid entry name %q", clip(s))
	}
	return s
}

func validEntry(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '*' || c == '%' {
			return false
		}
	}
	return strings.HasPrefix(s, "/") && !strings.HasSuffix(s, "/") && !strings.Contains(s, "//")
}

// parseSetMetadata: "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")".
func parseSetMetadata(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	m := &SetMetadata{Mailbox: p.mailbox()}
	p.space()
	p.expect('(')
	for first := true; p.nextItem(&first); {
		v := MetadataValue{Name: p.entryName()}
		p.space()
		v.Value = p.value()
		m.Values = append(m.Values, v)
	}
	return m
}

// value: nstring / literal8; nil for NIL.
func (p *scanner) value() []byte {
	s, ok := p.nstring("value")
	if !ok {
		return nil
	}
	return []byte(s)
}

// AppendValue writes a value of RFC 5464 or 5257: NIL for nil, a literal8 where it has
// NUL, else a string.
func AppendValue(b, v []byte, utf8OK bool) []byte {
	switch {
	case v == nil:
		return append(b, "NIL"...)
	case bytes.IndexByte(v, 0) >= 0:
		return AppendLiteral8(b, v)
	}
	return AppendString(b, v, utf8OK)
}

func readMetadata(p *scanner, _ string) Response {
	p.space()
	m := &Metadata{Mailbox: p.mailbox()}
	p.space()
	if p.peek() != '(' {
		for p.err == nil {
			p.count()
			m.Changed = append(m.Changed, p.astring("entry name"))
			if !p.accept(' ') {
				break
			}
		}
		return m
	}
	p.expect('(')
	for first := true; p.nextItem(&first); {
		p.count()
		v := MetadataValue{Name: p.astring("entry name")}
		p.space()
		v.Value = p.value()
		m.Values = append(m.Values, v)
	}
	return m
}
