package search

import (
	"bytes"
	"strings"
)

// area is a part of messages that has terms of its own in the index.
type area uint8

const (
	areaFrom area = iota
	areaTo
	areaCc
	areaBcc
	areaSubject
	areaMessageID
	areaHeader // the other fields of the header, the names of those above, headers of parts
	areaBody
	areas
)

// areaSet is a set of areas as bits.
type areaSet uint8

const (
	allAreas    areaSet = 1<<areas - 1
	headerAreas areaSet = allAreas &^ (1 << areaBody)
)

func (s areaSet) has(a area) bool { return s&(1<<a) != 0 }

// fieldAreas are the header fields with an area of their own.
var fieldAreas = map[string]area{
	"from": areaFrom, "to": areaTo, "cc": areaCc, "bcc": areaBcc, "subject": areaSubject, "message-id": areaMessageID,
}

// areaOfField returns the area of the values of a header field.
func areaOfField(name string) area {
	if len(name) > len("message-id") {
		return areaHeader
	}
	if a, ok := fieldAreas[strings.ToLower(name)]; ok {
		return a
	}
	return areaHeader
}

// The first byte of a key says the area, and whether the rest is a term or a bucket of
// blobs. It is below space and never LF.
const (
	termKeys = 0x10
	blobKeys = 0x18
)

func termKey(a area) byte { return termKeys + byte(a) }
func blobKey(a area) byte { return blobKeys + byte(a) }

func isBlobKey(key []byte) bool { return key[0] >= blobKeys }

// Terms of an area's blob keys besides the buckets; both sort before those.
var (
	markBlob    = []byte("!") // documents with any blob there
	markPartial = []byte("#") // documents whose text there is not wholly in the index
)

// appendBucket appends the key of a bucket, without its first byte.
func appendBucket(dst []byte, b uint16) []byte {
	return append(dst, '0'+byte(b>>6), '0'+byte(b&63))
}

// Field says which text of a message a [Query] looks at.
type Field uint8

// The fields. All but FieldText and FieldBody are of the message's own header.
const (
	FieldText      Field = iota // header, headers of parts, and body: SEARCH TEXT
	FieldBody                   // SEARCH BODY
	FieldHeader                 // the fields called Query.Name: SEARCH HEADER
	FieldFrom                   // SEARCH FROM
	FieldTo                     // SEARCH TO
	FieldCc                     // SEARCH CC
	FieldBcc                    // SEARCH BCC
	FieldSubject                // SEARCH SUBJECT
	FieldMessageID              // the Message-ID fields
)

// Query is a string to look for in a text of messages. A message matches when the text
// contains the string as [Fold] has both. A text is one header field, unfolded and
// decoded ("Name: value" for FieldText, what follows the colon otherwise), a header
// field of a part (FieldText only), or of the body: the visible text of one text part,
// the file name of a part, or a header field of an embedded message. No match goes
// across two of these.
type Query struct {
	Field  Field
	Name   string // of the header field, for FieldHeader
	Needle string // UTF-8; the empty string is contained in every text, and matches where there is one
}

// queryNames are the fields of the header that stand for a FieldHeader with a name.
var queryNames = map[Field]string{
	FieldFrom: "From", FieldTo: "To", FieldCc: "Cc", FieldBcc: "Bcc", FieldSubject: "Subject", FieldMessageID: "Message-ID",
}

// name is the name of the only header fields that the query looks at, "" for others.
func (q *Query) name() string {
	if q.Field == FieldHeader {
		return q.Name
	}
	return queryNames[q.Field]
}

// areas are where a message must have the needle.
func (q *Query) areas() areaSet {
	switch q.Field {
	case FieldText:
		return allAreas
	case FieldBody:
		return 1 << areaBody
	}
	return 1 << areaOfField(q.name())
}

// plan is what the index is asked, in q.areas for the needs of the needle, and in
// areaHeader for those of the field's name.
func (q *Query) plan() (needle, name plan) {
	needle = newPlan([]byte(Fold(q.Needle)))
	field := q.name()
	if field == "" || len(needle.needs) > 0 && areaOfField(field) != areaHeader {
		return needle, name
	}
	// The index has the name with its colon, which ends the last run of the name.
	name = newPlan([]byte(Fold("\n" + field + ":")))
	needle.exact = false
	return needle, name
}

// trimName cuts white space that obsolete syntax allows before the colon.
func trimName(b []byte) []byte { return bytes.TrimRight(b, " \t") }
