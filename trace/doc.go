// Package trace has the decision trace of a message: the facts that were found about it,
// the verdict, and how to tell both in plain words. It is stored with each message, and
// for messages that were refused in a log of decisions, so that whoever wonders why a
// message is where it is, or is not, gets an answer.
//
// A trace has no content of a message but its subject and the words that told most
// about it. It is kept as JSON with fixed names: what one release wrote, every later
// one reads.
//
// No files, no goroutines.
package trace
