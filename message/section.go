package message

// Section returns the part with the IMAP part number, nil if there is none. An empty
// path is p itself.
//
// RFC 9051 6.4.5.1: the parts of a multipart are numbered from 1; a message that is
// not multipart has one part 1, its body, which is the Part of the message; the parts
// of a message/rfc822 part are those of the message in it.
func (p *Part) Section(path []int) *Part {
	cur, isMessage := p, true
	for _, n := range path {
		if cur.Message != nil && !isMessage {
			cur, isMessage = cur.Message, true
		}
		switch {
		case cur.IsMultipart():
			if n < 1 || n > len(cur.Parts) {
				return nil
			}
			cur = cur.Parts[n-1]
		case isMessage && n == 1:
		default:
			return nil
		}
		isMessage = false
	}
	return cur
}

// Specifier is the last element of an IMAP section.
type Specifier uint8

// The specifiers of RFC 9051 6.4.5.1.
const (
	SpecifierNone   Specifier = iota // BODY[], BODY[1.2]: all of a message, or the body of a part
	SpecifierHeader                  // HEADER, and the base of HEADER.FIELDS
	SpecifierText                    // TEXT
	SpecifierMIME                    // MIME
)

// SectionRange returns the offsets in the message of what an IMAP section stands for;
// ok is false where there is no such section.
//
// RFC 9051 6.4.5.1: HEADER and TEXT after a part number are those of the message in a
// message/rfc822 part; MIME needs a part number.
func (p *Part) SectionRange(path []int, s Specifier) (start, end int64, ok bool) {
	part := p.Section(path)
	if part == nil {
		return 0, 0, false
	}
	if s == SpecifierMIME {
		return part.HeaderStart, part.BodyStart, len(path) > 0
	}
	if s == SpecifierNone {
		if len(path) == 0 {
			return part.HeaderStart, part.BodyEnd, true
		}
		return part.BodyStart, part.BodyEnd, true
	}
	if len(path) > 0 {
		// Part 1 of a message that is itself message/rfc822 is its body.
		if part = part.Message; part == nil {
			return 0, 0, false
		}
	}
	if s == SpecifierHeader {
		return part.HeaderStart, part.BodyStart, true
	}
	return part.BodyStart, part.BodyEnd, true
}
