// Package accountapi is the API of the account pages: what users do with their own account. The pages (package
// webaccount) know nothing but this API, and programs may use it as well.
//
// Calls are those of package jsoncall, at paths of the names of [Describe]; sessions are those of package
// websession. What a function does is done by package admin, as for commands of administrators, with the account of the
// session in place of a name: no request names an account, and what a request names by an id, an address or a
// fingerprint must be of the account of the session.
//
// Mail is imported and exported beside the calls, as files are no JSON: [Server.Import], [Server.ImportProgress] and
// [Server.Export]. Package webimport has the imports under way, package transfer does the work of both. Files are not held in
// memory; that each read and write of a browser has its time is for package webserver.
//
// Goroutines: those of package webimport, which [Server.Close] waits for. A [Server] is safe for concurrent use.
package accountapi
