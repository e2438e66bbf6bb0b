// Package junk is what the users of accounts have taught: which of their messages are junk
// and which are not, kept as counters of words and as history of senders, so that a new
// message can be judged by them. It also knows to whom an account has written, and how much
// it has sent.
//
// # What is learned
//
// A message is an example when exactly one of $Junk and $NotJunk is set. Its words are
// counted (package classifier), and its sender, as its stored trace says that it was
// verified, gets an entry under each name that it has: From address and domains, domains of
// DKIM signatures, MAIL FROM, EHLO, networks (keys.go); all for the mailbox that the message
// was meant for. The entries of a name are in order of time, so that the last few are read
// whatever the length of the history. A message that is expunged, or no longer classified,
// is taken back: exactly, from what the example holds, not from the message.
//
// The change log of the account drives this. What an entry says happened is not looked at,
// only which messages it is about: their examples are made what the messages are now. So
// nothing is wrong when something is looked at twice, after a crash or a restart. Where the
// log does not reach back, all messages are compared with the examples.
//
// Who judges a message first catches up with the change log, as far as that is quickly
// done: what the user said a moment ago counts. Deliveries of messages that are not
// classified cost some microseconds and write nothing.
//
// # Files
//
//	junk.db           beside account.db, schema in schema/*.sql: a database of package db,
//	                  synchronous=NORMAL. Each transaction has, with what it changes, how far the
//	                  change log was followed; killed at any moment, it is right for some moment.
//	                  To whom the user sends, and how much, is written within a second.
//	junk.db.damaged   the last file that was found damaged. A new one is made of the messages;
//	                  what was counted of the day's sending is lost with the old one.
//
// The counters of words of an account in use are held in memory as far as Config.Memory goes.
//
// # Goroutines
//
// Those of an [upkeep.Keeper]: a [Manager] has one worker for all accounts, which does pieces
// of work in turn (worker.go), and for each open account a goroutine that waits for its
// changes. Accounts are opened when needed and closed when idle. [Manager.Close] stops all of
// them and waits.
//
// # Lock order
//
// account.token (who follows the log or learns), then counts.writing, then outgoing.mu, then
// account.dbMu, then counts.mu and budget.mu. The keeper's is held for moments only, under any of them.
package junk
