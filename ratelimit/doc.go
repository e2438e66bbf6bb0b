// Package ratelimit bounds what one peer can cause: events in a window of time, and
// things open at the same time, by address and network or by any other key.
//
// An address counts in three classes at once: for IPv4 its /32, /26 and /21, for IPv6 its
// /64, /48 and /32. Each class has a limit of its own, so that a peer with many addresses
// is bounded as well, and one with a single address cannot lock its neighbours out.
//
// Memory is bounded: a table that is full makes room by forgetting windows that are over;
// when there are none, new keys share one counter per class, so that a flood of addresses
// limits itself and not those that are known.
//
// All types are safe for concurrent use and have no goroutines. Time comes in through a
// field; windows are aligned to the clock, not sliding.
package ratelimit
