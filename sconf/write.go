package sconf

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Write writes v, a struct or pointer to one, without documentation. Optional fields
// that are zero or empty are left out; fields are in order of the struct, maps in
// order of keys. A value that the syntax cannot express (text with a newline, a key
// with a colon) is an [*Error] with its path, and nothing is written.
func Write(w io.Writer, v any) error {
	return write(w, v, false)
}

// WriteDocs is like Write, with the documentation of each field in comments before it.
func WriteDocs(w io.Writer, v any) error {
	return write(w, v, true)
}

func write(w io.Writer, v any, docs bool) error {
	rv, err := structValue(v)
	if err != nil {
		return err
	}
	pr := printer{types: types{}, docs: docs}
	pr.structFields(rv, 0, nil)
	if pr.err != nil {
		return pr.err
	}
	if _, err := w.Write(pr.buf.Bytes()); err != nil {
		return fmt.Errorf("writing configuration: %w", err)
	}
	return nil
}

func structValue(v any) (reflect.Value, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer && !rv.IsNil() {
		rv = rv.Elem()
	}
	if rv.Kind() != reflect.Struct {
		return rv, fmt.Errorf("%w: need struct or pointer to struct, got %T", ErrType, v)
	}
	return rv, nil
}

// printer writes values as lines.
type printer struct {
	types types
	buf   bytes.Buffer
	docs  bool
	err   error // First error.
}

func (pr *printer) fail(path Path, msg string) {
	if pr.err == nil {
		pr.err = &Error{Path: path, Msg: msg}
	}
}

func (pr *printer) line(indent int, text string) {
	for range indent {
		pr.buf.WriteByte('\t')
	}
	pr.buf.WriteString(text)
	pr.buf.WriteByte('\n')
}

func (pr *printer) structFields(v reflect.Value, indent int, path Path) {
	first := true
	for _, f := range pr.types.of(v.Type()).fields {
		fv := v.Field(f.index)
		if f.optional && isEmpty(fv) {
			continue
		}
		if pr.docs {
			if !first || indent == 0 && pr.buf.Len() > 0 {
				pr.buf.WriteByte('\n')
			}
			writeDoc(&pr.buf, indent, f)
		}
		first = false
		pr.value(f.name+":", fv, indent, path.Key(f.name), false)
	}
}

// value writes a value after head, which is a key with colon or a dash.
func (pr *printer) value(head string, v reflect.Value, indent int, path Path, ofMap bool) {
	k := kindOf(v.Type())
	if k == kindPointer {
		if v.IsNil() {
			pr.fail(path, "required value is nil")
			return
		}
		v = v.Elem()
		k = kindOf(v.Type())
	}
	if indent >= MaxDepth {
		pr.fail(path, "nested too deep")
		return
	}
	switch k {
	case kindScalar:
		text, msg := scalarText(v)
		if msg != "" {
			pr.fail(path, msg)
		}
		pr.line(indent, scalarLine(head, text))
	case kindStruct:
		if ofMap && isEmpty(v) && !pr.hasRequired(v.Type()) {
			pr.line(indent, head+" nil")
			return
		}
		pr.line(indent, head)
		pr.structFields(v, indent+1, path)
	case kindMap:
		pr.line(indent, head)
		for _, key := range sortedKeys(v) {
			if msg := checkKey(key); msg != "" {
				pr.fail(path.Key(key), msg)
			}
			e := v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key()))
			pr.value(key+":", e, indent+1, path.Key(key), true)
		}
	case kindList:
		pr.line(indent, head)
		for i := range v.Len() {
			pr.value("-", v.Index(i), indent+1, path.Index(i), false)
		}
	default:
		if pr.err == nil {
			pr.err = fmt.Errorf("%w %s at %s", ErrType, v.Type(), path)
		}
	}
}

func scalarLine(head, text string) string {
	if text == "" {
		return head
	}
	return head + " " + text
}

func (pr *printer) hasRequired(t reflect.Type) bool {
	return slices.ContainsFunc(pr.types.of(t).fields, func(f fieldInfo) bool { return !f.optional })
}

func sortedKeys(m reflect.Value) []string {
	keys := make([]string, 0, m.Len())
	for _, k := range m.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	return keys
}

const docWidth = 90

// writeDoc writes the documentation of a field as comment lines.
func writeDoc(b *bytes.Buffer, indent int, f fieldInfo) {
	doc := f.doc
	if f.optional {
		doc = strings.TrimSpace(doc + " (optional)")
	}
	if doc == "" {
		return
	}
	tabs := strings.Repeat("\t", indent)
	for para := range strings.SplitSeq(doc, "\n") {
		for _, l := range wrap(para, max(docWidth-8*indent, 40)) {
			b.WriteString(strings.TrimRight(tabs+"# "+l, " ") + "\n")
		}
	}
}

// wrap breaks text at spaces.
func wrap(text string, width int) []string {
	var lines []string
	cur := ""
	for word := range strings.FieldsSeq(text) {
		if cur != "" && len(cur)+1+len(word) > width {
			lines = append(lines, cur)
			cur = word
		} else if cur == "" {
			cur = word
		} else {
			cur += " " + word
		}
	}
	return append(lines, cur)
}
