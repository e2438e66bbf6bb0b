// Package webapi is mox's HTTP API for programs: the types of its requests, results and
// webhook calls, and a client. It is all that a program needs that sends mail through mox
// and hears what becomes of it.
//
// A method is called by POST to BASE/v0/METHOD with a JSON object, see [Client]. Sending
// takes one call; what becomes of the message is told by webhook calls, one of type
// [OutgoingHook] for each event of each recipient, and mail that comes in by [IncomingHook].
//
// Times are RFC 3339. Binary data is base64 in JSON. Fields that a server does not know are
// an error, so that a misspelled one is not passed over; a client ignores fields of results
// that it does not know.
//
// Beyond v0 of the first release are: method SendBatch, idempotency keys (SendRequest field
// IdempotencyKey and header Idempotency-Key), authentication by token, and JSON bodies
// without a form around them.
//
// RFCs: 8259 (JSON), 7578 (multipart/form-data), 7617 (Basic), 6750 (Bearer), 5322 and 2045
// to 2049 for what messages are made from.
//
// Goroutines: one while a multipart upload is sent. A Client may be used concurrently.
package webapi
