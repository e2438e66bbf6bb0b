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
	// RFC 4314 4: names need not be those of mailboxes, so that no rights are needed.
	owner, rest := s.split(r.Args.(*imap.Mailbox).Name)
	name, err := store.NormalName(rest)
	if err != nil {
		return err
	}
	if owner != "" {
		name = wireNameOf(owner, name)
	}
	return s.account.Subscribe(ctx, name, on)
}
