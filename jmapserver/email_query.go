package jmapserver

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"mox/jmap"
	"mox/message"
	"mox/store"
)

// emailSortOptions are the properties that Emails can be sorted by, RFC 8621 4.4.2.
var emailSortOptions = []string{"receivedAt", "sentAt", "size", "from", "to", "subject", "hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword"}

// emailQueryOptions are further arguments of Email/query and Email/queryChanges.
type emailQueryOptions struct {
	CollapseThreads bool `json:"collapseThreads"`
}

type emailQueryArgs struct {
	queryArgs
	emailQueryOptions
}

type emailQueryChangesArgs struct {
	queryChangesArgs
	emailQueryOptions
}

// emailQuerying is a query that is being answered.
type emailQuerying struct {
	c      *call
	m      *mails
	filter *jmap.Filter[emailCondition]
	sort   []jmap.Comparator

	collapse bool
	threads  map[string]*threadKeyword
	byThread bool // an Email can match, or its place be another, because another of its thread changed
	text     bool // the index has a say, which learns the text of documents later
}

// newEmailQuery decodes a query.
func (c *call) newEmailQuery(m *mails, filter json.RawMessage, sort []jmap.Comparator, o emailQueryOptions) (*emailQuerying, error) {
	f, err := jmap.DecodeFilter[emailCondition](filter)
	if err != nil {
		return nil, err
	}
	q := &emailQuerying{c: c, m: m, filter: f, sort: sort, collapse: o.CollapseThreads, byThread: o.CollapseThreads, threads: map[string]*threadKeyword{}}
	f.Each(func(e *emailCondition) {
		q.byThread = q.byThread || e.AllInThreadHaveKeyword != nil || e.SomeInThreadHaveKeyword != nil || e.NoneInThreadHaveKeyword != nil
		q.text = q.text || e.Text != nil || e.Body != nil
	})
	for i := range sort {
		if err := q.checkSort(&sort[i]); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *emailQuerying) checkSort(s *jmap.Comparator) error {
	if !slices.Contains(emailSortOptions, s.Property) {
		return jmap.Errorf(jmap.ErrorUnsupportedSort, "Emails cannot be sorted by %.100q", s.Property)
	}
	if _, err := collation(s); err != nil {
		return err
	}
	if strings.HasSuffix(s.Property, "Keyword") {
		if _, _, ok := parseKeyword(s.Keyword); !ok {
			return jmap.Errorf(jmap.ErrorInvalidArguments, "a comparator by %s needs a keyword", s.Property)
		}
		q.byThread = q.byThread || s.Property != "hasKeyword"
	}
	return nil
}

// run returns all results in their order. It looks among the results of earlier queries at the same moment first.
func (q *emailQuerying) run(ctx context.Context, filter json.RawMessage) ([]*email, error) {
	key, err := json.Marshal([]any{filter, q.sort, q.collapse})
	if err != nil {
		return nil, err
	}
	// Ids of this request mean something else in another.
	cache := !strings.Contains(string(filter), `"#`) && !q.text
	if l, ok := q.m.results.get(string(key)); ok && cache {
		return l, nil
	}
	list, err := q.find(ctx)
	if err != nil {
		return nil, err
	}
	if err := q.order(ctx, list); err != nil {
		return nil, err
	}
	if q.collapse {
		list = q.m.collapsed(list)
	}
	if cache {
		q.m.results.put(string(key), list)
	}
	return list, nil
}

// collapsed leaves the first Email of each thread: RFC 8621 4.4.3.
func (m *mails) collapsed(list []*email) []*email {
	seen := make([]bool, m.numbers)
	return slices.DeleteFunc(list, func(e *email) bool {
		was := seen[e.number]
		seen[e.number] = true
		return was
	})
}

// order sorts Emails. Those that no comparator tells apart are in the order in which they came.
func (q *emailQuerying) order(ctx context.Context, list []*email) error {
	sort := q.sort
	if len(sort) == 0 {
		down := false
		sort = []jmap.Comparator{{Property: "receivedAt", IsAscending: &down}}
	}
	if len(sort) == 1 && sort[0].Property == "receivedAt" {
		up := sort[0].Ascending()
		slices.SortFunc(list, func(a, b *email) int {
			if !up {
				a, b = b, a
			}
			return cmp.Or(cmp.Compare(a.received, b.received), cmp.Compare(a.body, b.body))
		})
		return nil
	}
	columns := make([]*sortColumn, len(sort))
	for i := range sort {
		var err error
		if columns[i], err = q.column(ctx, &sort[i], list); err != nil {
			return err
		}
	}
	index := make([]int, len(list))
	for i := range index {
		index[i] = i
	}
	last := 1
	if !sort[0].Ascending() {
		last = -1
	}
	slices.SortFunc(index, func(a, b int) int {
		for _, c := range columns {
			if n := c.compare(a, b); n != 0 {
				return n
			}
		}
		return last * cmp.Compare(list[a].body, list[b].body)
	})
	sorted := make([]*email, len(list))
	for i, k := range index {
		sorted[i] = list[k]
	}
	copy(list, sorted)
	return nil
}

// sortColumn is what one comparator compares of each Email: numbers, or texts.
type sortColumn struct {
	numbers []int64
	texts   []string
	down    bool
}

func (c *sortColumn) compare(a, b int) int {
	if c.down {
		a, b = b, a
	}
	if c.texts != nil {
		return strings.Compare(c.texts[a], c.texts[b])
	}
	return cmp.Compare(c.numbers[a], c.numbers[b])
}

func (q *emailQuerying) column(ctx context.Context, s *jmap.Comparator, list []*email) (*sortColumn, error) {
	c := &sortColumn{down: !s.Ascending()}
	var value func(e *email) int64
	switch s.Property {
	case "receivedAt":
		value = func(e *email) int64 { return e.received }
	case "size":
		value = func(e *email) int64 { return e.size }
	case "hasKeyword":
		has := q.keyword(s.Keyword)
		value = func(e *email) int64 { return truth(has(e)) }
	case "allInThreadHaveKeyword":
		t := q.threadKeyword(s.Keyword)
		value = func(e *email) int64 { return truth(!t.lacks[e.number]) }
	case "someInThreadHaveKeyword":
		t := q.threadKeyword(s.Keyword)
		value = func(e *email) int64 { return truth(t.has[e.number]) }
	default:
		return c, q.storedColumn(ctx, c, s, list)
	}
	c.numbers = make([]int64, len(list))
	for i, e := range list {
		c.numbers[i] = value(e)
	}
	return c, nil
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// storedColumn fills a column from what is stored of contents.
func (q *emailQuerying) storedColumn(ctx context.Context, c *sortColumn, s *jmap.Comparator, list []*email) error {
	by, err := collation(s)
	if err != nil {
		return err
	}
	fields := store.FieldKeys
	if s.Property == "sentAt" {
		c.numbers = make([]int64, len(list))
	} else {
		c.texts = make([]string, len(list))
		if by != message.UnicodeCasemap {
			fields = store.FieldHeaders
		}
	}
	for r, err := range q.m.acc.Rendered(ctx, contents(list), fields, true) {
		if err != nil {
			return err
		}
		switch {
		case s.Property == "sentAt":
			c.numbers[r.Index] = r.Keys.Date
		case fields == store.FieldKeys:
			c.texts[r.Index] = map[string]string{"from": string(r.Keys.DisplayFrom), "to": string(r.Keys.DisplayTo), "subject": string(r.Keys.Subject)}[s.Property]
		default:
			p, err := message.ParseTop(strings.NewReader(string(r.Headers)), message.Limits{})
			if err != nil {
				return err
			}
			k := p.SortKeysBy(by)
			c.texts[r.Index] = map[string]string{"from": k.DisplayFrom, "to": k.DisplayTo, "subject": k.Subject}[s.Property]
		}
	}
	return nil
}

// contents are Emails as the store reads them.
func contents(list []*email) []*store.Message {
	all := make([]store.Message, len(list))
	msgs := make([]*store.Message, len(list))
	for i, e := range list {
		all[i].Body = e.body
		msgs[i] = &all[i]
	}
	return msgs
}

// keyword tells whether Emails have a keyword, which is valid.
func (q *emailQuerying) keyword(name string) func(e *email) bool {
	flag, word, _ := parseKeyword(name)
	if flag != 0 {
		return func(e *email) bool { return e.flags&flag != 0 }
	}
	sets := q.m.acc.KeywordSets(word)
	return func(e *email) bool {
		for p := range e.all() {
			if sets[p.keywords] {
				return true
			}
		}
		return false
	}
}

// threadKeyword tells of each thread, by its number, whether any of its Emails has a keyword, and whether any has not.
type threadKeyword struct{ has, lacks []bool }

func (q *emailQuerying) threadKeyword(name string) *threadKeyword {
	name = strings.ToLower(name)
	if t := q.threads[name]; t != nil {
		return t
	}
	t := &threadKeyword{make([]bool, q.m.numbers), make([]bool, q.m.numbers)}
	has := q.keyword(name)
	for e := range q.m.all() {
		if has(e) {
			t.has[e.number] = true
		} else {
			t.lacks[e.number] = true
		}
	}
	q.threads[name] = t
	return t
}

func emailIDOf(e *email) jmap.ID { return emailID(e.body) }

// emailQuery is Email/query, RFC 8621 4.4.
func emailQuery(ctx context.Context, c *call, a *emailQueryArgs) (*queryResult, error) {
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	q, err := c.newEmailQuery(m, a.Filter, a.Sort, a.emailQueryOptions)
	if err != nil {
		return nil, err
	}
	list, err := q.run(ctx, a.Filter)
	if err != nil {
		return nil, err
	}
	res, err := page(c, &a.queryArgs, list, emailIDOf)
	if err != nil {
		return nil, err
	}
	res.QueryState, res.CanCalculateChanges = stateOf(m.acc, m.seq()), !q.text
	return res, nil
}

// emailQueryChanges is Email/queryChanges, RFC 8621 4.5.
func emailQueryChanges(ctx context.Context, c *call, a *emailQueryChangesArgs) (*queryChangesResult, error) {
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	since, most, err := a.parse(m.acc, m.seq())
	if err != nil {
		return nil, err
	}
	q, err := c.newEmailQuery(m, a.Filter, a.Sort, a.emailQueryOptions)
	if err != nil {
		return nil, err
	}
	if q.text {
		return nil, jmap.Errorf(jmap.ErrorCannotCalculateChanges, "changes of a search in texts are not known")
	}
	h, err := m.history(ctx, since.seq)
	if err != nil {
		return nil, err
	}
	touched, err := q.touched(h)
	if err != nil {
		return nil, err
	}
	list, err := q.run(ctx, a.Filter)
	if err != nil {
		return nil, err
	}
	return moved(&a.queryChangesArgs, m.acc, m.seq(), most, touched, list, emailIDOf)
}

// touched returns the Emails that changed, and where it matters those that are or were in a thread with one that did.
func (q *emailQuerying) touched(h *history) (map[jmap.ID]bool, error) {
	ids := map[jmap.ID]bool{}
	for _, o := range h.ops {
		for b := range o.bodies {
			ids[emailID(b)] = true
		}
	}
	if !q.byThread {
		return ids, nil
	}
	if err := h.known(); err != nil {
		return nil, err
	}
	done := map[store.ThreadID]bool{}
	for _, t := range h.thread {
		if done[t] {
			continue
		}
		done[t] = true
		for _, b := range h.m.everIn(t) {
			ids[emailID(b)] = true
		}
	}
	return ids, nil
}
