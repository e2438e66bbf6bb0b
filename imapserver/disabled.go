package imapserver

import (
	"slices"
	"strings"

	"mox/imap"
)

// Capabilities can be switched off for an account, for mail programs that have trouble with
// one: they are not announced after login, and commands and arguments that only they have
// are unknown. What belongs to IMAP4rev1 itself stays.

// commandNeeds has the capabilities of commands; one of them is enough.
var commandNeeds = map[string][]string{
	"ID":             {"ID"},
	"ENABLE":         {"ENABLE"},
	"NAMESPACE":      {"NAMESPACE"},
	"REPLACE":        {"REPLACE"},
	"RESETKEY":       {"URLAUTH"},
	"GENURLAUTH":     {"URLAUTH"},
	"URLFETCH":       {"URLAUTH"},
	"IDLE":           {"IDLE"},
	"GETQUOTA":       {"QUOTA"},
	"GETQUOTAROOT":   {"QUOTA"},
	"SETACL":         {"ACL"},
	"DELETEACL":      {"ACL"},
	"GETACL":         {"ACL"},
	"LISTRIGHTS":     {"ACL"},
	"MYRIGHTS":       {"ACL"},
	"GETMETADATA":    {"METADATA", "METADATA-SERVER"},
	"SETMETADATA":    {"METADATA", "METADATA-SERVER"},
	"NOTIFY":         {"NOTIFY"},
	"UNSELECT":       {"UNSELECT"},
	"SORT":           {"SORT"},
	"ESEARCH":        {"MULTISEARCH"},
	"THREAD":         {"THREAD=REFERENCES", "THREAD=REFS", "THREAD=ORDEREDSUBJECT"},
	"CANCELUPDATE":   {"CONTEXT=SEARCH", "CONTEXT=SORT"},
	"COMPARATOR":     {"I18NLEVEL=2"},
	"LANGUAGE":       {"LANGUAGE"},
	"MOVE":           {"MOVE"},
	"COMPRESS":       {"COMPRESS=DEFLATE"},
	"UIDBATCHES":     {"UIDBATCHES"},
	"UNAUTHENTICATE": {"UNAUTHENTICATE"},
}

// IsCapability reports whether a name, whatever its case, is of a capability that the
// server may announce, without the value that some have.
func IsCapability(name string) bool {
	return slices.ContainsFunc(extensions, func(e extension) bool { return strings.EqualFold(e.name, name) })
}

// isDisabled reports whether a capability is switched off for the account.
func (s *session) isDisabled(name string) bool { return slices.Contains(s.disabled, name) }

// disable takes over what is switched off for the account that has logged in.
func (s *session) disable(account string) {
	s.disabled = nil
	if f := s.srv.cfg.Disabled; f != nil {
		s.disabled = f(account)
	}
	// RFC 7162 3.2: QRESYNC comes with CONDSTORE only.
	if s.isDisabled("CONDSTORE") {
		s.disabled = append(slices.Clone(s.disabled), "QRESYNC")
	}
}

// checkDisabled refuses commands and arguments of capabilities that are switched off.
func (s *session) checkDisabled(r *imap.Request) error {
	if len(s.disabled) == 0 {
		return nil
	}
	if needs := commandNeeds[r.Name]; len(needs) > 0 && !slices.ContainsFunc(needs, func(n string) bool { return !s.isDisabled(n) }) {
		return imap.Bad("unknown command %q", r.Name)
	}
	for _, name := range argumentNeeds(r) {
		if s.isDisabled(name) {
			return imap.Bad("an argument of %s is switched off", name)
		}
	}
	return nil
}

// argumentNeeds returns the capabilities that arguments of a command need.
func argumentNeeds(r *imap.Request) (needs []string) {
	add := func(used bool, name string) {
		if used {
			needs = append(needs, name)
		}
	}
	add(r.UID && r.Name == "EXPUNGE", "UIDPLUS")
	switch a := r.Args.(type) {
	case *imap.Select:
		add(a.CondStore, "CONDSTORE")
		add(a.QResync != nil, "QRESYNC")
	case *imap.Fetch:
		modseq := func(f imap.FetchAtt) bool { return f.Kind == imap.FetchModSeq }
		add(a.ChangedSince != nil || slices.ContainsFunc(a.Atts, modseq), "CONDSTORE")
		add(a.Vanished, "QRESYNC")
		add(a.Partial != nil, "PARTIAL")
	case *imap.Store:
		add(a.UnchangedSince != nil, "CONDSTORE")
	case *imap.Search:
		return append(needs, searchNeeds(a, "CONTEXT=SEARCH", "ESEARCH")...)
	case *imap.Sort:
		return append(needs, searchNeeds(&a.Search, "CONTEXT=SORT", "ESORT")...)
	case *imap.Create:
		add(len(a.Use) > 0, "CREATE-SPECIAL-USE")
	case *imap.List:
		add(a.Extended, "LIST-EXTENDED")
		add(a.Select.SpecialUse || a.Return.SpecialUse, "SPECIAL-USE")
		add(a.Return.Status != nil, "LIST-STATUS")
		add(a.Return.MyRights, "LIST-MYRIGHTS")
		add(a.Return.Metadata != nil, "LIST-METADATA")
	}
	return needs
}

// searchNeeds is argumentNeeds for SEARCH and SORT, whose RETURN and UPDATE have different
// names.
func searchNeeds(q *imap.Search, update, ret string) (needs []string) {
	if q.ModSeq {
		needs = append(needs, "CONDSTORE")
	}
	if r := q.Return; r != nil {
		needs = append(needs, ret)
		if r.Save {
			needs = append(needs, "SEARCHRES")
		}
		if r.Partial != nil {
			needs = append(needs, "PARTIAL")
		}
		if r.Update {
			needs = append(needs, update)
		}
	}
	return needs
}
