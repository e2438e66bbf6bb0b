package imapserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mox/imap"
	"mox/store"
)

// othersPrefix is the namespace of mailboxes that others share (RFC 2342): below it come
// the name of an account and that of a mailbox there.
const othersPrefix = "Other Users/"

// place is where a mailbox name of a client leads.
type place struct {
	account *store.Account // until the command ends, see session.keep
	owner   string         // name of that account; empty: it is the user's own
	mb      store.Mailbox
	rights  imap.Rights // of the user
}

// name is the mailbox's name on the wire.
func (p *place) name() string { return wireNameOf(p.owner, p.mb.Name) }

// wireNameOf maps the name of a mailbox of an account, empty for the user's own, to that of
// clients.
func wireNameOf(owner, name string) string {
	if owner == "" {
		return wireName(name)
	}
	return othersPrefix + owner + "/" + wireName(name)
}

// split takes a client's mailbox name apart: whose it is, empty for the user's own, and
// what the store calls it there. A mailbox of one's own comes first, from before the names
// of others were there.
func (s *session) split(name string) (owner, rest string) {
	if below, ok := strings.CutPrefix(name, othersPrefix); ok && s.shares() {
		if _, own := s.lookup(name); !own {
			owner, rest, _ = strings.Cut(below, "/")
			return owner, rest
		}
	}
	return "", storeName(name)
}

// isOthers reports whether a name is in the namespace of others, or is its root.
func (s *session) isOthers(name string) bool {
	return s.shares() && strings.HasPrefix(name+"/", othersPrefix)
}

// shares reports whether the user may share mailboxes.
func (s *session) shares() bool { return len(s.identifiers()) > 0 }

// identifiers returns those by which access control lists know the user.
func (s *session) identifiers() []string {
	if s.srv.cfg.Sharing == nil || s.account == nil {
		return nil
	}
	return s.srv.cfg.Sharing.Identifiers(s.principal.Account)
}

// place finds the mailbox that a command names, for which the user needs rights.
//
// RFC 4314 6: a mailbox on which the user has neither these nor the right to see it does
// not exist for them.
func (s *session) place(ctx context.Context, name string, need imap.Rights) (place, error) {
	p, err := s.find(ctx, name)
	if err != nil {
		return place{}, err
	}
	if p.rights.Has(need) && p.account != nil {
		return p, nil
	}
	if !p.rights.Has(imap.RightLookup) {
		return place{}, errNoMailbox
	}
	return place{}, errNoPermission
}

var (
	errNoMailbox    = imap.No(imap.CodeNonExistent, "no such mailbox")
	errNoPermission = imap.No(imap.CodeNoPerm, "your rights on the mailbox do not allow that")
)

// find finds a mailbox, whatever the user's rights are. Without one, the place has no
// account.
func (s *session) find(ctx context.Context, name string) (place, error) {
	owner, rest := s.split(name)
	if owner == "" {
		mb, err := s.mailbox(name)
		if err != nil {
			return place{}, err
		}
		return place{account: s.account, mb: mb, rights: imap.RightsAll}, nil
	}
	acc, err := s.reach(ctx, owner)
	if acc == nil || err != nil {
		return place{}, err
	}
	mb, ok := acc.MailboxByName(rest)
	if !ok {
		return place{}, nil
	}
	return place{account: acc, owner: owner, mb: mb, rights: s.rightsOn(owner, acc, mb.ID)}, nil
}

// reach opens the account of another user who may share mailboxes with this one, until the
// command ends; nil when there is none.
func (s *session) reach(ctx context.Context, owner string) (*store.Account, error) {
	accounts := s.srv.cfg.Accounts
	if owner == s.principal.Account {
		return nil, nil // what "anyone" may see is not seen twice
	}
	if ids := s.identifiers(); len(ids) == 0 || !accounts.Shares(owner, ids) || !s.srv.cfg.Sharing.Allowed(owner, s.principal.Account) {
		return nil, nil
	}
	acc, err := accounts.Account(ctx, owner)
	if errors.Is(err, store.ErrNoAccount) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("opening account of another user: %w", err)
	}
	s.borrowed = append(s.borrowed, acc)
	return acc, nil
}

// keep makes the account of another user the caller's to release.
func (s *session) keep(acc *store.Account) {
	if i := slices.Index(s.borrowed, acc); i >= 0 {
		s.borrowed = slices.Delete(s.borrowed, i, i+1)
	}
}

// giveBack releases the accounts that a command has used.
func (s *session) giveBack() {
	for _, acc := range s.borrowed {
		acc.Release()
	}
	s.borrowed = nil
}

// rightsOn returns what the user may do now with a mailbox of another account.
func (s *session) rightsOn(owner string, acc *store.Account, id store.MailboxID) imap.Rights {
	ids := s.identifiers()
	if len(ids) == 0 || !s.srv.cfg.Sharing.Allowed(owner, s.principal.Account) {
		return 0
	}
	return acc.Rights(id, ids)
}

// target finds the mailbox to put messages in: RFC 4314 4: that needs the right to insert.
// RFC 9051 6.3.12: TRYCREATE tells the client that creating it would help.
func (s *session) target(ctx context.Context, name string) (place, error) {
	owner, rest := s.split(name)
	if owner == "" {
		mb, err := s.destination(name)
		if err != nil {
			return place{}, err
		}
		return place{account: s.account, mb: mb, rights: imap.RightsAll}, nil
	}
	p, err := s.place(ctx, name, imap.RightInsert)
	if err != errNoMailbox {
		return p, err
	}
	// The answer must not tell a mailbox that the user cannot see from none.
	if _, err := s.creator(ctx, owner, rest); err == nil {
		return place{}, imap.No(imap.CodeTryCreate, "no such mailbox")
	}
	return place{}, errNoMailbox
}

// creator returns the account in which a mailbox is to be made or renamed to. RFC 4314 4:
// that needs the right to create on the nearest mailbox above that exists. Where there is
// none, only the account's own user may.
func (s *session) creator(ctx context.Context, owner, name string) (*store.Account, error) {
	if owner == "" {
		return s.account, nil
	}
	normal, err := store.NormalName(name)
	if err != nil {
		return nil, err
	}
	acc, err := s.reach(ctx, owner)
	if err != nil {
		return nil, err
	}
	denied := imap.No(imap.CodeNoPerm, "you may not create mailboxes here")
	if acc == nil {
		return nil, denied
	}
	may, decided := false, false
	eachParent(normal, func(parent string) {
		if mb, ok := acc.MailboxByName(parent); ok && !decided {
			may, decided = s.rightsOn(owner, acc, mb.ID).Has(imap.RightCreate), true
		}
	})
	if !may {
		return nil, denied
	}
	return acc, nil
}

// leaving has the commands that may be given when the selected mailbox may no longer be
// read: they leave it.
var leaving = map[string]bool{"LOGOUT": true, "SELECT": true, "EXAMINE": true, "UNSELECT": true}

// checkAccess looks whether the user may still read the selected mailbox of another
// account. RFC 4314 5.1.1: when not, the server may end the session; when other rights have
// changed, it should tell.
func (s *session) checkAccess() error {
	b := s.box
	if b == nil || b.owner == "" || b.box.View().Deleted {
		return nil
	}
	r := s.rightsOn(b.owner, b.account, b.view.Mailbox)
	if !r.Has(imap.RightRead) {
		s.unselect()
		return &errClose{bye: "[NOPERM] you may no longer read the selected mailbox"}
	}
	if r != b.rights {
		b.rights = r
		s.sendFlagNames(s.flagNames())
	}
	return nil
}

// may refuses what needs rights on the selected mailbox that the user does not have.
func (s *session) may(need imap.Rights) error {
	if !s.box.rights.Has(need) {
		return errNoPermission
	}
	return nil
}

// readWrite are the rights any of which make a mailbox READ-WRITE: all flags are shared
// here (RFC 4314 5.2).
const readWrite = imap.RightInsert | imap.RightExpunge | imap.RightSeen | imap.RightWrite | imap.RightDeleteFlag | imap.RightAnnotate

// copyLimit returns what of messages may come with the user to a place.
func (s *session) copyLimit(p *place) store.FlagLimit {
	l := flagLimit(p.rights)
	l.User = s.principal.Account
	l.NoPrivate, l.NoShared = !p.rights.Has(imap.RightRead), !p.rights.Has(imap.RightAnnotate)
	return l
}

// flagLimit returns which flags somebody with rights may change, RFC 4314 4.
func flagLimit(r imap.Rights) (l store.FlagLimit) {
	if !r.Has(imap.RightSeen) {
		l.Flags |= store.FlagSeen
	}
	if !r.Has(imap.RightDeleteFlag) {
		l.Flags |= store.FlagDeleted
	}
	if !r.Has(imap.RightWrite) {
		l.Flags |= store.FlagsAll &^ (store.FlagSeen | store.FlagDeleted)
		l.Keywords = true
	}
	return l
}
