// Package transfer takes mail into accounts and out of them: from and to Maildirs and mbox
// files, in directories and archives, and between processes.
//
// A [Source] sends folders and messages to a [Receiver]. Sources are [Open] (a path),
// [OpenArchive], [FromAccount] and [Decode]; receivers are [Target] (an account), [Files] and
// [Encoder]. Import is a Target that receives what a path has; export is Files that receive
// what an account has; with a running server between, an Encoder and Decode are in the middle,
// so that the command reads and writes files with the rights of who runs it, and the server,
// which may open nothing outside of its own directories, has the account.
//
// # Import
//
// Messages are parsed, hashed, compressed and rendered on all processors, and added in batches
// of some hundred in the order in which they came. Each batch is durable on its own, not the
// whole import: when it ends early, what was added stays, and the same import once more goes
// on where it ended. For that, messages that a mailbox has already are left out, each as often
// as the mailbox had it when the import began: a message that is twice in the source and not
// in the mailbox is added twice. Equal are messages of equal content, with fields that were
// put before them on delivery; flags and times do not count.
//
// What is in flight is bounded in messages and bytes, so that memory does not depend on how
// much is imported: but for 32 bytes for each message that the mailboxes had before.
//
// # Goroutines
//
// A Target has one that gathers batches, one for a batch that is being committed, and some
// that prepare messages; Close waits for all of them. Others have none.
package transfer
