// Package queuebox shows messages of the queue in mailboxes of their account: those that could
// not be delivered at once in one (Queue), those that are for later or on hold in another
// (Scheduled). Any mail program can so see what has not gone yet, cancel it by deleting the
// message, and take it back by moving it to the mailbox for drafts.
//
// # What is shown
//
// A message for each submission, whatever the number of its recipients that are still in the
// queue: added fields (X-Mox-Queue-...) above the message as it will be sent. What is delivered at
// the first attempt is not shown, nothing is written for it: only what was tried in vain, is to
// be sent later, or has waited for Limits.Delay. After an attempt the message is replaced, in one
// operation of the store, so it has a new UID. Flags stay.
//
// # What its user does
//
// A message that leaves its mailbox other than by our hand is canceled: expunged, moved to
// Trash or elsewhere. The recipients that are still in the queue are put on hold, an attempt that
// is under way is waited for, then they are removed from the queue. Those that have got the message
// meanwhile have it; the history tells. If the message, or a copy of it, is in a
// mailbox for drafts then, it is made a draft: without the added fields, and those of delivery
// and signatures, with Bcc as it was given, and in X-Mox-Queue-Gone the recipients for
// whom it was too late. Other copies stay as they are.
//
// Deleting a whole mailbox is not taken for a cancellation: the messages are shown again, but for
// those that were taken out of it before, which the change log tells. Nor is a
// repair that numbers messages anew, or takes out one whose content is lost: it changes
// UIDVALIDITY, and messages are found again by what they are.
//
// Whom its user has given the right to expunge from these mailboxes (RFC 4314) can cancel too: that
// is what removing a message means here. What others move to an account of theirs, drafts or
// not, stays as it is.
// Clients cannot put messages into these mailboxes (store.Options.Reserved).
//
// # What is kept
//
// In settings of the account ("queuebox/0" to "queuebox/7"), by id of the submission: which message
// of the store shows it. The store is the truth: a message that is noted and not there was
// taken away by the user, whenever that was, as each removal of ours is noted before or is of
// a submission that is not in the queue any more. So a cancellation is durable with the EXPUNGE
// that the user was told of, and a crash anywhere leads to the same end:
//
//   - Before a message is added or replaced, the UIDNEXT of its mailbox is noted. After a crash
//     a message from there on that names the submission in its first field is the one.
//   - Replacing fails if the old message is gone: then it was canceled.
//   - A draft is made in place of the one that was moved, before the queue is told.
//
// As the notes are in the account, restoring an account restores them with its mailboxes.
//
// # Goroutines and locks
//
// [Boxes.Run] looks at accounts that were touched, one by one, and has a goroutine for each
// account that has messages shown, which stays open for that long. Boxes.mu guards what is to be
// looked at and is held while nothing else is taken.
package queuebox
