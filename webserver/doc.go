// Package webserver has mox's HTTP listeners, and finds who answers a request (see [Router]):
// a limit by the address of the client; services of the system, such as the MTA-STS policies of
// our domains (RFC 8461); web sites (package webhandler); services, such as the HTTP API, with
// their icon, security.txt (RFC 9116) and change-password; 404. Metrics, health pages, profiles and the overview page of
// localserve are here too. HTTP is of RFC 9110, 9112 and 9113.
//
// A port with TLS can have other protocols too, for clients that ask for one by ALPN (RFC
// 7301): see [Protocol]. net/http does the handshake and gives the connection away. HTTP is for all who ask for it or for nothing.
//
// A client has 10 seconds for a TLS handshake and for a header, which has at most 32 KiB; a
// minute for each step of sending a body, which must not come slower than 512 octets a second
// in the long run, and for each step of taking an answer; a connection is kept for 65 seconds
// without a request. A whole request or answer may take any time. Connections of other
// protocols have no deadline from here.
//
// A Server has one goroutine for each listener, and net/http has one for each connection, in
// which a [Protocol] serves.
//
// Files: server.go listeners; limit.go connections by address; router.go who answers;
// recorder.go what was answered, and deadlines; services.go small services; mtasts.go
// policies; overview.go the page of localserve.
package webserver
