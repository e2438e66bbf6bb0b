// Package maildir is about directories of messages as Maildir, Maildir++ and Dovecot have
// them: how files and folders are named, and what the files beside them say. It opens no
// file itself, so that a directory can be one of the system as well as part of an archive.
//
// # Folders
//
// A Maildir has directories new, cur and tmp. Messages are files in new and cur; their names
// are unique, begin with the time of delivery, and end, in cur, in ":2," and letters for flags.
// Folders below it are other Maildirs: in Maildir++ all beside new and cur, with names as
// ".Work.Reports"; in what "mox export" and Dovecot's LAYOUT=fs write, nested as "Work/Reports".
// [FolderName] knows both.
//
// # Flags
//
// The letters are P passed ($Forwarded), R replied, S seen, T trashed (\Deleted), D draft, F
// flagged. Letters a to z stand for keywords that the file dovecot-keywords names.
package maildir
