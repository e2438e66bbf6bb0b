package imap

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"
)

// SearchOp is what a search key tests.
type SearchOp uint8

// Search operations. The comment names the fields of [SearchKey] in use.
const (
	SearchAll               SearchOp = iota
	SearchNone                       // nothing matches: RECENT and NEW, as \Recent is not kept (RFC 9051 2.3.2)
	SearchAnd                        // Keys
	SearchOr                         // Keys, two
	SearchNot                        // Keys, one
	SearchSeq                        // Set
	SearchUID                        // Set
	SearchFlag                       // Str: flag or keyword
	SearchBefore                     // Date: INTERNALDATE, time and zone disregarded
	SearchOn                         // Date
	SearchSince                      // Date
	SearchSentBefore                 // Date: Date field
	SearchSentOn                     // Date
	SearchSentSince                  // Date
	SearchSavedBefore                // Date: RFC 8514
	SearchSavedOn                    // Date
	SearchSavedSince                 // Date
	SearchSaveDateSupported          // RFC 8514
	SearchLarger                     // Num
	SearchSmaller                    // Num
	SearchOlder                      // Num: seconds, RFC 5032
	SearchYounger                    // Num: seconds, RFC 5032
	SearchModSeq                     // Num: RFC 7162 3.1.5
	SearchEmailID                    // Str: RFC 8474
	SearchThreadID                   // Str
	SearchHeader                     // Field, Str; also FROM, TO, CC, BCC, SUBJECT
	SearchBody                       // Str
	SearchText                       // Str
	SearchAnnotation                 // Annotation: RFC 5257 4.8
	SearchFuzzy                      // Keys, one: RFC 6203 3
	SearchFilter                     // Str: name of a filter, RFC 5466
)

// SearchKey is one search key; a program is a SearchAnd of its keys.
type SearchKey struct {
	Op         SearchOp
	Keys       []SearchKey
	Set        NumSet
	Str, Field string
	Num        uint64
	Date       time.Time // Midnight UTC of the day.
	Annotation *AnnotationSearch
}

// SearchReturn are the result options of RFC 4731, RFC 5182, RFC 5267 and RFC 9394.
type SearchReturn struct {
	Min, Max, All, Count, Save bool
	Update                     bool          // RFC 5267 4.3
	Context                    bool          // RFC 5267 4.2, a hint
	Relevancy                  bool          // RFC 6203 4
	Partial                    *PartialRange // nil: none. Never with All
}

// Data reports whether something is to be returned now: RFC 5182 2.1: SAVE alone has no
// result.
func (r *SearchReturn) Data() bool {
	return r.Min || r.Max || r.All || r.Count || r.Update || r.Context || r.Relevancy || r.Partial != nil
}

// Search is SEARCH. Return is nil without RETURN; RETURN () sets All.
type Search struct {
	Charset string // Upper case; empty when not given.
	Return  *SearchReturn
	Key     SearchKey
	ModSeq  bool // The MODSEQ key occurs: RFC 7162 3.1.5 wants the highest in the answer.
}

type searchArg uint8

const (
	argNone searchArg = iota
	argString
	argDate
	argNumber
	argInterval
	argKeyword
	argHeader
	argUIDs
	argUIDAfter
	argUIDBefore
	argModSeq
	argKey
	argTwoKeys
	argObjectID
	argAnnotation
	argFilter
)

type searchSyntax struct {
	op    SearchOp
	arg   searchArg
	str   string // flag, or header field
	unset bool   // negated
}

// searchKeys: RFC 9051 9 and RFC 3501 9: search-key, with RFC 5032 (WITHIN), 7162,
// 8474, 8514 and 9738 3.2.
var searchKeys = map[string]searchSyntax{
	"ALL":               {op: SearchAll},
	"ANNOTATION":        {op: SearchAnnotation, arg: argAnnotation},
	"ANSWERED":          {op: SearchFlag, str: `\Answered`},
	"BCC":               {op: SearchHeader, arg: argString, str: "Bcc"},
	"BEFORE":            {op: SearchBefore, arg: argDate},
	"BODY":              {op: SearchBody, arg: argString},
	"CC":                {op: SearchHeader, arg: argString, str: "Cc"},
	"DELETED":           {op: SearchFlag, str: `\Deleted`},
	"DRAFT":             {op: SearchFlag, str: `\Draft`},
	"EMAILID":           {op: SearchEmailID, arg: argObjectID},
	"FILTER":            {op: SearchFilter, arg: argFilter},
	"FLAGGED":           {op: SearchFlag, str: `\Flagged`},
	"FROM":              {op: SearchHeader, arg: argString, str: "From"},
	"FUZZY":             {op: SearchFuzzy, arg: argKey},
	"HEADER":            {op: SearchHeader, arg: argHeader},
	"KEYWORD":           {op: SearchFlag, arg: argKeyword},
	"LARGER":            {op: SearchLarger, arg: argNumber},
	"MODSEQ":            {op: SearchModSeq, arg: argModSeq},
	"NEW":               {op: SearchNone},
	"NOT":               {op: SearchNot, arg: argKey},
	"OLD":               {op: SearchAll},
	"OLDER":             {op: SearchOlder, arg: argInterval},
	"ON":                {op: SearchOn, arg: argDate},
	"OR":                {op: SearchOr, arg: argTwoKeys},
	"RECENT":            {op: SearchNone},
	"SAVEDATESUPPORTED": {op: SearchSaveDateSupported},
	"SAVEDBEFORE":       {op: SearchSavedBefore, arg: argDate},
	"SAVEDON":           {op: SearchSavedOn, arg: argDate},
	"SAVEDSINCE":        {op: SearchSavedSince, arg: argDate},
	"SEEN":              {op: SearchFlag, str: `\Seen`},
	"SENTBEFORE":        {op: SearchSentBefore, arg: argDate},
	"SENTON":            {op: SearchSentOn, arg: argDate},
	"SENTSINCE":         {op: SearchSentSince, arg: argDate},
	"SINCE":             {op: SearchSince, arg: argDate},
	"SMALLER":           {op: SearchSmaller, arg: argNumber},
	"SUBJECT":           {op: SearchHeader, arg: argString, str: "Subject"},
	"TEXT":              {op: SearchText, arg: argString},
	"THREADID":          {op: SearchThreadID, arg: argObjectID},
	"TO":                {op: SearchHeader, arg: argString, str: "To"},
	"UID":               {op: SearchUID, arg: argUIDs},
	"UIDAFTER":          {op: SearchUID, arg: argUIDAfter},
	"UIDBEFORE":         {op: SearchUID, arg: argUIDBefore},
	"UNANSWERED":        {op: SearchFlag, str: `\Answered`, unset: true},
	"UNDELETED":         {op: SearchFlag, str: `\Deleted`, unset: true},
	"UNDRAFT":           {op: SearchFlag, str: `\Draft`, unset: true},
	"UNFLAGGED":         {op: SearchFlag, str: `\Flagged`, unset: true},
	"UNKEYWORD":         {op: SearchFlag, arg: argKeyword, unset: true},
	"UNSEEN":            {op: SearchFlag, str: `\Seen`, unset: true},
	"YOUNGER":           {op: SearchYounger, arg: argInterval},
}

// parseSearch: "SEARCH" [search-return-opts] SP ["CHARSET" SP charset SP]
// search-key *(SP search-key).
func parseSearch(d *Decoder, _ *Request) any {
	p := &d.s
	s := &Search{}
	p.space()
	p.searchRest(s)
	return s
}

// searchRest: [search-return-opts SP] search-program.
func (p *scanner) searchRest(s *Search) {
	if p.acceptWord("RETURN (") {
		s.Return = p.searchReturn()
		p.space()
	}
	if p.acceptWord("CHARSET ") {
		s.Charset = upper(p.astring("charset"))
		p.space()
	}
	s.Key = p.searchProgram(0)
	s.ModSeq = s.Key.Has(SearchModSeq)
}

// Has reports whether an operation occurs in the key.
func (k *SearchKey) Has(op SearchOp) bool {
	return k.Op == op || slices.ContainsFunc(k.Keys, func(k SearchKey) bool { return k.Has(op) })
}

// ParseSearchCriteria reads search-criteria of RFC 5466 4: search keys as they are after
// SEARCH, with literals behind the CRLF after their size. Errors are [*Error].
func ParseSearchCriteria(text []byte, l Limits) (SearchKey, error) {
	line, rest, more := bytes.Cut(text, []byte("\r\n"))
	p := &scanner{line: line, limits: l}
	p.literal = func(h literalHead) (data []byte) {
		if !more || h.size > int64(len(rest)) {
			p.fail("literal is not whole")
			return nil
		}
		data = rest[:h.size]
		p.line, rest, more = bytes.Cut(rest[h.size:], []byte("\r\n"))
		p.pos = 0
		return data
	}
	k := p.searchProgram(0)
	if p.err == nil && (!p.end() || more) {
		p.fail("garbage after the search keys")
	}
	return k, p.err
}

// filterName: RFC 5466 4: 1*<any ATOM-CHAR except "/">.
func (p *scanner) filterName() string {
	name := p.atom("filter name")
	if strings.Contains(name, "/") {
		p.fail("filter name has a slash")
	}
	return name
}

// searchReturn reads up to ")". RFC 4731 3.1: () is (ALL).
func (p *scanner) searchReturn() *SearchReturn {
	r := &SearchReturn{}
	if p.accept(')') {
		r.All = true
		return r
	}
	opts := map[string]*bool{
		"MIN": &r.Min, "MAX": &r.Max, "ALL": &r.All, "COUNT": &r.Count, "SAVE": &r.Save, "UPDATE": &r.Update, "CONTEXT": &r.Context, "RELEVANCY": &r.Relevancy,
	}
	for p.err == nil {
		name := p.keyword("SEARCH return option")
		opt, ok := opts[name]
		switch {
		case ok:
			*opt = true
		case name == "PARTIAL" && r.Partial == nil:
			p.space()
			r.Partial = p.partialRange()
		case name == "PARTIAL":
			p.fail("PARTIAL twice")
		default:
			p.fail("unknown SEARCH return option %q", clip(name))
		}
		if p.err != nil || p.accept(')') {
			break
		}
		p.space()
	}
	// RFC 9394 3.1: either PARTIAL or ALL.
	if r.All && r.Partial != nil {
		p.fail("PARTIAL and ALL exclude each other")
	}
	return r
}

// searchProgram reads keys up to the end of the line or closing, and joins them.
func (p *scanner) searchProgram(closing byte) SearchKey {
	var keys []SearchKey
	for p.err == nil {
		keys = append(keys, p.searchKey())
		if closing != 0 && p.accept(closing) || closing == 0 && p.end() {
			break
		}
		p.space()
	}
	if len(keys) == 1 {
		return keys[0]
	}
	return SearchKey{Op: SearchAnd, Keys: keys}
}

func (p *scanner) searchKey() (k SearchKey) {
	p.count()
	if p.depth++; p.depth > p.limits.Nesting {
		p.fail("search keys nested too deep")
	}
	defer func() { p.depth-- }()
	if p.err != nil {
		return k
	}
	c := p.peek()
	switch {
	case c == '(':
		p.pos++
		return p.searchProgram(')')
	case c == '*' || c == '$' || c >= '0' && c <= '9':
		return SearchKey{Op: SearchSeq, Set: p.numSet()}
	}
	name := p.keyword("search key")
	syn, ok := searchKeys[name]
	if !ok {
		p.fail("unknown search key %q", clip(name))
		return k
	}
	k = SearchKey{Op: syn.op, Str: syn.str}
	if syn.arg != argNone {
		p.space()
		p.searchArg(&k, syn)
	}
	if syn.unset {
		k = SearchKey{Op: SearchNot, Keys: []SearchKey{k}}
	}
	return k
}

func (p *scanner) searchArg(k *SearchKey, syn searchSyntax) {
	switch syn.arg {
	case argString:
		// The five fields with keys of their own, and BODY and TEXT.
		k.Field, k.Str = syn.str, p.astring("search string")
	case argHeader:
		k.Field = p.astring("header field name")
		p.space()
		k.Str = p.astring("search string")
	case argDate:
		k.Date = p.date()
	case argNumber:
		k.Num = p.number64("size")
	case argInterval:
		k.Num = uint64(p.nzNumber("interval"))
	case argKeyword:
		k.Str = p.flag()
	case argUIDs:
		k.Set = p.numSet()
	case argUIDAfter:
		if n := p.nzNumber("UID"); n < math.MaxUint32 {
			k.Set.Ranges = []NumRange{{n + 1, math.MaxUint32}}
		}
	case argUIDBefore:
		if n := p.nzNumber("UID"); n > 1 {
			k.Set.Ranges = []NumRange{{1, n - 1}}
		}
	case argModSeq:
		k.Num = p.searchModSeq()
	case argAnnotation:
		k.Annotation = p.annotationSearch()
	case argObjectID:
		k.Str = p.objectID()
	case argFilter:
		k.Str = p.filterName()
	case argKey:
		k.Keys = []SearchKey{p.searchKey()}
	case argTwoKeys:
		a := p.searchKey()
		p.space()
		k.Keys = []SearchKey{a, p.searchKey()}
	}
}

// searchModSeq: RFC 7162 7: [entry-name SP entry-type-req SP]
// mod-sequence-valzer. Mod-sequences here are kept per message, so that the entry
// does not matter (RFC 7162 3.1.5).
func (p *scanner) searchModSeq() uint64 {
	if p.peek() == '"' {
		name := p.quoted()
		if p.err == nil && !strings.HasPrefix(name, "/flags/") {
			p.fail("bad MODSEQ entry name")
		}
		p.space()
		switch p.keyword("entry type") {
		case "ALL", "PRIV", "SHARED":
		default:
			p.fail("bad MODSEQ entry type")
		}
		p.space()
	}
	return p.number(math.MaxInt64, "mod-sequence")
}

// objectID: RFC 8474 7: 1*255(ALPHA / DIGIT / "_" / "-").
func (p *scanner) objectID() string {
	s := p.astring("object id")
	if len(s) > 255 {
		p.fail("object id too long")
	}
	return s
}
