// Package status says how a server is, to someone who need not know about mail: at most five
// sentences, the worst first, each with the command that fixes what it tells of or leads there.
//
// [Facts] are what is known of a server at a moment, gathered by package admin and the server
// itself; nothing is asked over the network for them. [Facts.Report] judges them: it is a table of
// rules, each of which gives one sentence at most.
//
// What causes something else hides it: while no other server can be reached, messages that wait for
// that reason are no sentence of their own, and errors in the log are not told beside a problem.
//
// There are no goroutines and no files.
package status
