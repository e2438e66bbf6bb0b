// Package search is the full-text index of an account: it tells which messages can
// contain a string, so that IMAP SEARCH (RFC 9051 6.4.4), JMAP and the webmail need not
// read all of them.
//
// IMAP asks for substrings, in any script, wherever words begin or end. The index keeps
// that exactly: what it returns as certain matches, what it does not return does not,
// and for the rest the caller looks into the message, with [Match]. What "contains"
// means is the business of [Fold] and [Query] alone.
//
// # How it finds substrings
//
// Folded text is cut into terms (token.go): words where words have spaces, pairs or
// triples of letters where they have not (Chinese, Japanese; Thai, Khmer, ...), single
// symbols. The cut depends on single runes only, so that a needle is cut like the text
// around it: what is inside of the needle is a term of the text, at its ends terms of the
// text end or begin with it, and a needle without a gap is inside of one term. Runs that
// are no words (base64, hashes, ids) are not kept, only the buckets of their triples of
// bytes: a superset, too, at a bounded price.
//
// A segment holds the terms of some messages, sorted, in compressed blocks of terms
// alone that are searched like text, and beside each block the lists of messages
// (block.go). A filter of letter triples says in which blocks a string can be
// (filter.go). Segments of equal size are merged (merge.go).
//
// SQLite's FTS5 was measured in its place. 20,000 messages of 350 words: for substrings
// it needs a vocabulary of its own, with a trigram index 43 % of the text in size; the
// 500 terms that contain a short string take 115 ms, 5,000 terms 1.4 s. Here 20,000
// messages of 3.7 KB with DKIM signatures take 16 % of their text; a rare word is found
// in 0.1 ms (body) to 1 ms (header and body), in 5 ms when nothing is in memory, and the
// string "in" in 10 ms, without opening a message. Looking through all takes 1.8 s.
//
// # What is not indexed yet
//
// A batch of messages is read, cut into terms, sorted and packed (batch.go, builder.go,
// termset.go), and then written in one transaction; bodies are taken in the order of their ids,
// so that a number says how far the index is. The worker does so some time after messages came.
// A search that comes first and would have to look through much of that tail does so at once,
// on all cores ([Manager.CatchUp]): 10,000 messages of 10 KB of text take 0.75 s on two cores,
// looking through them by one search 0.85 s (TEXT) or 0.4 s (BODY), each time. With 60,000 of
// 4 KB it was 2.5 s once in place of 2.0 s each time: the ratio does not depend on how many
// they are, so a long tail is indexed as well.
//
// # Fuzzy search
//
// A [Fuzzy] search (RFC 6203) compares its words with all terms of the index, some 40 ns each,
// and takes the documents of those that are similar (fuzzy.go); what is not in the index is
// looked through by the same rules, with the same scores.
//
// # Files
//
// search.db beside account.db (index.sql): a database of package db, synchronous=NORMAL.
// It can be deleted while no process has it open; so does the package when it finds it
// damaged, made by another version, or not to be of the account (prints.go). It holds
// words of messages, and is as private as the messages.
//
// # Goroutines
//
// Those of an [upkeep.Keeper]: a [Manager] has one worker for all accounts, which takes new
// messages in batches, in turn (worker.go), and for each open index a goroutine that waits
// for changes of the account. Indexes are opened when needed and closed when idle. [Manager.Close] stops
// all of them and waits. A CatchUp has one for each core, up to eight for all accounts together,
// and waits for them; it ends with its caller's context, Detach and Close.
//
// # Lock order
//
// account.mu (held for reading by who uses an index, for writing to open or close it),
// then account.taking (held by who adds batches), then the keeper's (accounts and queue), then
// those of the cache and of catchUps.
package search
