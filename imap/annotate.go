package imap

import (
	"math"
	"strings"
)

// AnnotationScope says which values of an annotation are meant: RFC 5257 3.3.
type AnnotationScope uint8

// The scopes as bits.
const (
	AnnotationPrivate AnnotationScope = 1 << iota
	AnnotationShared
	AnnotationBoth = AnnotationPrivate | AnnotationShared
)

// AnnotationAttribute is an attribute of an annotation to be fetched: its value or size.
type AnnotationAttribute struct {
	Size  bool // size, not value
	Scope AnnotationScope
}

// AnnotationFetch is the fetch item ANNOTATION, RFC 5257 4.3. Entries may have the wildcards
// of LIST.
type AnnotationFetch struct {
	Entries    []string
	Attributes []AnnotationAttribute
}

// AnnotationValue is the value of an entry to be set, RFC 5257 4.5; a nil Value is NIL.
type AnnotationValue struct {
	Entry string
	Scope AnnotationScope // private or shared
	Value []byte
}

// AnnotationSearch is the search key ANNOTATION, RFC 5257 4.8. A nil Value is NIL.
type AnnotationSearch struct {
	Entry string // may have wildcards
	Scope AnnotationScope
	Value []byte
}

// AnnotationData is one entry of ANNOTATION in a FETCH response; without attributes in an
// unsolicited one, which tells that it has changed.
type AnnotationData struct {
	Entry  string
	Values []MetadataValue // attributes, by Name "value.priv"
}

// AnnotationPart returns the part numbers with which the name of an entry begins, nil for one of the
// whole message. ok is false where they are not well-formed: RFC 5257 3.2.1: entries that
// begin with a digit are about a part.
func AnnotationPart(entry string) (path []int, rest string, ok bool) {
	name := strings.TrimPrefix(entry, "/")
	if name == "" || name[0] < '0' || name[0] > '9' {
		return nil, entry, true
	}
	section, rest, _ := strings.Cut(name, "/")
	p := scanner{line: []byte(section)}
	for {
		n := p.number(math.MaxInt32, "part number")
		if p.err != nil || n == 0 || len(path) >= maxPartDepth {
			return nil, "", false
		}
		path = append(path, int(n))
		if !p.accept('.') {
			return path, "/" + rest, p.end()
		}
	}
}

// annotationEntry reads an entry name, with match one that may have wildcards.
func (p *scanner) annotationEntry(match bool) string {
	p.count()
	var s string
	if match && p.peek() != '"' && p.peek() != '{' {
		s = p.run(classList, "entry name")
	} else {
		s = p.astring("entry name")
	}
	if p.err != nil || match && s == "*" || match && s == "%" {
		return s
	}
	plain := s
	if match {
		plain = strings.NewReplacer("*", "x", "%", "x").Replace(s)
	}
	// RFC 5257 3.2.
	if !validEntry(plain) && !(match && plain == "/") {
		p.fail("invalid entry name %q", clip(s))
	}
	// With wildcards in it, what looks like a part is none yet.
	if _, _, ok := AnnotationPart(s); !ok && !strings.ContainsAny(s, "*%") {
		p.fail("bad part number in entry name %q", clip(s))
	}
	return s
}

// annotationAttribute reads attrib. RFC 5257 3.2.2: names of attributes are case-sensitive.
func (p *scanner) annotationAttribute() (a AnnotationAttribute) {
	p.count()
	name := p.astring("attribute")
	base, suffix, _ := strings.Cut(name, ".")
	switch suffix {
	case "priv":
		a.Scope = AnnotationPrivate
	case "shared":
		a.Scope = AnnotationShared
	case "":
		a.Scope = AnnotationBoth
	}
	a.Size = base == "size"
	if p.err == nil && (a.Scope == 0 || base != "value" && base != "size" || strings.HasSuffix(name, ".")) {
		p.fail("unknown attribute %q", clip(name))
	}
	return a
}

// annotationFetch: "ANNOTATION" SP "(" entries SP attribs ")".
func (p *scanner) annotationFetch() *AnnotationFetch {
	f := &AnnotationFetch{}
	p.space()
	p.expect('(')
	p.oneOrMore(func() { f.Entries = append(f.Entries, p.annotationEntry(true)) })
	p.space()
	p.oneOrMore(func() { f.Attributes = append(f.Attributes, p.annotationAttribute()) })
	p.expect(')')
	return f
}

// oneOrMore reads what item reads, once or in parentheses.
func (p *scanner) oneOrMore(item func()) {
	if !p.accept('(') {
		item()
		return
	}
	for p.err == nil {
		item()
		if p.accept(')') {
			return
		}
		p.space()
	}
}

// annotationValues: "(" entry SP "(" attrib SP value *(SP attrib SP value) ")" *(SP ...) ")".
func (p *scanner) annotationValues() (list []AnnotationValue) {
	p.expect('(')
	for first := true; p.nextItem(&first); {
		entry := p.annotationEntry(false)
		p.space()
		p.expect('(')
		for first := true; p.nextItem(&first); {
			a := p.annotationAttribute()
			// RFC 5257 3.2.2: the size is read-only, and it must be clear whose value it is.
			if p.err == nil && (a.Size || a.Scope == AnnotationBoth) {
				p.fail("attribute must be value.priv or value.shared")
			}
			p.space()
			list = append(list, AnnotationValue{entry, a.Scope, p.value()})
		}
	}
	return list
}

// annotationSearch: entry-match SP att-search SP value.
func (p *scanner) annotationSearch() *AnnotationSearch {
	s := &AnnotationSearch{Entry: p.annotationEntry(true)}
	p.space()
	a := p.annotationAttribute()
	// RFC 5257 4.8.
	if a.Size {
		p.fail("only values can be searched")
	}
	s.Scope = a.Scope
	p.space()
	s.Value = p.value()
	return s
}

// annotationData reads ANNOTATION of a FETCH response.
func (p *scanner) annotationData() (list []AnnotationData) {
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		d := AnnotationData{Entry: p.astring("entry name")}
		if p.acceptWord(" (") {
			for p.err == nil && !p.accept(')') {
				p.count()
				v := MetadataValue{Name: p.astring("attribute")}
				p.space()
				v.Value = p.value()
				d.Values = append(d.Values, v)
				p.accept(' ')
			}
		}
		list = append(list, d)
		p.accept(' ')
	}
	return list
}
