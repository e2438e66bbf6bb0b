package sconf

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Set gives the field of dst at this path another value, as it would stand in the file; the items of
// a list are separated by commas. Dst is what Parse has filled. Optional sections and keys of maps
// have to be there already, since others of their fields may be required. Source is where the value is from: errors about that path
// name it from then on, in place of the file. Not concurrently with other methods.
func (d *Doc) Set(dst any, path Path, text, source string) *Error {
	msg := checkText(text)
	if msg == "" {
		msg = set(types{}, reflect.ValueOf(dst).Elem(), path, text)
	}
	if msg != "" {
		return &Error{source, 0, path, msg}
	}
	if d.sources == nil {
		d.sources = map[string]string{}
	}
	d.sources[path.String()] = source
	return nil
}

// set returns what is wrong.
func set(ts types, v reflect.Value, path Path, text string) string {
	k := kindOf(v.Type())
	switch {
	case k == kindPointer && v.IsNil() && kindOf(v.Type().Elem()) == kindScalar:
		e := reflect.New(v.Type().Elem())
		msg := set(ts, e.Elem(), path, text)
		if msg == "" {
			v.Set(e)
		}
		return msg
	case k == kindPointer && v.IsNil():
		return "there is no such section in the file"
	case k == kindPointer:
		return set(ts, v.Elem(), path, text)
	case k == kindStruct && len(path) > 0:
		si := ts.of(v.Type())
		i, ok := si.byName[path[0]]
		if !ok {
			return fmt.Sprintf("unknown field %q%s", printable(path[0]), didYouMean(path[0], si.names))
		}
		return set(ts, v.Field(si.fields[i].index), path[1:], text)
	case k == kindMap && len(path) > 0:
		return setInMap(ts, v, path, text)
	case len(path) > 0:
		return fmt.Sprintf("there is nothing below this: %q", printable(path[0]))
	case k == kindScalar:
		return setScalar(v, text)
	case k == kindList && kindOf(v.Type().Elem()) == kindScalar:
		return setList(v, text)
	}
	return "has " + k.String() + ", of which one is to be named"
}

func setInMap(ts types, v reflect.Value, path Path, text string) string {
	key := reflect.ValueOf(path[0]).Convert(v.Type().Key())
	old := v.MapIndex(key)
	if !old.IsValid() {
		var keys []string
		for _, k := range v.MapKeys() {
			keys = append(keys, k.String())
		}
		slices.Sort(keys)
		return fmt.Sprintf("the file has no %q%s", printable(path[0]), didYouMean(path[0], keys))
	}
	e := reflect.New(v.Type().Elem()).Elem()
	e.Set(old)
	msg := set(ts, e, path[1:], text)
	if msg == "" {
		v.SetMapIndex(key, e)
	}
	return msg
}

func setList(v reflect.Value, text string) string {
	l := reflect.MakeSlice(v.Type(), 0, 1)
	if text == "" {
		v.Set(l)
		return ""
	}
	for item := range strings.SplitSeq(text, ",") {
		e := reflect.New(v.Type().Elem()).Elem()
		if msg := setScalar(e, strings.TrimSpace(item)); msg != "" {
			return msg
		}
		l = reflect.Append(l, e)
	}
	v.Set(l)
	return ""
}

// source is where the value at this path is from, if that was [Doc.Set].
func (d *Doc) source(path Path) string {
	for n := len(path); n > 0 && d.sources != nil; n-- {
		if s := d.sources[path[:n].String()]; s != "" {
			return s
		}
	}
	return ""
}
