package spf

import (
	"fmt"
	"strconv"
	"strings"
)

// This file reads the subset of YAML that the published test suite is written in: block
// mappings and sequences, plain, quoted and folded scalars, flow sequences, comments.

// yamlMap is a mapping in its order. Values are string, []any or *yamlMap.
type yamlMap struct {
	keys   []string
	values map[string]any
}

func (m *yamlMap) get(key string) any { return m.values[key] }

func (m *yamlMap) str(key string) string {
	s, _ := m.values[key].(string)
	return s
}

type yamlLine struct {
	n, indent int
	text      string
}

type yamlReader struct {
	lines []yamlLine
	pos   int
}

// yamlDocuments reads all documents of a stream.
func yamlDocuments(text string) (docs []*yamlMap, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("yaml: %v", x)
		}
	}()
	r := &yamlReader{}
	flush := func() {
		if len(r.lines) > 0 {
			docs = append(docs, r.mapping(0))
			if r.pos != len(r.lines) {
				panic(fmt.Sprintf("line %d not understood", r.lines[r.pos].n))
			}
		}
		r = &yamlReader{}
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n ")
		body := strings.TrimLeft(line, " ")
		if line == "---" {
			flush()
			continue
		}
		if body == "" || body[0] == '#' {
			continue
		}
		r.lines = append(r.lines, yamlLine{n, len(line) - len(body), body})
	}
	flush()
	return docs, nil
}

func (r *yamlReader) peek() (yamlLine, bool) {
	if r.pos < len(r.lines) {
		return r.lines[r.pos], true
	}
	return yamlLine{}, false
}

// mapping reads a block mapping at an indentation.
func (r *yamlReader) mapping(indent int) *yamlMap {
	m := &yamlMap{values: map[string]any{}}
	for {
		l, ok := r.peek()
		if !ok || l.indent != indent || strings.HasPrefix(l.text, "- ") {
			return m
		}
		r.pos++
		key, rest := splitKey(l)
		if _, dup := m.values[key]; dup {
			panic(fmt.Sprintf("line %d: key %q twice", l.n, key))
		}
		m.keys = append(m.keys, key)
		m.values[key] = r.value(rest, indent)
	}
}

// splitKey takes the key off a line.
func splitKey(l yamlLine) (key, rest string) {
	if l.text[0] == '"' {
		end := strings.Index(l.text[1:], `"`) + 2
		key, rest = unquote(l.text[:end]), l.text[end:]
		if !strings.HasPrefix(rest, ":") {
			panic(fmt.Sprintf("line %d: key without colon", l.n))
		}
		return key, strings.TrimSpace(rest[1:])
	}
	if key, ok := strings.CutSuffix(l.text, ":"); ok && !strings.Contains(key, ": ") {
		return key, ""
	}
	key, rest, ok := strings.Cut(l.text, ": ")
	if !ok {
		panic(fmt.Sprintf("line %d: no key in %q", l.n, l.text))
	}
	return key, strings.TrimSpace(rest)
}

// value reads what follows a key at an indentation.
func (r *yamlReader) value(rest string, indent int) any {
	switch rest {
	case ">-", "|-", "|", ">":
		return r.more(indent)
	case "":
		l, ok := r.peek()
		if !ok || l.indent <= indent {
			return ""
		}
		if strings.HasPrefix(l.text, "- ") {
			return r.sequence(l.indent)
		}
		return r.mapping(l.indent)
	}
	v := scalar(rest)
	if s, plain := v.(string); plain && rest[0] != '"' && rest[0] != '\'' {
		if more := r.more(indent); more != "" {
			return s + " " + more
		}
	}
	return v
}

// more reads the further lines of a scalar, joined by spaces.
func (r *yamlReader) more(indent int) string {
	var l []string
	for {
		line, ok := r.peek()
		if !ok || line.indent <= indent {
			return strings.Join(l, " ")
		}
		r.pos++
		l = append(l, line.text)
	}
}

// sequence reads a block sequence: scalars and mappings of one key.
func (r *yamlReader) sequence(indent int) []any {
	var l []any
	for {
		line, ok := r.peek()
		if !ok || line.indent != indent || !strings.HasPrefix(line.text, "- ") {
			return l
		}
		r.pos++
		line.text = strings.TrimSpace(line.text[2:])
		if !strings.Contains(line.text, ":") {
			l = append(l, scalar(line.text))
			continue
		}
		key, rest := splitKey(line)
		l = append(l, &yamlMap{[]string{key}, map[string]any{key: r.value(rest, indent)}})
	}
}

func scalar(s string) any {
	switch s[0] {
	case '[':
		inner := strings.TrimSpace(strings.TrimSuffix(s[1:], "]"))
		l := []any{}
		for inner != "" {
			var item string
			if inner[0] == '"' || inner[0] == '\'' {
				end := strings.IndexByte(inner[1:], inner[0]) + 2
				item, inner = inner[:end], strings.TrimPrefix(strings.TrimSpace(inner[end:]), ",")
			} else {
				item, inner, _ = strings.Cut(inner, ",")
			}
			inner = strings.TrimSpace(inner)
			l = append(l, scalar(strings.TrimSpace(item)))
		}
		return l
	case '"', '\'':
		return unquote(s)
	}
	return s
}

// unquote decodes a quoted scalar. Escapes of octets stand for octets here, as the suite means
// them.
func unquote(s string) string {
	if s[0] == '\'' {
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	}
	// Go has no "\0" and needs the rest as it is.
	u, err := strconv.Unquote(strings.ReplaceAll(s, `\0`, `\x00`))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", s, err))
	}
	return u
}
