// Package serve composes the server: it reads the configuration, builds each part,
// joins them, runs and stops them. The same composition runs "mox serve", "mox
// localserve" and the test server of package moxtest; they differ in [Options] only.
//
// # Processes
//
// "mox serve" is two processes. The parent (parent_unix.go; adopt_unix.go for when it becomes a new program) repairs permissions if it is root,
// binds the sockets or takes them from systemd (LISTEN_FDS), opens the TLS key files, and executes
// its program again, as the configured user if it is root, with those as inherited file descriptors
// (sockets.go: MOX_SOCKETS, MOX_FILES). It stays to wait, to pass signals on, to read renewed key
// files (keyfiles.go), and to hand over to another program (handover_unix.go); both talk over a pair
// of sockets (link.go), and each ends with the other. The worker gets no capabilities
// (rights_linux.go) and confines itself to its directories and to few system calls
// (confine_linux.go, seccomp_linux.go).
//
// As root the parent does not trust the worker, which may have been taken over: it reads mox.conf
// alone, which is root's, and opens and changes no file by a path that the worker could have
// changed (believe_unix.go, package ownership, docs/security.md).
//
// # Upgrades
//
// The worker stops without closing the sockets that the parent keeps, copies databases if it is
// told to (snapshot.go), and the program that is at the parent's path now becomes the worker. If
// it does not get ready, or is not healthy (health.go) while it is watched, the parent starts the
// program that it runs itself again; else it executes the new one in its own place, and that adopts
// the worker. docs/upgrade.md has what follows for mail.
//
// # Goroutines
//
// One per listening socket, owned by the door that serves it; the control socket's; the
// configuration watcher's; the systemd watchdog's; the one that answers the parent; one that looks
// for our own addresses in blocklists (ownlistings.go); one that looks for newer versions
// (updates.go). Stop ends them in the order in which
// [Server.Stop] lists them and waits.
//
// Submission and IMAP on ports of HTTPS (web.go) run in the goroutines that package
// webserver has for connections; their doors count and end them as their own.
//
// # Stopping
//
// New connections get a temporary refusal, or wait for the next program; open ones may finish for
// three seconds (IDLE gets BYE), then their contexts end. Last the accounts are closed and the
// control socket is removed.
package serve
