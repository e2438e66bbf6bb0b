package jmap

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"mox/message"
)

// EmailAddress is RFC 8621 4.1.2.3.
type EmailAddress struct {
	Name  *string `json:"name"`
	Email string  `json:"email"`
}

// EmailAddressGroup is RFC 8621 4.1.2.4.
type EmailAddressGroup struct {
	Name      *string        `json:"name"` // nil: the addresses are not of a group
	Addresses []EmailAddress `json:"addresses"`
}

// EmailHeader is a header field in Raw form, RFC 8621 4.1.3.
type EmailHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Forms of header fields, RFC 8621 4.1.2, as in properties.
const (
	FormRaw              = "asRaw"
	FormText             = "asText"
	FormAddresses        = "asAddresses"
	FormGroupedAddresses = "asGroupedAddresses"
	FormMessageIDs       = "asMessageIds"
	FormDate             = "asDate"
	FormURLs             = "asURLs"
)

// knownFields are the fields that RFC 5322 and RFC 2369 define, with the forms that they can have besides Raw: RFC 8621 4.1.2.
var knownFields = func() map[string][]string {
	m := map[string][]string{"return-path": nil, "received": nil}
	for forms, names := range map[string]string{
		FormText: "subject comments keywords",
		FormAddresses + " " + FormGroupedAddresses: "from sender reply-to to cc bcc resent-from resent-sender resent-reply-to resent-to resent-cc resent-bcc",
		FormMessageIDs: "message-id in-reply-to references resent-message-id",
		FormDate:       "date resent-date",
		FormURLs:       "list-help list-unsubscribe list-subscribe list-post list-owner list-archive",
	} {
		for _, name := range strings.Fields(names) {
			m[name] = strings.Fields(forms)
		}
	}
	return m
}()

// HeaderProperty is a property header:{name}:{form}:all, RFC 8621 4.1.3.
type HeaderProperty struct {
	Property string // as it was asked for
	Name     string // of the field, in the case that it was asked for
	Form     string
	All      bool
}

// ParseHeaderProperty parses a property that begins with "header:". An error is an [*Error] of type invalidArguments.
func ParseHeaderProperty(s string) (*HeaderProperty, error) {
	bad := func(why string) error { return Errorf(ErrorInvalidArguments, "the property %.200q %s", s, why) }
	parts := strings.Split(s, ":")
	if len(parts) < 2 || parts[0] != "header" || !fieldName(parts[1]) {
		return nil, bad("does not name a header field")
	}
	h := &HeaderProperty{Property: s, Name: parts[1], Form: FormRaw}
	rest := parts[2:]
	if len(rest) > 0 && rest[0] != "all" {
		h.Form, rest = rest[0], rest[1:]
		switch h.Form {
		case FormRaw, FormText, FormAddresses, FormGroupedAddresses, FormMessageIDs, FormDate, FormURLs:
		default:
			return nil, bad("has a form that does not exist")
		}
	}
	if len(rest) > 0 && rest[0] == "all" {
		h.All, rest = true, rest[1:]
	}
	if len(rest) > 0 {
		return nil, bad("has more than a form and all")
	}
	// RFC 8621 4.2: a form that the field cannot have.
	forms, known := knownFields[strings.ToLower(h.Name)]
	if known && h.Form != FormRaw && !slices.Contains(forms, h.Form) {
		return nil, bad("has a form that the field cannot have")
	}
	return h, nil
}

// fieldName tells whether s can be the name of a header field: RFC 8621 4.1.3.
func fieldName(s string) bool {
	for i := range len(s) {
		if s[i] < 33 || s[i] > 126 {
			return false
		}
	}
	return s != ""
}

// Value is the value of the property in a header: null, an empty array, or in the form asked for.
func (h *HeaderProperty) Value(header *message.Header) any {
	all := []any{}
	for _, f := range header.Fields() {
		if f.Is(h.Name) {
			all = append(all, h.form(f))
		}
	}
	switch {
	case h.All:
		return all
	case len(all) == 0:
		return nil
	}
	return all[len(all)-1]
}

func (h *HeaderProperty) form(f message.Field) any {
	raw := RawValue(f)
	unfolded := strings.NewReplacer("\r", "", "\n", "").Replace(raw)
	switch h.Form {
	case FormText:
		return TextValue(unfolded)
	case FormAddresses:
		return AddressesValue(unfolded)
	case FormGroupedAddresses:
		return GroupedAddressesValue(unfolded)
	case FormMessageIDs:
		return nilIfNone(messageIDs(unfolded))
	case FormDate:
		return dateValue(unfolded)
	case FormURLs:
		return nilIfNone(urls(unfolded))
	}
	return raw
}

func nilIfNone(l []string) any {
	if len(l) == 0 {
		return nil
	}
	return l
}

// RawValue is the Raw form: RFC 8621 4.1.2.1.
func RawValue(f message.Field) string {
	_, v, _ := bytes.Cut(f.Raw(), []byte{':'})
	v = bytes.TrimSuffix(bytes.TrimSuffix(v, []byte{'\n'}), []byte{'\r'})
	return clean(string(v))
}

// clean makes valid UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// Headers are all fields of a header, in Raw form.
func Headers(header *message.Header) []EmailHeader {
	l := []EmailHeader{}
	for _, f := range header.Fields() {
		if name := f.Name(); name != "" {
			l = append(l, EmailHeader{clean(name), RawValue(f)})
		}
	}
	return l
}

// TextValue is the Text form of an unfolded value: RFC 8621 4.1.2.2.
func TextValue(s string) string {
	return decoded(strings.TrimLeft(s, " \t"))
}

// decoded decodes encoded-words, and drops control characters.
func decoded(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return -1
		}
		return r
	}, message.DecodeWords(s))
	return norm.NFC.String(s)
}

// AddressesValue is the Addresses form of an unfolded value: RFC 8621 4.1.2.3.
func AddressesValue(s string) []EmailAddress {
	l := []EmailAddress{}
	for _, a := range message.ParseAddressList(s, 0) {
		if a.Kind == message.AddressMailbox {
			l = append(l, emailAddress(a))
		}
	}
	return l
}

// GroupedAddressesValue is the GroupedAddresses form of an unfolded value: RFC 8621 4.1.2.4.
func GroupedAddressesValue(s string) []EmailAddressGroup {
	l := []EmailAddressGroup{}
	group := false // the last one can have more
	for _, a := range message.ParseAddressList(s, 0) {
		switch a.Kind {
		case message.AddressGroupStart:
			l = append(l, EmailAddressGroup{text(a.Name), []EmailAddress{}})
			group = true
		case message.AddressGroupEnd:
			group = false
		default:
			if n := len(l); n == 0 || l[n-1].Name != nil && !group {
				l = append(l, EmailAddressGroup{nil, []EmailAddress{}})
			}
			g := &l[len(l)-1]
			g.Addresses = append(g.Addresses, emailAddress(a))
		}
	}
	return l
}

// text is a display name; a group has one even if it is empty.
func text(s string) *string {
	s = strings.TrimSpace(decoded(s))
	return &s
}

func emailAddress(a message.Address) EmailAddress {
	e := EmailAddress{Email: clean(a.Addr())}
	if name := text(a.Name); *name != "" {
		e.Name = name
	}
	return e
}

func messageIDs(s string) []string {
	ids := message.ParseMessageIDs(s, 0)
	for i := range ids {
		ids[i] = clean(ids[i])
	}
	return ids
}

// dateValue is the Date form: a time with its zone, RFC 8620 1.4; nil where there is none.
func dateValue(s string) any {
	t, err := message.ParseDate(s)
	if err != nil || t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return t.Truncate(time.Second).Format(time.RFC3339)
}

// urls are those of RFC 2369 2: in angle brackets, separated by commas, with comments.
func urls(s string) (l []string) {
	depth := 0 // of comments
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '<' && depth == 0:
			n := strings.IndexByte(s[i:], '>')
			if n < 0 {
				return l
			}
			if u := strings.Join(strings.Fields(s[i+1:i+n]), ""); u != "" {
				l = append(l, u)
			}
			i += n
		}
	}
	return l
}
