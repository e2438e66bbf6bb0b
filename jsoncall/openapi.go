package jsoncall

import (
	"encoding/json"
	"reflect"
	"strings"

	"mox/webapi"
)

// API describes the functions of one place.
type API struct {
	Class       string // of the TypeScript client, such as "AccountAPI"
	Title       string
	Description string
	Cookie      string // that has the session
	Functions   []Function
}

// Function describes one.
type Function struct {
	Name    string
	Summary string // a sentence
	Doc     string // more sentences, may be empty
	Request any    // a struct; its type counts
	Result  any    // likewise
	// Access says what a call needs.
	Access Access
}

// Access is what a call needs.
type Access int

// What calls need.
const (
	NeedsCSRF    Access = iota // a session and its CSRF token
	NeedsSession               // a session; only for functions that change nothing
	NeedsNothing               // for functions by which a session begins
)

// HeaderCSRF is the header field with the CSRF token of a session.
const HeaderCSRF = "x-mox-csrf"

// Marshal encodes an OpenAPI document.
func Marshal(doc Object) []byte {
	b, err := json.MarshalIndent(doc, "", "\t")
	if err != nil {
		panic(err) // maps, slices and strings only
	}
	return append(b, '\n')
}

// OpenAPI returns the OpenAPI 3.1 document of an API.
func (a API) OpenAPI() []byte {
	g := a.schemas()
	paths := Object{}
	for _, f := range a.Functions {
		paths["/"+f.Name] = Object{"post": a.operation(g, f)}
	}
	g.Of(reflect.TypeFor[webapi.Error]())
	return Marshal(Object{
		"openapi":  "3.1.0",
		"info":     Object{"title": a.Title, "version": "0", "description": a.Description},
		"servers":  []any{Object{"url": "."}},
		"security": []any{Object{"session": []any{}, "csrf": []any{}}},
		"paths":    paths,
		"components": Object{
			"schemas": g.All,
			"securitySchemes": Object{
				"session": Object{"type": "apiKey", "in": "cookie", "name": a.Cookie, "description": "The session, set by Login."},
				"csrf":    Object{"type": "apiKey", "in": "header", "name": HeaderCSRF, "description": "The CSRFToken that Login has returned."},
			},
		},
	})
}

func (a API) schemas() *Schemas {
	var requests []any
	for _, f := range a.Functions {
		requests = append(requests, f.Request)
	}
	return NewSchemas(requests...)
}

func (a API) operation(g *Schemas, f Function) Object {
	jsonOf := func(s Object) Object { return Object{"application/json": Object{"schema": s}} }
	failure := jsonOf(Object{"$ref": "#/components/schemas/Error"})
	responses := Object{
		"200": Object{"description": "Done.", "content": jsonOf(g.Of(reflect.TypeOf(f.Result)))},
		"400": Object{"description": "Not done; Message says why.", "content": failure},
		"403": Object{"description": "The CSRF token is missing or wrong, or the call is of another site.", "content": failure},
		"413": Object{"description": "The request is too large.", "content": failure},
		"500": Object{"description": "A failure of the server; try again later.", "content": failure},
	}
	op := Object{
		"operationId": f.Name, "summary": f.Summary, "description": strings.TrimSpace(f.Doc),
		"requestBody": Object{"required": true, "content": jsonOf(g.Of(reflect.TypeOf(f.Request)))},
		"responses":   responses,
	}
	switch f.Access {
	case NeedsNothing:
		op["security"] = []any{}
		responses["429"] = Object{"description": "Too many failed logins from your network; try again later.", "content": failure}
		return op
	case NeedsSession:
		op["security"] = []any{Object{"session": []any{}}}
	}
	responses["401"] = Object{"description": "There is no session, or it has ended.", "content": failure}
	return op
}
