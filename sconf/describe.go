package sconf

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Describe writes a documented example of a file with every field there is. Optional
// fields are commented out by a "#" directly before the key; removing it makes them
// count. Values are from example, a struct or pointer to one; maps, lists and pointers
// that are empty in it are described with one element, map keys being "x".
func Describe(w io.Writer, example any) error {
	rv, err := structValue(example)
	if err != nil {
		return err
	}
	d := describer{types: types{}}
	d.fields(rv, 0, nil, false)
	if d.err != nil {
		return d.err
	}
	if _, err := w.Write(d.buf.Bytes()); err != nil {
		return fmt.Errorf("writing description: %w", err)
	}
	return nil
}

type describer struct {
	types types
	buf   bytes.Buffer
	err   error
}

func (d *describer) line(indent int, commented bool, text string) {
	d.buf.WriteString(strings.Repeat("\t", indent))
	if commented {
		d.buf.WriteByte('#')
	}
	d.buf.WriteString(text)
	d.buf.WriteByte('\n')
}

func (d *describer) fields(v reflect.Value, indent int, path Path, commented bool) {
	for i, f := range d.types.of(v.Type()).fields {
		if i > 0 {
			d.buf.WriteByte('\n')
		}
		writeDoc(&d.buf, indent, f)
		d.value(f.name+":", v.Field(f.index), indent, path.Key(f.name), commented || f.optional)
	}
}

func (d *describer) value(head string, v reflect.Value, indent int, path Path, commented bool) {
	if indent >= MaxDepth {
		d.fail(&Error{Path: path, Msg: "nested too deep, or a type that contains itself"})
		return
	}
	k := kindOf(v.Type())
	if k == kindPointer {
		if v.IsNil() {
			v = reflect.New(v.Type().Elem())
		}
		v = v.Elem()
		k = kindOf(v.Type())
	}
	if k == kindScalar {
		text, msg := scalarText(v)
		if msg != "" {
			d.fail(&Error{Path: path, Msg: msg})
		}
		d.line(indent, commented, scalarLine(head, text))
		return
	}
	d.line(indent, commented, head)
	switch k {
	case kindStruct:
		d.fields(v, indent+1, path, commented)
	case kindMap:
		if v.Len() == 0 {
			d.value("x:", reflect.New(v.Type().Elem()).Elem(), indent+1, path.Key("x"), commented)
		}
		for i, key := range sortedKeys(v) {
			if msg := checkKey(key); msg != "" {
				d.fail(&Error{Path: path.Key(key), Msg: msg})
			}
			e := v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key()))
			if i > 0 && kindOf(e.Type()) != kindScalar {
				d.buf.WriteByte('\n')
			}
			d.value(key+":", e, indent+1, path.Key(key), commented)
		}
	case kindList:
		if v.Len() == 0 {
			d.value("-", reflect.New(v.Type().Elem()).Elem(), indent+1, path.Index(0), commented)
		}
		for i := range v.Len() {
			d.value("-", v.Index(i), indent+1, path.Index(i), commented)
		}
	default:
		d.fail(fmt.Errorf("%w %s at %s", ErrType, v.Type(), path))
	}
}

func (d *describer) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}
