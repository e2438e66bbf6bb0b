// Package jsoncall is calls of functions as JSON over HTTP: a request is a struct, and so is a
// result. Of the Go types and the tags of their fields it makes the OpenAPI 3.1 document and the
// TypeScript client, so that neither can differ from what the server does, and it decodes
// requests and answers them.
//
// Tags of fields: doc is the description (where there is none, sconf-doc), required:"true" says
// that a request must have the field, enum has the values of a string, with spaces between.
//
// A call is POST of a JSON object to the name of a function, see [Server]. The answer is 200 with
// the result, or another status with a [webapi.Error]. GET of openapi.json is the document. Lists
// and maps of results are empty, never null.
//
// TestGenerated of package frontend/gen fails when the files in frontend/src/api are not what the types
// give; "go run ./frontend/gen" writes them.
//
// RFCs: 8259 (JSON), 9110 (HTTP), 3339 (times).
//
// Goroutines: none. A [Server] is safe for concurrent use.
package jsoncall
