// Package page has what pages share. Those that people open once have one look, which follows the system's choice of
// light or dark, and headers that let nothing in from elsewhere and leave nothing behind. Applications of the
// browser are served by an [App].
//
// The package starts no goroutines; an App keeps its files in memory, also compressed once they were asked for so.
package page
