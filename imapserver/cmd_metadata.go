package imapserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mox/imap"
	"mox/store"
)

// entryAdmin is computed: RFC 5464 3.2.1.1.
const entryAdmin = "/shared/admin"

// cmdGetMetadata is GETMETADATA, RFC 5464 4.2.
func (s *session) cmdGetMetadata(ctx context.Context, r *imap.Request) error {
	g := r.Args.(*imap.GetMetadata)
	p, err := s.metadataPlace(ctx, g.Mailbox)
	if err != nil {
		return err
	}
	all, err := s.metadata(ctx, &p)
	if err != nil {
		return err
	}
	found := pickEntries(all, g.Entries, g.Depth)
	// RFC 5464 4.2.1: of what is too long only the largest size is told.
	var longest int
	if g.MaxSize != nil {
		found = slices.DeleteFunc(found, func(v imap.MetadataValue) bool {
			long := uint64(len(v.Value)) > *g.MaxSize
			if long {
				longest = max(longest, len(v.Value))
			}
			return long
		})
	}
	if longest > 0 {
		s.reply = reply{code: "METADATA LONGENTRIES " + strconv.Itoa(longest), text: "some values are longer"}
	}
	return s.sendMetadata(metadataName(&p), found)
}

// metadataPlace finds what a METADATA command is about: a mailbox, or for an empty name
// the server, which is the account. RFC 5464 3.3: a mailbox of another user's must be seen
// and in some way be used.
func (s *session) metadataPlace(ctx context.Context, name string) (place, error) {
	if name == "" {
		return place{account: s.account, rights: imap.RightsAll}, nil
	}
	p, err := s.place(ctx, name, imap.RightLookup)
	if err == nil && p.rights&(imap.RightRead|imap.RightSeen|imap.RightWrite|imap.RightInsert|imap.RightPost) == 0 {
		err = errNoPermission
	}
	return p, err
}

// metadataName is the name in METADATA, empty for the server.
func metadataName(p *place) string {
	if p.mb.ID == 0 {
		return ""
	}
	return p.name()
}

// metadata returns all entries, those included that are computed here. Private ones are the
// user's own, in mailboxes of others too.
func (s *session) metadata(ctx context.Context, p *place) ([]store.MetadataEntry, error) {
	all, err := p.account.Metadata(ctx, p.mb.ID)
	if uri := s.srv.cfg.AdminURI; err == nil && p.mb.ID == 0 && uri != "" {
		all = append([]store.MetadataEntry{{Name: entryAdmin, Value: []byte(uri)}}, all...)
	}
	if p.owner == "" || err != nil {
		return all, err
	}
	own, err := p.account.MetadataOf(ctx, s.principal.Account, p.mb.ID)
	all = slices.DeleteFunc(all, func(e store.MetadataEntry) bool { return isPrivate(e.Name) })
	return append(own, all...), err // /private/ comes before /shared/
}

func isPrivate(entry string) bool { return strings.HasPrefix(strings.ToLower(entry), "/private/") }

// pickEntries returns the entries that are asked for, and with a depth those below; each
// once. Names in the answer are those of the client where it named an entry. An entry that
// does not exist has the value NIL, unless the client asks for all below it: RFC 5464
// 4.2.2's example does not have it.
func pickEntries(all []store.MetadataEntry, names []string, depth int) []imap.MetadataValue {
	var list []imap.MetadataValue
	done := map[string]bool{}
	for _, name := range names {
		lower := strings.ToLower(name)
		i := slices.IndexFunc(all, func(e store.MetadataEntry) bool { return e.Name == lower })
		if !done[lower] && (i >= 0 || depth == 0) {
			v := imap.MetadataValue{Name: name}
			if i >= 0 {
				v.Value = all[i].Value
			}
			done[lower] = true
			list = append(list, v)
		}
		for _, e := range all {
			below, ok := strings.CutPrefix(e.Name, lower+"/")
			if ok && !done[e.Name] && (depth == imap.DepthInfinity || depth == 1 && !strings.Contains(below, "/")) {
				done[e.Name] = true
				list = append(list, imap.MetadataValue{Name: e.Name, Value: e.Value})
			}
		}
	}
	return list
}

// sendMetadata sends METADATA with values.
func (s *session) sendMetadata(name string, values []imap.MetadataValue) error {
	if len(values) == 0 {
		return nil
	}
	s.outData = true
	b := append(s.output(), "* METADATA "...)
	b = imap.AppendMailbox(b, name, s.utf8)
	sep := " ("
	for _, v := range values {
		b = append(b, sep...)
		b = imap.AppendAString(b, v.Name)
		b = append(b, ' ')
		s.out = imap.AppendValue(b, v.Value, s.utf8)
		if err := s.spill(); err != nil {
			return err
		}
		b, sep = s.output(), " "
	}
	s.out = append(b, ")\r\n"...)
	return nil
}

// sendListMetadata sends what LIST RETURN (METADATA (...)) wants of a mailbox: RFC 9590. One
// that went meanwhile, or that the user may not use, has nothing to tell.
func (s *session) sendListMetadata(ctx context.Context, name string, names []string) error {
	p, err := s.metadataPlace(ctx, name)
	if err == errNoMailbox || err == errNoPermission {
		return nil
	} else if err != nil {
		return err
	}
	all, err := s.metadata(ctx, &p)
	if errors.Is(err, store.ErrNoMailbox) {
		return nil
	} else if err != nil {
		return err
	}
	return s.sendMetadata(p.name(), pickEntries(all, names, 0))
}

// cmdSetMetadata is SETMETADATA, RFC 5464 4.3: all entries are set, or none.
func (s *session) cmdSetMetadata(ctx context.Context, r *imap.Request) error {
	m := r.Args.(*imap.SetMetadata)
	p, err := s.metadataPlace(ctx, m.Mailbox)
	if err != nil {
		return err
	}
	entries := make([]store.MetadataEntry, len(m.Values))
	for i, v := range m.Values {
		if p.mb.ID == 0 && strings.EqualFold(v.Name, entryAdmin) {
			return imap.No(imap.CodeCannot, "%s is read-only", entryAdmin)
		}
		if p.mb.ID == 0 {
			if err := s.checkFilter(v.Name, v.Value); err != nil {
				return err
			}
		}
		entries[i] = store.MetadataEntry{Name: v.Name, Value: v.Value}
		private := isPrivate(v.Name)
		if private && p.owner != "" {
			entries[i].User = s.principal.Account
		}
		// RFC 5464 3.3 asks for no more than reading, at the least: but who may only read must not
		// change what all see. For private entries of one's own that is enough.
		if need := metadataRight(private); !p.rights.Has(need) {
			return errNoPermission
		}
	}
	return s.metadataError(p.account.SetMetadata(ctx, p.mb.ID, entries))
}

func metadataRight(private bool) imap.Rights {
	if private {
		return imap.RightRead
	}
	return imap.RightWrite
}

// metadataError gives errors of the store the codes of RFC 5464 4.3 and RFC 6154 4.
func (s *session) metadataError(err error) error {
	code := func(arg, text string) error {
		return &imap.Error{Type: imap.NO, Code: imap.CodeMetadata, CodeArg: arg, Text: text}
	}
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return code(fmt.Sprintf("MAXSIZE %d", s.account.MaxMetadataSize()), "value is too large")
	case errors.Is(err, store.ErrLimit):
		return code("TOOMANY", "too many annotations")
	case errors.Is(err, store.ErrBadName):
		// RFC 5464 3.2: in any command.
		return imap.Bad("invalid entry name: it begins with /private/ or /shared/, in the vendor namespace it has four components")
	case errors.Is(err, store.ErrSpecialUse):
		return imap.No(imap.CodeUseAttr, "special use is not supported")
	}
	return err
}
