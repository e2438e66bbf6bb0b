// Package sampledata writes a directory with configuration and data that has something of everything
// that a server keeps: for tests of upgrades, of what reads data directories, and of commands.
//
// The data is made by the parts of a server themselves, which is composed without network. Its
// test looks into every table of every database and fails for one without rows, so that what a later
// version adds is added here.
//
// No goroutines remain; a directory that is written to by nobody else is needed.
package sampledata
