// Package ownership is about who may change which file, for a program that root starts and that does
// its work as another user: the user of the server, here [User]. Root must not be led by what that
// user can change.
//
//   - [Open] opens a file for root only where that user cannot have put another one into its place:
//     not by the file, nor by a directory or symbolic link on the way to it.
//   - [Fix] gives the files of an installation to whom they belong: mox.conf, and the directories
//     on the way to it and to TLS keys, to root; all else to the user.
//
// A name is looked up from the root of the file system on, a directory after the other, each by
// the descriptor of the one before; what was looked at is what is opened and changed. A directory
// is not the user's to change if it belongs to another and has no write permission for the user.
// In a sticky directory of another, the user can add files, but neither remove nor rename those of
// others. Access control lists are not looked at.
//
// On systems other than Unix there are no such users: [Open] is os.Open, [Fix] does nothing.
//
// The package keeps no state and starts no goroutines.
package ownership
