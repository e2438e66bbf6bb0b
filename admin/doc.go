// Package admin has every administrative operation once, as a typed method: the
// control socket and, later, the admin pages decode a request, name the actor and call
// it. A method checks its input, acts, and writes an audit line.
//
// Changes of configuration go through [config.Manager]: validated as a whole, written
// atomically with comments kept, and live when the method returns.
//
// An Admin is safe for concurrent use and has no goroutines.
package admin
