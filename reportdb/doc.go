// Package reportdb keeps what reports about mail are made of and what reports of others say:
// results of TLS with other servers and evaluations of DMARC, to be reported, and reports that
// were received, with summaries for each domain and day. It also has the addresses that get
// no reports for a time.
//
// # What is lost when
//
// Results and evaluations are added for every delivery. They are merged in memory and written
// in batches, every 10 seconds or when many wait: a crash loses the last of them, which makes
// counts in reports a little low. All else is durable when the call returns.
//
// # Files
//
// "report.db" in the data directory, a database of package db; schema in schema/*.sql. A file
// that is damaged or of a newer release is renamed to "report.db.aside" and begun anew: no mail depends on it.
//
// # Bounds
//
// What was not reported is removed after 48 hours. Reports received are kept for 400 days, and
// at most 50,000 of each kind. See [Options].
//
// # Goroutines and locks
//
// A DB has one goroutine, which writes batches and removes what is old; Close ends it and
// waits. DB.mu guards what waits to be written, DB.flushing is held while it is written and
// is taken before DB.mu.
package reportdb
