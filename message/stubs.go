package message

import (
	"errors"
	"io"
	"time"
)

const maxBuffer = 64 << 10

// ErrUnknownCTE says that a part has a Content-Transfer-Encoding that is not known,
// so that its content cannot be decoded. IMAP BINARY answers it with UNKNOWN-CTE.
var ErrUnknownCTE = errors.New("unknown content-transfer-encoding")

// ErrCorrupt says that bytes given to [DecodePart] are not what AppendBinary wrote.
var ErrCorrupt = errors.New("corrupt part tree")

// ErrUnknownCharset says that a charset label is not known.
var ErrUnknownCharset = errors.New("unknown charset")

// Parse reads a message from r to its end, in one pass, and returns its parts. The
// only errors are those of r (other than io.EOF); the part returned with it covers
// what was read.
func Parse(r io.Reader, l Limits) (*Part, error) { return nil, nil }

// ParseTop reads only the header of a message from r, possibly with bytes after it,
// and returns a Part without children: types, envelope, HeaderStart, and BodyStart
// (which is also BodyEnd).
func ParseTop(r io.Reader, l Limits) (*Part, error) { return nil, nil }

// AppendBinary appends the whole tree in a compact, versioned binary form.
func (p *Part) AppendBinary(dst []byte) []byte { return dst }

// AppendBinaryStructure is AppendBinary without envelopes, for those who keep the
// rendered ENVELOPE beside it: all that reading sections needs.
func (p *Part) AppendBinaryStructure(dst []byte) []byte { return dst }

// DecodePart is the inverse of AppendBinary and AppendBinaryStructure. Its error
// wraps [ErrCorrupt]. Memory and time are bounded by the length of b.
func DecodePart(b []byte) (*Part, error) { return nil, nil }

// AppendEnvelope appends the IMAP ENVELOPE of a message (the root, or an embedded
// message; another part gives one of NILs), parentheses included. With utf8 it is
// for clients that enabled UTF8=ACCEPT or IMAP4rev2.
func (p *Part) AppendEnvelope(dst []byte, utf8 bool) []byte { return dst }

// AppendBodyStructure appends the IMAP BODYSTRUCTURE (extended) or BODY of the part.
func (p *Part) AppendBodyStructure(dst []byte, extended, utf8 bool) []byte { return dst }

// Section returns the part with the IMAP part number, nil if there is none. An
// empty path is p itself.
func (p *Part) Section(path []int) *Part { return nil }

// Specifier is the last element of an IMAP section.
type Specifier uint8

// The specifiers of RFC 9051 6.4.5.1.
const (
	SpecifierNone   Specifier = iota // BODY[], BODY[1.2]: all of a message, or the body of a part
	SpecifierHeader                  // HEADER, and the base of HEADER.FIELDS
	SpecifierText                    // TEXT
	SpecifierMIME                    // MIME
)

// SectionRange returns the bytes of the message that an IMAP section stands for;
// ok is false where there is no such section (IMAP: NIL or an empty string).
func (p *Part) SectionRange(path []int, s Specifier) (start, end int64, ok bool) { return }

// Raw returns header and body of the part as they are in the message.
func (p *Part) Raw(ra io.ReaderAt) *io.SectionReader { return nil }

// Header returns the header of the part as it is in the message.
func (p *Part) Header(ra io.ReaderAt) *io.SectionReader { return nil }

// Body returns the body of the part as it is in the message.
func (p *Part) Body(ra io.ReaderAt) *io.SectionReader { return nil }

// Decoded returns the body with its Content-Transfer-Encoding decoded, leniently.
// The error is ErrUnknownCTE; errors while reading are those of ra.
func (p *Part) Decoded(ra io.ReaderAt) (io.Reader, error) { return nil, nil }

// DecodedSize reads through Decoded and returns its size in bytes.
func (p *Part) DecodedSize(ra io.ReaderAt) (int64, error) { return 0, nil }

// Binary returns what IMAP BINARY[section] sends: Decoded, for text parts with every
// line end as CRLF (RFC 9051 7.5.2).
func (p *Part) Binary(ra io.ReaderAt) (io.Reader, error) { return nil, nil }

// BinarySize returns the size of Binary in bytes, without keeping it.
func (p *Part) BinarySize(ra io.ReaderAt) (int64, error) { return 0, nil }

// Text returns the decoded body in UTF-8. What cannot be decoded becomes U+FFFD; an
// unknown encoding is taken as none; errors while reading are those of ra.
func (p *Part) Text(ra io.ReaderAt) io.Reader { return nil }

// VisibleText is Text, for HTML parts through [HTMLText]: what a reader sees.
func (p *Part) VisibleText(ra io.ReaderAt) io.Reader { return nil }

// HTMLText returns the visible text of an HTML document in UTF-8, streaming.
func HTMLText(r io.Reader) io.Reader { return nil }

// Preview returns at most 200 characters of what a reader would see first of the
// message (RFC 8970), white space collapsed, "" where there is nothing.
func Preview(p *Part, ra io.ReaderAt) string { return "" }

// BaseSubject returns the base subject of RFC 5256 2.1, of a Subject as in the
// message (encoded-words allowed), and whether it was a reply or forward.
func BaseSubject(subject string) (base string, reply bool) { return "", false }

// SortKeys are the values by which IMAP SORT orders messages, already transformed
// by i;unicode-casemap (RFC 5051) so that they are compared as bytes.
type SortKeys struct {
	Date        time.Time // sent date in UTC
	Subject     string    // base subject
	Reply       bool      // base subject differs because of a reply or forward
	From        string    // mailbox of the first From address
	To, Cc      string    // likewise
	DisplayFrom string    // RFC 5957
	DisplayTo   string
}

// SortKeys returns the keys of a message; the date is fallback (the internal date)
// where the message has no valid Date.
func (p *Part) SortKeys(fallback time.Time) SortKeys { return SortKeys{} }

// CasemapKey is i;unicode-casemap of RFC 5051: strings that compare equal there have equal keys.
func CasemapKey(s string) string { return s }

// SentDate returns the parsed Date of the message, the zero time where there is none or no valid one.
func (e *Envelope) SentDate() time.Time { return time.Time{} }

// ParseAddressList parses an address list of RFC 5322 leniently; max bounds the
// number of entries (0: 4096). What cannot be understood as an address is skipped.
func ParseAddressList(s string, max int) []Address { return nil }

// DisplayName returns Name with encoded-words decoded, as valid UTF-8.
func (a Address) DisplayName() string { return "" }

// Addr returns "mailbox@host" (quoting the mailbox where needed), "" for group markers.
func (a Address) Addr() string { return "" }

// String returns the address for reading: `Name <mailbox@host>` with the name decoded.
func (a Address) String() string { return "" }

// RFC5322Z is the layout of a date in a message header, for [time.Time.Format].
const RFC5322Z = "Mon, 2 Jan 2006 15:04:05 -0700"

// FormatDate formats t as in a message header.
func FormatDate(t time.Time) string { return t.Format(RFC5322Z) }

// ParseDate parses a Date of RFC 5322, obsolete and wild forms included.
func ParseDate(s string) (time.Time, error) { return time.Time{}, nil }

// ParseMessageIDs returns the message ids of a References, In-Reply-To or Message-ID
// field, without angle brackets, in order, at most max (0: 1000; the last ones are kept).
func ParseMessageIDs(s string, max int) []string { return nil }

// DecodeWords decodes the encoded-words (RFC 2047) of an unstructured field or a
// phrase and returns valid UTF-8.
func DecodeWords(s string) string { return s }

// EncodeWords encodes UTF-8 text as encoded-words where it has to be, unfolded with
// spaces between words.
func EncodeWords(s string) string { return s }

// CharsetReader returns a reader of UTF-8 of text in the charset, or ErrUnknownCharset.
func CharsetReader(charset string, r io.Reader) (io.Reader, error) { return nil, nil }

// DecodeCharset returns b, in the charset, as UTF-8; an unknown charset and invalid
// bytes degrade to U+FFFD.
func DecodeCharset(charset string, b []byte) string { return "" }

// AppendHeaderFields appends the fields of header that are (not: are not) named, in
// order and as they are, and the empty line that ends a header: IMAP's
// HEADER.FIELDS and HEADER.FIELDS.NOT. Names are compared case-insensitively.
func AppendHeaderFields(dst, header []byte, names []string, not bool) []byte { return dst }
