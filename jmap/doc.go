// Package jmap has what JMAP puts on the wire: requests and responses with their method calls and result
// references, errors, the session resource, and the objects of JMAP Mail.
//
// It knows no server: a door decodes requests with [DecodeRequest], resolves references with [Resolve] and answers with
// a [Response].
//
// RFCs: 8620 (core: 1.2 ids, 2 session, 3.2 to 3.7 requests, 5 standard methods), 6901 (JSON Pointer), 8621 (mail).
//
// Goroutines and files: none.
package jmap
