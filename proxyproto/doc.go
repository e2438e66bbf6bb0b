// Package proxyproto is the receiving side of the PROXY protocol, versions 1 and 2: a
// proxy in front of a server says, before anything else, for whom it connects.
//
// [Listener] wraps a listener. Connections from trusted addresses have to begin with a
// header and then have the addresses of the header; who else may connect is the
// configuration's. Nothing after the header is read, so that connections of TCP stay
// what they are: without a buffer, with all methods of [net.TCPConn].
//
// Specification: "The PROXY protocol, Versions 1 & 2", W. Tarreau, HAProxy Technologies.
// Numbers in comments are of its sections.
//
// Files: header.go parses and prints headers, listener.go is the listener, conn.go its
// connections.
//
// Goroutines: a Listener has one that accepts, begun by the first Accept, and one for
// each connection whose header has not come; Close ends them and waits. Lock order:
// Listener.mu is taken alone.
package proxyproto
