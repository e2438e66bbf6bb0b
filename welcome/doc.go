// Package welcome is the page of an invitation: a person who has its link chooses a password, and
// sees how to set up a mail program.
//
// # Who may
//
// Who has the link, whose token works once and until it expires; package invite keeps it. Looking at the
// page changes nothing, so that programs that look at links in mail do no harm. Forms from other sites are
// refused. All tokens that are of no use get the same answer, whatever the reason, and networks that bring
// many of those are refused for a while. The token is in the path of the page, which is not logged, and no
// other site is told it (Referrer-Policy).
//
// The page needs no scripts.
//
// The package starts no goroutines.
package welcome
