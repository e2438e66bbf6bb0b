// Package setup is "mox setup": the same as "mox quickstart" by pages in a browser, for one
// person, once. Package quickstart does the work; here are the questions and answers.
//
// # Who may
//
// The link has a token that works once: the browser that brings it gets a cookie, and from then
// on only that browser is served. All ends after half an hour. Forms carry another token,
// and requests that come from other sites are refused, so no page elsewhere can press a button. On
// another than a loopback address there is TLS with a certificate made for the occasion, whose
// fingerprint is printed.
//
// # Goroutines
//
// One looks at the machine, once asked to; Close ends it and waits. Server.mu guards all that
// changes and is not held while anything is looked up or written.
package setup
