// Package ban keeps the networks that have no business here for some time: those that guess
// passwords, look for addresses, send what is no protocol, or try the holes of web programs.
//
// # What is banned
//
// There are two doors: [Mail], which is port 25, and [Logins], which is submission, IMAP and
// HTTP. A ban is of a network at one door. Failed logins and requests for well-known holes close
// the door of logins only, unknown recipients and nonsense on port 25 only that of mail: a mail
// server must not be lost because somebody behind the same address has forgotten a password.
//
// Offences count by address: the /32 of IPv4 and the /64 of IPv6, for a day from the first one. A network that
// reaches the limit of its reason ([Limits]) is banned. The next wider network (/26 and /48, see
// package ratelimit) is when its addresses reach [wideFactor] times that. The widest class is not: a /21
// or an IPv6 /32 is a whole provider.
//
// The first ban takes an hour, the second a day, further ones a week; those from port 25 never more than
// an hour, as longer ones outlast the queues of senders (RFC 5321 4.5.4.1). That a network was banned is
// forgotten 30 days after the end. Bans by hand are for both doors or one, and as long as is said.
//
// # What is not
//
// Networks in Options.Exempt are neither counted nor banned: even where a wider network is banned, they
// come through. So do not count those from which somebody has logged in within 30 days: a
// telephone with an old password does not lock out its office. A wrong password that is tried
// again is no other guess, and counts once. At the door of mail nor do those from which mail of a verified
// sender was accepted within 30 days; whoever calls [Bans.Offence] leaves out recipients refused to the null
// reverse-path, which is what forged mail comes back with.
//
// # Bounds
//
// At most 100,000 bans are held, those that are over included; the oldest go, those by hand last.
// Likewise for counters, networks of logins and networks of verified mail. A lookup takes a map access for each length of
// network in use, and one atomic load when there are no bans.
//
// # Files
//
// "ban.db" in the data directory, a database of package db; a file that is damaged or of a newer release is renamed to
// "ban.db.aside" and begun anew. Options.Export names a file with the bans for a packet filter, see
// [Format]. It is written again (atomically) after changes, two seconds later or, when it is large, later.
//
// Files: ban.go types, Open; set.go networks; count.go offences; visitors.go who is trusted; manual.go what administrators do;
// rows.go the database; export.go; run.go.
//
// # Goroutines and locks
//
// One goroutine writes what has changed and ends bans; Close waits for it. Bans.mu guards what is in
// memory; Bans.writing is held while the database or the export is written, and is locked first.
package ban
