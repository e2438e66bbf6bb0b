// Package logfile keeps the newest lines of the log in files, for "mox logs", and reads them.
//
// Where there is a journal it has the log; many machines have none, and its lines cannot be asked for what
// happened to a message. A file was chosen over a ring in memory as it can be read when the server has crashed or
// hangs, and by who follows it without the server doing anything.
//
// # Writing
//
// [Tee] passes each line on, to standard error, and adds it with the time to a buffer in memory. A goroutine
// writes that to the file within a tenth of a second: who logs waits for no disk. When the disk is too slow and the buffer
// is full, lines are dropped, which is told in a line. Nothing is synced; a crash of the process loses what was in the
// buffer. While nothing is logged nothing runs.
//
// # Files
//
// In a directory, mode 0600: mox.log, and mox.log.1, which it becomes when it has half of the size that both may have, and mox.log.lock for that moment.
// Two processes may write at the same time, as during an upgrade. A line that is torn at the end of a file is left out.
//
// # Reading
//
// [Parse] takes a line in either format of package mlog, [Filter] selects, [Thread] finds all lines about one
// message, [Scrubber] takes out what is about people.
//
// # Locks
//
// Tee.mu guards the buffer, and is not held while anything is written.
package logfile
