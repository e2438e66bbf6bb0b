// Package adminapi is the API of the admin pages: what administrators do. The pages (package webadmin) know
// nothing but this API, and programs may use it as well.
//
// Calls are those of package jsoncall, at paths of the names of [Describe]; sessions are those of package
// websession, in memory. There is one password, of the file AdminPasswordFile in mox.conf: a changed file ends all
// sessions. What a function does is done by package admin, as for commands.
//
// Goroutines: none. A [Server] is safe for concurrent use.
package adminapi
