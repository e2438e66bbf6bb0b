//go:build !unix

package ownership

import "os"

// Open opens a file.
func Open(path string, _ *User) (*os.File, error) { return os.Open(path) }

// OpenRoots opens a file.
func OpenRoots(path string, _ *User) (*os.File, error) { return os.Open(path) }

// CheckDir does nothing.
func CheckDir(string, User) error { return nil }

// CheckPlace does nothing.
func CheckPlace(string, User) error { return nil }

// Guard does nothing.
func Guard(Layout) error { return nil }

// Fix does nothing.
func Fix(Layout) error { return nil }

// MakeDir makes a directory.
func MakeDir(path string, _ User) error { return os.MkdirAll(path, 0o700) }
