// Package refusal says in plain words what another mail server means by refusing a message, and
// what to do about it: [Decode].
//
// Codes alone say little: most refusals by policy are 550 5.7.1. What large providers and
// block lists really answer is a table of pieces of their texts (table.go); what is not in it is
// decoded by its enhanced code (RFC 3463), its code (RFC 5321 4.2.3), or what the error of a
// connection says. Texts of providers change: the first row that fits counts, rows of a provider
// before those for all.
//
// The package knows no network and keeps nothing.
package refusal
