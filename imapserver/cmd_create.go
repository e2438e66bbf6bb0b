package imapserver

import (
	"context"
	"strings"

	"mox/imap"
	"mox/store"
)

// cmdCreate is CREATE, RFC 9051 6.3.4, with USE (RFC 6154 3).
func (s *session) cmdCreate(ctx context.Context, r *imap.Request) error {
	c := r.Args.(*imap.Create)
	// RFC 9051 6.3.4: a trailing delimiter declares intent to create children, and is
	// not part of the name.
	name := strings.TrimSuffix(c.Mailbox, "/")
	if name == "INBOX" {
		return imap.No(imap.CodeAlreadyExists, "INBOX always exists")
	}
	var use store.SpecialUse
	for _, attr := range c.Use {
		u, ok := store.ParseSpecialUse(attr)
		// RFC 6154 3: \All and \Flagged name views of other mailboxes, which cannot be
		// created.
		if !ok || u == store.UseAll || u == store.UseFlagged {
			return imap.No(imap.CodeUseAttr, "special use %s is not supported", asciiOnly(attr))
		}
		use |= u
	}
	mb, owner, err := s.create(ctx, name, use)
	if err != nil {
		return err
	}
	// RFC 8474 4.1.
	p := place{owner: owner, mb: mb}
	s.reply = reply{code: "MAILBOXID (" + p.objectID() + ")", text: "created"}
	if got := p.name(); got != name {
		s.listRenamed(got, name)
	}
	return nil
}

// create makes a mailbox of a client's name, and tells whose account it is in. In another
// user's it inherits the rights of the mailbox above it (RFC 4314 4), and has no special
// use: that is for its user to say.
func (s *session) create(ctx context.Context, name string, use store.SpecialUse) (store.Mailbox, string, error) {
	owner, rest := s.split(name)
	switch {
	case owner == "" && s.isOthers(name):
		return store.Mailbox{}, "", imap.No(imap.CodeCannot, "mailboxes of other users are below this name")
	case owner != "" && use != 0:
		return store.Mailbox{}, "", imap.No(imap.CodeUseAttr, "mailboxes of other users cannot get a special use")
	}
	acc, err := s.creator(ctx, owner, rest)
	if err != nil {
		return store.Mailbox{}, "", err
	}
	mb, err := acc.CreateMailbox(ctx, rest, use)
	return mb, owner, err
}

// listRenamed tells that the server uses another name than was asked for: RFC 9051
// 6.3.4 with OLDNAME of 6.3.9.7.
func (s *session) listRenamed(name, old string) {
	if !s.rev2 {
		return
	}
	b := append(s.output(), `* LIST () "/" `...)
	b = imap.AppendMailbox(b, name, s.utf8)
	b = append(b, ` ("OLDNAME" (`...)
	b = imap.AppendMailbox(b, old, s.utf8)
	s.out = append(b, "))\r\n"...)
}

func asciiOnly(s string) string { return string(imap.AppendText(nil, s)) }
