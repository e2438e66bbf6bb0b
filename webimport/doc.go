// Package webimport is imports of mail that browsers have sent: it keeps the file, runs the import in the background, and
// tells any number of listeners how it goes. Package accountapi has the HTTP of it, package transfer the import itself.
//
// # An import
//
// [Imports.Begin] makes one, of which an account has one at a time; [Import.Receive] writes the file, [Import.Start] looks what it
// is and goes on in the background: it waits until few enough others are running, and ends as done, or as aborted by
// [Imports.Abort], by [Imports.Detach], by [Imports.Close] or by an error. What was added until then stays. It is known by its
// token, a secret, until some time after its end.
//
// # Files on disk
//
// The file is in the directory for temporary files, without name there where the system can do that: nothing is left of a
// process that was killed. Package store empties that directory when it opens the data.
//
// # Goroutines
//
// One for each import that was started, and those of package transfer. [Imports.Close] ends them and waits.
//
// Locks: that of Imports before that of an Import.
package webimport
