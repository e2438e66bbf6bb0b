package imap

import "time"

// Response is what a server sends: one of *StatusResponse, *Continuation, *Capability,
// *Enabled, *Flags, *NumberResponse, *Expunge, *Vanished, *FetchResponse, *ListResponse,
// *MailboxStatus, *SearchResponse, *ESearch, *SortResponse, *ThreadResponse,
// *ComparatorResponse, *LanguageResponse, *IDResponse, *Namespace, *Quota, *QuotaRoot,
// *Metadata, *ACL, *ListRights, *MyRights, *GenURLAuthResponse, *URLFetchResponse, *JMAPAccess, or
// *Unknown.
type Response interface{ response() }

// StatusResponse is OK, NO, BAD, PREAUTH or BYE, tagged or not (Tag "*").
type StatusResponse struct {
	Tag     string
	Type    string // OK, NO, BAD, PREAUTH, BYE
	Code    string // Response code, upper case, without its arguments.
	CodeArg string // The arguments, as sent.
	Text    string
}

// Continuation is a command continuation request; Text has no "+ ".
type Continuation struct{ Text string }

// Capability lists capabilities as sent.
type Capability struct{ Names []string }

// Enabled is the answer to ENABLE.
type Enabled struct{ Names []string }

// Flags is the FLAGS response.
type Flags struct{ Flags []string }

// NumberResponse is EXISTS or RECENT.
type NumberResponse struct {
	Name string
	N    uint32
}

// Expunge is the EXPUNGE response.
type Expunge struct{ Seq uint32 }

// Vanished is the VANISHED response, RFC 7162 3.2.10.
type Vanished struct {
	Earlier bool
	UIDs    NumSet
}

// FetchResponse has the items of one FETCH response; those not sent are zero, and
// Has tells which kinds were.
type FetchResponse struct {
	Seq          uint32 // 0 for UIDFETCH, RFC 9586, which has the UID only.
	Has          map[FetchKind]bool
	UID          uint32
	Flags        []string
	InternalDate time.Time
	SaveDate     time.Time // Zero for NIL.
	Size         int64
	ModSeq       uint64
	EmailID      string
	ThreadID     string
	Preview      string
	PreviewNil   bool
	Envelope     *Envelope
	Body         *BodyStructure // BODY or BODYSTRUCTURE
	Sections     []SectionData
	BinarySizes  map[string]int64 // By section, "1.2".
	Annotations  []AnnotationData // RFC 5257
}

// SectionData is BODY[...], BINARY[...] or an RFC822 item.
type SectionData struct {
	Label string // As sent, "BODY[1.2]<0>".
	Data  []byte
	Nil   bool
	// Spooled is how many octets went to the sink of the reader, in place of Data.
	Spooled int64
}

// Section returns the data of the item with a label, in any case.
func (f *FetchResponse) Section(label string) ([]byte, bool) {
	for _, s := range f.Sections {
		if upper(s.Label) == upper(label) {
			return s.Data, !s.Nil
		}
	}
	return nil, false
}

// Envelope is RFC 9051 7.5.2's ENVELOPE; strings as in the message.
type Envelope struct {
	Date, Subject, InReplyTo, MessageID string
	From, Sender, ReplyTo, To, Cc, Bcc  []Address
}

// Address is an address structure; HostNil with an empty Host marks groups.
type Address struct {
	Name, Route, Mailbox, Host string
	MailboxNil, HostNil        bool
}

// BodyStructure is a part of BODY or BODYSTRUCTURE.
type BodyStructure struct {
	Type, Subtype     string // As sent; Type is "multipart" for multiparts.
	Params            []string
	ID, Description   string
	Encoding          string
	Size              int64
	Lines             int64
	Envelope          *Envelope        // message/rfc822
	Parts             []*BodyStructure // multipart; of message/rfc822 the one body
	Extended          bool
	MD5               string
	Disposition       string
	DispositionParams []string
	Language          []string
	Location          string
}

// ListResponse is LIST or LSUB.
type ListResponse struct {
	Lsub      bool
	Attrs     []string
	Delimiter string // Empty for NIL.
	Mailbox   string // UTF-8.
	OldName   string
	ChildInfo []string
}

// MailboxStatus is the STATUS response; values are as sent, without parentheses.
type MailboxStatus struct {
	Mailbox string
	Items   map[string]string
}

// SearchResponse is SEARCH.
type SearchResponse struct {
	Numbers []uint32
	ModSeq  uint64
}

// ESearch is the ESEARCH response.
type ESearch struct {
	Tag string
	// Mailbox and UIDValidity are those of RFC 7377; empty and 0 when absent.
	Mailbox     string
	UIDValidity uint32

	UID      bool
	Min, Max uint32
	Count    uint32
	HasCount bool
	All      NumSet // of SORT in its order
	ModSeq   uint64
	// Relevancy are the scores of RFC 6203 4, nil when absent.
	Relevancy []uint8

	Partial    *PartialRange   // RFC 9394, as requested; nil when absent
	PartialSet NumSet          // empty for NIL
	Updates    []ContextUpdate // RFC 5267 4.3
}

// IDResponse is ID.
type IDResponse struct{ Params []IDParam }

// Namespace is NAMESPACE, each list with prefix and delimiter by turns.
type Namespace struct{ Personal, Other, Shared []string }

// Quota is QUOTA: usage and limit by resource.
type Quota struct {
	Root      string
	Resources map[string][2]int64
}

// QuotaRoot is QUOTAROOT.
type QuotaRoot struct {
	Mailbox string
	Roots   []string
}

// JMAPAccess is JMAPACCESS, RFC 9698: the URL of the session resource of JMAP.
type JMAPAccess struct{ URL string }

// Unknown is a response this package does not know; Line is its first line after
// "* ".
type Unknown struct{ Line string }

func (*StatusResponse) response() {}
func (*Continuation) response()   {}
func (*Capability) response()     {}
func (*Enabled) response()        {}
func (*Flags) response()          {}
func (*NumberResponse) response() {}
func (*Expunge) response()        {}
func (*Vanished) response()       {}
func (*FetchResponse) response()  {}
func (*ListResponse) response()   {}
func (*MailboxStatus) response()  {}
func (*SearchResponse) response() {}
func (*ESearch) response()        {}
func (*IDResponse) response()     {}
func (*Namespace) response()      {}
func (*Quota) response()          {}
func (*QuotaRoot) response()      {}
func (*JMAPAccess) response()     {}
func (*Unknown) response()        {}
