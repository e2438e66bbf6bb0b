// Package mlog is how mox logs: a [log/slog] handler with a level per package that
// can be changed while the server runs, levels below debug for protocol traces, and
// the redaction of what such traces must not show.
//
// # Format
//
// Servers log logfmt, a line an event, without timestamp (the service manager adds
// one; [Options.Time] adds ours):
//
//	l=info m="message" err="..." pkg=smtpserver cid=1f2 delta=1.2ms key=value
//
// The error comes directly after the message, then the packages from outermost to
// innermost, then the other fields in the order they were added. Values are quoted
// when empty space, control characters, `"`, `\`, `=` or non-ASCII are in them; what
// a terminal would interpret is always escaped. [JSON] has the same fields as one
// object a line, [CLI] is for commands that print to a person:
//
//	info: message: error text; key=value
//
// # Levels
//
// From low to high: tracedata, traceauth, trace, debug, info, warn, error, fatal,
// print. The last two are always written. A logger belongs to the packages named
// with its "pkg" attributes (see [New]); of those the innermost that has a level in
// [Levels] decides, else the default level does.
//
// # Concurrency
//
// Everything here may be used from any number of goroutines. There are no goroutines
// and no files of its own. One mutex serializes writes of lines; Levels has another
// for its writers, readers take none.
package mlog
