// Package serve composes the server: it reads the configuration, builds each part,
// joins them, runs and stops them. The same composition runs "mox serve", "mox
// localserve" and the test server of package moxtest; they differ in [Options] only.
//
// # Processes
//
// "mox serve" started as root repairs permissions, binds its sockets or takes them from
// systemd (LISTEN_FDS), opens the TLS key files, and executes itself again as the
// configured user, with those as inherited file descriptors (worker_unix.go, sockets.go:
// MOX_SOCKETS, MOX_FILES). The parent stays only to wait and to pass signals on; each ends
// with the other. The worker confines itself to its data and configuration directories
// (confine_linux.go). Without root the process binds its sockets itself, or takes them
// from systemd.
//
// # Goroutines
//
// One per listening socket, owned by the door that serves it; the control socket's; the
// configuration watcher's; the systemd watchdog's; one that looks for our own addresses in
// blocklists (ownlistings.go). Stop ends them in the order in which
// [Server.Stop] lists them and waits.
//
// Submission and IMAP on ports of HTTPS (web.go) run in the goroutines that package
// webserver has for connections; their doors count and end them as their own.
//
// # Stopping
//
// New connections get a temporary refusal, open ones may finish for three seconds
// (IDLE gets BYE), then their contexts end. Last the accounts are closed and the control
// socket is removed.
package serve
