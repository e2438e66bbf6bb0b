package imapserver

import (
	"context"
	"strings"

	"golang.org/x/text/unicode/norm"

	"mox/imap"
	"mox/store"
)

var errNoSharing = imap.No(imap.CodeCannot, "sharing mailboxes is switched off")

// administered finds a mailbox whose access control list the user may read and change.
func (s *session) administered(ctx context.Context, name string) (place, error) {
	if !s.shares() {
		return place{}, errNoSharing
	}
	return s.place(ctx, name, imap.RightAdmin)
}

// ownerOf returns the name of the account that a mailbox is in.
func (s *session) ownerOf(p *place) string {
	if p.owner == "" {
		return s.principal.Account
	}
	return p.owner
}

// identify returns the identifier under which lists of a mailbox keep what a client calls
// somebody: "-" before it makes it one of negative rights (RFC 4314 2). The owner has
// rights without being in the list.
func (s *session) identify(p *place, name string) (identifier string, owner, ok bool) {
	minus, name := cutMinus(norm.NFC.String(name))
	if name == store.Anyone {
		return minus + store.Anyone, false, true
	}
	id, ok := s.srv.cfg.Sharing.Identify(s.ownerOf(p), name)
	// An account whose name means something else in lists cannot be in one.
	if !ok || strings.EqualFold(id, store.Anyone) || strings.HasPrefix(id, "-") {
		return "", false, false
	}
	return minus + id, id == s.ownerOf(p), true
}

func cutMinus(identifier string) (minus, name string) {
	if name, ok := strings.CutPrefix(identifier, "-"); ok {
		return "-", name
	}
	return "", identifier
}

// Refusals of changes.
var (
	errNobody     = imap.No(imap.CodeNonExistent, "nobody here has that name, or mailboxes cannot be shared with them")
	errOwner      = imap.No(imap.CodeCannot, "who has the account always has all rights")
	errAnyoneKeys = imap.No(imap.CodeCannot, `the right to administer cannot be given to "anyone"`)
)

// cmdSetACL is SETACL, RFC 4314 3.1.
func (s *session) cmdSetACL(ctx context.Context, r *imap.Request) error {
	a := r.Args.(*imap.SetACL)
	p, err := s.administered(ctx, a.Mailbox)
	if err != nil {
		return err
	}
	id, owner, ok := s.identify(&p, a.Identifier)
	switch {
	case !ok:
		return errNobody
	case owner:
		return errOwner
	case id == store.Anyone && a.Op != imap.RightsRemove && a.Rights.Has(imap.RightAdmin):
		return errAnyoneKeys
	}
	if err := p.account.SetACL(ctx, p.mb.ID, id, a.Op, a.Rights); err != nil {
		return err
	}
	s.logger().Info("access control list changed", "owner", s.ownerOf(&p), "mailbox", int64(p.mb.ID), "identifier", id)
	return nil
}

// cmdDeleteACL is DELETEACL, RFC 4314 3.2. What stands in the list can be deleted, whoever
// it stands for.
func (s *session) cmdDeleteACL(ctx context.Context, r *imap.Request) error {
	a := r.Args.(*imap.ACLIdentifier)
	p, err := s.administered(ctx, a.Mailbox)
	if err != nil {
		return err
	}
	id, owner, ok := s.identify(&p, a.Identifier)
	if owner {
		return errOwner
	}
	if !ok {
		id = norm.NFC.String(a.Identifier)
	}
	if err := p.account.SetACL(ctx, p.mb.ID, id, imap.RightsReplace, 0); err != nil {
		return err
	}
	s.logger().Info("access control list changed", "owner", s.ownerOf(&p), "mailbox", int64(p.mb.ID), "identifier", id)
	return nil
}

// cmdGetACL is GETACL, RFC 4314 3.3.
func (s *session) cmdGetACL(ctx context.Context, r *imap.Request) error {
	p, err := s.administered(ctx, r.Args.(*imap.Mailbox).Name)
	if err != nil {
		return err
	}
	b := append(s.output(), "* ACL "...)
	b = imap.AppendMailbox(b, p.name(), s.utf8)
	list := append([]store.ACLEntry{{Identifier: s.ownerOf(&p), Rights: imap.RightsAll}}, p.account.ACL(p.mb.ID)...)
	for _, e := range list {
		b = imap.AppendAString(append(b, ' '), e.Identifier)
		b = imap.AppendAString(append(b, ' '), e.Rights.String())
	}
	s.out = append(b, "\r\n"...)
	return nil
}

// cmdListRights is LISTRIGHTS, RFC 4314 3.4: first the rights that somebody always has,
// then those that they can get; none are tied together here.
func (s *session) cmdListRights(ctx context.Context, r *imap.Request) error {
	a := r.Args.(*imap.ACLIdentifier)
	p, err := s.administered(ctx, a.Mailbox)
	if err != nil {
		return err
	}
	id, owner, ok := s.identify(&p, a.Identifier)
	if !ok {
		return errNobody
	}
	b := append(s.output(), "* LISTRIGHTS "...)
	b = append(imap.AppendMailbox(b, p.name(), s.utf8), ' ')
	// RFC 4314 3.4: the identifier in the form that the client gave.
	b = imap.AppendAString(b, a.Identifier)
	always, can := "", imap.RightsAll.String()
	if owner {
		always, can = can, ""
	} else if id == store.Anyone {
		can = (imap.RightsAll &^ imap.RightAdmin).String()
	}
	b = imap.AppendAString(append(b, ' '), always)
	for i := range len(can) {
		b = append(b, ' ', can[i])
	}
	s.out = append(b, "\r\n"...)
	return nil
}

// anyOfThese are the rights of which MYRIGHTS needs one, RFC 4314 4.
const anyOfThese = imap.RightLookup | imap.RightRead | imap.RightInsert | imap.RightCreate | imap.RightDelete | imap.RightAdmin

// cmdMyRights is MYRIGHTS, RFC 4314 3.5.
func (s *session) cmdMyRights(ctx context.Context, r *imap.Request) error {
	if !s.shares() {
		return errNoSharing
	}
	p, err := s.find(ctx, r.Args.(*imap.Mailbox).Name)
	if err != nil {
		return err
	}
	if p.rights&anyOfThese == 0 {
		return errNoMailbox
	}
	s.sendMyRights(p.name(), p.rights)
	return nil
}

func (s *session) sendMyRights(name string, rights imap.Rights) {
	b := append(s.output(), "* MYRIGHTS "...)
	b = imap.AppendMailbox(b, name, s.utf8)
	b = imap.AppendAString(append(b, ' '), rights.String())
	s.out = append(b, "\r\n"...)
}
