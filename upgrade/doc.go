// Package upgrade replaces the program of a running server by another one, and goes back by itself
// if that does not work.
//
// [Run] goes through these steps; nothing of the running server is touched before the third:
//
//  1. Check: the new program says its version, and that it is for this machine.
//  2. Rehearse: all databases are copied ([CopyData]) while the server goes on, and the new program
//     checks the copy ("verifydata"), which brings it to its own schema. If that changes a schema,
//     the running program checks the copy too: can it use the data, the upgrade is reversible.
//  3. Install: the new program takes the place of the running one by rename; that stays as
//     "mox.old". It has owner, mode and capabilities of that.
//  4. Hand over: the server's parent process has the old program stop, start the new one, which
//     gets the listening sockets, and watches it (package serve). Connections wait meanwhile.
//  5. If the parent went back to the old program, it takes its place again.
//
// As root, commands on the data run as the user of mox.conf ([DataUser]).
//
// docs/upgrade.md tells what is promised for mail that comes in meanwhile.
//
// Files: the copy is in the directory upgrade/rehearsal of the data directory, and is removed at the
// end; databases from before, if their schema changes, are in upgrade/before as long as the new
// program is watched.
//
// The package keeps no state and starts no goroutines.
package upgrade
