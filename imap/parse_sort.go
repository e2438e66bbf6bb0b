package imap

import "math"

var sortKeys = func() map[string]SortKey {
	m := map[string]SortKey{}
	for k, name := range sortNames {
		m[name] = SortKey(k)
	}
	return m
}()

// maxSortCriteria bounds a sort program: there are nine keys, and none helps twice.
const maxSortCriteria = 50

// parseSort: RFC 5267 5: "SORT" [search-return-opts] SP sort-criteria SP
// search-criteria.
func parseSort(d *Decoder, _ *Request) any {
	p := &d.s
	s := &Sort{}
	p.space()
	if p.acceptWord("RETURN (") {
		s.Search.Return = p.searchReturn()
		p.space()
	}
	s.Criteria = p.sortCriteria()
	p.space()
	p.searchCriteria(&s.Search)
	return s
}

// sortCriteria: RFC 5256 5: "(" sort-criterion *(SP sort-criterion) ")".
func (p *scanner) sortCriteria() (criteria []SortCriterion) {
	p.expect('(')
	for first := true; p.nextItem(&first); {
		var c SortCriterion
		name := p.keyword("sort key")
		if name == "REVERSE" {
			c.Reverse = true
			p.space()
			name = p.keyword("sort key")
		}
		k, ok := sortKeys[name]
		if !ok {
			p.fail("unknown sort key %q", clip(name))
		}
		c.Key = k
		if k == SortAnnotation {
			p.sortAnnotation(&c)
		}
		if criteria = append(criteria, c); len(criteria) > maxSortCriteria {
			p.fail("too many sort keys")
		}
	}
	return criteria
}

// sortAnnotation: RFC 5257 5: SP entry SP ("value.priv" / "value.shared").
func (p *scanner) sortAnnotation(c *SortCriterion) {
	p.space()
	c.Entry = p.annotationEntry(false)
	p.space()
	a := p.annotationAttribute()
	if p.err == nil && (a.Size || a.Scope == AnnotationBoth) {
		p.fail("attribute must be value.priv or value.shared")
	}
	c.Shared = a.Scope == AnnotationShared
}

// searchCriteria: charset 1*(SP search-key).
func (p *scanner) searchCriteria(s *Search) {
	s.Charset = upper(p.astring("charset"))
	if s.Charset == "" {
		p.fail("charset is empty")
	}
	p.space()
	s.Key = p.searchProgram(0)
	s.ModSeq = s.Key.Has(SearchModSeq)
}

// parseThread: RFC 5256 5: "THREAD" SP thread-alg SP search-criteria.
func parseThread(d *Decoder, _ *Request) any {
	p := &d.s
	t := &Thread{}
	p.space()
	name := p.keyword("threading algorithm")
	alg, ok := threadNames[name]
	if !ok {
		p.fail("unknown threading algorithm %q", clip(name))
	}
	t.Algorithm = alg
	p.space()
	p.searchCriteria(&t.Search)
	return t
}

// partialRange: RFC 9394 4. Both ends are counted from the same side.
func (p *scanner) partialRange() *PartialRange {
	r := &PartialRange{Last: p.accept('-')}
	r.First = p.nzNumber("position")
	p.expect(':')
	if r.Last {
		p.expect('-')
	}
	r.End = p.nzNumber("position")
	return r
}

const maxWords = 100

// patterns reads *(SP pattern): strings that may have "*", which no astring outside of
// quotes has. RFC 5255 wants the quotes, clients forget them.
func (p *scanner) patterns(what string) (words []string) {
	for p.err == nil && p.accept(' ') {
		if c := p.peek(); c == '"' || c == '{' {
			words = append(words, p.string(what))
		} else {
			words = append(words, p.run(classAString|classList, what))
		}
		if len(words) > maxWords {
			p.fail("too many arguments")
		}
	}
	return words
}

// parseComparator: RFC 5255 4.10: "COMPARATOR" *(SP comp-order-quoted).
func parseComparator(d *Decoder, _ *Request) any {
	return &Comparator{Patterns: d.s.patterns("comparator")}
}

// parseLanguage: RFC 5255 3.5: "LANGUAGE" *(SP lang-range-quoted).
func parseLanguage(d *Decoder, _ *Request) any {
	return &Language{Ranges: d.s.patterns("language range")}
}

// parseCancelUpdate: RFC 5267 5: "CANCELUPDATE" 1*(SP quoted).
func parseCancelUpdate(d *Decoder, _ *Request) any {
	p := &d.s
	p.space()
	c := &CancelUpdate{Tags: []string{p.astring("tag")}}
	for p.err == nil && p.accept(' ') {
		if c.Tags = append(c.Tags, p.astring("tag")); len(c.Tags) > maxWords {
			p.fail("too many arguments")
		}
	}
	return c
}

func readSort(p *scanner, _ string) Response {
	s := readSearch(p, "SORT").(*SearchResponse)
	return &SortResponse{Numbers: s.Numbers, ModSeq: s.ModSeq}
}

// readThread: RFC 5256 5: "THREAD" [SP 1*thread-list].
func readThread(p *scanner, _ string) Response {
	t := &ThreadResponse{}
	p.accept(' ')
	for p.err == nil && p.peek() == '(' {
		t.Threads = append(t.Threads, p.threadList())
	}
	return t
}

// threadList reads "(" (thread-members / thread-nested) ")".
func (p *scanner) threadList() *ThreadNode {
	if p.depth++; p.depth > p.limits.Nesting {
		p.fail("nested too deep")
	}
	defer func() { p.depth-- }()
	p.expect('(')
	top := &ThreadNode{}
	last := top
	for p.err == nil && !p.accept(')') {
		p.count()
		switch c := p.peek(); {
		case c == '(':
			last.Children = append(last.Children, p.threadList())
			continue
		case c == ' ':
			p.space()
			continue
		}
		n := &ThreadNode{Number: uint32(p.number(math.MaxUint32, "number"))}
		if last == top && top.Number == 0 && len(top.Children) == 0 {
			top.Number = n.Number
			continue
		}
		last.Children = append(last.Children, n)
		last = n
	}
	return top
}

func readComparator(p *scanner, _ string) Response {
	c := &ComparatorResponse{}
	p.space()
	c.Active = p.astring("comparator")
	if p.accept(' ') {
		c.Matching = p.stringList()
	}
	return c
}

func readLanguage(p *scanner, _ string) Response {
	p.space()
	return &LanguageResponse{Tags: p.stringList()}
}

// contextUpdates reads "(" position SP set *(SP position SP set) ")".
func (p *scanner) contextUpdates(remove bool) (ups []ContextUpdate) {
	p.expect('(')
	for p.err == nil && !p.accept(')') {
		p.count()
		u := ContextUpdate{Remove: remove, Position: uint32(p.number(math.MaxUint32, "position"))}
		p.space()
		u.Set = p.numSet()
		ups = append(ups, u)
		p.accept(' ')
	}
	return ups
}

// readPartial reads "(" partial-range SP partial-results ")" of a response.
func (p *scanner) readPartial() (r *PartialRange, set NumSet) {
	p.expect('(')
	r = p.partialRange()
	p.space()
	if !p.acceptWord("NIL") {
		set = p.numSet()
	}
	p.expect(')')
	return r, set
}
