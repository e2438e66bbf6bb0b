package store

import "context"

// Check looks for anything wrong with the account.
func (a *Account) Check(ctx context.Context) ([]Problem, error) { return nil, nil }
