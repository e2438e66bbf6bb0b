package jmapserver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"mox/jmap"
	"mox/message"
	"mox/search"
	"mox/store"
)

// Bounds of snippets.
const (
	maxSnippet     = 255       // octets of a preview, RFC 8621 5
	maxSnippetText = 512 << 10 // octets of the text of a part that are looked at
	snippetBefore  = 20        // characters before the first match
)

type snippetArgs struct {
	AccountID jmap.ID         `json:"accountId"`
	Filter    json.RawMessage `json:"filter"`
	EmailIDs  []string        `json:"emailIds"`
}

// snippet is RFC 8621 5.
type snippet struct {
	EmailID jmap.ID `json:"emailId"`
	Subject *string `json:"subject"`
	Preview *string `json:"preview"`
}

type snippetResult struct {
	AccountID jmap.ID   `json:"accountId"`
	List      []snippet `json:"list"`
	NotFound  []string  `json:"notFound"` // null without any
}

// needles are what to mark, folded.
type needles struct{ subject, body []string }

// add takes the words of a filter that are looked for, not those that must not be there.
func (n *needles) add(f *jmap.Filter[emailCondition]) {
	if f == nil || f.Operator == jmap.OperatorNOT {
		return
	}
	for _, c := range f.Conditions {
		n.add(c)
	}
	if f.Condition == nil {
		return
	}
	for _, w := range f.Condition.texts() {
		for word := range searchWords(w.text) {
			if word = search.Fold(word); word == "" {
				continue
			}
			if w.field == search.FieldText || w.field == search.FieldSubject {
				n.subject = append(n.subject, word)
			}
			if w.field == search.FieldText || w.field == search.FieldBody {
				n.body = append(n.body, word)
			}
		}
	}
}

// snippetGet is SearchSnippet/get, RFC 8621 5.1.
func snippetGet(ctx context.Context, c *call, a *snippetArgs) (*snippetResult, error) {
	m, err := c.open(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if err := c.checkMany(len(a.EmailIDs)); err != nil {
		return nil, err
	}
	// Whatever Email/query refuses is refused here, too.
	q, err := c.newEmailQuery(m, a.Filter, nil, emailQueryOptions{})
	if err != nil {
		return nil, err
	}
	if _, err := (&finder{q: q}).compile(q.filter); err != nil {
		return nil, err
	}
	var n needles
	n.add(q.filter)
	res := &snippetResult{AccountID: a.AccountID, List: []snippet{}}
	var list []*email
	for _, s := range a.EmailIDs {
		id, _ := c.resolveID(s)
		body, ok := parseEmailID(id)
		if e := m.email(body); ok && e != nil {
			list = append(list, e)
		} else {
			res.NotFound = append(res.NotFound, s)
		}
	}
	for r, err := range m.acc.Rendered(ctx, contents(list), store.FieldHeaders|store.FieldParts, true) {
		if err != nil {
			return nil, err
		}
		s, err := n.snippet(ctx, m, list[r.Index], r)
		if err != nil {
			return nil, err
		}
		res.List = append(res.List, s)
	}
	return res, nil
}

func (n *needles) snippet(ctx context.Context, m *mails, e *email, r *store.Rendered) (snippet, error) {
	s := snippet{EmailID: emailID(e.body)}
	if r.Gone {
		return s, nil
	}
	if subject := strings.ToValidUTF8(message.ParseHeader(r.Headers).Text("Subject"), "\uFFFD"); len(n.subject) > 0 {
		if marks := find(subject, n.subject); len(marks) > 0 {
			marked := mark(subject, marks)
			s.Subject = &marked
		}
	}
	if len(n.body) == 0 {
		return s, nil
	}
	root, err := message.DecodePart(r.Parts)
	if err != nil {
		return s, err
	}
	body, err := m.acc.OpenBody(ctx, e.body)
	if errors.Is(err, store.ErrNoBody) {
		return s, nil
	} else if err != nil {
		return s, err
	}
	defer func() { _ = body.Close() }() // reading is over
	for _, p := range textParts(root) {
		b, err := io.ReadAll(io.LimitReader(p.VisibleText(body), maxSnippetText))
		if err != nil {
			return s, err
		}
		text := strings.Join(strings.Fields(strings.ToValidUTF8(string(b), "\uFFFD")), " ")
		if marks := find(text, n.body); len(marks) > 0 {
			preview := excerpt(text, marks)
			s.Preview = &preview
			break
		}
	}
	return s, nil
}

// textParts are the parts with text that is shown, plain first.
func textParts(root *message.Part) []*message.Part {
	var list []*message.Part
	b := root.Bodies()
	for _, p := range slices.Concat(b.Text, b.HTML) {
		if p.Type == "text" && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// span is a piece of a text, in octets.
type span struct{ from, to int }

// find returns where any of some folded needles is in a text, in order and apart.
func find(text string, folded []string) []span {
	// Characters are folded one by one, which is what Fold does but for few scripts, so that places can be told.
	var b strings.Builder
	var at []int // in text, by octet of the folded text
	for i, r := range text {
		f := search.Fold(string(r))
		b.WriteString(f)
		for range len(f) {
			at = append(at, i)
		}
	}
	at = append(at, len(text))
	s := b.String()
	var all []span
	for _, n := range folded {
		for i := 0; ; {
			k := strings.Index(s[i:], n)
			if k < 0 {
				break
			}
			from, end := i+k, i+k+len(n)
			to := at[end]
			if to <= at[end-1] { // it ends within what one character is folded to
				_, size := utf8.DecodeRuneInString(text[at[end-1]:])
				to = at[end-1] + size
			}
			all = append(all, span{at[from], to})
			i = end
		}
	}
	slices.SortFunc(all, func(a, b span) int { return a.from - b.from })
	apart := all[:0]
	for _, s := range all {
		if k := len(apart) - 1; k >= 0 && s.from <= apart[k].to {
			apart[k].to = max(apart[k].to, s.to)
		} else {
			apart = append(apart, s)
		}
	}
	return apart
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// mark makes HTML of a text, with marks.
func mark(text string, marks []span) string {
	var b strings.Builder
	at := 0
	for _, m := range marks {
		b.WriteString(escaper.Replace(text[at:m.from]) + "<mark>" + escaper.Replace(text[m.from:m.to]) + "</mark>")
		at = m.to
	}
	b.WriteString(escaper.Replace(text[at:]))
	return b.String()
}

// excerpt is what is around the first mark, as far as there is room.
func excerpt(text string, marks []span) string {
	const dots = "…"
	from := marks[0].from
	for n := 0; from > 0 && n < snippetBefore; n++ {
		_, size := utf8.DecodeLastRuneInString(text[:from])
		from -= size
	}
	head := ""
	if from > 0 {
		head = dots
		if i := strings.IndexByte(text[from:marks[0].from], ' '); i >= 0 {
			from += i + 1 // at a word
		}
	}
	to := min(len(text), from+maxSnippet)
	for {
		for to < len(text) && !utf8.RuneStart(text[to]) {
			to--
		}
		tail := ""
		if to < len(text) {
			tail = dots
		}
		if s := head + mark(text[from:to], within(marks, from, to)) + tail; len(s) <= maxSnippet {
			return s
		}
		to--
	}
}

// within are the marks of a piece of the text, relative to it.
func within(marks []span, from, to int) (l []span) {
	for _, m := range marks {
		if m.from < to && m.to > from {
			l = append(l, span{max(m.from, from) - from, min(m.to, to) - from})
		}
	}
	return l
}
