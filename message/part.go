package message

import "strings"

// Part is one node of the MIME tree of a message: the message itself, a body part
// of a multipart, or a message inside a message/rfc822 part. Offsets are in bytes
// from the start of the reader given to [Parse]. The zero value is an empty
// text/plain part. A Part is not changed after Parse or [DecodePart] returned it
// and may then be used concurrently.
type Part struct {
	// HeaderStart is where the part's header starts. The header, with the empty line
	// that ends it if there is one, reaches to BodyStart.
	HeaderStart int64
	// BodyStart is where the body starts, BodyEnd the offset after its last byte. The
	// line end before a delimiter line belongs to the delimiter, not to the body.
	BodyStart, BodyEnd int64
	// Lines is the number of line ends in the body, as IMAP counts them.
	Lines int64

	// Type and Subtype of the content in lower case, never empty: text/plain where
	// there is no or no valid Content-Type (message/rfc822 in a multipart/digest).
	Type, Subtype string
	// Params are the parameters of Content-Type in order, with continuations joined
	// and decoded.
	Params []Param
	// Encoding is the Content-Transfer-Encoding in lower case, "" where there is none
	// (which means 7bit).
	Encoding string
	// Disposition is the Content-Disposition in lower case, "" where there is none.
	Disposition string
	// DispositionParams are its parameters, as Params.
	DispositionParams []Param
	// ID is the Content-ID as it is in the message, with angle brackets, unfolded.
	ID string
	// Description is the Content-Description, unfolded, encoded-words not decoded.
	Description string
	// MD5 is the Content-MD5, Location the Content-Location, unfolded.
	MD5, Location string
	// Language are the tags of Content-Language.
	Language []string

	// Envelope holds the RFC 5322 fields of a message: set for the root and for
	// messages inside message/rfc822 and message/global parts, nil otherwise.
	Envelope *Envelope
	// Parts are the children of a multipart, in order. A multipart always has at
	// least one: where no delimiter line was found, its whole body is one text/plain
	// child with an empty header.
	Parts []*Part
	// Message is the message inside a message/rfc822 or message/global part. It is
	// nil for other types, and for an embedded message that is itself encoded with
	// base64 or quoted-printable: its offsets would mean nothing.
	Message *Part

	// flags says how the part came to be; see the constants.
	flags partFlags
}

type partFlags uint8

const (
	flagNoType  partFlags = 1 << iota // no valid Content-Type: type is the default
	flagOpaque                        // beyond a limit: kept as application/octet-stream
	flagNoFinal                       // multipart ended without its close-delimiter
)

// Param is a parameter of Content-Type or Content-Disposition.
type Param struct {
	// Name in lower case, without the marks of RFC 2231.
	Name string
	// Value in UTF-8, continuations joined, charsets (RFC 2231) and encoded-words
	// (RFC 2047, against its section 5 but common) decoded.
	Value string
	// Raw is the value as it is in the message when it has encoded-words, else "".
	Raw string
	// Extended says that the message has the value in the form of RFC 2231 with a
	// charset (name*).
	Extended bool
}

// IsMultipart reports whether the part has children of its own.
func (p *Part) IsMultipart() bool { return p.Type == "multipart" }

// IsMessage reports whether the part is a message/rfc822 or message/global, whose
// Message may still be nil.
func (p *Part) IsMessage() bool {
	return p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global")
}

// IsText reports whether the type is text.
func (p *Part) IsText() bool { return p.Type == "text" }

// Opaque reports that the part has structure which lies beyond a limit of [Parse]
// and is kept as application/octet-stream.
func (p *Part) Opaque() bool { return p.flags&flagOpaque != 0 }

// Unterminated reports that the part is a multipart whose close-delimiter is missing.
func (p *Part) Unterminated() bool { return p.flags&flagNoFinal != 0 }

// HasType reports whether the header has a valid Content-Type; without, Type and
// Subtype are the default.
func (p *Part) HasType() bool { return p.flags&flagNoType == 0 }

// MediaType returns "type/subtype" in lower case.
func (p *Part) MediaType() string { return p.Type + "/" + p.Subtype }

// Param returns the value of the Content-Type parameter, "" if there is none. Name
// is in lower case.
func (p *Part) Param(name string) string { return findParam(p.Params, name) }

// DispositionParam is [Part.Param] for Content-Disposition.
func (p *Part) DispositionParam(name string) string { return findParam(p.DispositionParams, name) }

// findParam prefers the form of RFC 2231 where there are both, as RFC 6266 4.3 does.
func findParam(params []Param, name string) string {
	value, found := "", false
	for i := range params {
		switch p := &params[i]; {
		case p.Name != name:
		case p.Extended:
			return p.Value
		case !found:
			value, found = p.Value, true
		}
	}
	return value
}

// Charset returns the charset parameter of a text part in lower case, "us-ascii"
// where a text part has none (RFC 2046 4.1.2), and "" for other parts.
func (p *Part) Charset() string {
	if p.Type != "text" {
		return ""
	}
	if c := strings.ToLower(strings.TrimSpace(p.Param("charset"))); c != "" {
		return c
	}
	return "us-ascii"
}

// Filename returns the suggested name of the part in UTF-8, from the disposition's
// filename or else the type's name; "" if there is none. It may hold anything,
// path separators included: it is for showing, not for opening files.
func (p *Part) Filename() string {
	if s := p.DispositionParam("filename"); s != "" {
		return s
	}
	return p.Param("name")
}

// IsAttachment reports whether a mail reader would list the part as an attachment:
// a leaf with disposition attachment, or one that is not text and not shown inline
// by a Content-ID.
func (p *Part) IsAttachment() bool {
	switch {
	case p.IsMultipart():
		return false
	case p.Disposition == "attachment":
		return true
	case p.IsText():
		return p.Disposition != "inline" && p.Filename() != ""
	}
	return p.Disposition == "" && p.ID == "" || p.Filename() != "" && p.ID == "" || p.IsMessage()
}

// HeaderSize and BodySize are in bytes, as in the message.
func (p *Part) HeaderSize() int64 { return p.BodyStart - p.HeaderStart }

// BodySize is the size of the body in bytes, as in the message.
func (p *Part) BodySize() int64 { return p.BodyEnd - p.BodyStart }

// Size is the size of header and body in bytes.
func (p *Part) Size() int64 { return p.BodyEnd - p.HeaderStart }

// Walk calls f for the part and everything in it, in the order of the message,
// with the IMAP part number of each as a path ([1 2] is 1.2). The root of a message
// that is not multipart has the path [1], the root of a multipart the empty path,
// and a message inside part 2 the path [2] again when multipart, else [2 1]. The
// path is only valid during the call. If f returns false, what is inside that part
// is skipped.
func (p *Part) Walk(f func(path []int, p *Part) bool) {
	walkMessage(p, make([]int, 0, 8), f)
}

func walkMessage(p *Part, path []int, f func([]int, *Part) bool) {
	if p.IsMultipart() {
		walkPart(p, path, f)
	} else {
		walkPart(p, append(path, 1), f)
	}
}

func walkPart(p *Part, path []int, f func([]int, *Part) bool) {
	if !f(path, p) {
		return
	}
	for i, c := range p.Parts {
		walkPart(c, append(path, i+1), f)
	}
	if p.Message != nil {
		walkMessage(p.Message, path, f)
	}
}
