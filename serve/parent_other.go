//go:build !unix

package serve

import (
	"errors"

	"mox/config"
)

var errUnsupported = errors.New("mox serve is not supported on this system: use mox localserve")

func supervise(MainOptions, *Inherited) (int, error) { return 1, errUnsupported }

const (
	envAdopt = "MOX_ADOPT"
	envTry   = "MOX_TRY"
)

func adopt(MainOptions) (int, error) { return 1, errUnsupported }

// CheckPlace does nothing.
func CheckPlace(*config.Snapshot) error { return nil }

// FindPermissions is for unix; elsewhere files belong to whom they belong.
func FindPermissions(*config.Snapshot, bool, func(path, text string)) error { return nil }
