// Package doctext takes the text out of documents that mox does not read itself, such as
// PDF, by programs of the machine: a document on standard input, UTF-8 text on standard
// output.
//
// Such programs read what strangers have sent, and are not made for that. So they are
// not run by the server: [Start] begins a process of its own, before the server confines
// itself, which gives up all files but those that programs are made of, and the network;
// [Main] is what it does. It gets documents over its standard input, runs one program at
// a time, each with bounds on time, memory and what it may write, and sends text back.
// A document can mislead the search for itself, and no more.
//
// # Goroutines
//
// One that notices the end of the process, until [Extractor.Close]; another for a moment
// when a caller goes before its answer is there.
//
// # Lock order
//
// Extractor.mu is held while a document is worked on. Nothing else is taken under it.
package doctext
