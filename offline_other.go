//go:build !unix

package main

// checkOwner does nothing here: files get the rights of their directory.
func checkOwner(string) error { return nil }
