//go:build !unix

package serve

func restrictUmask() {}

func isDualStack(uintptr) bool { return false }

func isPacket(uintptr) bool { return false }

func closeOnExec(uintptr) {}

// explainBind adds what a person can do about a failed bind.
func explainBind(err error) error { return err }
