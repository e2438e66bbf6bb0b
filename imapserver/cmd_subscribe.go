package imapserver

import (
	"context"

	"mox/imap"
	"mox/store"
)

// cmdSubscribe is SUBSCRIBE, RFC 9051 6.3.7.
func (s *session) cmdSubscribe(ctx context.Context, r *imap.Request) error {
	return s.subscribe(ctx, r, true)
}

// cmdUnsubscribe is UNSUBSCRIBE, RFC 9051 6.3.8.
func (s *session) cmdUnsubscribe(ctx context.Context, r *imap.Request) error {
	return s.subscribe(ctx, r, false)
}

func (s *session) subscribe(ctx context.Context, r *imap.Request, on bool) error {
	name, err := store.NormalName(storeName(r.Args.(*imap.Mailbox).Name))
	if err != nil {
		return err
	}
	return s.account.Subscribe(ctx, name, on)
}
