package message

import (
	"io"
	"time"
)

// ComposeOptions say how a [Composer] writes.
type ComposeOptions struct {
	// UTF8 writes header text as raw UTF-8 (RFC 6532), for messages sent with SMTPUTF8.
	UTF8 bool
	// EightBit allows content-transfer-encoding 8bit for text whose lines are short enough.
	EightBit bool
}

// Composer writes a message to a writer: first header fields, then one body. Errors
// stick: the first is returned by WriteBody. Everything ends with CRLF.
type Composer struct{}

// NewComposer returns a composer that writes to w.
func NewComposer(w io.Writer, o ComposeOptions) *Composer { return nil }

// Text writes an unstructured field such as Subject, folded, with encoded-words as needed.
func (c *Composer) Text(name, value string) {}

// Addresses writes an address field, nothing for an empty list. Names are UTF-8 text.
func (c *Composer) Addresses(name string, list []Address) {}

// Date writes the Date field.
func (c *Composer) Date(t time.Time) {}

// MessageIDs writes Message-ID, In-Reply-To or References; ids are without angle brackets.
func (c *Composer) MessageIDs(name string, ids ...string) {}

// Raw writes a field whose value is already in its final form, folded at white space.
func (c *Composer) Raw(name, value string) {}

// WriteBody writes MIME-Version, the body's own header fields and the body, and
// returns the first error of all writing.
func (c *Composer) WriteBody(b *Body) error { return nil }

// Body is a part to be written. Make one with the functions below and adjust its fields.
type Body struct {
	Type, Subtype     string  // in lower case
	Params            []Param // of Content-Type; boundary is added
	Disposition       string  // "", "inline" or "attachment"
	DispositionParams []Param
	ID                string // Content-ID without angle brackets
	Description       string
	Encoding          string    // "" to choose
	Content           io.Reader // of a leaf; read once
	Parts             []*Body   // of a multipart
}

// TextBody is text/plain in UTF-8 (us-ascii if it is); with flowed, format=flowed of RFC 3676.
func TextBody(text string, flowed bool) *Body { return nil }

// HTMLBody is text/html in UTF-8.
func HTMLBody(html string) *Body { return nil }

// AttachmentBody is a file, written as base64 while it is read.
func AttachmentBody(mediaType, filename string, r io.Reader) *Body { return nil }

// InlineBody is a file shown by another part that refers to its Content-ID.
func InlineBody(mediaType, filename, id string, r io.Reader) *Body { return nil }

// MessageBody is a message/rfc822 attachment, written as it is.
func MessageBody(r io.Reader) *Body { return nil }

// MixedBody, AlternativeBody and RelatedBody are multiparts.
func MixedBody(parts ...*Body) *Body { return nil }

// AlternativeBody is a multipart/alternative, the plainest first.
func AlternativeBody(parts ...*Body) *Body { return nil }

// RelatedBody is a multipart/related, the root first.
func RelatedBody(parts ...*Body) *Body { return nil }

// NewMessageID returns a fresh message id at the host, without angle brackets.
func NewMessageID(host string, random io.Reader) (string, error) { return "", nil }
