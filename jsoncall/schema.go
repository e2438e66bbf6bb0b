package jsoncall

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Object is a JSON object, encoded with its fields in order of their names.
type Object map[string]any

// Schemas makes JSON schemas (draft 2020-12, as OpenAPI 3.1 has it) of Go types. Those of structs are put
// into All by their names, which must differ, and referred to.
type Schemas struct {
	All   Object
	Enums map[reflect.Type]any // lists of values of string types

	requests map[reflect.Type]bool   // structs that are in requests
	types    map[string]reflect.Type // of All
}

// NewSchemas returns Schemas for requests, of which the types of examples are given, and anything else.
func NewSchemas(requests ...any) *Schemas {
	g := &Schemas{All: Object{}, requests: map[reflect.Type]bool{}, types: map[string]reflect.Type{}}
	for _, r := range requests {
		reach(reflect.TypeOf(r), g.requests)
	}
	return g
}

// element returns what lists, maps and pointers are of.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer || t.Kind() == reflect.Map || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	return t
}

// isStruct tells whether a type is a struct with fields of its own, which a time is not.
func isStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]()
}

// reach adds a struct, and those in it, to seen.
func reach(t reflect.Type, seen map[reflect.Type]bool) {
	t = element(t)
	if !isStruct(t) || seen[t] {
		return
	}
	seen[t] = true
	for _, f := range Fields(t) {
		reach(f.Type, seen)
	}
}

// Of returns the schema of a type. It panics for types that have none: those of requests and
// results are few, and all of them are seen by tests.
func (g *Schemas) Of(t reflect.Type) Object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return Object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[[]byte]():
		return Object{"type": []any{"string", "null"}, "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(g.Of(t.Elem()))
	case reflect.Struct:
		g.component(t)
		return Object{"$ref": "#/components/schemas/" + t.Name()}
	case reflect.Slice:
		return Object{"type": []any{"array", "null"}, "items": g.Of(t.Elem())}
	case reflect.Array:
		return Object{"type": "array", "items": g.Of(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return Object{"type": []any{"object", "null"}, "additionalProperties": g.Of(t.Elem())}
	case reflect.Bool:
		return Object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return Object{"type": "integer"}
	case reflect.String:
		s := Object{"type": "string"}
		if values, ok := g.Enums[t]; ok {
			s["enum"] = values
		}
		return s
	}
	panic("no schema for type " + t.String())
}

func nullable(s Object) Object {
	if typ, ok := s["type"].(string); ok {
		s["type"] = []any{typ, "null"}
		return s
	}
	return Object{"anyOf": []any{s, Object{"type": "null"}}}
}

// component makes the schema of a struct.
func (g *Schemas) component(t reflect.Type) {
	if other, ok := g.types[t.Name()]; ok {
		if other != t {
			panic("two types with the name " + t.Name() + ": " + other.String() + " and " + t.String())
		}
		return
	}
	// Requests may lack fields but those with a tag, and have no others. What the server sends
	// has all fields, and gets more in later versions.
	request := g.requests[t]
	properties, required := Object{}, []any{}
	component := Object{"type": "object", "properties": properties, "additionalProperties": !request}
	g.All[t.Name()], g.types[t.Name()] = component, t // before its fields, which may be of the same type
	for _, f := range Fields(t) {
		s := g.Of(f.Type)
		if k := f.Type.Kind(); !request && (k == reflect.Slice || k == reflect.Map) {
			s["type"] = s["type"].([]any)[0] // empty, never null
		}
		if values := enum(f); len(values) > 0 {
			enumOf(s, f.Type)["enum"] = values
		}
		s["description"] = Doc(f)
		properties[f.Name] = s
		if !request || Required(f) {
			required = append(required, f.Name)
		}
	}
	if len(required) > 0 {
		component["required"] = required
	}
}

// enumOf returns where the values of a field are in its schema: of lists, the elements have them.
func enumOf(s Object, t reflect.Type) Object {
	if t.Kind() == reflect.Slice {
		return s["items"].(Object)
	}
	return s
}

// Fields are those of a struct, with those of embedded structs in their place.
func Fields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Anonymous || !f.IsExported() })
}

// Required tells whether a request must have a field.
func Required(f reflect.StructField) bool { return f.Tag.Get("required") == "true" }

// Doc is the description of a field.
func Doc(f reflect.StructField) string {
	if doc, ok := f.Tag.Lookup("doc"); ok {
		return doc
	}
	return f.Tag.Get("sconf-doc")
}

// enum returns the values that a field may have; none: any.
func enum(f reflect.StructField) []string {
	return strings.Fields(f.Tag.Get("enum"))
}

// TypeName is how a type is called in pages and errors.
func TypeName(t reflect.Type) string {
	switch {
	case t.Name() == "Time":
		return "time"
	case t == reflect.TypeFor[[]byte]():
		return "base64"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return TypeName(t.Elem()) + " or null"
	case reflect.Slice, reflect.Array:
		return "list of " + TypeName(t.Elem())
	case reflect.Map:
		return "object of " + TypeName(t.Elem())
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "string"
	}
	return t.Name()
}

// Example is JSON of an example, without fields that are not used in it.
func Example(v any, indent string) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	var tree any
	if json.Unmarshal(b, &tree) != nil {
		return ""
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if e.Encode(withoutEmpty(tree)) != nil {
		return ""
	}
	return strings.TrimSpace(out.String())
}

func withoutEmpty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e = withoutEmpty(e); e == nil || e == "" || e == false {
				delete(v, k)
			} else {
				v[k] = e
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutEmpty(v[i])
		}
	}
	return v
}

// Filled returns a copy of a struct with empty lists and maps in place of null.
func Filled(v any) any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	fill(p.Elem())
	return p.Elem().Interface()
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if !isStruct(v.Type()) {
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len()) // not to write into what is someone else's
		reflect.Copy(c, v)
		v.Set(c)
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	case reflect.Pointer:
		if isStruct(v.Type().Elem()) && !v.IsNil() {
			c := reflect.New(v.Type().Elem())
			c.Elem().Set(v.Elem())
			fill(c.Elem())
			v.Set(c)
		}
	}
}
