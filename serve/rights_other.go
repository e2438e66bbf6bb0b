//go:build !linux

package serve

// dropInheritable and checkRights have nothing to do here: rights of root end with the change of
// the user.
func dropInheritable() error { return nil }

func checkRights() error { return nil }
