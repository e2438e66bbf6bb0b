// Package report is what happens with reports between mail servers: aggregate reports of
// DMARC and reports about TLS. A [Receiver] looks at messages to the addresses for reports and
// stores the reports in them, and it notes how DMARC was evaluated for messages that came. A
// [Reporter] sends what was noted to those who ask for it.
//
// # Receiving
//
// A message to a report address must be verified: by DMARC for DMARC reports, by a DKIM
// signature of the author's domain or organization for TLS reports. Its report must be about
// a domain that is configured (also one that is there for reports only), and not about the
// future. Then it is valid: a reason to accept the message (package policy). It is stored once
// the message is delivered.
//
// # Sending
//
// DMARC: after each full UTC hour, to the domains whose interval (tag ri, rounded down to
// 1, 2, 3, 4, 6, 8, 12 or 24 hours, aligned to UTC days) has ended. TLS: each day for the day
// before, and at the start for days that have ended. Reports are spread over time. Before one is
// sent its record is looked up again; addresses elsewhere must have agreed (DMARC), and those
// that are suppressed get nothing. What could not be sent for now is tried again the next
// time, and dropped after 48 hours. Results are removed after the report was handed to the
// [Sender]: a crash in between sends it again, with the same report id.
//
// RFCs: 9990, 7489 7 (DMARC reports), 8460 (TLS reports), 9989 (policies).
//
// # Goroutines
//
// [Reporter.Run] runs one for each kind of report and waits for them. A Receiver has none.
package report
