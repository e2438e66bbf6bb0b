// Package atomicfile replaces files so that a reader, or whoever looks after a crash,
// finds the old or the new content whole: the data goes to a temporary file in the
// same directory, is synced, renamed over the old file, and then the directory is
// synced.
//
// Temporary files are named ".<name>.<random>.tmp". One stays only when the process
// dies while writing; [Clean] removes such leftovers.
//
// No goroutines, no locks. Writing one file from several goroutines is safe, the last
// rename wins.
package atomicfile
