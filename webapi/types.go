package webapi

import (
	"encoding/json"
	"errors"
	"time"
)

// NameAddress is a mailbox with its display name.
type NameAddress struct {
	Name    string `doc:"Display name, may be empty."`
	Address string `doc:"Email address." required:"true"`
}

// Message is the content of a message, without files.
type Message struct {
	From       []NameAddress `doc:"Authors. Sending: at most one; empty for the address logged in with."`
	To         []NameAddress `doc:"Recipients."`
	CC         []NameAddress `doc:"Recipients of a copy."`
	BCC        []NameAddress `doc:"Recipients that the others do not see."`
	ReplyTo    []NameAddress `doc:"Where replies should go, if not to From."`
	MessageID  string        `doc:"Message-ID with angle brackets. Sending: made when empty."`
	References []string      `doc:"Message-IDs of the conversation, oldest first, with or without angle brackets; the last is also put in In-Reply-To."`
	Date       *time.Time    `doc:"Date of the message. Sending: now when missing."`
	Subject    string        `doc:"Subject."`
	Text       string        `doc:"Plain text."`
	HTML       string        `doc:"HTML text. With Text too, the message has both as alternatives."`
}

// File is a file of a message.
type File struct {
	Name        string `doc:"File name."`
	ContentType string `doc:"Media type; found out from name and data when empty."`
	ContentID   string `doc:"For inline files: what HTML refers to as cid:ID, without angle brackets."`
	Data        []byte `doc:"Content, in base64."`
}

// HeaderField is the name and the value of a header field.
type HeaderField [2]string

// UnmarshalJSON takes a list of exactly two strings: encoding/json alone would fill up a
// shorter list, and cut a longer one.
func (f *HeaderField) UnmarshalJSON(b []byte) error {
	var l []string
	if err := json.Unmarshal(b, &l); err != nil || len(l) != 2 {
		return errors.New("an element of Headers is not a list of two strings, name and value")
	}
	*f = HeaderField(l)
	return nil
}

// SendRequest is a message to send.
type SendRequest struct {
	Message
	Extra            map[string]string `doc:"Keys and values that webhook calls about this message repeat."`
	Headers          []HeaderField     `doc:"More header fields, as pairs of name and value. Not those that other fields of this request are for."`
	AlternativeFiles []File            `doc:"More alternatives to Text and HTML, plainest first, such as a calendar invitation."`
	InlineFiles      []File            `doc:"Files that HTML shows by their ContentID."`
	AttachedFiles    []File            `doc:"Files to attach."`
	RequireTLS       *bool             `doc:"true: only over verified TLS, from server to server (RFC 8689). false: also where policies demand TLS that does not work. null: as recipients' domains ask."`
	FutureRelease    *time.Time        `doc:"Do not send before this time."`
	SaveSent         bool              `doc:"Keep a copy in the mailbox for sent messages."`
	IdempotencyKey   string            `doc:"Requests with one key send one message: a repetition within 24 hours gets the first one's result. At most 200 characters. Header Idempotency-Key is the same."`
}

// Submission is a message for one recipient.
type Submission struct {
	Address    string `doc:"Recipient, without name."`
	QueueMsgID int64  `doc:"Identifies this recipient's message in webhook calls."`
	FromID     string `doc:"The part that makes MAIL FROM unique, for logins that have it (FromIDLoginAddresses), so that a bounce finds its message. Otherwise empty."`
}

// SendResult says what was taken.
type SendResult struct {
	MessageID   string       `doc:"Message-ID with angle brackets."`
	Submissions []Submission `doc:"One for each recipient."`
}

// SendBatchRequest is several messages.
type SendBatchRequest struct {
	Messages []SendRequest `doc:"Messages to send, each as for Send." required:"true"`
}

// SendBatchItem is the outcome of one message of a batch.
type SendBatchItem struct {
	Result *SendResult `doc:"When it was taken."`
	Error  *Error      `doc:"When it was not."`
}

// SendBatchResult has an item for each message, in order.
type SendBatchResult struct {
	Items []SendBatchItem `doc:"Outcomes, in the order of the messages."`
}

// Suppression is an address that the account does not send to.
type Suppression struct {
	ID              int64     `doc:"Number of the entry."`
	Created         time.Time `doc:"When it was added."`
	Account         string    `doc:"Account that it is for."`
	BaseAddress     string    `doc:"The address as it is compared: lower case, without what follows + or - in the localpart, without dots."`
	OriginalAddress string    `doc:"The address as it was added."`
	Manual          bool      `doc:"Added on request rather than because of failed deliveries."`
	Reason          string    `doc:"Why."`
}

// SuppressionListRequest asks for all suppressed addresses.
type SuppressionListRequest struct{}

// SuppressionListResult has them.
type SuppressionListResult struct {
	Suppressions []Suppression `doc:"All of the account."`
}

// SuppressionAddRequest adds an address.
type SuppressionAddRequest struct {
	EmailAddress string `doc:"Address not to send to any more." required:"true"`
	Manual       bool   `doc:"Whether a person wants it so."`
	Reason       string `doc:"Free text."`
}

// SuppressionAddResult is empty.
type SuppressionAddResult struct{}

// SuppressionRemoveRequest removes an address.
type SuppressionRemoveRequest struct {
	EmailAddress string `doc:"Address to send to again." required:"true"`
}

// SuppressionRemoveResult is empty.
type SuppressionRemoveResult struct{}

// SuppressionPresentRequest asks about an address.
type SuppressionPresentRequest struct {
	EmailAddress string `doc:"Address to look for." required:"true"`
}

// SuppressionPresentResult answers.
type SuppressionPresentResult struct {
	Present bool `doc:"Whether the address is suppressed."`
}

// MessageGetRequest asks for a parsed message.
type MessageGetRequest struct {
	MsgID int64 `doc:"Identifies the message, as in Meta.MsgID of webhook calls." required:"true"`
}

// Structure is a part of a message, and the parts in it.
type Structure struct {
	ContentType        string            `doc:"Media type in lower case."`
	ContentTypeParams  map[string]string `doc:"Its parameters, decoded, with names in lower case."`
	ContentID          string            `doc:"Content-ID with angle brackets, or empty."`
	ContentDisposition string            `doc:"inline, attachment, or empty."`
	Filename           string            `doc:"Suggested file name; not to be used as a path."`
	DecodedSize        int64             `doc:"Octets after decoding."`
	Parts              []Structure       `doc:"Parts of a multipart, or the one message in a message part."`
}

// MessageMeta is what is known of a message.
type MessageMeta struct {
	Size                int64    `doc:"Octets of the whole message."`
	DSN                 bool     `doc:"It is a delivery status notification."`
	Flags               []string `doc:"Flags and keywords."`
	MailFrom            string   `doc:"Address of MAIL FROM."`
	MailFromValidated   bool     `doc:"SPF verified it."`
	RcptTo              string   `doc:"Address of RCPT TO."`
	MsgFrom             string   `doc:"Address in From, if there is exactly one."`
	MsgFromValidated    bool     `doc:"SPF, DKIM or DMARC verified its domain."`
	DKIMVerifiedDomains []string `doc:"Domains with a valid DKIM signature."`
	RemoteIP            string   `doc:"Address of the client that delivered it."`
	MailboxName         string   `doc:"Mailbox that it is in."`
}

// MessageGetResult is a parsed message.
type MessageGetResult struct {
	Message   Message     `doc:"Content. Text and HTML are cut after 1 MiB."`
	Structure Structure   `doc:"Parts."`
	Meta      MessageMeta `doc:"What is known of it."`
}

// MessageRawGetRequest asks for a message as it is; the result is message/rfc822.
type MessageRawGetRequest struct {
	MsgID int64 `doc:"Identifies the message." required:"true"`
}

// MessagePartGetRequest asks for the decoded content of a part; the result has the part's
// media type.
type MessagePartGetRequest struct {
	MsgID    int64 `doc:"Identifies the message." required:"true"`
	PartPath []int `doc:"Indices into Parts of the Structure, from 0: [0, 1] is the second part of the first. Empty for the whole body."`
}

// MessageDeleteRequest removes a message for good.
type MessageDeleteRequest struct {
	MsgID int64 `doc:"Identifies the message." required:"true"`
}

// MessageDeleteResult is empty.
type MessageDeleteResult struct{}

// MessageFlagsAddRequest sets flags.
type MessageFlagsAddRequest struct {
	MsgID int64    `doc:"Identifies the message." required:"true"`
	Flags []string `doc:"System flags such as \\Seen and \\Flagged, and keywords such as $Forwarded."`
}

// MessageFlagsAddResult is empty.
type MessageFlagsAddResult struct{}

// MessageFlagsRemoveRequest clears flags.
type MessageFlagsRemoveRequest struct {
	MsgID int64    `doc:"Identifies the message." required:"true"`
	Flags []string `doc:"Flags and keywords to clear."`
}

// MessageFlagsRemoveResult is empty.
type MessageFlagsRemoveResult struct{}

// MessageMoveRequest moves a message; it keeps its MsgID.
type MessageMoveRequest struct {
	MsgID           int64  `doc:"Identifies the message." required:"true"`
	DestMailboxName string `doc:"Mailbox to move to, which must exist." required:"true"`
}

// MessageMoveResult is empty.
type MessageMoveResult struct{}
