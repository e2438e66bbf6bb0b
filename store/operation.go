package store

import "context"

type operationsKey struct{}

// WithOperations returns a context whose operations call f with their ModSeq once they are
// durable, before they return: whoever follows the change log thus knows which entries are
// its own. f is called by the goroutine that asked for the operation.
func WithOperations(ctx context.Context, f func(ModSeq)) context.Context {
	return context.WithValue(ctx, operationsKey{}, f)
}

// operated tells the one who wants to know of an operation.
func operated(ctx context.Context, seq ModSeq) {
	if f, ok := ctx.Value(operationsKey{}).(func(ModSeq)); ok && seq != 0 {
		f(seq)
	}
}
