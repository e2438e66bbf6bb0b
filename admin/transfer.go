package admin

import (
	"context"
	"errors"
	"fmt"

	"mox/store"
	"mox/transfer"
)

// openAccount opens the data of an account, which must be released.
func (a *Admin) openAccount(ctx context.Context, name string) (*store.Account, error) {
	acc, err := a.Store.Account(ctx, name)
	if errors.Is(err, store.ErrNoAccount) {
		return nil, fmt.Errorf("account %q: %w", name, ErrNotFound)
	}
	return acc, err
}

// Import adds mail to an account. What was added before an error stays; see package
// transfer. The junk filter and the search index follow on their own.
func (a *Admin) Import(ctx context.Context, actor Actor, account string, src transfer.Source, o transfer.Options) (res transfer.Result, rerr error) {
	defer func() {
		err := rerr
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx) // rerr is of whatever was interrupted
		}
		a.audit(ctx, actor, "import mail", err, "account", account, "added", res.Added, "duplicates", res.Duplicates, "problems", res.Problems)
	}()
	acc, err := a.openAccount(ctx, account)
	if err != nil {
		return res, err
	}
	defer acc.Release()
	return transfer.Import(ctx, acc, src, o)
}

// Export sends mail of an account to a Receiver.
func (a *Admin) Export(ctx context.Context, actor Actor, account string, sel transfer.Selection, r transfer.Receiver) (rerr error) {
	defer func() { a.audit(ctx, actor, "export mail", rerr, "account", account) }()
	acc, err := a.openAccount(ctx, account)
	if err != nil {
		return err
	}
	defer acc.Release()
	return transfer.FromAccount(acc, sel).Send(ctx, r)
}
