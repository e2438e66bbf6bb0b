package imapclient

import (
	"context"

	"mox/imap"
)

// SetACL changes the rights of an identifier on a mailbox, RFC 4314 3.1: rights begins with
// "+" or "-" to add to or take from those it has.
func (c *Client) SetACL(ctx context.Context, mailbox, identifier, rights string) error {
	defer c.bound(ctx)()
	_, err := c.run(ctx, c.command("SETACL").mailbox(mailbox).arg(identifier).arg(rights), nil)
	return err
}

// DeleteACL removes an identifier from the list of a mailbox, RFC 4314 3.2.
func (c *Client) DeleteACL(ctx context.Context, mailbox, identifier string) error {
	defer c.bound(ctx)()
	_, err := c.run(ctx, c.command("DELETEACL").mailbox(mailbox).arg(identifier), nil)
	return err
}

// GetACL returns the access control list of a mailbox, RFC 4314 3.3.
func (c *Client) GetACL(ctx context.Context, mailbox string) ([]imap.ACLEntry, error) {
	defer c.bound(ctx)()
	a, err := answer[*imap.ACL](ctx, c, c.command("GETACL").mailbox(mailbox))
	if err != nil {
		return nil, err
	}
	return a.Entries, nil
}

// ListRights returns what rights an identifier can get on a mailbox, RFC 4314 3.4.
func (c *Client) ListRights(ctx context.Context, mailbox, identifier string) (*imap.ListRights, error) {
	defer c.bound(ctx)()
	return answer[*imap.ListRights](ctx, c, c.command("LISTRIGHTS").mailbox(mailbox).arg(identifier))
}

// MyRights returns the user's rights on a mailbox, RFC 4314 3.5.
func (c *Client) MyRights(ctx context.Context, mailbox string) (imap.Rights, error) {
	defer c.bound(ctx)()
	m, err := answer[*imap.MyRights](ctx, c, c.command("MYRIGHTS").mailbox(mailbox))
	if err != nil {
		return 0, err
	}
	return m.Rights, nil
}

// answer runs a command that one response of a type answers.
func answer[T imap.Response](ctx context.Context, c *Client, m *command) (T, error) {
	var a T
	found := false
	_, err := c.run(ctx, m, func(r imap.Response) error {
		if x, ok := r.(T); ok {
			a, found = x, true
		} else {
			c.unsolicited(r)
		}
		return nil
	})
	if err == nil && !found {
		err = ErrProtocol
	}
	return a, err
}
