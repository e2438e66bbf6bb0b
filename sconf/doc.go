// Package sconf is the syntax of mox's configuration files: it parses them into Go
// structs and remembers where each value stood, prints structs with or without
// documentation, and changes files while keeping their comments.
//
// # Syntax
//
// UTF-8 text, an item a line. Indentation is by tabs, one for each level of nesting.
// Empty lines may be anywhere. A line whose first character after tabs is "#" is a
// comment; a "#" further on belongs to the value.
//
//	# A scalar: a space after the colon, then the value up to the end of the line,
//	# without quotes or escapes.
//	Hostname: mail.example.org
//	# A section or map: members one tab deeper.
//	Listeners:
//		public:
//			# A list.
//			IPs:
//				- 10.0.0.1
//				- 10.0.0.2
//	# A list of sections: a dash alone, then the members another tab deeper.
//	WebHandlers:
//		-
//			Domain: example.org
//	# A map entry without settings.
//	Destinations:
//		user@example.org: nil
//
// Keys are case-sensitive; map keys are any text without colon. Booleans are true or
// false, integers and floats decimal, durations Go's ("72h", "1h30m"), bytes base64.
// A string that is empty is written as "Key:".
//
// # Structs
//
// Exported fields are keys. Tags:
//
//	sconf:"optional"    may be absent; not written when zero or empty
//	sconf:"-"           not part of the file
//	sconf-doc:"..."     documentation; newlines start new paragraphs
//
// Fields without "optional" must be present, even if zero. Types are bool, integers,
// floats, string, [time.Duration], []byte, and structs, pointers, slices and
// maps (with string keys) of these. A pointer field should be optional; nil is absent.
//
// # Bounds
//
// Files up to [MaxSize], lines up to [MaxLineLength] and [MaxLines], nesting up to
// [MaxDepth], at most [MaxErrors] errors reported.
//
// Functions are pure; no files, no goroutines, nothing kept between calls.
package sconf
