package imap

import "time"

// Authenticate is AUTHENTICATE, RFC 9051 6.2.2 with RFC 4959's initial response.
type Authenticate struct {
	Mechanism  string // Upper case.
	Initial    []byte // Decoded; empty for "=".
	HasInitial bool
}

// Login is LOGIN, RFC 9051 6.2.3.
type Login struct{ Username, Password string }

// IDParam is one field of ID; Nil says the value was NIL.
type IDParam struct {
	Key, Value string
	Nil        bool
}

// ID is ID, RFC 2971.
type ID struct{ Params []IDParam }

// Enable is ENABLE, RFC 5161; names are in upper case.
type Enable struct{ Capabilities []string }

// Select is SELECT or EXAMINE, RFC 9051 6.3.2 and 6.3.3.
type Select struct {
	Mailbox   string
	CondStore bool     // RFC 7162 3.1.8
	Annotate  bool     // RFC 5257 4.2
	QResync   *QResync // RFC 7162 3.2.5; nil when absent.
}

// QResync is the parameter of RFC 7162 3.2.5.
type QResync struct {
	UIDValidity uint32
	ModSeq      uint64
	Known       *NumSet // UIDs; nil when absent.
	Seqs, UIDs  *NumSet // Message sequence match data; both or neither.
}

// Create is CREATE; Use has the special-use attributes of RFC 6154 3.
type Create struct {
	Mailbox string
	Use     []string
}

// Mailbox is the argument of DELETE, SUBSCRIBE, UNSUBSCRIBE, GETQUOTAROOT, GETACL and MYRIGHTS.
type Mailbox struct{ Name string }

// Rename is RENAME.
type Rename struct{ From, To string }

// ListOptions are selection options of LIST, RFC 9051 6.3.9.1 and RFC 6154 5.1.
type ListOptions struct {
	Subscribed, Remote, RecursiveMatch, SpecialUse bool
}

// ListReturn are return options of LIST, RFC 9051 6.3.9.2, RFC 5819, RFC 6154.
type ListReturn struct {
	Subscribed, Children, SpecialUse bool
	MyRights                         bool        // RFC 8440
	Status                           []StatusAtt // nil: no STATUS option
	Metadata                         []string    // RFC 9590: entries; nil: no METADATA option
}

// List is LIST or LSUB. Extended says that a LIST used RFC 5258 syntax.
type List struct {
	Reference string
	Patterns  []string
	Select    ListOptions
	Return    ListReturn
	Extended  bool
}

// StatusAtt is a status data item.
type StatusAtt uint8

// Status data items: RFC 9051 6.3.11, 3501, 7162, 7889, 8474.
const (
	StatusMessages StatusAtt = iota
	StatusRecent
	StatusUIDNext
	StatusUIDValidity
	StatusUnseen
	StatusDeleted
	StatusSize
	StatusHighestModSeq
	StatusAppendLimit
	StatusMailboxID
	StatusDeletedStorage
)

var statusNames = [...]string{
	StatusMessages:       "MESSAGES",
	StatusRecent:         "RECENT",
	StatusUIDNext:        "UIDNEXT",
	StatusUIDValidity:    "UIDVALIDITY",
	StatusUnseen:         "UNSEEN",
	StatusDeleted:        "DELETED",
	StatusSize:           "SIZE",
	StatusHighestModSeq:  "HIGHESTMODSEQ",
	StatusAppendLimit:    "APPENDLIMIT",
	StatusMailboxID:      "MAILBOXID",
	StatusDeletedStorage: "DELETED-STORAGE",
}

// String returns the name on the wire.
func (a StatusAtt) String() string { return statusNames[a] }

// Status is STATUS.
type Status struct {
	Mailbox string
	Atts    []StatusAtt
}

// Append is APPEND up to its mailbox; messages follow by [Decoder.NextAppend].
type Append struct{ Mailbox string }

// Replace is REPLACE up to its mailbox, RFC 8508; the message follows by
// [Decoder.NextAppend]. Number is a sequence number or UID, as Request.UID says, or [Star].
type Replace struct {
	Number  uint32
	Mailbox string
}

// AppendMessage is one message of APPEND or REPLACE, up to its literal, or up to its
// first part when it is put together by CATENATE: see [Decoder.NextPart].
type AppendMessage struct {
	Flags    []string
	Date     time.Time // Zero when absent.
	Catenate bool      // RFC 4469; then there is no literal.
	// Annotations it begins with: RFC 5257 4.7.
	Annotations []AnnotationValue
	MessageLiteral
}

// CatPart is a part of a message by CATENATE, RFC 4469 3: what a URL stands for, or a
// literal.
type CatPart struct {
	URL string // Empty for a literal.
	MessageLiteral
}

// MessageLiteral is the head of a literal with data of a message.
type MessageLiteral struct {
	Size    int64
	NonSync bool // The client sends the data whether it is accepted or not.
	Binary  bool // literal8, RFC 3516 4.4.
	UTF8    bool // Within UTF8 (...), RFC 6855 4.
}

// Fetch is FETCH; whether Set holds UIDs is said by Request.UID.
type Fetch struct {
	Set          NumSet
	Atts         []FetchAtt
	ChangedSince *uint64       // RFC 7162 3.1.4.1
	Vanished     bool          // RFC 7162 3.2.6
	Partial      *PartialRange // RFC 9394 3.3; only with UID
}

// StoreOp is what STORE does with its flags.
type StoreOp uint8

// Store operations: FLAGS, +FLAGS, -FLAGS.
const (
	StoreReplace StoreOp = iota
	StoreAdd
	StoreRemove
)

// Store is STORE, RFC 9051 6.4.6 and RFC 7162 3.1.3.
type Store struct {
	Set            NumSet
	Op             StoreOp
	Silent         bool
	Flags          []string
	UnchangedSince *uint64
	// Annotations, when not nil, are set in place of flags: RFC 5257 4.5.
	Annotations []AnnotationValue
}

// Copy is COPY or MOVE.
type Copy struct {
	Set     NumSet
	Mailbox string
}

// UIDExpunge is UID EXPUNGE, RFC 9051 6.4.9; EXPUNGE itself has no arguments.
type UIDExpunge struct{ Set NumSet }

// GetQuota is GETQUOTA, RFC 9208 4.1.1.
type GetQuota struct{ Root string }

// SetACL is SETACL, RFC 4314 3.1.
type SetACL struct {
	Mailbox, Identifier string
	Op                  RightsOp
	Rights              Rights
}

// ACLIdentifier is the arguments of DELETEACL and LISTRIGHTS, RFC 4314 3.2 and 3.4.
type ACLIdentifier struct{ Mailbox, Identifier string }
