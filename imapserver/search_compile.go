package imapserver

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"mox/imap"
	"mox/message"
	"mox/search"
	"mox/store"
)

// tri is the value of a test: yes, no, or not known without more data.
type tri int8

const (
	no      tri = -1
	unknown tri = 0
	yes     tri = 1
)

func truth(b bool) tri {
	if b {
		return yes
	}
	return no
}

// candidate is a message under test, with the data read for it so far.
type candidate struct {
	entry
	known   bool            // matches, as is known already
	r       *store.Rendered // keys and common header fields; nil until read
	content *content        // nil until the message is opened

	ahead *store.ReadAhead // has the content, at:; nil: it is not read ahead
	at    int
}

// test is a compiled search key.
type test func(c *candidate) tri

// searcher runs one SEARCH. Tests are tried in stages: on the view alone, then with
// stored header data, then with the content; a message leaves as soon as the answer
// is known.
type searcher struct {
	s   *session
	box *selected // that is searched; not always the selected one
	uid bool
	by  message.Collation
	// lenient: sequence numbers may be above the number of messages.
	lenient  bool
	until    time.Time     // when to give up with errSearchTime; zero: never
	answers  *indexAnswers // of mailboxes before; nil: there are none
	progress *progress     // nil: is not told of

	fields  store.Fields // stored data the program needs
	content bool         // content will be needed for most messages
	queries []*textQuery
	indexed store.BodyID   // what all text keys know from the index reaches up to here
	finder  *search.Finder // for queries, once needed
	fuzzy   []*fuzzyQuery
	isFuzzy int // depth of FUZZY keys that are being compiled
}

type compiler func(x *searcher, k *imap.SearchKey) (test, error)

// compilers has an entry for each search operation. It is a function since those of
// groups refer to it.
func compilers() [imap.SearchFuzzy + 1]compiler {
	return [...]compiler{
		imap.SearchAll:               constant(yes),
		imap.SearchNone:              constant(no),
		imap.SearchAnd:               compileAnd,
		imap.SearchOr:                compileOr,
		imap.SearchNot:               compileNot,
		imap.SearchSeq:               compileSet,
		imap.SearchUID:               compileSet,
		imap.SearchFlag:              compileFlag,
		imap.SearchBefore:            compileDay(received, before),
		imap.SearchOn:                compileDay(received, on),
		imap.SearchSince:             compileDay(received, since),
		imap.SearchSavedBefore:       compileDay(saved, before),
		imap.SearchSavedOn:           compileDay(saved, on),
		imap.SearchSavedSince:        compileDay(saved, since),
		imap.SearchSentBefore:        compileSent(before),
		imap.SearchSentOn:            compileSent(on),
		imap.SearchSentSince:         compileSent(since),
		imap.SearchSaveDateSupported: constant(yes),
		imap.SearchLarger:            view(func(m *store.Message, k *imap.SearchKey) bool { return uint64(m.Size) > k.Num }),
		imap.SearchSmaller:           view(func(m *store.Message, k *imap.SearchKey) bool { return uint64(m.Size) < k.Num }),
		imap.SearchOlder:             compileAge(func(age, n int64) bool { return age >= n }),
		imap.SearchYounger:           compileAge(func(age, n int64) bool { return age <= n }),
		imap.SearchModSeq:            view(func(m *store.Message, k *imap.SearchKey) bool { return uint64(m.ModSeq) >= k.Num }),
		imap.SearchEmailID:           view(func(m *store.Message, k *imap.SearchKey) bool { return store.EmailID(m.Body) == k.Str }),
		imap.SearchThreadID:          compileThread,
		imap.SearchHeader:            compileHeader,
		imap.SearchBody:              compileText,
		imap.SearchText:              compileText,
		imap.SearchAnnotation:        compileAnnotation,
		imap.SearchFuzzy:             compileFuzzy,
	}
}

func (x *searcher) compile(k *imap.SearchKey) (test, error) {
	return compilers()[k.Op](x, k)
}

func constant(v tri) compiler {
	return func(*searcher, *imap.SearchKey) (test, error) {
		return func(*candidate) tri { return v }, nil
	}
}

// view compiles a key that the view answers.
func view(f func(m *store.Message, k *imap.SearchKey) bool) compiler {
	return func(_ *searcher, k *imap.SearchKey) (test, error) {
		return func(c *candidate) tri { return truth(f(c.msg, k)) }, nil
	}
}

func (x *searcher) compileAll(keys []imap.SearchKey) ([]test, error) {
	tests := make([]test, len(keys))
	for i := range keys {
		t, err := x.compile(&keys[i])
		if err != nil {
			return nil, err
		}
		tests[i] = t
	}
	return tests, nil
}

func compileAnd(x *searcher, k *imap.SearchKey) (test, error) {
	tests, err := x.compileAll(k.Keys)
	return func(c *candidate) tri {
		v := yes
		for _, t := range tests {
			if v = min(v, t(c)); v == no {
				break
			}
		}
		return v
	}, err
}

func compileOr(x *searcher, k *imap.SearchKey) (test, error) {
	tests, err := x.compileAll(k.Keys)
	return func(c *candidate) tri {
		v := no
		for _, t := range tests {
			if v = max(v, t(c)); v == yes {
				break
			}
		}
		return v
	}, err
}

func compileNot(x *searcher, k *imap.SearchKey) (test, error) {
	t, err := x.compile(&k.Keys[0])
	return func(c *candidate) tri { return -t(c) }, err
}

// compileSet: RFC 9051 6.4.4: sequence-set and UID.
func compileSet(x *searcher, k *imap.SearchKey) (test, error) {
	sp, err := x.set(k)
	if err != nil {
		return nil, err
	}
	return func(c *candidate) tri {
		pos := int(c.seq) - 1
		_, found := slices.BinarySearchFunc(sp, pos, func(s span, p int) int {
			switch {
			case s.to <= p:
				return -1
			case s.from > p:
				return 1
			}
			return 0
		})
		return truth(found)
	}, nil
}

// set resolves the set of a key. Sequence numbers beyond the mailbox match nothing
// here: a client that searches "1:*" in an empty mailbox means no harm.
func (x *searcher) set(k *imap.SearchKey) (spans, error) {
	b := x.box
	if x.s.uidonly && k.Op == imap.SearchSeq && !k.Set.Saved {
		return nil, errUIDRequired
	}
	if k.Op == imap.SearchSeq && !k.Set.Saved && b.total() == 0 {
		return nil, nil
	}
	if k.Op == imap.SearchSeq && x.lenient {
		return b.resolveSome(k.Set), nil
	}
	return b.resolve(k.Set, k.Op == imap.SearchUID)
}

func compileFlag(x *searcher, k *imap.SearchKey) (test, error) {
	if bit, ok := store.ParseFlag(k.Str); ok {
		return func(c *candidate) tri { return truth(c.msg.Flags&bit != 0) }, nil
	}
	sets := x.box.account.KeywordSets(k.Str)
	return func(c *candidate) tri { return truth(sets[c.msg.Keywords]) }, nil
}

const day = 24 * 60 * 60

func received(m *store.Message) int64 { return int64(m.Received) }
func saved(m *store.Message) int64    { return int64(m.Saved) }

func before(t, d int64) bool { return t < d }
func on(t, d int64) bool     { return t >= d && t < d+day }
func since(t, d int64) bool  { return t >= d }

// compileDay compares days. Dates are shown in UTC, and so are days: RFC 9051 6.4.4
// disregards time and zone.
func compileDay(value func(m *store.Message) int64, cmp func(t, d int64) bool) compiler {
	return func(_ *searcher, k *imap.SearchKey) (test, error) {
		d := k.Date.Unix()
		return func(c *candidate) tri { return truth(cmp(value(c.msg), d)) }, nil
	}
}

// compileSent compares the day that the Date field shows, in its own zone.
func compileSent(cmp func(t, d int64) bool) compiler {
	return func(x *searcher, k *imap.SearchKey) (test, error) {
		x.fields |= store.FieldHeaders
		d := k.Date.Unix()
		return func(c *candidate) tri {
			var header []byte
			switch {
			case c.r != nil && c.r.HasHeaders:
				header = c.r.Headers
			case c.content != nil:
				header = c.content.header()
			default:
				return unknown
			}
			t, err := message.ParseDate(message.ParseHeader(header).Get("Date"))
			if err != nil {
				return no
			}
			_, offset := t.Zone()
			return truth(cmp(t.Unix()+int64(offset), d))
		}, nil
	}
}

// compileAge: RFC 5032 2.
func compileAge(cmp func(age, n int64) bool) compiler {
	return func(x *searcher, k *imap.SearchKey) (test, error) {
		now := x.s.srv.cfg.Now().Unix()
		return func(c *candidate) tri { return truth(cmp(now-received(c.msg), int64(k.Num))) }, nil
	}
}

// compileThread: RFC 8474 6.
func compileThread(x *searcher, k *imap.SearchKey) (test, error) {
	x.fields |= store.FieldThread
	return func(c *candidate) tri {
		if c.r == nil {
			return unknown
		}
		return truth(store.ThreadObjectID(c.r.Thread) == k.Str)
	}, nil
}

// headerTexts are the header fields kept decoded and casemapped.
var headerTexts = map[string]func(k *store.Keys) []byte{
	"from":    func(k *store.Keys) []byte { return k.TextFrom },
	"to":      func(k *store.Keys) []byte { return k.TextTo },
	"cc":      func(k *store.Keys) []byte { return k.TextCc },
	"bcc":     func(k *store.Keys) []byte { return k.TextBcc },
	"subject": func(k *store.Keys) []byte { return k.TextSubject },
}

// keptText is the length from which on a kept header text may have been cut.
const keptText = 4000

// compileHeader: FROM, TO, CC, BCC, SUBJECT and HEADER. RFC 9051 6.4.4: an empty
// string matches every message that has the field.
func compileHeader(x *searcher, k *imap.SearchKey) (test, error) {
	if t := x.compileFuzzyText(k); t != nil {
		return t, nil
	}
	needle := []byte(x.by.Key(k.Str))
	fromHeader := fieldTest(x.by, k.Field, needle)
	text := headerTexts[strings.ToLower(k.Field)]
	switch {
	case text != nil && len(needle) > 0 && x.by == message.UnicodeCasemap:
		x.fields |= store.FieldText
		return func(c *candidate) tri {
			if c.r == nil {
				return unknown
			}
			t := text(&c.r.Keys)
			if !bytes.Contains(t, needle) && len(t) >= keptText {
				return fromHeader(c)
			}
			return truth(bytes.Contains(t, needle))
		}, nil
	case store.CommonHeader(k.Field):
		x.fields |= store.FieldHeaders
	default:
		x.content = true
	}
	return fromHeader, nil
}

// fieldTest looks into the fields of a name: among the common ones that are stored,
// or in the message.
func fieldTest(by message.Collation, name string, needle []byte) test {
	common := store.CommonHeader(name)
	return func(c *candidate) tri {
		switch {
		case common && c.r != nil && c.r.HasHeaders:
			return truth(headerHas(by, c.r.Headers, name, needle))
		case c.content != nil:
			return truth(headerHas(by, c.content.header(), name, needle))
		}
		return unknown
	}
}

// headerHas reports whether a field of the header has the needle, which is a key of the
// collation.
func headerHas(by message.Collation, header []byte, name string, needle []byte) bool {
	if !hasField(header, name) {
		return false
	}
	for _, v := range message.ParseHeader(header).Values(name) {
		if len(needle) == 0 || strings.Contains(by.Key(message.DecodeWords(v)), string(needle)) {
			return true
		}
	}
	return false
}

// hasField reports, without parsing, whether a line of the header begins with name.
func hasField(header []byte, name string) bool {
	for len(header) >= len(name) {
		if bytes.EqualFold(header[:len(name)], []byte(name)) {
			return true
		}
		i := bytes.IndexByte(header, '\n')
		if i < 0 {
			return false
		}
		header = header[i+1:]
	}
	return false
}

// textFields are the texts that TEXT and BODY look at.
var textFields = map[imap.SearchOp]search.Field{imap.SearchText: search.FieldText, imap.SearchBody: search.FieldBody}

// compileText: TEXT and BODY.
func compileText(x *searcher, k *imap.SearchKey) (test, error) {
	if k.Str == "" {
		return constant(yes)(x, k)
	}
	if t := x.compileFuzzyText(k); t != nil {
		return t, nil
	}
	x.content = true
	q := &textQuery{query: search.Query{Field: textFields[k.Op], Needle: k.Str}, by: x.by}
	i := len(x.queries)
	x.queries = append(x.queries, q)
	return func(c *candidate) tri {
		if v := q.decide(c.msg.Body); v != unknown || c.content == nil {
			return v
		}
		return truth(c.content.matches(i))
	}, nil
}
