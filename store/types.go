package store

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that operations return, wrapped with what was being done.
var (
	ErrNoAccount   = errors.New("no such account")
	ErrInUse       = errors.New("data directory is in use")
	ErrCorrupt     = errors.New("account data is damaged")
	ErrQuota       = errors.New("over quota")
	ErrDiskFull    = errors.New("disk is full")
	ErrNoMailbox   = errors.New("no such mailbox")
	ErrNoMessage   = errors.New("no such message")
	ErrExists      = errors.New("already exists")
	ErrBadName     = errors.New("invalid name")
	ErrHasChildren = errors.New("mailbox has children")
	ErrClosed      = errors.New("account is closed")
	// ErrNoBody is returned when a body is no longer there: its last message was
	// expunged longer ago than the grace period.
	ErrNoBody = errors.New("message content is gone")
	// ErrTooLarge is returned for a message above Options.MaxMessageSize.
	ErrTooLarge = errors.New("message is too large")
	// ErrNotAllowed is returned for an operation that the mailbox does not permit,
	// such as deleting Inbox.
	ErrNotAllowed = errors.New("not allowed for this mailbox")
	// ErrReserved is an ErrNotAllowed: messages come into the mailbox from this server alone, see
	// Options.Reserved.
	ErrReserved = fmt.Errorf("%w: only this server puts messages there", ErrNotAllowed)
	// ErrLimit is returned where an account would get more mailboxes, subscriptions, or
	// combinations of keywords than fit in memory well.
	ErrLimit = errors.New("too many")
	// ErrNewer is returned for data that a newer release wrote.
	ErrNewer = errors.New("data was written by a newer version of mox")
)

// ErrDamaged is returned for content that a check found to be other than what was stored,
// and that is out of use since. It is an ErrNoBody.
var ErrDamaged = fmt.Errorf("%w: it was found damaged", ErrNoBody)

type (
	// UID is the unique identifier of a message in a mailbox (RFC 9051 2.3.1.1):
	// ascending, never reused. Zero is no message.
	UID uint32
	// ModSeq is the account's one clock: each operation takes the next value, from 1.
	ModSeq int64
	// MailboxID identifies a mailbox through renames; never reused in an account.
	MailboxID int64
	// MessageID identifies a message in a mailbox. MOVE keeps it, COPY makes a new
	// one; never reused in an account.
	MessageID int64
	// BodyID identifies content, which copies share; never reused in an account.
	BodyID int64
	// ThreadID identifies a thread: the BodyID of its first message.
	ThreadID int64
	// KeywordSet names a distinct combination of keywords, interned for the account.
	// Zero is the empty set. See [Account.Keywords].
	KeywordSet uint32
)

// Flags holds system flags and the common keywords that have a bit of their own.
type Flags uint16

// The flags, in the order in which they are listed.
const (
	FlagSeen Flags = 1 << iota
	FlagAnswered
	FlagFlagged
	FlagDeleted
	FlagDraft
	FlagForwarded
	FlagJunk
	FlagNotJunk
	FlagPhishing
	FlagMDNSent
	FlagImportant

	// FlagsAll is every flag that has a bit.
	FlagsAll = FlagImportant<<1 - 1
	// FlagsSystem is the flags of RFC 9051 2.3.2 that begin with a backslash.
	FlagsSystem = FlagSeen | FlagAnswered | FlagFlagged | FlagDeleted | FlagDraft
)

var flagNames = [...]string{
	`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`,
	`$Forwarded`, `$Junk`, `$NotJunk`, `$Phishing`, `$MDNSent`, `$Important`,
}

// Names returns the wire names of the flags that are set, in bit order.
func (f Flags) Names() []string {
	var names []string
	for i, n := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// ParseFlag returns the bit of a flag or keyword by its wire name, whatever its
// case; false for keywords that have none.
func ParseFlag(name string) (Flags, bool) {
	for i, n := range flagNames {
		if strings.EqualFold(n, name) {
			return 1 << i, true
		}
	}
	return 0, false
}

// SpecialUse holds the special-use attributes of a mailbox (RFC 6154) as bits.
type SpecialUse uint8

// The special uses.
const (
	UseArchive SpecialUse = 1 << iota
	UseDrafts
	UseJunk
	UseSent
	UseTrash
	UseImportant // RFC 8457
	UseFlagged
	UseAll
)

var useNames = [...]string{`\Archive`, `\Drafts`, `\Junk`, `\Sent`, `\Trash`, `\Important`, `\Flagged`, `\All`}

// Names returns the attributes as in LIST responses.
func (u SpecialUse) Names() []string {
	var names []string
	for i, n := range useNames {
		if u&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// ParseSpecialUse returns the bit of an attribute by its wire name, whatever its case.
func ParseSpecialUse(name string) (SpecialUse, bool) {
	for i, n := range useNames {
		if strings.EqualFold(n, name) {
			return 1 << i, true
		}
	}
	return 0, false
}

// Message is a message in a mailbox as a [View] holds it. It is immutable.
type Message struct {
	ID       MessageID
	Body     BodyID
	ModSeq   ModSeq // of its last change
	UID      UID
	Size     uint32 // RFC822.SIZE, saturating at 4 GiB - 1
	Received uint32 // INTERNALDATE, unix seconds
	Saved    uint32 // SAVEDATE (RFC 8514), unix seconds
	Keywords KeywordSet
	Flags    Flags
}

// ReceivedTime is INTERNALDATE.
func (m *Message) ReceivedTime() time.Time { return time.Unix(int64(m.Received), 0) }

// SavedTime is SAVEDATE.
func (m *Message) SavedTime() time.Time { return time.Unix(int64(m.Saved), 0) }

// Counts are totals of a mailbox.
type Counts struct {
	Messages, Unseen, Deleted uint32
	Size                      int64 // bytes as received, before compression
	DeletedSize               int64 // of the messages flagged \Deleted (STATUS DELETED-STORAGE, RFC 9208)
}

// Mailbox describes a mailbox at one moment.
type Mailbox struct {
	ID          MailboxID
	Name        string // levels separated by "/", NFC; "Inbox" for INBOX
	UIDValidity uint32
	UIDNext     UID
	SpecialUse  SpecialUse
	Subscribed  bool
	Created     ModSeq
	ModSeq      ModSeq // HIGHESTMODSEQ
	Counts
}

// InitialMailboxes names what a new account begins with besides Inbox. The zero value
// means Sent, Archive, Trash, Drafts and Junk.
type InitialMailboxes struct {
	Sent, Archive, Trash, Drafts, Junk string   // special use; empty: none, unless all are
	Regular                            []string // without special use
}

// NewMessage is a message to be added to a mailbox.
type NewMessage struct {
	Spool    *Spool // finished
	Prefix   []byte // header fields written before the spool's bytes (trace fields of this recipient)
	Flags    Flags
	Keywords []string
	Received time.Time // INTERNALDATE; zero: now
	Saved    time.Time // SAVEDATE; zero: now
	Trace    []byte    // decision trace, opaque; may be nil
	Own      bool      // it is of this server: it may come into a mailbox that Options.Reserved names
	// Annotations it begins with.
	Annotations []Annotation

	delivered bool // by Deliver
}

// Added tells where new messages went, in the order given.
type Added struct {
	Mailbox     MailboxID
	UIDValidity uint32
	UIDs        []UID
	IDs         []MessageID
	Bodies      []BodyID
	ModSeq      ModSeq
}

// FlagOp says what a [FlagChange] does.
type FlagOp uint8

// The operations of STORE.
const (
	FlagsAdd FlagOp = iota
	FlagsRemove
	FlagsReplace
)

// FlagChange is what SetFlags does to each message.
type FlagChange struct {
	Op       FlagOp
	Flags    Flags
	Keywords []string // those without a bit; compared and kept whatever their case as first seen
	// UnchangedSince, when not nil, leaves messages alone whose ModSeq is higher (RFC 7162 3.1.3).
	UnchangedSince *ModSeq
	// Limit leaves flags as they are, whatever the rest says.
	Limit FlagLimit
}

// FlagResult is the outcome of SetFlags.
type FlagResult struct {
	ModSeq   ModSeq // of the messages changed; zero when nothing changed
	Changed  int    // number of messages whose flags are different now
	Modified UIDSet // those that UnchangedSince left alone
}

// Copied maps UIDs of the source to UIDs of the destination, both ascending and of
// the same number of messages (COPYUID, RFC 4315).
type Copied struct {
	UIDValidity  uint32 // of the destination
	Source, Dest UIDSet
	ModSeq       ModSeq
}

// Fields selects what [Account.Rendered] reads.
type Fields uint32

// The fields.
const (
	FieldEnvelope      Fields = 1 << iota // ENVELOPE
	FieldBodyStructure                    // BODYSTRUCTURE
	FieldBody                             // BODY (not extended)
	FieldPreview                          // PREVIEW text, UTF-8
	FieldParts                            // binary part tree
	FieldHeaders                          // common header fields as in the message
	FieldText                             // header text: the Text fields of Keys
	FieldTrace                            // decision trace
	FieldThread                           // thread id

	fieldSent        // single sort keys
	fieldReply       //
	fieldSubject     //
	fieldFrom        //
	fieldTo          //
	fieldCc          //
	fieldDisplayFrom //
	fieldDisplayTo   //

	// FieldKeys is sort keys: Keys without the Text fields.
	FieldKeys = fieldSent | fieldReply | fieldSubject | fieldFrom | fieldTo | fieldCc | fieldDisplayFrom | fieldDisplayTo
)

// Keys are sort keys (RFC 5256) and header text for searching, of one message. Text
// is decoded and casemapped; compare it as bytes.
type Keys struct {
	Date                              int64  // sent date, unix seconds; INTERNALDATE where missing
	Subject                           []byte // base subject
	Reply                             bool   // subject has a reply or forward form
	From, To, Cc                      []byte // first mailbox
	DisplayFrom, DisplayTo            []byte // RFC 5957
	TextFrom, TextTo, TextCc, TextBcc []byte // whole fields
	TextSubject, TextMessageID        []byte
}

// Rendered is stored data of one body. The buffers are valid until the next iteration.
type Rendered struct {
	Index int // of the message in the slice given
	Body  BodyID
	Gone  bool // the content was freed; nothing else is set

	Envelope, BodyStructure, BodyPlain []byte // wire bytes, for UTF8=ACCEPT where asked for
	Preview                            []byte // UTF-8
	Parts                              []byte // for message.DecodePart; offsets are those of the body, prefix included; without envelopes
	Headers                            []byte // see CommonHeader; raw fields in their order, without the empty line
	HasHeaders                         bool   // false: the header is too large to be kept apart, read the body
	Trace                              []byte
	Thread                             ThreadID
	Keys                               Keys
}

// ChangeKind says what a [Change] did.
type ChangeKind uint8

// The kinds of change.
const (
	MessagesAdded ChangeKind = iota + 1
	MessagesChanged
	MessagesExpunged
	MailboxCreated
	MailboxRenamed
	MailboxDeleted
	MailboxChanged // special use
	SettingChanged
	ACLChanged
	SubscriptionChanged // of a name; Mailbox is zero where there is none of that name
	MetadataChanged     // annotations of a mailbox, or of the account where Mailbox is zero
	AnnotationsChanged  // annotations of messages
)

// Change is one entry of the change log: what one operation did to one mailbox.
type Change struct {
	ModSeq  ModSeq
	Kind    ChangeKind
	Mailbox MailboxID
	UIDs    UIDSet   // of messages
	Bodies  []BodyID // of messages added or expunged, in UID order
	Name    string   // of a mailbox: its new name; of a setting: its name; of metadata: names of entries, separated by line feeds
	OldName string   // of a renamed mailbox
}

// Problem is something [Account.Check] found.
type Problem struct {
	Area string // "database", "counts", "references", "uids", "modseq", "chunks", "views", ...
	Text string
}

// AreaQuarantine is the area of problems about content that a repair has put out of use: it
// stays one until the message is deleted.
const AreaQuarantine = "quarantine"

func (p Problem) String() string { return p.Area + ": " + p.Text }

// Credentials are secrets derived from a password, opaque to this package.
type Credentials []byte
