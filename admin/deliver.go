package admin

import (
	"context"
	"fmt"
	"io"

	"mox/smtp"
)

// Deliver puts a message into the account of an address, or into those of an alias, without
// any checks.
func (a *Admin) Deliver(ctx context.Context, actor Actor, address string, message io.Reader) (rerr error) {
	defer func() { a.audit(ctx, actor, "deliver message", rerr, "address", address) }()
	to, err := smtp.ParseAddress(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	return a.Put(ctx, to, message)
}
