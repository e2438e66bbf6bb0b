package mlog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func (l *line) append(b []byte, format Format) []byte {
	switch format {
	case JSON:
		b = l.appendJSON(b)
	case CLI:
		b = l.appendCLI(b)
	default:
		b = l.appendLogfmt(b)
	}
	return append(b, '\n')
}

func (l *line) appendLogfmt(b []byte) []byte {
	if !l.time.IsZero() {
		b = append(b, "t="...)
		b = l.time.AppendFormat(b, timeFormat)
		b = append(b, ' ')
	}
	b = append(b, "l="...)
	b = append(b, LevelName(l.level)...)
	b = append(b, " m="...)
	b = strconv.AppendQuote(b, l.msg)
	if l.hasErr {
		b = append(b, " err="...)
		b = AppendQuoted(b, l.err)
	}
	for _, pkg := range l.pkgs {
		b = append(b, " pkg="...)
		b = AppendQuoted(b, pkg)
	}
	for _, f := range l.fields {
		b = append(b, ' ')
		b = appendKey(b, f.key)
		b = append(b, '=')
		b = AppendQuoted(b, valueString(f.key, f.value))
	}
	return b
}

func (l *line) appendCLI(b []byte) []byte {
	b = append(b, LevelName(l.level)...)
	b = append(b, ": "...)
	b = appendEscaped(b, l.msg)
	if l.hasErr {
		b = append(b, ": "...)
		b = appendEscaped(b, l.err)
	}
	for _, pkg := range l.pkgs {
		b = append(b, "; pkg="...)
		b = AppendQuoted(b, pkg)
	}
	for _, f := range l.fields {
		b = append(b, "; "...)
		b = appendKey(b, f.key)
		b = append(b, '=')
		b = AppendQuoted(b, valueString(f.key, f.value))
	}
	return b
}

func (l *line) appendJSON(b []byte) []byte {
	b = append(b, '{')
	if !l.time.IsZero() {
		b = append(b, `"t":"`...)
		b = l.time.AppendFormat(b, timeFormat)
		b = append(b, `",`...)
	}
	b = append(b, `"l":"`...)
	b = append(b, LevelName(l.level)...)
	b = append(b, `","m":`...)
	b = appendJSONString(b, l.msg)
	if l.hasErr {
		b = append(b, `,"err":`...)
		b = appendJSONString(b, l.err)
	}
	// Always a list, so that a consumer meets one type.
	if len(l.pkgs) > 0 {
		b = append(b, `,"pkg":[`...)
		for i, pkg := range l.pkgs {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSONString(b, pkg)
		}
		b = append(b, ']')
	}
	for i, f := range l.fields {
		b = append(b, ',')
		b = appendJSONString(b, l.jsonKey(i))
		b = append(b, ':')
		b = appendJSONValue(b, f)
	}
	return append(b, '}')
}

// jsonKey returns the key of field i. A key that was used before, or is one of the
// fixed ones, gets underscores so that the object has each key once.
func (l *line) jsonKey(i int) string {
	key := l.fields[i].key
	for l.keyTaken(i, key) {
		key += "_"
	}
	return key
}

func (l *line) keyTaken(i int, key string) bool {
	switch key {
	case "t", "l", "m", "err", "pkg":
		return true
	}
	for j := range i {
		if l.fields[j].key == key {
			return true
		}
	}
	return false
}

func appendJSONValue(b []byte, f field) []byte {
	switch v := f.value; v.Kind() {
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindInt64:
		if f.key != "cid" {
			return strconv.AppendInt(b, v.Int64(), 10)
		}
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindFloat64:
		if buf, err := json.Marshal(v.Float64()); err == nil {
			return append(b, buf...)
		}
	}
	return appendJSONString(b, valueString(f.key, f.value))
}

// appendJSONString also escapes what JSON would allow raw but a terminal would act on.
func appendJSONString(b []byte, s string) []byte {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	b = append(b, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == utf8.RuneError && n == 1:
			b = append(b, `\ufffd`...)
		case strconv.IsPrint(r):
			b = append(b, s[:n]...)
		case r > 0xffff:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return append(b, '"')
}

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// plain tells whether a value needs no quotes.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f, c == '"', c == '\\', c == '=':
			return false
		}
	}
	return true
}

// AppendQuoted appends a value as logfmt has it: quoted where that is needed.
func AppendQuoted(b []byte, s string) []byte {
	if plain(s) {
		return append(b, s...)
	}
	return strconv.AppendQuote(b, s)
}

// appendEscaped writes text for people: unquoted, with escapes for what is not
// printable.
func appendEscaped(b []byte, s string) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if strconv.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			b = append(b, s[:n]...)
		} else {
			q := strconv.Quote(s[:n])
			b = append(b, q[1:len(q)-1]...)
		}
		s = s[n:]
	}
	return b
}

// appendKey keeps a line parsable whatever the key is.
func appendKey(b []byte, key string) []byte {
	if key == "" {
		return append(b, '_')
	}
	if plain(key) {
		return append(b, key...)
	}
	for _, r := range key {
		if r <= ' ' || r >= 0x7f || r == '"' || r == '\\' || r == '=' {
			r = '_'
		}
		b = append(b, byte(r))
	}
	return b
}

// valueString returns a value as text, not quoted.
func valueString(key string, v slog.Value) string {
	switch v.Kind() {
	case slog.KindString:
		return v.String()
	case slog.KindInt64:
		if key == "cid" {
			return strconv.FormatInt(v.Int64(), 16)
		}
		return strconv.FormatInt(v.Int64(), 10)
	case slog.KindTime:
		return v.Time().Format(time.RFC3339)
	case slog.KindAny:
		return anyString(v.Any(), 0)
	}
	return v.String()
}

// maxValueDepth bounds nesting of lists, maps and structs in a value.
const maxValueDepth = 4

func anyString(v any, depth int) (s string) {
	// A method of a value can panic, e.g. on a nil receiver. A log line is no reason to
	// end the connection that wanted it.
	defer func() {
		if x := recover(); x != nil {
			s = fmt.Sprintf("!panic in value of %T: %v", v, x)
		}
	}()
	if isNil(v) {
		return ""
	}
	switch x := v.(type) {
	case error:
		return x.Error()
	case []byte:
		return base64.RawURLEncoding.EncodeToString(x)
	case time.Time:
		return x.Format(time.RFC3339)
	case slog.LogValuer:
		return valueString("", x.LogValue().Resolve())
	case fmt.Stringer:
		return x.String()
	}
	return reflectString(reflect.ValueOf(v), depth)
}

func reflectString(rv reflect.Value, depth int) string {
	if depth > maxValueDepth {
		return "..."
	}
	elem := func(e reflect.Value) string {
		if e.CanInterface() {
			return anyString(e.Interface(), depth+1)
		}
		return "?"
	}
	switch rv.Kind() {
	case reflect.Pointer, reflect.Interface:
		return elem(rv.Elem())
	case reflect.Slice, reflect.Array:
		l := make([]string, rv.Len())
		for i := range l {
			l[i] = elem(rv.Index(i))
		}
		return "[" + strings.Join(l, ",") + "]"
	case reflect.Map:
		l := make([]string, 0, rv.Len())
		for it := rv.MapRange(); it.Next(); {
			l = append(l, elem(it.Key())+"="+elem(it.Value()))
		}
		sort.Strings(l)
		return strings.Join(l, " ")
	case reflect.Struct:
		var l []string
		for i := range rv.NumField() {
			if sf := rv.Type().Field(i); sf.IsExported() {
				l = append(l, strings.ToLower(sf.Name)+"="+elem(rv.Field(i)))
			}
		}
		return strings.Join(l, " ")
	}
	var b bytes.Buffer
	fmt.Fprint(&b, rv.Interface())
	return b.String()
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Func, reflect.Chan:
		return rv.IsNil()
	}
	return false
}
