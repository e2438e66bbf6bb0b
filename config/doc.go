// Package config is the configuration: the fields of mox.conf ([Static], read at
// start) and domains.conf ([Dynamic], read again when changed) with their
// documentation, all checks on them, and the immutable [Snapshot] of both that the
// rest of the server works with.
//
// A Snapshot has what the files say, and the same parsed: domains, regular
// expressions, defaults applied, keys loaded, addresses in maps. It is built whole or,
// with an error for every problem found (path of the field, file and line), not at
// all. Whoever needs the configuration for longer than a moment takes a Snapshot from
// the [Manager] and keeps it to the end of what he does.
//
// # Files
//
// mox.conf, domains.conf beside it, and the keys and certificates they name, are read.
// Only domains.conf is written, by [Manager.Edit], with its comments kept. Values of mox.conf
// are also taken from the environment ([EnvPrefix]).
//
// # Goroutines
//
// A Manager has one, which looks once a second whether domains.conf changed; Close
// ends it and waits. A change goes in two steps: every subscriber prepares and may
// refuse, then all commit.
//
// # Locks
//
// Manager.mu serializes changes and is held while subscribers are called; they must
// not call Check, Edit or Close. Taking a Snapshot needs no lock.
package config
