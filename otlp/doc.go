// Package otlp sends spans, what took how long and with which outcome, to a collector of OpenTelemetry, by
// OTLP/HTTP with JSON (OpenTelemetry Protocol Specification 1.x, "OTLP/HTTP").
//
// A [Root] is one thing that the server does, such as taking a message; spans that begin with [Start] below its
// context are parts of it. Everything is sent when the Root ends, and only then it is known of which trace it is: all
// that happens to a message, hours later too, has the trace of its Message-ID ([MessageTrace]), without anything
// being kept for that.
//
// Nil pointers are valid and do nothing: that is how it is switched off. What is left is one look at a context.
//
// # Bounds
//
// What waits is at most [Limits.Waiting] spans of 64 attributes and events; what comes then is dropped
// and counted. Adding never waits for anything but a short mutex.
//
// # Goroutines and locks
//
// An [Exporter] has one goroutine, which sends; Close ends it. Exporter.mu guards what waits, Root.mu the parts of a
// Root; neither is held while the other is taken.
package otlp
