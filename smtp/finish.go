package smtp

import (
	"context"
	"errors"
)

// ErrDisconnected is the cause (context.Cause) of the end of a transaction's context when
// the client has closed the connection: it will never learn that its message was
// accepted, and sends it again.
var ErrDisconnected = errors.New("client has closed the connection")

type drainKey struct{}

// WithDrain returns a context from which [Draining] returns drain.
func WithDrain(ctx context.Context, drain <-chan struct{}) context.Context {
	return context.WithValue(ctx, drainKey{}, drain)
}

// Draining returns a channel that is closed when the server is about to stop. Work that
// is begun goes on, but a transaction must not wait any more for the sake of waiting. It
// is nil, which is never ready, for contexts that have none.
func Draining(ctx context.Context) <-chan struct{} {
	drain, _ := ctx.Value(drainKey{}).(<-chan struct{})
	return drain
}
