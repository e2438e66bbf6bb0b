package message

import (
	"strconv"
	"unicode/utf8"
)

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

// AppendEnvelope appends the IMAP ENVELOPE of a message (the root, or an embedded
// message; another part gives one of NILs), parentheses included, as it goes over the
// wire, literals included.
//
// Without utf8 it is pure ASCII: encoded-words are as in the message, and raw 8-bit
// text becomes encoded-words. With utf8, for clients that enabled UTF8=ACCEPT or
// IMAP4rev2, raw UTF-8 stays as it is (RFC 9755 3, RFC 9051 4.3).
func (p *Part) AppendEnvelope(dst []byte, utf8 bool) []byte {
	e := p.Envelope
	if e == nil {
		return append(dst, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"...)
	}
	w := wire{dst: append(dst, '('), utf8: utf8}
	// RFC 9051 7.5.2: absent is NIL, empty is empty.
	w.nstring(e.Date, e.present&presentDate != 0)
	w.space()
	w.nstring(e.Subject, e.present&presentSubject != 0)
	// RFC 9051 7.5.2: Sender and Reply-To default to From.
	sender, replyTo := e.Sender, e.ReplyTo
	if len(sender) == 0 {
		sender = e.From
	}
	if len(replyTo) == 0 {
		replyTo = e.From
	}
	for _, list := range [][]Address{e.From, sender, replyTo, e.To, e.Cc, e.Bcc} {
		w.space()
		w.addresses(list)
	}
	w.space()
	w.nstring(e.InReplyTo, e.present&presentInReplyTo != 0)
	w.space()
	w.nstring(e.MessageID, e.present&presentMessageID != 0)
	return append(w.dst, ')')
}

// wire appends data of IMAP responses.
type wire struct {
	dst  []byte
	utf8 bool
}

func (w *wire) space()         { w.dst = append(w.dst, ' ') }
func (w *wire) nil()           { w.dst = append(w.dst, "NIL"...) }
func (w *wire) number(n int64) { w.dst = strconv.AppendInt(w.dst, max(0, n), 10) }

func (w *wire) nstring(s string, present bool) {
	if s == "" && !present {
		w.nil()
		return
	}
	w.str(s)
}

// maxQuoted is how long a quoted string gets; longer ones are literals.
const maxQuoted = 4096

// str appends header text, in which 8-bit text can be encoded.
func (w *wire) str(s string) {
	if !isASCII(s) {
		switch {
		case w.utf8:
			s = lenientUTF8(s)
		default:
			// What is encoded already must not be encoded again.
			s = EncodeWords(DecodeWords(s))
		}
	}
	w.raw(s)
}

// raw appends a string that is ASCII or, with utf8, valid UTF-8. NUL, CR and LF, which
// no IMAP string may have, become spaces.
func (w *wire) raw(s string) {
	if w.utf8 && !utf8.ValidString(s) {
		s = lenientUTF8(s)
	}
	if len(s) > maxQuoted {
		s = oneLine(s)
		w.dst = append(w.dst, '{')
		w.dst = strconv.AppendInt(w.dst, int64(len(s)), 10)
		w.dst = append(w.dst, "}\r\n"...)
		w.dst = append(w.dst, s...)
		return
	}
	w.dst = append(w.dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			w.dst = append(w.dst, s[from:i]...)
			w.dst = append(w.dst, '\\')
			from = i
		case c == 0 || c == '\r' || c == '\n':
			w.dst = append(w.dst, s[from:i]...)
			w.dst = append(w.dst, ' ')
			from = i + 1
		case c >= utf8.RuneSelf && !w.utf8:
			w.dst = append(w.dst, s[from:i]...)
			w.dst = append(w.dst, '?')
			from = i + 1
		}
	}
	w.dst = append(w.dst, s[from:]...)
	w.dst = append(w.dst, '"')
}

// addresses appends an address list: NIL when empty, groups as markers, which are
// always in pairs.
func (w *wire) addresses(list []Address) {
	start, group := len(w.dst), false
	w.dst = append(w.dst, '(')
	for i := range list {
		isMarker := list[i].Kind != AddressMailbox
		if isMarker && group {
			group = false
			w.address(&Address{Kind: AddressGroupEnd})
		}
		switch list[i].Kind {
		case AddressGroupEnd:
			continue // written above, or there was no start
		case AddressGroupStart:
			group = true
		}
		w.address(&list[i])
	}
	if group {
		w.address(&Address{Kind: AddressGroupEnd})
	}
	if len(w.dst) == start+1 {
		w.dst = w.dst[:start]
		w.nil()
		return
	}
	w.dst = append(w.dst, ')')
}

func (w *wire) address(a *Address) {
	switch a.Kind {
	case AddressGroupStart:
		w.dst = append(w.dst, "(NIL NIL "...)
		w.str(a.Name)
		w.dst = append(w.dst, " NIL)"...)
		return
	case AddressGroupEnd:
		w.dst = append(w.dst, "(NIL NIL NIL NIL)"...)
		return
	}
	w.dst = append(w.dst, '(')
	w.nstring(a.Name, false)
	w.space()
	w.nstring(a.Route, false)
	// A NIL host would make it a group.
	w.space()
	w.str(a.Mailbox)
	w.space()
	w.str(a.Host)
	w.dst = append(w.dst, ')')
}
