// Package tlsrpt has reports about TLS between mail servers: the record by which a domain
// asks for them, and the reports themselves, to be read and to be made.
//
// [Lookup] finds a record and [ParseRecord] reads one. [Parse] reads a report, plain or
// compressed, and [ParseMessage] finds it in a message: both take what others send, bounded,
// as long as it can be understood. [Report.JSON], [Report.Gzip] and [Message.Compose] make
// reports as the RFC has them. [Merge] adds results of one day up, and [Failure] says what a
// Go error of a TLS handshake is in a report.
//
// RFCs: 8460 (all), 8689 5 (TLS-Required: No in the mails), 3339 (times), 6068 (addresses).
//
// Files: record.go has records, report.go the types of reports and how they are merged,
// parse.go reads them, message.go reads and makes mails, failure.go has TLS errors.
//
// The package has no state and starts no goroutines. All functions are safe for concurrent
// use.
package tlsrpt
