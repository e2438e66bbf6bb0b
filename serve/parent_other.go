//go:build !unix

package serve

import (
	"context"
	"errors"
	"log/slog"

	"mox/config"
)

// Supervise is for unix; elsewhere "mox serve" is not supported.
func Supervise(context.Context, *slog.Logger, *config.Snapshot, *Inherited) (int, error) {
	return 1, errors.New("mox serve is not supported on this system: use mox localserve")
}

const envAdopt = "MOX_ADOPT"

func adopt(MainOptions) (int, error) {
	return 1, errors.New("mox serve is not supported on this system")
}

// FindPermissions is for unix; elsewhere files belong to whom they belong.
func FindPermissions(*config.Snapshot, bool, func(path, text string)) error { return nil }
