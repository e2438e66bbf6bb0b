package message

// Envelope holds the fields of a message header that IMAP's ENVELOPE, sorting and
// threading need. Strings are as in the message, unfolded: encoded-words are still
// encoded, and bytes may be 8 bit of an unknown charset; use [DecodeWords].
// Of fields that occur more than once the first counts; the addresses of all To,
// Cc and Bcc fields are joined.
type Envelope struct {
	Date      string
	Subject   string
	From      []Address
	Sender    []Address
	ReplyTo   []Address
	To        []Address
	Cc        []Address
	Bcc       []Address
	InReplyTo string
	MessageID string
	// References is the field as in the message, see [ParseMessageIDs].
	References string

	// present has the bits of the string fields that are in the header, for IMAP
	// tells an absent field from an empty one.
	present presentFields
}

type presentFields uint8

const (
	presentDate presentFields = 1 << iota
	presentSubject
	presentInReplyTo
	presentMessageID
)
