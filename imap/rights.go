package imap

import "strings"

// Rights is a set of access rights, RFC 4314 2.1.
type Rights uint16

// The standard rights.
const (
	RightLookup     Rights = 1 << iota // l: the mailbox is seen in lists
	RightRead                          // r: SELECT, STATUS
	RightSeen                          // s: change \Seen
	RightWrite                         // w: change other flags but \Deleted
	RightInsert                        // i: APPEND, COPY into the mailbox
	RightPost                          // p: send mail to the mailbox's address
	RightCreate                        // k: make mailboxes below it
	RightDelete                        // x: delete the mailbox
	RightDeleteFlag                    // t: change \Deleted
	RightExpunge                       // e: EXPUNGE
	RightAdmin                         // a: change and read the access control list
	RightAnnotate                      // n: change shared annotations, RFC 5257 3.4

	// RightsAll is every right.
	RightsAll = RightAnnotate<<1 - 1

	// What stands for the obsolete rights: RFC 4314 2.1.1 leaves open whether x belongs to
	// "c" or to "d"; here, as in the examples of its section 3, to "c".
	rightsCreate = RightCreate | RightDelete
	rightsDelete = RightDeleteFlag | RightExpunge
)

// rightLetters are the letters of the rights by their bits.
const rightLetters = "lrswipkxtean"

// NewRights is the argument of the capability RIGHTS=: those that RFC 2086 did not have.
const NewRights = "kxten"

// Has reports whether all rights of want are in r.
func (r Rights) Has(want Rights) bool { return r&want == want }

// ParseRights reads a list of rights, in which "c" and "d" stand for several, RFC 4314
// 2.1.1. The error of a right that is not known is BAD, RFC 4314 3.1.
func ParseRights(s string) (Rights, error) {
	var r Rights
	for _, c := range s {
		switch i := strings.IndexRune(rightLetters, c); {
		case i >= 0:
			r |= 1 << i
		case c == 'c':
			r |= rightsCreate
		case c == 'd':
			r |= rightsDelete
		case c >= 'A' && c <= 'Z':
			return 0, Bad("uppercase rights are not allowed")
		default:
			return 0, Bad("right %q is not supported", c)
		}
	}
	return r, nil
}

// Letters returns the rights as they are kept: without the obsolete ones.
func (r Rights) Letters() string {
	var b strings.Builder
	for i := range len(rightLetters) {
		if r&(1<<i) != 0 {
			b.WriteByte(rightLetters[i])
		}
	}
	return b.String()
}

// String returns the rights as responses have them: with "c" and "d" where any of what
// they stand for is there, RFC 4314 2.1.1, in the order of the examples of RFC 8440 4.
func (r Rights) String() string {
	const last = RightAdmin | RightAnnotate
	s := (r &^ last).Letters()
	if r&rightsCreate != 0 {
		s += "c"
	}
	if r&rightsDelete != 0 {
		s += "d"
	}
	return s + (r & last).Letters()
}

// RightsOp is what SETACL does with its rights.
type RightsOp uint8

// Operations on rights: those of the identifier become, gain or lose what is given.
const (
	RightsReplace RightsOp = iota
	RightsAdd
	RightsRemove
)

// Apply returns what the operation makes of the rights old.
func (op RightsOp) Apply(old, r Rights) Rights {
	switch op {
	case RightsAdd:
		return old | r
	case RightsRemove:
		return old &^ r
	}
	return r
}
