package store

import "context"

type operationsKey struct{}

// WithOperations returns a context whose operations call f with their account and ModSeq
// once they are durable, before they return: whoever follows a change log thus knows which
// entries are its own. f is called by the goroutine that asked for the operation.
func WithOperations(ctx context.Context, f func(*Account, ModSeq)) context.Context {
	return context.WithValue(ctx, operationsKey{}, f)
}

// operated tells the one who wants to know of an operation.
func (a *Account) operated(ctx context.Context, seq ModSeq) {
	if f, ok := ctx.Value(operationsKey{}).(func(*Account, ModSeq)); ok && seq != 0 {
		f(a, seq)
	}
}
