package sconf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// ErrType is wrapped by errors about a Go value that a file cannot be parsed into or
// written from because of its type. Those are mistakes in a program, not in a file.
var ErrType = errors.New("sconf: unsupported type")

// Doc is a parsed file: it knows where values stood. Its methods may be used
// concurrently.
type Doc struct {
	file    string
	tree    *tree
	sources map[string]string // of values that [Doc.Set] has given, by path
}

// Parse parses data into dst, a non-nil pointer to a struct that is best zero. File is
// for error messages. A problem in the file gives [Errors]: the first problem of
// syntax, or else all about unknown, missing and malformed values, up to [MaxErrors].
// Then dst is partly filled.
//
// Parse keeps data, which may not be changed afterwards.
func Parse(data []byte, file string, dst any) (*Doc, error) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("%w: need pointer to struct, got %T", ErrType, dst)
	}
	t, serr := parseTree(data)
	if serr != nil {
		serr.File = file
		return nil, Errors{serr}
	}
	d := decoder{file: file, types: types{}}
	d.decode(t.root, v.Elem(), nil, false)
	if d.err != nil {
		return nil, d.err
	}
	if len(d.errs) > 0 {
		slices.SortStableFunc(d.errs, func(a, b *Error) int { return a.Line - b.Line })
		return nil, d.errs
	}
	// Concurrent use of Line needs all indexes made.
	prepare(t.root)
	return &Doc{file: file, tree: t}, nil
}

func prepare(n *node) {
	if len(n.children) > 0 {
		n.child("")
	}
	for _, c := range n.children {
		prepare(c)
	}
}

// File returns the name given to Parse.
func (d *Doc) File() string {
	return d.file
}

// Data returns the text that was parsed. It must not be changed.
func (d *Doc) Data() []byte {
	return d.tree.data
}

// Has tells whether the file has a value at this path.
func (d *Doc) Has(path Path) bool {
	n := d.tree.root
	for _, e := range path {
		if n = n.child(e); n == nil {
			return false
		}
	}
	return true
}

// Line returns the line, from 1, of the value at this path; of a value that is not in
// the file the line of the innermost section around it that is.
func (d *Doc) Line(path Path) int {
	n := d.tree.root
	for _, e := range path {
		c := n.child(e)
		if c == nil {
			break
		}
		n = c
	}
	return max(n.line, 0) + 1
}

// Errorf returns an error about the value at this path, with its line.
func (d *Doc) Errorf(path Path, format string, args ...any) *Error {
	if source := d.source(path); source != "" {
		return &Error{source, 0, path, fmt.Sprintf(format, args...)}
	}
	return &Error{d.file, d.Line(path), path, fmt.Sprintf(format, args...)}
}

type decoder struct {
	file    string
	types   types
	structs []*structInfo // Around the current one, for hints.
	errs    Errors
	err     error // About types.
}

func (d *decoder) errorf(n *node, path Path, format string, args ...any) {
	if len(d.errs) < MaxErrors {
		d.errs = append(d.errs, &Error{d.file, max(n.line, 0) + 1, path, fmt.Sprintf(format, args...)})
	}
}

// decode sets v from n. Only a value of a map may be "nil".
func (d *decoder) decode(n *node, v reflect.Value, path Path, ofMap bool) {
	k := kindOf(v.Type())
	switch k {
	case kindUnsupported:
		if d.err == nil {
			d.err = fmt.Errorf("%w %s at %s", ErrType, v.Type(), path)
		}
		return
	case kindPointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), path, ofMap)
		return
	case kindScalar:
		d.decodeScalar(n, v, path)
		return
	}
	if n.hasValue && ofMap && n.value == "nil" {
		n = &node{indent: n.indent, line: n.line, end: n.end}
	}
	if n.hasValue {
		d.errorf(n, path, "unexpected value %q, need %s on the following lines, one tab deeper%s", printable(n.value), k, listHint(n))
		return
	}
	if len(n.children) > 0 && n.children[0].item != (k == kindList) {
		d.errorf(n.children[0], path, "need %s", k)
		return
	}
	switch k {
	case kindStruct:
		d.decodeStruct(n, v, path)
	case kindMap:
		d.decodeMap(n, v, path)
	case kindList:
		l := reflect.MakeSlice(v.Type(), len(n.children), len(n.children))
		for i, c := range n.children {
			d.decode(c, l.Index(i), path.Index(i), false)
		}
		v.Set(l)
	}
}

// String returns the kind for messages to users.
func (k kind) String() string {
	return [...]string{"a value", "fields", "keys with values", "list items", "", ""}[k]
}

func listHint(n *node) string {
	if n.item {
		return " than the dash, which stands alone"
	}
	return ""
}

func (d *decoder) decodeScalar(n *node, v reflect.Value, path Path) {
	if len(n.children) > 0 {
		d.errorf(n.children[0], path, "unexpected lines below, need a value on the same line")
		return
	}
	if !n.hasValue && v.Kind() != reflect.String && v.Type() != bytesType {
		d.errorf(n, path, "missing value")
		return
	}
	if msg := setScalar(v, n.value); msg != "" {
		d.errorf(n, path, "%s", msg)
	}
}

func (d *decoder) decodeStruct(n *node, v reflect.Value, path Path) {
	si := d.types.of(v.Type())
	for _, c := range n.children {
		i, ok := si.byName[c.key]
		if !ok {
			d.errorf(c, path.Key(c.key), "unknown field%s", d.unknownHint(si, c.key))
			continue
		}
		d.structs = append(d.structs, si)
		d.decode(c, v.Field(si.fields[i].index), path.Key(c.key), false)
		d.structs = d.structs[:len(d.structs)-1]
	}
	for _, f := range si.fields {
		if !f.optional && n.child(f.name) == nil {
			d.errorf(n, path.Key(f.name), "missing required field")
		}
	}
}

func (d *decoder) unknownHint(si *structInfo, key string) string {
	if len(d.errs) >= 20 {
		return ""
	}
	for _, outer := range slices.Backward(d.structs) {
		if _, ok := outer.byName[key]; ok && Suggest(key, si.names) == "" {
			return "; there is one in a section around this, is it indented too deep?"
		}
	}
	return didYouMean(key, si.names)
}

func (d *decoder) decodeMap(n *node, v reflect.Value, path Path) {
	m := reflect.MakeMapWithSize(v.Type(), len(n.children))
	for _, c := range n.children {
		e := reflect.New(v.Type().Elem()).Elem()
		d.decode(c, e, path.Key(c.key), true)
		m.SetMapIndex(reflect.ValueOf(c.key).Convert(v.Type().Key()), e)
	}
	v.Set(m)
}
