package smtpserver

import (
	"io"
	"log/slog"

	"mox/mlog"
)

func mlogTrace(w io.Writer) *slog.Logger {
	return slog.New(mlog.NewHandler(w, mlog.Options{Levels: mlog.NewLevels(mlog.LevelTrace, nil)}))
}
