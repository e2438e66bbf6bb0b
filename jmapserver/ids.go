package jmapserver

import (
	"strings"

	"mox/jmap"
	"mox/store"
)

// Ids of objects are those of RFC 8474, so that IMAP has the same.

func emailID(b store.BodyID) jmap.ID      { return jmap.ID(store.EmailID(b)) }
func threadID(t store.ThreadID) jmap.ID   { return jmap.ID(store.ThreadObjectID(t)) }
func mailboxID(m store.MailboxID) jmap.ID { return jmap.ID(store.MailboxObjectID(m)) }

// parseEmailID returns the content of an Email; false if it is no id of one.
func parseEmailID(id jmap.ID) (store.BodyID, bool) {
	n, ok := store.ParseObjectID('M', string(id))
	return store.BodyID(n), ok
}

// parseThreadID is the inverse of threadID.
func parseThreadID(id jmap.ID) (store.ThreadID, bool) {
	n, ok := store.ParseObjectID('T', string(id))
	return store.ThreadID(n), ok
}

// parseMailboxID is the inverse of mailboxID.
func parseMailboxID(id jmap.ID) (store.MailboxID, bool) {
	n, ok := store.ParseObjectID('F', string(id))
	return store.MailboxID(n), ok
}

// Keywords, RFC 8621 4.1.1: those of IMAP in lower case, with "$" in place of the backslash of four.
var systemKeywords = map[string]store.Flags{"$draft": store.FlagDraft, "$seen": store.FlagSeen, "$flagged": store.FlagFlagged, "$answered": store.FlagAnswered}

// maxKeyword is the most octets of a keyword.
const maxKeyword = 255

// parseKeyword returns the flag of a keyword, or zero and its name in lower case where it has none; false if it cannot be one.
func parseKeyword(s string) (store.Flags, string, bool) {
	if s == "" || len(s) > maxKeyword {
		return 0, "", false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`(){]%*"\`, s[i]) >= 0 {
			return 0, "", false
		}
	}
	s = strings.ToLower(s)
	if f, ok := systemKeywords[s]; ok {
		return f, "", true
	}
	if f, ok := store.ParseFlag(s); ok {
		return f, "", true
	}
	return 0, s, true
}

// keywordNames are the names of flags, and of keyword sets.
func keywordNames(acc *store.Account, flags store.Flags, sets ...store.KeywordSet) map[string]bool {
	names := map[string]bool{}
	for name, f := range systemKeywords {
		if flags&f != 0 {
			names[name] = true
		}
	}
	for _, name := range (flags &^ store.FlagsSystem).Names() {
		names[strings.ToLower(name)] = true
	}
	for _, set := range sets {
		for _, name := range acc.Keywords(set) {
			names[strings.ToLower(name)] = true
		}
	}
	return names
}
