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
	"GETJMAPACCESS":  {"JMAPACCESS"},
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
	if s.listener.LoggedIn != nil {
		s.disabled = append(slices.Clone(s.disabled), "UNAUTHENTICATE") // nobody else may log in
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
			return errSwitchedOff(name)
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
		add(a.Annotate, annotate)
	case *imap.Status:
		return append(needs, statusNeeds(a.Atts)...)
	case *imap.Fetch:
		for _, f := range a.Atts {
			add(fetchCapability[f.Kind] != "", fetchCapability[f.Kind])
		}
		add(a.ChangedSince != nil, "CONDSTORE")
		add(a.Vanished, "QRESYNC")
		add(a.Partial != nil, "PARTIAL")
	case *imap.Store:
		add(a.UnchangedSince != nil, "CONDSTORE")
		add(a.Annotations != nil, annotate)
	case *imap.Search:
		return append(needs, searchNeeds(a, "CONTEXT=SEARCH", "ESEARCH")...)
	case *imap.Sort:
		for _, c := range a.Criteria {
			add(sortCapability[c.Key] != "", sortCapability[c.Key])
		}
		return append(needs, searchNeeds(&a.Search, "CONTEXT=SORT", "ESORT")...)
	case *imap.Thread:
		add(true, threadCapability[a.Algorithm])
		return append(needs, keyNeeds(&a.Search.Key)...)
	case *imap.MultiSearch:
		return append(needs, keyNeeds(&a.Search.Key)...)
	case *imap.Create:
		add(len(a.Use) > 0, "CREATE-SPECIAL-USE")
	case *imap.List:
		add(a.Extended, "LIST-EXTENDED")
		add(a.Select.SpecialUse || a.Return.SpecialUse, "SPECIAL-USE")
		add(a.Return.Status != nil, "LIST-STATUS")
		needs = append(needs, statusNeeds(a.Return.Status)...)
		add(a.Return.MyRights, "LIST-MYRIGHTS")
		add(a.Return.Metadata != nil, "LIST-METADATA")
	}
	return needs
}

const annotate = "ANNOTATE-EXPERIMENT-1"

// Capabilities of what is fetched, told, searched for and sorted by.
var (
	fetchCapability = map[imap.FetchKind]string{
		imap.FetchModSeq: "CONDSTORE", imap.FetchEmailID: "OBJECTID", imap.FetchThreadID: "OBJECTID", imap.FetchSaveDate: "SAVEDATE",
		imap.FetchPreview: "PREVIEW", imap.FetchBinary: "BINARY", imap.FetchBinarySize: "BINARY", imap.FetchAnnotation: annotate,
	}
	sortCapability = map[imap.SortKey]string{
		imap.SortDisplayFrom: "SORT=DISPLAY", imap.SortDisplayTo: "SORT=DISPLAY", imap.SortAnnotation: annotate, imap.SortRelevancy: "SEARCH=FUZZY",
	}
	keyCapability = map[imap.SearchOp]string{
		imap.SearchSavedBefore: "SAVEDATE", imap.SearchSavedOn: "SAVEDATE", imap.SearchSavedSince: "SAVEDATE", imap.SearchSaveDateSupported: "SAVEDATE",
		imap.SearchOlder: "WITHIN", imap.SearchYounger: "WITHIN", imap.SearchModSeq: "CONDSTORE", imap.SearchEmailID: "OBJECTID", imap.SearchThreadID: "OBJECTID",
		imap.SearchAnnotation: annotate, imap.SearchFuzzy: "SEARCH=FUZZY", imap.SearchFilter: "FILTERS",
	}
	threadCapability = map[imap.ThreadAlgorithm]string{
		imap.ThreadOrderedSubject: "THREAD=ORDEREDSUBJECT", imap.ThreadReferences: "THREAD=REFERENCES", imap.ThreadRefs: "THREAD=REFS",
	}
	statusCapability = map[imap.StatusAtt]string{
		imap.StatusSize: "STATUS=SIZE", imap.StatusHighestModSeq: "CONDSTORE", imap.StatusAppendLimit: "APPENDLIMIT", imap.StatusMailboxID: "OBJECTID",
	}
)

// keyNeeds returns the capabilities of search keys.
func keyNeeds(k *imap.SearchKey) (needs []string) {
	if name := keyCapability[k.Op]; name != "" {
		needs = append(needs, name)
	}
	for i := range k.Keys {
		needs = append(needs, keyNeeds(&k.Keys[i])...)
	}
	return needs
}

// statusNeeds returns the capabilities of STATUS items.
func statusNeeds(atts []imap.StatusAtt) (needs []string) {
	for _, a := range atts {
		if name := statusCapability[a]; name != "" {
			needs = append(needs, name)
		}
	}
	return needs
}

// checkAppendDisabled refuses what only extensions have of a message of APPEND or REPLACE, the
// nth counted from 0: such messages come after the command was let through.
func (s *session) checkAppendDisabled(m *imap.AppendMessage, n int) error {
	for _, need := range []struct {
		used bool
		name string
	}{
		{n > 0, "MULTIAPPEND"}, {m.Catenate, "CATENATE"}, {m.Annotations != nil, annotate}, {m.Binary && !m.UTF8, "BINARY"}, {m.UTF8, "UTF8=ACCEPT"},
	} {
		if need.used && s.isDisabled(need.name) {
			return errSwitchedOff(need.name)
		}
	}
	return nil
}

func errSwitchedOff(name string) error { return imap.Bad("an argument of %s is switched off", name) }

// searchNeeds is argumentNeeds for SEARCH and SORT, whose RETURN and UPDATE have different
// names.
func searchNeeds(q *imap.Search, update, ret string) (needs []string) {
	needs = keyNeeds(&q.Key)
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
