// Package invite keeps invitations: links by which a person sets the password of an account, once.
//
// # File
//
// invites.json in the data directory, mode 0600, written atomically: a list of invitations. Of the token
// of a link only its SHA-256 is kept; tokens are 192 random bits, so nothing slower is needed. Those that
// have expired are kept for [Remembered], to be listed.
//
// # Locks
//
// Book.mu guards the list and is held while the file is written. While a password is set for an invitation, that
// invitation is marked as busy, and mu is not held.
package invite
