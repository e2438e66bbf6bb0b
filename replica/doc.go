// Package replica sends what is committed to databases to the repository of backups, within a
// second or two, so that each can be restored as it was at any moment.
//
// # What is there
//
// For each database, below "replica/" and its path in the data directory, there are generations. A
// generation begins with a base, the database at one moment, whose content is in the chunks of
// the repository (mostly there already, from backups), and goes on with segments, numbered from
// 1, each with commits that follow each other: the pages that they have written, as in SQLite's
// log (see db.Follower). Each commit has a checksum that goes on from that of the one before, so
// that a segment that is missing, or of another generation, is found; the whole segment is
// compressed and sealed as everything in the repository is.
//
// A new generation begins when it is not known that the last one has all: at the start after a
// crash, and when the repository could not be reached for so long that the log had to be
// started anew; and after a day, or when its segments have become larger than the database.
// Databases that were closed and not changed go on where they were, also in another process
// that follows a clean end of this one.
//
// # Moments
//
// The time of a commit is that of the begin of the round in which it was found, and a round
// begins once a second: so it is right within about a second, or within the time that a round
// takes where the repository is slow. All databases have the same times. The queue comes first in a round: mail moves from it to accounts, so that what is restored as of one
// time may have a message in both, and never in neither.
//
// # Bounds
//
// Nothing here is waited for by those that commit. A segment is made of at most 4 MiB of pages,
// or of one commit. What cannot be sent stays in the log, which may grow to sixteen times its
// usual size for it.
//
// # Goroutines
//
// One that sends segments, and one that stores bases. [Replicator.Run] ends both. Lock order:
// Replicator.mu is a leaf; Opened and Closing are called by package db with its locks held.
package replica
