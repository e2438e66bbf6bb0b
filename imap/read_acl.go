package imap

// ACL is the response ACL, RFC 4314 3.6: identifiers with their rights, in order.
type ACL struct {
	Mailbox string
	Entries []ACLEntry
}

// ACLEntry is one pair of an ACL response. Rights that are not standard, and the obsolete
// ones, are only in Letters.
type ACLEntry struct {
	Identifier, Letters string
	Rights              Rights
}

// ListRights is LISTRIGHTS, RFC 4314 3.7: the rights that are always granted, and the sets of
// those that can be, each whole or not at all.
type ListRights struct {
	Mailbox, Identifier, Always string
	Optional                    []string
}

// MyRights is MYRIGHTS, RFC 4314 3.8.
type MyRights struct {
	Mailbox, Letters string
	Rights           Rights
}

func (*ACL) response()        {}
func (*ListRights) response() {}
func (*MyRights) response()   {}

// lenientRights returns the standard rights among letters: RFC 4314 2.1.1: clients ignore
// the obsolete ones.
func lenientRights(letters string) (r Rights) {
	for i := range len(rightLetters) {
		for j := range len(letters) {
			if letters[j] == rightLetters[i] {
				r |= 1 << i
			}
		}
	}
	return r
}

func readACL(p *scanner, _ string) Response {
	a := &ACL{}
	p.space()
	a.Mailbox = p.lenientMailbox()
	for p.err == nil && p.accept(' ') && !p.end() {
		p.count()
		e := ACLEntry{Identifier: p.astring("identifier")}
		p.space()
		e.Letters = p.astring("rights")
		e.Rights = lenientRights(e.Letters)
		a.Entries = append(a.Entries, e)
	}
	return a
}

func readListRights(p *scanner, _ string) Response {
	l := &ListRights{}
	p.space()
	l.Mailbox = p.lenientMailbox()
	p.space()
	l.Identifier = p.astring("identifier")
	p.space()
	l.Always = p.astring("rights")
	for p.err == nil && p.accept(' ') && !p.end() {
		p.count()
		l.Optional = append(l.Optional, p.astring("rights"))
	}
	return l
}

func readMyRights(p *scanner, _ string) Response {
	m := &MyRights{}
	p.space()
	m.Mailbox = p.lenientMailbox()
	p.space()
	m.Letters = p.astring("rights")
	m.Rights = lenientRights(m.Letters)
	return m
}
