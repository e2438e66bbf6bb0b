package sconf

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a file.
const (
	MaxSize       = 64 << 20 // Bytes.
	MaxLineLength = 1 << 20  // Bytes, without line end.
	MaxLines      = 4 << 20
	MaxDepth      = 32 // Levels of nesting.
	MaxErrors     = 100
)

// node is a line with a key or a list item, and what is below it.
type node struct {
	key      string // Not for items.
	item     bool
	value    string
	hasValue bool // Something, possibly empty, was after "Key: " or "- ".
	children []*node
	indent   int // Tabs before it. The root has -1.
	line     int // Index in tree.lines. The root has -1.
	end      int // Last line of the last node below it, or its own.
	index    map[string]*node
}

// span is a line: its start, and its end without and with the line end.
type span struct {
	start, end, next int
}

// tree is a file taken apart, without knowledge of types.
type tree struct {
	data  []byte
	lines []span
	root  *node
}

// child returns the member with this key, or the item with an index as in [Path].
func (n *node) child(key string) *node {
	if n.index == nil {
		n.index = make(map[string]*node, len(n.children))
		for i, c := range n.children {
			if c.item {
				n.index[Path(nil).Index(i)[0]] = c
			} else {
				n.index[c.key] = c
			}
		}
	}
	return n.index[key]
}

// splitLines also checks what concerns bytes rather than structure.
func splitLines(data []byte) ([]span, *Error) {
	if len(data) > MaxSize {
		return nil, &Error{Msg: fmt.Sprintf("file is larger than %d bytes", MaxSize)}
	}
	var lines []span
	pos := 0
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		pos = len("\ufeff")
	}
	for pos < len(data) {
		s := span{pos, len(data), len(data)}
		if i := bytes.IndexByte(data[pos:], '\n'); i >= 0 {
			s.end, s.next = pos+i, pos+i+1
		}
		if s.end > s.start && data[s.end-1] == '\r' {
			s.end--
		}
		lines = append(lines, s)
		if msg := checkLine(data[s.start:s.end]); msg != "" {
			return nil, &Error{Line: len(lines), Msg: msg}
		}
		if len(lines) > MaxLines {
			return nil, &Error{Line: len(lines), Msg: "file has too many lines"}
		}
		pos = s.next
	}
	return lines, nil
}

func checkLine(l []byte) string {
	if len(l) > MaxLineLength {
		return fmt.Sprintf("line is longer than %d bytes", MaxLineLength)
	}
	for _, c := range l {
		if c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Sprintf("control character 0x%02x is not allowed", c)
		}
	}
	if !utf8.Valid(l) {
		return "invalid UTF-8"
	}
	return ""
}

// parseTree checks all syntax. The first error ends it.
func parseTree(data []byte) (*tree, *Error) {
	lines, serr := splitLines(data)
	if serr != nil {
		return nil, serr
	}
	t := &tree{data: data, lines: lines, root: &node{indent: -1, line: -1, end: -1}}
	// stack[i] is the node whose children have indentation i.
	stack := []*node{t.root}
	for i := range lines {
		text := t.text(i)
		rest := strings.TrimLeft(text, "\t")
		indent := len(text) - len(rest)
		if text == "" || strings.HasPrefix(rest, "#") {
			continue
		}
		n, msg := parseLine(rest)
		if msg == "" {
			msg = checkIndent(stack, indent, n)
		}
		if msg != "" {
			return nil, &Error{Line: i + 1, Msg: msg}
		}
		n.indent, n.line, n.end = indent, i, i
		parent := stack[indent]
		if msg := parent.add(n); msg != "" {
			return nil, &Error{Line: i + 1, Path: pathOf(stack[:indent+1], n), Msg: msg}
		}
		stack = append(stack[:indent+1], n)
		for _, p := range stack {
			p.end = i
		}
	}
	return t, nil
}

// text returns a line without its end.
func (t *tree) text(i int) string {
	return string(t.data[t.lines[i].start:t.lines[i].end])
}

// pathOf returns the path of n below the last of stack, whose first is the root.
func pathOf(stack []*node, n *node) Path {
	var p Path
	for i := 1; i < len(stack); i++ {
		p = p.child(stack[i-1], stack[i])
	}
	return p.child(stack[len(stack)-1], n)
}

func (p Path) child(parent, n *node) Path {
	if !n.item {
		return p.Key(n.key)
	}
	i := len(parent.children)
	if i > 0 && parent.children[i-1] == n {
		i--
	}
	return p.Index(i)
}

// parseLine parses a line that is neither empty nor a comment, without indentation.
func parseLine(rest string) (*node, string) {
	switch {
	case rest == "":
		return nil, "line with only whitespace; remove it or make it empty"
	case rest[0] == ' ':
		return nil, "indentation is by tabs, not spaces"
	case rest == "-":
		return &node{item: true}, ""
	case strings.HasPrefix(rest, "- "):
		return &node{item: true, value: rest[2:], hasValue: true}, ""
	}
	key, value, ok := strings.Cut(rest, ":")
	switch {
	case !ok:
		return nil, fmt.Sprintf("missing colon after key %q", printable(rest))
	case key == "":
		return nil, "missing key before colon"
	case value == "":
		return &node{key: key}, ""
	case value[0] != ' ':
		return nil, fmt.Sprintf("missing space after colon of %q", printable(key))
	}
	return &node{key: key, value: value[1:], hasValue: true}, ""
}

func checkIndent(stack []*node, indent int, n *node) string {
	switch last := stack[len(stack)-1]; {
	case indent >= MaxDepth:
		return fmt.Sprintf("nested deeper than %d levels", MaxDepth)
	case indent > len(stack)-1:
		return fmt.Sprintf("indented too deep: at most %d tabs are expected here, found %d", len(stack)-1, indent)
	case indent == len(stack)-1 && last.hasValue && last.value == "":
		return "unexpected indentation; the line before has a space after its colon and so an empty value, remove that space"
	case indent == len(stack)-1 && last.hasValue:
		return "unexpected indentation; the line before has a value and takes no lines below it"
	case n.item && indent == 0:
		return "list item outside of a list"
	}
	return ""
}

func (n *node) add(c *node) string {
	if len(n.children) > 0 && n.children[0].item != c.item {
		if c.item {
			return "list item among keys"
		}
		return "key among list items; fields of a list item are one tab deeper than its dash"
	}
	if !c.item {
		if n.index == nil {
			n.index = map[string]*node{}
		}
		if old := n.index[c.key]; old != nil {
			return fmt.Sprintf("key given twice, first on line %d", old.line+1)
		}
		n.index[c.key] = c
	}
	n.children = append(n.children, c)
	return ""
}
