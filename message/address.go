package message

import "strings"

// AddressKind says what an entry of an address list is.
type AddressKind uint8

// The kinds of entries of an address list.
const (
	AddressMailbox    AddressKind = iota // a mailbox
	AddressGroupStart                    // start of a group; its name is in Name
	AddressGroupEnd                      // end of a group; all else is empty
)

// Address is an entry of an address list: a mailbox, or the start or end of a
// group (RFC 5322 3.4), which is also how IMAP lists them.
type Address struct {
	// Kind is AddressMailbox, the zero value, for all but group markers.
	Kind AddressKind
	// Name is the display name or group name, without quotes and comments. From a
	// parsed message encoded-words are still encoded, see [Address.DisplayName], and
	// bytes may be 8 bit; what is given to a [Composer] is text in UTF-8.
	Name string
	// Route is the source route of obsolete syntax ("@a,@b"), mostly "".
	Route string
	// Mailbox is the local part without quotes, Host the domain as in the message.
	// Host is "" where the address has none.
	Mailbox, Host string
}

// DisplayName returns Name with encoded-words decoded, as valid UTF-8.
func (a Address) DisplayName() string { return strings.TrimSpace(DecodeWords(a.Name)) }

// Addr returns "mailbox@host", the mailbox quoted where it has to be, "mailbox" where
// there is no host, and "" for group markers. Bytes are as in the message.
func (a Address) Addr() string {
	if a.Kind != AddressMailbox {
		return ""
	}
	local := a.Mailbox
	if !isDotAtom(local) {
		local = quoteString(local)
	}
	if a.Host == "" {
		return local
	}
	return local + "@" + a.Host
}

// String returns the address for reading, in valid UTF-8: "Name <mailbox@host>".
func (a Address) String() string {
	name := a.DisplayName()
	switch {
	case a.Kind == AddressGroupStart:
		return name + ":"
	case a.Kind == AddressGroupEnd:
		return ";"
	case name == "":
		return oneLine(lenientUTF8(a.Addr()))
	}
	if !isPhrase(name) {
		name = quoteString(name)
	}
	return name + " <" + oneLine(lenientUTF8(a.Addr())) + ">"
}

// RFC 5322 3.2.3, with RFC 6532 3.2: atext.
func isAtext(c byte) bool { return atext[c] }

var atext = func() (t [256]bool) {
	for c := range t {
		t[c] = c > ' ' && c != 0x7f && strings.IndexByte(`()<>[]:;@\,."`, byte(c)) < 0
	}
	return t
}()

func isDotAtom(s string) bool {
	dot := true
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			if dot {
				return false
			}
			dot = true
		} else if !isAtext(s[i]) {
			return false
		} else {
			dot = false
		}
	}
	return !dot
}

func isPhrase(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != ' ' && !isAtext(s[i]) {
			return false
		}
	}
	return true
}

func quoteString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}
