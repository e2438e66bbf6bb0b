// Package autotls has the TLS certificates of the server: those that it gets by ACME
// ([Manager]) and those from files that others renew ([Files]).
//
// A Manager is told which names the server has ([SetNames]; [NamesOf] knows them from the
// configuration) and has two certificates for each: one with an ECDSA P-256 key and, for clients
// that cannot do that, one with an RSA key. Those for names where mail and settings are served are
// asked for at start; those for other names when a client comes for them the first time, which
// then waits. Nothing is ever asked for names that are not configured. All certificates there are
// get renewed: when the authority says so (RFC 9773), else 30 days before their end.
//
// # Sparing the authority
//
// Limits of authorities last up to a week, so nothing is tried in a loop. There is one order at a
// time for each provider, ten at once after a start and then one each 40 seconds. An attempt is
// written to disk before it begins, with the time of the next one, which comes later with every
// failure (15 minutes to a day) and not before the authority wants it (Retry-After): a server that
// crashes and starts again and again asks no more often. Before a name is asked for, its addresses
// are looked up: where they are not ours the authority would not find us either, and is not
// asked. An authority that does not answer is left alone for all names, for a minute up to
// two hours.
//
// # Keys
//
// Names of the host (of listeners) have the keys of HostPrivateKeyFiles, so that TLSA records
// (DANE) hold over renewals. The key of a certificate is changed for another one, current or next,
// only when DNS has no TLSA records, or has had one for the new key for three days.
// Other names get a new key with every certificate.
//
// # Files
//
// In acme/ below the data directory, mode 0600, written atomically:
//
//	<provider>.key                 key of the account, PKCS8 in PEM
//	<provider>.json                account, and for each certificate failures and times ([state])
//	keycerts/<provider>/<name>     key and certificates in PEM, ECDSA
//	keycerts/<provider>/<name>+rsa likewise, RSA
//	alarmed-files                  certificates from files whose end postmaster was told of
//
// A file that cannot be read for what it is gets renamed to <file>.corrupt-<time>, and what it
// held is asked for anew.
//
// # Goroutines and locks
//
// A Manager has one goroutine for each provider, in which orders are made, and one that looks
// after expiry; a Files has one. Close ends them and waits. Manager.mu guards hosts, states and
// answers to challenges; no file but the state is written and no request is made while it is held.
//
// Files: names.go; manager.go; hosts.go what there is for a name; choose.go certificates for
// connections; schedule.go when to do what; issue.go one order; challenge.go, dnschallenge.go,
// command.go; addresses.go; hostkeys.go; renewal.go; state.go, stored.go on disk; alarm.go; status.go;
// files.go certificates from files.
//
// RFCs: 8555, 8737, 9773 (through package acme), 2136 and 8945 (through package dns), 6066 3 (server
// name), 6698 and 7671 8 (TLSA records and change of keys), 8657 (account in CAA).
package autotls
