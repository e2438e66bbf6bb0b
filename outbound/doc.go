// Package outbound sends what the queue says is due: it finds the way, the hosts and the
// TLS that they must have, speaks SMTP by package smtpclient, and tells the queue what
// became of each recipient, with the notifications (DSN) that the sender wants.
//
// # The way of a message
//
// [Outbound.Run] asks the queue for what is due and sorts it into lanes: a domain, a server
// that all mail of a transport is handed to, or this server. A lane has few connections at a
// time (one, until the first has worked), a batch of messages goes over one of them,
// and a connection that is done is kept for a moment for more of the same lane. So a
// destination that is slow or dead takes little from others. What is learned of a lane
// is remembered in memory: that its hosts cannot be reached, that they want less at a time,
// how many recipients and messages they take.
//
// For a batch a worker takes the recipients of one submission together (transaction).
// Direct delivery goes through the hosts of the domain by preference and their addresses,
// until one has an answer about the recipients. Each host has its own decision about TLS,
// made by a pure function of the facts, decide: MTA-STS, DANE, REQUIRETLS and
// TLS-Required: No; and each connection is counted for TLS reports.
//
// While the outcome of one transaction becomes durable, the worker is at the next, but not
// further: a crash has at most two messages of a connection sent twice.
//
// # What counts as failure
//
// A reply to a recipient, to MAIL or to the message is an answer; what happens before (no
// address, no connection, no TLS as it must be, a refusal to speak at all) is about the
// host, and the next one is tried. Temporary failures are tried again by the schedule in
// retry.go, or that of the route or transport. A message that was cut off after its end was
// sent may be there: it is sent again all the same, later (RFC 5321 4.5.3.2.6).
//
// When Run ends, what is under way may finish for Limits.Shutdown. What is then cut off was
// not an attempt, and stays due.
//
// # Files
//
// outbound.go has the configuration and limits; schedule.go who is sent next, lane.go what is
// remembered of lanes, retry.go when it is tried again; route.go and smarthost.go the way,
// hops.go the hosts; policies.go and tlspolicy.go their TLS, hosts.go what they had before;
// connect.go, socks.go and reuse.go connections; attempt.go, send.go and form.go a transaction;
// failure.go and result.go what came of it, notice.go notifications, tlsresult.go reports.
//
// # RFCs
//
// 5321 (4.5.4 retrying, 5.1 MX), 7505 (null MX), 7672 (DANE), 8461 (MTA-STS), 8460 (TLS
// reports), 8689 (REQUIRETLS, TLS-Required), 3461 (5.2: when a notification is made), 3464
// and 6533 (notifications), 6531 (SMTPUTF8), 6152 (8BITMIME), 1928 (SOCKS5), 9422 (LIMITS).
//
// # Files on disk
//
// None; a message that must be converted for a server goes through memory or a temporary
// file.
//
// # Goroutines and locks
//
// Run is one; each worker is another, bounded by Limits.Workers, and so is the closing of a
// connection that was kept long enough. All have ended when Run returns. Outbound.mu guards
// lanes and what is under way; pool.mu the connections that are kept; hosts.mu what is
// known of hosts. None is held while another is taken, nor while the queue or the network
// is waited for, but that Queue calls Busy and Skip, which take Outbound.mu.
package outbound
