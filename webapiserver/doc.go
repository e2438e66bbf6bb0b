// Package webapiserver serves the HTTP API of package webapi: sending mail and working on
// messages, for programs.
//
// Below the path at which it is mounted are
//
//	GET  /                  to v0/
//	GET  /v0/               what methods there are
//	GET  /v0/METHOD         what a method does, with a form to try it
//	POST /v0/METHOD         a call
//	GET  /v0/openapi.json   all of it as an OpenAPI 3.1 document
//
// A call has a JSON object as body, or a form with the object in field "request"; a
// multipart form may have files as well, for Send. Unknown fields are refused. Credentials
// are HTTP basic (an address of an account, and its password) or a bearer token with the
// scope of the method.
//
// Answers: 200 with the result; 400 with a [webapi.Error], which says what to change; 401 for
// wrong or missing credentials; 403 where a token lacks the scope, logins are disabled, or a
// browser calls on behalf of another site; 413 for a body that is too large; 429 after too
// many wrong credentials; 500 for our own failures, also with a webapi.Error.
//
// The pages use neither scripts nor anything from elsewhere.
//
// RFCs: 9110 (HTTP), 7617 (Basic), 6750 (Bearer), 7578 (multipart/form-data), 8259 (JSON),
// 5322, 2045, 2387 and 3676 for what is composed.
//
// Goroutines: none of its own. A [Server] is safe for concurrent use.
package webapiserver
