package webapiserver

import (
	"encoding/json"
	"reflect"
	"strings"

	"mox/jsoncall"
	"mox/webapi"
)

type object = jsoncall.Object

// openAPI returns the OpenAPI 3.1 document of the API, made from the Go types.
func openAPI() []byte {
	var requests []any
	for _, m := range webapi.Methods() {
		requests = append(requests, m.Request)
	}
	g := jsoncall.NewSchemas(requests...)
	g.Enums = map[reflect.Type]any{reflect.TypeFor[webapi.Event](): webapi.Events()}
	paths, hooks := object{}, object{}
	for _, m := range webapi.Methods() {
		paths["/"+m.Name] = object{"post": operation(g, m)}
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
			"requestBody": object{"required": true, "content": object{"application/json": object{"schema": g.Of(reflect.TypeOf(h.v))}}},
			"responses":   object{"200": object{"description": "Taken. After any other status the call is repeated."}},
		}}
	}
	g.Of(reflect.TypeFor[webapi.Error]())
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
			"schemas": g.All,
			"securitySchemes": object{
				"basic": object{"type": "http", "scheme": "basic", "description": "An email address of the account, and its password."},
				"token": object{"type": "http", "scheme": "bearer", "description": "A token of \"mox token add\", with the scope of the method."},
			},
		},
	}
	return jsoncall.Marshal(doc)
}

func operation(g *jsoncall.Schemas, m webapi.Method) object {
	request := g.Of(reflect.TypeOf(m.Request))
	properties := object{"request": request}
	if m.Files {
		for _, name := range []string{"alternativefile", "inlinefile", "attachedfile"} {
			properties[name] = object{"type": "array", "items": object{"type": "string", "contentMediaType": "application/octet-stream"}}
		}
	}
	content := object{
		"application/json":    object{"schema": request, "example": json.RawMessage(jsoncall.Example(m.Request, ""))},
		"multipart/form-data": object{"schema": object{"type": "object", "required": []any{"request"}, "properties": properties}, "encoding": object{"request": object{"contentType": "application/json"}}},
	}
	result := object{"*/*": object{}}
	if m.Raw == "" {
		result = object{"application/json": object{"schema": g.Of(reflect.TypeOf(m.Result)), "example": jsoncall.Filled(m.Result)}}
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
