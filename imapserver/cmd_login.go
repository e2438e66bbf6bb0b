package imapserver

import (
	"context"

	"mox/imap"
)

// cmdLogin is LOGIN, RFC 9051 6.2.3.
func (s *session) cmdLogin(ctx context.Context, r *imap.Request) error {
	l := r.Args.(*imap.Login)
	if !s.plaintextAllowed() {
		return imap.No(imap.CodePrivacyRequired, "TLS is required for LOGIN")
	}
	attempt, err := s.beginAuth(ctx)
	if err != nil {
		return err
	}
	p, err := attempt.Login(ctx, l.Username, l.Password)
	return s.authenticated(ctx, p, err)
}

// beginAuth starts an attempt to authenticate.
func (s *session) beginAuth(ctx context.Context) (Attempt, error) {
	attempt, err := s.srv.cfg.Auth.Begin(ctx, AuthInfo{CID: s.cid, Remote: s.remote, Local: s.local, TLS: s.tls})
	if err != nil {
		return nil, s.authFailure(err)
	}
	return attempt, nil
}
