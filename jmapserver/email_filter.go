package jmapserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"mox/jmap"
	"mox/message"
	"mox/search"
	"mox/store"
)

// emailCondition is RFC 8621 4.4.1.
type emailCondition struct {
	InMailbox               *string       `json:"inMailbox"`
	InMailboxOtherThan      *[]string     `json:"inMailboxOtherThan"`
	Before                  *jmap.UTCDate `json:"before"`
	After                   *jmap.UTCDate `json:"after"`
	MinSize                 *int64        `json:"minSize"`
	MaxSize                 *int64        `json:"maxSize"`
	AllInThreadHaveKeyword  *string       `json:"allInThreadHaveKeyword"`
	SomeInThreadHaveKeyword *string       `json:"someInThreadHaveKeyword"`
	NoneInThreadHaveKeyword *string       `json:"noneInThreadHaveKeyword"`
	HasKeyword              *string       `json:"hasKeyword"`
	NotKeyword              *string       `json:"notKeyword"`
	HasAttachment           *bool         `json:"hasAttachment"`
	Text                    *string       `json:"text"`
	From                    *string       `json:"from"`
	To                      *string       `json:"to"`
	Cc                      *string       `json:"cc"`
	Bcc                     *string       `json:"bcc"`
	Subject                 *string       `json:"subject"`
	Body                    *string       `json:"body"`
	Header                  *[]string     `json:"header"`
}

// tri is the value of a test: yes, no, or not known without reading more.
type tri int8

const (
	no      tri = -1
	unknown tri = 0
	yes     tri = 1
)

func known(b bool) tri {
	if b {
		return yes
	}
	return no
}

// tested is an Email under test.
type tested struct {
	e     *email
	parts *message.Part // nil: not read
	found []bool        // for each query; nil: not looked for
}

type test func(t *tested) tri

// Bounds of filters.
const (
	maxQueries        = 200  // words that differ, altogether
	maxThreadKeywords = 20   // keywords of threads that differ, for each of which all mails are looked at
	lookEach          = 4096 // mails after which a search looks whether it is to end
)

// finder finds Emails by a filter: by what is in memory, then by stored part trees, then by the index, and last by content.
type finder struct {
	q       *emailQuerying
	queries []search.Query
	answers []search.Result // of the index; one that knows nothing is zero
	parts   bool            // part trees are needed
}

// find returns the Emails that match, by body.
func (q *emailQuerying) find(ctx context.Context) ([]*email, error) {
	f := &finder{q: q}
	prog, err := f.compile(q.filter)
	if err := cmp.Or(err, ctx.Err()); err != nil {
		return nil, err
	}
	f.answers = make([]search.Result, len(f.queries))
	all := f.ask(ctx)
	list, open, err := f.sift(ctx, prog)
	if err != nil || len(open) == 0 {
		return list, err
	}
	if all && f.catchUp(ctx, open) {
		f.ask(ctx)
		if list, open, err = f.sift(ctx, prog); err != nil || len(open) == 0 {
			return list, err
		}
	}
	return f.decide(ctx, prog, list, open)
}

// ask asks the index, and reports whether it can tell about all queries.
func (f *finder) ask(ctx context.Context) (all bool) {
	index := f.q.c.s.c.Search
	if index == nil {
		return false
	}
	all = true
	for i, s := range f.queries {
		r, ok := index.Candidates(ctx, f.q.m.acc, s)
		if ok {
			f.answers[i] = r
		}
		all = all && ok
	}
	return all
}

// catchUp has the index take what would have to be looked through, when that is worth it: it is
// to be asked again then.
func (f *finder) catchUp(ctx context.Context, open map[*email]bool) bool {
	var tail search.Tail
	for e := range open {
		if slices.ContainsFunc(f.answers, func(r search.Result) bool { return e.body > r.IndexedTo }) {
			tail.Add(e.body)
		}
	}
	ok, _ := f.q.c.s.c.Search.CatchUp(ctx, f.q.m.acc, tail, nil) // nobody is told how far it is
	return ok
}

// sift returns the Emails that match or may, and which of them may.
func (f *finder) sift(ctx context.Context, prog test) (list []*email, open map[*email]bool, err error) {
	list = make([]*email, 0, f.q.m.n/4)
	open = map[*email]bool{} // those not decided
	t := &tested{}
	seen := 0
	for t.e = range f.q.m.all() {
		if seen++; seen%lookEach == 0 && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		switch prog(t) {
		case yes:
			list = append(list, t.e)
		case unknown:
			list = append(list, t.e)
			open[t.e] = true
		}
	}
	return list, open, nil
}

// decide drops those that do not match of the open ones.
func (f *finder) decide(ctx context.Context, prog test, list []*email, open map[*email]bool) ([]*email, error) {
	var ask []*email
	for _, e := range list {
		if open[e] {
			ask = append(ask, e)
		}
	}
	fd := search.NewFinder(f.queries)
	for r, err := range f.q.m.acc.Rendered(ctx, contents(ask), store.FieldParts, true) {
		if err != nil {
			return nil, err
		}
		if r.Gone {
			continue // it stays open, and does not match
		}
		t := &tested{e: ask[r.Index]}
		if t.parts, err = message.DecodePart(r.Parts); err != nil {
			return nil, err
		}
		if f.parts {
			f.q.m.derived.setAttachment(t.e.body, t.parts)
		}
		v := prog(t)
		if v == unknown {
			if err := f.look(ctx, fd, t); errors.Is(err, store.ErrNoBody) {
				continue
			} else if err != nil {
				return nil, err
			}
			v = prog(t)
		}
		if v == yes {
			delete(open, t.e)
		}
	}
	return slices.DeleteFunc(list, func(e *email) bool { return open[e] }), ctx.Err()
}

// look looks through the content.
func (f *finder) look(ctx context.Context, fd *search.Finder, t *tested) error {
	body, err := f.q.m.acc.OpenBody(ctx, t.e.body)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // reading is over
	src := search.Source{Part: t.parts, Body: body}
	if index := f.q.c.s.c.Search; index != nil {
		src.Document = index.Document(ctx, f.q.m.acc, t.e.body)
	}
	found, err := fd.Find(src)
	if err != nil {
		return fmt.Errorf("reading message: %w", err)
	}
	t.found = slices.Clone(found)
	return nil
}

// compile makes a test of a filter.
func (f *finder) compile(q *jmap.Filter[emailCondition]) (test, error) {
	if q == nil {
		return func(*tested) tri { return yes }, nil
	}
	if q.Condition != nil {
		tests, err := f.condition(q.Condition)
		return all(tests), err
	}
	var tests []test
	for _, c := range q.Conditions {
		t, err := f.compile(c)
		if err != nil {
			return nil, err
		}
		tests = append(tests, t)
	}
	switch q.Operator {
	case jmap.OperatorAND:
		return all(tests), nil
	case jmap.OperatorOR:
		return some(tests), nil
	}
	t := some(tests)
	return func(x *tested) tri { return -t(x) }, nil
}

func all(tests []test) test {
	return func(x *tested) tri {
		v := yes
		for _, t := range tests {
			if v = min(v, t(x)); v == no {
				break
			}
		}
		return v
	}
}

func some(tests []test) test {
	return func(x *tested) tri {
		v := no
		for _, t := range tests {
			if v = max(v, t(x)); v == yes {
				break
			}
		}
		return v
	}
}

// of makes a test of what is in memory.
func of(f func(e *email) bool) test { return func(t *tested) tri { return known(f(t.e)) } }

// condition makes tests of a condition, all of which must hold.
func (f *finder) condition(c *emailCondition) (tests []test, err error) {
	tests = f.places(c)
	if c.Before != nil {
		at := c.Before.Unix()
		tests = append(tests, of(func(e *email) bool { return e.received < at }))
	}
	if c.After != nil {
		at := c.After.Unix()
		tests = append(tests, of(func(e *email) bool { return e.received >= at }))
	}
	if c.MinSize != nil {
		tests = append(tests, of(func(e *email) bool { return e.size >= *c.MinSize }))
	}
	if c.MaxSize != nil {
		tests = append(tests, of(func(e *email) bool { return e.size < *c.MaxSize }))
	}
	keywords, err := f.keywords(c)
	if err != nil {
		return nil, err
	}
	tests = append(tests, keywords...)
	if c.HasAttachment != nil {
		f.parts = true
		tests = append(tests, f.attachment(*c.HasAttachment))
	}
	words, err := f.words(c)
	return append(tests, words...), err
}

func (f *finder) places(c *emailCondition) (tests []test) {
	box := func(s string) store.MailboxID {
		id, _ := f.q.c.resolveID(s)
		n, _ := parseMailboxID(id)
		return n // zero: no Email is there
	}
	if c.InMailbox != nil {
		id := box(*c.InMailbox)
		tests = append(tests, of(func(e *email) bool { return e.in(id) }))
	}
	if c.InMailboxOtherThan != nil {
		not := map[store.MailboxID]bool{}
		for _, s := range *c.InMailboxOtherThan {
			not[box(s)] = true
		}
		tests = append(tests, of(func(e *email) bool {
			for p := range e.all() {
				if !not[p.box] {
					return true
				}
			}
			return false
		}))
	}
	return tests
}

func (f *finder) keywords(c *emailCondition) (tests []test, err error) {
	add := func(name *string, make func(name string) func(e *email) bool) {
		if name == nil {
			return
		}
		if _, _, ok := parseKeyword(*name); !ok {
			err = jmap.Errorf(jmap.ErrorInvalidArguments, "%.100q cannot be a keyword", *name)
			return
		}
		tests = append(tests, of(make(*name)))
	}
	add(c.HasKeyword, f.q.keyword)
	add(c.NotKeyword, func(name string) func(e *email) bool {
		has := f.q.keyword(name)
		return func(e *email) bool { return !has(e) }
	})
	thread := func(name *string, make func(k *threadKeyword) func(e *email) bool) {
		if name == nil || err != nil {
			return
		}
		if len(f.q.threads) >= maxThreadKeywords && f.q.threads[strings.ToLower(*name)] == nil {
			err = jmap.Errorf(jmap.ErrorUnsupportedFilter, "a filter can have %d keywords of threads", maxThreadKeywords)
			return
		}
		add(name, func(name string) func(e *email) bool { return make(f.q.threadKeyword(name)) })
	}
	thread(c.AllInThreadHaveKeyword, func(k *threadKeyword) func(e *email) bool {
		return func(e *email) bool { return !k.lacks[e.number] }
	})
	thread(c.SomeInThreadHaveKeyword, func(k *threadKeyword) func(e *email) bool {
		return func(e *email) bool { return k.has[e.number] }
	})
	thread(c.NoneInThreadHaveKeyword, func(k *threadKeyword) func(e *email) bool {
		return func(e *email) bool { return !k.has[e.number] }
	})
	return tests, err
}

func (f *finder) attachment(want bool) test {
	return func(t *tested) tri {
		if t.parts != nil {
			b := t.parts.Bodies()
			return known(hasAttachment(&b) == want)
		}
		has, ok := f.q.m.derived.hasAttachment(t.e.body)
		if !ok {
			return unknown
		}
		return known(has == want)
	}
}

// words makes tests of the conditions that look into texts.
func (f *finder) words(c *emailCondition) (tests []test, err error) {
	add := func(s search.Query) error {
		tests = append(tests, f.query(s))
		if len(f.queries) > maxQueries || len(tests) > maxQueries {
			return jmap.Errorf(jmap.ErrorUnsupportedFilter, "a filter can have %d words", maxQueries)
		}
		return nil
	}
	for _, w := range c.texts() {
		for word := range searchWords(w.text) {
			if err := add(search.Query{Field: w.field, Needle: word}); err != nil {
				return nil, err
			}
		}
	}
	if c.Header != nil {
		h := *c.Header
		if len(h) == 0 || len(h) > 2 {
			return nil, jmap.Errorf(jmap.ErrorInvalidArguments, "the filter condition header has %d elements in place of one or two", len(h))
		}
		needle := ""
		if len(h) == 2 {
			needle = h[1]
		}
		err = add(search.Query{Field: search.FieldHeader, Name: h[0], Needle: needle})
	}
	return tests, err
}

// textCondition is a condition that looks into texts.
type textCondition struct {
	field search.Field
	text  string
}

func (c *emailCondition) texts() (l []textCondition) {
	for _, w := range []struct {
		field search.Field
		text  *string
	}{
		{search.FieldText, c.Text}, {search.FieldFrom, c.From}, {search.FieldTo, c.To}, {search.FieldCc, c.Cc}, {search.FieldBcc, c.Bcc},
		{search.FieldSubject, c.Subject}, {search.FieldBody, c.Body},
	} {
		if w.text != nil {
			l = append(l, textCondition{w.field, *w.text})
		}
	}
	return l
}

// query makes a test of a query.
func (f *finder) query(s search.Query) test {
	i := slices.Index(f.queries, s)
	if i < 0 {
		i = len(f.queries)
		f.queries = append(f.queries, s)
	}
	return func(t *tested) tri {
		if t.found != nil {
			return known(t.found[i])
		}
		r := &f.answers[i]
		if t.e.body > r.IndexedTo {
			return unknown
		}
		if _, ok := slices.BinarySearch(r.Matches, t.e.body); ok {
			return yes
		}
		if _, ok := slices.BinarySearch(r.Candidates, t.e.body); ok {
			return unknown
		}
		return no
	}
}

// searchWords splits what is looked for: RFC 8621 4.4.1: phrases in quotes, in which a backslash escapes, and words between white
// space. A quote that is not closed is a character as any other.
func searchWords(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			s = strings.TrimLeft(s, " \t\r\n")
			if s == "" {
				return
			}
			if s[0] == '"' || s[0] == '\'' {
				if phrase, rest, ok := quoted(s); ok {
					if s = rest; phrase != "" && !yield(phrase) {
						return
					}
					continue
				}
			}
			n := strings.IndexAny(s, " \t\r\n")
			if n < 0 {
				n = len(s)
			}
			if !yield(s[:n]) {
				return
			}
			s = s[n:]
		}
	}
}

// quoted returns the phrase that s begins with, and what is after it. A quote ends it before white space, or at the end: in "don't 'x"
// none does.
func quoted(s string) (phrase, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`'"\`, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}
