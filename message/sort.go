package message

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// SortKeys are the values by which IMAP SORT orders messages (RFC 5256, RFC 5957).
// Strings are transformed by [CasemapKey], so that they are compared as bytes.
type SortKeys struct {
	Date        time.Time // the sent date in UTC
	Subject     string    // the base subject
	Reply       bool      // the message is a reply or forward by RFC 5256 3
	From        string    // mailbox of the first From address
	To, Cc      string    // likewise
	DisplayFrom string
	DisplayTo   string
}

// SortKeys returns the keys of a message. Where it has no valid Date, the date is
// fallback, which IMAP wants to be the internal date.
func (p *Part) SortKeys(fallback time.Time) SortKeys {
	k := p.SortKeysBy(UnicodeCasemap)
	if k.Date.IsZero() {
		k.Date = fallback.UTC()
	}
	return k
}

// SortKeysBy returns the keys of a message with strings transformed by a collation; the
// date is zero where the message has no valid one.
func (p *Part) SortKeysBy(c Collation) SortKeys {
	e := p.Envelope
	if e == nil {
		return SortKeys{}
	}
	date := e.SentDate()
	if !date.IsZero() {
		date = date.UTC()
	}
	base, reply := BaseSubject(e.Subject)
	return SortKeys{
		Date:        date,
		Subject:     c.Key(base),
		Reply:       reply,
		From:        c.Key(firstMailbox(e.From)),
		To:          c.Key(firstMailbox(e.To)),
		Cc:          c.Key(firstMailbox(e.Cc)),
		DisplayFrom: c.Key(firstDisplay(e.From)),
		DisplayTo:   c.Key(firstDisplay(e.To)),
	}
}

// firstMailbox is the addr-mailbox of the first address as IMAP has it: for a group
// its name.
func firstMailbox(list []Address) string {
	if len(list) == 0 {
		return ""
	}
	if list[0].Kind == AddressGroupStart {
		return list[0].DisplayName()
	}
	return lenientUTF8(list[0].Mailbox)
}

// firstDisplay is the display sort value of RFC 5957 3.
func firstDisplay(list []Address) string {
	if len(list) == 0 {
		return ""
	}
	a := list[0]
	if name := a.DisplayName(); name != "" {
		return name
	}
	if a.Host == "" {
		return lenientUTF8(a.Mailbox)
	}
	return lenientUTF8(a.Mailbox + "@" + a.Host)
}

// CasemapKey transforms text by i;unicode-casemap (RFC 5051): what is equal there has
// equal keys, and keys compared as bytes are in its order.
//
// RFC 5051 2: each character to title case, then decomposed.
func CasemapKey(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return norm.NFKD.String(strings.Map(unicode.ToTitle, lenientUTF8(s)))
}
