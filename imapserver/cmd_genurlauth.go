package imapserver

import (
	"context"
	"encoding/hex"

	"mox/imap"
)

// cmdGenURLAuth is GENURLAUTH, RFC 4467 7.
func (s *session) cmdGenURLAuth(ctx context.Context, r *imap.Request) error {
	list := r.Args.(*imap.GenURLAuth).URLs
	urls := make([]*imap.URL, len(list))
	for i, m := range list {
		var err error
		if urls[i], err = s.checkRump(m); err != nil {
			return err
		}
	}
	for _, u := range urls {
		if err := s.authorizeURL(ctx, u); err != nil {
			return err
		}
	}
	s.outData = true // who knows the URLs can read what they stand for
	b := append(s.output(), "* GENURLAUTH"...)
	for _, u := range urls {
		b = imap.AppendString(append(b, ' '), u.Rump+":internal:"+u.Token, false)
	}
	s.out = append(b, "\r\n"...)
	return nil
}

// checkRump checks a URL that is to be authorized, in the order of RFC 4467 7. All that
// is wrong is BAD.
func (s *session) checkRump(m imap.URLMechanism) (*imap.URL, error) {
	u, err := imap.ParseURL(m.URL)
	switch {
	case err != nil:
		return nil, imap.Bad("%v", err)
	case !u.Absolute:
		return nil, imap.Bad("missing server in supplied URL")
	case u.User == "":
		return nil, imap.Bad("missing owner username in supplied URL")
	case u.Access == nil:
		return nil, imap.Bad("missing access identifier in supplied URL")
	case u.Mechanism != "":
		return nil, imap.Bad("supplied URL is authorized already")
	case m.Mechanism != urlMechanism:
		return nil, imap.Bad("only mechanism %s", urlMechanism)
	}
	// Only URLs of one's own mailboxes. Whether there is another user of that name is
	// not told.
	if account, ok := s.srv.cfg.UserAccount(u.User); !ok || account != s.principal.Account {
		return nil, imap.Bad("owner username in supplied URL is not yours")
	}
	mb, ok := s.lookup(u.Mailbox)
	if !ok || u.UIDValidity != 0 && u.UIDValidity != mb.UIDValidity {
		return nil, imap.Bad("no such mailbox as in supplied URL")
	}
	return u, nil
}

// authorizeURL sets the token of a URL, making an access key for its mailbox if there is
// none.
func (s *session) authorizeURL(ctx context.Context, u *imap.URL) error {
	mb, err := s.mailbox(u.Mailbox)
	if err != nil {
		return err
	}
	fresh, err := s.srv.newURLKey()
	if err != nil {
		return err
	}
	key, err := s.account.MakeURLKey(ctx, "", mb.ID, fresh)
	if err != nil {
		return err
	}
	u.Token = hex.EncodeToString(urlToken(key, u.Rump))
	return nil
}
