//go:build !linux

package db

// lockPerDescriptor does nothing where SQLite has only POSIX or Windows locks.
func lockPerDescriptor() {}
