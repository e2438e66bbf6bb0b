package imapserver

import (
	"context"
	"fmt"
	"io"
	"slices"

	"mox/imap"
	"mox/store"
)

// urlMechanism is the one mechanism of authorized URLs, RFC 4467 2.4.1.
const urlMechanism = "INTERNAL"

const urlMechCode = imap.CodeURLMech + " " + urlMechanism

// urlKeySize is how many octets a mailbox access key has; RFC 4467 2.2 wants 16 at least.
const urlKeySize = 32

// newURLKey makes a mailbox access key.
func (srv *Server) newURLKey() ([]byte, error) {
	key := make([]byte, urlKeySize)
	if _, err := io.ReadFull(srv.cfg.Random, key); err != nil {
		return nil, fmt.Errorf("making mailbox access key: %w", err)
	}
	return key, nil
}

// cmdResetKey is RESETKEY, RFC 4467 7: URLs that were authorized so far no longer are.
func (s *session) cmdResetKey(ctx context.Context, r *imap.Request) error {
	c := r.Args.(*imap.ResetKey)
	if c.Mailbox == "" {
		if err := s.account.RemoveURLKeys(ctx); err != nil {
			return err
		}
		s.srv.keyWasReset(s, keysReset)
		s.reply.text = "all keys removed"
		return nil
	}
	if slices.ContainsFunc(c.Mechanisms, func(m string) bool { return m != urlMechanism }) {
		return imap.No(imap.CodeCannot, "only mechanism %s", urlMechanism)
	}
	mb, err := s.mailbox(c.Mailbox)
	if err != nil {
		return err
	}
	key, err := s.srv.newURLKey()
	if err != nil {
		return err
	}
	if err := s.account.SetURLKey(ctx, "", mb.ID, key); err != nil {
		return err
	}
	s.srv.keyWasReset(s, mb.ID)
	s.reply.code = urlMechCode
	return nil
}

// keysReset stands for all mailboxes.
const keysReset store.MailboxID = -1

// keyWasReset makes the other sessions of the user that have the mailbox selected tell
// so, with their next responses.
func (srv *Server) keyWasReset(by *session, box store.MailboxID) {
	account := by.principal.Account
	srv.mu.Lock()
	defer srv.mu.Unlock()
	for sess, of := range srv.sessions {
		if of.own != account || sess == by {
			continue
		}
		// More than one since it was last told: it may be any.
		if !sess.keyReset.CompareAndSwap(0, int64(box)) && sess.keyReset.Load() != int64(box) {
			sess.keyReset.Store(int64(keysReset))
		}
	}
}

// reportKeyReset tells that the selected mailbox has another access key.
func (s *session) reportKeyReset() {
	if s.keyReset.Load() == 0 {
		return
	}
	if box := store.MailboxID(s.keyReset.Swap(0)); box == keysReset || box == s.box.view.Mailbox && s.box.account == s.account {
		s.sendURLMech()
	}
}

// sendURLMech says which mechanisms there are. RFC 4467 10: only where nobody listens.
func (s *session) sendURLMech() {
	if s.tls != nil {
		s.line("* OK [", urlMechCode, "] mechanisms of authorized URLs")
	}
}
