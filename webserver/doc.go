// Package webserver has mox's HTTP listeners. So far these are services at paths (see
// [Port]), of which there is the HTTP API, the MTA-STS policies of our domains (RFC 8461), the
// metrics endpoint, the profiling endpoint (on a listener of its own) and the overview page of
// localserve.
//
// A port with TLS can have other protocols too, for clients that ask for one by ALPN (RFC
// 7301): see [Protocol]. net/http does the handshake and gives the connection away. HTTP is for all who ask for it or for nothing.
//
// Every server has header, read, write and idle deadlines and a bound on header bytes. The
// handshake has to be done in the time for a header; connections of other protocols have no
// deadline from here.
// A Server has one goroutine for each listener, and net/http has one for each connection, in
// which a [Protocol] serves.
//
// Files: server.go listeners; services.go what is served where; mtasts.go policies;
// overview.go the page of localserve.
package webserver
