package admin

import (
	"context"
	"fmt"
)

// Retrain makes what the junk filter of an account, or of all when account is empty, has
// learned anew of the flags of its messages. Mail goes on meanwhile. done is called after
// each account. When ctx ends, the account that is under way is done in the background.
func (a *Admin) Retrain(ctx context.Context, actor Actor, account string, done func(account string)) (rerr error) {
	defer func() { a.audit(ctx, actor, "retrain junk filter", rerr, "account", account) }()
	names, err := a.accountNames(account)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := a.Junk.Retrain(ctx, name); err != nil {
			return fmt.Errorf("retraining junk filter of account %q: %w", name, err)
		}
		done(name)
	}
	return nil
}
