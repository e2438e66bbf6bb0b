package webapiserver

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"mox/webapi"
)

// object is a JSON object with its fields in order of their names.
type object map[string]any

// openAPI returns the OpenAPI 3.1 document of the API, made from the Go types.
func openAPI() []byte {
	g := &generator{schemas: object{}, requests: map[reflect.Type]bool{}}
	for _, m := range webapi.Methods() {
		reach(reflect.TypeOf(m.Request), g.requests)
	}
	paths, hooks := object{}, object{}
	for _, m := range webapi.Methods() {
		paths["/"+m.Name] = object{"post": g.operation(m)}
	}
	for _, h := range []struct {
		name, summary string
		v             any
	}{
		{"outgoing", "What became of a message that was sent, for a recipient.", webapi.OutgoingHook{}},
		{"incoming", "A message was delivered to the account.", webapi.IncomingHook{}},
	} {
		hooks[h.name] = object{"post": object{
			"summary": h.summary, "operationId": h.name + "Webhook",
			"requestBody": object{"required": true, "content": object{"application/json": object{"schema": g.schema(reflect.TypeOf(h.v))}}},
			"responses":   object{"200": object{"description": "Taken. After any other status the call is repeated."}},
		}}
	}
	g.schema(reflect.TypeFor[webapi.Error]())
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "mox HTTP API", "version": "0",
			"description": "Send mail and work on messages. Calls of webhooks tell what becomes of them.",
		},
		"servers":  []any{object{"url": "."}},
		"security": []any{object{"basic": []any{}}, object{"token": []any{}}},
		"paths":    paths,
		"webhooks": hooks,
		"components": object{
			"schemas": g.schemas,
			"securitySchemes": object{
				"basic": object{"type": "http", "scheme": "basic", "description": "An email address of the account, and its password."},
				"token": object{"type": "http", "scheme": "bearer", "description": "A token of \"mox token add\", with the scope of the method."},
			},
		},
	}
	b, err := json.MarshalIndent(doc, "", "\t")
	if err != nil {
		panic(err) // maps, slices and strings only
	}
	return append(b, '\n')
}

// generator makes JSON schemas (draft 2020-12, as OpenAPI 3.1 has it) of Go types.
type generator struct {
	schemas  object
	requests map[reflect.Type]bool // structs that are in requests
}

// reach adds a struct, and those in it, to seen.
func reach(t reflect.Type, seen map[reflect.Type]bool) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || seen[t] {
		return
	}
	seen[t] = true
	for _, f := range fields(t) {
		reach(f.Type, seen)
	}
}

func (g *generator) operation(m webapi.Method) object {
	request := g.schema(reflect.TypeOf(m.Request))
	properties := object{"request": request}
	if m.Files {
		for _, name := range []string{"alternativefile", "inlinefile", "attachedfile"} {
			properties[name] = object{"type": "array", "items": object{"type": "string", "contentMediaType": "application/octet-stream"}}
		}
	}
	content := object{
		"application/json":    object{"schema": request, "example": compact(m.Request)},
		"multipart/form-data": object{"schema": object{"type": "object", "required": []any{"request"}, "properties": properties}, "encoding": object{"request": object{"contentType": "application/json"}}},
	}
	result := object{"*/*": object{}}
	if m.Raw == "" {
		result = object{"application/json": object{"schema": g.schema(reflect.TypeOf(m.Result)), "example": filled(m.Result)}}
	}
	failure := object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Error"}}}
	op := object{
		"operationId": m.Name, "summary": m.Summary, "description": strings.TrimSpace(m.Doc + " Scope of tokens: " + m.Scope + "."),
		"requestBody": object{"required": true, "content": content},
		"responses": object{
			"200": object{"description": "Done.", "content": result},
			"400": object{"description": "Not done; Code says why.", "content": failure},
			"401": object{"description": "Wrong or missing credentials."},
			"403": object{"description": "The token lacks the scope, or logins are disabled.", "content": failure},
			"413": object{"description": "The request is too large.", "content": failure},
			"429": object{"description": "Too many wrong credentials; try again later."},
			"500": object{"description": "A failure of the server; try again later.", "content": failure},
		},
	}
	if m.Files {
		op["parameters"] = []any{object{"name": webapi.HeaderIdempotencyKey, "in": "header", "description": "The same as the field IdempotencyKey.", "schema": object{"type": "string", "maxLength": 200}}}
	}
	return op
}

// schema returns the schema of a type; that of a struct is put among the components.
func (g *generator) schema(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[[]byte]():
		return object{"type": []any{"string", "null"}, "contentEncoding": "base64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(g.schema(t.Elem()))
	case reflect.Struct:
		g.component(t)
		return object{"$ref": "#/components/schemas/" + t.Name()}
	case reflect.Slice:
		return object{"type": []any{"array", "null"}, "items": g.schema(t.Elem())}
	case reflect.Array:
		return object{"type": "array", "items": g.schema(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return object{"type": []any{"object", "null"}, "additionalProperties": g.schema(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.String:
		s := object{"type": "string"}
		if t == reflect.TypeFor[webapi.Event]() {
			s["enum"] = webapi.Events()
		}
		return s
	}
	panic("no schema for type " + t.String())
}

func nullable(s object) object {
	if typ, ok := s["type"].(string); ok {
		s["type"] = []any{typ, "null"}
		return s
	}
	return object{"anyOf": []any{s, object{"type": "null"}}}
}

// component makes the schema of a struct.
func (g *generator) component(t reflect.Type) {
	if _, ok := g.schemas[t.Name()]; ok {
		return
	}
	// Requests may lack fields but those with a tag, and have no others. What the server sends
	// has all fields, and gets more in later versions.
	request := g.requests[t]
	properties, required := object{}, []any{}
	component := object{"type": "object", "properties": properties, "additionalProperties": !request}
	g.schemas[t.Name()] = component // before its fields, which may be of the same type
	for _, f := range fields(t) {
		s := g.schema(f.Type)
		if k := f.Type.Kind(); !request && (k == reflect.Slice || k == reflect.Map) {
			s["type"] = s["type"].([]any)[0] // empty, never null
		}
		s["description"] = f.Tag.Get("doc")
		properties[f.Name] = s
		if !request || isRequired(f) {
			required = append(required, f.Name)
		}
	}
	if len(required) > 0 {
		component["required"] = required
	}
}

func isRequired(f reflect.StructField) bool { return f.Tag.Get("required") == "true" }

// compact is an example of a request, without what is not used in it.
func compact(v any) json.RawMessage { return json.RawMessage(example(v, "")) }

// filled returns an example of a result with empty lists in place of null, as the server
// sends them.
func filled(v any) any {
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	fill(p.Elem())
	return p.Elem().Interface()
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	}
}

// fields are those of a struct, with those of embedded structs in their place.
func fields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Anonymous })
}
