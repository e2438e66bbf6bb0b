// Package doctor goes through everything that can be wrong with an installation on its machine, and
// repairs what is safe to repair: [Examine].
//
// It knows few rules of its own. The machine, the resolver, reverse DNS, ports, block lists and the way out are
// looked at by package quickstart, domains by dnscheck, accounts by the check of package store, and the
// rules about the server, its queue, certificates and backups are those of package status, with facts from
// the running server or, when none runs, from its files.
//
// It works without a configuration that can be read, as far as that goes. What is a consequence of
// something else that was found is not told: connections to a server that does not run, for example.
//
// Nothing is written without [Options.Fix].
//
// # Goroutines
//
// Those that look at several things at a time end before Examine returns.
package doctor
