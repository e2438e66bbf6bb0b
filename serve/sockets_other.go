//go:build !unix

package serve

// explainBind adds what a person can do about a failed bind.
func explainBind(err error) error { return err }
