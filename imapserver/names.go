package imapserver

import (
	"slices"
	"strings"

	"mox/imap"
	"mox/store"
)

// The store's name for INBOX; clients see it in upper case.
const inboxName = store.Inbox

// storeName maps a mailbox name of a client to that of the store. The decoder has
// put INBOX in upper case.
func storeName(name string) string {
	if name == "INBOX" || strings.HasPrefix(name, "INBOX/") {
		return inboxName + name[len("INBOX"):]
	}
	return name
}

// wireName maps the store's name to that of clients.
func wireName(name string) string {
	if name == inboxName || strings.HasPrefix(name, inboxName+"/") {
		return "INBOX" + name[len(inboxName):]
	}
	return name
}

// mailbox finds a mailbox of the user's own account. What clients name may be another
// account's: see session.place.
func (s *session) mailbox(name string) (store.Mailbox, error) {
	mb, ok := s.lookup(name)
	if !ok {
		return mb, imap.No(imap.CodeNonExistent, "no such mailbox")
	}
	return mb, nil
}

// lookup finds a mailbox of the user's own account by its name on the wire, in Unicode normal form or not.
func (s *session) lookup(name string) (store.Mailbox, bool) { return lookupIn(s.account, name) }

func lookupIn(acc *store.Account, name string) (store.Mailbox, bool) {
	name = storeName(name)
	if mb, ok := acc.MailboxByName(name); ok {
		return mb, true
	}
	normal, err := store.NormalName(name)
	if err != nil || normal == name {
		return store.Mailbox{}, false
	}
	return acc.MailboxByName(normal)
}

// destination finds a mailbox of the user's own account to put messages in, see
// session.target. RFC 9051 6.3.12: TRYCREATE tells the client that creating it would help.
func (s *session) destination(name string) (store.Mailbox, error) {
	mb, ok := s.lookup(name)
	if !ok {
		return mb, imap.No(imap.CodeTryCreate, "no such mailbox")
	}
	return mb, nil
}

// matcher tests names against LIST patterns (RFC 9051 6.3.9): "*" matches anything,
// "%" anything but the delimiter.
type matcher struct{ patterns []string }

func newMatcher(reference string, patterns []string) matcher {
	m := matcher{}
	for _, p := range patterns {
		m.patterns = append(m.patterns, reference+p)
	}
	return m
}

// matchLevel reports whether a level of the hierarchy without a mailbox is to be shown: for
// a pattern that ends in "%" (RFC 9051 6.3.9).
func (m matcher) matchLevel(name string) bool {
	return slices.ContainsFunc(m.patterns, func(p string) bool { return strings.HasSuffix(p, "%") && matchPattern(p, name) })
}

// mayBelow reports whether names that begin with prefix may match, or a level above them.
func (m matcher) mayBelow(prefix string) bool {
	return slices.ContainsFunc(m.patterns, func(p string) bool {
		literal := p
		if i := strings.IndexAny(p, "*%"); i >= 0 {
			literal = p[:i]
		}
		return strings.HasPrefix(literal, prefix) || len(literal) < len(p) && strings.HasPrefix(prefix, literal)
	})
}

func (m matcher) match(name string) bool {
	return slices.ContainsFunc(m.patterns, func(p string) bool { return matchPattern(p, name) })
}

// foldLen is how much of a name is compared without regard to case: RFC 9051 5.1:
// INBOX is INBOX in any case.
func foldLen(name string) int {
	if name == "INBOX" || strings.HasPrefix(name, "INBOX/") {
		return len("INBOX")
	}
	return 0
}

func upperByte(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// matchPattern goes back to the last wildcard only, and from "%" to the last "*"
// where a delimiter stops it: len(p) * len(name) steps at most.
func matchPattern(p, name string) bool {
	pi, ni, fold := 0, 0, foldLen(name)
	star, starName := -1, 0 // after the last "*", and how far it has reached
	perc, percName := -1, 0
	for ni < len(name) {
		switch {
		case pi < len(p) && p[pi] == '*':
			pi++
			star, starName, perc = pi, ni, -1
		case pi < len(p) && p[pi] == '%':
			pi++
			perc, percName = pi, ni
		case pi < len(p) && (p[pi] == name[ni] || ni < fold && upperByte(p[pi]) == name[ni]):
			pi++
			ni++
		case perc >= 0 && name[percName] != '/':
			percName++
			pi, ni = perc, percName
		case star >= 0:
			starName++
			pi, ni, perc = star, starName, -1
		default:
			return false
		}
	}
	for pi < len(p) && (p[pi] == '*' || p[pi] == '%') {
		pi++
	}
	return pi == len(p)
}
