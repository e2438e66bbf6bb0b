package sconf

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Rewrite returns the text of old changed so that it parses to v, a struct or pointer
// to one. What did not change keeps its bytes: comments, blank lines, order, and the
// spelling of values. What was added goes where [Write] would put it relative to what
// is there; what was removed goes together with the comments directly above it.
//
// An old text that does not parse into the type of v is an error of [Parse]; a value
// that cannot be written is an [*Error].
func Rewrite(old []byte, v any) ([]byte, error) {
	nv, err := structValue(v)
	if err != nil {
		return nil, err
	}
	ov := reflect.New(nv.Type())
	doc, err := Parse(old, "", ov.Interface())
	if err != nil {
		return nil, fmt.Errorf("parsing text to change: %w", err)
	}
	r := rewriter{t: doc.tree, pr: printer{types: types{}}}
	r.structFields(doc.tree.root, ov.Elem(), nv, nil)
	if r.pr.err != nil {
		return nil, r.pr.err
	}
	text := r.apply()

	// The new text is what will be read. Should a case exist in which it does not mean
	// v, then comments are the lesser loss.
	check := reflect.New(nv.Type())
	if _, err := Parse(text, "", check.Interface()); err == nil && equal(check.Elem(), nv) {
		return text, nil
	}
	var b bytes.Buffer
	if err := Write(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// edit replaces lines from start up to before end by text. Depth is the indentation of
// what it is about.
type edit struct {
	start, end, depth int
	text              []byte
}

// order sorts edits by place. Of those at one place, insertions come first, and of them
// those that end an inner section before those that end an outer one.
func (a edit) order(b edit) int {
	if c := cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(min(a.end-a.start, 1), min(b.end-b.start, 1))); c != 0 {
		return c
	}
	return cmp.Compare(b.depth, a.depth)
}

type rewriter struct {
	t     *tree
	pr    printer
	edits []edit
}

// apply makes the new text. Edits may be nested (an insertion at the end of what is
// removed), not otherwise overlap.
func (r *rewriter) apply() []byte {
	slices.SortStableFunc(r.edits, edit.order)
	eol := "\n"
	if len(r.t.lines) > 0 && r.t.lines[0].next-r.t.lines[0].end == 2 {
		eol = "\r\n"
	}
	var out []byte
	if len(r.t.lines) > 0 {
		out = append(out, r.t.data[:r.t.lines[0].start]...) // Byte order mark.
	}
	pos := 0
	copyTo := func(end int) {
		if pos < end {
			out = append(out, r.t.data[r.t.lines[pos].start:r.t.lines[end-1].next]...)
			pos = end
		}
	}
	for _, e := range r.edits {
		copyTo(e.start)
		if len(e.text) > 0 {
			if len(out) > 0 && out[len(out)-1] != '\n' && len(r.t.lines) > 0 {
				out = append(out, eol...)
			}
			out = append(out, bytes.ReplaceAll(e.text, []byte("\n"), []byte(eol))...)
		}
		pos = max(pos, e.end)
	}
	copyTo(len(r.t.lines))
	return out
}

func (r *rewriter) blank(i int) bool {
	return r.t.text(i) == ""
}

// comment returns the indentation of a comment line, or -1.
func (r *rewriter) comment(i int) int {
	text := r.t.text(i)
	rest := strings.TrimLeft(text, "\t")
	if !strings.HasPrefix(rest, "#") {
		return -1
	}
	return len(text) - len(rest)
}

// attached returns the first line of the comments directly above n at its indentation.
func (r *rewriter) attached(n *node) int {
	i := n.line
	for i > 0 && r.comment(i-1) == n.indent {
		i--
	}
	return i
}

// after returns the line after n and what is below it, comments included that are
// indented deeper than n.
func (r *rewriter) after(n *node) int {
	end := n.end + 1
	for i := end; i < len(r.t.lines); i++ {
		if r.comment(i) > n.indent {
			end = i + 1
		} else if !r.blank(i) {
			break
		}
	}
	return end
}

func (r *rewriter) remove(n *node) {
	start, end := r.attached(n), r.after(n)
	// Do not leave two blank lines where one was on each side.
	if start > 0 && end < len(r.t.lines) && r.blank(start-1) && r.blank(end) {
		end++
	}
	r.edits = append(r.edits, edit{start, end, n.indent, nil})
}

// print returns the lines of a new value.
func (r *rewriter) print(head string, v reflect.Value, indent int, path Path, ofMap bool) []byte {
	r.pr.buf.Reset()
	r.pr.value(head, v, indent, path, ofMap)
	return bytes.Clone(r.pr.buf.Bytes())
}

// insert adds a value before line at. Like its neighbours below parent it gets a blank
// line for company.
func (r *rewriter) insert(at int, parent *node, text []byte) {
	if bytes.Count(text, []byte("\n")) > 1 && len(parent.children) > 1 {
		last := parent.children[len(parent.children)-1]
		if a := r.attached(last); a > 0 && r.blank(a-1) {
			switch {
			case at <= parent.line+1 || parent.line < 0 && at == 0:
				text = append(text, '\n')
			case !r.blank(at - 1):
				text = append([]byte("\n"), text...)
			}
		}
	}
	r.edits = append(r.edits, edit{at, at, parent.indent + 1, text})
}

func (r *rewriter) structFields(n *node, ov, nv reflect.Value, path Path) {
	var prev *node // Last child, in the text, of those that come before in the struct.
	for _, f := range r.pr.types.of(nv.Type()).fields {
		c := n.child(f.name)
		o, v := ov.Field(f.index), nv.Field(f.index)
		p := path.Key(f.name)
		switch absent := f.optional && isEmpty(v); {
		case c == nil && !absent:
			at := n.line + 1
			if prev != nil {
				at = r.after(prev)
			} else if len(n.children) > 0 {
				at = r.after(n.children[len(n.children)-1])
			}
			r.insert(at, n, r.print(f.name+":", v, n.indent+1, p, false))
		case c != nil && absent && !isEmpty(o):
			r.remove(c)
		case c != nil:
			r.value(c, f.name+":", o, v, p, false)
		}
		if c != nil && (prev == nil || c.line > prev.line) {
			prev = c
		}
	}
}

// value changes the lines of n, which held o, to v.
func (r *rewriter) value(n *node, head string, o, v reflect.Value, path Path, ofMap bool) {
	if equal(o, v) {
		return
	}
	k := kindOf(v.Type())
	if k == kindPointer {
		if o.IsNil() || v.IsNil() {
			r.pr.fail(path, "required value is nil")
			return
		}
		o, v = o.Elem(), v.Elem()
		k = kindOf(v.Type())
	}
	// What is on one line in old or new is replaced whole.
	if k == kindScalar || len(n.children) == 0 {
		r.edits = append(r.edits, edit{n.line, n.end + 1, n.indent, r.print(head, v, n.indent, path, ofMap)})
		return
	}
	switch k {
	case kindStruct:
		r.structFields(n, o, v, path)
	case kindMap:
		r.mapEntries(n, o, v, path)
	case kindList:
		r.listItems(n, o, v, path)
	}
}

func (r *rewriter) mapEntries(n *node, ov, nv reflect.Value, path Path) {
	keyOf := func(key string) reflect.Value { return reflect.ValueOf(key).Convert(nv.Type().Key()) }
	for _, c := range n.children {
		p := path.Key(c.key)
		if v := nv.MapIndex(keyOf(c.key)); v.IsValid() {
			r.value(c, c.key+":", ov.MapIndex(keyOf(c.key)), v, p, true)
		} else {
			r.remove(c)
		}
	}
	byKey := func(a, b *node) int { return strings.Compare(a.key, b.key) }
	sorted := slices.IsSortedFunc(n.children, byKey)
	for _, key := range sortedKeys(nv) {
		if ov.MapIndex(keyOf(key)).IsValid() {
			continue
		}
		p := path.Key(key)
		if msg := checkKey(key); msg != "" {
			r.pr.fail(p, msg)
		}
		i := len(n.children)
		if sorted {
			i, _ = slices.BinarySearchFunc(n.children, &node{key: key}, byKey)
		}
		at := r.attached(n.children[0])
		if i > 0 {
			at = r.after(n.children[i-1])
		}
		r.insert(at, n, r.print(key+":", nv.MapIndex(keyOf(key)), n.indent+1, p, true))
	}
}

// maxListDiff bounds the table of the comparison of two lists.
const maxListDiff = 1 << 20

// listItems finds the longest list of items that are in both lists, keeps those, and
// between them removes, adds, and for items with content of their own changes.
func (r *rewriter) listItems(n *node, ov, nv reflect.Value, path Path) {
	start, on, nn := 0, ov.Len(), nv.Len()
	for start < on && start < nn && equal(ov.Index(start), nv.Index(start)) {
		start++
	}
	for on > start && nn > start && equal(ov.Index(on-1), nv.Index(nn-1)) {
		on--
		nn--
	}
	i, j := start, start
	for _, m := range commonItems(ov, nv, start, on, nn) {
		r.listGap(n, ov, nv, path, [2]int{i, m[0]}, [2]int{j, m[1]})
		i, j = m[0]+1, m[1]+1
	}
	r.listGap(n, ov, nv, path, [2]int{i, on}, [2]int{j, nn})
}

// commonItems returns the pairs of indexes of a longest common subsequence.
func commonItems(ov, nv reflect.Value, start, on, nn int) [][2]int {
	rows, cols := on-start, nn-start
	if rows == 0 || cols == 0 || rows > maxListDiff/cols {
		return nil
	}
	same := make([]bool, rows*cols)
	length := make([]int, (rows+1)*(cols+1)) // Of what is common from here on.
	for i := rows - 1; i >= 0; i-- {
		for j := cols - 1; j >= 0; j-- {
			at := i*(cols+1) + j
			if equal(ov.Index(start+i), nv.Index(start+j)) {
				same[i*cols+j] = true
				length[at] = length[at+cols+2] + 1
			} else {
				length[at] = max(length[at+1], length[at+cols+1])
			}
		}
	}
	var pairs [][2]int
	for i, j := 0, 0; i < rows && j < cols; {
		switch at := i*(cols+1) + j; {
		case same[i*cols+j]:
			pairs = append(pairs, [2]int{start + i, start + j})
			i++
			j++
		case length[at+cols+1] >= length[at+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}

// listGap changes old items [o[0], o[1]) to new ones [w[0], w[1]).
func (r *rewriter) listGap(n *node, ov, nv reflect.Value, path Path, o, w [2]int) {
	if kindOf(ov.Type().Elem()) != kindScalar {
		for o[0] < o[1] && w[0] < w[1] {
			r.value(n.children[o[0]], "-", ov.Index(o[0]), nv.Index(w[0]), path.Index(w[0]), false)
			o[0]++
			w[0]++
		}
	}
	at := n.line + 1
	if o[1] > 0 {
		at = r.after(n.children[o[1]-1])
	}
	for i := o[0]; i < o[1]; i++ {
		r.remove(n.children[i])
	}
	for j := w[0]; j < w[1]; j++ {
		r.insert(at, n, r.print("-", nv.Index(j), n.indent+1, path.Index(j), false))
	}
}
