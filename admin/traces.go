package admin

import (
	"context"
	"errors"

	"mox/trace"
	"mox/tracelog"
)

// Decisions returns recent decisions about messages, newest first; ErrNotFound when there
// are none. Account in q need not exist any more.
func (a *Admin) Decisions(ctx context.Context, q tracelog.Query) ([]*trace.Trace, error) {
	if a.Traces == nil {
		return nil, errors.New("this server keeps no log of decisions")
	}
	found, err := a.Traces.Find(ctx, q)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	return found, err
}
