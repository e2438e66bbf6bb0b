// Package service prints what a system's service manager needs to run "mox serve": units of
// systemd, a module for NixOS made from one, and scripts of OpenRC, FreeBSD's rc and macOS's launchd. Nothing is installed here.
//
// There are two ways to run under systemd. [Unit] is the usual one: it begins as root,
// binds its ports, opens the TLS keys, and does everything else in a process without rights.
// That of the kind systemd-socket never has root: systemd binds the ports and hands them over
// (sd_listen_fds(3)), and the configuration, data and TLS keys belong to the user of the service.
//
// Both are checked by "systemd-analyze verify" and "systemd-analyze security" (make interop).
//
// The package keeps no state and starts no goroutines.
package service
