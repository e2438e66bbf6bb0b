package admin

import (
	"context"

	"mox/imapimport"
)

// TakenOver lets f use an account as package imapimport does, which reads it and keeps its
// records there.
func (a *Admin) TakenOver(ctx context.Context, account string, f func(imapimport.Local) error) error {
	acc, err := a.openAccount(ctx, account)
	if err != nil {
		return err
	}
	defer acc.Release()
	return f(imapimport.Local{Account: acc})
}

// ChangeTakenOver changes messages as package imapimport asks for it.
func (a *Admin) ChangeTakenOver(ctx context.Context, actor Actor, account, mailbox string, changes []imapimport.Change) (rerr error) {
	deleted := 0
	for _, c := range changes {
		if c.Delete {
			deleted++
		}
	}
	defer func() {
		a.audit(ctx, actor, "change imported mail", rerr, "account", account, "changed", len(changes)-deleted, "deleted", deleted)
	}()
	return a.TakenOver(ctx, account, func(l imapimport.Local) error { return l.Change(ctx, mailbox, changes) })
}
