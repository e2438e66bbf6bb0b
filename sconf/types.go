package sconf

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// fieldInfo is a struct field that is a key.
type fieldInfo struct {
	index    int
	name     string
	optional bool
	doc      string
}

// structInfo is the keys of a struct in order.
type structInfo struct {
	fields []fieldInfo
	byName map[string]int
	names  []string
}

// types computes what is known about structs, once each.
type types map[reflect.Type]*structInfo

func (ts types) of(t reflect.Type) *structInfo {
	if si := ts[t]; si != nil {
		return si
	}
	si := &structInfo{byName: map[string]int{}}
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("sconf")
		if !sf.IsExported() || tag == "-" {
			continue
		}
		si.byName[sf.Name] = len(si.fields)
		si.fields = append(si.fields, fieldInfo{i, sf.Name, tag == "optional", sf.Tag.Get("sconf-doc")})
		si.names = append(si.names, sf.Name)
	}
	ts[t] = si
	return si
}

type kind int

const (
	kindScalar kind = iota
	kindStruct
	kindMap
	kindList
	kindPointer
	kindUnsupported
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	bytesType    = reflect.TypeFor[[]byte]()
)

func kindOf(t reflect.Type) kind {
	if t == bytesType {
		return kindScalar
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return kindScalar
	case reflect.Struct:
		return kindStruct
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return kindMap
		}
	case reflect.Slice:
		return kindList
	case reflect.Pointer:
		if t.Elem().Kind() != reflect.Pointer {
			return kindPointer
		}
	}
	return kindUnsupported
}

// setScalar parses text into v and returns what is wrong with it.
func setScalar(v reflect.Value, text string) string {
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Sprintf("bad duration %q; examples are 30s, 15m, 1h30m, 72h", printable(text))
		}
		v.SetInt(int64(d))
		return ""
	case v.Type() == bytesType:
		buf, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return "bad base64 data"
		}
		v.SetBytes(buf)
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Sprintf("bad boolean %q, must be true or false", printable(text))
		}
		v.SetBool(text == "true")
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil || strings.Trim(text, "0123456789.eE+-") != "" {
			return fmt.Sprintf("bad number %q", printable(text))
		}
		v.SetFloat(f)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Sprintf("bad number %q, must be from 0 to %d", printable(text), uint64(math.MaxUint64)>>(64-v.Type().Bits()))
		}
		v.SetUint(u)
	default:
		i, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Sprintf("bad number %q, must be an integer", printable(text))
		}
		v.SetInt(i)
	}
	return ""
}

// scalarText is the opposite of setScalar. It returns what makes a value impossible to
// write.
func scalarText(v reflect.Value) (text, msg string) {
	switch {
	case v.Type() == durationType:
		return durationText(time.Duration(v.Int())), ""
	case v.Type() == bytesType:
		return base64.StdEncoding.EncodeToString(v.Bytes()), ""
	}
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		if msg := checkText(s); msg != "" {
			return "", msg
		}
		return s, ""
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), ""
	case reflect.Float32, reflect.Float64:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return "", "not a finite number"
		}
		return strconv.FormatFloat(f, 'f', -1, v.Type().Bits()), ""
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10), ""
	}
	return strconv.FormatInt(v.Int(), 10), ""
}

// durationText writes 72h rather than 72h0m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// checkText tells why a string cannot stand in a line.
func checkText(s string) string {
	if strings.ContainsAny(s, "\r\n") {
		return "text of several lines cannot be written"
	}
	return checkLine([]byte(s))
}

// checkKey tells why a map key cannot stand in a line.
func checkKey(key string) string {
	switch {
	case key == "":
		return "an empty key cannot be written"
	case strings.ContainsRune(key, ':'):
		return "a key with a colon cannot be written"
	case strings.HasPrefix(key, "#"), strings.HasPrefix(key, "\t"), strings.HasPrefix(key, " "), strings.HasPrefix(key, "- "):
		return fmt.Sprintf("a key that begins with %q cannot be written", key[:1])
	}
	if len(key) > MaxLineLength/2 || !utf8.ValidString(key) {
		return "key is too long or invalid UTF-8"
	}
	return checkText(key)
}

// isEmpty tells whether an optional field with this value is left out: reading an
// absent field gives the same, but for the difference of nil and empty.
func isEmpty(v reflect.Value) bool {
	switch kindOf(v.Type()) {
	case kindPointer:
		return v.IsNil()
	case kindList, kindMap:
		return v.Len() == 0
	case kindStruct:
		for i := range v.NumField() {
			if sf := v.Type().Field(i); sf.IsExported() && sf.Tag.Get("sconf") != "-" && !isEmpty(v.Field(i)) {
				return false
			}
		}
		return true
	}
	if v.Type() == bytesType {
		return v.Len() == 0
	}
	return v.IsZero()
}

// equal compares values of one type as far as they are written.
func equal(a, b reflect.Value) bool {
	switch kindOf(a.Type()) {
	case kindPointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return equal(a.Elem(), b.Elem())
	case kindList:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case kindMap:
		if a.Len() != b.Len() {
			return false
		}
		for it := a.MapRange(); it.Next(); {
			bv := b.MapIndex(it.Key())
			if !bv.IsValid() || !equal(it.Value(), bv) {
				return false
			}
		}
		return true
	case kindStruct:
		for i := range a.NumField() {
			if sf := a.Type().Field(i); sf.IsExported() && sf.Tag.Get("sconf") != "-" && !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	if a.Type() == bytesType {
		return string(a.Bytes()) == string(b.Bytes())
	}
	return a.Equal(b)
}
