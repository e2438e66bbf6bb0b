// Package webserver has mox's HTTP listeners. So far these are services at paths (see
// [Port]), of which there is the HTTP API, the metrics endpoint, the profiling endpoint (on
// a listener of its own) and the overview page of localserve.
//
// Every server has header, read, write and idle deadlines and a bound on header bytes.
// A Server has one goroutine for each listener.
package webserver
