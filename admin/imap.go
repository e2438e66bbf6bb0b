package admin

import (
	"context"
	"fmt"
	"net"

	"mox/directory"
)

// IMAPSession finds the account of an address, and returns what serves a connection with IMAP as
// its user, without a login, until it ends. Whether logins to the account are disabled makes no
// difference: the administrator asks.
func (a *Admin) IMAPSession(ctx context.Context, actor Actor, address string) (_ func(ctx context.Context, conn net.Conn), rerr error) {
	defer func() { a.audit(ctx, actor, "imap session", rerr, "address", address) }()
	account, err := directory.NewView(a.Config.Snapshot()).Login(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	return func(ctx context.Context, conn net.Conn) { a.IMAP(ctx, conn, account.Name, address) }, nil
}
